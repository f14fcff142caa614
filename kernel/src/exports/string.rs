//! C's strings and blocks of memory, with Linux's additions.
//!
//! Duties of callers, which the functions cite:
//!
//! - S1: a string is a row of bytes that ends with a zero, or has as many bytes as a count that comes with it says; it is
//!   nobody's to write meanwhile.
//! - S2: where is written, the bytes that the result takes are the caller's: of a string, its zero as well. What is
//!   written does not overlap what is read, but for `memmove`.
//!
//! Like C's they fault where a pointer is wrong.
//!
//! Letters are ASCII's. Bytes compare without a sign, as `char` has none on ARM.

use core::ffi::{c_char, c_void};
use core::ptr;

use arch_arm::clear;

use super::c::E2BIG;
use super::exports;

exports![
    memcpy,
    memmove,
    memset,
    memcmp,
    bcmp,
    memchr,
    memchr_inv,
    memscan,
    strlen,
    strnlen,
    strcpy,
    strncpy,
    strlcpy,
    strscpy,
    strcat,
    strncat,
    strlcat,
    strcmp,
    strncmp,
    strcasecmp,
    strncasecmp,
    strchr,
    strnchr,
    strchrnul,
    strrchr,
    strstr,
    strnstr,
    strsep,
    strspn,
    strcspn,
    strpbrk,
    skip_spaces,
    strim,
];

// The compiler's own; their names in the image are these.
unsafe extern "C" {
    fn memcpy(to: *mut c_void, from: *const c_void, bytes: u32) -> *mut c_void;
    fn memmove(to: *mut c_void, from: *const c_void, bytes: u32) -> *mut c_void;
    fn memcmp(one: *const c_void, other: *const c_void, bytes: u32) -> i32;
    fn bcmp(one: *const c_void, other: *const c_void, bytes: u32) -> i32;
}

/// From so many bytes on, filling is worth the call.
const WORTH: u32 = 16;

/// Fills bytes, those of whole words eight registers at a time.
///
/// # Safety
///
/// 1. The bytes are there, and the caller's.
pub(super) unsafe fn set_bytes(to: *mut u8, byte: u8, bytes: u32) {
    let head = if bytes < WORTH { bytes } else { (to as u32).wrapping_neg() % 4 };
    let words = (bytes - head) & !3;
    let tail = head + words;
    for offset in (0..head).chain(tail..bytes) {
        // Volatile, or the compiler makes `memset` of it.
        // SAFETY: 1. the caller's.
        unsafe { to.add(offset as usize).write_volatile(byte) };
    }
    if words > 0 {
        let word = u32::from_ne_bytes([byte; 4]);
        // SAFETY: 1. the caller's; 2. from a multiple of 4 on, whole words.
        unsafe { clear::fill(to.add(head as usize), words as usize, word) };
    }
}

/// The bytes of a string up to its zero, or to the end of its count.
#[derive(Clone)]
pub(super) struct Bytes {
    at: *const u8,
    left: u32,
}

impl Bytes {
    /// A string's.
    ///
    /// # Safety
    ///
    /// 1. S1, for as long as there is one of these.
    pub(super) const unsafe fn new(text: *const c_char) -> Self {
        Self { at: text.cast(), left: u32::MAX }
    }

    /// At most so many.
    const fn most(self, most: u32) -> Self {
        Self { left: most, ..self }
    }

    /// As C has the rest of the string.
    pub(super) const fn pointer(&self) -> *mut c_char {
        self.at.cast::<c_char>().cast_mut()
    }

    /// The next byte, which stays.
    pub(super) fn peek(&self) -> Option<u8> {
        self.clone().next()
    }

    /// Goes on to the first byte that is `wanted`, or to the end, and says whether there is one.
    fn seek(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        loop {
            match self.peek() {
                Some(byte) if wanted(byte) => return true,
                Some(_) => drop(self.next()),
                None => return false,
            }
        }
    }
}

impl Iterator for Bytes {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: the string goes on here (S1), or has its zero here, which nobody goes past.
        let byte = unsafe { self.at.read() };
        if byte == 0 {
            self.left = 0;
            return None;
        }
        // SAFETY: as above.
        self.at = unsafe { self.at.add(1) };
        Some(byte)
    }
}

/// How many bytes a string has, `most` at most.
///
/// # Safety
///
/// 1. S1.
pub(super) unsafe fn length(text: *const c_char, most: u32) -> u32 {
    // SAFETY: S1.
    unsafe { Bytes::new(text) }.most(most).fold(0, |len, _| len + 1)
}

/// Writes bytes, and says where the next one goes.
///
/// # Safety
///
/// 1. S2.
unsafe fn put(to: *mut c_char, bytes: impl Iterator<Item = u8>) -> *mut c_char {
    // SAFETY: S2.
    bytes.fold(to, |to, byte| unsafe {
        to.write(byte);
        to.add(1)
    })
}

/// As [`put`], and a zero behind them.
///
/// # Safety
///
/// 1. S2.
unsafe fn put_all(to: *mut c_char, bytes: impl Iterator<Item = u8>) {
    // SAFETY: S2.
    unsafe { put(to, bytes).write(0) };
}

/// The end of a string.
///
/// # Safety
///
/// 1. S1.
unsafe fn end(text: *mut c_char) -> *mut c_char {
    // SAFETY: S1.
    unsafe { text.add(length(text, u32::MAX) as usize) }
}

/// How the strings of two compare: below 0, 0, or above, as the first bytes that differ; the shorter has a zero there.
fn compare(mut one: Bytes, mut other: Bytes, key: impl Fn(u8) -> u8) -> i32 {
    loop {
        let (a, b) = (one.next(), other.next());
        let [a_key, b_key] = [a, b].map(|byte| i32::from(key(byte.unwrap_or(0))));
        if a_key != b_key || a.is_none() {
            return a_key - b_key;
        }
    }
}

/// Does a set of bytes have this one?
fn has(set: &Bytes, byte: u8) -> bool {
    set.clone().any(|other| other == byte)
}

/// Is it what C calls a space?
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// `void *memset(void *s, int c, size_t n)`. Safety: S2.
unsafe extern "C" fn memset(to: *mut c_void, byte: i32, bytes: u32) -> *mut c_void {
    // SAFETY: S2.
    unsafe { set_bytes(to.cast(), byte as u8, bytes) };
    to
}

/// The first of so many bytes that is `wanted`.
///
/// # Safety
///
/// 1. So many bytes are there.
unsafe fn find_byte(at: *const u8, bytes: u32, wanted: impl Fn(u8) -> bool) -> Option<*const u8> {
    // SAFETY: the caller's.
    let place = |offset: u32| unsafe { at.add(offset as usize) };
    // SAFETY: the caller's.
    (0..bytes).map(place).find(|at| wanted(unsafe { at.read() }))
}

/// `void *memchr(const void *s, int c, size_t n)`: the first byte `c`, or NULL. Safety: S1.
unsafe extern "C" fn memchr(at: *const c_void, byte: i32, bytes: u32) -> *mut c_void {
    // SAFETY: S1.
    let found = unsafe { find_byte(at.cast(), bytes, |other| other == byte as u8) };
    found.map_or(ptr::null_mut(), |at| at.cast::<c_void>().cast_mut())
}

/// `void *memchr_inv(const void *s, int c, size_t n)`: the first byte other than `c`, or NULL. Safety: S1.
unsafe extern "C" fn memchr_inv(at: *const c_void, byte: i32, bytes: u32) -> *mut c_void {
    // SAFETY: S1.
    let found = unsafe { find_byte(at.cast(), bytes, |other| other != byte as u8) };
    found.map_or(ptr::null_mut(), |at| at.cast::<c_void>().cast_mut())
}

/// `void *memscan(void *s, int c, size_t n)`: the first byte `c`, or the end. Safety: S1.
unsafe extern "C" fn memscan(at: *mut c_void, byte: i32, bytes: u32) -> *mut c_void {
    // SAFETY: S1.
    let found = unsafe { memchr(at, byte, bytes) };
    if found.is_null() { at.wrapping_byte_add(bytes as usize) } else { found }
}

/// `size_t strlen(const char *s)`. Safety: S1.
unsafe extern "C" fn strlen(text: *const c_char) -> u32 {
    // SAFETY: S1.
    unsafe { length(text, u32::MAX) }
}

/// `size_t strnlen(const char *s, size_t n)`. Safety: S1.
unsafe extern "C" fn strnlen(text: *const c_char, most: u32) -> u32 {
    // SAFETY: S1.
    unsafe { length(text, most) }
}

/// `char *strcpy(char *dest, const char *src)`. Safety: S1, S2.
unsafe extern "C" fn strcpy(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: S1, S2.
    unsafe { put_all(to, Bytes::new(from)) };
    to
}

/// `char *strncpy(char *dest, const char *src, size_t n)`: `n` bytes, the last of which are zeroes if there is room.
/// Safety: S1, S2.
unsafe extern "C" fn strncpy(to: *mut c_char, from: *const c_char, bytes: u32) -> *mut c_char {
    // SAFETY: S1, S2.
    unsafe {
        let len = length(from, bytes);
        let end = put(to, Bytes::new(from).most(bytes));
        set_bytes(end.cast(), 0, bytes - len);
    }
    to
}

/// `size_t strlcpy(char *dest, const char *src, size_t size)`: as much as fits, and a zero, if anything fits; returns the
/// length of `src`. Safety: S1, S2.
unsafe extern "C" fn strlcpy(to: *mut c_char, from: *const c_char, room: u32) -> u32 {
    if room > 0 {
        // SAFETY: S1, S2.
        unsafe { put_all(to, Bytes::new(from).most(room - 1)) };
    }
    // SAFETY: S1.
    unsafe { length(from, u32::MAX) }
}

/// `ssize_t strscpy(char *dest, const char *src, size_t size)`: as `strlcpy`; returns how many bytes were copied, or
/// `-E2BIG` if that is not all. Safety: S1, S2; of `src` no more is read than fits.
unsafe extern "C" fn strscpy(to: *mut c_char, from: *const c_char, room: u32) -> i32 {
    if room == 0 || room > i32::MAX as u32 {
        return -E2BIG;
    }
    // SAFETY: S1.
    let len = unsafe { length(from, room) };
    // SAFETY: S1, S2.
    unsafe { put_all(to, Bytes::new(from).most(len.min(room - 1))) };
    if len == room { -E2BIG } else { len as i32 }
}

/// `char *strcat(char *dest, const char *src)`. Safety: S1, S2.
unsafe extern "C" fn strcat(to: *mut c_char, from: *const c_char) -> *mut c_char {
    // SAFETY: S1, S2.
    unsafe { put_all(end(to), Bytes::new(from)) };
    to
}

/// `char *strncat(char *dest, const char *src, size_t n)`: at most `n` bytes, and a zero. Safety: S1, S2.
unsafe extern "C" fn strncat(to: *mut c_char, from: *const c_char, most: u32) -> *mut c_char {
    // SAFETY: S1, S2.
    unsafe { put_all(end(to), Bytes::new(from).most(most)) };
    to
}

/// `size_t strlcat(char *dest, const char *src, size_t size)`: as much as fits a buffer of `size` bytes; returns how long
/// all would be. Safety: S1, S2.
unsafe extern "C" fn strlcat(to: *mut c_char, from: *const c_char, room: u32) -> u32 {
    // SAFETY: S1.
    let (len, more) = unsafe { (length(to, room), length(from, u32::MAX)) };
    if len < room {
        // SAFETY: S1, S2.
        unsafe { put_all(to.add(len as usize), Bytes::new(from).most(room - len - 1)) };
    }
    len.saturating_add(more)
}

/// `int strcmp(const char *a, const char *b)`: below 0, 0, or above. Safety: S1.
unsafe extern "C" fn strcmp(one: *const c_char, other: *const c_char) -> i32 {
    // SAFETY: S1.
    unsafe { strncmp(one, other, u32::MAX) }
}

/// `int strncmp(const char *a, const char *b, size_t n)`. Safety: S1.
unsafe extern "C" fn strncmp(one: *const c_char, other: *const c_char, most: u32) -> i32 {
    // SAFETY: S1.
    let [one, other] = [one, other].map(|text| unsafe { Bytes::new(text) }.most(most));
    compare(one, other, |byte| byte)
}

/// `int strcasecmp(const char *a, const char *b)`: as `strcmp`, as if all letters were small. Safety: S1.
unsafe extern "C" fn strcasecmp(one: *const c_char, other: *const c_char) -> i32 {
    // SAFETY: S1.
    unsafe { strncasecmp(one, other, u32::MAX) }
}

/// `int strncasecmp(const char *a, const char *b, size_t n)`. Safety: S1.
unsafe extern "C" fn strncasecmp(one: *const c_char, other: *const c_char, most: u32) -> i32 {
    // SAFETY: S1.
    let [one, other] = [one, other].map(|text| unsafe { Bytes::new(text) }.most(most));
    compare(one, other, |byte| byte.to_ascii_lowercase())
}

/// The first byte `c` of a string, whose zero is a byte too; NULL if it has none.
fn find(mut text: Bytes, byte: i32) -> *mut c_char {
    let is_found = text.seek(|other| other == byte as u8);
    // Where a string ends before its count does, there is its zero.
    let is_zero = byte as u8 == 0 && text.left > 0;
    if is_found || is_zero { text.pointer() } else { ptr::null_mut() }
}

/// `char *strchr(const char *s, int c)`. Safety: S1.
unsafe extern "C" fn strchr(text: *const c_char, byte: i32) -> *mut c_char {
    // SAFETY: S1.
    find(unsafe { Bytes::new(text) }, byte)
}

/// `char *strnchr(const char *s, size_t n, int c)`. Safety: S1.
unsafe extern "C" fn strnchr(text: *const c_char, most: u32, byte: i32) -> *mut c_char {
    // SAFETY: S1.
    find(unsafe { Bytes::new(text) }.most(most), byte)
}

/// `char *strchrnul(const char *s, int c)`: as `strchr`, or the end. Safety: S1.
unsafe extern "C" fn strchrnul(text: *const c_char, byte: i32) -> *mut c_char {
    // SAFETY: S1.
    let mut rest = unsafe { Bytes::new(text) };
    rest.seek(|other| other == byte as u8);
    rest.pointer()
}

/// `char *strrchr(const char *s, int c)`: the last byte `c`; NULL if there is none. Safety: S1.
unsafe extern "C" fn strrchr(text: *const c_char, byte: i32) -> *mut c_char {
    // SAFETY: S1.
    let mut rest = unsafe { Bytes::new(text) };
    if byte as u8 == 0 {
        rest.seek(|_| false);
        return rest.pointer();
    }
    let mut last = ptr::null_mut();
    while rest.seek(|other| other == byte as u8) {
        last = rest.pointer();
        rest.next();
    }
    last
}

/// The first place in a string where another begins.
fn find_text(mut text: Bytes, wanted: &Bytes) -> *mut c_char {
    loop {
        let mut here = text.clone();
        if wanted.clone().all(|byte| here.next() == Some(byte)) {
            return text.pointer();
        }
        if text.next().is_none() {
            return ptr::null_mut();
        }
    }
}

/// `char *strstr(const char *s, const char *wanted)`: where it first stands in `s`; NULL if it does not. Safety: S1.
unsafe extern "C" fn strstr(text: *const c_char, wanted: *const c_char) -> *mut c_char {
    // SAFETY: S1.
    unsafe { strnstr(text, wanted, u32::MAX) }
}

/// `char *strnstr(const char *s, const char *wanted, size_t n)`: as `strstr`, in the first `n` bytes. Safety: S1.
unsafe extern "C" fn strnstr(text: *const c_char, wanted: *const c_char, most: u32) -> *mut c_char {
    // SAFETY: S1.
    unsafe { find_text(Bytes::new(text).most(most), &Bytes::new(wanted)) }
}

/// `char *strsep(char **s, const char *delimiters)`: cuts the first piece off `*s`, which is what is behind it then, or
/// NULL. Returns the piece, which may be empty; NULL of NULL. Safety: S1, S2.
unsafe extern "C" fn strsep(text: *mut *mut c_char, delimiters: *const c_char) -> *mut c_char {
    // SAFETY: S1.
    let (piece, delimiters) = unsafe { (text.read(), Bytes::new(delimiters)) };
    if piece.is_null() {
        return piece;
    }
    // SAFETY: S1.
    let mut rest = unsafe { Bytes::new(piece) };
    let behind = if rest.seek(|byte| has(&delimiters, byte)) {
        let end = rest.pointer();
        // SAFETY: S2. It is a byte of the string, and another is behind it.
        unsafe {
            end.write(0);
            end.add(1)
        }
    } else {
        ptr::null_mut()
    };
    // SAFETY: S2.
    unsafe { text.write(behind) };
    piece
}

/// How many bytes of a string come before the first that is `wanted`.
fn span(text: Bytes, wanted: impl Fn(u8) -> bool) -> u32 {
    text.take_while(|byte| !wanted(*byte)).fold(0, |len, _| len + 1)
}

/// `size_t strspn(const char *s, const char *accept)`: bytes in front that are in `accept`. Safety: S1.
unsafe extern "C" fn strspn(text: *const c_char, accept: *const c_char) -> u32 {
    // SAFETY: S1.
    let [text, accept] = [text, accept].map(|text| unsafe { Bytes::new(text) });
    span(text, |byte| !has(&accept, byte))
}

/// `size_t strcspn(const char *s, const char *reject)`: bytes in front that are not in `reject`. Safety: S1.
unsafe extern "C" fn strcspn(text: *const c_char, reject: *const c_char) -> u32 {
    // SAFETY: S1.
    let [text, reject] = [text, reject].map(|text| unsafe { Bytes::new(text) });
    span(text, |byte| has(&reject, byte))
}

/// `char *strpbrk(const char *s, const char *accept)`: the first byte that is in `accept`, or NULL. Safety: S1.
unsafe extern "C" fn strpbrk(text: *const c_char, accept: *const c_char) -> *mut c_char {
    // SAFETY: S1.
    let [mut text, accept] = [text, accept].map(|text| unsafe { Bytes::new(text) });
    if text.seek(|byte| has(&accept, byte)) { text.pointer() } else { ptr::null_mut() }
}

/// `char *skip_spaces(const char *s)`: the first byte that is no space. Safety: S1.
unsafe extern "C" fn skip_spaces(text: *const c_char) -> *mut c_char {
    // SAFETY: S1.
    let mut rest = unsafe { Bytes::new(text) };
    rest.seek(|byte| !is_space(byte));
    rest.pointer()
}

/// `char *strim(char *s)`: cuts spaces off the end, and returns the first byte that is none. Safety: S1, S2.
unsafe extern "C" fn strim(text: *mut c_char) -> *mut c_char {
    // SAFETY: S1.
    let bytes = unsafe { Bytes::new(text) };
    let kept = bytes.zip(1..).fold(0, |kept, (byte, len)| if is_space(byte) { kept } else { len });
    // SAFETY: S2: it is a byte of the string, or its zero.
    unsafe { text.add(kept).write(0) };
    // SAFETY: S1.
    unsafe { skip_spaces(text) }
}
