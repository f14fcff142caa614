//! The PL011 UART, polled: the console of the boot log, the monitor and the last words.
//!
//! Registers and rules are those of the *PrimeCell UART (PL011) Technical Reference Manual*,
//! ARM DDI 0183G, chapter 3. The baud rate is left as firmware set it: the divisors follow from a
//! clock whose rate only firmware knows.

use core::{fmt, ptr::NonNull};

use mm::addr::VirtAddr;
use tock_registers::{
    interfaces::{ReadWriteable, Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite, WriteOnly},
};

register_structs! {
    /// Offsets from ARM DDI 0183G, table 3-1. IFLS, at 0x34, keeps its reset value of half full.
    Registers {
        (0x00 => dr: ReadWrite<u32, DR::Register>),
        (0x04 => _rsr_to_reserved),
        (0x18 => fr: ReadOnly<u32, FR::Register>),
        (0x1c => _ilpr_to_fbrd),
        (0x2c => lcr_h: ReadWrite<u32, LCR_H::Register>),
        (0x30 => cr: ReadWrite<u32, CR::Register>),
        (0x34 => _ifls),
        (0x38 => imsc: ReadWrite<u32, INTERRUPT::Register>),
        (0x3c => _ris_mis),
        (0x44 => icr: WriteOnly<u32, INTERRUPT::Register>),
        (0x48 => @END),
    }
}

register_bitfields! [u32,
    /// Data, 3.3.1.
    DR [
        DATA            OFFSET(0)  NUMBITS(8) [],
        FRAMING_ERROR   OFFSET(8)  NUMBITS(1) [],
        PARITY_ERROR    OFFSET(9)  NUMBITS(1) [],
        BREAK_ERROR     OFFSET(10) NUMBITS(1) [],
        OVERRUN_ERROR   OFFSET(11) NUMBITS(1) []
    ],
    /// Flags, 3.3.3.
    FR [
        BUSY            OFFSET(3)  NUMBITS(1) [],
        RXFE            OFFSET(4)  NUMBITS(1) [],
        TXFF            OFFSET(5)  NUMBITS(1) []
    ],
    /// Line control, 3.3.7.
    LCR_H [
        FEN             OFFSET(4)  NUMBITS(1) [],
        WLEN            OFFSET(5)  NUMBITS(2) [EightBits = 3]
    ],
    /// Control, 3.3.8.
    CR [
        UARTEN          OFFSET(0)  NUMBITS(1) [],
        TXE             OFFSET(8)  NUMBITS(1) [],
        RXE             OFFSET(9)  NUMBITS(1) []
    ],
    /// The eleven interrupts, one bit each in IMSC (3.3.10) and ICR (3.3.13).
    INTERRUPT [
        ALL             OFFSET(0)  NUMBITS(11) []
    ]
];

/// What a PL011 calls itself (3.3.14); see [`super::primecell`].
pub const PART_NUMBER: u16 = 0x011;

/// Bytes that the receive FIFO holds (32 from revision r1p5 on, 16 before).
const FIFO_DEPTH: u32 = 32;

/// Reads of the flags that a character on the line is given to leave. At 9600 baud it takes a
/// millisecond.
const BUSY_LIMIT: u32 = 1_000_000;

/// A PL011 whose registers are mapped.
#[derive(Debug)]
pub struct Pl011 {
    registers: NonNull<Registers>,
}

// SAFETY: the value is the only user of the registers (duty 3 of `Pl011::new`), and device memory is
// the same from every CPU.
#[allow(unsafe_code)]
unsafe impl Send for Pl011 {}

impl Pl011 {
    /// The UART whose registers are mapped at `base`. Touches nothing yet; see [`Pl011::init`].
    /// `None` if `base` is zero or no multiple of 4.
    ///
    /// # Safety
    ///
    /// 1. The 0x48 bytes at `base` are the registers of a PL011, or of an ARM SBSA UART that
    ///    `init` is not called on.
    /// 2. They are mapped readable and writable as Device or Strongly-ordered memory, and stay so
    ///    for as long as the value is used.
    /// 3. No other value drives the same UART meanwhile. A panic may break this once everything
    ///    else has stopped: the worst that comes of it is a mixed-up line.
    #[must_use]
    #[allow(unsafe_code)]
    pub unsafe fn new(base: VirtAddr) -> Option<Self> {
        let registers =
            NonNull::new(core::ptr::with_exposed_provenance_mut(base.as_u32() as usize))?;
        registers.is_aligned().then_some(Self { registers })
    }

    fn registers(&self) -> &Registers {
        // SAFETY: duties 1 and 2 of `new` make it a valid reference for as long as `self` is used;
        // alignment was checked there. DR, whose reading has an effect, holds an `UnsafeCell`, so
        // the compiler makes no reads of its own.
        #[allow(unsafe_code)]
        unsafe {
            self.registers.as_ref()
        }
    }

    /// Switches the UART on, both ways and with FIFOs, at 8 bits and the baud rate it has. All its
    /// interrupts are masked and cleared.
    ///
    /// Waits for a character in flight (the manual, 3.3.8, wants the UART idle while it is set up),
    /// but not for ever: a line that is held up costs a character, not the boot.
    pub fn init(&mut self) {
        let registers = self.registers();
        if registers.cr.matches_all(CR::UARTEN::SET + CR::TXE::SET) {
            let _ = (0..BUSY_LIMIT).find(|_| !registers.fr.is_set(FR::BUSY));
        }
        registers.cr.modify(CR::UARTEN::CLEAR);
        registers.imsc.set(0);
        registers.icr.write(INTERRUPT::ALL.val(0x7ff));
        registers.lcr_h.modify(LCR_H::WLEN::EightBits + LCR_H::FEN::SET);
        registers.cr.modify(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET);
    }

    /// Sends a byte, once the transmit FIFO has room for it.
    pub fn write_byte(&mut self, byte: u8) {
        let registers = self.registers();
        while registers.fr.is_set(FR::TXFF) {
            core::hint::spin_loop();
        }
        registers.dr.write(DR::DATA.val(byte.into()));
    }

    /// The next byte received, if there is one. Does not wait. Characters that arrived damaged are
    /// dropped.
    pub fn read_byte(&mut self) -> Option<u8> {
        let registers = self.registers();
        // A FIFO full of damage, refilled as fast as it is read, must not hold us.
        for _ in 0..FIFO_DEPTH {
            if registers.fr.is_set(FR::RXFE) {
                return None;
            }
            let data = registers.dr.extract();
            let damaged = [DR::FRAMING_ERROR, DR::PARITY_ERROR, DR::BREAK_ERROR];
            if !damaged.into_iter().any(|error| data.is_set(error)) {
                return Some(data.read(DR::DATA) as u8);
            }
        }
        None
    }
}

/// Sends text, with the carriage return that a terminal wants before each line feed.
impl fmt::Write for Pl011 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        with_carriage_returns(text).for_each(|byte| self.write_byte(byte));
        Ok(())
    }
}

fn with_carriage_returns(text: &str) -> impl Iterator<Item = u8> {
    let before = |byte| (byte == b'\n').then_some(b'\r');
    text.bytes().flat_map(move |byte| before(byte).into_iter().chain([byte]))
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;

    const DR: usize = 0;
    const FR: usize = 0x18 / 4;
    const IBRD: usize = 0x24 / 4;
    const FBRD: usize = 0x28 / 4;
    const LCR_H: usize = 0x2c / 4;
    const CR: usize = 0x30 / 4;
    const IMSC: usize = 0x38 / 4;
    const ICR: usize = 0x44 / 4;

    /// Runs `drive` on a PL011 whose registers are plain memory, and gives the registers after.
    #[allow(unsafe_code)]
    fn with_registers(mut words: [u32; 18], drive: impl FnOnce(&mut Pl011)) -> [u32; 18] {
        let registers = NonNull::from(&mut words).cast();
        drive(&mut Pl011 { registers });
        // SAFETY: `words` is alive, and no reference to it is.
        unsafe { registers.cast::<[u32; 18]>().read_volatile() }
    }

    #[test]
    fn init_keeps_the_baud_rate_and_switches_the_rest_on() {
        let mut before = [0; 18];
        (before[IBRD], before[FBRD]) = (13, 1);
        before[LCR_H] = 1 << 3; // two stop bits
        before[CR] = 1 << 11; // RTS
        before[IMSC] = 0x7ff;
        let after = with_registers(before, Pl011::init);
        assert_eq!((after[IBRD], after[FBRD]), (13, 1));
        assert_eq!(after[LCR_H], 3 << 5 | 1 << 4 | 1 << 3);
        assert_eq!(after[CR], 1 << 11 | 1 << 9 | 1 << 8 | 1);
        assert_eq!((after[IMSC], after[ICR]), (0, 0x7ff));
    }

    #[test]
    fn init_does_not_wait_for_ever_for_a_busy_line() {
        let mut stuck = [0; 18];
        (stuck[CR], stuck[FR]) = (1 << 8 | 1, 1 << 3);
        assert_eq!(with_registers(stuck, Pl011::init)[CR] & 1, 1);
    }

    #[test]
    fn a_byte_goes_into_the_data_register() {
        let after = with_registers([0; 18], |uart| uart.write_byte(b'v'));
        assert_eq!(after[DR], u32::from(b'v'));
    }

    #[test]
    fn a_byte_is_read_only_if_there_is_one() {
        let mut words = [0; 18];
        words[DR] = 0x800 | u32::from(b'q'); // an overrun damages the next byte, not this one
        with_registers(words, |uart| assert_eq!(uart.read_byte(), Some(b'q')));
        words[FR] = 1 << 4;
        with_registers(words, |uart| assert_eq!(uart.read_byte(), None));
    }

    #[test]
    fn damaged_characters_are_dropped() {
        for error in [0x100, 0x200, 0x400] {
            let mut words = [0; 18];
            words[DR] = error | u32::from(b'q');
            with_registers(words, |uart| assert_eq!(uart.read_byte(), None));
        }
    }

    #[test]
    fn line_feeds_come_after_carriage_returns() {
        let bytes: Vec<u8> = with_carriage_returns("a\n\nb\r\n").collect();
        assert_eq!(bytes, b"a\r\n\r\nb\r\r\n");
        let after = with_registers([0; 18], |uart| writeln!(uart, "x").unwrap());
        assert_eq!(after[DR], u32::from(b'\n'));
    }

    #[test]
    #[allow(unsafe_code)]
    fn a_base_that_no_registers_can_have_is_refused() {
        // SAFETY: the values are not used.
        let at = |base| unsafe { Pl011::new(VirtAddr::new(base)) };
        assert!(at(0).is_none() && at(0xfffd_f002).is_none() && at(0xfffd_f000).is_some());
    }
}
