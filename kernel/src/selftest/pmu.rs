//! The count of executed instructions is exact: one more instruction, one more.
//!
//! Where nobody counts (QEMU without `--icount`), the suite is skipped.

use core::arch::asm;

use arch_arm::interrupt;
use arch_arm::pmu::InstructionCounter;

use super::Checks;
use crate::monitor::Kernel;

/// The suite.
pub fn run(_: &mut Kernel, checks: &mut Checks) {
    let Some(counter) = InstructionCounter::find() else {
        return checks.skip("no instruction counter");
    };
    let early = counter.since_entry();
    let around = measure(counter, 1);
    for times in [2, 3, 10, 1_000, 123_456] {
        // A turn of the loop is two instructions.
        let expected = around + 2 * (times - 1);
        checks.equal(measure(counter, times), expected, format_args!("{times} turns"));
        checks.equal(measure(counter, times), expected, format_args!("{times} turns again"));
    }
    let late = counter.since_entry();
    if let (Some(early), Some(late)) = (early, late) {
        checks.that(
            late - early > 2 * 2 * 123_456,
            format_args!("{early} and {late} instructions since entry"),
        );
    }
}

/// The instructions that a loop of `times` turns takes, and those around it.
#[inline(never)]
fn measure(counter: InstructionCounter, times: u32) -> u32 {
    let _no_others = interrupt::mask();
    let before = counter.read();
    // SAFETY: it counts a register down.
    unsafe {
        asm!("2: subs {0}, {0}, #1", "bne 2b", inout(reg) times => _, options(nomem, nostack));
    }
    counter.read().since(before)
}
