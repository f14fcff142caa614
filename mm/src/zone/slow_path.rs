//! What is done for a request when every zone that it may use is below its low watermark.
//!
//! 1. The zones count as short: this CPU's stacks before them are emptied and closed, other CPUs are
//!    asked to do the same.
//! 2. One more try, down to the min watermark, or to the part of it that an urgent request must
//!    leave.
//! 3. A request that may not sleep ends here. Others call the shrinkers, round after round, as long as
//!    that frees something, and wait: the platform says whether anybody can help. Each round looks
//!    into the stacks again, since what is freed goes there first.
//! 4. What is set aside for urgent requests of several pages is given up, by one that must not fail
//!    (`__GFP_NOFAIL`) as soon as many rounds have freed nothing.
//! 5. The request fails, with a report unless it says `__GFP_NOWARN`.
//!
//! Nothing here panics for want of memory, and nothing hangs where nobody can help: `__GFP_NOFAIL` too
//! ends in an error then. There is no OOM killer, since there is nobody to kill.

use super::error::AllocError;
use super::gfp::Gfp;
use super::page_alloc::PageAllocator;
use super::request::Request;
use super::state::Mark;
use crate::addr::{Order, Pfn};
use crate::frame::stack::Asked;
use crate::platform::{Answer, Platform, Report, Shortage};

/// Rounds without a page freed after which a request gives up that others could still help: Linux's
/// `MAX_RECLAIM_RETRIES`.
const ROUNDS_WITHOUT_PROGRESS: u32 = 16;

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// Steps 1 to 5.
    #[cold]
    #[inline(never)]
    pub(super) fn alloc_hard(&self, request: &Request) -> Result<Pfn, AllocError> {
        self.try_hard(request, request.order.pages(), |request, mark| self.take(request, mark))
    }

    /// Steps 1 to 5, for whatever `take` takes: something of so many `pages`, if that leaves a zone at the
    /// mark.
    pub(super) fn try_hard<T>(
        &self,
        request: &Request,
        pages: u32,
        take: impl Fn(&Request, Mark) -> Option<T>,
    ) -> Result<T, AllocError> {
        let take = &take;
        self.press(request);
        let mut found = take_low(request, take);
        if found.is_none() && request.gfp.may_reclaim() {
            found = self.reclaim(request, pages, take).or_else(|| {
                // The last to help may have given back what lies in stacks now.
                self.press(request);
                self.take_last(request, take)
            });
        }
        found.ok_or_else(|| self.failed(request))
    }

    /// Marks the request's zones as short where they are below their low watermark, and has their stacks
    /// emptied.
    pub(super) fn press(&self, request: &Request) {
        for zone in self.zones.iter().take(request.highest.index() + 1) {
            let is_low = zone.free_pages() <= zone.watermarks().low;
            if zone.managed() > 0 && is_low && !zone.is_short() {
                zone.set_short(true);
                self.behind.iter().for_each(|stacks| stacks.ask(Asked::ROOM));
            }
        }
        // Also where a zone has enough: pages in stacks may be what a large block is waiting for.
        self.drain();
    }

    /// Step 3.
    fn reclaim<T>(
        &self,
        request: &Request,
        pages: u32,
        take: &impl Fn(&Request, Mark) -> Option<T>,
    ) -> Option<T> {
        let Request { gfp, order, .. } = *request;
        let (mut round, mut idle_rounds) = (0_u32, 0_u32);
        loop {
            let freed = self.shrink(gfp, pages);
            if freed > 0 {
                // What they freed may lie in stacks, page by page.
                self.press(request);
            }
            if let Some(found) = take_low(request, take) {
                return Some(found);
            }
            let is_costly = order > Order::COSTLY;
            if !gfp.never_fails() && (gfp.tries_once() || is_costly && !gfp.tries_hard()) {
                return None;
            }
            // Pages freed say little about the chances of a large block.
            idle_rounds = if freed > 0 && !is_costly { 0 } else { idle_rounds.saturating_add(1) };
            if idle_rounds > ROUNDS_WITHOUT_PROGRESS {
                if !gfp.never_fails() {
                    return None;
                }
                if let Some(found) = self.take_last(request, take) {
                    return Some(found);
                }
            }
            if self.platform.wait(&Shortage { gfp, order, round, freed }) == Answer::NobodyCanHelp {
                return None;
            }
            round = round.saturating_add(1);
            // What came meanwhile may lie in stacks too, those of other CPUs included.
            self.press(request);
            if let Some(found) = take_low(request, take) {
                return Some(found);
            }
        }
    }

    /// Step 4. What must not fail may then use a part of the reserve too, as in Linux.
    fn take_last<T>(
        &self,
        request: &Request,
        take: &impl Fn(&Request, Mark) -> Option<T>,
    ) -> Option<T> {
        while self.give_up_reserve(request) {
            if let Some(found) = take_low(request, take) {
                return Some(found);
            }
        }
        let harder = Request::new(request.gfp | Gfp::__GFP_HIGH, request.order);
        if request.gfp.never_fails() { take(&harder, Mark::Min) } else { None }
    }

    /// Gives one page block that is set aside back to everybody. Says whether there was one.
    fn give_up_reserve(&self, request: &Request) -> bool {
        self.zones.iter().take(request.highest.index() + 1).any(|zone| {
            if zone.high_atomic_pages() == 0 {
                return false;
            }
            let _masked = self.platform.mask();
            let mut buddy = zone.buddy.lock(|| self.platform.contended());
            let given = buddy.give_back_high_atomic(&self.frames, &zone.counts, request.mobility);
            zone.note_high_atomic(&buddy);
            given
        })
    }

    /// Reports a failure, and makes it an error.
    #[cold]
    pub(super) fn failed(&self, request: &Request) -> AllocError {
        let Request { gfp, order, highest, .. } = *request;
        if gfp.warns() {
            let figures = self.figures();
            self.platform.report(&Report::AllocationFailed { gfp, order, figures: &figures });
        }
        AllocError::no_memory(order, highest)
    }
}

/// Takes what there is down to the lowest level that the request may leave.
fn take_low<T>(request: &Request, take: &impl Fn(&Request, Mark) -> Option<T>) -> Option<T> {
    let is_held_back = !request.gfp.ignores_watermarks();
    take(request, if is_held_back { Mark::Min } else { Mark::Nothing })
}
