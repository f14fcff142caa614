//! The tree's shape: an AVL tree whose nodes sum up their subtrees.
//!
//! A node's summary is one word: the largest gap below it, its height, and a mark that its aligned bests are old
//! ([`aligned`](super::aligned)). It depends on the node's own gap and its two children's words. So a change
//! is carried upwards only as far as words change: above, all is as it was, and marked.
//!
//! Invariants: heights of siblings differ by one at most, so 2^20 areas are at most 29 deep; the parent of
//! a node that is marked is marked.

use super::Words;
use super::record::{Fields, GAP, LEFT, NONE, PARENT, RIGHT, SUMMARY};

/// The aligned bests of this subtree are not what they were.
pub(super) const MARK: u32 = 1 << 11;
const HEIGHT: u32 = 0xff;
const BEST: u32 = !0xfff;

/// The largest gap that a summary tells of, in bytes.
#[inline(always)]
pub(super) const fn best(summary: u32) -> u32 {
    summary & BEST
}

#[inline(always)]
pub(super) const fn height(summary: u32) -> u32 {
    summary & HEIGHT
}

/// The summary of a subtree that may be empty.
#[inline(always)]
pub(super) fn summary(words: &impl Words, at: u32) -> u32 {
    if at == NONE { 0 } else { words.get(at, SUMMARY) }
}

/// What the summary of a node should be, but for the mark.
pub(super) fn summed_up(words: &impl Words, at: u32) -> u32 {
    let left = summary(words, words.get(at, LEFT));
    let right = summary(words, words.get(at, RIGHT));
    let best = best(left).max(best(right)).max(words.get(at, GAP));
    best | (1 + height(left).max(height(right)))
}

/// Sums up a node, and marks it.
pub(super) fn sum_up(words: &impl Words, at: u32) {
    words.set(at, SUMMARY, summed_up(words, at) | MARK);
}

/// Something has changed in or below `at`: balances and sums up from there upwards, as far as it matters.
pub(super) fn settle(words: &impl Words, root: &mut u32, mut at: u32) {
    while at != NONE {
        let before = words.get(at, SUMMARY);
        let top = balance(words, root, at);
        if words.get(top, SUMMARY) == before {
            return;
        }
        at = words.get(top, PARENT);
    }
}

/// Balances one node, whose children are balanced. Returns what stands in its place then, summed up.
fn balance(words: &impl Words, root: &mut u32, at: u32) -> u32 {
    let (left, right) = (words.get(at, LEFT), words.get(at, RIGHT));
    let height_of = |at| height(summary(words, at));
    let (on_left, on_right) = (height_of(left), height_of(right));
    if on_left > on_right + 1 {
        if height_of(words.get(left, LEFT)) < height_of(words.get(left, RIGHT)) {
            rotate(words, root, left, RIGHT, LEFT);
        }
        rotate(words, root, at, LEFT, RIGHT)
    } else if on_right > on_left + 1 {
        if height_of(words.get(right, RIGHT)) < height_of(words.get(right, LEFT)) {
            rotate(words, root, right, LEFT, RIGHT);
        }
        rotate(words, root, at, RIGHT, LEFT)
    } else {
        sum_up(words, at);
        at
    }
}

/// Lifts the child on the side `up` into its parent's place; what is between the two changes sides.
fn rotate(words: &impl Words, root: &mut u32, at: u32, up: u32, down: u32) -> u32 {
    let child = words.get(at, up);
    let between = words.get(child, down);
    adopt(words, at, up, between);
    replace(words, root, at, child);
    adopt(words, child, down, at);
    sum_up(words, at);
    sum_up(words, child);
    child
}

/// Makes a node, or none, the child of another.
pub(super) fn adopt(words: &impl Words, parent: u32, side: u32, child: u32) {
    words.set(parent, side, child);
    if child != NONE {
        words.set(child, PARENT, parent);
    }
}

/// Puts a node, or none, where another stands.
pub(super) fn replace(words: &impl Words, root: &mut u32, at: u32, by: u32) {
    let parent = words.get(at, PARENT);
    if by != NONE {
        words.set(by, PARENT, parent);
    }
    if parent == NONE {
        *root = by;
    } else if words.get(parent, LEFT) == at {
        words.set(parent, LEFT, by);
    } else {
        words.set(parent, RIGHT, by);
    }
}

/// The node furthest down on one side.
pub(super) fn furthest(words: &impl Words, mut at: u32, side: u32) -> u32 {
    loop {
        let next = words.get(at, side);
        if next == NONE {
            return at;
        }
        at = next;
    }
}

/// The node behind another in the order of addresses; none behind the last.
pub(super) fn next(words: &impl Words, mut at: u32) -> u32 {
    let right = words.get(at, RIGHT);
    if right != NONE {
        return furthest(words, right, LEFT);
    }
    loop {
        let parent = words.get(at, PARENT);
        if parent == NONE || words.get(parent, LEFT) == at {
            return parent;
        }
        at = parent;
    }
}
