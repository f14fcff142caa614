//! How long a soak goes on: as many operations as were asked for, more if ticks are late, fewer after Ctrl-C.

use super::Checks;
use crate::console::{self, println};
use crate::interrupts::tick;

/// Ticks that there must have been, and times the number of operations until none is waited for.
const TICKS: u32 = 8;
const TIMES: u32 = 100;
/// Operations after which there is a line, for who waits.
const PROGRESS: u32 = 1_000_000;
/// Operations after which the console is asked whether somebody wants no more.
const PATIENCE: u32 = 1024;

/// Where a soak stands.
pub struct Pace {
    name: &'static str,
    operations: u32,
    done: u32,
    is_stopped: bool,
}

impl Pace {
    /// At the start of a soak of so many operations.
    pub const fn new(name: &'static str, operations: u32) -> Self {
        Self { name, operations, done: 0, is_stopped: false }
    }

    /// Is there to be one operation more? `ticks` says how often the tick's handler has come.
    pub fn goes_on(&self, ticks: impl FnOnce() -> u32) -> bool {
        !self.is_stopped
            && (self.done < self.operations
                || (self.done < self.operations.saturating_mul(TIMES) && !self.had_ticks(ticks)))
    }

    /// Operations that have been done.
    pub const fn done(&self) -> u32 {
        self.done
    }

    /// One more has been done.
    pub fn advance(&mut self) {
        self.done += 1;
        let Self { name, operations, done, .. } = *self;
        if done.is_multiple_of(PROGRESS) && done < operations {
            println!("{name}: {done} of {operations} operations");
        }
        if done.is_multiple_of(PATIENCE) && console::stop_was_typed() {
            println!("{name}: stopped by Ctrl-C");
            self.is_stopped = true;
        }
    }

    /// At the end: the handler has taken part.
    pub fn check(&self, ticks: u32, checks: &mut Checks) {
        let came = self.is_stopped || self.had_ticks(|| ticks);
        checks.that(came, format_args!("{ticks} ticks came in {} operations", self.done));
    }

    fn had_ticks(&self, ticks: impl FnOnce() -> u32) -> bool {
        tick::clock().is_none() || ticks() >= TICKS.min(self.operations)
    }
}
