//! Strings and numbers in them, as C has them.

use core::ffi::{CStr, c_char, c_void};
use core::ptr;

use super::super::Checks;
use super::{GFP_KERNEL, functions};

const EINVAL: i32 = 22;
const ERANGE: i32 = 34;
const E2BIG: i32 = 7;

functions! {
    /// `<linux/string.h>`, what writes.
    Writers {
        memcpy: fn(*mut u8, *const u8, usize) -> *mut u8;
        memmove: fn(*mut u8, *const u8, usize) -> *mut u8;
        memset: fn(*mut u8, i32, usize) -> *mut u8;
        strcpy: fn(*mut c_char, *const c_char) -> *mut c_char;
        strncpy: fn(*mut c_char, *const c_char, usize) -> *mut c_char;
        strlcpy: fn(*mut c_char, *const c_char, usize) -> usize;
        strscpy: fn(*mut c_char, *const c_char, usize) -> i32;
        strcat: fn(*mut c_char, *const c_char) -> *mut c_char;
        strncat: fn(*mut c_char, *const c_char, usize) -> *mut c_char;
        strlcat: fn(*mut c_char, *const c_char, usize) -> usize;
        strsep: fn(*mut *mut c_char, *const c_char) -> *mut c_char;
        strim: fn(*mut c_char) -> *mut c_char;
    }
}

functions! {
    /// `<linux/string.h>`, what reads.
    Readers {
        memcmp: fn(*const c_char, *const c_char, usize) -> i32;
        memchr: fn(*const c_char, i32, usize) -> *mut c_char;
        memchr_inv: fn(*const c_char, i32, usize) -> *mut c_char;
        memscan: fn(*const c_char, i32, usize) -> *mut c_char;
        strlen: fn(*const c_char) -> usize;
        strnlen: fn(*const c_char, usize) -> usize;
        strcmp: fn(*const c_char, *const c_char) -> i32;
        strncmp: fn(*const c_char, *const c_char, usize) -> i32;
        strcasecmp: fn(*const c_char, *const c_char) -> i32;
        strncasecmp: fn(*const c_char, *const c_char, usize) -> i32;
        strchr: fn(*const c_char, i32) -> *mut c_char;
        strnchr: fn(*const c_char, usize, i32) -> *mut c_char;
        strchrnul: fn(*const c_char, i32) -> *mut c_char;
        strrchr: fn(*const c_char, i32) -> *mut c_char;
        strstr: fn(*const c_char, *const c_char) -> *mut c_char;
        strnstr: fn(*const c_char, *const c_char, usize) -> *mut c_char;
        strspn: fn(*const c_char, *const c_char) -> usize;
        strcspn: fn(*const c_char, *const c_char) -> usize;
        strpbrk: fn(*const c_char, *const c_char) -> *mut c_char;
        skip_spaces: fn(*const c_char) -> *mut c_char;
    }
}

functions! {
    /// `<linux/kstrtox.h>`.
    Numbers {
        kstrtoull: fn(*const c_char, u32, *mut u64) -> i32;
        kstrtoll: fn(*const c_char, u32, *mut i64) -> i32;
        kstrtoul: fn(*const c_char, u32, *mut u32) -> i32;
        kstrtol: fn(*const c_char, u32, *mut i32) -> i32;
        kstrtouint: fn(*const c_char, u32, *mut u32) -> i32;
        kstrtoint: fn(*const c_char, u32, *mut i32) -> i32;
        kstrtobool: fn(*const c_char, *mut bool) -> i32;
        simple_strtoul: fn(*const c_char, *mut *mut c_char, u32) -> u32;
        simple_strtol: fn(*const c_char, *mut *mut c_char, u32) -> i32;
    }
}

functions! {
    /// Copies in memory of `kmalloc`.
    Copies {
        kstrdup: fn(*const c_char, u32) -> *mut c_char;
        kstrndup: fn(*const c_char, usize, u32) -> *mut c_char;
        kmemdup: fn(*const c_void, usize, u32) -> *mut c_void;
        kfree: fn(*const c_void);
    }
}

/// What needs no memory.
pub fn run(checks: &mut Checks) {
    let found = (Writers::find(checks), Readers::find(checks), Numbers::find(checks));
    let (Some(writers), Some(readers), Some(numbers)) = found else { return };
    blocks(&writers, checks);
    copied(&writers, checks);
    cut(&writers, checks);
    compared(&readers, checks);
    found_in(&readers, checks);
    wide_numbers(&numbers, checks);
    narrow_numbers(&numbers, checks);
    beginnings(&numbers, checks);
}

/// A buffer, a row of `.` where nobody has written.
struct Buffer([u8; 24]);

impl Buffer {
    /// With a string in it.
    fn new(text: &CStr) -> Self {
        let mut bytes = [b'.'; 24];
        let text = text.to_bytes_with_nul();
        bytes[..text.len()].copy_from_slice(text);
        Self(bytes)
    }

    fn at(&mut self) -> *mut c_char {
        self.0.as_mut_ptr().cast()
    }

    /// Begins with these bytes, and behind them nobody has written.
    fn is(&self, bytes: &[u8]) -> bool {
        self.0.starts_with(bytes) && self.0[bytes.len()..].iter().all(|byte| *byte == b'.')
    }
}

fn blocks(c: &Writers, checks: &mut Checks) {
    for len in [0, 1, 3, 7, 12, 15] {
        let mut bytes: [u8; 24] = core::array::from_fn(|at| at as u8);
        let mut expected = bytes;
        expected.copy_within(2..2 + len, 5);
        // SAFETY: they are the test's, here and below.
        let end = unsafe {
            let start = bytes.as_mut_ptr();
            (c.memmove)(start.add(5), start.add(2), len)
        };
        checks.equal(bytes, expected, format_args!("memmove of {len} upwards"));
        checks.equal(end, bytes.as_mut_ptr().wrapping_add(5), format_args!("memmove's result"));
        expected.copy_within(5..5 + len, 1);
        // SAFETY: see above.
        unsafe { (c.memmove)(bytes.as_mut_ptr().add(1), bytes.as_ptr().add(5), len) };
        checks.equal(bytes, expected, format_args!("memmove of {len} downwards"));
        let mut copy = [0xff; 24];
        // SAFETY: see above.
        unsafe { (c.memcpy)(copy.as_mut_ptr().add(1), bytes.as_ptr().add(3), len) };
        let is_right =
            copy[1..=len] == bytes[3..3 + len] && copy[len + 1..].iter().all(|b| *b == 0xff);
        checks.that(is_right, format_args!("memcpy of {len}"));
        // SAFETY: see above.
        unsafe { (c.memset)(copy.as_mut_ptr().add(3), 0x1_42, len + 6) };
        let is_set = copy[3..len + 9].iter().all(|byte| *byte == 0x42);
        checks.that(
            is_set && copy[len + 9..].iter().all(|b| *b == 0xff),
            format_args!("memset of {len}"),
        );
    }
}

fn copied(c: &Writers, checks: &mut Checks) {
    let mut is = |what: &str, from: &CStr, bytes: &[u8], write: &dyn Fn(*mut c_char) -> bool| {
        let mut buffer = Buffer::new(from);
        let answer = write(buffer.at());
        let seen = buffer.0.escape_ascii();
        checks.that(answer && buffer.is(bytes), format_args!("{what}: {seen}"));
    };
    // SAFETY: the buffer has room for each.
    unsafe {
        is("strcpy", c"", b"abc\0", &|to| (c.strcpy)(to, c"abc".as_ptr()) == to);
        is("strcpy of none", c"", b"\0", &|to| (c.strcpy)(to, c"".as_ptr()) == to);
        is("strncpy", c"", b"abc\0\0\0", &|to| (c.strncpy)(to, c"abc".as_ptr(), 6) == to);
        is("strncpy, cut", c"", b"abc", &|to| (c.strncpy)(to, c"abcdef".as_ptr(), 3) == to);
        is("strlcpy", c"", b"abc\0", &|to| (c.strlcpy)(to, c"abc".as_ptr(), 9) == 3);
        is("strlcpy, cut", c"", b"ab\0", &|to| (c.strlcpy)(to, c"abcdef".as_ptr(), 3) == 6);
        is("strlcpy, no room", c"", b"\0", &|to| (c.strlcpy)(to, c"abcdef".as_ptr(), 0) == 6);
        is("strscpy", c"", b"abc\0", &|to| (c.strscpy)(to, c"abc".as_ptr(), 4) == 3);
        is("strscpy, cut", c"", b"ab\0", &|to| (c.strscpy)(to, c"abc".as_ptr(), 3) == -E2BIG);
        is("strscpy, no room", c"", b"\0", &|to| (c.strscpy)(to, c"a".as_ptr(), 0) == -E2BIG);
        is("strcat", c"ab", b"abcd\0", &|to| (c.strcat)(to, c"cd".as_ptr()) == to);
        is("strncat", c"ab", b"abcd\0", &|to| (c.strncat)(to, c"cdef".as_ptr(), 2) == to);
        is("strlcat", c"ab", b"abcd\0", &|to| (c.strlcat)(to, c"cd".as_ptr(), 9) == 4);
        is("strlcat, cut", c"ab", b"abc\0", &|to| (c.strlcat)(to, c"cdef".as_ptr(), 4) == 6);
        is("strlcat, no room", c"abc", b"abc\0", &|to| (c.strlcat)(to, c"de".as_ptr(), 2) == 4);
    }
}

/// Pieces of a string, in the string itself.
fn cut(c: &Writers, checks: &mut Checks) {
    let mut buffer = Buffer::new(c"one,two;;x");
    let mut rest = buffer.at();
    for expected in [Some(c"one"), Some(c"two"), Some(c""), Some(c"x"), None] {
        // SAFETY: `rest` is NULL, or the end of the buffer's string.
        let piece = unsafe {
            let piece = (c.strsep)(&raw mut rest, c",;".as_ptr());
            (!piece.is_null()).then(|| CStr::from_ptr(piece))
        };
        checks.equal(piece, expected, format_args!("strsep"));
    }
    checks.that(rest.is_null(), format_args!("strsep's rest"));
    for (text, expected) in [(c" a b \n\t", c"a b"), (c"", c""), (c"   ", c""), (c"ab", c"ab")] {
        let mut buffer = Buffer::new(text);
        // SAFETY: a string, and nobody else's.
        let trimmed = unsafe { CStr::from_ptr((c.strim)(buffer.at())) };
        checks.equal(trimmed, expected, format_args!("strim"));
    }
}

fn compared(c: &Readers, checks: &mut Checks) {
    // SAFETY: strings, here and below.
    unsafe {
        for (a, b, sign, sign_of_2, sign_of_letters) in [
            (c"abc", c"abc", 0, 0, 0),
            (c"abc", c"abd", -1, 0, -1),
            (c"abc", c"ab", 1, 0, 1),
            (c"", c"a", -1, -1, -1),
            (c"aBc", c"Abc", 1, 1, 0),
            (c"\xff", c"a", 1, 1, 1),
            (c"Z[", c"z[", -1, -1, 0),
        ] {
            let (one, other) = (a.as_ptr(), b.as_ptr());
            checks.equal((c.strcmp)(one, other).signum(), sign, format_args!("{a:?} {b:?}"));
            checks.equal((c.strcmp)(other, one).signum(), -sign, format_args!("{b:?} {a:?}"));
            let of_2 = (c.strncmp)(one, other, 2).signum();
            checks.equal(of_2, sign_of_2, format_args!("2 of {a:?} {b:?}"));
            checks.equal((c.strncmp)(one, other, 0), 0, format_args!("0 of {a:?} {b:?}"));
            let letters = (c.strcasecmp)(one, other).signum();
            checks.equal(letters, sign_of_letters, format_args!("letters of {a:?} {b:?}"));
        }
        let same = (c.strncasecmp)(c"HELLO-1".as_ptr(), c"hello-2".as_ptr(), 6);
        checks.equal(same, 0, format_args!("strncasecmp"));
        let bytes = (c.memcmp)(c"a\xffb".as_ptr(), c"a\x01b".as_ptr(), 3);
        checks.equal(bytes.signum(), 1, format_args!("memcmp"));
        checks.equal((c.strlen)(c"".as_ptr()), 0, format_args!("strlen of none"));
        checks.equal((c.strlen)(c"abcdefghi".as_ptr()), 9, format_args!("strlen"));
        checks.equal((c.strnlen)(c"abcdefghi".as_ptr(), 4), 4, format_args!("strnlen"));
        checks.equal((c.strnlen)(c"ab".as_ptr(), 4), 2, format_args!("strnlen of less"));
    }
}

fn found_in(c: &Readers, checks: &mut Checks) {
    let text = c"hello, hello";
    let start = text.as_ptr();
    let offset = |found: *mut c_char| (!found.is_null()).then(|| found as usize - start as usize);
    let (l, z) = (i32::from(b'l'), i32::from(b'z'));
    // SAFETY: strings.
    unsafe {
        for (what, found, expected) in [
            ("strchr", (c.strchr)(start, l), Some(2)),
            ("strchr of none", (c.strchr)(start, z), None),
            ("strchr of 0", (c.strchr)(start, 0), Some(12)),
            ("strchr, more bits", (c.strchr)(start, l + 0x100), Some(2)),
            ("strnchr", (c.strnchr)(start, 3, l), Some(2)),
            ("strnchr of fewer", (c.strnchr)(start, 2, l), None),
            ("strnchr of 0", (c.strnchr)(start, 13, 0), Some(12)),
            ("strnchr of 0 behind", (c.strnchr)(start, 12, 0), None),
            ("strchrnul", (c.strchrnul)(start, z), Some(12)),
            ("strrchr", (c.strrchr)(start, l), Some(10)),
            ("strrchr of none", (c.strrchr)(start, z), None),
            ("strrchr of 0", (c.strrchr)(start, 0), Some(12)),
            ("strstr", (c.strstr)(start, c"lo".as_ptr()), Some(3)),
            ("strstr of all", (c.strstr)(start, start), Some(0)),
            ("strstr of nothing", (c.strstr)(start, c"".as_ptr()), Some(0)),
            ("strstr of none", (c.strstr)(start, c"hello!".as_ptr()), None),
            ("strnstr", (c.strnstr)(start, c"lo".as_ptr(), 5), Some(3)),
            ("strnstr of fewer", (c.strnstr)(start, c"lo".as_ptr(), 4), None),
            ("strpbrk", (c.strpbrk)(start, c" ,".as_ptr()), Some(5)),
            ("strpbrk of none", (c.strpbrk)(start, c"xyz".as_ptr()), None),
            ("memchr", (c.memchr)(start, l, 12), Some(2)),
            ("memchr of fewer", (c.memchr)(start, l, 2), None),
            ("memchr_inv", (c.memchr_inv)(start, i32::from(b'h'), 12), Some(1)),
            ("memchr_inv of none", (c.memchr_inv)(start.add(2), l, 2), None),
            ("memscan", (c.memscan)(start, l, 12), Some(2)),
            ("memscan of none", (c.memscan)(start, z, 12), Some(12)),
            ("skip_spaces", (c.skip_spaces)(start.add(6)), Some(7)),
        ] {
            checks.equal(offset(found), expected, format_args!("{what}"));
        }
        checks.equal((c.strspn)(start, c"leh".as_ptr()), 4, format_args!("strspn"));
        checks.equal((c.strcspn)(start, c" ,".as_ptr()), 5, format_args!("strcspn"));
        checks.equal((c.strcspn)(start, c"".as_ptr()), 12, format_args!("strcspn of none"));
    }
}

/// What is written where nothing is to be.
const KEPT: u64 = 0x0123_4567_89ab_cdef;

fn wide_numbers(c: &Numbers, checks: &mut Checks) {
    for (text, base, expected) in [
        (c"0", 10, Ok(0)),
        (c"18446744073709551615", 10, Ok(u64::MAX)),
        (c"18446744073709551616", 10, Err(-ERANGE)),
        (c"99999999999999999999999", 10, Err(-ERANGE)),
        (c"+42\n", 0, Ok(42)),
        (c"0x1fF", 0, Ok(0x1ff)),
        (c"0x1ff", 16, Ok(0x1ff)),
        (c"ffffffffffffffff", 16, Ok(u64::MAX)),
        (c"0777", 0, Ok(0o777)),
        (c"0777", 10, Ok(777)),
        (c"101", 2, Ok(5)),
        (c"zz", 36, Ok(35 * 37)),
        (c"", 10, Err(-EINVAL)),
        (c"\n", 10, Err(-EINVAL)),
        (c"-1", 10, Err(-EINVAL)),
        (c"++1", 10, Err(-EINVAL)),
        (c"1 ", 10, Err(-EINVAL)),
        (c"1\n\n", 10, Err(-EINVAL)),
        (c" 1", 10, Err(-EINVAL)),
        (c"09", 0, Err(-EINVAL)),
        (c"0x", 0, Err(-EINVAL)),
        (c"12", 1, Err(-EINVAL)),
    ] {
        let mut value = KEPT;
        // SAFETY: a string, and a number to write, here as below.
        let answer = unsafe { (c.kstrtoull)(text.as_ptr(), base, &raw mut value) };
        let seen = (answer, value);
        let expected = expected.map_or_else(|error| (error, KEPT), |value| (0, value));
        checks.equal(seen, expected, format_args!("kstrtoull of {text:?}"));
    }
    for (text, expected) in [
        (c"-9223372036854775808", Ok(i64::MIN)),
        (c"-9223372036854775809", Err(-ERANGE)),
        (c"9223372036854775807", Ok(i64::MAX)),
        (c"9223372036854775808", Err(-ERANGE)),
        (c"-0x10", Ok(-16)),
        (c"-+1", Err(-EINVAL)),
        (c"--1", Err(-EINVAL)),
        (c"-", Err(-EINVAL)),
    ] {
        let mut value = KEPT as i64;
        // SAFETY: see above.
        let answer = unsafe { (c.kstrtoll)(text.as_ptr(), 0, &raw mut value) };
        let expected = expected.map_or_else(|error| (error, KEPT as i64), |value| (0, value));
        checks.equal((answer, value), expected, format_args!("kstrtoll of {text:?}"));
    }
}

fn narrow_numbers(c: &Numbers, checks: &mut Checks) {
    for (text, unsigned, signed) in [
        (c"2147483647", Ok(0x7fff_ffff), Ok(i32::MAX)),
        (c"2147483648", Ok(0x8000_0000), Err(-ERANGE)),
        (c"4294967295", Ok(u32::MAX), Err(-ERANGE)),
        (c"4294967296", Err(-ERANGE), Err(-ERANGE)),
        (c"-2147483648", Err(-EINVAL), Ok(i32::MIN)),
        (c"-2147483649", Err(-EINVAL), Err(-ERANGE)),
        (c"x", Err(-EINVAL), Err(-EINVAL)),
    ] {
        for parse in [c.kstrtoul, c.kstrtouint] {
            let mut value = 77;
            // SAFETY: see above.
            let answer = unsafe { parse(text.as_ptr(), 10, &raw mut value) };
            let expected = unsigned.map_or_else(|error| (error, 77), |value| (0, value));
            checks.equal((answer, value), expected, format_args!("{text:?} without a sign"));
        }
        for parse in [c.kstrtol, c.kstrtoint] {
            let mut value = 77;
            // SAFETY: see above.
            let answer = unsafe { parse(text.as_ptr(), 10, &raw mut value) };
            let expected = signed.map_or_else(|error| (error, 77), |value| (0, value));
            checks.equal((answer, value), expected, format_args!("{text:?} with a sign"));
        }
    }
    for (text, expected) in [
        (c"y", Some(true)),
        (c"Yes", Some(true)),
        (c"1", Some(true)),
        (c"on", Some(true)),
        (c"t", Some(true)),
        (c"N", Some(false)),
        (c"0", Some(false)),
        (c"OFF", Some(false)),
        (c"f", Some(false)),
        (c"o", None),
        (c"", None),
        (c"2", None),
    ] {
        let mut value = false;
        // SAFETY: see above.
        let answer = unsafe { (c.kstrtobool)(text.as_ptr(), &raw mut value) };
        let seen = (answer == 0).then_some(value);
        checks.equal(seen, expected, format_args!("kstrtobool of {text:?}"));
    }
    let mut value = false;
    // SAFETY: NULL is no text.
    let of_null = unsafe { (c.kstrtobool)(ptr::null(), &raw mut value) };
    checks.equal(of_null, -EINVAL, format_args!("kstrtobool of NULL"));
}

/// What a text begins with, and where it ends.
fn beginnings(c: &Numbers, checks: &mut Checks) {
    for (text, base, value, len) in [
        (c"42 and more", 10, 42, 2),
        (c"0x1f,", 0, 0x1f, 4),
        (c"0xg", 0, 0, 1),
        (c"017", 0, 0o17, 3),
        (c"none", 10, 0, 0),
        (c"", 0, 0, 0),
    ] {
        let mut end = ptr::null_mut();
        // SAFETY: a string, and a pointer to write, here as below.
        let seen = unsafe { (c.simple_strtoul)(text.as_ptr(), &raw mut end, base) };
        let seen = (seen, end as usize - text.as_ptr() as usize);
        checks.equal(seen, (value, len), format_args!("simple_strtoul of {text:?}"));
    }
    // SAFETY: see above.
    let negative = unsafe { (c.simple_strtol)(c"-12".as_ptr(), ptr::null_mut(), 10) };
    checks.equal(negative, -12, format_args!("simple_strtol"));
}

/// Copies of strings and bytes.
pub fn copies(checks: &mut Checks) {
    let Some(c) = Copies::find(checks) else { return };
    // SAFETY: strings; copies are given back once.
    unsafe {
        let copy = (c.kstrdup)(c"to be copied".as_ptr(), GFP_KERNEL);
        let is_same = !copy.is_null() && CStr::from_ptr(copy) == c"to be copied";
        checks.that(is_same, format_args!("kstrdup"));
        (c.kfree)(copy.cast());
        let part = (c.kstrndup)(c"to be copied".as_ptr(), 5, GFP_KERNEL);
        let is_part = !part.is_null() && CStr::from_ptr(part) == c"to be";
        checks.that(is_part, format_args!("kstrndup"));
        (c.kfree)(part.cast());
        let bytes = (c.kmemdup)(c"a\xffb".as_ptr().cast(), 4, GFP_KERNEL).cast::<[u8; 4]>();
        let is_same = !bytes.is_null() && bytes.read() == *b"a\xffb\0";
        checks.that(is_same, format_args!("kmemdup"));
        (c.kfree)(bytes.cast());
        checks.that((c.kstrdup)(ptr::null(), GFP_KERNEL).is_null(), format_args!("kstrdup(NULL)"));
    }
}
