//! Where a block comes from when this CPU's stack has none: the zones, highest first.
//!
//! Each zone that is above the level that the request must leave is tried: its stack (the request may
//! have been too careful for the quick path), the spare behind it, and then the buddy, from which a
//! small request fills the stack as well. A refill takes the smallest blocks there are, whole, and
//! does not steal from another mobility for the sake of pages that nobody asked for yet.

use arrayvec::ArrayVec;

use super::error::AllocError;
use super::gfp::Gfp;
use super::page_alloc::{PageAllocator, stack_ids};
use super::request::Request;
use super::span::ZoneKind;
use super::state::{Mark, Zone};
use crate::addr::{Order, Pfn};
use crate::frame::page::{Head, Kin};
use crate::frame::stack::StackId;
use crate::frame::{Buddy, CpuStacks};
use crate::platform::Platform;

/// Blocks of the buddy that one refill takes at most, whatever their size.
const REFILL_BLOCKS: usize = 64;

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// A request that no stack could answer.
    #[inline(never)]
    pub(super) fn alloc_from_zones(&self, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
        gfp.check().map_err(AllocError::Flags)?;
        let request = Request::new(gfp, order);
        if self.debug.fails(&request) {
            return Err(self.failed(&request));
        }
        let first = if gfp.ignores_watermarks() { Mark::Nothing } else { Mark::Low };
        loop {
            let pfn = match self.take(&request, first) {
                Some(pfn) => pfn,
                None => self.alloc_hard(&request)?,
            };
            if self.debug.is_on() && !self.debug_alloc(pfn, order) {
                continue;
            }
            if gfp.wants_zero() {
                self.platform.zero(pfn, order);
            }
            return Ok(pfn);
        }
    }

    /// Takes a block from one of the zones that the request may use, if that leaves the zone at `mark`.
    pub(super) fn take(&self, request: &Request, mark: Mark) -> Option<Pfn> {
        let masked = self.platform.mask();
        let stacks = self.stacks(&masked);
        self.settle(stacks);
        let usable = self.zones.iter().take(request.highest.index() + 1).rev();
        usable
            .filter(|zone| zone.managed() > 0)
            .find_map(|zone| self.take_from(zone, stacks, request, mark))
    }

    /// As [`take`](Self::take), from this zone alone.
    pub(super) fn take_only(&self, kind: ZoneKind, request: &Request, mark: Mark) -> Option<Pfn> {
        let masked = self.platform.mask();
        let stacks = self.stacks(&masked);
        self.settle(stacks);
        self.take_from(self.zone(kind), stacks, request, mark)
    }

    fn take_from(
        &self,
        zone: &Zone,
        stacks: &CpuStacks,
        request: &Request,
        mark: Mark,
    ) -> Option<Pfn> {
        let above = zone.above(request, mark)?;
        let Request { order, mobility, .. } = *request;
        let is_urgent = mark == Mark::Min && request.is_urgent() && order > Order::ZERO;
        if order > Order::COSTLY || is_urgent {
            return self.take_block(zone, request, mark);
        }
        let head = Head::stacked(Kin { order, zone: zone.kind().id(), mobility });
        let id = StackId::of(head);
        if let Some(pfn) = stacks.pop(&self.frames, id) {
            return Some(pfn);
        }
        let room = stacks.room(id);
        if room == 0 {
            return self.take_block(zone, request, mark);
        }
        if stacks.take_spare(id) {
            return stacks.pop(&self.frames, id);
        }
        let wanted = u32::from(room).min(above >> order.as_u8()).max(1);
        let mut buddy = zone.buddy.lock(|| self.platform.contended());
        self.refill(zone, &mut buddy, stacks, request, head, wanted)
            .or_else(|| self.take_reserved(zone, &mut buddy, request))
    }

    /// Takes one block from the buddy.
    fn take_block(&self, zone: &Zone, request: &Request, mark: Mark) -> Option<Pfn> {
        let Request { order, mobility, .. } = *request;
        let mut buddy = zone.buddy.lock(|| self.platform.contended());
        let urgent = request.is_urgent() && order > Order::ZERO;
        if urgent && let Some(pfn) = self.take_reserved(zone, &mut buddy, request) {
            return Some(pfn);
        }
        let pfn = buddy
            .alloc(&self.frames, &zone.counts, mobility, order)
            .or_else(|| self.take_reserved(zone, &mut buddy, request))?;
        if urgent && mark == Mark::Min {
            self.set_aside(zone, &mut buddy, pfn);
        }
        Some(pfn)
    }

    /// An urgent request's block out of what is set aside for such.
    fn take_reserved(&self, zone: &Zone, buddy: &mut Buddy, request: &Request) -> Option<Pfn> {
        let Request { order, mobility, .. } = *request;
        if !request.is_urgent() {
            return None;
        }
        buddy.alloc_reserved(&self.frames, &zone.counts, mobility, order)
    }

    /// An urgent request of several pages was hard to serve: keeps the page block of its pages for the
    /// next one, as long as that is not more than a hundredth of the zone and one page block.
    fn set_aside(&self, zone: &Zone, buddy: &mut Buddy, pfn: Pfn) {
        let most = zone.managed() / 100 + crate::frame::page_block::PAGES;
        if buddy.set_aside_high_atomic(&self.frames, &zone.counts, pfn, most) {
            zone.note_high_atomic(buddy);
        }
    }

    /// Takes up to `wanted` blocks from the buddy, returns the first, and puts the others on the empty
    /// stack for blocks with this head. `None` when there is no block.
    fn refill(
        &self,
        zone: &Zone,
        buddy: &mut Buddy,
        stacks: &CpuStacks,
        request: &Request,
        head: Head,
        wanted: u32,
    ) -> Option<Pfn> {
        let Request { order, mobility, .. } = *request;
        let most =
            |blocks: u32| Order::within_pages((blocks << order.as_u8()).min(Order::MAX.pages()));
        let mut taken: ArrayVec<(Pfn, Order), REFILL_BLOCKS> = ArrayVec::new();
        let mut count = 0;
        while count < wanted && !taken.is_full() {
            if count > 0 && !buddy.has_block(order, &[mobility]) {
                break;
            }
            let size = most(wanted - count);
            let Some(block) = buddy.take(&self.frames, &zone.counts, mobility, order, size) else {
                break;
            };
            count += block.1.pages() >> order.as_u8();
            taken.push(block);
        }
        let first = taken.first()?.0;
        for (index, (pfn, size)) in taken.iter().enumerate().rev() {
            let blocks = size.pages() >> order.as_u8();
            // The very first is the caller's.
            let from = u32::from(index == 0);
            stacks.fill(&self.frames, head, order, *pfn, from..blocks);
        }
        self.frames.at(first).set_head(head.toggle_stacked());
        Some(first)
    }

    /// Brings this CPU's stacks to what they should be: emptied if somebody asked, and with the room that
    /// each zone leaves them. Every way to the zones begins with it, interrupts masked.
    pub(super) fn settle(&self, stacks: &CpuStacks) {
        if stacks.is_asked_to_drain() {
            for zone in &self.zones {
                self.empty_stacks(stacks, zone);
            }
        }
        for zone in &self.zones {
            let any = StackId::of_class(zone.kind().index() as u8, Order::ZERO);
            if stacks.room(any) != zone.room() {
                self.empty_stacks(stacks, zone);
                for (id, order) in stack_ids(zone) {
                    stacks.set_room(id, super::page_alloc::room_of(zone.room(), order));
                }
            }
        }
    }

    /// To be called by every CPU now and then, its tick for one: does what others asked of it.
    pub fn tick(&self) {
        let masked = self.platform.mask();
        self.settle(self.stacks(&masked));
    }
}
