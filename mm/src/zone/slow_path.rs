//! What is done for a request when every zone that it may use is below its low watermark.
//!
//! 1. The zones count as short: this CPU's stacks before them are emptied and closed, other CPUs are
//!    asked to do the same.
//! 2. One more try, down to the min watermark, or to the part of it that an urgent request must
//!    leave.
//! 3. A request that may not sleep ends here. Others call the shrinkers, round after round, as long as
//!    that frees something, and wait: the platform says whether anybody can help.
//! 4. What is set aside for urgent requests of several pages is given up.
//! 5. The request fails, with a report unless it says `__GFP_NOWARN`.
//!
//! Nothing here panics for want of memory, and nothing hangs where nobody can help: `__GFP_NOFAIL` too
//! ends in an error then. There is no OOM killer, since there is nobody to kill.

use super::error::AllocError;
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
        self.press(request);
        if let Some(pfn) = self.take_low(request) {
            return Ok(pfn);
        }
        if !request.gfp.may_reclaim() {
            return Err(self.failed(request));
        }
        if let Some(pfn) = self.reclaim(request) {
            return Ok(pfn);
        }
        while self.give_up_reserve(request) {
            if let Some(pfn) = self.take_low(request) {
                return Ok(pfn);
            }
        }
        Err(self.failed(request))
    }

    /// Takes a block down to the lowest level that the request may leave.
    fn take_low(&self, request: &Request) -> Option<Pfn> {
        let is_held_back = !request.gfp.ignores_watermarks();
        self.take(request, if is_held_back { Mark::Min } else { Mark::Nothing })
    }

    /// Marks the request's zones as short where they are below their low watermark, and has their stacks
    /// emptied.
    fn press(&self, request: &Request) {
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
    fn reclaim(&self, request: &Request) -> Option<Pfn> {
        let Request { gfp, order, .. } = *request;
        let mut idle_rounds = 0;
        for round in 0.. {
            let freed = self.shrink(gfp, order.pages());
            if freed > 0 {
                // What they freed may lie in this CPU's stacks, page by page.
                self.press(request);
            }
            if let Some(pfn) = self.take_low(request) {
                return Some(pfn);
            }
            if !gfp.never_fails() {
                let is_costly = order > Order::COSTLY && !gfp.tries_hard();
                if gfp.tries_once() || is_costly {
                    return None;
                }
                idle_rounds = if freed > 0 { 0 } else { idle_rounds + 1 };
                if idle_rounds > ROUNDS_WITHOUT_PROGRESS {
                    return None;
                }
            }
            if self.platform.wait(&Shortage { gfp, order, round, freed }) == Answer::NobodyCanHelp {
                return None;
            }
            self.tick();
            if let Some(pfn) = self.take_low(request) {
                return Some(pfn);
            }
        }
        None
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
