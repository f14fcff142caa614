//! The page allocator: the zones over one frame table.
//!
//! Every page that is neither reserved nor in a hole is in exactly one of two places: free in the
//! buddy of its zone, or allocated. So `managed = free + allocated` for each zone, and
//! `managed <= present <= spanned`; [`PageAllocator::validate`] checks it. A request names the
//! highest zone that it can use, and falls back downwards: HighMem, Normal, DMA.
//!
//! Nothing here sleeps, locks, or touches the pages themselves.

use super::error::{OutOfPages, ReleaseError, SpanError};
use super::span::{ZoneKind, ZoneSpan};
use super::watermark::Managed;
use crate::addr::{Order, Pfn, PfnRange};
use crate::frame::{Buddy, FrameTable, FreeError};

/// One zone: a span of frames, and the buddy of those that are free.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub struct Zone {
    kind: ZoneKind,
    span: PfnRange,
    present: u32,
    managed: u32,
    pub(super) buddy: Buddy,
}

impl Zone {
    fn new(span: &ZoneSpan) -> Self {
        Self {
            kind: span.kind,
            span: span.range,
            present: span.present,
            managed: 0,
            buddy: Buddy::new(span.kind.id()),
        }
    }

    /// Which zone this is.
    #[must_use]
    pub const fn kind(&self) -> ZoneKind {
        self.kind
    }

    /// Its frames from the first to the last, holes included; empty when there is no such zone.
    #[must_use]
    pub const fn span(&self) -> PfnRange {
        self.span
    }

    /// How many of its frames are memory, in pages.
    #[must_use]
    pub const fn present(&self) -> u32 {
        self.present
    }

    /// How many pages were handed to the allocator: all that are free or allocated.
    #[must_use]
    pub const fn managed(&self) -> u32 {
        self.managed
    }

    /// How many pages are free.
    #[must_use]
    pub const fn free_pages(&self) -> u32 {
        self.buddy.free_pages()
    }

    /// How many free blocks of exactly `order` there are.
    #[must_use]
    pub const fn free_blocks(&self, order: Order) -> u32 {
        self.buddy.free_blocks(order)
    }
}

/// All zones, and the descriptors of their frames.
pub struct PageAllocator<'a> {
    frames: FrameTable<'a>,
    zones: [Zone; ZoneKind::COUNT],
}

impl<'a> PageAllocator<'a> {
    /// Zones without a page yet: every frame is reserved until [`release`](Self::release).
    ///
    /// # Errors
    ///
    /// [`SpanError`] when the spans are out of order, overlap, reach beyond the frame table, or
    /// claim more frames than they have.
    pub fn new(
        frames: FrameTable<'a>,
        spans: &[ZoneSpan; ZoneKind::COUNT],
    ) -> Result<Self, SpanError> {
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
        Ok(Self { frames, zones: spans.each_ref().map(Zone::new) })
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

    /// Pages that each zone manages, for the [`watermark`](super::watermark) functions.
    #[must_use]
    pub fn managed(&self) -> Managed {
        self.zones.each_ref().map(Zone::managed)
    }

    /// How many pages of all zones are memory.
    #[must_use]
    pub fn present_pages(&self) -> u32 {
        self.zones.iter().map(Zone::present).sum()
    }

    /// How many pages all zones manage.
    #[must_use]
    pub fn managed_pages(&self) -> u32 {
        self.zones.iter().map(Zone::managed).sum()
    }

    /// How many pages of all zones are free.
    #[must_use]
    pub fn free_pages(&self) -> u32 {
        self.zones.iter().map(Zone::free_pages).sum()
    }

    /// Hands over reserved frames that nobody needs: at boot all free memory, later what only
    /// boot needed. A range may cross from one zone into another. Best called upwards: see
    /// [`Buddy::release`].
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] when a frame is in no zone or was handed over before, or when a zone
    /// would manage more pages than it has; then nothing has changed.
    pub fn release(&mut self, range: PfnRange) -> Result<(), ReleaseError> {
        let mut next = range.start();
        for zone in &self.zones {
            let part = zone.span.intersection(&range);
            if part.is_empty() {
                continue;
            }
            if part.start() != next {
                break;
            }
            let (kind, present) = (zone.kind, zone.present);
            let managed = zone.managed.saturating_add(part.len());
            if managed > present {
                return Err(ReleaseError::MoreThanPresent { kind, managed, present });
            }
            zone.buddy.check_release(&self.frames, part).map_err(ReleaseError::Frames)?;
            next = part.end();
        }
        if next != range.end() {
            return Err(ReleaseError::NoZone { pfn: next });
        }
        for zone in &mut self.zones {
            let part = zone.span.intersection(&range);
            if !part.is_empty() {
                zone.buddy.release(&mut self.frames, part).map_err(ReleaseError::Frames)?;
                zone.managed += part.len();
            }
        }
        Ok(())
    }

    /// Takes a block of `order` from `highest` or, when that has none, from the zones below it.
    /// The block starts at a multiple of its size; the pages hold whatever they held.
    ///
    /// # Errors
    ///
    /// [`OutOfPages`] when none of these zones has a block large enough.
    pub fn alloc(&mut self, highest: ZoneKind, order: Order) -> Result<Pfn, OutOfPages> {
        let Self { frames, zones } = self;
        let zones = zones.iter_mut().take(highest.index() + 1).rev();
        zones
            .filter_map(|zone| zone.buddy.alloc(frames, order))
            .next()
            .ok_or(OutOfPages { highest, order })
    }

    /// Takes a block of `order` from this zone only.
    ///
    /// # Errors
    ///
    /// [`OutOfPages`] when the zone has no block large enough.
    pub fn alloc_in(&mut self, kind: ZoneKind, order: Order) -> Result<Pfn, OutOfPages> {
        let zone = &mut self.zones[kind.index()];
        zone.buddy.alloc(&mut self.frames, order).ok_or(OutOfPages { highest: kind, order })
    }

    /// Gives back the block of `order` at `pfn`. Takes the same time whatever is free: the block's
    /// descriptor knows its zone.
    ///
    /// # Errors
    ///
    /// [`FreeError`] when no such block is allocated. Nothing has changed then: the frame stays
    /// where it was, so it is not handed out by mistake.
    pub fn free(&mut self, pfn: Pfn, order: Order) -> Result<(), FreeError> {
        // Where no block begins the zone reads as the first one's, whose buddy finds out the rest.
        let zone = self.frames.get(pfn).map_or(0, |page| page.zone().index());
        match self.zones.get_mut(zone) {
            Some(zone) => zone.buddy.free(&mut self.frames, pfn, order),
            None => Err(self.frames.why_not_free(pfn, order)),
        }
    }
}

#[cfg(test)]
mod tests;
