//! The largest sizes that fit at an alignment: twelve numbers for each subtree, renewed when somebody asks.
//!
//! The largest gap says nothing of alignment. A search that knew no more would look at every gap that is
//! large enough, and find that an aligned start in it is too near its end. So each subtree has, for the alignments
//! from 8 KiB to 16 MiB, the largest size that an aligned start in one of its gaps leaves, in pages.
//!
//! Most requests do not ask for an alignment. They only mark what they change, and the path from there to the root:
//! `balance`. The first search that comes by a marked subtree computes it anew, and each mark is
//! computed once. Numbers stop at 65535 pages, which is 256 MiB: of gaps that large there are fifteen at most.

use super::Words;
use super::balance::MARK;
use super::record::{ALIGNED, ALIGNED_WORDS, Fields, LEFT, NONE, PARENT, RIGHT, START, SUMMARY};
use crate::addr::PAGE_SHIFT;

/// log2 of the least alignment that subtrees know of.
pub const FIRST_SHIFT: u32 = PAGE_SHIFT + 1;
/// log2 of the greatest.
pub const LAST_SHIFT: u32 = PAGE_SHIFT + 2 * ALIGNED_WORDS;
/// The number at which they stop.
pub const MOST_PAGES: u32 = u16::MAX as u32;

const _: () = assert!(LAST_SHIFT == 24);

/// `value` rounded up to a multiple of `1 << shift`; `None` past the end of the address space.
#[inline(always)]
pub(super) const fn align_up(value: u32, shift: u32) -> Option<u32> {
    let mask = (1 << shift) - 1;
    match value.checked_add(mask) {
        Some(sum) => Some(sum & !mask),
        None => None,
    }
}

/// Bytes between the first multiple of `1 << shift` in a gap and its end.
pub(super) fn room(start: u32, end: u32, shift: u32) -> u32 {
    align_up(start, shift).map_or(0, |start| end.saturating_sub(start))
}

/// The largest size that fits in a subtree at an alignment that subtrees know of, in pages, or
/// [`MOST_PAGES`]. Renews what is marked.
pub(super) fn best_pages(words: &impl Words, at: u32, shift: u32) -> u32 {
    if words.get(at, SUMMARY) & MARK != 0 {
        renew(words, at);
    }
    let index = shift - FIRST_SHIFT;
    let pair = words.get(at, ALIGNED + 4 * (index / 2));
    if index.is_multiple_of(2) { pair & 0xffff } else { pair >> 16 }
}

/// Computes all that is marked in a subtree, the lowest first.
fn renew(words: &impl Words, top: u32) {
    let is_marked = |at: u32| at != NONE && words.get(at, SUMMARY) & MARK != 0;
    let mut at = top;
    loop {
        let (left, right) = (words.get(at, LEFT), words.get(at, RIGHT));
        if is_marked(left) {
            at = left;
        } else if is_marked(right) {
            at = right;
        } else {
            for (number, pair) in (0..).zip(computed(words, at)) {
                words.set(at, ALIGNED + 4 * number, pair);
            }
            words.set(at, SUMMARY, words.get(at, SUMMARY) & !MARK);
            if at == top {
                return;
            }
            at = words.get(at, PARENT);
        }
    }
}

/// What the twelve numbers of a node should be, those of its children being right.
pub(super) fn computed(words: &impl Words, at: u32) -> [u32; ALIGNED_WORDS as usize] {
    let (start, end) = (words.gap_start(at), words.get(at, START));
    let (left, right) = (words.get(at, LEFT), words.get(at, RIGHT));
    core::array::from_fn(|number| {
        let number = number as u32;
        let shift = FIRST_SHIFT + 2 * number;
        let own = |shift| (room(start, end, shift) >> PAGE_SHIFT).min(MOST_PAGES);
        let (mut low, mut high) = (own(shift), own(shift + 1));
        for child in [left, right] {
            if child != NONE {
                let pair = words.get(child, ALIGNED + 4 * number);
                low = low.max(pair & 0xffff);
                high = high.max(pair >> 16);
            }
        }
        low | high << 16
    })
}
