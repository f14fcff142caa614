//! Why device memory was not mapped. An error means that nothing has changed.

use core::fmt;

use crate::addr::{PhysAddr, PhysRange};
use crate::map::mmio::TooFewRegisters;
use crate::map::mmu::NoTable;
use crate::map::prot::MemoryType;
use crate::map::vmalloc::VmallocError;

/// A mapping that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IoremapError {
    /// No byte was asked for.
    Empty {
        /// Where.
        phys: PhysAddr,
    },
    /// The range goes past the end of physical addresses, which have 40 bits.
    Wraps {
        /// Its start.
        phys: PhysAddr,
        /// Its size in bytes.
        bytes: u64,
    },
    /// Part of the range lies above 4 GiB, where only whole supersections of 16 MiB reach, and these page tables
    /// perhaps not: see [`Mmu::BLOCKS_END`](crate::map::Mmu::BLOCKS_END).
    OutOfReach {
        /// The range.
        range: PhysRange,
    },
    /// Part of the range is memory that the kernel uses, and maps as memory.
    Ram {
        /// The range.
        range: PhysRange,
        /// What of it is memory.
        memory: PhysRange,
    },
    /// Part of the range is mapped with another type.
    Conflict {
        /// The type that was asked for.
        wanted: MemoryType,
        /// The type that it has.
        has: MemoryType,
        /// What is mapped so.
        range: PhysRange,
        /// The return address in who mapped it; 0 is boot.
        caller: u32,
    },
    /// The region has no room, or there is no memory to keep books of it.
    Region(VmallocError),
    /// There is no memory for a page table.
    NoTable(NoTable),
    /// The device has fewer registers than the driver uses.
    TooFew(TooFewRegisters),
    /// The registers lie at no multiple of the alignment that their structure has.
    Misaligned {
        /// Where they lie.
        phys: PhysAddr,
    },
}

impl fmt::Display for IoremapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { phys } => write!(f, "no bytes of device memory at {phys}"),
            Self::Wraps { phys, bytes } => {
                write!(f, "{bytes:#x} bytes at {phys} go past the end of physical addresses")
            }
            Self::OutOfReach { range } => {
                write!(
                    f,
                    "{range} ends above 4 GiB, where these page tables reach nothing, or whole 16 MiB only"
                )
            }
            Self::Ram { range, memory } => write!(f, "{range} is no device: {memory} is memory"),
            Self::Conflict { wanted, has, range, caller: 0 } => {
                write!(f, "{range} is mapped as {has} by boot, so it can not be {wanted}")
            }
            Self::Conflict { wanted, has, range, caller } => {
                write!(f, "{range} is mapped as {has} by {caller:#010x}, so it can not be {wanted}")
            }
            Self::Region(error) => error.fmt(f),
            Self::NoTable(error) => error.fmt(f),
            Self::TooFew(error) => error.fmt(f),
            Self::Misaligned { phys } => write!(f, "the registers at {phys} are not aligned"),
        }
    }
}

impl core::error::Error for IoremapError {}

impl From<VmallocError> for IoremapError {
    fn from(error: VmallocError) -> Self {
        match error {
            VmallocError::NoTable(error) => Self::NoTable(error),
            other => Self::Region(other),
        }
    }
}
