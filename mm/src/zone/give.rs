//! Where a block goes when this CPU's stack does not take it.
//!
//! A stack that is full becomes the spare, and what the spare held goes back to the buddy. Blocks that lie
//! side by side are given back as one range, so that pages that were freed in a row cost few merges.

use super::page_alloc::{PageAllocator, stack_ids};
use super::state::Zone;
use crate::addr::{Order, Pfn, PfnRange};
use crate::frame::page::{Head, Page, PageState};
use crate::frame::stack::{Blocks, Stack, StackId};
use crate::frame::{Buddy, CpuStacks, FreeError};
use crate::platform::{Platform, Report};

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// A block that no stack could take.
    #[inline(never)]
    pub(super) fn free_to_zones(&self, pfn: Pfn, order: Order) -> Result<(), FreeError> {
        match self.drop_reference(pfn, order) {
            Dropped::Last(page) => {
                if self.debug.is_on() {
                    self.debug_free(pfn, order);
                }
                self.give(page, pfn, order);
                Ok(())
            }
            Dropped::One => Ok(()),
            Dropped::Wrong => {
                let error = self.frames.why_not_free(pfn, order);
                self.platform.report(&Report::WrongFree { error });
                Err(error)
            }
        }
    }

    /// Takes one reference off the block, unless it is the last.
    fn drop_reference(&self, pfn: Pfn, order: Order) -> Dropped<'_> {
        let Some(page) = self.frames.get(pfn) else { return Dropped::Wrong };
        let mut head = page.head();
        loop {
            if head.is_sole(order) {
                // No stack is open for a zone or a mobility that does not exist, so a head that has been
                // overwritten with one comes here.
                let zone = self.zones.get(head.zone().index());
                let is_known =
                    zone.is_some_and(|zone| zone.span().contains(pfn)) && head.mobility().is_some();
                return if is_known { Dropped::Last(page) } else { Dropped::Wrong };
            }
            let PageState::Allocated { kin, .. } = head.decode() else { return Dropped::Wrong };
            let Some(less) = head.one_less().filter(|_| kin.order == order) else {
                return Dropped::Wrong;
            };
            match page.exchange_head(head, less) {
                Ok(()) => return Dropped::One,
                Err(now) => head = now,
            }
        }
    }

    /// Gives back an allocated block with one owner.
    fn give(&self, page: &Page, pfn: Pfn, order: Order) {
        let masked = self.platform.mask();
        let stacks = self.stacks(&masked);
        self.settle(stacks);
        let head = page.head();
        let Some(zone) = self.zones.get(head.zone().index()) else { return };
        let id = StackId::of(head);
        if order <= Order::COSTLY && stacks.room(id) > 0 {
            if stacks.push(page, pfn, head) {
                return;
            }
            let older = stacks.retire(id);
            if !older.is_empty() {
                let mut buddy = zone.buddy.lock(|| self.platform.contended());
                self.give_stack(zone, &mut buddy, older, order);
            }
            let pushed = stacks.push(page, pfn, head);
            debug_assert!(pushed, "an empty stack with room is full");
            return;
        }
        zone.buddy.lock(|| self.platform.contended()).insert(
            &self.frames,
            &zone.counts,
            pfn,
            order,
        );
        if zone.is_short() && zone.free_pages() > zone.watermarks().high {
            zone.set_short(false);
            self.settle(stacks);
        }
    }

    /// Gives back what the stacks of this CPU before a zone hold. Interrupts are masked.
    pub(super) fn empty_stacks(&self, stacks: &CpuStacks, zone: &Zone) {
        for (id, order) in stack_ids(zone) {
            for stack in stacks.empty(id).into_iter().filter(|stack| !stack.is_empty()) {
                let mut buddy = zone.buddy.lock(|| self.platform.contended());
                self.give_stack(zone, &mut buddy, stack, order);
            }
        }
    }

    /// Gives back the blocks of a stack that has left its CPU's hands.
    fn give_stack(&self, zone: &Zone, buddy: &mut Buddy, stack: Stack, order: Order) {
        let pages = order.pages();
        let mut run = PfnRange::default();
        for (pfn, page) in Blocks::of(&self.frames, stack) {
            page.set_head(Head::NONE);
            let end = pfn.saturating_add(pages);
            if end == run.start() {
                run = PfnRange::new(pfn, run.end());
            } else if pfn == run.end() {
                run = PfnRange::new(run.start(), end);
            } else {
                buddy.insert_range(&self.frames, &zone.counts, run);
                run = PfnRange::new(pfn, end);
            }
        }
        buddy.insert_range(&self.frames, &zone.counts, run);
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
