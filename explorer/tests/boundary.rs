//! The module's boundary, called on the host as a page calls it: bytes in, bytes out, every buffer given back.

use explorer::export::{LENGTH_BYTES, allocate, ask, release};

/// Asks through the exported functions.
fn ask_bytes(request: &[u8]) -> String {
    let buffer = allocate(request.len());
    assert!(!buffer.is_null());
    // SAFETY: `buffer` has the length of `request` (B1) and is given back once (B2); the reply's length is the one that
    // its first bytes state.
    unsafe {
        buffer.copy_from_nonoverlapping(request.as_ptr(), request.len());
        let reply = ask(buffer, request.len());
        release(buffer, request.len());
        let length = reply.cast::<[u8; LENGTH_BYTES]>().read_unaligned();
        let length = LENGTH_BYTES + u32::from_le_bytes(length) as usize;
        let bytes = std::slice::from_raw_parts(reply, length)[LENGTH_BYTES..].to_vec();
        release(reply, length);
        String::from_utf8(bytes).unwrap_or_default()
    }
}

#[test]
fn bytes_are_answered_as_text_is() {
    for request in ["", "{}", "{\"predict\": \"ü\"}"] {
        assert_eq!(ask_bytes(request.as_bytes()), explorer::ask(request));
    }
    assert!(ask_bytes(b"\xff\"").starts_with("{\"error\":"), "bytes that are no text");
}

#[test]
fn there_is_a_reply_without_a_buffer() {
    assert!(allocate(usize::MAX).is_null(), "more than there is memory");
    // SAFETY: null is no buffer; what it answers is given back with its length.
    unsafe {
        release(std::ptr::null_mut(), 0);
        let reply = ask(std::ptr::null(), 7);
        let length = reply.cast::<[u8; LENGTH_BYTES]>().read_unaligned();
        release(reply, LENGTH_BYTES + u32::from_le_bytes(length) as usize);
    }
}
