//! Copying a page, eight registers at a time.
//!
//! `ldm` and `stm` of eight registers, eight times a turn: 300 instructions for a page, where a loop of words takes
//! four times as many. On other architectures, where tests run, it is the compiler's copy.

use mm::addr::PAGE_SIZE;

/// Copies the page at `from` to `to`. Any context.
///
/// # Safety
///
/// 1. Both are mapped Normal memory of 4096 bytes, the target writable, and the two do not overlap.
/// 2. Nobody else uses the target, or writes the source, for as long as this runs.
/// 3. Both are multiples of 4.
#[inline]
pub unsafe fn copy_page(to: *mut u8, from: *const u8) {
    debug_assert!((to as usize | from as usize).is_multiple_of(4));
    #[cfg(target_arch = "arm")]
    // SAFETY: it reads and writes exactly these bytes (1, 2, 3).
    unsafe {
        vmsplit_copy_page(to, from);
    }
    #[cfg(not(target_arch = "arm"))]
    // SAFETY: as above.
    unsafe {
        core::ptr::copy_nonoverlapping(from, to, PAGE_SIZE as usize);
    }
}

#[cfg(target_arch = "arm")]
unsafe extern "C" {
    fn vmsplit_copy_page(to: *mut u8, from: *const u8);
}

/// Bytes of one turn.
const TURN: u32 = 8 * 32;
const _: () = assert!(PAGE_SIZE.is_multiple_of(TURN));

#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    ".section .text.vmsplit_copy_page, \"ax\", %progbits",
    ".arm",
    ".balign 32",
    ".global vmsplit_copy_page",
    ".type vmsplit_copy_page, %function",
    ".fnstart",
    "vmsplit_copy_page:",
    "push   {{r4-r9, lr}}",
    ".save  {{r4-r9, lr}}",
    "mov    r12, #{turns}",
    "1:",
    ".rept 8",
    "ldmia  r1!, {{r2-r9}}",
    "stmia  r0!, {{r2-r9}}",
    ".endr",
    "subs   r12, r12, #1",
    "bne    1b",
    "pop    {{r4-r9, pc}}",
    ".fnend",
    ".size vmsplit_copy_page, . - vmsplit_copy_page",
    turns = const PAGE_SIZE / TURN,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(8))]
    struct Three([[u8; PAGE_SIZE as usize]; 3]);

    #[test]
    fn every_byte_of_a_page_and_none_beside_it() {
        let mut from = Three([[0x11; PAGE_SIZE as usize]; 3]);
        for (number, byte) in from.0[1].iter_mut().enumerate() {
            *byte = ((number * 31) >> 3) as u8;
        }
        let mut to = Three([[0x22; PAGE_SIZE as usize]; 3]);
        // SAFETY: 1, 2. two pages of this test's; 3. aligned.
        unsafe { copy_page(to.0[1].as_mut_ptr(), from.0[1].as_ptr()) };
        assert_eq!(to.0[1], from.0[1]);
        assert_eq!([to.0[0], to.0[2]], [[0x22; PAGE_SIZE as usize]; 2]);
        assert_eq!([from.0[0], from.0[2]], [[0x11; PAGE_SIZE as usize]; 2]);
    }
}
