//! The registers that each processor mode has of its own: sp, lr, SPSR (*ARM DDI 0406C, B1.3.2*).
//!
//! They are read by going into the mode for a moment, which every ARMv7 can do; `mrs` of a banked
//! register would need the Virtualization Extensions. SVC mode's own are those of the code that
//! asks, so they are not here.
//!
//! Invariant: nothing is changed, and no exception that can be masked comes in between.

use crate::trap::{Mode, Psr};

/// What one mode has of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Banked {
    /// The mode.
    pub mode: Mode,
    /// Its stack pointer.
    pub sp: u32,
    /// Its link register.
    pub lr: u32,
    /// Its saved status; `None` for the registers of user mode, which has none.
    pub spsr: Option<Psr>,
}

/// CPSR as it is here, masks included.
#[must_use]
pub fn cpsr() -> Psr {
    let value: u32;
    // SAFETY: reading CPSR has no side effect. Without `nomem` it stays in its place between
    // masking and unmasking.
    unsafe { core::arch::asm!("mrs {}, cpsr", out(reg) value, options(nostack, preserves_flags)) };
    Psr::new(value)
}

/// The stack pointer, here.
#[must_use]
pub fn sp() -> u32 {
    let value: u32;
    // SAFETY: it is read and not written.
    unsafe { core::arch::asm!("mov {}, sp", out(reg) value, options(nomem, nostack)) };
    value
}

macro_rules! visit {
    ($mode:literal, $read_spsr:literal) => {{
        let (sp, lr, spsr): (u32, u32, u32);
        // SAFETY: r0 to r3 are the same register in every mode. Mode and masks of before are
        // restored, and FIQ and IRQ are masked in between; nothing in between can abort.
        unsafe {
            core::arch::asm!(
                "mrs    r3, cpsr",
                concat!("cpsid  if, #", $mode),
                "mov    r0, sp",
                "mov    r1, lr",
                $read_spsr,
                "msr    cpsr_c, r3",
                out("r0") sp,
                out("r1") lr,
                inout("r2") 0_u32 => spsr,
                out("r3") _,
                options(nostack, preserves_flags),
            );
        }
        (sp, lr, spsr)
    }};
}

/// The banked registers of every mode but SVC, Monitor and HYP. The caller is in SVC mode, as the
/// kernel always is.
#[must_use]
pub fn read() -> [Banked; 5] {
    let exception = |mode, (sp, lr, spsr)| Banked { mode, sp, lr, spsr: Some(Psr::new(spsr)) };
    // System mode has the registers of user mode, and leave to come back.
    let (sp, lr, _) = visit!("0x1f", "");
    [
        Banked { mode: Mode::User, sp, lr, spsr: None },
        exception(Mode::Fiq, visit!("0x11", "mrs r2, spsr")),
        exception(Mode::Irq, visit!("0x12", "mrs r2, spsr")),
        exception(Mode::Abort, visit!("0x17", "mrs r2, spsr")),
        exception(Mode::Undefined, visit!("0x1b", "mrs r2, spsr")),
    ]
}
