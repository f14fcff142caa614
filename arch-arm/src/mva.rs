//! The addresses that maintenance by address has to name so as to cover a range.
//!
//! TLB operations name a page, cache operations a line. Invariant: every block that holds a byte of
//! the range is named once, in order, up to the last one of the address space without wrapping, and
//! no other block is.

use mm::addr::{VirtAddr, VirtRange};

/// The starts of the blocks of `1 << shift` bytes that share a byte with `range`. `shift` is below
/// 32.
#[inline(always)]
pub(crate) fn blocks(range: VirtRange, shift: u32) -> impl Iterator<Item = VirtAddr> {
    let (start, end) = (range.start().as_u32(), range.end().as_u32());
    // Counting blocks, not bytes: the block after the last need not have an address.
    let last = end.saturating_sub(1) >> shift;
    let count = if range.is_empty() { 0 } else { last - (start >> shift) + 1 };
    let first = start >> shift << shift;
    // Added rather than shifted together: one instruction a block.
    (0..count).map(move |n| VirtAddr::new(first.wrapping_add(n << shift)))
}

/// Does all of the block of `1 << shift` bytes at `block` lie in `range`?
#[cfg(any(target_arch = "arm", test))]
pub(crate) fn is_whole(block: VirtAddr, shift: u32, range: VirtRange) -> bool {
    range.contains(block) && range.end().as_u32() - block.as_u32() >= 1 << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(start: u32, end: u32, shift: u32) -> Vec<u32> {
        let range = VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
        blocks(range, shift).map(VirtAddr::as_u32).collect()
    }

    #[test]
    fn partial_blocks_at_both_ends_count() {
        assert_eq!(named(0x1fff, 0x3001, 12), [0x1000, 0x2000, 0x3000]);
        assert_eq!(named(0x1000, 0x3000, 12), [0x1000, 0x2000]);
        assert_eq!(named(0x1004, 0x1005, 6), [0x1000]);
    }

    #[test]
    fn an_empty_range_names_nothing() {
        assert!(named(0x1234, 0x1234, 12).is_empty());
        assert!(named(0, 0, 12).is_empty());
        assert!(named(0x2000, 0x1000, 12).is_empty());
    }

    #[test]
    fn the_top_of_the_address_space_does_not_wrap() {
        assert_eq!(named(0xffff_f000, 0xffff_ffff, 12), [0xffff_f000]);
        assert_eq!(named(0xffff_ffc1, 0xffff_ffff, 5), [0xffff_ffc0, 0xffff_ffe0]);
        let range = VirtRange::new(VirtAddr::new(0), VirtAddr::new(u32::MAX));
        assert_eq!(blocks(range, 12).count(), 1 << 20);
    }

    #[test]
    fn a_block_is_whole_when_no_byte_of_it_is_outside() {
        let whole = |start, end| -> Vec<u32> {
            let range = VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
            blocks(range, 6).filter(|&b| is_whole(b, 6, range)).map(VirtAddr::as_u32).collect()
        };
        assert_eq!(whole(0x1010, 0x10f0), [0x1040, 0x1080]);
        assert_eq!(whole(0x1000, 0x1080), [0x1000, 0x1040]);
        assert!(whole(0x1001, 0x103f).is_empty());
        assert!(whole(0xffff_ffc0, 0xffff_ffff).is_empty(), "the last byte is not in the range");
    }
}
