//! `report`: the page of a sweep's `results.json`, made anew.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use experiment::results::{Results, VERSION};

use super::page;
use crate::explore;
use crate::image::publish;
use crate::qemu::existing_file;
use crate::workspace::Workspace;

/// Arguments of `report`.
#[derive(clap::Args)]
pub struct Args {
    /// The results of a sweep
    #[arg(value_name = "results.json", value_parser = existing_file)]
    results: PathBuf,
    /// Where to write the page [default: report.html beside the results]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Makes the page.
pub fn run(args: &Args) -> Result<ExitCode> {
    let file = args.results.display();
    let text = fs::read_to_string(&args.results).with_context(|| format!("cannot read {file}"))?;
    let results: Results =
        serde_json::from_str(&text).with_context(|| format!("{file} is no file of results"))?;
    ensure!(
        results.version == VERSION,
        "{file} is of version {}; this program reads version {VERSION}",
        results.version
    );
    let module = explore::set_up_and_build(&Workspace::find()?)?;
    let out = args.out.clone().unwrap_or_else(|| args.results.with_file_name("report.html"));
    let out = std::path::absolute(&out).with_context(|| out.display().to_string())?;
    publish(&out, page(&results, &module.bytes).as_bytes())?;
    writeln!(io::stdout(), "{}", out.display())?;
    Ok(ExitCode::SUCCESS)
}
