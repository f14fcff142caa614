//! Ranges by their first frame, and which of them meet another range: a treap whose nodes know the highest end below.
//!
//! Ranges may overlap here: one device's registers can have two mappings of the same type. A binary tree ordered by
//! first frames, each node with the highest end in its subtree, finds all that meet a range in as many
//! steps as the tree is high, and one or two for each that it finds.
//!
//! The tree is balanced by chance: each node has a priority, a hash of its record's address, and none is higher than
//! its parent's. So the expected depth is logarithmic, whatever the order of the requests, and a node
//! needs no word for its balance (Seidel and Aragon, *Randomized Search Trees*, 1996).
//!
//! Invariants, which [`validate`](IoTree::validate) checks: order, priorities, parents, and highest ends.

use super::record::{IoId, LEFT, MAX, NONE, PARENT, RIGHT};
use crate::addr::PfnRange;
use crate::map::area::Words;

/// The ranges.
#[derive(Debug)]
pub(super) struct IoTree {
    root: u32,
}

/// Consecutive addresses are as good as any here: 2^32 divided by the golden ratio.
#[inline(always)]
const fn priority(at: u32) -> u32 {
    at.wrapping_mul(0x9e37_79b1)
}

/// The highest end in a subtree that may be empty.
#[inline(always)]
fn highest(words: &impl Words, at: u32) -> u32 {
    if at == NONE { 0 } else { IoId(at).get(words, MAX) }
}

/// What a node's highest end should be.
fn summed_up(words: &impl Words, node: IoId) -> u32 {
    let below = [LEFT, RIGHT].map(|side| highest(words, node.get(words, side)));
    node.end(words).max(below[0]).max(below[1])
}

impl IoTree {
    pub(super) const fn new() -> Self {
        Self { root: NONE }
    }

    /// The ranges that meet `frames`, by their first frames. The tree may not change meanwhile.
    #[inline(always)]
    pub(super) fn meeting<'w, W: Words>(&self, words: &'w W, frames: PfnRange) -> Meeting<'w, W> {
        let (start, end) = (frames.start().as_u32(), frames.end().as_u32());
        let mut meeting = Meeting { words, start, end, at: self.root };
        if highest(words, self.root) <= start {
            meeting.at = NONE;
        } else {
            meeting.descend();
        }
        meeting
    }

    /// All ranges.
    pub(super) fn iter<'w, W: Words>(&self, words: &'w W) -> Meeting<'w, W> {
        use crate::addr::Pfn;
        self.meeting(words, PfnRange::new(Pfn::new(0), Pfn::new(u32::MAX)))
    }

    /// Puts a range into the tree that is in none.
    pub(super) fn insert(&mut self, words: &impl Words, node: IoId) {
        let (start, end) = (node.start(words), node.end(words));
        let (mut parent, mut side, mut at) = (NONE, LEFT, self.root);
        while at != NONE {
            let above = IoId(at);
            if above.get(words, MAX) < end {
                above.set(words, MAX, end);
            }
            parent = at;
            side = if start < above.start(words) { LEFT } else { RIGHT };
            at = above.get(words, side);
        }
        node.set(words, LEFT, NONE);
        node.set(words, RIGHT, NONE);
        node.set(words, PARENT, parent);
        node.set(words, MAX, end);
        self.set_child(words, parent, side, node.0);
        while parent != NONE && priority(parent) < priority(node.0) {
            self.lift(words, node);
            parent = node.get(words, PARENT);
        }
    }

    /// Takes a range out of the tree that is in it.
    pub(super) fn remove(&mut self, words: &impl Words, node: IoId) {
        // Down, until it has one child at most.
        loop {
            let (left, right) = (node.get(words, LEFT), node.get(words, RIGHT));
            if left == NONE || right == NONE {
                break;
            }
            self.lift(words, IoId(if priority(left) < priority(right) { right } else { left }));
        }
        let child = node.get(words, LEFT) | node.get(words, RIGHT);
        let mut parent = node.get(words, PARENT);
        if child != NONE {
            IoId(child).set(words, PARENT, parent);
        }
        self.replace(words, parent, node.0, child);
        while parent != NONE {
            let above = IoId(parent);
            let highest = summed_up(words, above);
            if highest == above.get(words, MAX) {
                break;
            }
            above.set(words, MAX, highest);
            parent = above.get(words, PARENT);
        }
    }

    fn set_child(&mut self, words: &impl Words, parent: u32, side: u32, child: u32) {
        if parent == NONE {
            self.root = child;
        } else {
            IoId(parent).set(words, side, child);
        }
    }

    fn replace(&mut self, words: &impl Words, parent: u32, old: u32, new: u32) {
        let is_left = parent != NONE && IoId(parent).get(words, LEFT) == old;
        self.set_child(words, parent, if is_left { LEFT } else { RIGHT }, new);
    }

    /// Rotates a node into its parent's place.
    fn lift(&mut self, words: &impl Words, node: IoId) {
        let parent = IoId(node.get(words, PARENT));
        let above = parent.get(words, PARENT);
        let (near, far) =
            if parent.get(words, LEFT) == node.0 { (LEFT, RIGHT) } else { (RIGHT, LEFT) };
        let moved = node.get(words, far);
        parent.set(words, near, moved);
        if moved != NONE {
            IoId(moved).set(words, PARENT, parent.0);
        }
        node.set(words, far, parent.0);
        self.replace(words, above, parent.0, node.0);
        node.set(words, PARENT, above);
        parent.set(words, PARENT, node.0);
        // All that was below the parent is below the node now.
        node.set(words, MAX, parent.get(words, MAX));
        parent.set(words, MAX, summed_up(words, parent));
    }

    /// Checks the invariants; for tests, and for whoever looks at a machine. Returns the number of ranges, or the one
    /// that something is wrong with.
    pub(super) fn validate(&self, words: &impl Words) -> Result<u32, IoId> {
        let (mut count, mut before) = (0, 0);
        let mut node = Meeting { words, start: 0, end: u32::MAX, at: self.root };
        node.descend();
        for node in node {
            let is_in_order = before <= node.start(words) && node.start(words) < node.end(words);
            let children = [LEFT, RIGHT].map(|side| node.get(words, side));
            let is_child = |at: &u32| {
                *at == NONE
                    || IoId(*at).get(words, PARENT) == node.0 && priority(*at) <= priority(node.0)
            };
            let is_right = children.iter().all(is_child)
                && node.get(words, MAX) == summed_up(words, node)
                && node.is_listed(words);
            if !is_in_order || !is_right {
                return Err(node);
            }
            before = node.start(words);
            count += 1;
        }
        Ok(count)
    }
}

/// Ranges that meet another one.
pub(super) struct Meeting<'w, W> {
    words: &'w W,
    start: u32,
    end: u32,
    /// The next node to look at: of what is below it on the left, all that matters has been seen.
    at: u32,
}

impl<W: Words> Meeting<'_, W> {
    /// To the first node below that may meet the range.
    #[inline(always)]
    fn descend(&mut self) {
        while self.at != NONE {
            let left = IoId(self.at).get(self.words, LEFT);
            if highest(self.words, left) <= self.start {
                break;
            }
            self.at = left;
        }
    }

    /// To the next node that may meet the range.
    #[inline(always)]
    fn advance(&mut self) {
        let right = IoId(self.at).get(self.words, RIGHT);
        if highest(self.words, right) > self.start {
            self.at = right;
            return self.descend();
        }
        loop {
            let below = self.at;
            self.at = IoId(below).get(self.words, PARENT);
            if self.at == NONE || IoId(self.at).get(self.words, LEFT) == below {
                return;
            }
        }
    }
}

impl<W: Words> Iterator for Meeting<'_, W> {
    type Item = IoId;

    #[inline(always)]
    fn next(&mut self) -> Option<IoId> {
        while self.at != NONE {
            let node = IoId(self.at);
            if node.start(self.words) >= self.end {
                // Neither do those behind it.
                self.at = NONE;
                return None;
            }
            self.advance();
            if node.end(self.words) > self.start {
                return Some(node);
            }
        }
        None
    }
}
