//! The CPU interface: what one CPU has to do with the GIC while it runs.
//!
//! Its registers are banked, so the one address leads each CPU to its own. That is why acknowledging
//! and ending take `&self`, and no lock.

use core::mem::offset_of;
#[cfg(test)]
use core::ptr::NonNull;

use mm::map::mmio::{self, Mmio};
use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite, WriteOnly},
};

use super::IntId;

register_structs! {
    /// Offsets from *ARM IHI 0048B, table 4-2*. BPR stays as it is: no interrupt preempts another.
    pub Registers {
        (0x00 => ctlr: ReadWrite<u32, CTLR::Register>),
        (0x04 => pmr: ReadWrite<u32>),
        (0x08 => _bpr),
        (0x0c => iar: ReadOnly<u32, IAR::Register>),
        (0x10 => eoir: WriteOnly<u32, IAR::Register>),
        (0x14 => _rpr_to_reserved),
        (0xd0 => apr: [ReadWrite<u32>; 4]),
        (0xe0 => _nsapr_to_reserved),
        (0xfc => iidr: ReadOnly<u32, IIDR::Register>),
        (0x100 => @END),
    }
}

// SAFETY: 1. cells of `tock-registers` and padding; 2. words.
#[allow(unsafe_code)]
unsafe impl mmio::Registers for Registers {}

register_bitfields! [u32,
    /// CPU interface control, 4.4.1.
    CTLR [
        /// What reaches the CPU where the GIC sends nothing; firmware's choice.
        BYPASS_DISABLE  OFFSET(5)  NUMBITS(4) [],
        ENABLE          OFFSET(0)  NUMBITS(1) []
    ],
    /// Interrupt acknowledge, 4.4.4, and end of interrupt, 4.4.5, which takes the same word.
    IAR [
        CPU_ID          OFFSET(10) NUMBITS(3) [],
        INTERRUPT_ID    OFFSET(0)  NUMBITS(10) []
    ],
    /// CPU interface identification, 4.4.14.
    IIDR [
        ARCHITECTURE    OFFSET(16) NUMBITS(4) [V1 = 1, V2 = 2]
    ]
];

/// The priority that an interrupt must beat: every one that a GIC has, but the least urgent, does.
const LET_ALL_THROUGH: u32 = 0xf0;

/// An interrupt that was acknowledged and is not ended yet.
#[must_use = "until it is ended, the interrupt and all that are no more urgent stay out"]
#[derive(Debug)]
pub struct Acknowledged {
    /// IAR's word: for an interrupt by software the CPU that raised it as well.
    word: u32,
    id: IntId,
}

impl Acknowledged {
    /// Which interrupt it is.
    #[must_use]
    pub const fn id(&self) -> IntId {
        self.id
    }
}

/// The CPU interface of whichever CPU runs this.
#[derive(Debug)]
pub struct CpuInterface {
    registers: Mmio<Registers>,
}

// SAFETY: the registers are banked, so one CPU's accesses are nothing to another. On one CPU each
// method makes independent accesses, which an interrupt in between does not spoil.
#[allow(unsafe_code)]
unsafe impl Sync for CpuInterface {}

impl CpuInterface {
    /// Where the identification register is: every CPU interface has it, and reading it has no
    /// effect.
    pub const IDENTITY_OFFSET: u32 = offset_of!(Registers, iidr) as u32;

    /// The CPU interface with these registers. Touches nothing yet; see
    /// [`CpuInterface::init`].
    ///
    /// # Safety
    ///
    /// 1. The registers are those of a GIC's CPU interface.
    #[must_use]
    #[allow(unsafe_code)]
    pub const unsafe fn new(registers: Mmio<Registers>) -> Self {
        Self { registers }
    }

    /// One whose registers are the model's memory.
    #[cfg(test)]
    #[allow(unsafe_code)]
    pub(super) fn over(words: &mut [u32; 64]) -> Self {
        // SAFETY: words stand in for the registers, as many; a test's value does not outlive them.
        Self { registers: unsafe { Mmio::from_pointer(NonNull::from(words).cast()) } }
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    /// Lets interrupts of every priority through to this CPU. The distributor's
    /// [`init`](super::Distributor::init) comes first: what it finds active it forgets.
    pub fn init(&self) {
        let registers = self.registers();
        let bypass = registers.ctlr.read(CTLR::BYPASS_DISABLE);
        registers.ctlr.write(CTLR::BYPASS_DISABLE.val(bypass));
        registers.pmr.set(LET_ALL_THROUGH);
        if registers.iidr.read(IIDR::ARCHITECTURE) >= IIDR::ARCHITECTURE::Value::V2 as u32 {
            // Whatever a boot loader was in the middle of. Version 1 has no such registers.
            registers.apr.iter().for_each(|active| active.set(0));
        }
        // EOImode, where there is one, is 0: ending drops the priority and deactivates in one go.
        registers.ctlr.write(CTLR::BYPASS_DISABLE.val(bypass) + CTLR::ENABLE::SET);
    }

    /// Signals nothing more to this CPU. What is pending stays so.
    pub fn disable(&self) {
        let registers = self.registers();
        let bypass = registers.ctlr.read(CTLR::BYPASS_DISABLE);
        registers.ctlr.write(CTLR::BYPASS_DISABLE.val(bypass));
    }

    /// The architecture version, 1 or 2.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.registers().iidr.read(IIDR::ARCHITECTURE)
    }

    /// Takes the most urgent pending interrupt. `None` when there is none (any more): it went away
    /// between the signal and this, or another CPU was quicker. That is called spurious, and wants
    /// no end.
    pub fn acknowledge(&self) -> Option<Acknowledged> {
        let word = self.registers().iar.extract();
        let id = IntId::new(word.read(IAR::INTERRUPT_ID) as u16)?;
        Some(Acknowledged { word: word.get(), id })
    }

    /// The interrupt has been dealt with, and may come again. Accesses that made its device drop the
    /// line must have reached it, or it does come again, for nothing: the caller's barrier.
    pub fn end(&self, interrupt: Acknowledged) {
        self.registers().eoir.set(interrupt.word);
    }
}
