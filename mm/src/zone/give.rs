//! Where a block goes when this CPU's stack does not take it.
//!
//! A stack that is full becomes the spare, and what the spare held goes back to the buddy. Blocks that lie
//! side by side are given back as one range, so that pages that were freed in a row cost few merges.

use super::error::NotFreed;
use super::page_alloc::{PageAllocator, stack_ids};
use super::request::classes;
use crate::addr::{Order, Pfn};
use crate::frame::blocks::Blocks;
use crate::frame::head::Head;
use crate::frame::stack::{Asked, CpuStacks};
use crate::frame::stack_word::{Stack, StackId};
use crate::frame::{Page, PageState};
use crate::platform::{Platform, Report};

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// A block that no stack could take.
    #[inline(never)]
    pub(super) fn free_to_zones(&self, pfn: Pfn, order: Order) -> Result<(), NotFreed> {
        // Blocks that no stack holds come this way every time.
        if order > Order::COSTLY
            && let Some(page) = self.frames.get(pfn)
        {
            let masked = self.platform.mask();
            if page.head().is_sole(order)
                && !self.stacks(&masked).is_asked()
                && self.give_block(pfn, order)
            {
                return Ok(());
            }
        }
        self.free_with_care(pfn, order)
    }

    #[inline(never)]
    fn free_with_care(&self, pfn: Pfn, order: Order) -> Result<(), NotFreed> {
        match self.drop_reference(pfn, order) {
            Dropped::Last(page) => {
                if self.debug.is_on() {
                    self.debug_free(pfn, order);
                }
                // A handler may have given it back meanwhile: it is wrong, but it was first.
                if self.give(page, pfn, order) { Ok(()) } else { Err(self.wrong_free(pfn, order)) }
            }
            Dropped::One => Ok(()),
            Dropped::Wrong => Err(self.wrong_free(pfn, order)),
        }
    }

    fn wrong_free(&self, pfn: Pfn, order: Order) -> NotFreed {
        let error = self.frames.why_not_free(pfn, order);
        self.platform.report(&Report::WrongFree { error });
        NotFreed { pfn }
    }

    /// Takes one reference off the block, unless it is the last.
    fn drop_reference(&self, pfn: Pfn, order: Order) -> Dropped<'_> {
        let Some(page) = self.frames.get(pfn) else { return Dropped::Wrong };
        let mut head = page.head_after_others();
        loop {
            if head.is_sole(order) {
                // A head that has been overwritten may say so of a frame that is in no zone.
                let is_known = self.zone_of(pfn).is_some();
                return if is_known { Dropped::Last(page) } else { Dropped::Wrong };
            }
            let PageState::Allocated { order: real, .. } = head.decode() else {
                return Dropped::Wrong;
            };
            let is_last = head.is_last(order);
            let less = if is_last { Some(head.alone()) } else { head.one_less() };
            let Some(less) = less.filter(|_| real == order) else { return Dropped::Wrong };
            match page.exchange_head(head, less) {
                Ok(()) if is_last => head = less,
                Ok(()) => return Dropped::One,
                Err(now) => head = now,
            }
        }
    }

    /// Gives back an allocated block with one owner. Says `false`, and has done nothing, if it is not that
    /// any more.
    fn give(&self, page: &Page, pfn: Pfn, order: Order) -> bool {
        let masked = self.platform.mask();
        let stacks = self.stacks(&masked);
        self.settle(stacks);
        let head = page.head();
        if !head.is_sole(order) {
            return false;
        }
        let id = StackId::of(head);
        if stacks.room(id) == 0 {
            return self.give_block(pfn, order);
        }
        if !stacks.current.push(page, self.frames.place(pfn), head) {
            self.give_stack(stacks.retire(id), id, order);
            let pushed = stacks.current.push(page, self.frames.place(pfn), head);
            debug_assert!(pushed, "an empty stack with room is full");
        }
        true
    }

    /// Gives one block to its zone's buddy. Says `false`, and has done nothing, when it is in none.
    /// Interrupts are masked.
    #[inline]
    fn give_block(&self, pfn: Pfn, order: Order) -> bool {
        let Some(zone) = self.zone_of(pfn) else { return false };
        let mut buddy = zone.buddy.lock(|| self.platform.contended());
        buddy.insert(&self.frames, &zone.counts, pfn, order);
        drop(buddy);
        if zone.is_short() && zone.free_pages() > zone.watermarks().high {
            zone.set_short(false);
            self.behind.iter().for_each(|stacks| stacks.ask(Asked::ROOM));
        }
        true
    }

    /// Gives back what this CPU's stacks hold, and asks the other CPUs for the same. Linux's
    /// `drain_all_pages`. Interrupts are masked for one stack at a time.
    pub fn drain(&self) {
        {
            let masked = self.platform.mask();
            let here = self.stacks(&masked);
            self.settle(here);
            for behind in &self.behind {
                if !core::ptr::eq(behind, here.behind) {
                    behind.ask(Asked::DRAIN);
                }
            }
        }
        for (id, order, _) in classes().flat_map(stack_ids) {
            let masked = self.platform.mask();
            for stack in self.stacks(&masked).empty(id) {
                self.give_stack(stack, id, order);
            }
        }
    }

    /// Gives back what this CPU's stacks hold. Interrupts are masked.
    pub(super) fn empty_stacks(&self, stacks: CpuStacks<'_>) {
        for (id, order, _) in classes().flat_map(stack_ids) {
            for stack in stacks.empty(id) {
                self.give_stack(stack, id, order);
            }
        }
    }

    /// Gives back the blocks of a stack that has left its CPU's hands. They are all of one zone, unless
    /// somebody has overwritten a head; and all that there are, unless it was a link. Then what lies below
    /// is lost, and that is reported.
    fn give_stack(&self, stack: Stack, id: StackId, order: Order) {
        let pages = order.pages();
        let mut blocks = Blocks::of(&self.frames, stack, id);
        let mut next = blocks.next();
        while let Some((first, page)) = next {
            let Some(zone) = self.zone_of(self.frames.pfn(first)) else {
                page.set_head(Head::NONE);
                next = blocks.next();
                continue;
            };
            let span = self.frames.places(zone.span());
            let mut buddy = zone.buddy.lock(|| self.platform.contended());
            let mut run = first..first;
            while let Some((place, page)) = next.filter(|(place, _)| span.contains(*place)) {
                let end = place.after(pages);
                page.set_head(Head::NONE);
                if end == run.start {
                    run.start = place;
                } else if place == run.end {
                    run.end = end;
                } else {
                    buddy.insert_range(&self.frames, &zone.counts, self.frames.range_of(run));
                    run = place..end;
                }
                next = blocks.next();
            }
            buddy.insert_range(&self.frames, &zone.counts, self.frames.range_of(run));
        }
        if let Some(pfn) = blocks.cut_at() {
            self.report_cut(pfn);
        }
    }

    #[cold]
    fn report_cut(&self, pfn: Pfn) {
        let state = self.frames.get(pfn).map(Page::state);
        self.platform.report(&Report::StackCut { pfn, state });
    }
}

/// What became of a reference that was dropped.
enum Dropped<'p> {
    /// It was the only one: the block is the caller's to give back.
    Last(&'p Page),
    /// There are others.
    One,
    /// There is no such block.
    Wrong,
}
