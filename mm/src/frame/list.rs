//! A free list: a doubly linked list of block heads that runs through their own descriptors.
//!
//! Invariant: following `next` from `first` visits `len` heads and ends at `last`, and each head's
//! `prev` names the one before. Links are frame numbers, so the list needs neither memory of its
//! own nor pointers, and a block is taken from its middle without a search.

use super::page::{Head, Link, Page};
use super::table::FrameTable;
use crate::addr::Pfn;

/// The free blocks of one order of one buddy.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(super) struct FreeList {
    first: Link,
    last: Link,
    len: u32,
}

impl FreeList {
    /// No block at all.
    pub(super) const EMPTY: Self = Self { first: Link::NONE, last: Link::NONE, len: 0 };

    /// How many blocks.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// The block that is handed out next.
    pub(super) const fn first(&self) -> Option<Pfn> {
        self.first.pfn()
    }

    /// The block that is handed out last.
    pub(super) const fn last(&self) -> Option<Pfn> {
        self.last.pfn()
    }

    /// Makes `pfn` the first block; its descriptor becomes that of a free head.
    pub(super) fn push_front(&mut self, frames: &mut FrameTable<'_>, pfn: Pfn, head: Head) {
        *frames.at_mut(pfn) = Page::free(head, Link::NONE, self.first);
        match self.first.pfn() {
            Some(next) => frames.at_mut(next).set_prev(Link::to(pfn)),
            None => self.last = Link::to(pfn),
        }
        self.first = Link::to(pfn);
        self.len += 1;
    }

    /// Makes `pfn` the last block; its descriptor becomes that of a free head.
    pub(super) fn push_back(&mut self, frames: &mut FrameTable<'_>, pfn: Pfn, head: Head) {
        *frames.at_mut(pfn) = Page::free(head, self.last, Link::NONE);
        match self.last.pfn() {
            Some(prev) => frames.at_mut(prev).set_next(Link::to(pfn)),
            None => self.first = Link::to(pfn),
        }
        self.last = Link::to(pfn);
        self.len += 1;
    }

    /// Takes `pfn`, which must be on this list, off it. Leaves its descriptor to be overwritten.
    pub(super) fn remove(&mut self, frames: &mut FrameTable<'_>, pfn: Pfn) {
        let (prev, next) = (frames.at(pfn).prev(), frames.at(pfn).next());
        match prev.pfn() {
            Some(prev) => frames.at_mut(prev).set_next(next),
            None => self.first = next,
        }
        match next.pfn() {
            Some(next) => frames.at_mut(next).set_prev(prev),
            None => self.last = prev,
        }
        self.len -= 1;
    }
}
