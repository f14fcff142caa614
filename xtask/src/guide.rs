//! `guide`: a book of `docs/`, made by the program of the crate `guide`, which knows mdBook.
//!
//! Here are only the defaults and the names. That program is built when the book is asked for: its 60 crates would
//! hold up every other command. Its exit status is this command's.

use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::workspace::Workspace;

/// Arguments of `guide`.
#[derive(clap::Args)]
pub struct Args {
    /// Where the book goes [default: guide in the target directory]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Shows it in a browser
    #[arg(long)]
    open: bool,
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let out = match &args.out {
        // Below the folder that the user stands in; cargo runs at the root.
        Some(out) => std::path::absolute(out).context("--out")?,
        None => workspace.target_dir.join("guide"),
    };
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package", "guide", "--"]).arg(&workspace.root).arg(out);
    if args.open {
        cargo.arg("--open");
    }
    let status = cargo.status().context("cannot run cargo")?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(2) => ExitCode::from(crate::EXIT_USAGE),
        _ => ExitCode::FAILURE,
    })
}
