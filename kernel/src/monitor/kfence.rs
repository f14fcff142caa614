//! The pool of guarded pages: what it found, and how often it looks.

use mm::kfence::{Figures, GateState};
use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use crate::console::println;
use crate::kfence::{milliseconds, ticks};

pub fn kfence(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let slabs = kernel.slabs;
    let pool = slabs.kfence_pool();
    if pool.objects() == 0 {
        return Err(Failure::NoKfence);
    }
    if let Ok(interval) = args.number("MS") {
        slabs.set_sample_interval(ticks(interval));
        return Ok(());
    }
    let figures = slabs.kfence_figures();
    let Figures { objects, allocated, taken, given, bugs, .. } = figures;
    let gate = match figures.gate {
        GateState::Off => "off",
        GateState::Open => "open",
        GateState::Closed => "closed",
    };
    println!("pool: {objects} objects at {}", pool.range());
    println!("sample interval: {} ms, gate: {gate}", milliseconds(figures.interval));
    println!("currently allocated: {allocated}");
    println!("total allocations: {taken}");
    println!("total frees: {given}");
    println!("total bugs: {bugs}");
    println!("skipped allocations (incompatible): {}", figures.skipped_unfit);
    println!("skipped allocations (capacity): {}", figures.skipped_full);
    Ok(())
}
