//! The page descriptor: what the kernel knows about one page frame, in 16 bytes.
//!
//! Invariant: word 0 of a descriptor is zero unless its frame is the *first* frame of a block. So a
//! zeroed array is a valid table in which every frame is reserved, and splitting, merging, allocating
//! and freeing write the descriptors of block heads only, however large the block.
//! [`FrameTable::block_of`](super::FrameTable::block_of) finds the block around any frame.
//!
//! ```text
//! word  31            16 15  14 13  10 9     6 5      1  0
//!     ┌─────────────────┬──────┬──────┬───────┬────────┬───┐
//!  0  │ the kind's own  │ flags│ kind │ order │ class  │ 0 │
//!     ├─────────────────┴──────┴──────┴───────┴────────┴───┤
//! 1-3 │ the kind's own                                     │
//!     └────────────────────────────────────────────────────┘
//!
//! kind  name       class      31-16               word 1       word 2          word 3
//!    0  no head    0          0                   no meaning                            all of word 0 is zero
//!    1  free       list       0                   next frame   previous frame  -        on a list of its buddy
//!    2  allocated  request's  further references  the owner's, and no meaning at first
//!    3  stacked    request's  0                   stack below  -               -        in a CPU's stack
//!    5  slab       request's  0                   as of an allocated one                allocated, for objects or their books
//!    8  bad        request's  0                   -            -               -        kept out for good
//!    9  parked     request's  0                   as of an allocated one                allocated, and set aside in a pool
//!    others are kept for tail, kernel and user pages: decision record 0006
//! ```
//!
//! The class of a free block is its list: the zone in two bits, the mobility in three. The class of all
//! others is what they were asked for, a [`Class`](super::Class). The kinds *allocated* and *stacked* differ in one bit,
//! and order and class together are the number of the stack that the block goes to (decision record
//! 0011).
//!
//! Words are atomics, since one CPU looks at a neighbour's head while another one writes it. All
//! accesses are relaxed: who may write which word when is settled by the zone's lock and by the
//! protocol of the stacks, and nothing is published by a word itself.
//!
//! But for references. Who ends one has read and written the pages, and who ends the last one may be
//! another CPU: that must come after. So ending one releases, and finding that it is the last acquires.
//! A block that was never shared must not pay for that: the first further reference sets bit 14, with which a
//! head does not look like one owner's, until it has been looked at with care.

use super::head::{Head, PageState};
use crate::addr::Pfn;
use crate::sync::AtomicU32;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// A neighbour on a free list: a frame number, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Link(u32);

impl Link {
    /// The end of a list. No table holds this frame.
    pub(super) const NONE: Self = Self(u32::MAX);

    /// A link to `pfn`.
    pub(super) const fn to(pfn: Pfn) -> Self {
        Self(pfn.as_u32())
    }

    /// The frame linked to.
    pub(super) const fn pfn(self) -> Option<Pfn> {
        if self.0 == Self::NONE.0 { None } else { Some(Pfn::new(self.0)) }
    }
}

/// The descriptor of one page frame. See the module for what its words hold.
///
/// Any bit pattern is a valid value, and all zero is [`Page::RESERVED`], so zeroed memory may be
/// taken for an array of descriptors.
#[repr(C)]
pub struct Page {
    head: AtomicU32,
    /// The next block on a free list, or the stack below.
    next: AtomicU32,
    prev: AtomicU32,
    own: AtomicU32,
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Page>() == 16 && align_of::<Page>() == 4);
    assert!(core::mem::offset_of!(Page, head) == 0);
    assert!(core::mem::offset_of!(Page, next) == 4);
    assert!(core::mem::offset_of!(Page, prev) == 8);
    assert!(core::mem::offset_of!(Page, own) == 12);
};
impl Page {
    /// A frame at which no block begins: all bytes zero.
    #[cfg(not(loom))]
    #[expect(clippy::declare_interior_mutable_const, reason = "the first value of many pages")]
    pub const RESERVED: Self = Self {
        head: AtomicU32::new(0),
        next: AtomicU32::new(0),
        prev: AtomicU32::new(0),
        own: AtomicU32::new(0),
    };

    /// As `RESERVED`, where an atomic is no constant.
    #[cfg(loom)]
    pub fn reserved() -> Self {
        Self {
            head: AtomicU32::new(0),
            next: AtomicU32::new(0),
            prev: AtomicU32::new(0),
            own: AtomicU32::new(0),
        }
    }

    /// What the descriptor says about its frame.
    #[must_use]
    pub fn state(&self) -> PageState {
        self.head().decode()
    }

    /// Word 0.
    #[inline(always)]
    pub(crate) fn head(&self) -> Head {
        Head::from_word(self.head.load(Relaxed))
    }

    /// Makes the frame what `head` says. Who may, and when: see the module.
    #[inline(always)]
    pub(crate) fn set_head(&self, head: Head) {
        self.head.store(head.word(), Relaxed);
    }

    /// Word 0 of a block that others may have had references to. What they did with the pages before they
    /// gave them up comes before what the caller does from now on.
    pub(crate) fn head_after_others(&self) -> Head {
        Head::from_word(self.head.load(Acquire))
    }

    /// Counts references: changes word 0 from `from` to `to`, if it is still `from`; says what it is
    /// otherwise. Ordered as [`head_after_others`](Self::head_after_others) needs it.
    pub(crate) fn exchange_head(&self, from: Head, to: Head) -> Result<(), Head> {
        let exchanged = self.head.compare_exchange(from.word(), to.word(), Release, Acquire);
        exchanged.map(|_| ()).map_err(Head::from_word)
    }

    /// Does the frame begin no block?
    pub(super) fn is_no_head(&self) -> bool {
        self.head() == Head::NONE
    }

    /// The stack below; only of a stacked block's head.
    #[inline(always)]
    pub(super) fn below(&self) -> u32 {
        self.next.load(Relaxed)
    }

    /// Puts a block on top of a stack.
    #[inline(always)]
    pub(crate) fn set_below(&self, stack: u32) {
        self.next.store(stack, Relaxed);
    }

    /// Word 3: the record of the slab that the page is part of; 0 of all others. What the object core
    /// writes there it takes away again before it gives the page back.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn own(&self) -> u32 {
        self.own.load(Relaxed)
    }

    /// As [`own`](Self::own), for who has no object of that slab: what was written to the record before
    /// [`set_own`](Self::set_own) is seen.
    #[cfg(not(loom))]
    pub(crate) fn own_of_others(&self) -> u32 {
        self.own.load(Acquire)
    }

    /// Makes the page part of a slab, or of none.
    #[cfg(not(loom))]
    pub(crate) fn set_own(&self, own: u32) {
        self.own.store(own, Release);
    }

    /// The next block on the free list; only of a free block's head.
    pub(super) fn next(&self) -> Link {
        Link(self.next.load(Relaxed))
    }

    /// The block before on the free list; only of a free block's head.
    pub(super) fn prev(&self) -> Link {
        Link(self.prev.load(Relaxed))
    }

    /// Links a free block's head to another successor.
    pub(super) fn set_next(&self, next: Link) {
        self.next.store(next.0, Relaxed);
    }

    /// Links a free block's head to another predecessor.
    pub(super) fn set_prev(&self, prev: Link) {
        self.prev.store(prev.0, Relaxed);
    }

    /// All four words, for tests that compare whole tables.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn words(&self) -> [u32; 4] {
        [&self.head, &self.next, &self.prev, &self.own].map(|word| word.load(Relaxed))
    }

    /// A descriptor with these words.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn of_words(words: [u32; 4]) -> Self {
        let [head, next, prev, own] = words.map(AtomicU32::new);
        Self { head, next, prev, own }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn zeroed_memory_is_an_array_of_reserved_frames() {
        let page = Page::RESERVED;
        assert_eq!((page.state(), page.words()), (PageState::NoHead, [0; 4]));
    }
}
