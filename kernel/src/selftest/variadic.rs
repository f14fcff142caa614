//! Suite `variadic`: what a C function with `...` is given arrives in a row, in registers or not.

use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::probe;
use arch_arm::variadic::Spilled;
use mm::addr::VirtAddr;

use super::Checks;
use crate::monitor::Kernel;

/// Words of arguments that are looked at.
const WORDS: usize = 10;

/// What came last.
static SEEN: [AtomicU32; WORDS] = [const { AtomicU32::new(0) }; WORDS];
/// Where its first word lay.
static PLACE: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" {
    /// Returns what `first` is, and notes all words.
    fn vmsplit_selftest_variadic(first: u32, ...) -> u32;
}

arch_arm::variadic! {
    "vmsplit_selftest_variadic" => note,
}

extern "C" fn note(arguments: &Spilled) -> u32 {
    let words = arguments.words();
    PLACE.store(arguments.behind(0).as_u32(), Ordering::Relaxed);
    for (number, seen) in (0..).zip(&SEEN) {
        let word = words.get(number as usize).copied().unwrap_or_else(|| {
            // SAFETY: a read of the stack above what is in use here; nobody writes it now.
            unsafe { probe::read_u32(arguments.behind(number)) }.unwrap_or(0)
        });
        seen.store(word, Ordering::Relaxed);
    }
    words[0]
}

/// A double, and its two words.
const DOUBLE: u64 = 0x0123_4567_89ab_cdef;
const LOW: Option<u32> = Some(0x89ab_cdef);
const HIGH: Option<u32> = Some(0x0123_4567);
/// A word that only aligns the next.
const ANY: Option<u32> = None;

/// The suite.
pub fn run(_: &mut Kernel, checks: &mut Checks) {
    // SAFETY: each argument is an integer of 32 or 64 bits, as the function takes them; the same below.
    let words = || unsafe { vmsplit_selftest_variadic(9, 1, 2, 3, 4, 5, 6) };
    check(checks, "words", words, &[9, 1, 2, 3, 4, 5, 6].map(Some));
    // SAFETY: as above.
    let in_registers = || unsafe { vmsplit_selftest_variadic(9, DOUBLE, 4, DOUBLE) };
    let expected = [Some(9), ANY, LOW, HIGH, Some(4), ANY, LOW, HIGH];
    check(checks, "a double in registers", in_registers, &expected);
    // SAFETY: as above.
    let on_the_stack = || unsafe { vmsplit_selftest_variadic(9, 1, 2, DOUBLE, 6, DOUBLE) };
    let expected = [Some(9), Some(1), Some(2), ANY, LOW, HIGH, Some(6), ANY, LOW, HIGH];
    check(checks, "a double on the stack", on_the_stack, &expected);
}

/// Calls, and compares what came.
fn check(checks: &mut Checks, what: &str, call: impl FnOnce() -> u32, expected: &[Option<u32>]) {
    checks.equal(call(), 9, format_args!("{what}: the result"));
    let place = VirtAddr::new(PLACE.load(Ordering::Relaxed));
    checks.that(place.is_aligned(8), format_args!("{what}: arguments at {place}"));
    for (number, (seen, expected)) in SEEN.iter().zip(expected).enumerate() {
        if let Some(expected) = *expected {
            let seen = seen.load(Ordering::Relaxed);
            checks.equal(seen, expected, format_args!("{what}: word {number}"));
        }
    }
}
