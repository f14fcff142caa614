//! Filling memory with zeroes, or with another word, by eight registers at a time.
//!
//! The compiler's own `memset` for this target stores a word at a time: 3112 instructions for a
//! page. `stm` of eight registers, 32 times a turn, takes 152. The page array of 3 GiB is 12 MiB
//! to be zeroed before the first page can be handed out, so this is most of what boot costs.

use core::arch::global_asm;

unsafe extern "C" {
    fn vmsplit_clear(start: *mut u8, len_bytes: usize);
    fn vmsplit_fill(start: *mut u8, len_bytes: usize, word: u32);
}

/// Zeroes the `len_bytes` bytes at `start`. Any context.
///
/// # Safety
///
/// 1. The bytes are mapped, writable Normal memory, and nobody else's for as long as this runs.
/// 2. Both `start` and `len_bytes` are multiples of 4.
#[inline]
pub unsafe fn clear(start: *mut u8, len_bytes: usize) {
    debug_assert!((start as usize | len_bytes).is_multiple_of(4));
    // SAFETY: it writes exactly these bytes (1, 2).
    unsafe { vmsplit_clear(start, len_bytes) };
}

/// Stores `word` again and again in the `len_bytes` bytes at `start`. Any context.
///
/// # Safety
///
/// As of [`clear`].
#[inline]
pub unsafe fn fill(start: *mut u8, len_bytes: usize, word: u32) {
    debug_assert!((start as usize | len_bytes).is_multiple_of(4));
    // SAFETY: it writes exactly these bytes (1, 2).
    unsafe { vmsplit_fill(start, len_bytes, word) };
}

// To clear is to fill with a word that one instruction more provides. The unwind tables take both for
// one function, whose frame is the same from either entry.
global_asm!(
    ".section .text.vmsplit_fill, \"ax\", %progbits",
    ".balign 32",
    ".global vmsplit_clear",
    ".type vmsplit_clear, %function",
    ".global vmsplit_fill",
    ".type vmsplit_fill, %function",
    ".fnstart",
    "vmsplit_clear:",
    "mov    r2, #0",
    ".size vmsplit_clear, . - vmsplit_clear",
    "vmsplit_fill:",
    "push   {{r4-r8, lr}}",
    ".save  {{r4-r8, lr}}",
    "mov    r3, r2",
    "mov    r4, r2",
    "mov    r5, r2",
    "mov    r6, r2",
    "mov    r7, r2",
    "mov    r8, r2",
    "mov    lr, r2",
    // The first turn enters so late that it stores what is over a multiple of 1024.
    "ubfx   r12, r1, #5, #5",
    "rsb    r12, r12, #32",
    "add    pc, pc, r12, lsl #2", // of the instruction after the next
    "nop",
    "1:",
    ".rept 32",
    "stmia  r0!, {{r2-r8, lr}}",
    ".endr",
    "subs   r1, r1, #1024",
    "bhs    1b",
    "ands   r1, r1, #31", // what is left: 0 to 28
    "popeq  {{r4-r8, pc}}",
    "3:",
    "subs   r1, r1, #4",
    "str    r2, [r0], #4",
    "bhi    3b",
    "pop    {{r4-r8, pc}}",
    ".fnend",
    ".size vmsplit_fill, . - vmsplit_fill",
);
