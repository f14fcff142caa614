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
//!    8  bad        request's  0                   -            -               -        kept out for good
//!    others are kept for tail, slab, kernel and user pages: decision record 0006
//! ```
//!
//! The class of a free block is its list: the zone in two bits, the mobility in three. The class of all
//! others is what they were asked for, a [`Class`]. The kinds *allocated* and *stacked* differ in one bit,
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

use core::fmt;

use super::mobility::Mobility;
use crate::addr::{Order, Pfn};
use crate::sync::AtomicU32;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

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

/// What a block was asked for: the low five bits of the request's flags, that is, the zone and mobility
/// modifiers ([`Gfp`](crate::zone::Gfp)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Class(u8);

impl Class {
    /// How many there are, those that contradict themselves included.
    pub const COUNT: u32 = 1 << CLASS_BITS;
    const MOVABLE: u8 = 0x8;
    const RECLAIMABLE: u8 = 0x10;

    /// The class of a request with these flags.
    #[inline(always)]
    #[must_use]
    pub const fn of_flags(flags: u32) -> Self {
        Self((flags & CLASS_MASK) as u8)
    }

    /// The bits, below [`Class::COUNT`].
    #[inline(always)]
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// What its pages are: movable, reclaimable, or neither.
    #[must_use]
    pub const fn mobility(self) -> Mobility {
        if self.0 & Self::MOVABLE != 0 {
            Mobility::Movable
        } else if self.0 & Self::RECLAIMABLE != 0 {
            Mobility::Reclaimable
        } else {
            Mobility::Unmovable
        }
    }
}

/// What a descriptor says about its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageState {
    /// No block begins here: the frame is reserved, in a hole, or inside a block that begins
    /// further down.
    NoHead,
    /// The first frame of a free block, on a list of its zone's buddy.
    Free {
        /// Size of the block.
        order: Order,
        /// Whose buddy it is in.
        zone: ZoneId,
        /// Which list it is on.
        mobility: Mobility,
    },
    /// The first frame of a block that has been allocated.
    Allocated {
        /// Size of the block.
        order: Order,
        /// What it was asked for.
        class: Class,
        /// How many references there are to it, the first one not counted.
        further_references: u16,
    },
    /// The first frame of a free block in a stack of some CPU.
    Stacked {
        /// Size of the block.
        order: Order,
        /// What it was asked for last.
        class: Class,
    },
    /// The first frame of a block that is kept out of circulation, since something wrote into it
    /// while it was free.
    Bad {
        /// Size of the block.
        order: Order,
        /// What it was asked for last.
        class: Class,
    },
    /// A first word that nothing writes: the descriptor has been overwritten.
    Corrupt {
        /// The word as found.
        word: u32,
    },
}

impl PageState {
    /// Size of the block that begins here; `None` of no head and of a corrupt one.
    #[must_use]
    pub const fn order(&self) -> Option<Order> {
        match *self {
            Self::Free { order, .. }
            | Self::Allocated { order, .. }
            | Self::Stacked { order, .. }
            | Self::Bad { order, .. } => Some(order),
            Self::NoHead | Self::Corrupt { .. } => None,
        }
    }
}

impl fmt::Display for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoHead => f.write_str("no block head"),
            Self::Free { order, mobility, .. } => write!(f, "free, order {order}, {mobility}"),
            Self::Allocated { order, class, further_references } => {
                write!(f, "allocated, order {order}, {}", class.mobility())?;
                match further_references {
                    0 => Ok(()),
                    further => write!(f, ", {} references", u32::from(further) + 1),
                }
            }
            Self::Stacked { order, class } => {
                write!(f, "in a per-CPU stack, order {order}, {}", class.mobility())
            }
            Self::Bad { order, class } => write!(f, "bad, order {order}, {}", class.mobility()),
            Self::Corrupt { word } => write!(f, "corrupt, {word:#010x}"),
        }
    }
}

/// Word 0 of a descriptor. One comparison of it answers "a free block of this order in this zone?",
/// which is all that merging asks, and "a block of this order with one owner?", which is all that
/// freeing does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
#[cfg_attr(test, derive(Hash, Debug))]
pub(crate) struct Head(u32);

const CLASS_BITS: u32 = 5;
const CLASS_MASK: u32 = (1 << CLASS_BITS) - 1;
/// Not 0: one instruction takes a field out that does not begin there, two one that does.
const CLASS_SHIFT: u32 = 1;
/// Of a free block's class, the zone; the rest is the mobility.
const ZONE_MASK: u32 = 0x3;
const MOBILITY_SHIFT: u32 = 2;
const ORDER_SHIFT: u32 = CLASS_SHIFT + CLASS_BITS;
const ORDER_MASK: u32 = 0xf;
const KIND_SHIFT: u32 = 10;
const KIND_FREE: u32 = 1 << KIND_SHIFT;
const KIND_ALLOCATED: u32 = 2 << KIND_SHIFT;
const KIND_STACKED: u32 = 3 << KIND_SHIFT;
const KIND_BAD: u32 = 8 << KIND_SHIFT;
const KIND_MASK: u32 = 0xf << KIND_SHIFT;
/// Of an allocated block: there have been further references to it.
const SHARED: u32 = 1 << 14;
/// Bits that no kind in use sets.
const UNUSED: u32 = 1 << 15 | 1;
const REFERENCE_SHIFT: u32 = 16;
/// What turns *allocated* into *stacked* and back.
const ALLOCATED_TO_STACKED: u32 = KIND_ALLOCATED ^ KIND_STACKED;

/// Bits of word 0 that number a stack: class and order.
pub(crate) const STACK_BITS: u32 = KIND_SHIFT - CLASS_SHIFT;

impl Head {
    /// Of a frame at which no block begins.
    pub(crate) const NONE: Self = Self(0);

    #[inline(always)]
    const fn encode(kind: u32, order: Order, class: u32) -> Self {
        Self(kind | order.as_u32() << ORDER_SHIFT | class << CLASS_SHIFT)
    }

    /// The head of a free block.
    #[inline(always)]
    pub(crate) const fn free(order: Order, zone: ZoneId, mobility: Mobility) -> Self {
        Self::encode(KIND_FREE, order, zone.0 as u32 | (mobility as u32) << MOBILITY_SHIFT)
    }

    /// The head of an allocated block with one owner.
    #[inline(always)]
    pub(crate) const fn allocated(order: Order, class: Class) -> Self {
        Self::encode(KIND_ALLOCATED, order, class.bits())
    }

    /// The head of a block in a stack.
    #[inline(always)]
    pub(crate) const fn stacked(order: Order, class: Class) -> Self {
        Self::encode(KIND_STACKED, order, class.bits())
    }

    /// The head of a block that is kept out.
    pub(crate) const fn bad(order: Order, class: Class) -> Self {
        Self::encode(KIND_BAD, order, class.bits())
    }

    /// Is this the head of a free block of `order` in `zone`, on whichever list?
    #[inline(always)]
    pub(crate) const fn is_free(self, zone: ZoneId, order: Order) -> bool {
        let any_list = self.0 & !((CLASS_MASK & !ZONE_MASK) << CLASS_SHIFT);
        any_list == Self::encode(KIND_FREE, order, zone.0 as u32).0
    }

    /// Is this the head of an allocated block of `order` with one owner, of whichever class, who has been
    /// the only one at all times? One comparison: a reference more, another order, or a block that is
    /// free make it false.
    #[inline(always)]
    pub(crate) const fn is_sole(self, order: Order) -> bool {
        self.0 >> ORDER_SHIFT == order.as_u32() + (KIND_ALLOCATED >> ORDER_SHIFT)
    }

    /// The order for which [`is_sole`](Self::is_sole) is true.
    #[inline(always)]
    pub(crate) const fn sole_order(self) -> Option<Order> {
        let order = (self.0 >> ORDER_SHIFT).wrapping_sub(KIND_ALLOCATED >> ORDER_SHIFT);
        if order <= Order::MAX.as_u32() { Order::new(order as u8) } else { None }
    }

    /// As [`is_sole`](Self::is_sole), but there may have been others.
    pub(crate) const fn is_last(self, order: Order) -> bool {
        self.alone().is_sole(order)
    }

    /// As if there had never been a further reference.
    pub(crate) const fn alone(self) -> Self {
        Self(self.0 & !SHARED)
    }

    /// From allocated to stacked, or back.
    #[inline(always)]
    pub(crate) const fn toggle_stacked(self) -> Self {
        Self(self.0 ^ ALLOCATED_TO_STACKED)
    }

    /// The number of the stack for a block like this.
    #[inline(always)]
    pub(crate) const fn stack(self) -> u32 {
        self.0 >> CLASS_SHIFT & ((1 << STACK_BITS) - 1)
    }

    /// What the block was asked for; of no free block.
    #[inline(always)]
    pub(crate) const fn class(self) -> Class {
        Class::of_flags(self.0 >> CLASS_SHIFT)
    }

    /// The zone of a free block.
    const fn zone(self) -> ZoneId {
        ZoneId((self.0 >> CLASS_SHIFT & ZONE_MASK) as u8)
    }

    /// The list that a free block is on; `None` of a word that names none.
    pub(crate) fn mobility(self) -> Option<Mobility> {
        Mobility::from_index(((self.0 >> CLASS_SHIFT & CLASS_MASK) >> MOBILITY_SHIFT) as u8)
    }

    /// With one reference more; `None` at the most there can be.
    pub(crate) const fn one_more(self) -> Option<Self> {
        match self.0.checked_add(1 << REFERENCE_SHIFT) {
            Some(word) => Some(Self(word | SHARED)),
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
        let Some(order) = Order::new((self.0 >> ORDER_SHIFT & ORDER_MASK) as u8) else {
            return corrupt;
        };
        let class = self.class();
        let references = (self.0 >> REFERENCE_SHIFT) as u16;
        let is_shared = references > 0 || self.0 & SHARED != 0;
        match (self.0 & (KIND_MASK | UNUSED), self.mobility()) {
            (KIND_ALLOCATED, _) if references == 0 || self.0 & SHARED != 0 => {
                PageState::Allocated { order, class, further_references: references }
            }
            (KIND_FREE, Some(mobility)) if !is_shared => {
                PageState::Free { order, zone: self.zone(), mobility }
            }
            (KIND_STACKED, _) if !is_shared => PageState::Stacked { order, class },
            (KIND_BAD, _) if !is_shared => PageState::Bad { order, class },
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
    assert!(Order::MAX.as_u32() <= ORDER_MASK);
    assert!(ZoneId::COUNT as u32 == ZONE_MASK + 1);
    assert!((Mobility::COUNT as u32) << MOBILITY_SHIFT <= CLASS_MASK + 1);
    assert!(ORDER_SHIFT + ORDER_MASK.count_ones() == KIND_SHIFT);
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

    /// Word 0 of a block that others may have had references to. What they did with the pages before they
    /// gave them up comes before what the caller does from now on.
    pub(crate) fn head_after_others(&self) -> Head {
        Head(self.head.load(Acquire))
    }

    /// Counts references: changes word 0 from `from` to `to`, if it is still `from`; says what it is
    /// otherwise. Ordered as [`head_after_others`](Self::head_after_others) needs it.
    pub(crate) fn exchange_head(&self, from: Head, to: Head) -> Result<(), Head> {
        let exchanged = self.head.compare_exchange(from.0, to.0, Release, Acquire);
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

    fn classes() -> impl Iterator<Item = Class> + Clone {
        (0..Class::COUNT).map(Class::of_flags)
    }

    fn zones() -> impl Iterator<Item = ZoneId> + Clone {
        (0..4).map(|value| ZoneId::new(value).unwrap())
    }

    #[test]
    fn every_state_survives_the_round_trip() {
        for order in Order::all() {
            for class in classes() {
                let stacked = Head::stacked(order, class);
                assert_eq!(stacked.decode(), PageState::Stacked { order, class });
                assert_eq!(Head::bad(order, class).decode(), PageState::Bad { order, class });
                let mut head = Head::allocated(order, class);
                assert_eq!(head.toggle_stacked(), stacked);
                assert_eq!(stacked.toggle_stacked(), head);
                for further_references in 0..3 {
                    let state = PageState::Allocated { order, class, further_references };
                    assert_eq!(head.decode(), state);
                    head = head.one_more().unwrap();
                }
            }
            for (zone, mobility) in zones().flat_map(|zone| Mobility::ALL.map(|m| (zone, m))) {
                let free = Head::free(order, zone, mobility);
                assert_eq!(free.decode(), PageState::Free { order, zone, mobility });
                assert_eq!(free.mobility(), Some(mobility));
            }
        }
    }

    #[test]
    fn every_first_word_decodes_to_one_state_that_encodes_back() {
        // The low half exhaustively, and each bit of the high half beside some low halves.
        let low = [0, 1, KIND_FREE, KIND_ALLOCATED, KIND_ALLOCATED | 1, KIND_STACKED, KIND_BAD];
        let low = low.into_iter().flat_map(|low| [low, low | SHARED]).collect::<Vec<_>>();
        let high = (16..32).flat_map(|bit| low.iter().map(move |low| 1 << bit | low));
        let mut known = 0;
        for word in (0..=0xffff).chain(high) {
            let encoded = match Head(word).decode() {
                PageState::NoHead => 0,
                PageState::Free { order, zone, mobility } => Head::free(order, zone, mobility).0,
                PageState::Stacked { order, class } => Head::stacked(order, class).0,
                PageState::Bad { order, class } => Head::bad(order, class).0,
                PageState::Allocated { order, class, further_references } => {
                    let once_shared = word & SHARED;
                    let references = u32::from(further_references) << 16;
                    Head::allocated(order, class).0 | references | once_shared
                }
                PageState::Corrupt { word } => word,
            };
            assert_eq!(encoded, word);
            let corrupt = matches!(Head(word).decode(), PageState::Corrupt { .. });
            known += u32::from(word <= 0xffff && !corrupt);
        }
        // Allocated, once shared or not; stacked; bad.
        assert_eq!(known, 1 + (4 * 32 + 4 * Mobility::COUNT as u32) * Order::COUNT as u32);
    }

    #[test]
    fn the_words_are_where_the_drawing_has_them() {
        let (zone, order) = (ZoneId::new(2).unwrap(), Order::new(9).unwrap());
        assert_eq!(
            Head::free(order, zone, Mobility::Reclaimable).0,
            1 << 10 | 9 << 6 | 2 << 3 | 2 << 1
        );
        let head = Head::allocated(order, Class::of_flags(0xfff8_0012));
        assert_eq!(head.0, 2 << 10 | 9 << 6 | 0x12 << 1);
        assert_eq!(head.stack(), 9 << 5 | 0x12);
    }

    #[test]
    fn one_comparison_tells_who_may_free() {
        for (order, other) in Order::all().flat_map(|order| Order::all().map(move |o| (order, o))) {
            for class in classes() {
                let head = Head::allocated(order, class);
                assert_eq!(head.is_sole(other), order == other);
                assert_eq!(head.sole_order(), Some(order));
                let shared = head.one_more().unwrap();
                let last = shared.one_less().unwrap();
                assert!(!shared.is_sole(other) && !shared.is_last(other));
                assert!(!last.is_sole(other), "it wants care");
                assert_eq!((shared.sole_order(), last.sole_order()), (None, None));
                assert_eq!(
                    (head.is_last(other), last.is_last(other)),
                    (order == other, order == other)
                );
                assert_eq!((last.alone(), head.alone()), (head, head));
                assert!(!Head::stacked(order, class).is_sole(other));
                assert!(!Head::bad(order, class).is_sole(other));
                let others = [Head::stacked(order, class), Head::bad(order, class), Head::NONE];
                assert_eq!(others.map(Head::sole_order), [None; 3]);
                assert!(zones().all(|zone| !head.is_free(zone, other)));
            }
            for zone in zones() {
                for mobility in Mobility::ALL {
                    let free = Head::free(order, zone, mobility);
                    assert!(!free.is_sole(other));
                    assert_eq!(free.sole_order(), None);
                    for asked in zones() {
                        assert_eq!(free.is_free(asked, other), zone == asked && order == other);
                    }
                }
            }
        }
        assert!(!Head::NONE.is_sole(Order::ZERO));
    }

    #[test]
    fn a_class_has_the_mobility_of_its_flags() {
        use crate::zone::Gfp;
        for gfp in (0..32).map(Gfp::from_bits_retain).filter(|gfp| gfp.check().is_ok()) {
            assert_eq!(Class::of_flags(gfp.bits()).mobility(), gfp.mobility(), "{gfp}");
        }
    }

    #[test]
    fn references_do_not_wrap() {
        let (order, class) = (Order::ZERO, Class::of_flags(0));
        let mut head = Head::allocated(order, class);
        assert_eq!(head.one_less(), None);
        for _ in 0..u16::MAX {
            head = head.one_more().unwrap();
        }
        assert_eq!(head.one_more(), None);
        let most = PageState::Allocated { order, class, further_references: u16::MAX };
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
        let free = PageState::Free { order, zone, mobility: Mobility::Movable };
        assert_eq!(free.to_string(), "free, order 3, Movable");
        assert_eq!(PageState::Corrupt { word: 0xdead }.to_string(), "corrupt, 0x0000dead");
    }
}
