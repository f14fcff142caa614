//! What the page allocator refuses, and why. An error means that nothing has changed.

use core::fmt;

use super::gfp::GfpError;
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

/// Why there is no block. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AllocError {
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
    /// More pages than any block has, or than could ever lie side by side.
    TooLarge {
        /// How many pages were asked for; 0 is too few for a block.
        pages: u32,
    },
}

// Two registers hold the result of a request.
const _: () = assert!(size_of::<Result<Pfn, AllocError>>() <= 8);

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(error) => error.fmt(f),
            Self::NoMemory { order, highest } => {
                write!(f, "no free block of order {order} for zone {highest}")
            }
            Self::TooLarge { pages: 0 } => f.write_str("a request for no page"),
            Self::TooLarge { pages } => write!(f, "{pages} pages are more than can be had at once"),
        }
    }
}

impl core::error::Error for AllocError {}

/// There are as many references to the block as can be counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyReferences {
    /// The block's first frame.
    pub pfn: Pfn,
}

impl fmt::Display for TooManyReferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are 65536 references to the block at pfn {} already", self.pfn)
    }
}

impl core::error::Error for TooManyReferences {}

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
