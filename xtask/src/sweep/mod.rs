//! `sweep`: every combination of memory, processor and settings is predicted, booted and compared.
//!
//! ```text
//! plan ──▶ combinations ──▶ predicted ───────────────────────────┐
//!               │                                                ├─▶ rows ─▶ files, table
//!               └─▶ journal, or else kernels ─▶ pool of boots ───┘
//!                      ▲                              │
//!                      └──────── as each ends ────────┘
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `plan` | lists of values, and the combinations that they make |
//! | `kernels` | the images of the splits, held still while they are booted |
//! | `boot` | one boot, and what the kernel said of its layout |
//! | `pool` | so many at a time, and how they are stopped |
//! | `journal` | boots that are finished, in a file that outlives this process |
//! | `files` | `results.json`, `results.csv`, `report.html` |
//! | `summary` | the table at the end |
//!
//! A journal keeps what a kernel said, not what was made of it: predictions and verdicts are made anew on each run, by
//! the code of that run. Invariant: a row that has been counted as finished is in the journal.

mod boot;
mod files;
mod journal;
mod kernels;
mod plan;
mod pool;
mod summary;

use anyhow::{Context as _, Result};
use experiment::agree;
use experiment::answer::Answer;
use experiment::results::{Results, Row, VERSION, Verdict};
use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::explore;
use crate::note;
use crate::workspace::Workspace;
use boot::{Boot, Booting};
use journal::{Journal, Key};
use kernels::Kernels;
use plan::{Combination, Lists};

/// As a shell says that a program was ended by SIGINT.
const EXIT_INTERRUPTED: u8 = 130;

/// Arguments of `sweep`.
#[derive(clap::Args)]
#[command(after_help = "Lists are separated by commas; `none` leaves a setting out.\n\n\
                        Exit status: 0 every boot agrees with its prediction (with --predict-only: \
                        every row has one); 1 one does not, or did not boot; 2 wrong usage; 130 \
                        interrupted. The same command goes on where one was stopped.")]
pub struct Args {
    #[command(flatten)]
    lists: Lists,
    /// Boot optimised kernels
    #[arg(long)]
    release: bool,
    /// More features of the kernels, separated by commas (test builds)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = crate::build::feature)]
    features: Vec<String>,
    /// Predict, and boot nothing
    #[arg(long)]
    predict_only: bool,
    /// Boot so many at a time [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// A boot that takes longer has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Where the files go, and what is finished is kept [default: target/sweep]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Boot what is finished again
    #[arg(long)]
    fresh: bool,
    /// Write no report.html, whose explorer takes a compiler for WebAssembly, and remove an earlier one
    #[arg(long)]
    no_report: bool,
}

/// A combination, and what the rules say of it.
struct Predicted {
    combination: Combination,
    /// The size of the image that is to boot.
    image_bytes: Option<u64>,
    answer: Result<Answer, String>,
}

impl Predicted {
    /// With the image that `kernels` have for it; without them one of the usual size.
    fn of(combination: Combination, kernels: Option<&Kernels>) -> Result<Self> {
        let kernel = kernels.map(|kernels| kernels.of(combination.split)).transpose()?;
        let image_bytes = kernel.map(|kernel| kernel.bytes);
        Ok(Self { answer: combination.predict(image_bytes), combination, image_bytes })
    }
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let folder = args.out.clone().unwrap_or_else(|| workspace.target_dir.join("sweep"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Held to the end; the system drops it if we die.
    let _lock = lock(&folder)?;
    // What is missing for the page is better said before an hour of boots.
    let module = if args.no_report {
        None
    } else {
        let module = explore::set_up_and_build(&workspace);
        Some(module.context("the page can not be made; --no-report does without")?)
    };
    let kernels =
        if args.predict_only { None } else { Some(Kernels::build(&workspace, &folder, args)?) };
    let rows = args.lists.combinations().into_iter();
    let rows = rows.map(|combination| Predicted::of(combination, kernels.as_ref()));
    let rows: Vec<Predicted> = rows.collect::<Result<_>>()?;
    let boots = match &kernels {
        Some(kernels) => boot_rows(args, kernels, &folder, &rows)?,
        None => Finished::default(),
    };
    let (finished, interrupted) = (boots.by_row.len(), boots.interrupted);
    let results = results(rows, boots);
    let paths = files::write_reports(&folder, &results, module.as_ref())?;

    let mut out = io::stdout().lock();
    write!(out, "{}", summary::of(&results))?;
    for path in &paths {
        writeln!(out, "wrote {}", workspace.shorten(path).display())?;
    }
    out.flush()?;
    if interrupted {
        note(format_args!(
            "interrupted: {finished} of {} rows are finished and kept, the others were not booted; the same command \
             goes on",
            results.rows.len()
        ));
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    let well = |row: &Row| match row.verdict {
        Verdict::Agrees => true,
        Verdict::Predicted => args.predict_only,
        Verdict::Differs { .. } | Verdict::Failed { .. } => false,
    };
    Ok(if results.rows.iter().all(well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One sweep at a time writes into a folder.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(".lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let folder = folder.display();
            anyhow::bail!("another sweep is at work in {folder}: --out DIR names another folder")
        }
        Err(TryLockError::Error(error)) => Err(error).context(path.display().to_string()),
    }
}

/// The boots that are finished.
#[derive(Default)]
struct Finished {
    /// By the number of the row.
    by_row: HashMap<usize, Boot>,
    /// Are there more to do?
    interrupted: bool,
}

/// Boots what the journal does not have.
fn boot_rows(
    args: &Args,
    kernels: &Kernels,
    folder: &Path,
    rows: &[Predicted],
) -> Result<Finished> {
    let mut journal = Journal::open(&folder.join("rows.jsonl"), args.fresh)?;
    let mut finished = Finished::default();
    let mut to_do: Vec<(usize, Key, Booting<'_>)> = Vec::new();
    let timeout = Duration::from_secs(args.timeout.into());
    for (number, row) in rows.iter().enumerate() {
        let combination = &row.combination;
        let kernel = kernels.of(combination.split)?;
        let booting = Booting { combination, kernel, folder, timeout };
        let key = Key::new(&booting.qemu()?, kernel, &kernels.qemu);
        match journal.find(&key) {
            Some(boot) => drop(finished.by_row.insert(number, boot.clone())),
            None => to_do.push((number, key, booting)),
        }
    }
    let jobs = args
        .jobs
        .map_or_else(|| available_parallelism().map_or(1, std::num::NonZero::get), usize::from);
    note(format_args!(
        "sweep: {} rows, {} finished before, {} to boot, {jobs} at a time",
        rows.len(),
        finished.by_row.len(),
        to_do.len()
    ));
    let stop = pool::stop_on_signal()?;
    let bar = pool::bar(to_do.len());
    let boot = |(_, _, booting): &(usize, Key, Booting<'_>)| booting.boot(&stop);
    let all = pool::each(&to_do, jobs, &stop, boot, |(number, key, _), boot| {
        journal.keep(key, &boot)?;
        finished.by_row.insert(*number, boot);
        bar.inc(1);
        Ok(())
    });
    bar.finish_and_clear();
    all?;
    finished.interrupted = finished.by_row.len() < rows.len();
    Ok(finished)
}

/// The rows, in the order of the combinations.
fn results(rows: Vec<Predicted>, mut finished: Finished) -> Results {
    let mut kernel = None;
    let rows = rows.into_iter().enumerate().map(|(number, row)| {
        let Predicted { combination, image_bytes, answer: predicted } = row;
        let boot = finished.by_row.remove(&number);
        let verdict = match &boot {
            Some(boot) => agree::verdict(&predicted, boot.answer()),
            None => match &predicted {
                Ok(_) => Verdict::Predicted,
                Err(reason) => Verdict::Failed { reason: reason.clone() },
            },
        };
        let booted = boot.and_then(|boot| {
            kernel = kernel.take().or(boot.kernel);
            boot.said.ok()
        });
        combination.row(image_bytes, predicted, booted, verdict)
    });
    let rows = rows.collect();
    let predicted = || concat!("vmsplit ", env!("CARGO_PKG_VERSION"), " (predicted)").to_owned();
    Results { version: VERSION, kernel: kernel.unwrap_or_else(predicted), rows }
}
