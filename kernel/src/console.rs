//! The console: where the log and the monitor speak, and where commands come from.
//!
//! Until the device tree has named a UART there is none; a stop before that speaks on the board
//! crate's fallback UART, which [`set_fallback`] makes known. The lock masks interrupts; a report
//! that finds it held, because it interrupted the holder, speaks all the same.
//!
//! The lock is taken for [`CHUNK_BYTES`] at a time, which is what the UART's FIFO takes at once: a
//! long text on a slow line must not keep the tick out. So what an interrupt handler has to say may
//! stand in the middle of a line.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arch_arm::sync::IrqLock;
use board::serial::pl011::{Pl011, Registers, Transmitter};
use log::{LevelFilter, Log, Metadata, Record};
use mm::addr::VirtAddr;
use mm::map::Mmio;

mod receive;

pub use receive::{
    losses, on_interrupt, receive_by_interrupt, stop_was_typed, wait_for_byte, waiting_bytes,
};

/// Bytes that are sent under one hold of the lock: half a FIFO.
const CHUNK_BYTES: usize = 16;

static TRANSMITTER: IrqLock<Option<Transmitter>> = IrqLock::new(None);
/// Where a UART is mapped that may be used when [`TRANSMITTER`] is empty or held; 0 for none.
static BASE: AtomicU32 = AtomicU32::new(0);
/// Does the last line go on?
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// Names the UART that speaks until [`start`] is called.
///
/// # Safety
///
/// As [`Pl011::new`], for as long as no other UART is named.
pub unsafe fn set_fallback(registers: Mmio<Registers>) {
    BASE.store(registers.address().as_u32(), Ordering::Relaxed);
}

/// Sets up the UART with these registers and takes it into use. What is typed waits in it.
///
/// # Safety
///
/// As [`Pl011::new`]; no UART was in use before.
pub unsafe fn start(registers: Mmio<Registers>) {
    // SAFETY: the caller's duties are those of `new`; the locks keep its halves the only users.
    let mut uart = unsafe { Pl011::new(registers) };
    uart.init();
    take(registers, uart);
    // Fails when it has been set before, and then it is this one.
    let _ = log::set_logger(&Logger);
    log::set_max_level(LevelFilter::Info);
}

/// Goes on with the same UART at the address that it keeps, and with all that was typed so far: the
/// image stays where it is from now on.
///
/// # Safety
///
/// As [`Pl011::new`]; its former address is not used any more, and it gives no interrupts yet.
pub unsafe fn go_on_at(registers: Mmio<Registers>) {
    // SAFETY: as in `start`.
    let mut uart = unsafe { Pl011::new(registers) };
    uart.use_fifos(receive::keep);
    take(registers, uart);
}

fn take(registers: Mmio<Registers>, uart: Pl011) {
    let (transmitter, receiver) = uart.split();
    *TRANSMITTER.lock() = Some(transmitter);
    receive::use_receiver(receiver);
    BASE.store(registers.address().as_u32(), Ordering::Relaxed);
}

/// What `print!` and the reports write to.
pub struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.as_bytes().chunks(CHUNK_BYTES).for_each(write_chunk);
        Ok(())
    }
}

/// Begins a line, if the last one goes on. Any context.
pub fn end_line() {
    if IS_OPEN.load(Ordering::Relaxed) {
        println!();
    }
}

fn write_chunk(chunk: &[u8]) {
    IS_OPEN.store(!chunk.ends_with(b"\n"), Ordering::Relaxed);
    if let Some(mut slot) = TRANSMITTER.try_lock()
        && let Some(transmitter) = slot.as_mut()
    {
        return transmitter.write_text(chunk);
    }
    let base = VirtAddr::new(BASE.load(Ordering::Relaxed));
    // SAFETY: `BASE` is that of registers that `set_fallback`, `start` or `go_on_at` was given, or 0.
    if let Some(registers) = unsafe { Mmio::new(base) } {
        // SAFETY: 1. they were promised to be a PL011's; 2. the holder of the lock, if any, was interrupted by
        // this report and will not go on, which is the exception.
        let uart = unsafe { Pl011::new(registers) };
        uart.split().0.write_text(chunk);
    }
}

/// Prints to the console; nothing can go wrong that could be told.
macro_rules! print {
    ($($part:tt)*) => {{
        use core::fmt::Write as _;
        let _ = write!($crate::console::Out, $($part)*);
    }};
}
pub(crate) use print;

/// Prints a line to the console.
macro_rules! println {
    ($($part:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::console::Out, $($part)*);
    }};
}
pub(crate) use println;

/// The boot log: bare lines, as Linux's are behind their time stamps.
struct Logger;

impl Log for Logger {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        println!("{}", record.args());
    }

    fn flush(&self) {}
}
