//! Suite `call-site`: who asked is found, from a call of whatever depth and from an interrupt handler.

use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mm::addr::VirtAddr;

use super::Checks;
use crate::interrupts::tick;
use crate::monitor::Kernel;
use crate::report::{self, call_site};

/// Looks at the clock after which no tick is waited for any more, in periods.
const PATIENCE: u64 = 250;

/// Does the handler of the tick ask?
static ASKING: AtomicBool = AtomicBool::new(false);
/// What it was answered.
static ANSWER: AtomicU32 = AtomicU32::new(0);

/// The suite.
pub fn run(_: &mut Kernel, checks: &mut Checks) {
    if call_site() == 0 {
        return checks.skip("no symbol table");
    }
    let sites = [asks(0), asks(1), asks(7)];
    for site in sites {
        is_here(checks, site);
    }
    checks.that(
        sites.iter().all(|site| *site == sites[0]),
        format_args!("one call, several sites: {sites:#x?}"),
    );
    let mut others = [0; 2];
    others[0] = black_box(call_site());
    others[1] = black_box(call_site());
    checks.that(others[0] < others[1], format_args!("two calls in a row: {others:#x?}"));
    let Some(clock) = tick::clock() else { return };
    tick::watch(super::on_tick);
    ANSWER.store(0, Ordering::Relaxed);
    ASKING.store(true, Ordering::Relaxed);
    let (start, period) = (clock.timer.count(), clock.frequency.get() / tick::HZ.get());
    while ASKING.load(Ordering::Relaxed)
        && clock.timer.count() - start < PATIENCE * u64::from(period)
    {
        core::hint::spin_loop();
    }
    ASKING.store(false, Ordering::Relaxed);
    is_here(checks, ANSWER.load(Ordering::Relaxed));
}

/// At every tick: asks once, if somebody waits for it.
pub fn on_tick() {
    if ASKING.load(Ordering::Relaxed) {
        ANSWER.store(black_box(call_site()), Ordering::Relaxed);
        ASKING.store(false, Ordering::Relaxed);
    }
}

/// Asks from so many calls further down.
#[inline(never)]
fn asks(depth: u32) -> u32 {
    // What is done with the answer keeps the call from being the last thing, which leaves no frame.
    match black_box(depth) {
        0 => black_box(call_site()),
        more => black_box(asks(more - 1)),
    }
}

/// `site` is in the self-tests, behind a call.
fn is_here(checks: &mut Checks, site: u32) {
    let site = VirtAddr::new(site);
    let is_ours = report::function_at(site).is_some_and(|name| name.is_in(super::MODULE));
    checks.that(is_ours, format_args!("asked from {site}, {:?}", report::function_at(site)));
}
