//! A free list: a doubly linked list of block heads that runs through their own descriptors.
//!
//! Invariant: following `next` from `first` ends at `last`, and each head's `prev` names the one
//! before. Links are frame numbers, so the list needs neither memory of its own nor pointers, and a
//! block is taken from its middle without a search.

use super::head::Head;
use super::page::{Link, Page};
use super::table::FrameTable;
use crate::addr::Pfn;

/// The free blocks of one order and one mobility of one buddy. Its length is kept elsewhere.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub(super) struct FreeList {
    first: Link,
    last: Link,
}

impl FreeList {
    /// No block at all.
    pub(super) const EMPTY: Self = Self { first: Link::NONE, last: Link::NONE };

    /// The block that is handed out next.
    pub(super) const fn first(&self) -> Option<Pfn> {
        self.first.pfn()
    }

    /// The block that is handed out last.
    pub(super) const fn last(&self) -> Option<Pfn> {
        self.last.pfn()
    }

    /// Makes `pfn` the first block, and says whether it is the only one. Its descriptor becomes that of a
    /// free head.
    #[inline]
    pub(super) fn push_front(&mut self, frames: &FrameTable<'_>, pfn: Pfn, head: Head) -> bool {
        let page = frames.at(pfn);
        page.set_head(head);
        page.set_prev(Link::NONE);
        let next = self.first;
        page.set_next(next);
        self.first = Link::to(pfn);
        match next.pfn() {
            Some(next) => {
                frames.at(next).set_prev(Link::to(pfn));
                false
            }
            None => {
                self.last = Link::to(pfn);
                true
            }
        }
    }

    /// Makes `pfn` the only block of the list, which was empty. Its descriptor becomes that of a free head.
    #[inline]
    pub(super) fn set_only(&mut self, frames: &FrameTable<'_>, pfn: Pfn, head: Head) {
        debug_assert!(self.first == Link::NONE, "a list that has a block would lose it");
        let page = frames.at(pfn);
        page.set_head(head);
        page.set_prev(Link::NONE);
        page.set_next(Link::NONE);
        *self = Self { first: Link::to(pfn), last: Link::to(pfn) };
    }

    /// Makes `pfn` the last block; its descriptor becomes that of a free head.
    pub(super) fn push_back(&mut self, frames: &FrameTable<'_>, pfn: Pfn, head: Head) {
        let page = frames.at(pfn);
        page.set_head(head);
        page.set_prev(self.last);
        page.set_next(Link::NONE);
        match self.last.pfn() {
            Some(prev) => frames.at(prev).set_next(Link::to(pfn)),
            None => self.first = Link::to(pfn),
        }
        self.last = Link::to(pfn);
    }

    /// Takes the first block, whose descriptor is `page`, off the list, and says whether the list is empty
    /// now. Leaves the descriptor to be overwritten.
    #[inline(always)]
    pub(super) fn pop_front(&mut self, frames: &FrameTable<'_>, page: &Page) -> bool {
        let next = page.next();
        self.first = next;
        match next.pfn() {
            Some(next) => {
                frames.at(next).set_prev(Link::NONE);
                false
            }
            None => {
                self.last = Link::NONE;
                true
            }
        }
    }

    /// Takes `pfn`, which must be on this list, off it, and says whether the list is empty now.
    /// Leaves its descriptor to be overwritten.
    #[inline(always)]
    pub(super) fn remove(&mut self, frames: &FrameTable<'_>, pfn: Pfn) -> bool {
        let page = frames.at(pfn);
        let (prev, next) = (page.prev(), page.next());
        let Some(before) = prev.pfn() else { return self.pop_front(frames, page) };
        frames.at(before).set_next(next);
        match next.pfn() {
            Some(next) => frames.at(next).set_prev(prev),
            None => self.last = prev,
        }
        false
    }
}
