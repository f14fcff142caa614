//! What the page allocator refuses, and why. An error means that nothing has changed.

use core::fmt;

use super::gfp::{Gfp, GfpError};
use super::span::ZoneKind;
use crate::addr::{Order, Pfn};
use crate::frame;

/// Zone spans that no allocator can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpanError {
    /// A span stands in another zone's place: they go DMA, Normal, HighMem.
    WrongKind {
        /// The kind that was expected there.
        expected: ZoneKind,
        /// The kind given.
        given: ZoneKind,
    },
    /// A zone starts below the end of the one below it.
    Overlap {
        /// The zone.
        kind: ZoneKind,
        /// Its first frame.
        start: Pfn,
    },
    /// The frame table does not cover a zone.
    NotCovered {
        /// The zone.
        kind: ZoneKind,
    },
    /// More frames are said to be memory than there are.
    TooManyPresent {
        /// The zone.
        kind: ZoneKind,
        /// The number said.
        present: u32,
        /// Frames in the span.
        spanned: u32,
    },
}

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongKind { expected, given } => {
                write!(f, "zone {given} where zone {expected} belongs")
            }
            Self::Overlap { kind, start } => {
                write!(f, "zone {kind} starts at pfn {start}, inside a lower zone")
            }
            Self::NotCovered { kind } => {
                write!(f, "zone {kind} has frames without page descriptors")
            }
            Self::TooManyPresent { kind, present, spanned } => {
                write!(f, "zone {kind}: {present} pages present of {spanned} spanned")
            }
        }
    }
}

impl core::error::Error for SpanError {}

/// There is no block. Nothing has changed.
///
/// One word, so that the result of a request is two registers; [`why`](Self::why) takes it apart. Bit 3 is
/// always set, so that a word that holds an address or an error can tell which
/// ([`Taken`](crate::object::Taken)).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct AllocError(u32);

/// Why there is no block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The flags contradict each other.
    Flags(GfpError),
    /// No zone that the request may use has a block large enough that the request may have, and nobody
    /// could help.
    NoMemory {
        /// The block's order.
        order: Order,
        /// The highest zone that the request could use.
        highest: ZoneKind,
    },
    /// No page at all, or more than any block has, or than could ever lie side by side.
    TooLarge {
        /// How many pages were asked for; those from 2^24 - 1 up are not told apart.
        pages: u32,
    },
}

const _: () = assert!(size_of::<Result<Pfn, AllocError>>() == 8);

/// The flags that an error about flags can name: unknown ones, zones, and those of `NOFAIL`. They stay
/// where they are in the word, and leave bits 4 to 7 for the kind.
const NAMED: u32 = 0xf001_c007;
/// Set in every error.
const ALWAYS: u32 = 1 << 3;
const KIND_SHIFT: u32 = 4;
/// The other kinds are those of [`GfpError`]. What these say is above bit 8.
const NO_MEMORY: u32 = 9;
const TOO_LARGE: u32 = 10;
/// Below an order.
const ZONE_BITS: u32 = 4;

impl AllocError {
    /// The flags contradict each other.
    #[must_use]
    pub const fn flags(error: GfpError) -> Self {
        let kind = match error {
            GfpError::Unknown { .. } => 1,
            GfpError::Zones { .. } => 2,
            GfpError::MovableAndReclaimable => 3,
            GfpError::AtomicMaySleep => 4,
            GfpError::NofailGivesUp { .. } => 5,
            GfpError::NofailCannotWait => 6,
            GfpError::NoAddress => 7,
            GfpError::ExactCompound => 8,
            GfpError::NotDmaCache => 11,
            GfpError::ZeroOfConstructed => 12,
        };
        Self(ALWAYS | kind << KIND_SHIFT | error.flags().bits() & NAMED)
    }

    /// No zone up to `highest` has a block of `order`.
    #[must_use]
    pub const fn no_memory(order: Order, highest: ZoneKind) -> Self {
        let what = order.as_u32() << ZONE_BITS | highest.index() as u32;
        Self(ALWAYS | NO_MEMORY << KIND_SHIFT | what << 8)
    }

    /// So many pages can not be had at once.
    #[must_use]
    pub const fn too_large(pages: u32) -> Self {
        let most = u32::MAX >> 8;
        Self(ALWAYS | TOO_LARGE << KIND_SHIFT | (if pages < most { pages } else { most }) << 8)
    }

    /// The word, in which bit 0 is set.
    pub(crate) const fn to_odd_word(self) -> u32 {
        self.0.rotate_right(3)
    }

    /// The error with this word.
    pub(crate) const fn from_odd_word(word: u32) -> Self {
        Self(word.rotate_left(3))
    }

    /// Why there is no block.
    #[must_use]
    pub const fn why(self) -> Why {
        let flags = Gfp::from_bits_retain(self.0 & NAMED);
        let what = self.0 >> 8;
        Why::Flags(match self.0 >> KIND_SHIFT & 0xf {
            1 => GfpError::Unknown { flags },
            2 => GfpError::Zones { flags },
            3 => GfpError::MovableAndReclaimable,
            4 => GfpError::AtomicMaySleep,
            5 => GfpError::NofailGivesUp { flags },
            6 => GfpError::NofailCannotWait,
            7 => GfpError::NoAddress,
            8 => GfpError::ExactCompound,
            11 => GfpError::NotDmaCache,
            12 => GfpError::ZeroOfConstructed,
            NO_MEMORY => {
                let order = match Order::new((what >> ZONE_BITS) as u8) {
                    Some(order) => order,
                    None => Order::MAX,
                };
                let highest = ZoneKind::ALL[what as usize & 3];
                return Why::NoMemory { order, highest };
            }
            _ => return Why::TooLarge { pages: what },
        })
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            Why::Flags(error) => error.fmt(f),
            Why::NoMemory { order, highest } => {
                write!(f, "no free block of order {order} for zone {highest}")
            }
            Why::TooLarge { pages: 0 } => f.write_str("a request for no page"),
            Why::TooLarge { pages } => write!(f, "{pages} pages are more than can be had at once"),
        }
    }
}

impl fmt::Debug for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why().fmt(f)
    }
}

impl core::error::Error for AllocError {}

/// The block was not given back: it is not allocated, or not with this order. Nothing has changed, and the
/// platform was told what is wrong; [`PageAllocator::why_not_free`](super::PageAllocator::why_not_free)
/// says it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotFreed {
    /// The frame.
    pub pfn: Pfn,
}

impl fmt::Display for NotFreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the block at pfn {} was not given back", self.pfn)
    }
}

impl core::error::Error for NotFreed {}

/// There is no further reference to the block. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShareError {
    /// There are as many references to the block as can be counted.
    TooMany {
        /// The block's first frame.
        pfn: Pfn,
    },
    /// No allocated block begins there.
    NotAllocated {
        /// The frame.
        pfn: Pfn,
    },
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { pfn } => {
                write!(f, "there are 65536 references to the block at pfn {pfn} already")
            }
            Self::NotAllocated { pfn } => write!(f, "no allocated block begins at pfn {pfn}"),
        }
    }
}

impl core::error::Error for ShareError {}

/// Frames that cannot be handed over. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReleaseError {
    /// A frame is in no zone.
    NoZone {
        /// The first such frame.
        pfn: Pfn,
    },
    /// The zone would manage more pages than are present.
    MoreThanPresent {
        /// The zone.
        kind: ZoneKind,
        /// How many pages it would manage.
        managed: u32,
        /// How many it has.
        present: u32,
    },
    /// The frames themselves cannot be.
    Frames(frame::ReleaseError),
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZone { pfn } => write!(f, "pfn {pfn} is in no zone"),
            Self::MoreThanPresent { kind, managed, present } => {
                write!(f, "zone {kind} would manage {managed} pages of {present} present")
            }
            Self::Frames(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReleaseError {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_word() {
        let all = |bits: u32| Gfp::from_bits_retain(bits);
        let flags = [
            GfpError::Unknown { flags: all(0x9000_0000) },
            GfpError::Zones { flags: all(0x5) },
            GfpError::MovableAndReclaimable,
            GfpError::AtomicMaySleep,
            GfpError::NofailGivesUp { flags: all(0x1_8000) },
            GfpError::NofailGivesUp { flags: all(0x1_c000) },
            GfpError::NofailCannotWait,
            GfpError::NoAddress,
            GfpError::ExactCompound,
        ];
        for error in flags {
            assert_eq!(AllocError::flags(error).why(), Why::Flags(error));
            assert_eq!(AllocError::flags(error).to_string(), error.to_string());
        }
        for order in Order::all() {
            for highest in ZoneKind::ALL {
                let error = AllocError::no_memory(order, highest);
                assert_eq!(error.why(), Why::NoMemory { order, highest });
            }
        }
        for (pages, said) in [(0, 0), (1025, 1025), (u32::MAX, 0xff_ffff)] {
            assert_eq!(AllocError::too_large(pages).why(), Why::TooLarge { pages: said });
        }
        // Whatever the flags are, the error says the same of them.
        for bits in (0..32).flat_map(|bit| [1 << bit, 0x8400 | 1 << bit, 0x60a | 1 << bit]) {
            if let Err(error) = all(bits).check_exact() {
                assert_eq!(AllocError::flags(error).why(), Why::Flags(error), "{bits:#x}");
            }
        }
    }
}
