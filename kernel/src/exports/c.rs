//! What C passes and wants, and what this kernel has: pointers and addresses, names, numbers of errors.
//!
//! Invariant: text that the kernel itself reads for a name is read by probes, so that a pointer to nowhere is an
//! answer and no fault.

use core::ffi::{c_char, c_void};
use core::fmt;
use core::ptr;

use arch_arm::probe;
use arrayvec::ArrayString;
use mm::addr::{Order, VirtAddr};
use mm::zone::Gfp;

use crate::console::{self, println};
use crate::platform::Site;
use crate::report;

/// Errors, as C returns them, negative.
pub const EIO: i32 = 5;
/// See [`EIO`].
pub const E2BIG: i32 = 7;
/// See [`EIO`].
pub const ENOMEM: i32 = 12;
/// See [`EIO`].
pub const EINVAL: i32 = 22;
/// See [`EIO`].
pub const ERANGE: i32 = 34;

/// An address as C has it; NULL for none.
pub fn pointer<T>(at: Option<VirtAddr>) -> *mut T {
    at.map_or(ptr::null_mut(), |at| at.as_u32() as *mut T)
}

/// An address of C's.
pub fn address<T>(pointer: *const T) -> VirtAddr {
    VirtAddr::new(pointer as u32)
}

/// Flags as they are, also those that nobody knows, which the memory core refuses.
pub fn gfp(flags: u32) -> Gfp {
    Gfp::from_bits_retain(flags)
}

/// An order, if there are blocks of it.
pub fn order(order: u32) -> Option<Order> {
    u8::try_from(order).ok().and_then(Order::new)
}

/// The first bytes of a C string, as far as they fit, with `?` for what is not ASCII; `None` of a string that can not
/// be read. Any context; never faults.
pub fn name<const MOST: usize>(text: *const c_char) -> Option<ArrayString<MOST>> {
    let mut name = ArrayString::new();
    let mut at = address(text);
    if text.is_null() {
        return None;
    }
    loop {
        // SAFETY: 1. it is memory, or else a mistake of the module's that C would make as well.
        let byte = unsafe { probe::read_u8(at) }.ok()?;
        let letter = if byte.is_ascii() { char::from(byte) } else { '?' };
        if byte == 0 || name.try_push(letter).is_err() {
            return Some(name);
        }
        at = at.checked_add(1)?;
    }
}

/// Says that a module has called `function` with what can mean nothing, and from where. Any context.
#[cold]
#[inline(never)]
pub fn complain(function: &str, what: fmt::Arguments<'_>) {
    console::end_line();
    println!("BUG: {function}: {what}");
    println!("Call site: {}", Site(report::call_site()));
}

/// As [`complain`], of a pointer that should be another.
#[cold]
#[inline(never)]
pub fn complain_of(function: &str, pointer: *const c_void, what: &str) {
    complain(function, format_args!("{} is {what}", address(pointer)));
}
