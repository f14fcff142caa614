//! What the page allocator refuses, and why. An error means that nothing has changed.

use core::fmt;

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

/// No zone that the request may use has a block large enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfPages {
    /// The highest zone that the request could use.
    pub highest: ZoneKind,
    /// The block's order.
    pub order: Order,
}

impl fmt::Display for OutOfPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no free block of order {} for zone {}", self.order, self.highest)
    }
}

impl core::error::Error for OutOfPages {}

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
