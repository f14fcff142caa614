//! The PL011 UART: the console of the boot log, the monitor and the last words.
//!
//! Registers and rules are those of the *PrimeCell UART (PL011) Technical Reference Manual*,
//! ARM DDI 0183G, chapter 3. The baud rate is left as firmware set it: the divisors follow from a
//! clock whose rate only firmware knows.
//!
//! Its two directions have nothing to do with each other once it is set up, so a [`Pl011`] divides
//! into a [`Transmitter`], which is polled, and a [`Receiver`], which is polled or gives interrupts.
//! An interrupt handler that takes what arrives then needs no lock that a sender holds.
//!
//! # Receive interrupts
//!
//! Two of the eleven: *receive*, when the FIFO has filled to its trigger level, and *receive
//! timeout*, when it holds anything and the line has been silent for 32 bits (2.8.2). Each goes away
//! when the FIFO has been emptied. It also goes away when it is cleared in ICR, and that is a trap:
//! with characters left in the FIFO the level is not *reached* again, and no interrupt ever comes.
//! So ICR is written once, in [`Pl011::init`], and [`Pl011::use_fifos`] empties the FIFO afterwards;
//! a handler reads until the FIFO is empty and clears nothing.

use core::fmt;

use mm::map::mmio::{self, Mmio};
use tock_registers::{
    interfaces::{ReadWriteable, Readable, Writeable},
    register_bitfields, register_structs,
    registers::{ReadOnly, ReadWrite, WriteOnly},
};

register_structs! {
    /// Offsets from ARM DDI 0183G, table 3-1. IFLS, at 0x34, keeps its reset value of half full.
    pub Registers {
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
        ALL             OFFSET(0)  NUMBITS(11) [],
        RECEIVE         OFFSET(4)  NUMBITS(1) [],
        RECEIVE_TIMEOUT OFFSET(6)  NUMBITS(1) []
    ]
];

/// What a PL011 calls itself (3.3.14); see [`super::primecell`].
pub const PART_NUMBER: u16 = 0x011;

/// Bytes that the receive FIFO holds (32 from revision r1p5 on, 16 before).
const FIFO_DEPTH: u32 = 32;
/// How often to look before a line is quiet: longer than a character takes at 115200 baud.
const QUIET_POLLS: u32 = 4000;
/// The most characters that are taken before the FIFOs are on.
const MOST_EARLY: usize = 1024;

/// Reads of the flags that a character on the line is given to leave. At 9600 baud it takes a
/// millisecond.
const BUSY_LIMIT: u32 = 1_000_000;

// SAFETY: 1. cells of `tock-registers` and padding; 2. words.
#[allow(unsafe_code)]
unsafe impl mmio::Registers for Registers {}

/// A PL011 whose registers are mapped.
#[derive(Debug)]
pub struct Pl011 {
    registers: Mmio<Registers>,
}

/// The half that sends.
#[derive(Debug)]
pub struct Transmitter {
    registers: Mmio<Registers>,
}

/// The half that receives.
#[derive(Debug)]
pub struct Receiver {
    registers: Mmio<Registers>,
    overruns: u32,
}

impl Pl011 {
    /// The UART with these registers. Touches nothing yet; see [`Pl011::init`].
    ///
    /// # Safety
    ///
    /// 1. The registers are those of a PL011, or of an ARM SBSA UART that `init` is not called on.
    /// 2. No other value drives the same UART meanwhile. A panic may break this once everything
    ///    else has stopped: the worst that comes of it is a mixed-up line.
    #[must_use]
    #[allow(unsafe_code)]
    pub const unsafe fn new(registers: Mmio<Registers>) -> Self {
        Self { registers }
    }

    /// Switches the UART on, both ways, at 8 bits and the baud rate it has. All its interrupts are
    /// masked and cleared. The FIFOs stay as they are, and with them what has arrived.
    ///
    /// Waits for a character in flight (the manual, 3.3.8, wants the UART idle while it is set up),
    /// but not for ever: a line that is held up costs a character, not the boot.
    pub fn init(&mut self) {
        self.set_up(|registers| {
            registers.imsc.set(0);
            registers.icr.write(INTERRUPT::ALL.val(0x7ff));
            registers.lcr_h.modify(LCR_H::WLEN::EightBits);
        });
    }

    /// Switches the FIFOs on. That empties them, so what has arrived goes to `received` before, in
    /// order. After [`init`](Self::init), and before there are interrupts.
    ///
    /// The next character of a paste may be on its way when the one before it has been read, and would be
    /// emptied out: so the line must have been quiet for a while. A paste of more than 1024
    /// characters may lose one.
    pub fn use_fifos(&mut self, received: impl FnMut(u8)) {
        self.set_up(|registers| {
            let mut receiver = Receiver { registers: *registers, overruns: 0 };
            let waiting =
                core::iter::from_fn(|| (0..QUIET_POLLS).find_map(|_| receiver.read_byte()));
            waiting.take(MOST_EARLY).for_each(received);
            registers.lcr_h.modify(LCR_H::FEN::SET);
        });
    }

    /// Changes what may only be changed while the UART is off, and leaves it on.
    fn set_up(&mut self, change: impl FnOnce(&Mmio<Registers>)) {
        let registers = self.registers;
        if registers.cr.matches_all(CR::UARTEN::SET + CR::TXE::SET) {
            let _ = (0..BUSY_LIMIT).find(|_| !registers.fr.is_set(FR::BUSY));
        }
        registers.cr.modify(CR::UARTEN::CLEAR);
        change(&registers);
        registers.cr.modify(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET);
    }

    /// The two directions, each for itself.
    #[must_use]
    pub fn split(self) -> (Transmitter, Receiver) {
        let registers = self.registers;
        (Transmitter { registers }, Receiver { registers, overruns: 0 })
    }
}

impl Transmitter {
    /// Sends a byte, once the transmit FIFO has room for it.
    pub fn write_byte(&mut self, byte: u8) {
        while self.registers.fr.is_set(FR::TXFF) {
            core::hint::spin_loop();
        }
        self.registers.dr.write(DR::DATA.val(byte.into()));
    }

    /// Sends text, with the carriage return that a terminal wants before each line feed.
    pub fn write_text(&mut self, text: &[u8]) {
        with_carriage_returns(text).for_each(|byte| self.write_byte(byte));
    }
}

impl Receiver {
    /// The next byte received, if there is one. Does not wait. Characters that arrived damaged are
    /// dropped. After `None` the FIFO is empty, or still gives interrupts.
    pub fn read_byte(&mut self) -> Option<u8> {
        // A FIFO full of damage, refilled as fast as it is read, must not hold us.
        for _ in 0..FIFO_DEPTH {
            if self.registers.fr.is_set(FR::RXFE) {
                return None;
            }
            let data = self.registers.dr.extract();
            if data.is_set(DR::OVERRUN_ERROR) {
                self.overruns = self.overruns.saturating_add(1);
            }
            let damaged = [DR::FRAMING_ERROR, DR::PARITY_ERROR, DR::BREAK_ERROR];
            if !damaged.into_iter().any(|error| data.is_set(error)) {
                return Some(data.read(DR::DATA) as u8);
            }
        }
        None
    }

    /// How often the line brought a character that the full FIFO had no place for. The character is
    /// lost, and so are those that followed it at once.
    #[must_use]
    pub const fn overruns(&self) -> u32 {
        self.overruns
    }

    /// Interrupts as long as there is something to read, beginning with what is there already.
    pub fn unmask_interrupts(&mut self) {
        let both = INTERRUPT::RECEIVE::SET + INTERRUPT::RECEIVE_TIMEOUT::SET;
        self.registers.imsc.write(both);
    }

    /// No more interrupts; what arrives waits in the FIFO.
    pub fn mask_interrupts(&mut self) {
        self.registers.imsc.set(0);
    }
}

/// Sends text as [`Transmitter::write_text`] does.
impl fmt::Write for Transmitter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_text(text.as_bytes());
        Ok(())
    }
}

fn with_carriage_returns(text: &[u8]) -> impl Iterator<Item = u8> {
    let before = |byte| (byte == b'\n').then_some(b'\r');
    text.iter().flat_map(move |byte| before(*byte).into_iter().chain([*byte]))
}

#[cfg(test)]
mod tests {
    use core::fmt::Write;
    use core::ptr::NonNull;

    use super::*;

    const DR: usize = 0;
    const FR: usize = 0x18 / 4;
    const IBRD: usize = 0x24 / 4;
    const FBRD: usize = 0x28 / 4;
    const LCR_H: usize = 0x2c / 4;
    const CR: usize = 0x30 / 4;
    const IMSC: usize = 0x38 / 4;
    const ICR: usize = 0x44 / 4;

    /// FR.RXFE.
    const EMPTY: u32 = 1 << 4;

    /// Runs `drive` on a PL011 whose registers are plain memory, and gives the registers after.
    #[allow(unsafe_code)]
    fn with_registers(mut words: [u32; 18], drive: impl FnOnce(Pl011)) -> [u32; 18] {
        let registers = NonNull::from(&mut words);
        // SAFETY: words stand in for the registers, as many, and live until the driver is done.
        drive(Pl011 { registers: unsafe { Mmio::from_pointer(registers.cast()) } });
        // SAFETY: `words` is alive, and no reference to it is.
        unsafe { registers.read_volatile() }
    }

    #[test]
    fn init_keeps_the_baud_rate_and_switches_the_rest_on() {
        let mut before = [0; 18];
        (before[IBRD], before[FBRD]) = (13, 1);
        before[LCR_H] = 1 << 3; // two stop bits
        before[CR] = 1 << 11; // RTS
        before[IMSC] = 0x7ff;
        before[FR] = EMPTY;
        let after = with_registers(before, |mut uart| uart.init());
        assert_eq!((after[IBRD], after[FBRD]), (13, 1));
        assert_eq!(after[LCR_H], 3 << 5 | 1 << 3);
        assert_eq!(after[CR], 1 << 11 | 1 << 9 | 1 << 8 | 1);
        assert_eq!((after[IMSC], after[ICR]), (0, 0x7ff));
        let after = with_registers(after, |mut uart| uart.use_fifos(|byte| panic!("{byte}")));
        assert_eq!(after[LCR_H], 3 << 5 | 1 << 4 | 1 << 3);
        assert_eq!(after[CR], 1 << 11 | 1 << 9 | 1 << 8 | 1);
    }

    #[test]
    fn what_was_typed_before_is_handed_over() {
        // Registers that are memory never become empty: only so much is taken from them.
        let mut words = [0; 18];
        words[DR] = u32::from(b'q');
        let mut received = Vec::new();
        with_registers(words, |mut uart| {
            uart.init();
            uart.use_fifos(|byte| received.push(byte));
        });
        assert_eq!(received, [b'q'; MOST_EARLY]);
    }

    #[test]
    fn set_up_does_not_wait_for_ever_for_a_busy_line() {
        let mut stuck = [0; 18];
        (stuck[CR], stuck[FR]) = (1 << 8 | 1, EMPTY | 1 << 3);
        assert_eq!(with_registers(stuck, |mut uart| uart.init())[CR] & 1, 1);
    }

    #[test]
    fn a_byte_goes_into_the_data_register() {
        let after = with_registers([0; 18], |uart| uart.split().0.write_byte(b'v'));
        assert_eq!(after[DR], u32::from(b'v'));
    }

    #[test]
    fn a_byte_is_read_only_if_there_is_one() {
        let mut words = [0; 18];
        words[DR] = 0x800 | u32::from(b'q'); // an overrun damages the next byte, not this one
        with_registers(words, |uart| assert_eq!(uart.split().1.read_byte(), Some(b'q')));
        words[FR] = EMPTY;
        with_registers(words, |uart| assert_eq!(uart.split().1.read_byte(), None));
    }

    #[test]
    fn damaged_characters_are_dropped() {
        for error in [0x100, 0x200, 0x400] {
            let mut words = [0; 18];
            words[DR] = error | u32::from(b'q');
            with_registers(words, |uart| assert_eq!(uart.split().1.read_byte(), None));
        }
    }

    #[test]
    fn overruns_are_counted() {
        let mut words = [0; 18];
        words[DR] = 0x800 | u32::from(b'q');
        with_registers(words, |uart| {
            let mut receiver = uart.split().1;
            assert_eq!(receiver.overruns(), 0);
            let _ = (receiver.read_byte(), receiver.read_byte());
            assert_eq!(receiver.overruns(), 2);
        });
    }

    #[test]
    fn receive_interrupts_are_masked_and_never_cleared() {
        let after = with_registers([0; 18], |uart| uart.split().1.unmask_interrupts());
        assert_eq!((after[IMSC], after[ICR]), (1 << 4 | 1 << 6, 0));
        let after = with_registers(after, |uart| uart.split().1.mask_interrupts());
        assert_eq!((after[IMSC], after[ICR]), (0, 0));
    }

    #[test]
    fn line_feeds_come_after_carriage_returns() {
        let bytes: Vec<u8> = with_carriage_returns(b"a\n\nb\r\n").collect();
        assert_eq!(bytes, b"a\r\n\r\nb\r\r\n");
        let after = with_registers([0; 18], |uart| writeln!(uart.split().0, "x").unwrap());
        assert_eq!(after[DR], u32::from(b'\n'));
    }
}
