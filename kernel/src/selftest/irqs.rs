//! An interrupt reaches its handler, once for each time that it is raised; one that nobody handles is
//! disabled, and named the first time.
//!
//! The controller raises any line that it is told to, so the two last ones serve, which no device of
//! a known machine has. The handler stays named for ever, as all do.

use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::barrier;
use board::dt::{Interrupt, InterruptKind};
use board::irq::gic::{IntId, Priority};

use super::Checks;
use crate::interrupts::{self, Action, RequestError};
use crate::monitor::Kernel;

/// The first interrupt that no CPU has for its own.
const FIRST_SHARED: u16 = 32;
/// Rising edge, as the device tree has it.
const EDGE: u32 = 1;

static CAME: AtomicU32 = AtomicU32::new(0);

fn on_interrupt() {
    CAME.fetch_add(1, Ordering::Relaxed);
}

/// The suite.
pub fn run(_: &mut Kernel, checks: &mut Checks) {
    let lines = interrupts::lines().unwrap_or(0);
    let ids = [lines.checked_sub(1), lines.checked_sub(2)];
    let [Some(unhandled), Some(handled)] = ids.map(|id| IntId::new(id?)) else {
        let refused = IntId::new(FIRST_SHARED).map(interrupts::provoke);
        return checks.that(
            matches!(refused, Some(Err(RequestError::NoController))),
            format_args!("an interrupt without a controller"),
        );
    };
    if handled.is_private() {
        return checks.that(lines == FIRST_SHARED, format_args!("{lines} lines"));
    }
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
    // The first run of the suite names the handler.
    if let Err(error) = request() {
        let named_before = matches!(error, RequestError::Taken(_));
        checks.that(named_before, format_args!("{error}"));
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
