//! The page descriptor: what the kernel knows about one page frame, in 16 bytes.
//!
//! Invariant: a descriptor that is not all zero belongs to the *first* frame of a block. Every
//! other frame, be it reserved, in a hole, or inside a block, has an all-zero descriptor. So a
//! zeroed array is a valid table in which every frame is reserved, and splitting, merging,
//! allocating and freeing write the descriptors of block heads only, however large the block.
//! [`FrameTable::block_of`](super::FrameTable::block_of) finds the block around any frame.
//!
//! ```text
//! word  31            16 15  13 12     10 9    8 7     4 3     0
//!     ┌─────────────────┬──────┬─────────┬──────┬───────┬───────┐
//!  0  │ the kind's own  │   0  │mobility │ zone │ order │ kind  │
//!     ├─────────────────┴──────┴─────────┴──────┴───────┴───────┤
//! 1-3 │ the kind's own                                          │
//!     └─────────────────────────────────────────────────────────┘
//!
//! kind  name       word 1       word 2          word 3
//!    0  no head    0            0               0             the whole descriptor is zero
//!    1  free       next frame   previous frame  0             on a free list of its buddy
//!    2  allocated  0            0               0             owned by who allocated it
//! 3-15  kept for per-CPU, tail, slab, kernel and user pages: decision record 0006
//! ```
//!
//! Mobility and bits 16-31 are zero for the kinds in use. Links are frame numbers.

use core::fmt;

use crate::addr::{Order, Pfn};

/// Which of at most four sets of frames (the zones) a block belongs to: two bits of its head's
/// descriptor, so that freeing a block needs no search.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ZoneId(u8);

impl ZoneId {
    /// How many a descriptor can tell apart.
    pub const COUNT: usize = 4;

    /// Set `value`; `None` from [`ZoneId::COUNT`] up.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if (value as usize) < Self::COUNT { Some(Self(value)) } else { None }
    }

    /// The number as an array index, below [`ZoneId::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a descriptor says about its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageState {
    /// No block begins here: the frame is reserved, in a hole, or inside a block that begins
    /// further down.
    NoHead,
    /// The first frame of a free block, on the list of `order` of the buddy of `zone`.
    Free {
        /// Size of the block.
        order: Order,
        /// Whose buddy it is in.
        zone: ZoneId,
    },
    /// The first frame of a block that has been allocated.
    Allocated {
        /// Size of the block.
        order: Order,
        /// Whose buddy it came from.
        zone: ZoneId,
    },
    /// A first word that nothing writes: the descriptor has been overwritten.
    Corrupt {
        /// The word as found.
        word: u32,
    },
}

impl fmt::Display for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHead => f.write_str("no block head"),
            Self::Free { order, .. } => write!(f, "free, order {order}"),
            Self::Allocated { order, .. } => write!(f, "allocated, order {order}"),
            Self::Corrupt { word } => write!(f, "corrupt, {word:#010x}"),
        }
    }
}

/// Word 0 of a descriptor. Kind, order and zone lie together so that one comparison of the word
/// answers "a free block of this order in this zone?", which is all that merging asks.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Head(u32);

const KIND_FREE: u32 = 1;
const KIND_ALLOCATED: u32 = 2;
const KIND_MASK: u32 = 0xf;
const ORDER_SHIFT: u32 = 4;
const ORDER_MASK: u32 = 0xf;
const ZONE_SHIFT: u32 = 8;
const ZONE_MASK: u32 = 0x3;
/// The bits that the kinds in use give a meaning; the others are zero.
const USED_BITS: u32 = KIND_MASK | ORDER_MASK << ORDER_SHIFT | ZONE_MASK << ZONE_SHIFT;

impl Head {
    const fn encode(kind: u32, zone: ZoneId, order: Order) -> Self {
        Self(kind | (order.as_u8() as u32) << ORDER_SHIFT | (zone.0 as u32) << ZONE_SHIFT)
    }

    /// The head of a free block.
    pub(super) const fn free(zone: ZoneId, order: Order) -> Self {
        Self::encode(KIND_FREE, zone, order)
    }

    /// The head of an allocated block.
    pub(super) const fn allocated(zone: ZoneId, order: Order) -> Self {
        Self::encode(KIND_ALLOCATED, zone, order)
    }

    const fn zone(self) -> ZoneId {
        ZoneId((self.0 >> ZONE_SHIFT & ZONE_MASK) as u8)
    }

    const fn decode(self) -> PageState {
        let zone = self.zone();
        let order = Order::new((self.0 >> ORDER_SHIFT & ORDER_MASK) as u8);
        match (self.0 & KIND_MASK, order) {
            _ if self.0 == 0 => PageState::NoHead,
            (KIND_FREE, Some(order)) if self.0 & !USED_BITS == 0 => PageState::Free { order, zone },
            (KIND_ALLOCATED, Some(order)) if self.0 & !USED_BITS == 0 => {
                PageState::Allocated { order, zone }
            }
            _ => PageState::Corrupt { word: self.0 },
        }
    }
}

/// A neighbour on a free list: a frame number, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Link(u32);

impl Link {
    /// The end of a list. No table holds this frame: its own end could not be written down.
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
#[cfg_attr(test, derive(Clone, PartialEq, Eq, Hash))]
pub struct Page {
    head: Head,
    next: Link,
    prev: Link,
    own: u32,
}

const _: () = {
    assert!(size_of::<Page>() == 16 && align_of::<Page>() == 4);
    assert!(core::mem::offset_of!(Page, head) == 0);
    assert!(core::mem::offset_of!(Page, next) == 4);
    assert!(core::mem::offset_of!(Page, prev) == 8);
    assert!(core::mem::offset_of!(Page, own) == 12);
    assert!(Order::MAX.as_u8() as u32 <= ORDER_MASK);
    assert!(ZoneId::COUNT as u32 == ZONE_MASK + 1);
};

impl Page {
    /// A frame at which no block begins: all bytes zero.
    pub const RESERVED: Self = Self { head: Head(0), next: Link(0), prev: Link(0), own: 0 };

    /// The head of a free block between two neighbours.
    pub(super) const fn free(head: Head, prev: Link, next: Link) -> Self {
        Self { head, next, prev, own: 0 }
    }

    /// The head of an allocated block.
    pub(crate) const fn allocated(zone: ZoneId, order: Order) -> Self {
        Self { head: Head::allocated(zone, order), ..Self::RESERVED }
    }

    /// What the descriptor says about its frame.
    #[must_use]
    pub const fn state(&self) -> PageState {
        self.head.decode()
    }

    /// The zone of the block whose head this is; the first one's where no block begins.
    pub(crate) const fn zone(&self) -> ZoneId {
        self.head.zone()
    }

    /// Does the frame begin no block?
    pub(super) const fn is_no_head(&self) -> bool {
        self.head.0 == 0
    }

    /// Is word 0 exactly `head`?
    pub(super) fn is(&self, head: Head) -> bool {
        self.head == head
    }

    /// Are all bytes zero, as they must be where no block begins?
    pub(super) fn is_all_zero(&self) -> bool {
        self.is_no_head() && self.next.0 | self.prev.0 | self.own == 0
    }

    /// The next block on the free list; only of a free block's head.
    pub(super) const fn next(&self) -> Link {
        self.next
    }

    /// The block before on the free list; only of a free block's head.
    pub(super) const fn prev(&self) -> Link {
        self.prev
    }

    /// Links a free block's head to another successor.
    pub(super) fn set_next(&mut self, next: Link) {
        self.next = next;
    }

    /// Links a free block's head to another predecessor.
    pub(super) fn set_prev(&mut self, prev: Link) {
        self.prev = prev;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_the_round_trip() {
        for order in Order::all() {
            for zone in (0..4).map(|value| ZoneId::new(value).unwrap()) {
                assert_eq!(Head::free(zone, order).decode(), PageState::Free { order, zone });
                assert_eq!(
                    Page::allocated(zone, order).state(),
                    PageState::Allocated { order, zone }
                );
            }
        }
    }

    #[test]
    fn every_first_word_decodes_to_one_state_that_encodes_back() {
        // The low half exhaustively, and each bit of the high half, which no kind in use sets.
        let words = (0..=0xffff).chain((16..32).flat_map(|bit| [1 << bit, 1 << bit | 0x11]));
        let mut known = 0;
        for word in words {
            let encoded = match Head(word).decode() {
                PageState::NoHead => 0,
                PageState::Free { order, zone } => Head::free(zone, order).0,
                PageState::Allocated { order, zone } => Head::allocated(zone, order).0,
                PageState::Corrupt { word } => word,
            };
            assert_eq!(encoded, word);
            known += u32::from(!matches!(Head(word).decode(), PageState::Corrupt { .. }));
        }
        assert_eq!(known, 1 + 2 * 4 * Order::COUNT as u32);
    }

    #[test]
    fn the_words_are_where_the_drawing_has_them() {
        let (zone, order) = (ZoneId::new(2).unwrap(), Order::new(9).unwrap());
        assert_eq!(Head::free(zone, order).0, 0x291);
        assert_eq!(Head::allocated(zone, order).0, 0x292);
    }

    #[test]
    fn zeroed_memory_is_an_array_of_reserved_frames() {
        assert_eq!(Page::RESERVED.state(), PageState::NoHead);
        assert!(Page::RESERVED.is_all_zero());
    }

    #[test]
    fn a_state_prints_its_name_and_order() {
        let (zone, order) = (ZoneId::new(1).unwrap(), Order::new(3).unwrap());
        assert_eq!(PageState::Free { order, zone }.to_string(), "free, order 3");
        assert_eq!(PageState::Corrupt { word: 0xdead }.to_string(), "corrupt, 0x0000dead");
    }
}
