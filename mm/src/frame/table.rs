//! The frame table: one descriptor for each frame from the first to the last, holes included.
//!
//! Invariant: the descriptor of frame `pfn` is `pages[pfn - base]`, and blocks do not overlap.
//! The table owns no memory: the array is the caller's, taken from memblock at boot or from a
//! vector in a test. Frames in holes have descriptors too, which stay [`Page::RESERVED`]; that
//! costs 4 KiB for each MiB of hole, and buys an address calculation without a search.

use core::fmt;

use super::page::{Head, Page, PageState};
use crate::addr::{Order, Pfn, PfnRange};

/// The array of page descriptors.
pub struct FrameTable<'a> {
    base: Pfn,
    pages: &'a mut [Page],
}

/// A frame table that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameTableError {
    /// The last frame's number would not fit 32 bits.
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
                write!(f, "{pages} page frames from pfn {base} run past the last frame number")
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

impl<'a> FrameTable<'a> {
    /// A table whose first descriptor is that of frame `base`.
    ///
    /// `pages` must be all zero ([`Page::RESERVED`]). That is the caller's duty, because zeroing
    /// 12 MiB (3 GiB of memory) is best done by the code that does it best; debug builds check it.
    ///
    /// # Errors
    ///
    /// [`FrameTableError::TooLong`] when the frame after the last has no number.
    pub fn new(base: Pfn, pages: &'a mut [Page]) -> Result<Self, FrameTableError> {
        let fits = u32::try_from(pages.len()).ok().and_then(|len| base.as_u32().checked_add(len));
        if fits.is_none() {
            return Err(FrameTableError::TooLong { base, pages: pages.len() });
        }
        debug_assert!(pages.iter().all(Page::is_all_zero), "page descriptors not zeroed");
        Ok(Self { base, pages })
    }

    /// A table over descriptors that are in use already.
    #[cfg(test)]
    pub(crate) fn resume(base: Pfn, pages: &'a mut [Page]) -> Self {
        Self { base, pages }
    }

    /// The frames that have a descriptor.
    #[must_use]
    pub fn range(&self) -> PfnRange {
        // The cast and the sum are exact: `new` checked both.
        PfnRange::new(self.base, self.base.saturating_add(self.pages.len() as u32))
    }

    /// The descriptor of `pfn`; `None` outside the table.
    #[must_use]
    pub fn get(&self, pfn: Pfn) -> Option<&Page> {
        self.pages.get(self.index(pfn))
    }

    /// The block that holds `pfn`: free, allocated, or with a corrupt head. `None` when the frame
    /// is reserved, in a hole, or outside the table.
    ///
    /// Blocks are aligned to their size, so a block around `pfn` can begin at eleven frames only,
    /// and the nearest head found below decides. Takes at most eleven look-ups.
    #[must_use]
    pub fn block_of(&self, pfn: Pfn) -> Option<Block> {
        self.get(pfn)?;
        for candidate in Order::all() {
            let head = Pfn::new(pfn.as_u32() & !(candidate.pages() - 1));
            let state = match self.get(head) {
                Some(page) => page.state(),
                None => break,
            };
            match state {
                PageState::NoHead => {}
                PageState::Free { order, .. } | PageState::Allocated { order, .. } => {
                    return (order >= candidate).then_some(Block { head, state });
                }
                PageState::Corrupt { .. } => {
                    return (head == pfn).then_some(Block { head, state });
                }
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

    /// Is `pfn` the head of a block whose first word is `head`? `false` outside the table.
    pub(super) fn is(&self, pfn: Pfn, head: Head) -> bool {
        self.get(pfn).is_some_and(|page| page.is(head))
    }

    /// The descriptor of a frame known to be in the table: of a block already found valid, or out
    /// of a link. Panics otherwise, since then the descriptors themselves are broken.
    pub(super) fn at(&self, pfn: Pfn) -> &Page {
        &self.pages[self.index(pfn)]
    }

    /// As [`at`](Self::at), to be written.
    pub(super) fn at_mut(&mut self, pfn: Pfn) -> &mut Page {
        let index = self.index(pfn);
        &mut self.pages[index]
    }

    /// Where the descriptor of `pfn` would be. A frame below the base wraps to an index beyond
    /// the end: `new` keeps `base + len` within 32 bits.
    fn index(&self, pfn: Pfn) -> usize {
        pfn.as_u32().wrapping_sub(self.base.as_u32()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::ZoneId;

    fn table(base: u32, pages: &mut [Page]) -> FrameTable<'_> {
        FrameTable::new(Pfn::new(base), pages).unwrap()
    }

    #[test]
    fn a_table_ends_at_both_ends() {
        let mut pages = vec![Page::RESERVED; 3];
        let frames = table(7, &mut pages);
        assert_eq!(frames.range(), PfnRange::new(Pfn::new(7), Pfn::new(10)));
        for (pfn, inside) in [(0, false), (6, false), (7, true), (9, true), (10, false)] {
            assert_eq!(frames.get(Pfn::new(pfn)).is_some(), inside, "{pfn}");
        }
        assert!(frames.get(Pfn::new(u32::MAX)).is_none());
    }

    #[test]
    fn the_last_frame_number_belongs_to_no_table() {
        let mut pages = vec![Page::RESERVED; 2];
        assert!(FrameTable::new(Pfn::new(u32::MAX - 2), &mut pages).is_ok());
        let base = Pfn::new(u32::MAX - 1);
        assert_eq!(
            FrameTable::new(base, &mut pages).err(),
            Some(FrameTableError::TooLong { base, pages: 2 })
        );
    }

    #[test]
    fn the_block_around_a_frame_is_found_by_its_alignment() {
        let (zone, order) = (ZoneId::new(0).unwrap(), Order::new(2).unwrap());
        let mut pages = vec![Page::RESERVED; 16];
        let mut frames = table(3, &mut pages);
        *frames.at_mut(Pfn::new(8)) = Page::allocated(zone, order);
        let state = PageState::Allocated { order, zone };
        for pfn in 0..20 {
            let block = (8..12).contains(&pfn).then_some(Block { head: Pfn::new(8), state });
            assert_eq!(frames.block_of(Pfn::new(pfn)), block, "{pfn}");
        }
    }

    #[test]
    fn the_first_owned_frame_may_be_the_tail_of_a_block() {
        let (zone, order) = (ZoneId::new(0).unwrap(), Order::new(2).unwrap());
        let mut pages = vec![Page::RESERVED; 16];
        let mut frames = table(0, &mut pages);
        *frames.at_mut(Pfn::new(4)) = Page::allocated(zone, order);
        for (start, end, owned) in
            [(0, 4, None), (0, 5, Some(4)), (6, 9, Some(6)), (8, 16, None), (5, 5, None)]
        {
            let range = PfnRange::new(Pfn::new(start), Pfn::new(end));
            assert_eq!(frames.first_owned(range), owned.map(Pfn::new), "{start}..{end}");
        }
    }
}
