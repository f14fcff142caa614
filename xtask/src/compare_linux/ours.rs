//! Our side: a boot of vmsplit on the same board, and what it reads back of its tables and zones.

use std::time::{Duration, Instant};

use anyhow::Result;
use experiment::answer::Answer;

use crate::asked;
use crate::drive::{Limit, Seen, unattended};
use crate::image::Image;
use crate::qemu::MachineArgs;

/// How it ended.
#[derive(Debug)]
pub enum End {
    /// It answered.
    Told(Box<Answer>),
    /// It did not; why.
    Failed(String),
    /// It was still running at the deadline; what it was doing.
    TimedOut(String),
}

/// A boot.
pub struct Boot {
    /// All that was printed.
    pub console: String,
    /// How it ended.
    pub end: End,
}

/// Boots `image` on `machine`.
///
/// # Errors
///
/// QEMU does not start.
pub fn boot(machine: &MachineArgs, image: &Image, timeout: Duration) -> Result<Boot> {
    let limit = Limit { deadline: Some(Instant::now() + timeout), stop: None };
    let seen = unattended(&mut machine.command(image)?, asked::commands(), limit)?;
    Ok(Boot { end: end(&seen), console: seen.text })
}

fn end(seen: &Seen) -> End {
    if let Some(what) = seen.timed_out() {
        return End::TimedOut(what);
    }
    let faults = seen.faults();
    if !faults.is_empty() {
        return End::Failed(faults.join("; "));
    }
    match asked::answer(&seen.text) {
        Ok(answer) => End::Told(Box::new(answer)),
        Err(error) => End::Failed(error),
    }
}
