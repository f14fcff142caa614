//! A module in Rust: a parameter, memory from `kmalloc` in a `Vec`, and the same two functions as
//! in C.
//!
//! ```text
//! cargo xtask run --module examples/modules/hello_rust
//! ```
//!
//! What `MODULE_LICENSE`, `module_param` and `module_init` of `include/linux/module.h` put into an
//! object's sections, `record` puts there for Rust.

#![no_std]

extern crate alloc;

mod kernel;
mod record;

use alloc::vec::Vec;
use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use kernel::Line;
use record::{Parameter, modinfo};

modinfo! {
    "vermagic=vmsplit 1 ARMv7",
    "license=Dual MIT/Apache-2.0",
    "author=The vmsplit authors",
    "description=A module in Rust",
    "parmtype=count:int",
    "parm=count:how many squares to sum up",
}

/// Parameter `count`: the loader writes it before init is called.
static COUNT: AtomicI32 = AtomicI32::new(10);

#[used]
#[unsafe(link_section = "__param")]
static PARAMETERS: [Parameter; 1] = [Parameter::int(c"count", &COUNT)];

/// The squares' memory, which init leaves for exit to give back; and how many fit there.
static SQUARES: AtomicPtr<u32> = AtomicPtr::new(core::ptr::null_mut());
static CAPACITY: AtomicI32 = AtomicI32::new(0);

/// `-ENOMEM` and `-EINVAL` of `include/linux/errno.h`.
const ENOMEM: c_int = 12;
const EINVAL: c_int = 22;

/// What `insmod` calls. 0, or a negative error: then the module is gone again.
#[unsafe(no_mangle)]
pub extern "C" fn init_module() -> c_int {
    let Ok(count) = u32::try_from(COUNT.load(Ordering::Relaxed)) else {
        return -EINVAL;
    };
    let mut squares = Vec::new();
    if squares.try_reserve_exact(count as usize).is_err() {
        return -ENOMEM;
    }
    squares.extend((1..=count).map(|number| number.wrapping_mul(number)));
    let sum = squares.iter().fold(0_u32, |sum, square| sum.wrapping_add(*square));
    Line::print(format_args!(
        "hello_rust: {count} squares at {:p}, their sum is {sum}",
        squares.as_ptr()
    ));
    let mut squares = core::mem::ManuallyDrop::new(squares);
    CAPACITY.store(squares.capacity() as i32, Ordering::Relaxed);
    SQUARES.store(squares.as_mut_ptr(), Ordering::Relaxed);
    0
}

/// What `rmmod` calls.
#[unsafe(no_mangle)]
pub extern "C" fn cleanup_module() {
    let squares = SQUARES.swap(core::ptr::null_mut(), Ordering::Relaxed);
    let capacity = CAPACITY.load(Ordering::Relaxed) as usize;
    // SAFETY: init took both from a `Vec` that it forgot, and nobody else has the memory. Not even for a
    // capacity of 0 is the pointer null.
    drop(unsafe { Vec::from_raw_parts(squares, 0, capacity) });
    Line::print(format_args!("hello_rust: good-bye"));
}
