//! Every way in which the kernel ends: power off, reboot, a stop that says why, a panic, an
//! exception.
//!
//! A stop ends with the line `vmsplit: halted: REASON`, which scripts look for.

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use arch_arm::interrupt;
use arch_arm::psci::{self, Conduit};
use arch_arm::trap::{Cause, TrapFrame};

use crate::console::println;
use crate::interrupts;

/// Prints why and stops this CPU for good.
pub fn halt(reason: fmt::Arguments<'_>) -> ! {
    println!("vmsplit: halted: {reason}");
    interrupts::silence();
    interrupt::halt()
}

/// Turns the machine off. Stops with the reason where the firmware will not.
pub fn power_off(conduit: Option<Conduit>) -> ! {
    println!("vmsplit: power off");
    end(conduit, psci::system_off, "power off")
}

/// Resets the machine. Stops with the reason where the firmware will not.
pub fn reboot(conduit: Option<Conduit>) -> ! {
    println!("vmsplit: reboot");
    end(conduit, psci::system_reset, "reboot")
}

fn end(conduit: Option<Conduit>, call: fn(Conduit) -> psci::Error, what: &str) -> ! {
    match conduit {
        Some(conduit) => halt(format_args!("PSCI refused to {what}: {}", call(conduit))),
        None => halt(format_args!("no way to {what}: the device tree names no PSCI firmware")),
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    match info.location() {
        Some(at) => halt(format_args!("panic at {at}: {}", info.message())),
        None => halt(format_args!("panic: {}", info.message())),
    }
}

/// Is an exception being reported?
static REPORTING: AtomicBool = AtomicBool::new(false);

/// The report of an exception that nothing else has taken: kind, address, status, registers.
pub fn report(cause: &Cause, frame: &TrapFrame) -> ! {
    // A report that faults itself ends here, and not in one more report.
    if REPORTING.swap(true, Ordering::Relaxed) {
        interrupt::halt();
    }
    println!();
    println!("8<--- cut here ---");
    println!("{cause}");
    println!("{frame}");
    halt(format_args!("{cause}"))
}
