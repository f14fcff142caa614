//! Every way in which the kernel ends by itself: power off, reboot, a stop that says why, a panic.
//!
//! Whatever is no clean end leaves the record of death, and ends with the line
//! `vmsplit: halted: REASON`, which scripts look for.

use core::fmt;
use core::panic::PanicInfo;

use arch_arm::interrupt;
use arch_arm::psci::{self, Conduit};
use arch_arm::trap::TrapFrame;

use crate::console::println;
use crate::report;
use crate::report::death::{self, Kind};

/// Records and prints why, and stops this CPU for good.
pub fn halt(reason: fmt::Arguments<'_>) -> ! {
    interrupt::mask_for_good();
    death::record(&Kind::Halt, &TrapFrame::here(), reason);
    report::last_line(reason)
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
    report::panic(info)
}
