//! One zone at work: its frames, its buddy under a lock, and the levels that requests are held to.
//!
//! Whatever changes under the lock and is read without it is a counter of its own ([`Counts`], the
//! limits here), so that a test of the levels, or a report, waits for nobody.

use super::request::Request;
use super::span::{ZoneKind, ZoneSpan};
use super::watermark::{REQUEST_CLASSES, Watermarks};
use crate::addr::{Order, PfnRange};
use crate::frame::{Buddy, Counts};
use crate::sync::{AtomicBool, AtomicU8, AtomicU32, Lock, Ordering::Relaxed};

/// One zone: a span of frames, and the buddy of those that are free.
pub struct Zone {
    kind: ZoneKind,
    span: PfnRange,
    present: u32,
    managed: AtomicU32,
    pub(super) counts: Counts,
    /// `min`, `low`, `high`, in pages.
    marks: [AtomicU32; 3],
    /// Pages kept from requests, by the highest zone that a request could use.
    reserve: [AtomicU32; REQUEST_CLASSES],
    /// What a request's first try must leave, by the highest zone that it could use: the low watermark,
    /// what is kept from it, and what is set aside.
    gate: [AtomicU32; REQUEST_CLASSES],
    /// Pages in page blocks set aside for urgent requests: what the buddy says, for readers without
    /// the lock.
    high_atomic: AtomicU32,
    /// Blocks of order 0 that a CPU's stack in front of this zone has room for.
    room: AtomicU8,
    /// Fell below its low watermark, and has not been above the high one since: the CPUs' stacks in
    /// front of it have no room.
    is_short: AtomicBool,
    pub(super) buddy: Lock<Buddy>,
}

/// A level of free pages that a request must leave a zone with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// The low watermark: what the first try is held to.
    Low,
    /// The min watermark, or the part of it that an urgent request must leave.
    Min,
    /// None at all.
    Nothing,
}

impl Zone {
    pub(super) fn new(span: &ZoneSpan) -> Self {
        let zero = || AtomicU32::new(0);
        Self {
            kind: span.kind,
            span: span.range,
            present: span.present,
            managed: zero(),
            counts: Counts::new(),
            marks: core::array::from_fn(|_| zero()),
            reserve: core::array::from_fn(|_| zero()),
            gate: core::array::from_fn(|_| zero()),
            high_atomic: zero(),
            room: AtomicU8::new(0),
            is_short: AtomicBool::new(false),
            buddy: Lock::new(Buddy::new(span.kind.id(), span.range)),
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

    /// How many pages were handed to the allocator: all that are free, in stacks, or allocated.
    #[must_use]
    pub fn managed(&self) -> u32 {
        self.managed.load(Relaxed)
    }

    /// Under the zone's lock.
    pub(super) fn add_managed(&self, pages: u32) {
        self.managed.store(self.managed() + pages, Relaxed);
    }

    /// How many pages are free in the buddy: those in the CPUs' stacks do not count.
    #[must_use]
    pub fn free_pages(&self) -> u32 {
        self.counts.free_pages()
    }

    /// The counters of free blocks.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The levels of free pages.
    #[must_use]
    pub fn watermarks(&self) -> Watermarks {
        let [min, low, high] = self.marks.each_ref().map(|mark| mark.load(Relaxed));
        Watermarks { min, low, high }
    }

    /// Pages kept from requests, by the highest zone that a request could use.
    #[must_use]
    pub fn reserve(&self) -> [u32; REQUEST_CLASSES] {
        self.reserve.each_ref().map(|pages| pages.load(Relaxed))
    }

    /// Pages in page blocks that are set aside for urgent requests of several pages.
    #[must_use]
    pub fn high_atomic_pages(&self) -> u32 {
        self.high_atomic.load(Relaxed)
    }

    /// Publishes what the buddy says. Under the zone's lock.
    pub(super) fn note_high_atomic(&self, buddy: &Buddy) {
        self.high_atomic.store(buddy.high_atomic_pages(), Relaxed);
        self.set_gate();
    }

    fn set_gate(&self) {
        let low = self.watermarks().low.saturating_add(self.high_atomic_pages());
        for (gate, kept) in self.gate.iter().zip(self.reserve()) {
            gate.store(low.saturating_add(kept), Relaxed);
        }
    }

    /// Would the zone be above its low watermark, as far as requests up to `highest` are concerned, without
    /// a block of `order`? What [`above`](Self::above) asks with [`Mark::Low`], in few instructions. A
    /// zone without memory is not.
    #[inline(always)]
    pub(super) fn is_above_low(&self, highest: ZoneKind, order: Order) -> bool {
        let gate = self.gate[highest.index()].load(Relaxed);
        self.free_pages() > gate.saturating_add(order.pages() - 1)
    }

    /// Sets the levels.
    pub(super) fn set_limits(&self, marks: &Watermarks, reserve: &[u32; REQUEST_CLASSES]) {
        for (place, pages) in self.marks.iter().zip([marks.min, marks.low, marks.high]) {
            place.store(pages, Relaxed);
        }
        for (place, pages) in self.reserve.iter().zip(reserve) {
            place.store(*pages, Relaxed);
        }
        self.set_gate();
    }

    /// Blocks of order 0 that a CPU's stack in front of this zone should have room for now.
    pub(super) fn room(&self) -> u8 {
        if self.is_short() { 0 } else { self.room.load(Relaxed) }
    }

    pub(super) fn set_room(&self, room: u8) {
        self.room.store(room, Relaxed);
    }

    /// Has it fallen below its low watermark, and not been above the high one since?
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Relaxed)
    }

    pub(super) fn set_short(&self, is_short: bool) {
        self.is_short.store(is_short, Relaxed);
    }

    /// How many pages more than the request asks for the zone could give before it falls to the level
    /// that the request must leave; `None` when it is there already. Linux's `__zone_watermark_ok`,
    /// but for the question whether a block is large enough.
    pub(super) fn above(&self, request: &Request, mark: Mark) -> Option<u32> {
        let mut usable = self.free_pages().checked_sub(request.order.pages() - 1)?;
        if mark == Mark::Nothing {
            return Some(usable);
        }
        let gfp = request.gfp;
        let [min, low, _] = &self.marks;
        let mut level = low.load(Relaxed);
        if mark == Mark::Min {
            level = min.load(Relaxed);
            if gfp.min_reserve() {
                level -= level / 2;
                if gfp.non_blocking_high() {
                    level -= level / 4;
                }
            }
        }
        // What is set aside is there for those that may use reserves.
        if mark == Mark::Low || !gfp.min_reserve() {
            usable = usable.checked_sub(self.high_atomic_pages())?;
        }
        let kept = level.checked_add(self.reserve[request.highest.index()].load(Relaxed))?;
        usable.checked_sub(kept).filter(|above| *above > 0)
    }
}
