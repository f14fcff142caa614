//! The console: where the log and the monitor speak, and where commands come from.
//!
//! Until the device tree has named a UART there is none; a stop before that speaks on the board
//! crate's fallback UART, which [`set_fallback`] makes known. The lock masks interrupts; a report
//! that finds it held, because it interrupted the holder, speaks all the same.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::sync::IrqLock;
use board::serial::pl011::Pl011;
use log::{LevelFilter, Log, Metadata, Record};
use mm::addr::VirtAddr;

static UART: IrqLock<Option<Pl011>> = IrqLock::new(None);
/// Where a UART is mapped that may be used when [`UART`] is empty or held; 0 for none.
static BASE: AtomicU32 = AtomicU32::new(0);

/// Names the UART that speaks until [`use_uart`] is called.
///
/// # Safety
///
/// As [`Pl011::new`], duties 1 and 2, for as long as no other UART is named.
pub unsafe fn set_fallback(base: VirtAddr) {
    BASE.store(base.as_u32(), Ordering::Relaxed);
}

/// Takes the UART at `base` into use, or goes on with it at this new address.
///
/// # Safety
///
/// As [`Pl011::new`]; a UART used before under another address is not used any more.
pub unsafe fn use_uart(base: VirtAddr, init: bool) {
    // SAFETY: the caller's duties are those of `new`; the lock keeps it the only user.
    let uart = unsafe { Pl011::new(base) };
    let mut slot = UART.lock();
    *slot = uart;
    if let Some(uart) = slot.as_mut().filter(|_| init) {
        uart.init();
    }
    BASE.store(base.as_u32(), Ordering::Relaxed);
    drop(slot);
    // Fails when it has been set before, and then it is this one.
    let _ = log::set_logger(&Logger);
    log::set_max_level(LevelFilter::Info);
}

/// The next byte received, if there is one.
pub fn read_byte() -> Option<u8> {
    UART.lock().as_mut().and_then(Pl011::read_byte)
}

/// What `print!` and the reports write to.
pub struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(mut slot) = UART.try_lock()
            && let Some(uart) = slot.as_mut()
        {
            return uart.write_str(text);
        }
        let base = VirtAddr::new(BASE.load(Ordering::Relaxed));
        // SAFETY: `BASE` is a UART that `set_fallback` or `use_uart` was promised to be one. The
        // holder of the lock, if any, was interrupted by this report and will not go on (duty 3's
        // exception).
        match unsafe { Pl011::new(base) } {
            Some(mut uart) => uart.write_str(text),
            None => Ok(()),
        }
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
