//! Instructions executed, counted by the Performance Monitors (*ARM DDI 0406C, chapter C12*).
//!
//! The entry code starts event counter 0 on event 0x08, *instruction architecturally executed*, with
//! its first instructions, if ID_DFR0 says that there are monitors of version 1 or 2, and no one
//! writes to it afterwards. So the counter says how many instructions this kernel has executed since
//! it was entered, those in HYP mode and before the image moved included.
//!
//! It has 32 bits. A difference of two readings is right as long as fewer than 2³² instructions lie
//! between them; what was executed since entry is known until the counter wraps, which the overflow
//! flag keeps.
//!
//! Under QEMU the event exists with `-icount` only, and is then exact and the same on every run. On
//! hardware it counts what the core counts.

use core::arch::asm;

use tock_registers::interfaces::Readable;

use crate::cp15::pmxevtyper::PMXEVTYPER as Type;
use crate::cp15::{ID_DFR0, PMCNTENSET, PMCR, PMOVSR, PMXEVTYPER};
use crate::cp15::{id_dfr0, pmcr};

/// The event: instruction architecturally executed.
const INSTRUCTIONS: u32 = Type::EVENT::Value::InstructionsExecuted as u32;
/// The bit of event counter 0 in the registers that have one for each counter.
const COUNTER_0: u32 = 1;

/// The running count of executed instructions, on the CPU that runs this.
#[derive(Clone, Copy, Debug)]
pub struct InstructionCounter(());

/// What the counter showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading(u32);

impl Reading {
    /// Instructions executed from `earlier` to this reading, as long as they are fewer than 2³².
    /// The reading itself is in it: a few instructions, always the same number.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

impl InstructionCounter {
    /// The counter, if the entry code could start it and it counts. PMCEID0 would say whether the
    /// processor has the event, but not every ARMv7 has PMCEID0, nor has QEMU's; a counter of
    /// instructions that stands still between two of them counts nothing.
    #[must_use]
    pub fn find() -> Option<Self> {
        if !id_dfr0::has_pmu(ID_DFR0.get()) {
            return None;
        }
        let counter = Self(());
        let first = counter.read();
        let is_on = PMCR.is_set(pmcr::PMCR::E) && PMCNTENSET.get() & COUNTER_0 != 0;
        let counts_instructions = PMXEVTYPER.read(Type::EVENT) == INSTRUCTIONS;
        (is_on && counts_instructions && counter.read() != first).then_some(counter)
    }

    /// The count, behind all instructions before this call.
    ///
    /// All of it is one piece of assembly that leaves the registers of arguments and results alone, so
    /// that a reading takes the same number of instructions wherever the compiler puts it. It selects counter 0, which was selected before, unless
    /// firmware has used another one since entry; and as all of the kernel selects this one, interrupts
    /// need not be masked.
    #[inline(always)]
    #[must_use]
    pub fn read(self) -> Reading {
        let value;
        // SAFETY: PMSELR selects which counter PMXEVCNTR shows, and nothing but the monitors' own
        // registers depends on it; the `isb` that follows makes it so before the read, which has no
        // side effect. Without `nomem` no memory access moves over the reading.
        unsafe {
            asm!(
                "mov r12, #0",
                "mcr p15, 0, r12, c9, c12, 5",
                "isb",
                "mrc p15, 0, r12, c9, c13, 2",
                out("r12") value,
                options(nostack, preserves_flags),
            );
        }
        Reading(value)
    }

    /// Instructions executed since entry; `None` once they are 2³² or more.
    #[must_use]
    pub fn since_entry(self) -> Option<u32> {
        let now = self.read().0;
        // A wrap after the reading is seen too, and costs an answer that was still right.
        (PMOVSR.get() & COUNTER_0 == 0).then_some(now)
    }
}

/// Instructions executed since entry; `None` if nobody counts them, or once they are 2³² or more.
#[must_use]
pub fn instructions() -> Option<u32> {
    InstructionCounter::find()?.since_entry()
}
