//! What C code is shown of code: the name of an address, and the calls that led to it.

use core::fmt::{self, Write};

use arch_arm::trap::TrapFrame;
use arch_arm::trap::report::{Location, backtrace};
use arrayvec::ArrayString;
use mm::addr::VirtAddr;
use printk::Show;

use super::machine::{self, Memory, Symbols};
use super::write_machine;
use crate::console::Out;

/// Bytes of a name and what stands behind it; the rest is left out.
const BYTES: usize = 256;

/// Writes the function at an address, as [`Show`] says; `false`, and nothing written, if it is none's. Any context.
pub fn write_symbol(address: VirtAddr, show: Show, out: &mut dyn Write) -> bool {
    let symbols = Symbols::of_image();
    let location = match show {
        Show::Name | Show::Offset => Location::exact(&symbols, address),
        Show::Caller => Location::return_to(&symbols, address),
    };
    let mut text = ArrayString::<BYTES>::new();
    let _ = write!(text, "{location}");
    // `name+offset/size [module]`; of no function, the number.
    let Some(end) = text.rfind('+') else { return false };
    let (name, rest) = text.split_at(end);
    let _ = match show {
        Show::Name => out.write_str(name).and_then(|()| module(rest, out)),
        Show::Offset | Show::Caller => out.write_str(&text),
    };
    true
}

/// Writes ` [module]`, if there is one.
fn module(rest: &str, out: &mut dyn Write) -> fmt::Result {
    rest.find(' ').map_or(Ok(()), |start| out.write_str(rest.get(start..).unwrap_or_default()))
}

/// Prints the calls that led here, as Linux's `dump_stack` does. Any context.
#[inline(never)]
pub fn dump_stack() {
    let frame = TrapFrame::here();
    write_machine();
    // The console can not fail.
    let _ =
        backtrace::write(&mut Out, &Memory::now(), &Symbols::of_image(), machine::code(), &frame);
}
