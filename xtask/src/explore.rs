//! `explore`: builds the layout explorer, a page that needs no network, and the WebAssembly module inside it.
//!
//! The module is the crate `explorer`: the kernel's own rules. Invariant: what is published is whole, and was built
//! just now.

use anyhow::{Context as _, Result, ensure};
use experiment::results::{Results, VERSION};
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::image::publish;
use crate::report;
use crate::setup;
use crate::toolchain::{Target, Toolchain};
use crate::workspace::Workspace;

/// The profile in the workspace's `Cargo.toml`, and the folder that cargo names after it.
const PROFILE: &str = "wasm";

/// Arguments of `explore`.
#[derive(clap::Args)]
pub struct Args {
    /// Where to write the page [default: target/explorer/explorer.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A module that was built.
pub struct Module {
    /// Where it is published.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target_dir.join("explorer")
}

/// Builds the module and publishes it.
pub fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<Module> {
    let mut cargo = toolchain.cargo(workspace, "build");
    cargo.args(["--package", "explorer", "--lib", "--profile", PROFILE]);
    // Standard output belongs to the caller.
    let status = cargo
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("cannot run {}", cargo.get_program().to_string_lossy()))?;
    ensure!(status.success(), "the explorer did not build ({status})");

    let built = toolchain.output_dir(workspace, PROFILE).join("explorer.wasm");
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let folder = folder(workspace);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("explorer.wasm");
    publish(&path, &bytes)?;
    Ok(Module { path, bytes })
}

/// Sees to what it takes, then builds.
pub fn set_up_and_build(workspace: &Workspace) -> Result<Module> {
    let machine = setup::ensure(&setup::FOR_EXPLORER)?;
    build(workspace, &Toolchain::new(&machine, Target::Explorer)?)
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let module = set_up_and_build(&workspace)?;
    let path = args.out.clone().unwrap_or_else(|| folder(&workspace).join("explorer.html"));
    let path = std::path::absolute(&path).with_context(|| path.display().to_string())?;
    publish(&path, page(&module.bytes).as_bytes())?;
    let mut out = io::stdout().lock();
    for path in &[module.path, path] {
        let bytes = path.metadata().with_context(|| path.display().to_string())?.len();
        writeln!(out, "{}  {bytes} bytes", workspace.shorten(path).display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The page without rows.
fn page(module: &[u8]) -> String {
    let kernel = "What the kernel would decide, by its own rules; nothing is booted.".to_owned();
    report::page(&Results { version: VERSION, kernel, rows: Vec::new() }, module)
}
