//! Every exception, and who takes it.
//!
//! The handler reads what the fault registers say before anything else can abort, then offers the
//! exception round. Whoever takes it lets the handler return, and the interrupted code goes on; what
//! nobody takes is reported, and ends the kernel. So is the fault of a probe that somebody typed
//! ([`reporting`]); that one goes on afterwards.

use core::sync::atomic::{AtomicBool, Ordering};

use arch_arm::interrupt;
use arch_arm::probe;
use arch_arm::trap::{Cause, ExceptionKind, Handler, TrapFrame};
use arch_arm::user;
use mm::platform::{Platform as _, Report};

use crate::platform::Hardware;
use crate::report::{self, Ending, provoke};
use crate::{interrupts, kfence, selftest};

#[unsafe(no_mangle)]
extern "C" fn vmsplit_exception(kind: ExceptionKind, frame: &mut TrapFrame) {
    let cause = Cause::read(kind);
    match cause {
        Cause::Irq => interrupts::handle_irq(),
        Cause::SupervisorCall if selftest::on_supervisor_call(frame) => {}
        // SAFETY: it is this handler's frame, and nobody has taken the exception.
        _ if unsafe { user::leave(frame, &cause) } => {}
        _ if fixed_up(frame, &cause) => {}
        _ if guarded(frame, &cause) => {}
        _ => unclaimed(&cause, frame),
    }
}

/// Is the next fault of a probe to be reported?
static REPORT: AtomicBool = AtomicBool::new(false);

/// Runs `access`, and has the first fault of a probe in it reported like one that nobody takes.
pub fn reporting<R>(access: impl FnOnce() -> R) -> R {
    REPORT.store(true, Ordering::Relaxed);
    let result = access();
    REPORT.store(false, Ordering::Relaxed);
    result
}

/// Was it a probe? Then it goes on behind its access, and a report may come before that.
fn fixed_up(frame: &mut TrapFrame, cause: &Cause) -> bool {
    let faulted = *frame;
    let fixed_up = probe::fix_up(frame, cause);
    // A report makes probes of its own.
    if fixed_up && REPORT.swap(false, Ordering::Relaxed) {
        with_interrupts_as(&faulted, || report::exception(cause, &faulted, Ending::Recovered));
    }
    fixed_up
}

/// Was it an access to a guarded page? Then it has been reported, and is made again.
fn guarded(frame: &TrapFrame, cause: &Cause) -> bool {
    let Some(report) = kfence::on_abort(cause, frame) else { return false };
    with_interrupts_as(frame, || Hardware.report(&Report::Sampled { report: &report }));
    true
}

/// Makes a report with interrupts let in, if the code that faulted had let them in: a report takes a slow line a
/// good part of a second, which is no time to lose ticks in.
fn with_interrupts_as(faulted: &TrapFrame, report: impl FnOnce()) {
    let had_interrupts = !faulted.psr.is_irq_masked();
    if had_interrupts {
        // SAFETY: 1. the vectors are in use, or no exception had come here; 2. the interrupted
        // code held no guard, for interrupts were let in, and this handler holds none.
        unsafe { interrupt::allow() };
    }
    report();
    if had_interrupts {
        // Until the stub lets them in again.
        core::mem::forget(interrupt::mask());
    }
}

/// Nobody's exception: it is reported, and ends the kernel.
fn unclaimed(cause: &Cause, frame: &TrapFrame) {
    provoke::in_handler(cause);
    report::exception(cause, frame, Ending::Fatal);
}

const _: Handler = vmsplit_exception;
