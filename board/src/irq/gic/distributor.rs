//! The distributor: which interrupts are let through, how they are signalled, to whom.
//!
//! Set-bit and clear-bit registers come in pairs, where a written 1 acts and a 0 does nothing, so
//! that switching one interrupt never touches its neighbours. The others are read, changed in one
//! field and written back: whoever shares a distributor between CPUs puts it behind a lock.

use core::mem::offset_of;
#[cfg(test)]
use core::ptr::NonNull;

use mm::map::mmio::{self, Mmio};
use tock_registers::{
    interfaces::{Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite, WriteOnly},
};

use super::{EnableError, FIRST_SHARED, IntId, Priority};
use crate::dt::Trigger;

register_structs! {
    /// Offsets from *ARM IHI 0048B, table 4-1*.
    pub Registers {
        (0x000 => ctlr: ReadWrite<u32, CTLR::Register>),
        (0x004 => typer: ReadOnly<u32, TYPER::Register>),
        (0x008 => _iidr_to_reserved),
        (0x080 => igroupr: [ReadWrite<u32>; 32]),
        (0x100 => isenabler: [ReadWrite<u32>; 32]),
        (0x180 => icenabler: [WriteOnly<u32>; 32]),
        (0x200 => ispendr: [WriteOnly<u32>; 32]),
        (0x280 => icpendr: [WriteOnly<u32>; 32]),
        (0x300 => _isactiver),
        (0x380 => icactiver: [WriteOnly<u32>; 32]),
        (0x400 => ipriorityr: [ReadWrite<u32>; 255]),
        (0x7fc => _reserved_0),
        (0x800 => itargetsr: [ReadWrite<u32>; 255]),
        (0xbfc => _reserved_1),
        (0xc00 => icfgr: [ReadWrite<u32>; 64]),
        (0xd00 => _nsacr_to_sgir),
        (0xf10 => cpendsgir: [WriteOnly<u32>; 4]),
        (0xf20 => _spendsgir_to_identification),
        (0x1000 => @END),
    }
}

// SAFETY: 1. cells of `tock-registers` and padding; 2. words.
#[allow(unsafe_code)]
unsafe impl mmio::Registers for Registers {}

register_bitfields! [u32,
    /// Distributor control, 4.3.1. Bit 0 is the only enable that a CPU without a view of both
    /// groups has.
    CTLR [
        ENABLE          OFFSET(0)  NUMBITS(1) []
    ],
    /// Interrupt controller type, 4.3.2.
    TYPER [
        IT_LINES_NUMBER OFFSET(0)  NUMBITS(5) []
    ]
];

/// All 32 interrupts of a word with a bit for each.
const EVERY_BIT: u32 = u32::MAX;
/// A field of two bits in ICFGR: the upper one is set for edge-triggered (4.3.13).
const EDGE: u32 = 0b10;

/// A byte four times, for a register that has a byte for each interrupt.
const fn each_byte(byte: u8) -> u32 {
    u32::from_ne_bytes([byte; 4])
}

/// A distributor whose registers are mapped.
#[derive(Debug)]
pub struct Distributor {
    registers: Mmio<Registers>,
}

impl Distributor {
    /// Where the type register is: every distributor has it, and reading it has no effect.
    pub const TYPE_OFFSET: u32 = offset_of!(Registers, typer) as u32;

    /// The distributor with these registers. Touches nothing yet; see
    /// [`Distributor::init`].
    ///
    /// # Safety
    ///
    /// 1. The registers are those of a GIC's distributor.
    /// 2. No other value drives the same distributor meanwhile.
    #[must_use]
    #[allow(unsafe_code)]
    pub const unsafe fn new(registers: Mmio<Registers>) -> Self {
        Self { registers }
    }

    /// One whose registers are the model's memory.
    #[cfg(test)]
    #[allow(unsafe_code)]
    pub(super) fn over(words: &mut [u32; 1024]) -> Self {
        // SAFETY: words stand in for the registers, as many; a test's value does not outlive them.
        Self { registers: unsafe { Mmio::from_pointer(NonNull::from(words).cast()) } }
    }

    fn registers(&self) -> &Registers {
        &self.registers
    }

    /// Puts every interrupt into the same state, whatever was before: disabled, not pending, not
    /// active, of normal priority; shared ones level-triggered, and sent to the CPU that runs this.
    /// Then lets the distributor forward what is enabled.
    ///
    /// An interrupt that is private to another CPU stays as it is: only that CPU can reach it.
    pub fn init(&mut self) {
        let registers = self.registers();
        registers.ctlr.set(0);
        let lines = usize::from(self.lines());
        for word in 0..lines.div_ceil(32) {
            for clear in [&registers.icenabler, &registers.icpendr, &registers.icactiver] {
                write(clear, word, EVERY_BIT);
            }
            write(&registers.igroupr, word, 0);
        }
        // Version 1 has nothing there, and a private interrupt by software that is still pending
        // then comes once, to a CPU that has no use for it.
        registers.cpendsgir.iter().for_each(|pending| pending.set(EVERY_BIT));
        for word in 0..lines.div_ceil(4) {
            write(&registers.ipriorityr, word, each_byte(Priority::Normal as u8));
        }
        let this_cpu = self.this_cpu();
        for word in usize::from(FIRST_SHARED) / 4..lines.div_ceil(4) {
            write(&registers.itargetsr, word, each_byte(this_cpu));
        }
        for word in usize::from(FIRST_SHARED) / 16..lines.div_ceil(16) {
            write(&registers.icfgr, word, 0);
        }
        registers.ctlr.write(CTLR::ENABLE::SET);
    }

    /// How many interrupt IDs the distributor knows, the CPUs' private ones included: 32 to 1020.
    #[must_use]
    pub fn lines(&self) -> u16 {
        let words = self.registers().typer.read(TYPER::IT_LINES_NUMBER) as u16 + 1;
        (words * 32).min(IntId::COUNT as u16)
    }

    /// Lets an interrupt through, signalled as `trigger` says; `None` leaves that as it is. The
    /// trigger of a private interrupt may be fixed, and then stays what it is: devices that belong
    /// to the core are wired as they must be.
    ///
    /// # Errors
    ///
    /// A [`EnableError`] when there is no such interrupt, or when it can not be signalled that way.
    /// It is disabled then.
    pub fn enable(
        &mut self,
        id: IntId,
        trigger: Option<Trigger>,
        priority: Priority,
    ) -> Result<(), EnableError> {
        let lines = self.lines();
        if id.get() >= lines {
            return Err(EnableError::NoSuchLine { id, lines });
        }
        // Changing the trigger of an enabled interrupt is unpredictable (4.3.13).
        self.disable(id);
        let registers = self.registers();
        if let Some(trigger) = trigger {
            let (word, bit) = id.place(2);
            let field = if trigger == Trigger::Edge { EDGE } else { 0 };
            modify(&registers.icfgr, word, |old| old & !(EDGE << bit) | field << bit);
            if !id.is_private() && self.trigger(id) != trigger {
                return Err(EnableError::FixedTrigger { id });
            }
        }
        let (word, bit) = id.place(8);
        let priority = u32::from(priority as u8) << bit;
        modify(&registers.ipriorityr, word, |old| old & !(0xff << bit) | priority);
        let (word, bit) = id.place(1);
        write(&registers.isenabler, word, 1 << bit);
        Ok(())
    }

    /// Keeps an interrupt out. It may still be acknowledged once, if it was on its way.
    pub fn disable(&mut self, id: IntId) {
        let (word, bit) = id.place(1);
        write(&self.registers().icenabler, word, 1 << bit);
    }

    /// Makes an interrupt pending as if its device had raised it, until it is acknowledged. Not one
    /// by software, below 16: those are raised otherwise.
    pub fn raise(&mut self, id: IntId) {
        let (word, bit) = id.place(1);
        write(&self.registers().ispendr, word, 1 << bit);
    }

    /// Is the interrupt let through?
    #[must_use]
    pub fn is_enabled(&self, id: IntId) -> bool {
        let (word, bit) = id.place(1);
        read(&self.registers().isenabler, word) >> bit & 1 != 0
    }

    /// How the interrupt is signalled.
    #[must_use]
    pub fn trigger(&self, id: IntId) -> Trigger {
        let (word, bit) = id.place(2);
        let is_edge = read(&self.registers().icfgr, word) >> bit & EDGE != 0;
        if is_edge { Trigger::Edge } else { Trigger::Level }
    }

    /// The bit that stands for the CPU that runs this in a target byte: what the bytes of private
    /// interrupts read as (4.3.12). 0 where there is one CPU and nothing to choose.
    fn this_cpu(&self) -> u8 {
        let private = usize::from(FIRST_SHARED) / 4;
        let bytes = self.registers().itargetsr.iter().take(private);
        bytes.flat_map(|word| word.get().to_ne_bytes()).find(|byte| *byte != 0).unwrap_or(0)
    }
}

// A register file is as long as the number of interrupt IDs needs, so no index is ever outside.

fn read(file: &[ReadWrite<u32>], word: usize) -> u32 {
    file.get(word).map_or(0, Readable::get)
}

fn write(file: &[impl Writeable<T = u32>], word: usize, value: u32) {
    if let Some(register) = file.get(word) {
        register.set(value);
    }
}

fn modify(file: &[ReadWrite<u32>], word: usize, change: impl FnOnce(u32) -> u32) {
    write(file, word, change(read(file, word)));
}
