//! The areas of a region, by address.
//!
//! A gap needs no record: it belongs to the area behind it. So placing an area divides a gap, removing one joins
//! two, and neither needs memory. Behind the last area stands a *sentinel*, an empty area at the region's end
//! that is there from the beginning, so that each gap has an owner and each area a successor.
//!
//! Invariants, which [`validate`](AreaTree::validate) checks: areas are in order, and each ends a guard page at least
//! before the next begins (A3); the gaps are what lies between; summaries are what
//! `balance` says, and what is not marked is as [`aligned`](super::aligned) says.

use core::fmt;

use super::Words;
use super::balance::{adopt, best, furthest, next, replace, settle, sum_up, summary};
use super::record::{AreaId, AreaKind, Fields, GAP, LEFT, NONE, PARENT, RIGHT, START, SUMMARY};
use super::search::{Found, Search};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::prot::MemoryType;

/// Bytes behind each area that are never mapped: one page.
pub const GUARD_BYTES: u32 = PAGE_SIZE;

/// What an area should be like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// Bytes, without the guard page: whole pages, at least one.
    pub bytes: u32,
    /// log2 of the alignment of its start. Less than a page is a page.
    pub align_shift: u32,
    /// Where it must lie, guard page included.
    pub within: VirtRange,
}

/// No gap fits. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoHole {
    /// What was asked for.
    pub want: Want,
}

impl fmt::Display for NoHole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Want { bytes, align_shift, within } = self.want;
        write!(f, "no gap for {bytes} bytes at a multiple of 2^{align_shift} in {within}")
    }
}

impl core::error::Error for NoHole {}

/// The areas of one region.
#[derive(Debug)]
pub struct AreaTree {
    region: VirtRange,
    pub(super) root: u32,
    pub(super) sentinel: u32,
    areas: u32,
    free: u32,
}

impl AreaTree {
    /// A region, whole pages, all of which is free. `sentinel` is a record that nobody else uses, and stays the tree's.
    #[must_use]
    pub fn new(words: &impl Words, region: VirtRange, sentinel: AreaId) -> Self {
        let (at, end) = (sentinel.at(), region.end().as_u32());
        for side in [LEFT, RIGHT, PARENT] {
            words.set(at, side, NONE);
        }
        words.set(at, START, end);
        words.set_end(at, end);
        sentinel.describe(words, AreaKind::Vmap, MemoryType::WriteBack, 0, None);
        words.set(at, GAP, region.len());
        sum_up(words, at);
        Self { region, root: at, sentinel: at, areas: 0, free: region.len() }
    }

    /// The region.
    #[must_use]
    pub const fn region(&self) -> VirtRange {
        self.region
    }

    /// How many areas there are.
    #[must_use]
    pub const fn areas(&self) -> u32 {
        self.areas
    }

    /// Bytes that belong to no area and to no guard page.
    #[must_use]
    pub const fn free_bytes(&self) -> u32 {
        self.free
    }

    /// Bytes of the largest gap.
    #[must_use]
    pub fn largest_gap(&self, words: &impl Words) -> u32 {
        best(summary(words, self.root))
    }

    /// Gives `area`, a record in no tree, the lowest addresses that fit, and says which.
    ///
    /// As many steps as the tree is high, see `search`, and with an alignment above a page's one
    /// for each mark that changes have left.
    ///
    /// # Errors
    ///
    /// [`NoHole`] when nothing fits, which includes sizes and alignments that can never.
    pub fn place(
        &mut self,
        words: &impl Words,
        area: AreaId,
        want: &Want,
    ) -> Result<VirtRange, NoHole> {
        let no_hole = NoHole { want: *want };
        let bytes = want.bytes.checked_add(GUARD_BYTES).ok_or(no_hole)?;
        if want.align_shift >= u32::BITS || want.bytes == 0 || !is_whole_pages(want.bytes) {
            return Err(no_hole);
        }
        let search = Search {
            bytes,
            shift: want.align_shift.max(PAGE_SHIFT),
            low: want.within.start().as_u32(),
            high: want.within.end().as_u32(),
        };
        let found = search.run(words, self.root).ok_or(no_hole)?;
        Ok(self.insert(words, area, found, want.bytes))
    }

    /// Takes an area out, so that its addresses, and those of its guard page, are free. Its record is the
    /// caller's again. Can not fail.
    pub fn remove(&mut self, words: &impl Words, area: AreaId) {
        let at = area.at();
        let behind = next(words, at);
        let gap_start = words.gap_start(at);
        let freed = words.end(at) + GUARD_BYTES - words.get(at, START);
        let (left, right) = (words.get(at, LEFT), words.get(at, RIGHT));
        let changed = if left != NONE && right != NONE {
            // Its successor, which has no left child, takes its place, and for now its summary.
            let parent = words.get(behind, PARENT);
            let changed = if parent == at {
                behind
            } else {
                adopt(words, parent, LEFT, words.get(behind, RIGHT));
                adopt(words, behind, RIGHT, right);
                parent
            };
            adopt(words, behind, LEFT, left);
            replace(words, &mut self.root, at, behind);
            words.set(behind, SUMMARY, words.get(at, SUMMARY));
            changed
        } else {
            let child = if left == NONE { right } else { left };
            replace(words, &mut self.root, at, child);
            words.get(at, PARENT)
        };
        words.set(behind, GAP, words.get(behind, START) - gap_start);
        settle(words, &mut self.root, changed);
        settle(words, &mut self.root, behind);
        self.areas -= 1;
        self.free += freed;
    }

    /// Moves the end of an area, which takes from the gap behind it, or gives to it.
    ///
    /// # Errors
    ///
    /// [`NoHole`] when the gap is too small. An end that is not a whole page above the start never fits.
    pub fn resize(
        &mut self,
        words: &impl Words,
        area: AreaId,
        bytes: u32,
    ) -> Result<VirtRange, NoHole> {
        let at = area.at();
        let behind = next(words, at);
        let (start, old_end) = (words.get(at, START), words.end(at));
        let want = Want { bytes, align_shift: PAGE_SHIFT, within: area.range(words) };
        let no_hole = NoHole { want };
        let end = start.checked_add(bytes).ok_or(no_hole)?;
        let limit = words.get(behind, START) - GUARD_BYTES;
        if end > limit || bytes == 0 || !is_whole_pages(bytes) {
            return Err(no_hole);
        }
        words.set_end(at, end);
        words.set(behind, GAP, limit - end);
        self.free = self.free.wrapping_add(old_end).wrapping_sub(end);
        settle(words, &mut self.root, behind);
        Ok(area.range(words))
    }

    /// The area that holds an address; its guard page is no part of it.
    #[must_use]
    pub fn find(&self, words: &impl Words, virt: VirtAddr) -> Option<AreaId> {
        let virt = virt.as_u32();
        let mut at = self.root;
        while at != NONE {
            if virt < words.get(at, START) {
                at = words.get(at, LEFT);
            } else if virt < words.end(at) {
                return AreaId::some(at);
            } else {
                at = words.get(at, RIGHT);
            }
        }
        None
    }

    /// The area that starts at an address.
    #[inline]
    #[must_use]
    pub fn find_start(&self, words: &impl Words, virt: VirtAddr) -> Option<AreaId> {
        let mut at = self.root;
        while at != NONE {
            let start = words.get(at, START);
            if virt.as_u32() == start {
                // The sentinel starts where the region ends.
                return AreaId::some(at).filter(|_| at != self.sentinel);
            }
            let side = if virt.as_u32() < start { LEFT } else { RIGHT };
            at = words.get(at, side);
        }
        None
    }

    /// The areas that end above `from`, upwards. A walk that stops may go on at the end of the last one it saw, also
    /// if the tree has changed.
    pub fn iter_from<'w, W: Words>(
        &self,
        words: &'w W,
        from: VirtAddr,
    ) -> impl Iterator<Item = AreaId> + use<'w, W> {
        let sentinel = self.sentinel;
        let mut at = self.first_from(words, from);
        core::iter::from_fn(move || {
            let area = AreaId::some(at).filter(|_| at != sentinel)?;
            at = next(words, at);
            Some(area)
        })
    }

    /// All areas, upwards.
    pub fn iter<'w, W: Words>(&self, words: &'w W) -> impl Iterator<Item = AreaId> + use<'w, W> {
        self.iter_from(words, self.region.start())
    }

    /// The first node that ends above an address: perhaps the sentinel.
    fn first_from(&self, words: &impl Words, virt: VirtAddr) -> u32 {
        let (mut at, mut found) = (self.root, self.sentinel);
        while at != NONE {
            if words.end(at) > virt.as_u32() {
                found = at;
                at = words.get(at, LEFT);
            } else {
                at = words.get(at, RIGHT);
            }
        }
        found
    }

    /// Links a record in where its place was found.
    fn insert(&mut self, words: &impl Words, area: AreaId, found: Found, bytes: u32) -> VirtRange {
        let Found { before, start } = found;
        let (at, end) = (area.at(), start + bytes);
        let gap_start = words.gap_start(before);
        words.set(at, START, start);
        words.set_end(at, end);
        words.set(at, GAP, start - gap_start);
        words.set(at, LEFT, NONE);
        words.set(at, RIGHT, NONE);
        sum_up(words, at);
        words.set(before, GAP, words.get(before, START) - (end + GUARD_BYTES));
        let left = words.get(before, LEFT);
        let parent = if left == NONE {
            adopt(words, before, LEFT, at);
            before
        } else {
            let last = furthest(words, left, RIGHT);
            adopt(words, last, RIGHT, at);
            last
        };
        settle(words, &mut self.root, parent);
        settle(words, &mut self.root, before);
        self.areas += 1;
        self.free -= bytes + GUARD_BYTES;
        VirtRange::new(VirtAddr::new(start), VirtAddr::new(end))
    }
}

const fn is_whole_pages(bytes: u32) -> bool {
    bytes.is_multiple_of(PAGE_SIZE)
}
