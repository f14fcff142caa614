//! Probes: accesses that survive an abort and say what it was.
//!
//! For addresses that somebody typed, that a table or a stack holds, or that a test wants to see
//! fault. A probe is one instruction that the exception table lists ([`ex_table`]); the kernel's
//! handler calls `fix_up` for aborts that nobody else takes.
//!
//! Any context, with interrupts on or off, within exception handlers too: a probe keeps nothing
//! between its call and its return but registers.
//!
//! What no probe catches is an asynchronous external abort, by which a bus may refuse a write, or a
//! read of Normal memory, after the instruction is done. It is reported as what it is.
//!
//! Invariant: a probe that returns an error has changed nothing but the fault registers.

pub mod ex_table;

use crate::trap::{DataFault, InstructionFault};
use core::fmt;
use mm::addr::VirtAddr;

#[cfg(target_arch = "arm")]
use {
    crate::trap::{Cause, TrapFrame},
    core::arch::asm,
};

/// Why the data at an address could not be read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What DFSR said.
    pub fault: DataFault,
    /// What DFAR said.
    pub address: VirtAddr,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.fault)
    }
}

impl core::error::Error for Fault {}

/// Why `fetch` did not come back by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FetchError {
    /// The address is not a multiple of 4.
    Unaligned(VirtAddr),
    /// The word could not be read; then it can not be executed either.
    Unreadable(Fault),
    /// The word there is not the one that may be tried.
    NotAReturn {
        /// Where.
        address: VirtAddr,
        /// What stands there.
        word: u32,
    },
    /// The fetch was refused.
    Refused {
        /// What IFSR said.
        fault: InstructionFault,
        /// What IFAR said.
        address: VirtAddr,
    },
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unaligned(address) => write!(f, "{address} is not a multiple of 4"),
            Self::Unreadable(fault) => fault.fmt(f),
            Self::NotAReturn { address, word } => {
                write!(f, "{address} holds {word:#010x}, not {BX_LR:#010x}, bx lr")
            }
            Self::Refused { fault, address } => write!(f, "{address}: {fault} on fetch"),
        }
    }
}

impl core::error::Error for FetchError {}

/// `bx lr`, in ARM state: the one instruction that `fetch` tries.
pub const BX_LR: u32 = 0xe12f_ff1e;

/// Takes a fault of a probe: sends `frame` on behind it, and returns true. Otherwise leaves the
/// frame alone. For the kernel's exception handler.
#[cfg(target_arch = "arm")]
pub fn fix_up(frame: &mut TrapFrame, cause: &Cause) -> bool {
    ex_table::fix_up(ex_table::entries(), frame, cause)
}

/// The outcome, from what [`ex_table`] leaves in r0, r1 and r2.
#[cfg(target_arch = "arm")]
fn outcome<T>(value: T, [faulted, dfsr, dfar]: [u32; 3]) -> Result<T, Fault> {
    match faulted {
        0 => Ok(value),
        _ => Err(Fault { fault: DataFault::from_dfsr(dfsr), address: VirtAddr::new(dfar) }),
    }
}

/// `1: instruction`, with an entry in the table that goes on behind it.
#[cfg(target_arch = "arm")]
macro_rules! may_fault {
    ($instruction:expr, $($operands:tt)*) => {
        asm!(
            concat!("1: ", $instruction),
            "2:",
            ".pushsection __ex_table, \"a\", %progbits",
            ".balign 4",
            ".long 1b, 2b",
            ".popsection",
            $($operands)*
        )
    };
}
#[cfg(target_arch = "arm")]
pub(crate) use may_fault;

#[cfg(target_arch = "arm")]
macro_rules! probes {
    ($($(#[$doc:meta])* $read:ident, $write:ident, $type:ty, $load:literal, $store:literal;)*) => {$(
        #[doc = concat!("Reads a `", stringify!($type), "` at `address`.")]
        ///
        /// # Errors
        ///
        /// The fault, if the read was refused.
        ///
        /// # Safety
        ///
        /// 1. If the read succeeds, it changes nothing that anybody relies on: `address` is not
        ///    that of a device register that answers a read with an effect, as a FIFO does.
        pub unsafe fn $read(address: VirtAddr) -> Result<$type, Fault> {
            let value: u32;
            let (faulted, dfsr, dfar): (u32, u32, u32);
            // SAFETY: a load has no effect but on a device, which the caller answers for (1). If it
            // faults, execution goes on behind it with three registers changed, which are outputs.
            unsafe {
                may_fault!(
                    concat!($load, " {value}, [{address}]"),
                    address = in(reg) address.as_u32(),
                    value = out(reg) value,
                    inout("r0") 0_u32 => faulted,
                    out("r1") dfsr,
                    out("r2") dfar,
                    options(nostack, preserves_flags),
                );
            }
            outcome(value as $type, [faulted, dfsr, dfar])
        }

        #[doc = concat!("Writes a `", stringify!($type), "` at `address`.")]
        ///
        /// # Errors
        ///
        /// The fault, if the write was refused.
        ///
        /// # Safety
        ///
        /// 1. If the write succeeds, nobody relied on what was there: the caller owns the memory,
        ///    or knows what the device does with the value.
        pub unsafe fn $write(address: VirtAddr, value: $type) -> Result<(), Fault> {
            let (faulted, dfsr, dfar): (u32, u32, u32);
            // SAFETY: the caller answers for a store that is done (1). If it faults, execution goes
            // on behind it with three registers changed, which are outputs.
            unsafe {
                may_fault!(
                    concat!($store, " {value}, [{address}]"),
                    address = in(reg) address.as_u32(),
                    value = in(reg) u32::from(value),
                    inout("r0") 0_u32 => faulted,
                    out("r1") dfsr,
                    out("r2") dfar,
                    options(nostack, preserves_flags),
                );
            }
            outcome((), [faulted, dfsr, dfar])
        }
    )*};
}

#[cfg(target_arch = "arm")]
probes! {
    read_u8, write_u8, u8, "ldrb", "strb";
    read_u16, write_u16, u16, "ldrh", "strh";
    read_u32, write_u32, u32, "ldr", "str";
}

/// Executes the instruction at `address`, in this mode, if it is [`BX_LR`] and nothing else.
///
/// The word is read first; what can not be read can not be executed either (*ARM DDI 0406C,
/// B3.7.2*). So this never runs stray code, and needs a place that was prepared: it can not say of
/// any address at all whether it is executable. [`crate::mmu::walk`] says what the tables allow.
///
/// # Errors
///
/// See [`FetchError`].
///
/// # Safety
///
/// 1. As for [`read_u32`].
/// 2. If the address may be executed, then the instruction there is what a read gives: instruction
///    caches were synchronised after it was written, and nobody changes it meanwhile.
#[cfg(target_arch = "arm")]
pub unsafe fn fetch(address: VirtAddr) -> Result<(), FetchError> {
    if !address.is_aligned(4) {
        return Err(FetchError::Unaligned(address));
    }
    // SAFETY: the caller's duty (1).
    let word = unsafe { read_u32(address) }.map_err(FetchError::Unreadable)?;
    if word != BX_LR {
        return Err(FetchError::NotAReturn { address, word });
    }
    let (faulted, ifsr, ifar): (u32, u32, u32);
    // SAFETY: what is called returns at once and changes nothing (2), or the fetch faults, and
    // execution goes on behind the call with three registers changed, which are outputs, as lr is.
    // The table asks for r3, and for lr to be cleared.
    unsafe {
        may_fault!(
            "blx r3",
            "mov lr, #0",
            in("r3") address.as_u32(),
            inout("r0") 0_u32 => faulted,
            out("r1") ifsr,
            out("r2") ifar,
            out("lr") _,
            options(nostack, preserves_flags),
        );
    }
    match faulted {
        0 => Ok(()),
        _ => Err(FetchError::Refused {
            fault: InstructionFault::from_ifsr(ifsr),
            address: VirtAddr::new(ifar),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_print_address_and_status() {
        let address = VirtAddr::new(0xdead_beef);
        let fault = Fault { fault: DataFault::from_dfsr(0x805), address };
        let text = "0xdeadbeef: section translation fault on write (DFSR 0x805)";
        assert_eq!(fault.to_string(), text);
        let fault = InstructionFault::from_ifsr(0xf);
        for (error, text) in [
            (FetchError::Unaligned(address), "0xdeadbeef is not a multiple of 4"),
            (
                FetchError::NotAReturn { address, word: 0xe7fd_def1 },
                "0xdeadbeef holds 0xe7fddef1, not 0xe12fff1e, bx lr",
            ),
            (
                FetchError::Refused { fault, address },
                "0xdeadbeef: page permission fault (IFSR 0x00f) on fetch",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
