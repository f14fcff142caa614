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
//! Each order has a free list for each [`Mobility`]. What is freed goes to the list that its page
//! block says; a request whose own lists have nothing steals from the others (`steal.rs`).
//!
//! Invariant: no two free blocks of one zone could be merged, every free block is on the list of
//! its order and mobility and on no other, and no block crosses a zone's border, since a merge asks
//! for a free block of the same order *and zone*. Taking from its own lists and giving back take at
//! most eleven steps, however much is free, and write the descriptors of block heads only.
//!
//! Where a freed block is put follows Linux: at the head of its list, so that warm memory is used
//! again first, but at the tail when the next merge only waits for its neighbour, and at boot.

use super::counts::Counts;
use super::error::{FreeError, ReleaseError};
use super::head::{Class, Head, ZoneId};
use super::list::FreeList;
use super::mobility::Mobility;
use super::page::Page;
use super::table::FrameTable;
use crate::addr::{Order, Pfn, PfnRange};

/// The free blocks of one zone. Lives under the zone's lock.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub struct Buddy {
    pub(super) zone: ZoneId,
    /// The zone's frames.
    pub(super) span: PfnRange,
    pub(super) lists: [[FreeList; Mobility::COUNT]; Order::COUNT],
    /// For each mobility, a bit for each order whose list has a block.
    pub(super) filled: [u16; Mobility::COUNT],
    /// Are page blocks kept apart by mobility? Not where there are too few of them.
    pub(super) groups: bool,
    /// Pages in page blocks that are kept for urgent requests of several pages.
    pub(super) high_atomic_pages: u32,
    /// No frame from here up was ever in this buddy, so none of them can be the head of a block.
    untouched: Pfn,
}

impl Buddy {
    /// A buddy without memory, for the frames of a zone.
    #[must_use]
    pub const fn new(zone: ZoneId, span: PfnRange) -> Self {
        const EMPTY: [FreeList; Mobility::COUNT] = [const { FreeList::EMPTY }; Mobility::COUNT];
        Self {
            zone,
            span,
            lists: [EMPTY; Order::COUNT],
            filled: [0; Mobility::COUNT],
            groups: true,
            high_atomic_pages: 0,
            untouched: Pfn::new(0),
        }
    }

    /// Keeps page blocks apart by mobility, or no more.
    pub fn set_grouping(&mut self, groups: bool) {
        self.groups = groups;
    }

    /// Pages in page blocks that are kept for urgent requests of several pages.
    #[must_use]
    pub const fn high_atomic_pages(&self) -> u32 {
        self.high_atomic_pages
    }

    /// Is there a free block of at least `order` on one of the lists of these mobilities?
    #[inline]
    #[must_use]
    pub fn has_block(&self, order: Order, mobilities: &[Mobility]) -> bool {
        let filled = mobilities.iter().fold(0, |all, m| all | self.filled[m.index()]);
        filled >> order.as_u8() != 0
    }

    /// Is there a free block of just this order on the list of `mobility`?
    #[inline]
    pub(crate) const fn lists_block(&self, order: Order, mobility: Mobility) -> bool {
        self.filled[mobility.index()] >> order.as_u8() & 1 != 0
    }

    /// The order of the smallest block of at least `order` on the lists of `mobility`.
    #[inline]
    pub(super) fn smallest(&self, mobility: Mobility, order: Order) -> Option<Order> {
        let larger = u32::from(self.filled[mobility.index()]) >> order.as_u8();
        if larger == 0 {
            return None;
        }
        Order::new(order.as_u8() + larger.trailing_zeros() as u8)
    }

    /// Takes a block of `order` and this class: out of the smallest free block of its mobility that holds one, or of
    /// one that is stolen from another mobility. Returns its first frame: the lowest of the block
    /// that was split. `None` when no block is large enough.
    ///
    /// The block is allocated, with one owner. Its pages hold whatever they held. Under the zone's
    /// lock.
    #[inline]
    pub fn alloc(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        class: Class,
        order: Order,
    ) -> Option<Pfn> {
        let (pfn, _) = self.take(frames, counts, class.mobility(), order, order)?;
        frames.at(pfn).set_head(Head::allocated(order, class));
        Some(pfn)
    }

    /// As [`alloc`](Self::alloc), if there is a block of just this order on the list of its mobility.
    #[inline(always)]
    pub(crate) fn alloc_listed(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        class: Class,
        order: Order,
    ) -> Option<Pfn> {
        let mobility = class.mobility();
        let (pfn, page) = self.pop(frames, order, mobility)?;
        page.set_head(Head::allocated(order, class));
        counts.remove(order, mobility);
        counts.remove_pages(order.pages());
        Some(pfn)
    }

    /// Takes a free block of at least `order`, the smallest there is, and cuts it down to `most` if it
    /// is larger. Returns its first frame and its order.
    ///
    /// Its head still says that it is free: the caller writes what it becomes before it lets go of the
    /// zone's lock.
    #[inline]
    pub(crate) fn take(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        mobility: Mobility,
        order: Order,
        most: Order,
    ) -> Option<(Pfn, Order)> {
        let found = match self.smallest(mobility, order) {
            Some(found) => found,
            None => self.steal(frames, counts, mobility, order)?,
        };
        let (pfn, _) = self.pop(frames, found, mobility)?;
        counts.remove(found, mobility);
        let mut size = found;
        if size > most {
            size = most;
            self.split(frames, counts, mobility, pfn, found, size);
        }
        counts.remove_pages(size.pages());
        Some((pfn, size))
    }

    /// Cuts a block that was of `found` down to `size`. The upper half of each cut is listed, as the only
    /// block of its list: there was none between the order that was asked for and `found`, or that would
    /// have been taken.
    #[inline]
    fn split(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        mobility: Mobility,
        pfn: Pfn,
        found: Order,
        size: Order,
    ) {
        let zone = self.zone;
        let mut whole = found;
        while whole > size
            && let Some(half) = whole.down()
        {
            let upper = buddy_of(pfn, half);
            let list = &mut self.lists[half.index()][mobility.index()];
            list.set_only(frames, upper, Head::free(half, zone, mobility));
            counts.add(half, mobility);
            whole = half;
        }
        self.filled[mobility.index()] |= ((1_u32 << found.as_u32()) - (1 << size.as_u32())) as u16;
    }

    /// Gives back a block and merges it with its buddies as far as they are free. Its head is not
    /// looked at: the caller vouches that the frames are this zone's, and nobody else's any more.
    pub(crate) fn insert(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        order: Order,
    ) {
        self.merge::<false>(frames, counts, pfn, order);
    }

    /// Gives back a range, in the largest aligned blocks there are. No frame of it is a head any more,
    /// and what holds for [`insert`](Self::insert) holds for each.
    pub(crate) fn insert_range(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        range: PfnRange,
    ) {
        let (mut pfn, end) = (range.start(), range.end());
        while pfn < end {
            let order = largest_block(pfn, end);
            self.insert(frames, counts, pfn, order);
            pfn = pfn.saturating_add(order.pages());
        }
    }

    /// Gives back the block of `order` at `pfn`, which [`alloc`](Self::alloc) returned, and merges it with
    /// its buddies as far as they are free. Under the zone's lock.
    ///
    /// # Errors
    ///
    /// [`FreeError`] when there is no such block of this zone with one owner; then nothing has changed.
    pub fn free(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        order: Order,
    ) -> Result<(), FreeError> {
        let head = frames.get(pfn).map_or(Head::NONE, |page| page.head());
        if !head.is_sole(order) || !self.span.contains(pfn) {
            return Err(frames.why_not_free(pfn, order));
        }
        self.insert(frames, counts, pfn, order);
        Ok(())
    }

    /// Makes an allocated block, which begins where `run` does and ends at `end`, into the largest blocks
    /// that `run` divides into, and gives the rest back.
    pub(crate) fn carve(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        class: Class,
        run: PfnRange,
        end: Pfn,
    ) {
        let mut pfn = run.start();
        while pfn < run.end() {
            let order = largest_block(pfn, run.end());
            frames.at(pfn).set_head(Head::allocated(order, class));
            pfn = pfn.saturating_add(order.pages());
        }
        self.insert_range(frames, counts, PfnRange::new(run.end(), end));
    }

    /// Takes `pages` pages out of the lowest row of free blocks of the largest order that has so many,
    /// and allocates them as the largest blocks that they divide into. Looks at each page block of the
    /// zone once.
    pub(crate) fn take_run(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        class: Class,
        pages: u32,
    ) -> Option<PfnRange> {
        let size = Order::MAX.pages();
        // What is set aside for urgent requests is not for a run.
        let is_for_runs = |head: Head| {
            head.is_free(self.zone, Order::MAX)
                && head.mobility().is_some_and(Mobility::is_ordinary)
        };
        let wanted = pages.div_ceil(size);
        let first = self.span.start().as_u32().next_multiple_of(size);
        let (mut start, mut found) = (first, 0);
        for at in (first..self.span.end().as_u32()).step_by(size as usize) {
            if frames.get(Pfn::new(at)).is_some_and(|page| is_for_runs(page.head())) {
                found += 1;
                if found == wanted {
                    break;
                }
            } else {
                (start, found) = (at + size, 0);
            }
        }
        if found < wanted {
            return None;
        }
        let whole = PfnRange::new(Pfn::new(start), Pfn::new(start + wanted * size));
        for at in (start..whole.end().as_u32()).step_by(size as usize) {
            let pfn = Pfn::new(at);
            let listed = frames.at(pfn).head().mobility().unwrap_or(Mobility::Movable);
            self.unlist(frames, counts, pfn, Order::MAX, listed);
            frames.at(pfn).set_head(Head::NONE);
        }
        counts.remove_pages(whole.len());
        let run = PfnRange::new(whole.start(), whole.start().saturating_add(pages));
        self.carve(frames, counts, class, run, whole.end());
        Some(run)
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
        frames: &FrameTable<'_>,
        counts: &Counts,
        range: PfnRange,
    ) -> Result<(), ReleaseError> {
        self.check_release(frames, range)?;
        let (mut pfn, end) = (range.start(), range.end());
        while pfn < end {
            let order = largest_block(pfn, end);
            self.merge::<true>(frames, counts, pfn, order);
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

    /// Merges a block with its free buddies and puts the result on its list: at the head, unless it is
    /// about to merge further, or `BOOT` hands memory over: that goes upwards, and the lists shall start
    /// with the lowest.
    #[inline]
    fn merge<const BOOT: bool>(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        order: Order,
    ) {
        counts.add_pages(order.pages());
        let (mut pfn, mut order) = (pfn, order);
        if order < Order::MAX && frames.is_free(buddy_of(pfn, order), self.zone, order) {
            (pfn, order) = self.join(frames, counts, pfn, order);
        }
        let mobility = frames.blocks().get(pfn);
        if BOOT || merges_soon(frames, pfn, order, self.zone) {
            self.enlist_back(frames, counts, pfn, order, mobility);
        } else {
            self.enlist_front(frames, counts, pfn, order, mobility);
        }
    }

    /// Takes a block's buddy, which is free, off its list, and that of both together, and so on. Returns the
    /// block that they all are, whose descriptor is yet to be written. Out of line: whoever has no buddy to
    /// join needs fewer registers.
    #[inline(never)]
    fn join(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        order: Order,
    ) -> (Pfn, Order) {
        let zone = self.zone;
        let (mut pfn, mut order) = (pfn, order);
        while let Some(up) = order.up() {
            let buddy = buddy_of(pfn, order);
            let Some(page) = frames.get(buddy) else { break };
            let head = page.head();
            if !head.is_free(zone, order) {
                break;
            }
            let mobility = head.mobility().unwrap_or(Mobility::Movable);
            self.unlist(frames, counts, buddy, order, mobility);
            // The upper half is no head any more.
            frames.at(pfn.max(buddy)).set_head(Head::NONE);
            pfn = pfn.min(buddy);
            order = up;
        }
        (pfn, order)
    }

    /// Takes the first block of a list, if there is one, with its descriptor, whose head says still that it
    /// is free. It is yet to be counted.
    #[inline(always)]
    fn pop<'f>(
        &mut self,
        frames: &FrameTable<'f>,
        order: Order,
        mobility: Mobility,
    ) -> Option<(Pfn, &'f Page)> {
        let list = &mut self.lists[order.index()][mobility.index()];
        let pfn = list.first()?;
        let page = frames.at(pfn);
        if list.pop_front(frames, page) {
            self.filled[mobility.index()] &= !(1 << order.as_u32());
        }
        Some((pfn, page))
    }

    /// Takes a block off its list.
    #[inline(always)]
    pub(super) fn unlist(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        order: Order,
        mobility: Mobility,
    ) {
        let is_empty = self.lists[order.index()][mobility.index()].remove(frames, pfn);
        if is_empty {
            self.filled[mobility.index()] &= !(1 << order.as_u8());
        }
        counts.remove(order, mobility);
    }

    /// Puts a block at the head of its list.
    #[inline]
    pub(super) fn enlist_front(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        order: Order,
        mobility: Mobility,
    ) {
        let head = Head::free(order, self.zone, mobility);
        if self.lists[order.index()][mobility.index()].push_front(frames, pfn, head) {
            self.filled[mobility.index()] |= 1 << order.as_u32();
        }
        counts.add(order, mobility);
    }

    /// Puts a block at the tail of its list.
    pub(super) fn enlist_back(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        order: Order,
        mobility: Mobility,
    ) {
        let head = Head::free(order, self.zone, mobility);
        self.lists[order.index()][mobility.index()].push_back(frames, pfn, head);
        self.filled[mobility.index()] |= 1 << order.as_u8();
        counts.add(order, mobility);
    }
}

/// The block that merges with the one of `order` at `pfn`.
pub(super) const fn buddy_of(pfn: Pfn, order: Order) -> Pfn {
    Pfn::new(pfn.as_u32() ^ order.pages())
}

/// The largest block that starts at `pfn` and ends by `end`, which lies above.
pub(super) fn largest_block(pfn: Pfn, end: Pfn) -> Order {
    let len = end.as_u32() - pfn.as_u32();
    let order = pfn.as_u32().trailing_zeros().min(len.ilog2());
    // Only an order beyond the largest has no value, so the cast cannot matter.
    Order::new(order as u8).unwrap_or(Order::MAX)
}

/// Once the buddy of this free block is freed, could the pair merge on with *its* buddy? Then it
/// is worth while to leave the block alone for as long as possible. Blocks of the two largest
/// orders are not worth it (Linux: the same).
#[inline]
fn merges_soon(frames: &FrameTable<'_>, pfn: Pfn, order: Order, zone: ZoneId) -> bool {
    match order.up() {
        Some(up) if up < Order::MAX => {
            let pair = pfn.min(buddy_of(pfn, order));
            frames.is_free(buddy_of(pair, up), zone, up)
        }
        _ => false,
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
