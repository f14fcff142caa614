//! What the machine does: its interrupts, whether it passes its tests, and what it reports when
//! something is wrong.

use arrayvec::ArrayString;
use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use crate::console::{Out, println};
use crate::report::provoke::{self, CRASHES};
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

/// Operations when nobody says how many.
const SOAK_OPERATIONS: u32 = 1_000_000;

pub fn soak(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let operations = args.number("COUNT").unwrap_or(SOAK_OPERATIONS);
    let seed = args.number("SEED").unwrap_or(1);
    selftest::run_soak(kernel, operations, seed).map_err(Failure::SelfTest)
}

pub fn object_soak(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let operations = args.number("COUNT").unwrap_or(SOAK_OPERATIONS);
    let seed = args.number("SEED").unwrap_or(1);
    selftest::run_object_soak(kernel, operations, seed).map_err(Failure::SelfTest)
}

pub fn crash(_: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let Some(crash) = args.choice("KIND").ok().and_then(|index| CRASHES.get(index)) else {
        CRASHES.iter().for_each(|crash| println!("{:<10} {}", crash.name, crash.what));
        return Ok(());
    };
    (crash.run)();
    Err(Failure::NotCrashed { name: crash.name })
}

pub fn panic(_: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let mut text = ArrayString::<256>::new();
    for word in args.texts("TEXT") {
        // A line is shorter.
        let _ = text.try_push_str(if text.is_empty() { "" } else { " " });
        let _ = text.try_push_str(word);
    }
    provoke::panic(if text.is_empty() { "asked to panic" } else { text.as_str() })
}

#[cfg(feature = "bench")]
pub fn bench(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    crate::bench::run(kernel, args.choice("NAME").ok()).map_err(Failure::Unmeasured)
}
