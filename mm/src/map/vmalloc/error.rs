//! What a region refuses, and why. An error means that nothing has changed.

use core::fmt;

use crate::addr::{Pfn, VirtAddr};
use crate::map::area::{AreaKind, AreaState, NoHole};
use crate::map::mmu::NoTable;
use crate::map::prot::Prot;
use crate::zone::AllocError;

/// An area that was not made, or not made larger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VmallocError {
    /// No byte was asked for, or no frame.
    Empty,
    /// More than there is memory.
    TooLarge {
        /// Pages that were asked for.
        pages: u32,
        /// Pages that there are.
        memory: u32,
    },
    /// The linear map has another type for the same memory, or nobody may execute it.
    Prot {
        /// What was asked for.
        prot: Prot,
    },
    /// A frame that is no memory of the page allocator's.
    NotMemory {
        /// Its number.
        pfn: Pfn,
    },
    /// The region has no gap that fits.
    NoHole(NoHole),
    /// There is no memory for the area's record.
    NoRecord(AllocError),
    /// There is no memory for a page table.
    NoTable(NoTable),
    /// There are not enough pages.
    NoPages {
        /// What the page allocator said.
        error: AllocError,
        /// How many there were.
        got: u32,
        /// How many it should have been.
        wanted: u32,
    },
    /// What was to be made larger or smaller is no such area; it was reported.
    NoArea(AreaError),
}

impl fmt::Display for VmallocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an area of no bytes"),
            Self::TooLarge { pages, memory } => {
                write!(f, "{pages} pages, which is more than the {memory} that there are")
            }
            Self::Prot { prot } => write!(f, "memory is not mapped {prot} here"),
            Self::NotMemory { pfn } => write!(f, "pfn {pfn} is no memory"),
            Self::NoHole(error) => error.fmt(f),
            Self::NoRecord(error) => write!(f, "no memory for an area's record: {error}"),
            Self::NoTable(error) => error.fmt(f),
            Self::NoPages { error, got, wanted } => {
                write!(f, "only {got} of {wanted} pages: {error}")
            }
            Self::NoArea(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for VmallocError {}

/// An address that is not what it was given as. Nothing has changed, and the fault has been reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AreaError {
    /// The address.
    pub virt: VirtAddr,
    /// What is wrong with it.
    pub fault: AreaFault,
}

/// What is wrong with an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AreaFault {
    /// It is outside the region.
    OutsideRegion,
    /// It is no page's first byte.
    Unaligned,
    /// No area holds it.
    NoArea,
    /// It is inside an area, which starts elsewhere.
    Inside {
        /// There.
        start: VirtAddr,
    },
    /// The area was given back before, or is not ready yet.
    NotLive {
        /// Where in its life it is.
        state: AreaState,
    },
    /// Device memory all of whose users own their mapping: it ends when they do, and by no address.
    Owned,
    /// The area is another kind.
    OtherKind {
        /// What it is.
        kind: AreaKind,
        /// What it was given as.
        named: AreaKind,
    },
}

impl fmt::Display for AreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { virt, fault } = self;
        match fault {
            AreaFault::OutsideRegion => write!(f, "{virt} is outside the region"),
            AreaFault::Unaligned => write!(f, "{virt} is not the first byte of a page"),
            AreaFault::NoArea => write!(f, "no area begins at {virt}"),
            AreaFault::Inside { start } => {
                write!(f, "{virt} is inside an area, which begins at {start}")
            }
            AreaFault::NotLive { state: AreaState::Making } => {
                write!(f, "the area at {virt} is being made, resized or given back")
            }
            AreaFault::NotLive { .. } => write!(f, "the area at {virt} was given back before"),
            AreaFault::Owned => {
                write!(f, "whoever uses the mapping at {virt} owns it, and ends it")
            }
            AreaFault::OtherKind { kind, named } => {
                write!(f, "the area at {virt} is {kind}, not {named}")
            }
        }
    }
}

impl core::error::Error for AreaError {}
