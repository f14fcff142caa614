//! The page allocator: the zones over one frame table, and each CPU's stacks before them.
//!
//! ```text
//! alloc ─▶ this CPU's stack ─┬─▶ a block
//!                            └ empty, or no request for a stack:
//!                     [take] ─▶ zones, highest first: level? stack? lock: refill, or a block
//!                            └ all below their low watermark:
//!                [slow_path] ─▶ empty the stacks, use reserves, shrink, wait, give up
//!
//! free  ─▶ this CPU's stack ─┬─▶ done
//!                            └ full, or no block for a stack:
//!                     [give] ─▶ references? debugging? lock: the spare stack, or the block
//! ```
//!
//! Every page that is neither reserved nor in a hole is in exactly one of four places: free in the buddy of
//! its zone, in a stack of some CPU, allocated (perhaps parked in a pool), or kept out since it is bad. So
//! `managed = free + stacked + allocated + bad` for each zone, and `managed <= present <= spanned`;
//! [`PageAllocator::validate`] checks it.
//!
//! Context: everything here may be called with interrupts on or off, and from a handler. A request
//! sleeps only if its flags allow it, and only in [`Platform::wait`]. Locks: a zone's, one at a time,
//! interrupts masked: for a few hundred instructions, and for as long as it takes to look at each page block
//! of a zone (runs above the largest order), at each page of one (stealing, [`PageBlock::split`]), or to
//! give back what one stack held (a full stack, [`PageAllocator::drain`]).
//!
//! [`PageBlock::split`]: super::PageBlock::split

use arrayvec::ArrayVec;

use super::debug::Debugging;
use super::error::{AllocError, NotFreed, ReleaseError, SpanError};
use super::figures::{MAX_CPUS, MemoryFigures, PerCpuFigures, ZoneFigures};
use super::gfp::Gfp;
use super::request::{NOT_QUICK, classes};
use super::shrink::Shrinkers;
use super::span::{ZoneKind, ZoneSpan};
use super::state::Zone;
use super::watermark::{
    Managed, lowmem_reserve, min_free_kbytes, pcp_batch, total_reserve, watermarks,
};
use crate::addr::{Order, Pfn, PfnRange};
use crate::frame::page_block;
use crate::frame::stack::{Asked, Behind, CpuStacks, Current};
use crate::frame::stack_word::{MAX_ROOM, StackId};
use crate::frame::{Class, FrameTable, FreeError, Mobility, Page};
use crate::platform::Platform;
use crate::sync::{AtomicU8, Ordering::Relaxed};

/// Combinations of the flags that name zones, which are the lowest three.
const ZONE_FLAGS: usize = 8;
/// The number of no zone.
const NO_ZONE: u8 = u8::MAX;

/// All zones, the descriptors of their frames, and the stacks of `CPUS` CPUs, a power of two.
///
/// What every request looks at comes first, where an offset fits an instruction.
#[repr(C)]
pub struct PageAllocator<'a, P, const CPUS: usize = 1> {
    current: [Current; CPUS],
    pub(super) frames: FrameTable<'a>,
    /// For each combination of the zone flags, the zone of first choice; none that there is for those that
    /// contradict each other.
    first_zone: [AtomicU8; ZONE_FLAGS],
    pub(super) behind: [Behind; CPUS],
    pub(super) zones: [Zone; ZoneKind::COUNT],
    pub(super) shrinkers: Shrinkers<'a>,
    pub(super) debug: Debugging<'a>,
    pub(super) platform: P,
}

impl<'a, P: Platform, const CPUS: usize> PageAllocator<'a, P, CPUS> {
    /// Zones without a page yet: every frame is reserved until [`release`](Self::release), and
    /// requests are slow until [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// [`SpanError`] when the spans are out of order, overlap, reach beyond the frame table, or
    /// claim more frames than they have.
    pub fn new(
        frames: FrameTable<'a>,
        spans: &[ZoneSpan; ZoneKind::COUNT],
        platform: P,
    ) -> Result<Self, SpanError> {
        const { assert!(CPUS.is_power_of_two() && CPUS <= MAX_CPUS) };
        check_spans(&frames, spans)?;
        Ok(Self {
            current: core::array::from_fn(|_| Current::new()),
            frames,
            first_zone: core::array::from_fn(|_| AtomicU8::new(NO_ZONE)),
            behind: core::array::from_fn(|_| Behind::new()),
            zones: spans.each_ref().map(Zone::new),
            shrinkers: Shrinkers::new(ArrayVec::new()),
            debug: Debugging::off(),
            platform,
        })
    }

    /// The zones, lowest first, those without a frame included.
    #[must_use]
    pub const fn zones(&self) -> &[Zone; ZoneKind::COUNT] {
        &self.zones
    }

    /// The zone of this kind.
    #[must_use]
    pub const fn zone(&self, kind: ZoneKind) -> &Zone {
        &self.zones[kind.index()]
    }

    /// The descriptors.
    #[must_use]
    pub const fn frames(&self) -> &FrameTable<'a> {
        &self.frames
    }

    /// The machine beneath.
    #[must_use]
    pub const fn platform(&self) -> &P {
        &self.platform
    }

    /// Pages that each zone manages, for the [`watermark`](super::watermark) functions.
    #[must_use]
    pub fn managed(&self) -> Managed {
        self.zones.each_ref().map(Zone::managed)
    }

    /// Hands over reserved frames that nobody needs: at boot all free memory, later what only
    /// boot needed. A range may cross from one zone into another. Best called upwards: see
    /// [`Buddy::release`](crate::frame::Buddy::release). Boot only, or one at a time: two calls with
    /// overlapping ranges must not run at once.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] when a frame is in no zone or was handed over before, or when a zone
    /// would manage more pages than it has; then nothing has changed.
    pub fn release(&self, range: PfnRange) -> Result<(), ReleaseError> {
        let mut next = range.start();
        for zone in &self.zones {
            let part = zone.span().intersection(&range);
            if part.is_empty() {
                continue;
            }
            if part.start() != next {
                break;
            }
            let (kind, present) = (zone.kind(), zone.present());
            let managed = zone.managed().saturating_add(part.len());
            if managed > present {
                return Err(ReleaseError::MoreThanPresent { kind, managed, present });
            }
            let _masked = self.platform.mask();
            let buddy = zone.buddy.lock(|| self.platform.contended());
            buddy.check_release(&self.frames, part).map_err(ReleaseError::Frames)?;
            next = part.end();
        }
        if next != range.end() {
            return Err(ReleaseError::NoZone { pfn: next });
        }
        for zone in &self.zones {
            let part = zone.span().intersection(&range);
            if !part.is_empty() {
                self.debug_release(part);
                let _masked = self.platform.mask();
                let mut buddy = zone.buddy.lock(|| self.platform.contended());
                let released = buddy.release(&self.frames, &zone.counts, part);
                released.map_err(ReleaseError::Frames)?;
                zone.add_managed(part.len());
            }
        }
        Ok(())
    }

    /// Boot has handed over what it has: computes the watermarks, opens the stacks, and lets requests
    /// be quick. May be called again when more memory has come.
    ///
    /// On a machine with several CPUs the others must not run yet, or take their stacks' new room from
    /// [`tick`](Self::tick).
    pub fn start(&self) {
        let managed = self.managed();
        let marks = watermarks(&managed, min_free_kbytes(&managed));
        let reserves = lowmem_reserve(&managed);
        let groups =
            u64::from(managed.iter().fold(0, |sum: u32, pages| sum.saturating_add(*pages)))
                >= u64::from(page_block::PAGES) * Mobility::COUNT as u64;
        let masked = self.platform.mask();
        for ((zone, marks), reserve) in self.zones.iter().zip(&marks).zip(&reserves) {
            zone.set_limits(marks, reserve);
            let batch = pcp_batch(zone.managed()).min(u32::from(MAX_ROOM) - 1) as u8;
            let room = if self.debug.is_on() || zone.managed() == 0 { 0 } else { batch + 1 };
            zone.set_room(room);
            zone.buddy.lock(|| self.platform.contended()).set_grouping(groups);
        }
        self.choose_first_zones();
        for behind in &self.behind {
            behind.ask(Asked::ROOM);
            // Every request is to come to where debugging looks at it.
            if self.debug.is_on() {
                behind.ask(Asked::CARE)
            } else {
                behind.ask_no_more(Asked::CARE)
            }
        }
        self.settle(self.stacks(&masked));
    }

    /// Takes a block of `order`, which starts at a multiple of its size. The pages hold whatever they
    /// held, unless the flags say otherwise. Who takes it gives it back with
    /// [`free_block`](Self::free_block).
    ///
    /// # Errors
    ///
    /// [`AllocError`] when the flags contradict each other, or when no zone that they allow has such a
    /// block and nobody can help.
    #[inline]
    pub(super) fn alloc_block(&self, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
        if !gfp.intersects(NOT_QUICK)
            && let Some(pfn) = self.take_at_hand(gfp, order)
        {
            return Ok(pfn);
        }
        self.alloc_from_zones(gfp, order)
    }

    /// The block on top of this CPU's stack for such requests, whose flags want nothing else.
    #[inline(always)]
    pub(crate) fn take_at_hand(&self, gfp: Gfp, order: Order) -> Option<Pfn> {
        let masked = self.platform.mask();
        let id = StackId::new(Class::of_flags(gfp.bits()), order);
        self.current(&masked).pop(&self.frames, id)
    }

    /// Gives back the block of `order` at `pfn`, or one reference to it. Takes the same time whatever is
    /// free: a block is found by its place in the table, and a list is never walked.
    ///
    /// # Errors
    ///
    /// [`NotFreed`] when no such block is allocated. Nothing has changed then: the frame stays
    /// where it was, so it is not handed out by mistake. The fault has been reported.
    #[inline]
    pub(crate) fn free_block(&self, pfn: Pfn, order: Order) -> Result<(), NotFreed> {
        let place = self.frames.place(pfn);
        if let Some(page) = self.frames.page(place) {
            let masked = self.platform.mask();
            let head = page.head();
            if head.is_sole(order) && self.current(&masked).push(page, place, head) {
                return Ok(());
            }
        }
        self.free_to_zones(pfn, order)
    }

    /// Gives back the block that begins at the frame of this descriptor, which is one of this allocator's, on the
    /// quick way. Says `false`, and has changed nothing, if that does not lead there: the block has had further
    /// references, or is none that is allocated, or the stack is full.
    #[inline]
    pub(crate) fn free_quickly(&self, page: &Page) -> bool {
        let place = self.frames.place_of(page);
        let masked = self.platform.mask();
        let head = page.head();
        head.is_sole_of_any_order() && self.current(&masked).push(page, place, head)
    }

    /// Why a block of `order` at `pfn` could not be given back now; what
    /// [`Report::WrongFree`](crate::platform::Report::WrongFree) said when it was tried.
    #[must_use]
    pub fn why_not_free(&self, pfn: Pfn, order: Order) -> FreeError {
        self.frames.why_not_free(pfn, order)
    }

    /// The current stacks of this CPU.
    #[inline(always)]
    pub(super) fn current(&self, masked: &P::Masked) -> &Current {
        let cpu = self.platform.cpu(masked);
        debug_assert!(cpu < CPUS, "CPU {cpu} of {CPUS}");
        // A power of two, so this is no bounds check.
        &self.current[cpu & (CPUS - 1)]
    }

    /// The stacks of this CPU, and what lies behind them.
    #[inline]
    pub(super) fn stacks(&self, masked: &P::Masked) -> CpuStacks<'_> {
        self.stacks_of(self.platform.cpu(masked) & (CPUS - 1))
    }

    fn stacks_of(&self, cpu: usize) -> CpuStacks<'_> {
        CpuStacks { current: &self.current[cpu], behind: &self.behind[cpu] }
    }

    /// The zone of first choice, whose blocks the stacks for such requests hold: the highest that they may
    /// use and that there is. `None` if there is none, and for flags that contradict each other.
    #[inline(always)]
    pub(super) fn first_zone(&self, gfp: Gfp) -> Option<&Zone> {
        let index = self.first_zone[gfp.bits() as usize % ZONE_FLAGS].load(Relaxed);
        self.zones.get(usize::from(index))
    }

    /// Which zone is of first choice. It stays so, though its memory may come later: what lies in stacks,
    /// or will come back to them, is where it is.
    fn choose_first_zones(&self) {
        for (flags, place) in self.first_zone.iter().enumerate() {
            let gfp = Gfp::from_bits_retain(flags as u32);
            let usable = ZoneKind::ALL.into_iter().rev().filter(|kind| *kind <= gfp.highest_zone());
            let first = usable.into_iter().find(|kind| !self.zone(*kind).span().is_empty());
            let first = first.filter(|_| gfp.check().is_ok());
            place.store(first.map_or(NO_ZONE, |kind| kind.index() as u8), Relaxed);
        }
    }

    /// The stacks that hold blocks of a zone, each with its order.
    pub(super) fn stacks_before(&self, zone: &Zone) -> impl Iterator<Item = (StackId, Order)> {
        let kind = zone.kind();
        let is_of =
            move |class: &Gfp| self.first_zone(*class).is_some_and(|zone| zone.kind() == kind);
        classes().filter(is_of).flat_map(|class| stack_ids(class).map(|(id, order, _)| (id, order)))
    }

    /// The zone that holds a frame.
    #[inline]
    pub(super) fn zone_of(&self, pfn: Pfn) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.span().contains(pfn))
    }

    /// The figures as they are now. Reads counters only, takes no lock and follows no list: while other
    /// CPUs work, or in the report of a crash, they may not all be of one moment.
    #[must_use]
    pub fn figures(&self) -> MemoryFigures {
        let managed = self.managed();
        let marks = self.zones.each_ref().map(Zone::watermarks);
        let reserves = self.zones.each_ref().map(Zone::reserve);
        MemoryFigures {
            zones: self.zones.each_ref().map(|zone| self.zone_figures(zone)),
            total_reserve: total_reserve(&managed, &marks, &reserves),
        }
    }

    fn zone_figures(&self, zone: &Zone) -> ZoneFigures {
        let mut per_cpu = [PerCpuFigures::EMPTY; MAX_CPUS];
        for (figures, stacks) in per_cpu.iter_mut().zip((0..CPUS).map(|cpu| self.stacks_of(cpu))) {
            let (mut count, mut high) = (0, 0);
            for (id, order) in self.stacks_before(zone) {
                count += stacks.len(id) * order.pages();
                // The stack and its spare.
                high += 2 * u32::from(stacks.room(id)) * order.pages();
            }
            *figures = PerCpuFigures { count, high, batch: pcp_batch(zone.managed()) };
        }
        ZoneFigures {
            kind: zone.kind(),
            span: zone.span(),
            present: zone.present(),
            managed: zone.managed(),
            free: zone.free_pages(),
            blocks: zone.counts.all_blocks(),
            watermarks: zone.watermarks(),
            reserve: zone.reserve(),
            high_atomic: zone.high_atomic_pages(),
            cpus: CPUS as u32,
            per_cpu,
        }
    }

    /// How many page blocks of each zone there are of each mobility: a page block counts for the zone that
    /// its first frame is in, as in Linux. Reads a byte for each.
    #[must_use]
    pub fn page_blocks(&self) -> [[u32; Mobility::COUNT]; ZoneKind::COUNT] {
        self.zones.each_ref().map(|zone| {
            let mut counts = [0; Mobility::COUNT];
            let span = zone.span();
            let first = span.start().as_u32().next_multiple_of(page_block::PAGES);
            for start in (first..span.end().as_u32()).step_by(page_block::PAGES as usize) {
                counts[self.frames.blocks().get(Pfn::new(start)).index()] += 1;
            }
            counts
        })
    }
}

/// The stacks of a class, each with its order, and what one of a zone's whole room is divided by: half
/// as many blocks for each order more, and a quarter for what is asked for by the way.
pub(super) fn stack_ids(class: Gfp) -> impl Iterator<Item = (StackId, Order, u32)> {
    let by_the_way = class.intersects(Gfp::__GFP_DMA.union(Gfp::__GFP_DMA32));
    let orders = Order::all().take_while(|order| *order <= Order::COSTLY);
    orders.map(move |order| {
        let id = StackId::new(Class::of_flags(class.bits()), order);
        (id, order, order.as_u32() + if by_the_way { 2 } else { 0 })
    })
}

fn check_spans(
    frames: &FrameTable<'_>,
    spans: &[ZoneSpan; ZoneKind::COUNT],
) -> Result<(), SpanError> {
    let mut below = Pfn::new(0);
    for (span, expected) in spans.iter().zip(ZoneKind::ALL) {
        let (kind, range) = (span.kind, span.range);
        if kind != expected {
            return Err(SpanError::WrongKind { expected, given: kind });
        }
        if span.present > range.len() {
            let (present, spanned) = (span.present, range.len());
            return Err(SpanError::TooManyPresent { kind, present, spanned });
        }
        if range.is_empty() {
            continue;
        }
        if range.start() < below {
            return Err(SpanError::Overlap { kind, start: range.start() });
        }
        if frames.range().intersection(&range) != range {
            return Err(SpanError::NotCovered { kind });
        }
        below = range.end();
    }
    Ok(())
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
