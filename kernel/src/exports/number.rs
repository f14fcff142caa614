//! Numbers in C strings: Linux's `kstrto` family, which takes a whole string or nothing, and `simple_strtoul`, which takes
//! what there is.
//!
//! | | |
//! |---|---|
//! | base 0 | `0x` means 16, another `0` in front 8, anything else 10 |
//! | base 16 | `0x` in front means nothing |
//! | sign | `+` in front of any number, `-` in front of signed ones |
//! | end | one line feed may follow, and nothing else |
//!
//! Errors: `-EINVAL` of what is no number, `-ERANGE` of one that does not fit. Nothing is written then.

use core::ffi::c_char;

use super::c::{EINVAL, ERANGE};
use super::exports;
use super::string::Bytes;

exports![
    kstrtoull,
    kstrtoll,
    kstrtoul,
    kstrtol,
    kstrtouint,
    kstrtoint,
    kstrtobool,
    simple_strtoul,
    simple_strtol,
    simple_strtoull,
    simple_strtoll,
];

/// Takes the base off the front of a number: what it is, if it is for the number to say.
fn base_of(text: &mut Bytes, base: u32) -> u32 {
    let mut behind = text.clone();
    let zero = behind.next() == Some(b'0');
    let is_hex = zero
        && matches!(behind.next(), Some(b'x' | b'X'))
        && behind.peek().is_some_and(|digit| digit.is_ascii_hexdigit());
    if is_hex && matches!(base, 0 | 16) {
        *text = behind;
        return 16;
    }
    match (base, zero) {
        (0, true) => 8,
        (0, false) => 10,
        _ => base.min(36),
    }
}

/// The digits in front of a text: their value, or `None` if that does not fit, and how many there are.
fn digits(text: &mut Bytes, base: u32) -> (Option<u64>, u32) {
    let (mut value, mut count) = (Some(0_u64), 0);
    while let Some(digit) = text.peek().and_then(|byte| char::from(byte).to_digit(base)) {
        let more = |value: u64| value.checked_mul(base.into())?.checked_add(digit.into());
        value = value.and_then(more);
        count += 1;
        text.next();
    }
    (value, count)
}

/// All of a text as a number without a sign.
fn whole(mut text: Bytes, base: u32) -> Result<u64, i32> {
    let base = base_of(&mut text, base);
    if base < 2 {
        return Err(-EINVAL);
    }
    let (value, count) = digits(&mut text, base);
    // Too large is what it is, whatever comes behind.
    let value = if count == 0 { Err(-EINVAL) } else { value.ok_or(-ERANGE) }?;
    if text.peek() == Some(b'\n') {
        text.next();
    }
    if text.peek().is_some() { Err(-EINVAL) } else { Ok(value) }
}

fn unsigned(mut text: Bytes, base: u32) -> Result<u64, i32> {
    if text.peek() == Some(b'+') {
        text.next();
    }
    whole(text, base)
}

fn signed(mut text: Bytes, base: u32) -> Result<i64, i32> {
    if text.peek() != Some(b'-') {
        return i64::try_from(unsigned(text, base)?).or(Err(-ERANGE));
    }
    text.next();
    0_i64.checked_sub_unsigned(whole(text, base)?).ok_or(-ERANGE)
}

/// Writes a number that fits, and says how it went.
///
/// # Safety
///
/// 1. There may be written what `result` is.
unsafe fn put<W, N: TryFrom<W>>(number: Result<W, i32>, result: *mut N) -> i32 {
    match number.map(N::try_from) {
        Ok(Ok(number)) => {
            // SAFETY: 1. the caller's.
            unsafe { result.write(number) };
            0
        }
        Ok(Err(_)) => -ERANGE,
        Err(error) => error,
    }
}

macro_rules! whole_numbers {
    ($($name:ident, $read:ident, $type:ty, $c:literal;)*) => {$(
        #[doc = concat!("`int ", stringify!($name), "(const char *s, unsigned int base, ", $c, " *res)`.")]
        ///
        /// # Safety
        ///
        /// 1. `text` is a string that ends with a zero.
        /// 2. `result` may be written.
        unsafe extern "C" fn $name(text: *const c_char, base: u32, result: *mut $type) -> i32 {
            // SAFETY: 1, 2. the caller's.
            unsafe { put($read(Bytes::new(text), base), result) }
        }
    )*};
}

whole_numbers! {
    kstrtoull, unsigned, u64, "unsigned long long";
    kstrtoll, signed, i64, "long long";
    kstrtoul, unsigned, u32, "unsigned long";
    kstrtol, signed, i32, "long";
    kstrtouint, unsigned, u32, "unsigned int";
    kstrtoint, signed, i32, "int";
}

/// `int kstrtobool(const char *s, bool *res)`: true of what begins with `y`, `t`, `1` or `on`, false of `n`, `f`, `0` or
/// `of`; letters may be large. `-EINVAL` of anything else.
///
/// # Safety
///
/// 1. `text` is NULL, or a string that ends with a zero.
/// 2. `result` may be written.
unsafe extern "C" fn kstrtobool(text: *const c_char, result: *mut bool) -> i32 {
    if text.is_null() {
        return -EINVAL;
    }
    // SAFETY: 1. the caller's.
    let mut bytes = unsafe { Bytes::new(text) };
    let [first, second] = [(); 2].map(|()| bytes.next().map(|byte| byte.to_ascii_lowercase()));
    let value = match (first, second) {
        (Some(b'y' | b't' | b'1'), _) | (Some(b'o'), Some(b'n')) => true,
        (Some(b'n' | b'f' | b'0'), _) | (Some(b'o'), Some(b'f')) => false,
        _ => return -EINVAL,
    };
    // SAFETY: 2. the caller's.
    unsafe { result.write(value) };
    0
}

/// What a text begins with, and where it ends, which is its beginning if that is no number. What does not fit is all ones.
fn begins(text: &mut Bytes, base: u32) -> u64 {
    let start = text.clone();
    let base = base_of(text, base);
    let (value, count) = if base < 2 { (None, 0) } else { digits(text, base) };
    if count == 0 {
        *text = start;
        return 0;
    }
    value.unwrap_or(u64::MAX)
}

/// `unsigned long long simple_strtoull(const char *s, char **end, unsigned int base)`: what `s` begins with, 0 if that is
/// no number; and where it ends.
///
/// # Safety
///
/// 1. `text` is a string that ends with a zero.
/// 2. `end` is NULL, or may be written.
unsafe extern "C" fn simple_strtoull(text: *const c_char, end: *mut *mut c_char, base: u32) -> u64 {
    // SAFETY: 1. the caller's.
    let mut rest = unsafe { Bytes::new(text) };
    let value = begins(&mut rest, base);
    if !end.is_null() {
        // SAFETY: 2. the caller's.
        unsafe { end.write(rest.pointer()) };
    }
    value
}

/// `long long simple_strtoll(const char *s, char **end, unsigned int base)`: as `simple_strtoull`, with a sign.
///
/// # Safety
///
/// As of `simple_strtoull`.
unsafe extern "C" fn simple_strtoll(text: *const c_char, end: *mut *mut c_char, base: u32) -> i64 {
    // SAFETY: 1. the caller's.
    let mut rest = unsafe { Bytes::new(text) };
    if rest.peek() != Some(b'-') {
        // SAFETY: 1, 2. the caller's.
        return unsafe { simple_strtoull(text, end, base) } as i64;
    }
    rest.next();
    // SAFETY: 1, 2. the caller's: the string goes on behind its sign.
    (unsafe { simple_strtoull(rest.pointer(), end, base) } as i64).wrapping_neg()
}

/// `unsigned long simple_strtoul(const char *s, char **end, unsigned int base)`: the low half of `simple_strtoull`.
///
/// # Safety
///
/// As of `simple_strtoull`.
unsafe extern "C" fn simple_strtoul(text: *const c_char, end: *mut *mut c_char, base: u32) -> u32 {
    // SAFETY: 1, 2. the caller's.
    unsafe { simple_strtoull(text, end, base) as u32 }
}

/// `long simple_strtol(const char *s, char **end, unsigned int base)`: the low half of `simple_strtoll`.
///
/// # Safety
///
/// As of `simple_strtoull`.
unsafe extern "C" fn simple_strtol(text: *const c_char, end: *mut *mut c_char, base: u32) -> i32 {
    // SAFETY: 1, 2. the caller's.
    unsafe { simple_strtoll(text, end, base) as i32 }
}
