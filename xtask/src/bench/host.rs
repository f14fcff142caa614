//! The host's part: a program of its own, as this one is compiled anew for each command, without
//! optimisation.

use anyhow::{Context as _, Result, ensure};

use crate::note;
use crate::workspace::Workspace;

/// Builds and runs it. Its tables go to standard output.
pub fn run(workspace: &Workspace) -> Result<()> {
    note("bench: the host's part");
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "bench-host"]);
    let status = cargo.status().context("cannot run cargo")?;
    ensure!(status.success(), "bench-host: {status}");
    Ok(())
}
