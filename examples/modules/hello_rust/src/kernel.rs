//! What this module calls of the kernel, as C declares it in `include/linux/`, and what is made of
//! it: lines for the log, and memory for `alloc`.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{c_char, c_int, c_void};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

/// `GFP_KERNEL` of `include/linux/gfp.h`.
const GFP_KERNEL: u32 = 0xcc0;

/// `kmalloc` aligns to this at least (`ARCH_KMALLOC_MINALIGN`), and to its size if that is a power of 2.
const KMALLOC_ALIGN: usize = 64;

unsafe extern "C" {
    fn printk(format: *const c_char, ...) -> c_int;
    fn panic(format: *const c_char, ...) -> !;
    fn kmalloc(bytes: usize, gfp: u32) -> *mut c_void;
    fn krealloc(object: *const c_void, bytes: usize, gfp: u32) -> *mut c_void;
    fn kfree(object: *const c_void);
}

/// A line of the log in the making. What does not fit is left out.
pub struct Line {
    bytes: [u8; 120],
    len: usize,
}

impl Line {
    /// Prints `text` as a line of level 6, information.
    pub fn print(text: fmt::Arguments<'_>) {
        let line = Self::of(text);
        // SAFETY: the format takes an int and a pointer to that many bytes, and has both.
        unsafe { printk(c"\x016%.*s\n".as_ptr(), line.len as c_int, line.bytes.as_ptr()) };
    }

    fn of(text: fmt::Arguments<'_>) -> Self {
        let mut line = Self { bytes: [0; 120], len: 0 };
        // It writes what fits, and never fails.
        let _ = line.write_fmt(text);
        line
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (free, byte) in self.bytes[self.len..].iter_mut().zip(text.bytes()) {
            *free = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// Memory for `alloc`, from `kmalloc`.
struct Kmalloc;

// SAFETY: kmalloc gives memory of at least that size and of `KMALLOC_ALIGN`, which nobody else has, or
// null; a stricter alignment is refused. krealloc keeps what fits of the bytes.
unsafe impl GlobalAlloc for Kmalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > KMALLOC_ALIGN {
            return core::ptr::null_mut();
        }
        // SAFETY: kmalloc takes any size; init and exit functions may sleep.
        unsafe { kmalloc(layout.size(), GFP_KERNEL).cast() }
    }

    unsafe fn dealloc(&self, object: *mut u8, _layout: Layout) {
        // SAFETY: `object` came from kmalloc or krealloc, as the caller promises.
        unsafe { kfree(object.cast()) };
    }

    unsafe fn realloc(&self, object: *mut u8, _layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`.
        unsafe { krealloc(object.cast(), bytes, GFP_KERNEL).cast() }
    }
}

#[global_allocator]
static HEAP: Kmalloc = Kmalloc;

/// A Rust panic is the kernel's: a module can not be left half way.
#[panic_handler]
fn on_panic(info: &PanicInfo<'_>) -> ! {
    let line = Line::of(format_args!("{info}"));
    // SAFETY: as in `Line::print`.
    unsafe { panic(c"%.*s".as_ptr(), line.len as c_int, line.bytes.as_ptr()) }
}
