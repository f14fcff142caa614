//! Text by a format: `printk`, `snprintf` and their like, `panic`, `dump_stack`.
//!
//! ```text
//! printk("%s\n", …) ──▶ stub (arch_arm::variadic) ──▶ print ──▶ printk::format ──▶ Line ──▶ the console
//! snprintf(to, …)   ──▶ stub ──▶ …                                     └─────────▶ Bounded, the caller's memory
//! vsnprintf(to, …, va_list) ─────▶ …
//! ```
//!
//! What a format is and means is the crate [`printk`](::printk)'s; here is the machine that its pointers point into. All
//! that is read, is read by probes: a string that is nowhere is printed as `(efault)`. So what is written is the
//! only duty of callers:
//!
//! - T1: behind the format are the arguments that it names, or a `va_list` of them.
//! - T2: of the memory at `to`, `room` bytes are the caller's; of `sprintf`, as many as the text and its zero take.
//!
//! A message of `printk` that does not end its line leaves it open for a `KERN_CONT`; whoever prints next, or the prompt,
//! ends it ([`console::end_line`]). Levels are not printed, and none is left out: nobody could read it elsewhere.

use core::ffi::{c_char, c_void};
use core::fmt;
use core::ptr;

use ::printk::{Arguments, Context, Line, Place, Rest, Show, Sink, VaList, format};
use arch_arm::probe;
use arch_arm::variadic::Spilled;
use mm::addr::VirtAddr;

use super::exports;
use super::slab::kmalloc;
use crate::console::{self, print, println};
use crate::report;

exports![
    printk, _printk, vprintk, snprintf, scnprintf, sprintf, vsnprintf, vscnprintf, vsprintf,
    kasprintf, kvasprintf, panic, dump_stack,
];

// The stubs; who calls them passes arguments that no declaration here could name.
unsafe extern "C" {
    #[link_name = "vmsplit_c_printk"]
    fn printk();
    #[link_name = "vmsplit_c_printk"]
    fn _printk();
    #[link_name = "vmsplit_c_snprintf"]
    fn snprintf();
    #[link_name = "vmsplit_c_scnprintf"]
    fn scnprintf();
    #[link_name = "vmsplit_c_sprintf"]
    fn sprintf();
    #[link_name = "vmsplit_c_kasprintf"]
    fn kasprintf();
    #[link_name = "vmsplit_c_panic"]
    fn panic();
}

arch_arm::variadic! {
    "vmsplit_c_printk" => spilled_printk,
    "vmsplit_c_snprintf" => spilled_snprintf,
    "vmsplit_c_scnprintf" => spilled_scnprintf,
    "vmsplit_c_sprintf" => spilled_sprintf,
    "vmsplit_c_kasprintf" => spilled_kasprintf,
    "vmsplit_c_panic" => spilled_panic,
}

/// The memory that formats and their arguments point into, and the image's names.
struct Machine;

impl Context for Machine {
    fn byte(&self, address: u32) -> Option<u8> {
        // SAFETY: 1. it is memory, or else a mistake of the module's that C would make as well.
        unsafe { probe::read_u8(VirtAddr::new(address)) }.ok()
    }

    fn word(&self, address: u32) -> Option<u32> {
        if address.is_multiple_of(4) {
            // SAFETY: as in `byte`.
            return unsafe { probe::read_u32(VirtAddr::new(address)) }.ok();
        }
        let mut bytes = [0; 4];
        for (offset, byte) in (0..).zip(&mut bytes) {
            *byte = self.byte(address.checked_add(offset)?)?;
        }
        Some(u32::from_le_bytes(bytes))
    }

    fn symbol(&self, address: u32, show: Show, out: &mut dyn fmt::Write) -> bool {
        report::write_symbol(VirtAddr::new(address), show, out)
    }
}

/// The arguments behind so many named ones.
fn behind(spilled: &Spilled, named: u32) -> VaList<'static> {
    VaList::new(spilled.behind(named).as_u32(), &Machine)
}

/// `int printk(const char *format, ...)`, `int _printk(const char *format, ...)`: prints, and returns how many bytes.
/// Any context. Safety: T1.
extern "C" fn spilled_printk(spilled: &Spilled) -> i32 {
    let [format, ..] = spilled.words();
    message(format, &mut behind(spilled, 1))
}

/// `int vprintk(const char *format, va_list args)`. Safety: T1.
unsafe extern "C" fn vprintk(format: *const c_char, args: u32) -> i32 {
    message(format as u32, &mut VaList::new(args, &Machine))
}

fn message(text: u32, args: &mut dyn Arguments) -> i32 {
    let mut line = Line::new();
    format(&mut line, text, args, &Machine);
    let message = line.message();
    if message.place == Place::NewLine {
        console::end_line();
    }
    if message.ends_line {
        println!("{message}");
    } else {
        print!("{message}");
    }
    // A line has far fewer bytes.
    message.text.len() as i32 + i32::from(message.ends_line)
}

/// `void panic(const char *format, ...)`: stops the kernel, and says why. Any context. Safety: T1.
extern "C" fn spilled_panic(spilled: &Spilled) -> i32 {
    let [text, ..] = spilled.words();
    let mut line = Line::new();
    format(&mut line, text, &mut behind(spilled, 1), &Machine);
    panic!("{}", line.message())
}

/// `void dump_stack(void)`: prints the calls that led here. Any context.
extern "C" fn dump_stack() {
    console::end_line();
    report::dump_stack();
}

/// Memory of the caller's for a text and its zero.
struct Bounded {
    to: *mut c_char,
    /// The text's bytes so far, and how many there may be.
    len: u32,
    most: u32,
}

impl Sink for Bounded {
    fn put(&mut self, byte: u8) -> bool {
        if self.len == self.most {
            return false;
        }
        // SAFETY: T2, as `write` was promised; there is room for a zero behind it.
        unsafe { self.to.add(self.len as usize).write(byte) };
        self.len += 1;
        true
    }

    fn rest(&self) -> Rest {
        Rest::Counted
    }
}

/// How long a text is, and how much of it was written, without its zero.
struct Written {
    all: u32,
    len: u32,
}

/// Writes a text and a zero, as far as there is room.
///
/// # Safety
///
/// 1. T2.
unsafe fn write(to: *mut c_char, room: u32, text: u32, args: &mut dyn Arguments) -> Written {
    // Linux takes more than `INT_MAX` bytes for a mistake.
    let room = if room > i32::MAX as u32 { 0 } else { room };
    let mut sink = Bounded { to, len: 0, most: room.saturating_sub(1) };
    let all = format(&mut sink, text, args, &Machine);
    if room > 0 {
        // SAFETY: T2; the text has left room.
        unsafe { to.add(sink.len as usize).write(0) };
    }
    Written { all, len: sink.len }
}

/// `int snprintf(char *to, size_t room, const char *format, ...)`: returns how long the text is, whatever the room.
/// Safety: T1, T2.
extern "C" fn spilled_snprintf(spilled: &Spilled) -> u32 {
    let [to, room, text, _] = spilled.words();
    // SAFETY: T2.
    unsafe { write(to as *mut c_char, room, text, &mut behind(spilled, 3)) }.all
}

/// `int scnprintf(char *to, size_t room, const char *format, ...)`: returns how much was written. Safety: T1, T2.
extern "C" fn spilled_scnprintf(spilled: &Spilled) -> u32 {
    let [to, room, text, _] = spilled.words();
    // SAFETY: T2.
    unsafe { write(to as *mut c_char, room, text, &mut behind(spilled, 3)) }.len
}

/// `int sprintf(char *to, const char *format, ...)`. Safety: T1, T2.
extern "C" fn spilled_sprintf(spilled: &Spilled) -> u32 {
    let [to, text, ..] = spilled.words();
    // SAFETY: T2.
    unsafe { write(to as *mut c_char, i32::MAX as u32, text, &mut behind(spilled, 2)) }.all
}

/// `int vsnprintf(char *to, size_t room, const char *format, va_list args)`: as `snprintf`. Safety: T1, T2.
unsafe extern "C" fn vsnprintf(to: *mut c_char, room: u32, text: *const c_char, args: u32) -> u32 {
    // SAFETY: T2.
    unsafe { write(to, room, text as u32, &mut VaList::new(args, &Machine)) }.all
}

/// `int vscnprintf(char *to, size_t room, const char *format, va_list args)`: as `scnprintf`. Safety: T1, T2.
unsafe extern "C" fn vscnprintf(to: *mut c_char, room: u32, text: *const c_char, args: u32) -> u32 {
    // SAFETY: T2.
    unsafe { write(to, room, text as u32, &mut VaList::new(args, &Machine)) }.len
}

/// `int vsprintf(char *to, const char *format, va_list args)`: as `sprintf`. Safety: T1, T2.
unsafe extern "C" fn vsprintf(to: *mut c_char, text: *const c_char, args: u32) -> u32 {
    // SAFETY: T2.
    unsafe { vsnprintf(to, i32::MAX as u32, text, args) }
}

/// `char *kasprintf(gfp_t flags, const char *format, ...)`: a text in memory of `kmalloc`; NULL without. Context as
/// `flags` say. Safety: T1.
extern "C" fn spilled_kasprintf(spilled: &Spilled) -> *mut c_char {
    let [flags, text, ..] = spilled.words();
    in_new_memory(flags, text, &behind(spilled, 2))
}

/// `char *kvasprintf(gfp_t flags, const char *format, va_list args)`: as `kasprintf`. Safety: T1.
unsafe extern "C" fn kvasprintf(flags: u32, text: *const c_char, args: u32) -> *mut c_char {
    in_new_memory(flags, text as u32, &VaList::new(args, &Machine))
}

fn in_new_memory(flags: u32, text: u32, args: &VaList<'_>) -> *mut c_char {
    // SAFETY: T2: no bytes.
    let Written { all, .. } = unsafe { write(ptr::null_mut(), 0, text, &mut args.clone()) };
    let to = kmalloc(all + 1, flags).cast::<c_char>();
    if !to.is_null() {
        // If what the arguments point to has grown meanwhile, the rest is cut off.
        // SAFETY: T2: as many as it has.
        unsafe { write(to, all + 1, text, &mut args.clone()) };
    }
    to
}

// A `va_list` is one word, which goes where a number goes.
const _: () = assert!(size_of::<*const c_void>() == size_of::<u32>());
