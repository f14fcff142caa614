//! The lowest gap that fits: first fit by address, as in Linux, but never past a gap that fits exactly.
//!
//! In the order of addresses, but only where a subtree says that something may fit. With a page's alignment, and
//! without a border, what it says is exact, and the search goes straight down. It goes wrong, and turns back, only
//! for gaps that a border cuts, of which there are two; for alignments above 16 MiB and sizes above 256 MiB, of
//! which the address space holds 256.

use super::Words;
use super::aligned::{self, LAST_SHIFT, MOST_PAGES, best_pages};
use super::balance::{best, summary};
use super::record::{Fields, GAP, LEFT, NONE, PARENT, RIGHT, START};
use crate::addr::PAGE_SHIFT;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Bytes, guard page included.
    pub bytes: u32,
    /// log2 of the alignment, from [`PAGE_SHIFT`] to 31.
    pub shift: u32,
    /// From this address on.
    pub low: u32,
    /// Up to this.
    pub high: u32,
}

/// A place in the gap before an area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    /// The area behind the gap.
    pub before: u32,
    /// Where the new one starts.
    pub start: u32,
}

impl Search {
    /// May something fit in a subtree? Only a node's own gap says so for certain.
    fn may_fit(&self, words: &impl Words, at: u32) -> bool {
        if best(summary(words, at)) < self.bytes {
            return false;
        }
        let pages = (self.bytes >> PAGE_SHIFT).min(MOST_PAGES);
        self.shift == PAGE_SHIFT || best_pages(words, at, self.shift.min(LAST_SHIFT)) >= pages
    }

    /// The start of what fits in a gap.
    fn fit(&self, start: u32, end: u32) -> Option<u32> {
        let start = aligned::align_up(start.max(self.low), self.shift)?;
        (end.min(self.high).saturating_sub(start) >= self.bytes).then_some(start)
    }

    /// The lowest place in the tree.
    pub(super) fn run(&self, words: &impl Words, root: u32) -> Option<Found> {
        let mut at = root;
        if !self.may_fit(words, at) {
            return None;
        }
        loop {
            // Down to the lowest gap that may fit. What is left of one that starts below the border is out.
            loop {
                let left = words.get(at, LEFT);
                if left == NONE || words.gap_start(at) <= self.low || !self.may_fit(words, left) {
                    break;
                }
                at = left;
            }
            // Up from there, until something fits, or may fit further down.
            loop {
                let end = words.get(at, START);
                let start = end - words.get(at, GAP);
                if let Some(start) = self.fit(start, end) {
                    return Some(Found { before: at, start });
                }
                if start >= self.high {
                    return None;
                }
                let right = words.get(at, RIGHT);
                if right != NONE && self.may_fit(words, right) {
                    at = right;
                    break;
                }
                at = first_ancestor_behind(words, at)?;
            }
        }
    }
}

/// The first ancestor with a higher address: all that is below it on the left has been seen.
fn first_ancestor_behind(words: &impl Words, mut at: u32) -> Option<u32> {
    loop {
        let parent = words.get(at, PARENT);
        if parent == NONE {
            return None;
        }
        if words.get(parent, LEFT) == at {
            return Some(parent);
        }
        at = parent;
    }
}
