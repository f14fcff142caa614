//! An interrupt reaches its handler, once for each time that it is raised; one that nobody handles is
//! disabled, and named the first time.
//!
//! The controller raises any line that it is told to, so the two last ones serve that nobody else
//! handles. The handler stays named for ever, as all do; its line is disabled at the end.

use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::barrier;
use board::dt::{Interrupt, InterruptKind};
use board::irq::gic::{IntId, Priority};
use spin::Once;

use super::Checks;
use crate::interrupts::{self, Action, RequestError};
use crate::monitor::Kernel;

/// The first interrupt that no CPU has for its own.
const FIRST_SHARED: u16 = 32;
/// Rising edge, as the device tree has it.
const EDGE: u32 = 1;

static CAME: AtomicU32 = AtomicU32::new(0);
/// The line that the suite's first run took.
static HANDLED: Once<IntId> = Once::new();

fn on_interrupt() {
    CAME.fetch_add(1, Ordering::Relaxed);
}

/// The suite.
pub fn run(_: &mut Kernel, checks: &mut Checks) {
    let Some(lines) = interrupts::lines() else {
        return checks.skip("no interrupt controller");
    };
    let shared = (FIRST_SHARED..lines).rev().filter_map(IntId::new);
    let mut free = shared.filter(|id| interrupts::is_free(*id));
    let unhandled = free.next();
    let handled = HANDLED.get().copied().or_else(|| free.next());
    let (Some(unhandled), Some(handled)) = (unhandled, handled) else {
        return checks.skip("no free interrupts");
    };
    nobodys(checks, unhandled);
    somebodys(checks, handled);
    refused(checks, lines);
}

fn nobodys(checks: &mut Checks, id: IntId) {
    for _ in 0..3 {
        let before = interrupts::count(id);
        raise(checks, id);
        checks.equal(interrupts::count(id), before + 1, format_args!("unhandled {id}: count"));
        checks.that(!interrupts::is_enabled(id), format_args!("unhandled {id} is still enabled"));
    }
}

fn somebodys(checks: &mut Checks, id: IntId) {
    let interrupt =
        Interrupt { kind: InterruptKind::Shared, number: id.get() - FIRST_SHARED, flags: EDGE };
    let request = || {
        let action = Action { name: "selftest", handler: on_interrupt };
        interrupts::request(&interrupt, Priority::Normal, action)
    };
    if !HANDLED.is_completed() {
        if let Err(error) = request() {
            return checks.that(false, format_args!("{error}"));
        }
        HANDLED.call_once(|| id);
    }
    let again = request();
    checks.that(matches!(again, Err(RequestError::Taken(_))), format_args!("{id} taken twice"));
    let (before, counted) = (CAME.load(Ordering::Relaxed), interrupts::count(id));
    for times in 1..=100 {
        raise(checks, id);
        let came = CAME.load(Ordering::Relaxed) - before;
        checks.equal(came, times, format_args!("{id}: handled"));
    }
    checks.equal(interrupts::count(id) - counted, 100, format_args!("{id}: count"));
    checks.that(interrupts::is_enabled(id), format_args!("{id} was disabled"));
    interrupts::disable(id);
    checks.that(!interrupts::is_enabled(id), format_args!("{id} is still enabled"));
}

/// What no controller has is refused by name.
fn refused(checks: &mut Checks, lines: u16) {
    for number in [lines - FIRST_SHARED, 988, u16::MAX] {
        let interrupt = Interrupt { kind: InterruptKind::Shared, number, flags: EDGE };
        let action = Action { name: "nothing", handler: on_interrupt };
        let refused = interrupts::request(&interrupt, Priority::Normal, action);
        checks.that(
            matches!(refused, Err(RequestError::NoSuchId(_) | RequestError::Enable(_))),
            format_args!("shared interrupt {number} of {lines} lines"),
        );
    }
}

/// Raises an interrupt, which has been taken when this returns.
fn raise(checks: &mut Checks, id: IntId) {
    if let Err(error) = interrupts::provoke(id) {
        checks.that(false, format_args!("{error}"));
    }
    // The controller has been told, and the CPU hears of it.
    barrier::dsb_sy();
    barrier::isb();
}
