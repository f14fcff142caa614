//! Page blocks: the aligned 4 MiB pieces of memory, and which allocations each is for.
//!
//! Allocations that can not be moved or given up are kept together in as few page blocks as
//! possible, so that they do not leave one used page in each of many. A block of the buddy is on the
//! free list that its page block says; who may take from which list is for the buddy to decide.
//!
//! One byte for each page block, zero for movable, as all memory is at boot: so zeroed memory is a valid
//! table. A page block that a zone's border divides belongs to both zones.
//!
//! The bytes are written under the lock of the zone whose pages they are about.

use super::mobility::Mobility;
use crate::addr::{Order, Pfn, PfnRange};
use crate::sync::{AtomicU8, Ordering::Relaxed};

/// Pages in a page block: as many as in the largest block of the buddy.
pub const PAGES: u32 = Order::MAX.pages();

/// The mobility of every page block.
#[derive(Clone, Copy)]
pub struct PageBlocks<'a> {
    /// Number of the first page block: its first frame divided by [`PAGES`].
    base: u32,
    mobilities: &'a [AtomicU8],
}

impl<'a> PageBlocks<'a> {
    /// How many bytes the frames of `range` need.
    #[must_use]
    pub const fn bytes_for(range: PfnRange) -> usize {
        if range.is_empty() {
            return 0;
        }
        ((range.end().as_u32() - 1) / PAGES - range.start().as_u32() / PAGES + 1) as usize
    }

    /// A table from the page block of frame `first` up, over bytes that are zero.
    ///
    /// A frame whose page block has no byte counts as movable, and stays so; give
    /// [`bytes_for`](Self::bytes_for) all frames.
    #[must_use]
    pub const fn new(first: Pfn, mobilities: &'a [AtomicU8]) -> Self {
        Self { base: first.as_u32() / PAGES, mobilities }
    }

    /// The bytes, one for each page block.
    #[must_use]
    pub const fn bytes(&self) -> &'a [AtomicU8] {
        self.mobilities
    }

    /// What the page block of `pfn` is for.
    #[inline]
    #[must_use]
    pub fn get(&self, pfn: Pfn) -> Mobility {
        let byte = self.byte(pfn).map_or(0, |byte| byte.load(Relaxed));
        Mobility::from_index(byte ^ Mobility::Movable as u8).unwrap_or(Mobility::Movable)
    }

    /// Makes the page block of `pfn` one for `mobility`.
    pub(super) fn set(&self, pfn: Pfn, mobility: Mobility) {
        if let Some(byte) = self.byte(pfn) {
            byte.store(mobility as u8 ^ Mobility::Movable as u8, Relaxed);
        }
    }

    fn byte(&self, pfn: Pfn) -> Option<&'a AtomicU8> {
        self.mobilities.get((pfn.as_u32() / PAGES).wrapping_sub(self.base) as usize)
    }
}

/// The frames of the page block that holds `pfn`.
#[must_use]
pub const fn around(pfn: Pfn) -> PfnRange {
    let start = pfn.as_u32() & !(PAGES - 1);
    PfnRange::new(Pfn::new(start), Pfn::new(start + PAGES))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn range(start: u32, end: u32) -> PfnRange {
        PfnRange::new(Pfn::new(start), Pfn::new(end))
    }

    #[test]
    fn a_byte_for_each_page_block_that_is_touched() {
        for (start, end, bytes) in
            [(0, 0, 0), (0, 1, 1), (0, 1024, 1), (0, 1025, 2), (1023, 1025, 2), (1024, 2048, 1)]
        {
            assert_eq!(PageBlocks::bytes_for(range(start, end)), bytes, "{start}..{end}");
        }
    }

    #[test]
    fn zeroed_memory_is_movable_and_each_block_remembers_its_own() {
        let bytes = [const { AtomicU8::new(0) }; 2];
        let blocks = PageBlocks::new(Pfn::new(1500), &bytes);
        assert_eq!(blocks.get(Pfn::new(1024)), Mobility::Movable);
        for mobility in Mobility::ALL {
            blocks.set(Pfn::new(2047), mobility);
            assert_eq!(blocks.get(Pfn::new(1024)), mobility);
            assert_eq!(blocks.get(Pfn::new(2048)), Mobility::Movable);
        }
        blocks.set(Pfn::new(0), Mobility::Unmovable);
        assert_eq!(blocks.get(Pfn::new(0)), Mobility::Movable, "no byte for it");
    }
}
