//! Which device memory is mapped, how, and by whom; and which TLBs may still know of.
//!
//! T4 of `docs/model.md`: no frame has two types at once. So a range stays in this index until its mapping has been
//! *flushed*, not only unmapped. One record stands for a range and a type, and for the area that maps it or has mapped
//! it and waits.
//!
//! Who maps the same registers again and again finds the area that waits, and **revives** it: the same entries at the
//! same addresses. What a TLB may still hold of them says the same thing, frame, type and size, so no flush comes
//! between. This is no break before make: there never is another word (*ARM DDI 0406C, B3.10.1*).
//!
//! ```text
//!            claim, bind             wait: the last user            flush
//! (nothing) ────────────▶ mapped ─────────────────────────▶ waits ────────▶ (nothing)
//!                           ▲                                 │ │
//!                           └─── revived: this very range ────┘ └── claimed with another type: flushed at once,
//!                                       and type                    out of the tree; spare with the batch
//! ```
//!
//! Invariants: ranges in the tree that meet have one type; a record in the tree has an area, and a live one's note names
//! its record; those that wait with the batch that is not taken yet are on the list; no hint names a record outside the
//! tree, and two that meet in the tree are marked.
//!
//! Context: under the region's lock. It allocates nothing: who is about to map brings a record.

use super::record::{IoId, NEXT, NONE, PREVIOUS};
use super::tree::IoTree;
use crate::addr::PfnRange;
use crate::map::area::{AreaId, AreaState, Words};
use crate::map::prot::MemoryType;

/// Where a range that waits is looked for first: by the lowest bits of its first frame's number.
const HINTS: usize = 16;

/// The ranges.
#[derive(Debug)]
pub(in crate::map) struct IoIndex {
    tree: IoTree,
    /// The first of those that wait, and the number of the batch that they will be flushed with.
    waiting: u32,
    batch: u32,
    spare: u32,
    spares: u32,
    hints: [u32; HINTS],
}

/// How a range stands to what is mapped.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nothing of another type meets it.
    Free,
    /// As `Free`; this area has mapped just this range, and waits.
    Waits(IoId, AreaId),
    /// It is part of a live mapping of the same type.
    Mapped(IoId, AreaId),
    /// Part of it is mapped with another type.
    Conflict(IoId),
    /// Part of it had another type, and TLBs may still know.
    Stale(IoId),
}

/// Ranges whose areas are to be flushed together, out of reach for everybody else.
#[derive(Debug)]
pub(in crate::map) struct IoBatch {
    first: u32,
}

impl IoBatch {
    pub(in crate::map) const EMPTY: Self = Self { first: NONE };

    /// Their areas.
    pub(in crate::map) fn areas<'w, W: Words>(
        &self,
        words: &'w W,
    ) -> impl Iterator<Item = AreaId> + use<'w, W> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            let io = if next == NONE { return None } else { IoId(next) };
            next = io.get(words, NEXT);
            io.area(words)
        })
    }

    /// Takes the area of one of them, which from now on names its record as its caller, and can be put on lists.
    pub(in crate::map) fn pop(&mut self, words: &impl Words) -> Option<AreaId> {
        if self.first == NONE {
            return None;
        }
        let io = IoId(self.first);
        self.first = io.get(words, NEXT);
        let area = io.area(words)?;
        area.set_caller(words, io.record().as_u32());
        Some(area)
    }
}

impl IoIndex {
    pub(in crate::map) const fn new() -> Self {
        Self {
            tree: IoTree::new(),
            waiting: NONE,
            batch: 1,
            spare: NONE,
            spares: 0,
            hints: [NONE; HINTS],
        }
    }

    /// How `frames`, to be mapped with this type, stand to all others.
    #[inline(always)]
    pub(super) fn standing(
        &self,
        words: &impl Words,
        frames: PfnRange,
        memory: MemoryType,
    ) -> Standing {
        let (start, end) = (frames.start().as_u32(), frames.end().as_u32());
        let mut found = Standing::Free;
        for io in self.tree.meeting(words, frames) {
            let Some(area) = io.area(words) else { continue };
            let state = area.state(words);
            if !io.is_memory(words, memory) {
                let waits = state == AreaState::Waiting;
                return if waits { Standing::Stale(io) } else { Standing::Conflict(io) };
            }
            let has_all = io.start(words) <= start && end <= io.end(words);
            // One that is being made or unmapped is nobody else's to use: there will be two.
            if has_all && state == AreaState::Live {
                found = Standing::Mapped(io, area);
            } else if matches!(found, Standing::Free)
                && io.waits_with(words, self.batch)
                && io.start(words) == start
                && io.end(words) == end
            {
                found = Standing::Waits(io, area);
            }
        }
        found
    }

    /// The range that waits and is just this one, if it is at hand, and no other can be meant: none meets it.
    #[inline(always)]
    pub(super) fn find_waiting(
        &self,
        words: &impl Words,
        frames: PfnRange,
        memory: MemoryType,
    ) -> Option<(IoId, AreaId)> {
        let at = self.hints[hint(frames.start().as_u32())];
        if at == NONE {
            return None;
        }
        let io = IoId(at);
        let is_it = io.waits_with(words, self.batch) && io.is_alone_with(words, frames, memory);
        if is_it { io.area(words).map(|area| (io, area)) } else { None }
    }

    /// Has `area` map a range, whose record was [described](IoId::describe) just now.
    #[inline(always)]
    pub(super) fn bind(&mut self, words: &impl Words, io: IoId, area: AreaId, caller: u32) {
        io.set_area(words, area, caller);
        area.set_note(words, io.record().as_u32());
        for other in self.tree.meeting(words, io.frames(words)) {
            other.set_met(words);
            io.set_met(words);
        }
        io.set_listed(words);
        self.tree.insert(words, io);
    }

    /// A range's area did not come to be mapped, and is the caller's.
    pub(super) fn unbind(&mut self, words: &impl Words, io: IoId) {
        if io.is_listed(words) {
            self.forget(words, io);
        }
        io.set_no_area(words);
        self.give_spare(words, io);
    }

    /// A range has been unmapped, and its area waits for a flush from now on.
    #[inline(always)]
    pub(in crate::map) fn wait(&mut self, words: &impl Words, io: IoId) {
        io.set_batch(words, self.batch);
        io.set(words, NEXT, self.waiting);
        io.set(words, PREVIOUS, NONE);
        if self.waiting != NONE {
            IoId(self.waiting).set(words, PREVIOUS, io.0);
        }
        self.waiting = io.0;
        debug_assert!(io.is_listed(words), "it waited already");
        self.hints[hint(io.start(words))] = io.0;
    }

    /// A range that waits with the batch that is not taken yet does not wait any more: it is about to be mapped as it
    /// was, for one user.
    #[inline(always)]
    pub(in crate::map) fn revive(&mut self, words: &impl Words, io: IoId, caller: u32) {
        let (next, previous) = (io.get(words, NEXT), io.get(words, PREVIOUS));
        if previous == NONE {
            self.waiting = next;
        } else {
            IoId(previous).set(words, NEXT, next);
        }
        if next != NONE {
            IoId(next).set(words, PREVIOUS, previous);
        }
        io.set_no_batch(words);
        io.set_user(words, caller);
    }

    /// Takes all that wait, for a flush. Nobody can revive them any more.
    pub(in crate::map) fn take_waiting(&mut self) -> IoBatch {
        let first = core::mem::replace(&mut self.waiting, NONE);
        // 0 is no batch. That one is still being flushed after 2^32 others does not happen.
        self.batch = self.batch.checked_add(1).unwrap_or(1);
        IoBatch { first }
    }

    /// All TLBs have forgotten a range that waits: it may be mapped with another type. Its area still waits.
    pub(super) fn forget(&mut self, words: &impl Words, io: IoId) {
        let place = &mut self.hints[hint(io.start(words))];
        if *place == io.0 {
            *place = NONE;
        }
        self.tree.remove(words, io);
        io.set_unlisted(words);
    }

    /// An area that waited has been flushed.
    pub(in crate::map) fn flushed(&mut self, words: &impl Words, area: AreaId) {
        self.unbind(words, IoId::from_word(area.caller(words)));
    }

    /// Keeps a record that stands for nothing, and is in no tree.
    pub(super) fn give_spare(&mut self, words: &impl Words, io: IoId) {
        io.set_next(words, self.spare);
        self.spare = io.0;
        self.spares += 1;
    }

    /// Takes a record that was kept.
    #[inline(always)]
    pub(super) fn take_spare(&mut self, words: &impl Words) -> Option<IoId> {
        if self.spare == NONE {
            return None;
        }
        let io = IoId(self.spare);
        self.spare = io.next(words);
        self.spares -= 1;
        Some(io)
    }

    /// Are more than `most` records kept?
    pub(in crate::map) const fn has_surplus(&self, most: u32) -> bool {
        self.spares > most
    }

    /// Takes the memory of a record, if more than `most` are kept.
    pub(in crate::map) fn take_surplus(&mut self, words: &impl Words, most: u32) -> Option<AreaId> {
        if !self.has_surplus(most) {
            return None;
        }
        self.take_spare(words).map(|io| AreaId::new(io.record()))
    }

    /// All ranges, by their first frames.
    pub(super) fn iter(&self, words: &impl Words) -> impl Iterator<Item = IoId> {
        self.tree.iter(words)
    }

    /// Checks the invariants; for tests, and for whoever looks at a machine. Returns the number of ranges, or the one
    /// that something is wrong with.
    pub(super) fn validate(&self, words: &impl Words) -> Result<u32, IoId> {
        let ranges = self.tree.validate(words)?;
        for io in self.iter(words) {
            let is_named = |area: AreaId| match area.state(words) {
                // In flight, it may be on a list.
                AreaState::Waiting if !io.waits_with(words, self.batch) => true,
                _ => area.note(words) == io.record().as_u32(),
            };
            let mut met = self.tree.meeting(words, io.frames(words)).filter(|other| *other != io);
            let is_wrong = |other: IoId| {
                other.memory(words) != io.memory(words)
                    || io.is_alone_with(words, io.frames(words), io.memory(words))
            };
            if !io.area(words).is_some_and(is_named) || met.any(is_wrong) {
                return Err(io);
            }
        }
        let mut previous = NONE;
        let mut at = self.waiting;
        while at != NONE {
            let io = IoId(at);
            if io.get(words, PREVIOUS) != previous || !io.waits_with(words, self.batch) {
                return Err(io);
            }
            (previous, at) = (at, io.get(words, NEXT));
        }
        for at in self.hints.into_iter().filter(|at| *at != NONE) {
            if !IoId(at).is_listed(words) {
                return Err(IoId(at));
            }
        }
        Ok(ranges)
    }
}

#[inline(always)]
const fn hint(start: u32) -> usize {
    start as usize % HINTS
}
