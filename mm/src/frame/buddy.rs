//! The buddy allocator: free memory as aligned blocks of 1 to 1024 pages.
//!
//! A block of order *o* is 2^*o* pages and starts at a multiple of its size, so the block it was
//! split from, and the *buddy* it merges with, follow from its number alone:
//!
//! ```text
//! pfn      8   9   10  11  12  13  14  15        buddy = pfn XOR 2^order
//! order 3 ├───────────────────────────────┤
//! order 2 ├───────────────┼───────────────┤      splitting keeps the lower half,
//! order 1 ├───────┼───────┤                      and the upper goes to the free list
//! order 0 ├───┼───┤
//! ```
//!
//! Invariant: no two free blocks of one zone could be merged, every free block is on the list of
//! its order and on no other, and no block crosses a zone's border, since a merge asks for a free
//! block of the same order *and zone*. Both operations take at most eleven steps, however much is
//! free, and write the descriptors of block heads only.
//!
//! Where a freed block is put follows Linux: at the head of its list, so that warm memory is used
//! again first, but at the tail when the next merge only waits for its neighbour, and at boot.

use super::error::{FreeError, ReleaseError};
use super::list::FreeList;
use super::page::{Head, Page, ZoneId};
use super::table::FrameTable;
use crate::addr::{Order, Pfn, PfnRange};

/// The free blocks of one zone.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub struct Buddy {
    pub(super) zone: ZoneId,
    pub(super) lists: [FreeList; Order::COUNT],
    free_pages: u32,
    /// No frame from here up was ever in this buddy, so none of them can be the head of a block.
    untouched: Pfn,
}

/// Where a block goes on its free list.
#[derive(Clone, Copy)]
enum Place {
    /// At the head, unless it is about to merge further.
    Freed,
    /// At the tail: boot hands memory over upwards, and the lists shall start with the lowest.
    Boot,
}

impl Buddy {
    /// A buddy without memory, for the frames of `zone`.
    #[must_use]
    pub const fn new(zone: ZoneId) -> Self {
        const EMPTY: FreeList = FreeList::EMPTY;
        Self { zone, lists: [EMPTY; Order::COUNT], free_pages: 0, untouched: Pfn::new(0) }
    }

    /// How many pages are free.
    #[must_use]
    pub const fn free_pages(&self) -> u32 {
        self.free_pages
    }

    /// How many free blocks of exactly `order` there are.
    #[must_use]
    pub const fn free_blocks(&self, order: Order) -> u32 {
        self.lists[order.index()].len()
    }

    /// Takes a block of `order` out of the smallest free block that holds one, and returns its
    /// first frame: the lowest of the block that was split. `None` when no block is large enough.
    ///
    /// Does not sleep. The pages hold whatever they held.
    pub fn alloc(&mut self, frames: &mut FrameTable<'_>, order: Order) -> Option<Pfn> {
        let (found, pfn) = Order::all()
            .skip(order.index())
            .find_map(|found| Some((found, self.lists[found.index()].first()?)))?;
        self.lists[found.index()].remove(frames, pfn);
        let halves = Order::all().rev().skip_while(|&half| half >= found);
        for half in halves.take_while(|&half| half >= order) {
            let upper = Pfn::new(pfn.as_u32() + half.pages());
            let head = Head::free(self.zone, half);
            self.lists[half.index()].push_front(frames, upper, head);
        }
        *frames.at_mut(pfn) = Page::allocated(self.zone, order);
        self.free_pages -= order.pages();
        Some(pfn)
    }

    /// Gives back the block of `order` at `pfn`, which [`alloc`](Self::alloc) returned, and merges
    /// it with its buddies as far as they are free.
    ///
    /// # Errors
    ///
    /// [`FreeError`] when there is no such block; then nothing has changed.
    pub fn free(
        &mut self,
        frames: &mut FrameTable<'_>,
        pfn: Pfn,
        order: Order,
    ) -> Result<(), FreeError> {
        // One comparison covers state, order, zone and, with the order, alignment.
        if !frames.is(pfn, Head::allocated(self.zone, order)) {
            return Err(frames.why_not_free(pfn, order));
        }
        self.insert(frames, pfn, order, Place::Freed);
        Ok(())
    }

    /// Hands over reserved frames, as boot does with all memory that it did not need, in the
    /// largest aligned blocks there are.
    ///
    /// Frames above all that were handed over before cost nothing each, only each block does, so
    /// boot best goes upwards. Of frames further down, every descriptor is read, to prove that it
    /// is reserved. The caller vouches that the frames are memory, and this zone's.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] when a frame has no descriptor or is in a block; then nothing has changed.
    pub fn release(
        &mut self,
        frames: &mut FrameTable<'_>,
        range: PfnRange,
    ) -> Result<(), ReleaseError> {
        self.check_release(frames, range)?;
        let (mut pfn, end) = (range.start(), range.end());
        while pfn < end {
            let order = largest_block(pfn, end);
            self.insert(frames, pfn, order, Place::Boot);
            pfn = pfn.saturating_add(order.pages());
        }
        self.untouched = self.untouched.max(end);
        Ok(())
    }

    /// Would [`release`](Self::release) take these frames?
    ///
    /// # Errors
    ///
    /// As `release`.
    pub fn check_release(
        &self,
        frames: &FrameTable<'_>,
        range: PfnRange,
    ) -> Result<(), ReleaseError> {
        if range.intersection(&frames.range()).len() != range.len() {
            return Err(ReleaseError::NotCovered { range });
        }
        let known = PfnRange::new(range.start(), range.end().min(self.untouched));
        match frames.first_owned(known) {
            Some(pfn) => Err(ReleaseError::Owned { pfn }),
            None => Ok(()),
        }
    }

    /// Merges a block with its free buddies and puts the result on its list.
    fn insert(&mut self, frames: &mut FrameTable<'_>, pfn: Pfn, order: Order, place: Place) {
        self.free_pages += order.pages();
        let (mut pfn, mut order) = (pfn, order);
        while let Some(up) = order.up() {
            let buddy = buddy_of(pfn, order);
            if !frames.is(buddy, Head::free(self.zone, order)) {
                break;
            }
            self.lists[order.index()].remove(frames, buddy);
            // The upper half is no head any more; the lower one's descriptor is yet to be written.
            *frames.at_mut(pfn.max(buddy)) = Page::RESERVED;
            pfn = pfn.min(buddy);
            order = up;
        }
        let head = Head::free(self.zone, order);
        let list = &mut self.lists[order.index()];
        let at_tail = match place {
            Place::Boot => true,
            Place::Freed => merges_soon(frames, pfn, order, self.zone),
        };
        if at_tail {
            list.push_back(frames, pfn, head);
        } else {
            list.push_front(frames, pfn, head);
        }
    }
}

/// The block that merges with the one of `order` at `pfn`.
pub(super) const fn buddy_of(pfn: Pfn, order: Order) -> Pfn {
    Pfn::new(pfn.as_u32() ^ order.pages())
}

/// The largest block that starts at `pfn` and ends by `end`, which lies above.
fn largest_block(pfn: Pfn, end: Pfn) -> Order {
    let len = end.as_u32() - pfn.as_u32();
    let order = pfn.as_u32().trailing_zeros().min(len.ilog2());
    // Only an order beyond the largest has no value, so the cast cannot matter.
    Order::new(order as u8).unwrap_or(Order::MAX)
}

/// Once the buddy of this free block is freed, could the pair merge on with *its* buddy? Then it
/// is worth while to leave the block alone for as long as possible. Blocks of the two largest
/// orders are not worth it (Linux: the same).
fn merges_soon(frames: &FrameTable<'_>, pfn: Pfn, order: Order, zone: ZoneId) -> bool {
    match order.up() {
        Some(up) if up < Order::MAX => {
            let pair = pfn.min(buddy_of(pfn, order));
            frames.is(buddy_of(pair, up), Head::free(zone, up))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
