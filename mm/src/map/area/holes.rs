//! The gaps of a region, for reports: each of them, and the largest at an alignment.

use super::Words;
use super::aligned::{LAST_SHIFT, MOST_PAGES, best_pages, room};
use super::balance::{best, next, summary};
use super::record::{Fields, LEFT, NONE, RIGHT, START};
use super::tree::{AreaTree, GUARD_BYTES};
use crate::addr::{PAGE_SHIFT, VirtAddr, VirtRange};

/// Addresses that nobody has, between two areas, or at an end of the region.
///
/// An area that takes all of it is a guard page shorter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hole {
    /// The addresses.
    pub range: VirtRange,
}

impl Hole {
    /// The largest area, in bytes, that fits at a multiple of `1 << align_shift`.
    #[must_use]
    pub fn largest_area(&self, align_shift: u32) -> u32 {
        let (start, end) = (self.range.start().as_u32(), self.range.end().as_u32());
        let shift = align_shift.clamp(PAGE_SHIFT, u32::BITS - 1);
        room(start, end, shift).saturating_sub(GUARD_BYTES)
    }
}

impl AreaTree {
    /// The gaps that are not empty and end above `from`, upwards. A walk that stops may go on at the end of the last
    /// one.
    pub fn holes_from<'w, W: Words>(
        &self,
        words: &'w W,
        from: VirtAddr,
    ) -> impl Iterator<Item = Hole> + use<'w, W> {
        let mut at = self.first_starting_above(words, from);
        core::iter::from_fn(move || {
            while at != NONE {
                let (start, end) = (words.gap_start(at), words.get(at, START));
                at = next(words, at);
                if start < end {
                    let range = VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
                    return Some(Hole { range });
                }
            }
            None
        })
    }

    /// All gaps, upwards.
    pub fn holes<'w, W: Words>(&self, words: &'w W) -> impl Iterator<Item = Hole> + use<'w, W> {
        self.holes_from(words, self.region().start())
    }

    /// The largest area, in bytes and without its guard page, that would fit now at a multiple of
    /// `1 << align_shift`.
    #[must_use]
    pub fn largest_area(&self, words: &impl Words, align_shift: u32) -> u32 {
        let gap = if align_shift <= PAGE_SHIFT {
            best(summary(words, self.root))
        } else {
            self.most_room(words, align_shift.min(u32::BITS - 1))
        };
        gap.saturating_sub(GUARD_BYTES)
    }

    /// The most bytes behind an aligned start in any gap.
    fn most_room(&self, words: &impl Words, shift: u32) -> u32 {
        let pages = best_pages(words, self.root, shift.min(LAST_SHIFT));
        if shift <= LAST_SHIFT && pages < MOST_PAGES {
            return pages << PAGE_SHIFT;
        }
        // The numbers do not reach so far. Few gaps are that large.
        self.holes(words)
            .map(|Hole { range }| room(range.start().as_u32(), range.end().as_u32(), shift))
            .max()
            .unwrap_or(0)
    }

    fn first_starting_above(&self, words: &impl Words, virt: VirtAddr) -> u32 {
        let (mut at, mut found) = (self.root, NONE);
        while at != NONE {
            if words.get(at, START) > virt.as_u32() {
                found = at;
                at = words.get(at, LEFT);
            } else {
                at = words.get(at, RIGHT);
            }
        }
        found
    }
}
