//! Word 0 of a page descriptor: what begins at the frame. The drawing is in [`page`](super::page).

use core::fmt;

use super::mobility::Mobility;
use crate::addr::Order;

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
    /// The first frame of an allocated block that lies in a pool: whoever set it aside there keeps
    /// it, and nobody may free it.
    Parked {
        /// Size of the block.
        order: Order,
        /// What it was asked for.
        class: Class,
    },
    /// The first frame of an allocated block that is cut into objects, or that holds their books: the slab
    /// allocator's to free alone.
    Slab {
        /// Size of the block.
        order: Order,
        /// What it was asked for.
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
            | Self::Bad { order, .. }
            | Self::Parked { order, .. }
            | Self::Slab { order, .. } => Some(order),
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
            Self::Parked { order, class } => {
                write!(f, "in a pool, order {order}, {}", class.mobility())
            }
            Self::Slab { order, class } => {
                write!(f, "objects, order {order}, {}", class.mobility())
            }
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
const KIND_SLAB: u32 = 5 << KIND_SHIFT;
const KIND_BAD: u32 = 8 << KIND_SHIFT;
const KIND_PARKED: u32 = 9 << KIND_SHIFT;
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

    /// The word as it stands in a descriptor, whatever it says.
    #[inline(always)]
    pub(super) const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The word for a descriptor.
    #[inline(always)]
    pub(super) const fn word(self) -> u32 {
        self.0
    }

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

    /// The head of the blocks in the stack with this number.
    pub(crate) const fn in_stack(number: u32) -> Self {
        Self(KIND_STACKED | number << CLASS_SHIFT)
    }

    /// The head of a block that is kept out.
    pub(crate) const fn bad(order: Order, class: Class) -> Self {
        Self::encode(KIND_BAD, order, class.bits())
    }

    /// The head of an allocated block that lies in a pool.
    pub(crate) const fn parked(order: Order, class: Class) -> Self {
        Self::encode(KIND_PARKED, order, class.bits())
    }

    /// The head of an allocated block of the slab allocator.
    pub(crate) const fn slab(order: Order, class: Class) -> Self {
        Self::encode(KIND_SLAB, order, class.bits())
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

    /// As [`is_sole`](Self::is_sole), of a block of whichever order.
    #[inline(always)]
    pub(crate) const fn is_sole_of_any_order(self) -> bool {
        self.0 >> KIND_SHIFT == KIND_ALLOCATED >> KIND_SHIFT
    }

    /// Is this the head of an allocated block, with however many references?
    #[inline(always)]
    pub(crate) const fn is_allocated(self) -> bool {
        self.0 & (KIND_MASK | UNUSED) == KIND_ALLOCATED
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
            (KIND_PARKED, _) if !is_shared => PageState::Parked { order, class },
            (KIND_SLAB, _) if !is_shared => PageState::Slab { order, class },
            _ => corrupt,
        }
    }
}

const _: () = {
    assert!(Order::MAX.as_u32() <= ORDER_MASK);
    assert!(ZoneId::COUNT as u32 == ZONE_MASK + 1);
    assert!((Mobility::COUNT as u32) << MOBILITY_SHIFT <= CLASS_MASK + 1);
    assert!(ORDER_SHIFT + ORDER_MASK.count_ones() == KIND_SHIFT);
};

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
                let parked = Head::parked(order, class);
                assert_eq!(parked.decode(), PageState::Parked { order, class });
                assert_eq!(Head::slab(order, class).decode(), PageState::Slab { order, class });
                let mut head = Head::allocated(order, class);
                assert_eq!(head.toggle_stacked(), stacked);
                assert_eq!(Head::in_stack(stacked.stack()), stacked);
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
        let kinds = [KIND_FREE, KIND_ALLOCATED, KIND_STACKED, KIND_BAD, KIND_PARKED, KIND_SLAB];
        let low = [0, 1, KIND_ALLOCATED | 1].into_iter().chain(kinds);
        let low = low.flat_map(|low| [low, low | SHARED]).collect::<Vec<_>>();
        let high = (16..32).flat_map(|bit| low.iter().map(move |low| 1 << bit | low));
        let mut known = 0;
        for word in (0..=0xffff).chain(high) {
            let encoded = match Head(word).decode() {
                PageState::NoHead => 0,
                PageState::Free { order, zone, mobility } => Head::free(order, zone, mobility).0,
                PageState::Stacked { order, class } => Head::stacked(order, class).0,
                PageState::Bad { order, class } => Head::bad(order, class).0,
                PageState::Parked { order, class } => Head::parked(order, class).0,
                PageState::Slab { order, class } => Head::slab(order, class).0,
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
        // Allocated, once shared or not; stacked; bad; parked; a slab's.
        assert_eq!(known, 1 + (6 * 32 + 4 * Mobility::COUNT as u32) * Order::COUNT as u32);
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
                assert!(head.is_sole_of_any_order());
                let shared = head.one_more().unwrap();
                let last = shared.one_less().unwrap();
                assert!(!shared.is_sole(other) && !shared.is_last(other));
                assert!(!last.is_sole(other), "it wants care");
                assert!(!shared.is_sole_of_any_order() && !last.is_sole_of_any_order());
                assert_eq!(
                    (head.is_last(other), last.is_last(other)),
                    (order == other, order == other)
                );
                assert_eq!((last.alone(), head.alone()), (head, head));
                assert!(!Head::stacked(order, class).is_sole(other));
                assert!(!Head::bad(order, class).is_sole(other));
                let parked = Head::parked(order, class);
                assert!(!parked.is_sole(other) && !parked.is_last(other));
                let slab = Head::slab(order, class);
                assert!(!slab.is_sole(other) && !slab.is_last(other));
                assert!(!slab.is_sole_of_any_order());
                let others =
                    [Head::stacked(order, class), Head::bad(order, class), parked, Head::NONE];
                assert_eq!(others.map(Head::is_sole_of_any_order), [false; 4]);
                assert!(zones().all(|zone| !head.is_free(zone, other)));
            }
            for zone in zones() {
                for mobility in Mobility::ALL {
                    let free = Head::free(order, zone, mobility);
                    assert!(!free.is_sole(other));
                    assert!(!free.is_sole_of_any_order());
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
    fn a_state_prints_its_name_and_order() {
        let (zone, order) = (ZoneId::new(1).unwrap(), Order::new(3).unwrap());
        let free = PageState::Free { order, zone, mobility: Mobility::Movable };
        assert_eq!(free.to_string(), "free, order 3, Movable");
        assert_eq!(PageState::Corrupt { word: 0xdead }.to_string(), "corrupt, 0x0000dead");
    }
}
