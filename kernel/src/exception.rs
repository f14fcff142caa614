//! Every exception, and who takes it.
//!
//! The handler reads what the fault registers say before anything else can abort, then offers the
//! exception round. Whoever takes it lets the handler return, and the interrupted code goes on; what
//! nobody takes is reported, and ends the kernel.

use arch_arm::probe;
use arch_arm::trap::{Cause, ExceptionKind, Handler, TrapFrame};
use arch_arm::user;

use crate::report::{self, Ending, provoke};
use crate::{interrupts, selftest};

#[unsafe(no_mangle)]
extern "C" fn vmsplit_exception(kind: ExceptionKind, frame: &mut TrapFrame) {
    let cause = Cause::read(kind);
    match cause {
        Cause::Irq => interrupts::handle_irq(),
        Cause::SupervisorCall if selftest::on_supervisor_call(frame) => {}
        // SAFETY: it is this handler's frame, and nobody has taken the exception.
        _ if unsafe { user::leave(frame, &cause) } => {}
        _ if probe::fix_up(frame, &cause) => {}
        _ => unclaimed(&cause, frame),
    }
}

/// Nobody's exception: it is reported, and ends the kernel.
fn unclaimed(cause: &Cause, frame: &TrapFrame) {
    provoke::in_handler(cause);
    report::exception(cause, frame, Ending::Fatal);
}

const _: Handler = vmsplit_exception;
