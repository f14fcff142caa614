//! Exceptions: how they are entered, what is saved, what the hardware says about them, and the way
//! back.
//!
//! ```text
//! hardware ─▶ vectors ─▶ stub: saves every register in a TrapFrame, on a stack that works
//!                          │
//!                          ▼
//!                 vmsplit_exception(kind, &mut TrapFrame)      the kernel's
//!                          │         Cause::read(kind): FSR and FAR, decoded
//!                          ▼
//!                 stub: restores every register from the TrapFrame, and goes on there
//! ```
//!
//! - [`fault_status`] decodes the fault status registers; ordinary code, tested on the host.
//! - [`registers`] is the frame, and how it prints; likewise.
//! - [`pages`] is what the vector page and the stubs page hold, and [`kuser`] the helpers that user
//!   mode calls there; tested on the host, but for the helpers' code.
//! - `call_on` runs something on another stack, and back-traces go through it; ARM only.
//! - `vectors` chooses the vectors, `stubs` is the way in and back, `stacks` the memory that they
//!   need; ARM only.
//!
//! Invariant: a [`TrapFrame`] holds the interrupted mode's own registers, sp and lr included, and
//! its pc is the instruction that the exception is about: the one that faulted or was interrupted,
//! or, after `svc`, the one to go on with.

#[cfg(target_arch = "arm")]
mod call_on;
pub mod fault_status;
pub mod kuser;
pub mod pages;
pub mod registers;
pub mod report;
#[cfg(target_arch = "arm")]
mod stacks;
#[cfg(target_arch = "arm")]
mod stubs;
pub mod unwind;
#[cfg(target_arch = "arm")]
pub mod vectors;

#[cfg(target_arch = "arm")]
pub use self::call_on::call_on;
pub use self::fault_status::{DataFault, FaultStatus, InstructionFault, Level};
pub use self::registers::{Mode, Psr, TrapFrame};
#[cfg(target_arch = "arm")]
pub use self::stacks::ExceptionStacks;
#[cfg(target_arch = "arm")]
pub use self::stubs::{saved_svc_sp, stub_address};

use core::fmt;
use mm::addr::VirtAddr;

/// Which vector an exception came through. The number is the vector's index in the table.
///
/// The other two vectors are not exceptions of this mode: reset cannot be seen by a running kernel,
/// and `0x14` is for HYP mode. A stray jump to either executes an undefined instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum ExceptionKind {
    /// The instruction is not one, or not one for this mode.
    Undefined = 1,
    /// `svc`.
    SupervisorCall = 2,
    /// The instruction could not be fetched.
    PrefetchAbort = 3,
    /// A data access failed.
    DataAbort = 4,
    /// Interrupt.
    Irq = 6,
    /// Fast interrupt.
    Fiq = 7,
}

impl fmt::Display for ExceptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undefined => "undefined instruction",
            Self::SupervisorCall => "supervisor call",
            Self::PrefetchAbort => "prefetch abort",
            Self::DataAbort => "data abort",
            Self::Irq => "IRQ",
            Self::Fiq => "FIQ",
        })
    }
}

/// The type of the one function that a kernel provides to this crate, for every exception:
///
/// ```
/// use arch_arm::trap::{ExceptionKind, Handler, TrapFrame};
///
/// #[unsafe(no_mangle)]
/// extern "C" fn vmsplit_exception(kind: ExceptionKind, frame: &mut TrapFrame) {
///     panic!("{kind}\n{frame}")
/// }
/// const _: Handler = vmsplit_exception;
/// ```
///
/// It is called in SVC mode with IRQ, FIQ and asynchronous aborts masked, on the interrupted SVC
/// stack, or on the report stack when that one cannot be written. It reads the [`Cause`] first:
/// another abort overwrites it. After that it may be interrupted and may fault itself.
///
/// When it returns, every register is restored from the frame, and execution goes on at its pc, in
/// its mode and instruction set. So before it returns, it sees to it that:
///
/// 1. the frame's psr names USR, SVC or SYS mode. From another one, as after an abort inside a stub,
///    there is no way back: the stubs have used that mode's lr for themselves. Such an exception is
///    reported, and the handler does not return.
/// 2. what the frame leads to may be executed with the registers that it holds: it is as it was
///    saved, or the handler knows what code it sends where.
pub type Handler = extern "C" fn(kind: ExceptionKind, frame: &mut TrapFrame);

/// What an exception is about, with what the fault registers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The instruction at the frame's pc is undefined.
    Undefined,
    /// The instruction before the frame's pc is an `svc`.
    SupervisorCall,
    /// The instruction at this address could not be fetched.
    PrefetchAbort {
        /// Why, from IFSR.
        fault: InstructionFault,
        /// Where, from IFAR.
        address: VirtAddr,
    },
    /// The data at this address could not be read or written.
    DataAbort {
        /// Why, from DFSR.
        fault: DataFault,
        /// Where, from DFAR; `None` when the abort is asynchronous and nobody knows.
        address: Option<VirtAddr>,
    },
    /// An interrupt came before the instruction at the frame's pc.
    Irq,
    /// A fast interrupt came before the instruction at the frame's pc.
    Fiq,
}

impl Cause {
    /// Which vector it came through.
    #[must_use]
    pub const fn kind(&self) -> ExceptionKind {
        match self {
            Self::Undefined => ExceptionKind::Undefined,
            Self::SupervisorCall => ExceptionKind::SupervisorCall,
            Self::PrefetchAbort { .. } => ExceptionKind::PrefetchAbort,
            Self::DataAbort { .. } => ExceptionKind::DataAbort,
            Self::Irq => ExceptionKind::Irq,
            Self::Fiq => ExceptionKind::Fiq,
        }
    }

    /// Reads the fault registers that belong to `kind`. Call it before anything else can abort.
    #[cfg(target_arch = "arm")]
    #[must_use]
    pub fn read(kind: ExceptionKind) -> Self {
        use crate::cp15::{DFAR, DFSR, IFAR, IFSR};
        use tock_registers::interfaces::Readable;

        match kind {
            ExceptionKind::Undefined => Self::Undefined,
            ExceptionKind::SupervisorCall => Self::SupervisorCall,
            ExceptionKind::PrefetchAbort => Self::PrefetchAbort {
                fault: InstructionFault::from_ifsr(IFSR.get()),
                address: VirtAddr::new(IFAR.get()),
            },
            ExceptionKind::DataAbort => Self::data_abort(DFSR.get(), VirtAddr::new(DFAR.get())),
            ExceptionKind::Irq => Self::Irq,
            ExceptionKind::Fiq => Self::Fiq,
        }
    }

    /// A data abort, from what the two registers hold.
    #[cfg(any(target_arch = "arm", test))]
    fn data_abort(dfsr: u32, dfar: VirtAddr) -> Self {
        let fault = DataFault::from_dfsr(dfsr);
        let address = (!fault.status().is_asynchronous()).then_some(dfar);
        Self::DataAbort { fault, address }
    }
}

/// One line: kind, address, and the fault with its register.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined => ExceptionKind::Undefined.fmt(f),
            Self::SupervisorCall => ExceptionKind::SupervisorCall.fmt(f),
            Self::PrefetchAbort { fault, address } => {
                write!(f, "{} at {address}: {fault}", ExceptionKind::PrefetchAbort)
            }
            Self::DataAbort { fault, address: Some(address) } => {
                write!(f, "{} at {address}: {fault}", ExceptionKind::DataAbort)
            }
            Self::DataAbort { fault, address: None } => {
                write!(f, "{} at an unknown address: {fault}", ExceptionKind::DataAbort)
            }
            Self::Irq => ExceptionKind::Irq.fmt(f),
            Self::Fiq => ExceptionKind::Fiq.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_name_kind_address_and_status() {
        let address = VirtAddr::new(0xdead_beef);
        assert_eq!(
            Cause::data_abort(0x805, address).to_string(),
            "data abort at 0xdeadbeef: section translation fault on write (DFSR 0x805)"
        );
        let fetch = Cause::PrefetchAbort { fault: InstructionFault::from_ifsr(0xf), address };
        assert_eq!(
            fetch.to_string(),
            "prefetch abort at 0xdeadbeef: page permission fault (IFSR 0x00f)"
        );
        assert_eq!(Cause::Undefined.to_string(), "undefined instruction");
    }

    #[test]
    fn an_asynchronous_abort_has_no_address() {
        for dfsr in [0x406, 0x408] {
            let cause = Cause::data_abort(dfsr, VirtAddr::new(0x1234));
            assert!(matches!(cause, Cause::DataAbort { address: None, .. }));
            assert!(cause.to_string().starts_with("data abort at an unknown address: "));
        }
    }
}
