//! What a request does whose own free lists have no block: it takes from another mobility's, in such a
//! way that the next one need not.
//!
//! The largest block that another mobility has is the best to take: most of its page block is free, so
//! the whole page block can change hands. A small piece of a page block is taken only for what moves,
//! since that does no lasting harm there. So what can not be moved gathers in few page blocks, and
//! large free blocks survive elsewhere. The rules are Linux's (`__rmqueue_fallback`).
//!
//! Here too are the page blocks that are set aside for urgent requests of several pages
//! ([`Mobility::HighAtomic`]), since making one is to change a page block's mobility.

use super::buddy::Buddy;
use super::counts::Counts;
use super::head::{Class, Head, PageState};
use super::mobility::Mobility;
use super::page_block;
use super::table::FrameTable;
use crate::addr::{Order, Pfn};

/// From this order up a block is worth a whole page block to what can move.
const WHOLE_BLOCK: u8 = Order::MAX.as_u8() / 2;

/// The pages of a page block, of one zone.
#[derive(Clone, Copy, Default)]
struct Census {
    /// Free in the buddy.
    free: u32,
    /// In use, or in a CPU's stack, and movable.
    movable: u32,
}

impl Buddy {
    /// Moves a free block of at least `order` to the lists of `mobility`, and with it as much of its page
    /// block as is right. Returns the order of the smallest block that these lists have then; `None`
    /// when no other mobility has a block either.
    #[cold]
    pub(super) fn steal(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        mobility: Mobility,
        order: Order,
    ) -> Option<Order> {
        let (found, from) = self.choose(mobility, order)?;
        let pfn = self.lists[found.index()][from.index()].first()?;
        if found == Order::MAX {
            frames.blocks().set(pfn, mobility);
            self.relist(frames, counts, pfn, found, from, mobility);
        } else if !self.may_take_page_block(mobility, found)
            || !self.take_page_block(frames, counts, pfn, mobility)
        {
            self.relist(frames, counts, pfn, found, from, mobility);
        }
        self.smallest(mobility, order)
    }

    /// The order and the list of the block to steal.
    fn choose(&self, mobility: Mobility, order: Order) -> Option<(Order, Mobility)> {
        let sized = |size: Order| {
            let has = |from: &&Mobility| self.filled[from.index()] >> size.as_u8() & 1 != 0;
            mobility.fallbacks().iter().find(has).map(|from| (size, *from))
        };
        let largest = Order::all().rev().take_while(|size| *size >= order).find_map(sized)?;
        if mobility == Mobility::Movable && !self.may_take_page_block(mobility, largest.0) {
            return Order::all().skip_while(|size| *size < order).find_map(sized);
        }
        Some(largest)
    }

    /// May a request that found a block of `found` take its whole page block?
    const fn may_take_page_block(&self, mobility: Mobility, found: Order) -> bool {
        !self.groups
            || found.as_u8() >= WHOLE_BLOCK
            || matches!(mobility, Mobility::Unmovable | Mobility::Reclaimable)
    }

    /// Moves all free pages of the page block around `pfn` to the lists of `mobility`. The page block
    /// itself changes hands if more than half of it is free or used alike. Says `false`, and has moved
    /// nothing, when the page block is set aside for urgent requests.
    fn take_page_block(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        mobility: Mobility,
    ) -> bool {
        let old = frames.blocks().get(pfn);
        if old == Mobility::HighAtomic {
            return false;
        }
        let census = self.move_free(frames, counts, pfn, mobility);
        let alike = match (mobility, old) {
            (Mobility::Movable, _) => census.movable,
            (_, Mobility::Movable) => {
                page_block::PAGES.saturating_sub(census.free + census.movable)
            }
            _ => 0,
        };
        if !self.groups || census.free + alike >= page_block::PAGES / 2 {
            frames.blocks().set(pfn, mobility);
        }
        true
    }

    /// Moves every free block in the page block around `pfn` to the lists of `mobility`, and counts.
    fn move_free(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        mobility: Mobility,
    ) -> Census {
        let range = page_block::around(pfn).intersection(&self.span);
        let mut census = Census::default();
        let mut pfn = range.start();
        while pfn < range.end() {
            let state = frames.at(pfn).state();
            match state {
                PageState::Free { order, mobility: from, .. } => {
                    census.free += order.pages();
                    self.relist(frames, counts, pfn, order, from, mobility);
                }
                PageState::Allocated { order, class, .. }
                | PageState::Stacked { order, class }
                | PageState::Parked { order, class }
                | PageState::Slab { order, class }
                    if class.mobility() == Mobility::Movable =>
                {
                    census.movable += order.pages();
                }
                _ => {}
            }
            // A stack's owner may take or give a block meanwhile; its order stays what it is.
            let pages = state.order().map_or(1, Order::pages);
            pfn = pfn.saturating_add(pages);
        }
        census
    }

    /// Moves a free block from one list of its order to another.
    fn relist(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        order: Order,
        from: Mobility,
        to: Mobility,
    ) {
        if from != to {
            self.unlist(frames, counts, pfn, order, from);
            self.enlist_back(frames, counts, pfn, order, to);
        }
    }

    /// Sets the page block of `pfn` aside for urgent requests of several pages, unless `most` pages are
    /// set aside already, it is not one of the ordinary kinds, or a part of it is another zone's, which
    /// could not use that part any more and does not know. Says whether it did. Under the zone's lock.
    pub fn set_aside_high_atomic(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        pfn: Pfn,
        most: u32,
    ) -> bool {
        let block = page_block::around(pfn);
        let is_whole = block.intersection(&self.span) == block;
        if self.high_atomic_pages >= most || !is_whole || !frames.blocks().get(pfn).is_ordinary() {
            return false;
        }
        self.high_atomic_pages += page_block::PAGES;
        frames.blocks().set(pfn, Mobility::HighAtomic);
        self.move_free(frames, counts, pfn, Mobility::HighAtomic);
        true
    }

    /// Takes a block of `order` out of what is set aside, for an urgent request of this class. Under the
    /// zone's lock.
    pub fn alloc_reserved(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        class: Class,
        order: Order,
    ) -> Option<Pfn> {
        self.smallest(Mobility::HighAtomic, order)?;
        let (pfn, _) = self.take(frames, counts, Mobility::HighAtomic, order, order)?;
        frames.at(pfn).set_head(Head::allocated(order, class));
        Some(pfn)
    }

    /// Gives a page block that is set aside, and has something free, back to `mobility`. Says whether
    /// there was one. Under the zone's lock.
    pub fn give_back_high_atomic(
        &mut self,
        frames: &FrameTable<'_>,
        counts: &Counts,
        mobility: Mobility,
    ) -> bool {
        let list = |order: Order| &self.lists[order.index()][Mobility::HighAtomic.index()];
        let Some(pfn) = Order::all().find_map(|order| list(order).first()) else { return false };
        // A block can be on the list of a page block that has changed hands since.
        if frames.blocks().get(pfn) == Mobility::HighAtomic {
            self.high_atomic_pages = self.high_atomic_pages.saturating_sub(page_block::PAGES);
        }
        frames.blocks().set(pfn, mobility);
        self.move_free(frames, counts, pfn, mobility);
        true
    }
}
