//! What the machine does: its interrupts, and whether it passes its tests.

use monitor::argument::Args;

use super::Kernel;
use super::table::Failure;
use crate::console::Out;
use crate::{interrupts, selftest};

pub fn irqs(_: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    // The console can not fail.
    let _ = interrupts::write(&mut Out);
    Ok(())
}

pub fn selftest(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let suite = args.choice("SUITE").ok();
    selftest::run(kernel, suite).map_err(Failure::SelfTest)
}

pub fn ticks(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let seconds = args.number("SECONDS")?;
    selftest::run_ticks(kernel, seconds).map_err(Failure::SelfTest)
}
