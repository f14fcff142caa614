//! The host's part of the benchmark, which `cargo xtask bench` runs as an optimised program.
//!
//! | file | idea |
//! |---|---|
//! | `store` | what an allocator must do to be measured here |
//! | `ours` | our page allocator as such: the one file that knows its interface |
//! | `peers` | the other crates as such |
//! | `threads` | one thread and two, each with its own work on one allocator |
//! | `churn` | what large blocks a long life leaves |
//!
//! Times are of this host and this run; what may be compared is the ratio between allocators. The
//! counts of `churn` are the same on every run.

mod churn;
mod ours;
mod peers;
mod store;
mod threads;

use anyhow::Result;
use std::io::{self, Write};
use std::process::ExitCode;

use store::Store;

/// Pages of memory that each allocator has: 256 MiB.
const PAGES: u32 = 1 << 16;

fn main() -> ExitCode {
    match run(&mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "bench-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Every allocator, ours first, each with all of its memory free.
fn stores() -> Result<Vec<Box<dyn Contestant>>> {
    Ok(vec![
        Box::new(ours::Ours::new(PAGES)?),
        Box::new(peers::BuddySystem::new(PAGES)?),
        Box::new(peers::Bitmap::new(PAGES)),
    ])
}

/// A [`Store`] for whom each measurement has been compiled: what is measured must not be called
/// through a table of functions.
trait Contestant {
    fn name(&self) -> &'static str;
    fn threads(&self) -> Result<Vec<f64>>;
    fn churn(&self, kept: Option<u32>) -> churn::Outcome;
}

impl<S: Store> Contestant for S {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn threads(&self) -> Result<Vec<f64>> {
        threads::measure(self)
    }

    fn churn(&self, kept: Option<u32>) -> churn::Outcome {
        churn::run(self, PAGES, kept)
    }
}

fn run(out: &mut impl Write) -> Result<()> {
    let mut times = Vec::new();
    for contestant in stores()? {
        times.push((contestant.name(), contestant.threads()?));
    }
    threads::write(out, &times)?;
    writeln!(out)?;
    // Anew: the threads have left their mark on the order of what is free.
    let mut lives = churn::LIVES.map(|_| churn::Outcomes::new());
    for (kept, outcomes) in churn::LIVES.into_iter().zip(&mut lives) {
        for contestant in stores()? {
            outcomes.push((contestant.name(), contestant.churn(kept)));
        }
    }
    churn::write(out, &lives)?;
    Ok(())
}
