//! Where a block comes from when this CPU's stack has none: the zones, highest first.
//!
//! Each zone that is above the level that the request must leave is tried: its stack (the request may
//! have been too careful for the quick path), the spare behind it, and then the buddy, from which a
//! small request fills the stack as well. A refill takes a block of just its size if one is listed, which costs
//! no cut and is but one, else the smallest blocks there are, whole. It does not steal from another mobility for
//! the sake of pages that nobody asked for yet.

use arrayvec::ArrayVec;

use super::error::AllocError;
use super::gfp::Gfp;
use super::page_alloc::{PageAllocator, stack_ids};
use super::request::{NOT_QUICK, Request, class_in, classes};
use super::span::ZoneKind;
use super::state::{Mark, Zone};
use crate::addr::{Order, Pfn};
use crate::frame::head::Head;
use crate::frame::stack::{Asked, CpuStacks};
use crate::frame::stack_word::StackId;
use crate::frame::{Buddy, Class};
use crate::platform::Platform;

/// Blocks of the buddy that one refill takes at most, whatever their size.
const REFILL_BLOCKS: usize = 64;

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// A request that no stack could answer, or that wants more than a block as it is.
    #[inline(never)]
    pub(super) fn alloc_from_zones(&self, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
        // Blocks that no stack holds come this way every time.
        if order > Order::COSTLY
            && gfp.is_plain()
            && let Some(pfn) = self.take_large(gfp, order)
        {
            return Ok(pfn);
        }
        self.alloc_with_care(gfp, order)
    }

    /// A large block from the zone of first choice, if that is above its low watermark and has one.
    #[inline(always)]
    fn take_large(&self, gfp: Gfp, order: Order) -> Option<Pfn> {
        let masked = self.platform.mask();
        let zone = self.first_zone(gfp)?;
        if self.stacks(&masked).is_asked() || !zone.is_above_low(gfp.highest_zone(), order) {
            return None;
        }
        let class = Class::of_flags(gfp.bits());
        let mut buddy = zone.buddy.lock(|| self.platform.contended());
        buddy
            .alloc_listed(&self.frames, &zone.counts, class, order)
            .or_else(|| buddy.alloc(&self.frames, &zone.counts, class, order))
    }

    #[inline(never)]
    fn alloc_with_care(&self, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
        if gfp.wants_zero() {
            // What a stack has serves as well.
            let pfn = match self.take_stacked(gfp.difference(Gfp::__GFP_ZERO), order) {
                Some(pfn) => pfn,
                None => self.alloc_checked(gfp, order)?,
            };
            self.platform.zero(pfn, order);
            return Ok(pfn);
        }
        self.alloc_checked(gfp, order)
    }

    /// What this CPU's stack has for a request, if that may be quick.
    #[inline]
    fn take_stacked(&self, gfp: Gfp, order: Order) -> Option<Pfn> {
        if gfp.intersects(NOT_QUICK) {
            return None;
        }
        let masked = self.platform.mask();
        let id = StackId::new(Class::of_flags(gfp.bits()), order);
        self.current(&masked).pop(&self.frames, id)
    }

    /// A block as it is, if the flags make sense.
    fn alloc_checked(&self, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
        if !gfp.is_plain() || self.first_zone(gfp).is_none() {
            gfp.check().map_err(AllocError::flags)?;
        }
        let request = Request::new(gfp, order);
        if self.debug.is_on() {
            return self.alloc_debugging(&request);
        }
        match self.take(&request, self.first_mark(&request)) {
            Some(pfn) => Ok(pfn),
            None => self.alloc_hard(&request),
        }
    }

    /// A block if the first try finds one: no reserve is used, nobody is asked to free anything, and there
    /// is no report. It is not counted among the requests that are made to fail.
    pub(super) fn alloc_easily(&self, gfp: Gfp, order: Order) -> Option<Pfn> {
        let request = Request::new(gfp, order);
        loop {
            let pfn = self.take(&request, self.first_mark(&request))?;
            if !self.debug.is_on() || self.debug_alloc(pfn, order) {
                if gfp.wants_zero() {
                    self.platform.zero(pfn, order);
                }
                return Some(pfn);
            }
        }
    }

    /// What the first try is held to.
    fn first_mark(&self, request: &Request) -> Mark {
        if request.gfp.ignores_watermarks() { Mark::Nothing } else { Mark::Low }
    }

    /// A request while something is debugged.
    #[cold]
    fn alloc_debugging(&self, request: &Request) -> Result<Pfn, AllocError> {
        if self.debug.fails(request) {
            return Err(self.failed(request));
        }
        loop {
            let pfn = match self.take(request, self.first_mark(request)) {
                Some(pfn) => pfn,
                None => self.alloc_hard(request)?,
            };
            if self.debug_alloc(pfn, request.order) {
                return Ok(pfn);
            }
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
        let zone = self.zone(kind);
        if zone.managed() == 0 {
            // The stack for its blocks is another zone's.
            return None;
        }
        let masked = self.platform.mask();
        let stacks = self.stacks(&masked);
        self.settle(stacks);
        self.take_from(zone, stacks, request, mark)
    }

    #[inline]
    fn take_from(
        &self,
        zone: &Zone,
        stacks: CpuStacks<'_>,
        request: &Request,
        mark: Mark,
    ) -> Option<Pfn> {
        let above = zone.above(request, mark)?;
        let order = request.order;
        if order > Order::COSTLY || is_urgent(request, mark) {
            return self.take_block(zone, request, mark);
        }
        // What is taken below all levels is for this request, and not for whoever finds it in a stack.
        let above = if mark == Mark::Nothing { 0 } else { above };
        self.take_small(zone, stacks, request, above)
    }

    /// Takes a block by way of the stack for such blocks of this zone, and puts no more than `above`
    /// pages into that.
    #[inline(never)]
    fn take_small(
        &self,
        zone: &Zone,
        stacks: CpuStacks<'_>,
        request: &Request,
        above: u32,
    ) -> Option<Pfn> {
        let order = request.order;
        let class = self.class_from(zone, request);
        let id = StackId::new(class, order);
        if let Some(pfn) = stacks.current.pop(&self.frames, id) {
            return Some(pfn);
        }
        let room = stacks.room(id);
        if room > 0 && stacks.take_spare(id) {
            return stacks.current.pop(&self.frames, id);
        }
        let wanted = u32::from(room).min(above >> order.as_u32()).max(1);
        let mut buddy = zone.buddy.lock(|| self.platform.contended());
        let found = if room > 0 {
            self.refill(zone, &mut buddy, stacks, class, order, wanted)
        } else {
            buddy.alloc(&self.frames, &zone.counts, class, order)
        };
        found.or_else(|| self.take_reserved(zone, &mut buddy, request))
    }

    /// The class of a block for the request that comes from this zone: what was asked for, unless another
    /// zone would have been its first choice.
    pub(super) fn class_from(&self, zone: &Zone, request: &Request) -> Class {
        match self.first_zone(request.gfp) {
            Some(first) if first.kind() == zone.kind() => request.class(),
            _ => class_in(zone.kind(), request.mobility),
        }
    }

    /// Takes one block from the buddy.
    #[inline]
    fn take_block(&self, zone: &Zone, request: &Request, mark: Mark) -> Option<Pfn> {
        let order = request.order;
        let class = self.class_from(zone, request);
        let mut buddy = zone.buddy.lock(|| self.platform.contended());
        let urgent = is_urgent(request, mark);
        if urgent && let Some(pfn) = self.take_reserved(zone, &mut buddy, request) {
            return Some(pfn);
        }
        let pfn = buddy
            .alloc(&self.frames, &zone.counts, class, order)
            .or_else(|| self.take_reserved(zone, &mut buddy, request))?;
        if urgent {
            self.set_aside(zone, &mut buddy, pfn);
        }
        Some(pfn)
    }

    /// An urgent request's block out of what is set aside for such.
    fn take_reserved(&self, zone: &Zone, buddy: &mut Buddy, request: &Request) -> Option<Pfn> {
        if !request.is_urgent() {
            return None;
        }
        let class = self.class_from(zone, request);
        buddy.alloc_reserved(&self.frames, &zone.counts, class, request.order)
    }

    /// An urgent request of several pages was hard to serve: keeps the page block of its pages for the
    /// next one, as long as that is not more than a hundredth of the zone and one page block.
    fn set_aside(&self, zone: &Zone, buddy: &mut Buddy, pfn: Pfn) {
        let most = zone.managed() / 100 + crate::frame::page_block::PAGES;
        if buddy.set_aside_high_atomic(&self.frames, &zone.counts, pfn, most) {
            zone.note_high_atomic(buddy);
        }
    }

    /// Takes up to `wanted` blocks from the buddy, returns the first, and puts the others on their empty
    /// stack. `None` when there is no block.
    fn refill(
        &self,
        zone: &Zone,
        buddy: &mut Buddy,
        stacks: CpuStacks<'_>,
        class: Class,
        order: Order,
        wanted: u32,
    ) -> Option<Pfn> {
        let mobility = class.mobility();
        let most = |blocks: u32| Order::within_pages(blocks << order.as_u32());
        let mut taken: ArrayVec<(Pfn, Order), REFILL_BLOCKS> = ArrayVec::new();
        let mut count = 0;
        while count < wanted && !taken.is_full() {
            if count > 0 && !buddy.has_block(order, &[mobility]) {
                break;
            }
            let size = most(wanted - count);
            let least = if buddy.lists_block(size, mobility) { size } else { order };
            let Some(block) = buddy.take(&self.frames, &zone.counts, mobility, least, size) else {
                break;
            };
            count += block.1.pages() >> order.as_u32();
            taken.push(block);
        }
        let head = Head::stacked(order, class);
        let first = taken.first()?.0;
        for (index, (pfn, size)) in taken.iter().enumerate().rev() {
            let blocks = size.pages() >> order.as_u32();
            // The very first is the caller's.
            let from = u32::from(index == 0);
            stacks.current.fill(&self.frames, head, order, *pfn, from..blocks);
        }
        self.frames.at(first).set_head(head.toggle_stacked());
        Some(first)
    }

    /// Does what is asked of this CPU's stacks: empties them, and gives them the room that they should
    /// have. Every way to the zones begins with it, interrupts masked.
    #[inline]
    pub(super) fn settle(&self, stacks: CpuStacks<'_>) {
        if stacks.is_asked() {
            self.settle_asked(stacks);
        }
    }

    #[cold]
    fn settle_asked(&self, stacks: CpuStacks<'_>) {
        let asked = stacks.take_asked();
        if asked.has(Asked::DRAIN) || asked.has(Asked::ROOM) {
            self.empty_stacks(stacks);
        }
        if asked.has(Asked::ROOM) {
            // One look for all of a zone's stacks.
            let rooms = self.zones.each_ref().map(Zone::room);
            for class in classes() {
                let room = self.first_zone(class).map_or(0, |zone| rooms[zone.kind().index()]);
                for (id, _, shift) in stack_ids(class) {
                    let less = if room > 0 { (room >> shift).max(1) } else { 0 };
                    stacks.set_room(id, less);
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

/// Is this the second try of an urgent request of several pages, which what is set aside is for?
const fn is_urgent(request: &Request, mark: Mark) -> bool {
    matches!(mark, Mark::Min) && request.is_urgent() && request.order.as_u32() > 0
}
