//! The page descriptor: what the kernel knows about one page frame, in 16 bytes.
//!
//! Invariant: word 0 of a descriptor is zero unless its frame is the *first* frame of a block. So a
//! zeroed array is a valid table in which every frame is reserved, and splitting, merging, allocating
//! and freeing write the descriptors of block heads only, however large the block.
//! [`FrameTable::block_of`](super::FrameTable::block_of) finds the block around any frame.
//!
//! ```text
//! word  31            16 15  13 12     10 9    8 7     4 3     0
//!     ┌─────────────────┬──────┬─────────┬──────┬───────┬───────┐
//!  0  │ the kind's own  │ flags│mobility │ zone │ order │ kind  │
//!     ├─────────────────┴──────┴─────────┴──────┴───────┴───────┤
//! 1-3 │ the kind's own                                          │
//!     └─────────────────────────────────────────────────────────┘
//!
//! kind  name       word 0, 31-16       word 1       word 2          word 3
//!    0  no head    0                   no meaning                            all of word 0 is zero
//!    1  free       0                   next frame   previous frame  -        on a list of its buddy
//!    2  allocated  further references  the owner's, and no meaning at first
//!    3  stacked    0                   stack below  -               -        in a CPU's stack
//!    8  bad        0                   -            -               -        kept out for good
//!    others are kept for tail, slab, kernel and user pages: decision record 0006
//! ```
//!
//! The kinds *allocated* and *stacked* differ in one bit, and bits 4 to 12 are the number of the stack
//! that a block of this order, zone and mobility goes to (decision record 0011).
//!
//! Words are atomics, since one CPU looks at a neighbour's head while another one writes it. All
//! accesses are relaxed: who may write which word when is settled by the zone's lock and by the
//! protocol of the stacks, and nothing is published by a word itself.

use core::fmt;

use super::mobility::Mobility;
use crate::addr::{Order, Pfn};
use crate::sync::{AtomicU32, Ordering::Relaxed};

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

/// What all blocks have: their size, whose they are, and which allocations they are for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Kin {
    /// Size of the block.
    pub order: Order,
    /// Whose buddy it is in, or came from.
    pub zone: ZoneId,
    /// Of a free block the list that it is on; of others what it was asked for as.
    pub mobility: Mobility,
}

/// What a descriptor says about its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageState {
    /// No block begins here: the frame is reserved, in a hole, or inside a block that begins
    /// further down.
    NoHead,
    /// The first frame of a free block, on a list of its zone's buddy.
    Free(Kin),
    /// The first frame of a block that has been allocated.
    Allocated {
        /// The block.
        kin: Kin,
        /// How many references there are to it, the first one not counted.
        further_references: u16,
    },
    /// The first frame of a free block in a stack of some CPU.
    Stacked(Kin),
    /// The first frame of a block that is kept out of circulation, since something wrote into it
    /// while it was free.
    Bad(Kin),
    /// A first word that nothing writes: the descriptor has been overwritten.
    Corrupt {
        /// The word as found.
        word: u32,
    },
}

impl PageState {
    /// The block that begins here; `None` of no head and of a corrupt one.
    #[must_use]
    pub const fn kin(&self) -> Option<Kin> {
        match *self {
            Self::Free(kin) | Self::Stacked(kin) | Self::Bad(kin) => Some(kin),
            Self::Allocated { kin, .. } => Some(kin),
            Self::NoHead | Self::Corrupt { .. } => None,
        }
    }
}

impl fmt::Display for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, name: &str, kin: &Kin| {
            write!(f, "{name}, order {}, {}", kin.order, kin.mobility)
        };
        match self {
            Self::NoHead => f.write_str("no block head"),
            Self::Free(kin) => named(f, "free", kin),
            Self::Allocated { kin, further_references: 0 } => named(f, "allocated", kin),
            Self::Allocated { kin, further_references } => {
                named(f, "allocated", kin)?;
                write!(f, ", {} references", u32::from(*further_references) + 1)
            }
            Self::Stacked(kin) => named(f, "in a per-CPU stack", kin),
            Self::Bad(kin) => named(f, "bad", kin),
            Self::Corrupt { word } => write!(f, "corrupt, {word:#010x}"),
        }
    }
}

/// Word 0 of a descriptor. Kind, order and zone lie together so that one comparison of the word
/// answers "a free block of this order in this zone?", which is all that merging asks.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
#[cfg_attr(test, derive(Hash, Debug))]
pub(crate) struct Head(u32);

const KIND_FREE: u32 = 1;
const KIND_ALLOCATED: u32 = 2;
const KIND_STACKED: u32 = 3;
const KIND_BAD: u32 = 8;
const KIND_MASK: u32 = 0xf;
const ORDER_SHIFT: u32 = 4;
const ORDER_MASK: u32 = 0xf;
const ZONE_SHIFT: u32 = 8;
const ZONE_MASK: u32 = 0x3;
const MOBILITY_SHIFT: u32 = 10;
const MOBILITY_MASK: u32 = 0x7;
const FLAGS: u32 = 0x7 << 13;
const REFERENCE_SHIFT: u32 = 16;
/// What turns *allocated* into *stacked* and back.
const ALLOCATED_TO_STACKED: u32 = KIND_ALLOCATED ^ KIND_STACKED;

/// Bits of word 0 that number a stack.
pub(crate) const STACK_BITS: u32 = 9;

impl Head {
    /// Of a frame at which no block begins.
    pub(crate) const NONE: Self = Self(0);

    #[inline(always)]
    const fn encode(kind: u32, kin: Kin) -> Self {
        Self(
            kind | (kin.order.as_u8() as u32) << ORDER_SHIFT
                | (kin.zone.0 as u32) << ZONE_SHIFT
                | (kin.mobility as u32) << MOBILITY_SHIFT,
        )
    }

    /// The head of a free block.
    #[inline(always)]
    pub(crate) const fn free(kin: Kin) -> Self {
        Self::encode(KIND_FREE, kin)
    }

    /// The head of an allocated block with one owner.
    #[inline(always)]
    pub(crate) const fn allocated(kin: Kin) -> Self {
        Self::encode(KIND_ALLOCATED, kin)
    }

    /// The head of a block in a stack.
    #[inline(always)]
    pub(crate) const fn stacked(kin: Kin) -> Self {
        Self::encode(KIND_STACKED, kin)
    }

    /// The head of a block that is kept out.
    pub(crate) const fn bad(kin: Kin) -> Self {
        Self::encode(KIND_BAD, kin)
    }

    /// Is this the head of a free block of `order` in `zone`, on whichever list?
    #[inline(always)]
    pub(crate) const fn is_free(self, zone: ZoneId, order: Order) -> bool {
        let kin = Kin { order, zone, mobility: Mobility::Unmovable };
        self.0 & !(MOBILITY_MASK << MOBILITY_SHIFT) == Self::free(kin).0
    }

    /// Is this the head of an allocated block of `order` with one owner, in whichever zone and for
    /// whichever mobility? One comparison: a reference more, another order, or a block that is free
    /// make it false.
    #[inline(always)]
    pub(crate) const fn is_sole(self, order: Order) -> bool {
        let same = self.0 ^ (order.as_u8() as u32) << ORDER_SHIFT;
        same & !((MOBILITY_MASK << MOBILITY_SHIFT) | (ZONE_MASK << ZONE_SHIFT)) == KIND_ALLOCATED
    }

    /// From allocated to stacked, or back.
    #[inline(always)]
    pub(crate) const fn toggle_stacked(self) -> Self {
        Self(self.0 ^ ALLOCATED_TO_STACKED)
    }

    /// The number of the stack for a block like this.
    #[inline(always)]
    pub(crate) const fn stack(self) -> u32 {
        (self.0 >> ORDER_SHIFT) & ((1 << STACK_BITS) - 1)
    }

    /// The zone that the word names; the first one's of no head.
    pub(crate) const fn zone(self) -> ZoneId {
        ZoneId((self.0 >> ZONE_SHIFT & ZONE_MASK) as u8)
    }

    /// The list that a free block is on; `None` of a word that names none.
    pub(crate) fn mobility(self) -> Option<Mobility> {
        Mobility::from_index((self.0 >> MOBILITY_SHIFT & MOBILITY_MASK) as u8)
    }

    /// With one reference more; `None` at the most there can be.
    pub(crate) const fn one_more(self) -> Option<Self> {
        match self.0.checked_add(1 << REFERENCE_SHIFT) {
            Some(word) => Some(Self(word)),
            None => None,
        }
    }

    /// With one reference less; `None` when there is only the first.
    pub(crate) const fn one_less(self) -> Option<Self> {
        match self.0.checked_sub(1 << REFERENCE_SHIFT) {
            Some(word) => Some(Self(word)),
            None => None,
        }
    }

    pub(crate) fn decode(self) -> PageState {
        if self.0 == 0 {
            return PageState::NoHead;
        }
        let corrupt = PageState::Corrupt { word: self.0 };
        let order = Order::new((self.0 >> ORDER_SHIFT & ORDER_MASK) as u8);
        let (Some(order), Some(mobility)) = (order, self.mobility()) else { return corrupt };
        let kin = Kin { order, zone: self.zone(), mobility };
        let references = (self.0 >> REFERENCE_SHIFT) as u16;
        match self.0 & (KIND_MASK | FLAGS) {
            KIND_ALLOCATED => PageState::Allocated { kin, further_references: references },
            KIND_FREE if references == 0 => PageState::Free(kin),
            KIND_STACKED if references == 0 => PageState::Stacked(kin),
            KIND_BAD if references == 0 => PageState::Bad(kin),
            _ => corrupt,
        }
    }
}

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
const _: () = {
    assert!(Order::MAX.as_u8() as u32 <= ORDER_MASK);
    assert!(ZoneId::COUNT as u32 == ZONE_MASK + 1);
    assert!(Mobility::COUNT as u32 <= MOBILITY_MASK + 1);
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
        Head(self.head.load(Relaxed))
    }

    /// Makes the frame what `head` says. Who may, and when: see the module.
    #[inline(always)]
    pub(crate) fn set_head(&self, head: Head) {
        self.head.store(head.0, Relaxed);
    }

    /// Changes word 0 from `from` to `to`, if it is still `from`; says what it is otherwise.
    pub(crate) fn exchange_head(&self, from: Head, to: Head) -> Result<(), Head> {
        let exchanged = self.head.compare_exchange(from.0, to.0, Relaxed, Relaxed);
        exchanged.map(|_| ()).map_err(Head)
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
    pub(super) fn set_below(&self, stack: u32) {
        self.next.store(stack, Relaxed);
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
    #[cfg(test)]
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

    fn kins() -> impl Iterator<Item = Kin> {
        let zones = || (0..4).map(|value| ZoneId::new(value).unwrap());
        Order::all().flat_map(move |order| {
            zones().flat_map(move |zone| {
                Mobility::ALL.into_iter().map(move |mobility| Kin { order, zone, mobility })
            })
        })
    }

    #[test]
    fn every_state_survives_the_round_trip() {
        for kin in kins() {
            assert_eq!(Head::free(kin).decode(), PageState::Free(kin));
            assert_eq!(Head::stacked(kin).decode(), PageState::Stacked(kin));
            assert_eq!(Head::bad(kin).decode(), PageState::Bad(kin));
            let mut head = Head::allocated(kin);
            for further_references in 0..3 {
                assert_eq!(head.decode(), PageState::Allocated { kin, further_references });
                head = head.one_more().unwrap();
            }
            assert_eq!(Head::allocated(kin).toggle_stacked(), Head::stacked(kin));
            assert_eq!(Head::stacked(kin).toggle_stacked(), Head::allocated(kin));
        }
    }

    #[test]
    fn every_first_word_decodes_to_one_state_that_encodes_back() {
        // The low half exhaustively, and each bit of the high half beside some low halves.
        let high = (16..32).flat_map(|bit| [0, 1, 2, 3, 8, 0x412].map(|low| 1 << bit | low));
        let mut known = 0;
        for word in (0..=0xffff).chain(high) {
            let encoded = match Head(word).decode() {
                PageState::NoHead => 0,
                PageState::Free(kin) => Head::free(kin).0,
                PageState::Stacked(kin) => Head::stacked(kin).0,
                PageState::Bad(kin) => Head::bad(kin).0,
                PageState::Allocated { kin, further_references } => {
                    Head::allocated(kin).0 | u32::from(further_references) << 16
                }
                PageState::Corrupt { word } => word,
            };
            assert_eq!(encoded, word);
            let corrupt = matches!(Head(word).decode(), PageState::Corrupt { .. });
            known += u32::from(word <= 0xffff && !corrupt);
        }
        assert_eq!(known, 1 + 4 * (4 * Order::COUNT * Mobility::COUNT) as u32);
    }

    #[test]
    fn the_words_are_where_the_drawing_has_them() {
        let (zone, order) = (ZoneId::new(2).unwrap(), Order::new(9).unwrap());
        let kin = Kin { order, zone, mobility: Mobility::Reclaimable };
        assert_eq!(Head::free(kin).0, 0xa91);
        assert_eq!(Head::allocated(kin).0, 0xa92);
        assert_eq!(Head::allocated(kin).stack(), 0xa9);
    }

    #[test]
    fn one_comparison_tells_who_may_free() {
        for kin in kins() {
            for order in Order::all() {
                assert_eq!(Head::allocated(kin).is_sole(order), order == kin.order);
                assert!(!Head::free(kin).is_sole(order) && !Head::stacked(kin).is_sole(order));
                assert!(!Head::allocated(kin).one_more().unwrap().is_sole(order));
                for zone in (0..4).map(|value| ZoneId::new(value).unwrap()) {
                    let same = order == kin.order && zone == kin.zone;
                    assert_eq!(Head::free(kin).is_free(zone, order), same);
                    assert!(!Head::allocated(kin).is_free(zone, order));
                }
            }
        }
        assert!(!Head::NONE.is_sole(Order::ZERO));
    }

    #[test]
    fn references_do_not_wrap() {
        let kin = kins().next().unwrap();
        let mut head = Head::allocated(kin);
        assert_eq!(head.one_less(), None);
        for _ in 0..u16::MAX {
            head = head.one_more().unwrap();
        }
        assert_eq!(head.one_more(), None);
        let most = PageState::Allocated { kin, further_references: u16::MAX };
        assert_eq!(head.decode(), most);
        assert!(most.to_string().ends_with("65536 references"), "{most}");
    }

    #[test]
    fn zeroed_memory_is_an_array_of_reserved_frames() {
        let page = Page::RESERVED;
        assert_eq!((page.state(), page.words()), (PageState::NoHead, [0; 4]));
    }

    #[test]
    fn a_state_prints_its_name_and_order() {
        let (zone, order) = (ZoneId::new(1).unwrap(), Order::new(3).unwrap());
        let kin = Kin { order, zone, mobility: Mobility::Movable };
        assert_eq!(PageState::Free(kin).to_string(), "free, order 3, Movable");
        assert_eq!(PageState::Corrupt { word: 0xdead }.to_string(), "corrupt, 0x0000dead");
    }
}
