//! The module's boundary: three functions on bytes, for a caller that has no other view of this memory than its
//! numbers.
//!
//! ```text
//! request = allocate(length)             null when there is no memory
//! … the caller writes `length` bytes …
//! reply   = ask(request, length)
//! … the caller reads 4 bytes, little-endian: how many bytes of text follow …
//! release(request, length)
//! release(reply, 4 + that number)
//! ```
//!
//! Who owns the buffers, which is what every `unsafe` below rests on:
//!
//! - **B1** A buffer is a boxed slice that this file made and leaked, so it is initialised from the start; its address
//!   and length are the caller's, who owns it until `release`.
//! - **B2** The caller gives `ask` and `release` only an address with the length that belongs to it, and a buffer
//!   to `release` once.
//! - **B3** Nobody writes to a buffer while a call runs: WebAssembly has one thread here, and calls do not nest.
//! - **B4** Nothing is kept of a buffer when a call returns.
//!
//! On the host the functions are the same, and are tested so.

use std::ptr;

/// Bytes before a reply's text: its length.
pub const LENGTH_BYTES: usize = 4;

/// A buffer of `length` bytes, all zero; null when there is no memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(length: usize) -> *mut u8 {
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(length).is_err() {
        return ptr::null_mut();
    }
    bytes.resize(length, 0);
    leak(bytes)
}

/// Takes a buffer back.
///
/// # Safety
///
/// 1. `buffer` is from [`allocate`] or [`ask`], and `length` is its length (B2).
/// 2. It has not been released (B2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn release(buffer: *mut u8, length: usize) {
    if !buffer.is_null() {
        // SAFETY: `leak` made it of a box of `length` bytes (B1, duty 1), which nobody has taken back (duty 2).
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(buffer, length)) });
    }
}

/// The reply to the `length` bytes of text at `request`: a buffer of [`LENGTH_BYTES`] with the length of the text, and
/// the text. `request` stays the caller's.
///
/// # Safety
///
/// 1. `request` is from [`allocate`] and not released, and `length` is its length (B2).
/// 2. Nobody writes to it meanwhile (B3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ask(request: *const u8, length: usize) -> *mut u8 {
    let bytes = if request.is_null() {
        &[]
    } else {
        // SAFETY: `length` bytes of a live buffer, initialised (B1, duty 1); the slice does not outlive this call (B4),
        // and is not written to before (duty 2).
        unsafe { std::slice::from_raw_parts(request, length) }
    };
    let text = crate::ask(&String::from_utf8_lossy(bytes));
    // More than 4 GiB of text would not fit this memory.
    let count = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut reply = Vec::with_capacity(LENGTH_BYTES + text.len());
    reply.extend_from_slice(&count.to_le_bytes());
    reply.extend_from_slice(text.as_bytes());
    leak(reply)
}

/// Hands a buffer to the caller (B1).
fn leak(bytes: Vec<u8>) -> *mut u8 {
    Box::into_raw(bytes.into_boxed_slice()).cast()
}
