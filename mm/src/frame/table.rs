//! The frame table: one descriptor for each frame from the first to the last, holes included.
//!
//! Invariant: the descriptor of frame `pfn` is `pages[pfn - base]`, and blocks do not overlap.
//! The table owns no memory: the array is the caller's, taken from memblock at boot or from a
//! vector in a test. Frames in holes have descriptors too, which stay reserved; that costs 4 KiB for
//! each MiB of hole, and buys an address calculation without a search.
//!
//! The table is shared: a descriptor's words are atomics, and [`page`](super::page) says who writes
//! them.

use core::fmt;

use super::head::{Head, PageState, ZoneId};
use super::page::Page;
use super::page_block::PageBlocks;
use crate::addr::{Order, Pfn, PfnRange};
use crate::sync::AtomicU8;

/// The array of page descriptors, and beside it that of page blocks.
#[derive(Clone, Copy)]
pub struct FrameTable<'a> {
    base: Pfn,
    pages: &'a [Page],
    blocks: PageBlocks<'a>,
}

/// The most frames in a table: per-CPU stacks keep a frame's place in it in 24 bits, of which the last value
/// means none. That is 64 GiB.
pub const MAX_FRAMES: u32 = 0xff_ffff;

/// A place in the table: the number of a frame, counted from the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct Place(u32);

impl Place {
    /// Place `value`, which need not be in any table.
    #[inline(always)]
    pub(crate) const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The number.
    #[inline(always)]
    pub(crate) const fn as_u32(self) -> u32 {
        self.0
    }

    /// The place so many frames up.
    #[inline(always)]
    pub(crate) const fn after(self, frames: u32) -> Self {
        Self(self.0.wrapping_add(frames))
    }

    /// The place so many frames down.
    #[inline(always)]
    pub(crate) const fn before(self, frames: u32) -> Self {
        Self(self.0.wrapping_sub(frames))
    }
}

/// Places in a row.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    first: Place,
    len: u32,
}

impl Places {
    /// Is this one of them?
    #[inline(always)]
    pub(crate) const fn contains(self, place: Place) -> bool {
        place.0.wrapping_sub(self.first.0) < self.len
    }
}

/// A frame table that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameTableError {
    /// It has more than [`MAX_FRAMES`], or reaches over the last frame that has a number.
    TooLong {
        /// The first frame.
        base: Pfn,
        /// How many descriptors there are.
        pages: usize,
    },
}

impl fmt::Display for FrameTableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { base, pages } => {
                write!(f, "{pages} page frames from pfn {base} are more than can be numbered")
            }
        }
    }
}

impl core::error::Error for FrameTableError {}

/// The block that a frame lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// Its first frame.
    pub head: Pfn,
    /// What it is; never [`PageState::NoHead`].
    pub state: PageState,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the block at {} ({})", self.head, self.state)
    }
}

impl<'a> FrameTable<'a> {
    /// A table whose first descriptor is that of frame `base`.
    ///
    /// `mobilities` has a byte for each page block, [`PageBlocks::bytes_for`] the frames. Both must be
    /// all zero. That is the caller's duty, because zeroing 12 MiB (3 GiB of memory) is best done by
    /// the code that does it best; debug builds check the descriptors.
    ///
    /// # Errors
    ///
    /// [`FrameTableError::TooLong`] when there are more than [`MAX_FRAMES`], or when the frame after the last
    /// has no number.
    pub fn new(
        base: Pfn,
        pages: &'a [Page],
        mobilities: &'a [AtomicU8],
    ) -> Result<Self, FrameTableError> {
        let len = u32::try_from(pages.len()).ok().filter(|len| *len <= MAX_FRAMES);
        if len.and_then(|len| base.as_u32().checked_add(len)).is_none() {
            return Err(FrameTableError::TooLong { base, pages: pages.len() });
        }
        debug_assert!(pages.iter().all(Page::is_no_head), "page descriptors not zeroed");
        Ok(Self { base, pages, blocks: PageBlocks::new(base, mobilities) })
    }

    /// A table over descriptors that are in use already.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn resume(base: Pfn, pages: &'a [Page], mobilities: &'a [AtomicU8]) -> Self {
        Self { base, pages, blocks: PageBlocks::new(base, mobilities) }
    }

    /// What the page blocks are for.
    #[inline]
    #[must_use]
    pub const fn blocks(&self) -> &PageBlocks<'a> {
        &self.blocks
    }

    /// The frames that have a descriptor.
    #[must_use]
    pub fn range(&self) -> PfnRange {
        // The cast and the sum are exact: `new` checked both.
        PfnRange::new(self.base, self.base.saturating_add(self.pages.len() as u32))
    }

    /// The descriptor of `pfn`; `None` outside the table.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, pfn: Pfn) -> Option<&'a Page> {
        self.page(self.place(pfn))
    }

    /// Where the descriptor of `pfn` is. A frame outside the table has a place outside it: one below the
    /// base wraps to one beyond the end, since `new` keeps `base + len` within 32 bits.
    #[inline(always)]
    pub(crate) const fn place(&self, pfn: Pfn) -> Place {
        Place(pfn.as_u32().wrapping_sub(self.base.as_u32()))
    }

    /// Where this descriptor is, which is one of the table's.
    #[inline(always)]
    pub(crate) fn place_of(&self, page: &Page) -> Place {
        let bytes = core::ptr::from_ref(page).addr().wrapping_sub(self.pages.as_ptr().addr());
        Place((bytes / size_of::<Page>()) as u32)
    }

    /// The frame of a place in the table.
    #[inline(always)]
    pub(crate) const fn pfn(&self, place: Place) -> Pfn {
        Pfn::new(self.base.as_u32().wrapping_add(place.0))
    }

    /// The places of a range of frames.
    #[inline]
    pub(crate) fn places(&self, range: PfnRange) -> Places {
        Places { first: self.place(range.start()), len: range.len() }
    }

    /// The frames from a place up to another.
    #[inline]
    pub(crate) fn range_of(&self, places: core::ops::Range<Place>) -> PfnRange {
        PfnRange::new(self.pfn(places.start), self.pfn(places.end))
    }

    /// The descriptor at a place; `None` outside the table.
    #[inline(always)]
    pub(crate) fn page(&self, place: Place) -> Option<&'a Page> {
        self.pages.get(place.0 as usize)
    }

    /// The descriptors of a range of frames; none unless the table has all of them.
    #[must_use]
    pub fn pages(&self, range: PfnRange) -> &'a [Page] {
        let start = self.place(range.start()).as_u32() as usize;
        self.pages.get(start..).and_then(|pages| pages.get(..range.len() as usize)).unwrap_or(&[])
    }

    /// The block that holds `pfn`: free, in a stack, allocated, or with a corrupt head. `None` when
    /// the frame is reserved, in a hole, or outside the table.
    ///
    /// Blocks are aligned to their size, so a block around `pfn` can begin at eleven frames only,
    /// and the nearest head found below decides. Takes at most eleven look-ups. Without the zone's
    /// lock the answer may be old when it arrives.
    #[must_use]
    pub fn block_of(&self, pfn: Pfn) -> Option<Block> {
        self.get(pfn)?;
        for candidate in Order::all() {
            let head = Pfn::new(pfn.as_u32() & !(candidate.pages() - 1));
            let state = match self.get(head) {
                Some(page) => page.state(),
                None => break,
            };
            match (state, state.order()) {
                (PageState::NoHead, _) => {}
                (_, Some(order)) => {
                    return (order >= candidate).then_some(Block { head, state });
                }
                (_, None) => return (head == pfn).then_some(Block { head, state }),
            }
        }
        None
    }

    /// The first frame of `range` that some block holds.
    ///
    /// Reads every descriptor in the range. `range` must lie in the table.
    pub(super) fn first_owned(&self, range: PfnRange) -> Option<Pfn> {
        if range.is_empty() {
            return None;
        }
        // A block that begins below the range holds the range's first frame, or none of it.
        if self.block_of(range.start()).is_some() {
            return Some(range.start());
        }
        range.iter().find(|&pfn| !self.at(pfn).is_no_head())
    }

    /// Is `pfn` the head of a free block of `order` in `zone`? `false` outside the table.
    pub(super) fn is_free(&self, pfn: Pfn, zone: ZoneId, order: Order) -> bool {
        self.get(pfn).is_some_and(|page| page.head().is_free(zone, order))
    }

    /// Makes all frames of an aligned block of `order` blocks of one page each, of the same kind.
    pub(crate) fn split_into_pages(&self, pfn: Pfn, order: Order, head: Head) {
        for number in 0..order.pages() {
            self.at(pfn.saturating_add(number)).set_head(head);
        }
    }

    /// The descriptor of a frame known to be in the table: of a block already found valid, or out
    /// of a link. Panics otherwise, since then the descriptors themselves are broken.
    #[inline]
    pub(crate) fn at(&self, pfn: Pfn) -> &'a Page {
        self.at_place(self.place(pfn))
    }

    /// As [`at`](Self::at), by the place.
    #[inline]
    pub(crate) fn at_place(&self, place: Place) -> &'a Page {
        &self.pages[place.0 as usize]
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::frame::Class;

    fn table(base: u32, pages: &[Page]) -> FrameTable<'_> {
        FrameTable::new(Pfn::new(base), pages, &[]).unwrap()
    }

    fn reserved(count: usize) -> Vec<Page> {
        (0..count).map(|_| Page::RESERVED).collect()
    }

    const CLASS: Class = Class::of_flags(8);

    fn order_2() -> Order {
        Order::new(2).unwrap()
    }

    #[test]
    fn a_table_ends_at_both_ends() {
        let pages = reserved(3);
        let frames = table(7, &pages);
        assert_eq!(frames.range(), PfnRange::new(Pfn::new(7), Pfn::new(10)));
        for (pfn, inside) in [(0, false), (6, false), (7, true), (9, true), (10, false)] {
            assert_eq!(frames.get(Pfn::new(pfn)).is_some(), inside, "{pfn}");
        }
        assert!(frames.get(Pfn::new(u32::MAX)).is_none());
    }

    #[test]
    fn the_last_frame_number_belongs_to_no_table() {
        let pages = reserved(2);
        assert!(FrameTable::new(Pfn::new(u32::MAX - 2), &pages, &[]).is_ok());
        for base in [u32::MAX - 1, u32::MAX].map(Pfn::new) {
            assert_eq!(
                FrameTable::new(base, &pages, &[]).err(),
                Some(FrameTableError::TooLong { base, pages: 2 })
            );
        }
    }

    #[test]
    fn the_block_around_a_frame_is_found_by_its_alignment() {
        let pages = reserved(16);
        let frames = table(3, &pages);
        frames.at(Pfn::new(8)).set_head(Head::allocated(order_2(), CLASS));
        let state = PageState::Allocated { order: order_2(), class: CLASS, further_references: 0 };
        for pfn in 0..20 {
            let block = (8..12).contains(&pfn).then_some(Block { head: Pfn::new(8), state });
            assert_eq!(frames.block_of(Pfn::new(pfn)), block, "{pfn}");
        }
    }

    #[test]
    fn the_first_owned_frame_may_be_the_tail_of_a_block() {
        let pages = reserved(16);
        let frames = table(0, &pages);
        frames.at(Pfn::new(4)).set_head(Head::allocated(order_2(), CLASS));
        for (start, end, owned) in
            [(0, 4, None), (0, 5, Some(4)), (6, 9, Some(6)), (8, 16, None), (5, 5, None)]
        {
            let range = PfnRange::new(Pfn::new(start), Pfn::new(end));
            assert_eq!(frames.first_owned(range), owned.map(Pfn::new), "{start}..{end}");
        }
    }
}
