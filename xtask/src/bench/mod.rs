//! `bench`: what each memory operation costs, in guest instructions, beside Linux and other crates.
//!
//! A build with the flags of `run --release` and the feature `bench` boots under
//! `-icount shift=0`, where the count of executed instructions is exact and the same on every run;
//! the monitor's command `bench` measures, and its lines come back as a table. The host's part is a
//! program of its own, `bench-host`, which measures threads and what is left after a churn.
//!
//! | file | idea |
//! |---|---|
//! | `select` | which operations `--only` means |
//! | `guest` | a boot, and the figures that it printed |
//! | `linux` | Linux's recorded figures |
//! | `budgets` | what an operation may cost |
//! | `table` | the figures as a table, and as JSON |
//! | `growth` | how cost grows with memory |
//! | `plot` | a picture of how cost grows with the number of live areas |
//! | `host` | the host's part |
//! | `waste` | bytes that nobody asked for |
//!
//! Figures go to standard output, everything else to standard error.

mod budgets;
mod growth;
mod guest;
mod host;
mod linux;
mod plot;
mod select;
mod table;
mod waste;

use anyhow::Result;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::build::{self, ImageArgs, Split};
use crate::image::Image;
use crate::note;
use crate::qemu::MemorySize;
use crate::setup;
use crate::workspace::Workspace;

pub use select::NoSuchOperation;

/// Arguments of `bench`.
#[derive(clap::Args)]
#[command(after_help = "Exit status: 0 measured; 1 a figure passed its budget (--check), or the \
                        boot failed; 2 wrong usage.")]
pub struct Args {
    /// Print one JSON array instead of the table; the guest's operations only
    #[arg(long, conflicts_with = "host")]
    json: bool,
    /// Only this operation: a name, the beginning of one name, or a pattern with * and ?
    #[arg(long, value_name = "NAME", conflicts_with = "host")]
    only: Option<String>,
    /// Fail when a figure passes its budget, and name it; the guest's operations only
    #[arg(long, conflicts_with = "host")]
    check: bool,
    /// Only the host's part: threads, and what a churn leaves
    #[arg(long)]
    host: bool,
    /// Only what objects of many sizes waste
    #[arg(long, conflicts_with_all = ["host", "json", "only", "check"])]
    waste: bool,
    /// Only the picture of what `vmalloc` costs by the number of live areas, as SVG into this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host", "json", "only", "check", "waste"])]
    plot: Option<PathBuf>,
    /// Memory of the booted machine; Linux's figures are of 2G
    #[arg(short, value_name = "SIZE", default_value = "2G", conflicts_with = "host")]
    memory: MemorySize,
}

/// The image that is measured.
fn image(workspace: &Workspace) -> Result<Image> {
    let features = vec!["bench".to_owned()];
    let args = ImageArgs { vmsplit: Split::ThreeG, release: true, features };
    build::set_up_and_build(workspace, &setup::FOR_RUN, &args)
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let chosen = args.only.as_deref().map(select::select).transpose()?;
    let workspace = Workspace::find()?;
    if args.host {
        host::run(&workspace)?;
        return Ok(ExitCode::SUCCESS);
    }
    let image = image(&workspace)?;
    if args.waste {
        waste::write(&mut io::stdout().lock(), &image, args.memory)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &args.plot {
        plot::write(path, &image, args.memory)?;
        return Ok(ExitCode::SUCCESS);
    }
    let measured = guest::measure(&image, args.memory, chosen.as_deref())?;
    let mut out = io::stdout().lock();
    if args.json {
        table::write_json(&mut out, &measured)?;
    } else {
        table::write(&mut out, &measured)?;
    }
    if args.check {
        let wanted = |name: &str| chosen.as_ref().is_none_or(|chosen| chosen.contains(&name));
        let faults = budgets::faults(&measured, wanted);
        for fault in &faults {
            note(fault);
        }
        return Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if !args.json && chosen.is_none() {
        writeln!(out)?;
        growth::write(&mut out, &image)?;
        writeln!(out)?;
        drop(out);
        host::run(&workspace)?;
        let mut out = io::stdout().lock();
        writeln!(out)?;
        waste::write(&mut out, &image, args.memory)?;
    }
    Ok(ExitCode::SUCCESS)
}
