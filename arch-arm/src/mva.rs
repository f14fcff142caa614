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

/// The blocks that share a byte with a range, those that it holds only in part apart.
///
/// They come as `parts`, which may be none, and `count` whole ones from `first` on. So a loop over whole blocks
/// need not look at what it has.
#[cfg(any(test, target_arch = "arm"))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Blocks {
    /// The block at either end, if only a part of it is in the range.
    pub parts: [Option<u32>; 2],
    /// The first block that is wholly in the range.
    pub first: u32,
    /// How many follow each other from there.
    pub count: u32,
}

#[cfg(any(test, target_arch = "arm"))]
impl Blocks {
    /// The blocks of `1 << shift` bytes that share a byte with `range`. `shift` is below 32.
    #[inline(always)]
    pub(crate) const fn of(range: VirtRange, shift: u32) -> Self {
        let (start, end) = (range.start().as_u32(), range.end().as_u32());
        let inside = (1 << shift) - 1;
        if start == end {
            return Self { parts: [None; 2], first: start, count: 0 };
        }
        // In numbers of blocks, so that nothing wraps at the top.
        let (mut first, behind) = (start >> shift, end >> shift);
        let mut parts = [None; 2];
        if start & inside != 0 {
            parts[0] = Some(first << shift);
            first += 1;
        }
        // Both ends may lie in one block, which is a part already.
        if end & inside != 0 && behind >= first {
            parts[1] = Some(behind << shift);
        }
        let count = behind.saturating_sub(first);
        Self { parts, first: first << shift, count }
    }

    /// The blocks that share a byte with `range`, all alike: the first, and how many.
    #[inline(always)]
    pub(crate) const fn all_of(range: VirtRange, shift: u32) -> (u32, u32) {
        let (start, end) = (range.start().as_u32(), range.end().as_u32());
        let first = start >> shift;
        let count = if start == end { 0 } else { ((end - 1) >> shift) - first + 1 };
        (first << shift, count)
    }
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

    /// Does all of the block of `1 << shift` bytes at `block` lie in `range`?
    fn is_whole(block: u32, shift: u32, range: VirtRange) -> bool {
        range.contains(VirtAddr::new(block)) && range.end().as_u32() - block >= 1 << shift
    }

    /// Each block once; whole ones and parts are told apart.
    fn check(start: u32, end: u32, shift: u32) {
        let range = VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
        let expected = named(start, end, shift);
        let (first, count) = Blocks::all_of(range, shift);
        let all: Vec<u32> = (0..count).map(|n| first.wrapping_add(n << shift)).collect();
        assert_eq!(all, expected, "{range}");
        let Blocks { parts, first, count } = Blocks::of(range, shift);
        let mut found: Vec<u32> = (0..count).map(|n| first + (n << shift)).collect();
        assert!(found.iter().all(|block| is_whole(*block, shift, range)), "{range}");
        let parts = parts.into_iter().flatten();
        found.extend(parts.inspect(|part| assert!(!is_whole(*part, shift, range), "{range}")));
        found.sort_unstable();
        assert_eq!(found, expected, "{range}");
    }

    #[test]
    fn whole_blocks_and_parts_are_told_apart() {
        for base in [0, 0x1000, 0xffff_ff00] {
            for start in 0..150 {
                for end in start..=200 {
                    check(base + start, base + end, 6);
                    check(base + start, base + end, 5);
                }
            }
        }
        check(0xffff_ffc0, 0xffff_ffff, 6);
        check(0xffff_ff80, 0xffff_ffff, 6);
        check(0xffff_ffff, 0xffff_ffff, 6);
    }
}
