//! The Generic Interrupt Controller, architecture versions 1 and 2 (*ARM IHI 0048B*).
//!
//! It has two halves. The [`Distributor`], one for all CPUs, says which interrupts are enabled, how
//! they are signalled, how urgent they are and who gets them. The [`CpuInterface`], one for each CPU
//! at the same address, gives that CPU the most urgent one and hears when it has been dealt with:
//!
//! ```text
//! device line ─▶ Distributor ─▶ CpuInterface ─▶ IRQ ─▶ acknowledge() ─▶ handler ─▶ end()
//! ```
//!
//! Between `acknowledge` and `end` an interrupt is *active*: it is not signalled again, and nothing
//! that is not more urgent is. So every [`Acknowledged`] goes back to `end`, and only once; the type
//! sees to it.
//!
//! Interrupt IDs (2.2.1): 0 to 15 are raised by software, 16 to 31 are each CPU's own, from 32 on
//! they are shared. 1020 to 1023 are answers rather than interrupts: *nothing (any more)*.
//!
//! # Groups
//!
//! With the Security Extensions an interrupt is in group 0, which is Secure, or in group 1. This
//! driver writes 0 to every group register and sets bit 0 of both control registers, which is right
//! in each case (4.3.1, 4.3.4, 4.4.1):
//!
//! | GIC | CPU | the group registers | bit 0 enables |
//! |---|---|---|---|
//! | no Security Extensions: QEMU's `virt`, with `virtualization=on` too | any | v2: all in group 0. v1 has none | group 0, or all there is |
//! | Security Extensions | Secure: `virt,secure=on` | all in group 0 | group 0 |
//! | Security Extensions | Non-secure, under firmware | ignored: firmware gave the kernel group 1 | group 1 |
//!
//! Group 0 is signalled as IRQ, since FIQEn stays 0.

mod cpu_interface;
mod distributor;
#[cfg(test)]
mod tests;

use core::fmt;

pub use cpu_interface::{Acknowledged, CpuInterface, Registers as CpuInterfaceRegisters};
pub use distributor::{Distributor, Registers as DistributorRegisters};

use crate::dt::Interrupt;

/// The number of an interrupt: below 1020.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IntId(u16);

impl IntId {
    /// How many interrupt IDs there can be.
    pub const COUNT: usize = 1020;

    /// Interrupt `id`; `None` from 1020 on.
    #[must_use]
    pub const fn new(id: u16) -> Option<Self> {
        if (id as usize) < Self::COUNT { Some(Self(id)) } else { None }
    }

    /// The interrupt that a device tree names.
    #[must_use]
    pub const fn of(interrupt: &Interrupt) -> Option<Self> {
        Self::new(interrupt.id())
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number as an index, below [`COUNT`](Self::COUNT).
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Is it each CPU's own, by software or from a private peripheral?
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.0 < FIRST_SHARED
    }

    /// Where a register file with `bits` bits for each interrupt has it: word, and first bit.
    const fn place(self, bits: u16) -> (usize, u32) {
        let per_word = 32 / bits;
        ((self.0 / per_word) as usize, ((self.0 % per_word) * bits) as u32)
    }
}

impl fmt::Display for IntId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The first interrupt ID that all CPUs share.
const FIRST_SHARED: u16 = 32;

/// How urgent an interrupt is: less is more. Every GIC has the upper four bits (3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Priority {
    /// Before the others: the tick.
    High = 0x80,
    /// What Linux gives to all.
    Normal = 0xa0,
}

/// Why an interrupt was not enabled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnableError {
    /// The distributor has only so many.
    NoSuchLine {
        /// The interrupt.
        id: IntId,
        /// The number of interrupt IDs that the distributor knows.
        lines: u16,
    },
    /// A shared interrupt whose trigger is fixed, and is not the wanted one.
    FixedTrigger {
        /// The interrupt.
        id: IntId,
    },
}

impl fmt::Display for EnableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchLine { id, lines } => {
                write!(f, "the interrupt controller has {lines} lines, and no line {id}")
            }
            Self::FixedTrigger { id } => {
                write!(f, "the trigger of interrupt {id} is fixed, and not what its device has")
            }
        }
    }
}

impl core::error::Error for EnableError {}
