//! Text by formats, through the functions with `...` themselves: what each argument becomes, wherever it is passed.

use core::ffi::{CStr, c_char};
use core::{mem, ptr};

use super::super::Checks;
use super::{GFP_KERNEL, address, functions};

type Snprintf = unsafe extern "C" fn(*mut c_char, usize, *const c_char, ...) -> i32;
type Sprintf = unsafe extern "C" fn(*mut c_char, *const c_char, ...) -> i32;
type Printk = unsafe extern "C" fn(*const c_char, ...) -> i32;
type Kasprintf = unsafe extern "C" fn(u32, *const c_char, ...) -> *mut c_char;

functions! {
    /// Those with a `va_list`, which is a pointer to the arguments in a row.
    Lists {
        vsnprintf: fn(*mut c_char, usize, *const c_char, *const u32) -> i32;
        vscnprintf: fn(*mut c_char, usize, *const c_char, *const u32) -> i32;
    }
}

const WIDE: u64 = 0x0123_4567_89ab_cdef;

/// The function of this name, which takes what its type says.
///
/// # Safety
///
/// 1. `F` is a pointer to such a function.
unsafe fn function<F>(checks: &mut Checks, name: &str) -> Option<F> {
    assert!(size_of::<F>() == size_of::<*const ()>());
    let at = address(checks, name)?;
    // SAFETY: 1. the caller's.
    Some(unsafe { mem::transmute_copy::<*const (), F>(&at) })
}

pub fn run(checks: &mut Checks) {
    // SAFETY: 1. as C declares them, here as below.
    let found = unsafe {
        let snprintf = function::<Snprintf>(checks, "snprintf");
        (snprintf, function::<Snprintf>(checks, "scnprintf"), function(checks, "sprintf"))
    };
    let (Some(snprintf), Some(scnprintf), Some(sprintf)) = found else { return };
    arguments(snprintf, checks);
    pointers(snprintf, checks);
    room(snprintf, scnprintf, sprintf, checks);
    if let Some(lists) = Lists::find(checks) {
        of_lists(&lists, checks);
    }
    // SAFETY: 1. see above.
    let printk = unsafe { (function(checks, "printk"), function::<Printk>(checks, "_printk")) };
    if let (Some(printk), Some(newer)) = printk {
        lines(printk, newer, checks);
    }
}

/// What a function writes into a buffer, and returns.
fn is(
    checks: &mut Checks,
    what: &str,
    expected: &CStr,
    print: impl FnOnce(*mut c_char, usize) -> i32,
) {
    let mut buffer = [0x55_u8; 128];
    let len = print(buffer.as_mut_ptr().cast(), buffer.len());
    let seen = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
    checks.equal(seen, expected, format_args!("{what}"));
    checks.equal(len as usize, expected.count_bytes(), format_args!("{what}: the result"));
}

/// From none to eight, of 32 and of 64 bits, in registers and on the stack.
fn arguments(snprintf: Snprintf, checks: &mut Checks) {
    // SAFETY: there are so many arguments as each format names, and of these types.
    unsafe {
        is(checks, "no argument", c"plain %", |to, room| snprintf(to, room, c"plain %%".as_ptr()));
        is(checks, "one", c"-1", |to, room| snprintf(to, room, c"%d".as_ptr(), -1));
        is(checks, "two", c"1 2", |to, room| snprintf(to, room, c"%d %u".as_ptr(), 1, 2));
        is(checks, "three", c"1 2 three", |to, room| {
            snprintf(to, room, c"%d %u %s".as_ptr(), 1, 2, c"three".as_ptr())
        });
        is(checks, "four", c"1 2 3 z", |to, room| {
            snprintf(to, room, c"%d %d %d %c".as_ptr(), 1, 2, 3, 122)
        });
        is(checks, "five", c"1 2 3 4 ff", |to, room| {
            snprintf(to, room, c"%d %d %d %d %x".as_ptr(), 1, 2, 3, 4, 255)
        });
        is(checks, "eight", c"1 2 3 4 5 6 7 8", |to, room| {
            let format = c"%d %d %d %d %d %d %d %d".as_ptr();
            snprintf(to, room, format, 1, 2, 3, 4, 5, 6, 7, 8)
        });
        is(checks, "a long long", c"123456789abcdef", |to, room| {
            snprintf(to, room, c"%llx".as_ptr(), WIDE)
        });
        is(checks, "one behind a number", c"1 123456789abcdef 2", |to, room| {
            snprintf(to, room, c"%d %llx %d".as_ptr(), 1, WIDE, 2)
        });
        is(checks, "one behind two", c"1 2 81985529216486895 3", |to, room| {
            snprintf(to, room, c"%d %d %lld %d".as_ptr(), 1, 2, WIDE, 3)
        });
        is(checks, "one behind three", c"1 2 3 -9223372036854775808", |to, room| {
            snprintf(to, room, c"%d %d %d %lld".as_ptr(), 1, 2, 3, i64::MIN)
        });
        is(checks, "eight of both", c"1 1 2 2 3 3 4 4", |to, room| {
            let format = c"%d %llu %d %llu %d %llu %d %llu".as_ptr();
            snprintf(to, room, format, 1, 1_u64, 2, 2_u64, 3, 3_u64, 4, 4_u64)
        });
        is(checks, "a width and a precision", c"[   07] [ab   ]", |to, room| {
            snprintf(to, room, c"[%*.*d] [%-5.2s]".as_ptr(), 5, 2, 7, c"abc".as_ptr())
        });
    }
}

fn pointers(snprintf: Snprintf, checks: &mut Checks) {
    let nowhere = 0xffff_8000_u32 as *const c_char;
    // SAFETY: as in `arguments`.
    unsafe {
        is(checks, "%p", c"0000beef", |to, room| snprintf(to, room, c"%px".as_ptr(), 0xbeef));
        is(checks, "a string that is NULL", c"(null)", |to, room| {
            snprintf(to, room, c"%s".as_ptr(), ptr::null::<c_char>())
        });
        is(checks, "a string that is nowhere", c"(efault)", |to, room| {
            snprintf(to, room, c"%s".as_ptr(), nowhere)
        });
        is(checks, "a format that is nowhere", c"(efault)", |to, room| snprintf(to, room, nowhere));
        is(checks, "no code", c"0x10", |to, room| snprintf(to, room, c"%pS".as_ptr(), 0x10));
    }
    if crate::report::call_site() == 0 {
        return;
    }
    // The stub itself, which has eight instructions.
    let Some(code) = address(checks, "printk") else { return };
    let code = code as u32;
    // SAFETY: as in `arguments`.
    unsafe {
        for (format, at, expected) in [
            (c"%ps", code, c"vmsplit_c_printk"),
            (c"%pS", code, c"vmsplit_c_printk+0x0/0x20"),
            (c"%pS", code + 12, c"vmsplit_c_printk+0xc/0x20"),
            (c"%pB", code + 32, c"vmsplit_c_printk+0x20/0x20"),
        ] {
            is(checks, "a function", expected, |to, room| snprintf(to, room, format.as_ptr(), at));
        }
    }
}

/// What does not fit is cut off, and counted or not.
fn room(snprintf: Snprintf, scnprintf: Snprintf, sprintf: Sprintf, checks: &mut Checks) {
    for (room, written) in [(0, 0), (1, 0), (4, 3), (6, 5), (7, 6), (20, 6)] {
        for (print, answer, name) in [(snprintf, 6, "snprintf"), (scnprintf, written, "scnprintf")]
        {
            let mut buffer = [b'.'; 24];
            // SAFETY: as in `arguments`.
            let len = unsafe {
                print(buffer.as_mut_ptr().cast(), room, c"%d-%s".as_ptr(), 12, c"abc".as_ptr())
            };
            checks.equal(len as usize, answer, format_args!("{name}, room {room}"));
            let mut expected = [b'.'; 24];
            if room > 0 {
                expected[..written].copy_from_slice(&b"12-abc"[..written]);
                expected[written] = 0;
            }
            checks.equal(buffer, expected, format_args!("{name}, room {room}"));
        }
    }
    let mut buffer = [b'.'; 16];
    // SAFETY: as in `arguments`; there is room.
    let len = unsafe {
        // More than there can be is a mistake: nothing is written.
        let none = snprintf(buffer.as_mut_ptr().cast(), usize::MAX, c"%d".as_ptr(), 1);
        checks.equal((none, buffer[0]), (1, b'.'), format_args!("snprintf without bounds"));
        sprintf(buffer.as_mut_ptr().cast(), c"%s%04x".as_ptr(), c"a".as_ptr(), 0x2b)
    };
    checks.that(len == 5 && buffer.starts_with(b"a002b\0."), format_args!("sprintf: {buffer:?}"));
}

fn of_lists(c: &Lists, checks: &mut Checks) {
    #[repr(align(8))]
    struct Row([u32; 6]);
    // A word, a hole, a double, two words.
    let row = Row([7, u32::MAX, 0x9abc_def0, 0x1234_5678, 8, 9]);
    let format = c"%d %llx %d %d";
    let list = row.0.as_ptr();
    // SAFETY: the row has what the format names.
    unsafe {
        is(checks, "vsnprintf", c"7 123456789abcdef0 8 9", |to, room| {
            (c.vsnprintf)(to, room, format.as_ptr(), list)
        });
        let mut buffer = [0; 8];
        let len = (c.vscnprintf)(buffer.as_mut_ptr(), 8, format.as_ptr(), list);
        checks.equal(len, 7, format_args!("vscnprintf"));
    }
}

/// Lines of the log, with levels, in pieces, and with what a terminal would take for a command.
fn lines(printk: Printk, newer: Printk, checks: &mut Checks) {
    // SAFETY: as in `arguments`.
    let lens = unsafe {
        [
            printk(c"\x016selftest: exports: %s, %d\n".as_ptr(), c"a line".as_ptr(), 1),
            newer(c"selftest: exports: a line in".as_ptr()),
            printk(c"\x01c %s pieces".as_ptr(), c"two".as_ptr()),
            // It begins a line by itself.
            printk(c"\x014selftest: exports: \x1b[31m%lld\n".as_ptr(), WIDE),
        ]
    };
    checks.equal(lens, [29, 28, 11, 42], format_args!("printk's results"));
}

/// Texts in memory of `kmalloc`.
pub fn allocated(checks: &mut Checks) {
    // SAFETY: 1. as C declares them.
    let found = unsafe {
        let kfree = function::<unsafe extern "C" fn(*const c_char)>(checks, "kfree");
        (function::<Kasprintf>(checks, "kasprintf"), kfree)
    };
    let (Some(kasprintf), Some(kfree)) = found else { return };
    // SAFETY: as in `arguments`; the text is given back once.
    unsafe {
        let text = kasprintf(GFP_KERNEL, c"%s-%llu-%c".as_ptr(), c"part".as_ptr(), u64::MAX, 120);
        let is_right = !text.is_null() && CStr::from_ptr(text) == c"part-18446744073709551615-x";
        checks.that(is_right, format_args!("kasprintf"));
        kfree(text);
    }
}
