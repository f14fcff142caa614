//! Which device memory is mapped, how, and by whom; and which TLBs may still know of.
//!
//! T4 of `docs/model.md`: no frame has two types at once. So a range stays in this index until its last mapping has
//! been *flushed*, not only unmapped. One record stands for a range and a type: for the area that maps it, if any,
//! and for those that mapped it and wait. Who maps the same registers again and again finds it, and changes two
//! words.
//!
//! ```text
//!            claim, bind             let go: the last user          flush
//! (nothing) ────────────▶ mapped ─────────────────────────▶ waits ────────▶ (nothing)
//!                           ▲                                 │ │
//!                           └────── claimed, the same type ───┘ └── claimed, another type: flushed at once,
//!                                                                   out of the tree; spare with the batch
//! ```
//!
//! Invariants: ranges in the tree that meet have one type; a record in the tree has an area, or areas wait for it; a
//! live area's note names its record, a waiting one's caller does, and as many as do are counted there.
//!
//! Context: under the region's lock. It allocates nothing: who is about to map brings a record.

use super::record::{IoId, NONE};
use super::tree::IoTree;
use crate::addr::PfnRange;
use crate::map::area::{AreaId, AreaState, Words};
use crate::map::prot::MemoryType;

/// The ranges.
#[derive(Debug)]
pub(in crate::map) struct IoIndex {
    tree: IoTree,
    spare: u32,
    spares: u32,
}

/// How a range stands to what is mapped.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nothing of another type meets it. There may be a record of just this range and type, without an area.
    Free(Option<IoId>),
    /// It is part of a live mapping of the same type.
    Mapped(IoId, AreaId),
    /// Part of it is mapped with another type.
    Conflict(IoId),
    /// Part of it had another type, and TLBs may still know.
    Stale(IoId),
}

impl IoIndex {
    pub(in crate::map) const fn new() -> Self {
        Self { tree: IoTree::new(), spare: NONE, spares: 0 }
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
        let mut found = Standing::Free(None);
        for io in self.tree.meeting(words, frames) {
            let Some(area) = io.area(words) else {
                if !io.is_memory(words, memory) {
                    return Standing::Stale(io);
                }
                if io.start(words) == start
                    && io.end(words) == end
                    && matches!(found, Standing::Free(_))
                {
                    found = Standing::Free(Some(io));
                }
                continue;
            };
            if !io.is_memory(words, memory) {
                return Standing::Conflict(io);
            }
            let has_all = io.start(words) <= start && end <= io.end(words);
            // One that is being made or unmapped is nobody else's to use: there will be two.
            if has_all && area.state(words) == AreaState::Live {
                found = Standing::Mapped(io, area);
            }
        }
        found
    }

    /// Has `area` map a range: one of the tree that waits, or one whose record was
    /// [described](IoId::describe) just now.
    #[inline(always)]
    pub(super) fn bind(&mut self, words: &impl Words, io: IoId, area: AreaId, caller: u32) {
        io.set_area(words, area, caller);
        area.set_note(words, io.record().as_u32());
        if !io.is_listed(words) {
            io.set_listed(words);
            self.tree.insert(words, io);
        }
    }

    /// A range's area did not come to be mapped.
    pub(super) fn unbind(&mut self, words: &impl Words, io: IoId) {
        io.set_no_area(words);
        self.drop_unused(words, io);
    }

    /// A range's area has been unmapped, and is about to wait for a flush.
    #[inline(always)]
    pub(super) fn retire(&mut self, words: &impl Words, io: IoId, area: AreaId) {
        io.set_no_area(words);
        io.set_waiting(words, io.waiting(words) + 1);
        area.set_caller(words, io.record().as_u32());
    }

    /// All TLBs have forgotten a range that has no area: it may be mapped with another type. Areas that wait for it
    /// still do.
    pub(super) fn forget(&mut self, words: &impl Words, io: IoId) {
        self.tree.remove(words, io);
        io.set_unlisted(words);
    }

    /// An area that waited has been flushed.
    pub(in crate::map) fn flushed(&mut self, words: &impl Words, area: AreaId) {
        let io = IoId::from_word(area.caller(words));
        io.set_waiting(words, io.waiting(words) - 1);
        self.drop_unused(words, io);
    }

    /// Makes a record spare that stands for nothing.
    fn drop_unused(&mut self, words: &impl Words, io: IoId) {
        if io.area(words).is_none() && io.waiting(words) == 0 {
            if io.is_listed(words) {
                self.forget(words, io);
            }
            self.give_spare(words, io);
        }
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

    /// Takes the memory of a record, if more than `most` are kept.
    pub(in crate::map) fn take_surplus(&mut self, words: &impl Words, most: u32) -> Option<AreaId> {
        if self.spares <= most {
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
            let area = io.area(words);
            let is_named = |area: AreaId| area.note(words) == io.record().as_u32();
            let is_used = area.map_or(io.waiting(words) > 0, is_named);
            let mut met = self.tree.meeting(words, io.frames(words));
            if !is_used || met.any(|other| other.memory(words) != io.memory(words)) {
                return Err(io);
            }
        }
        Ok(ranges)
    }
}
