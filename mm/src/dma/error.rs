//! Why there is no buffer or no mapping, and what somebody did wrong.
//!
//! Each error names what was asked for, and the sizes that a reader needs to choose another `coherent_pool=` or
//! another mask.

use core::fmt;

use super::address::DmaAddr;
use super::direction::Direction;
use super::live::LiveMapping;
use super::machine::NotTakenOut;
use crate::addr::{KIB, PhysRange, VirtAddr};
use crate::zone::AllocError;

/// There is no coherent buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CoherentError {
    /// Of no byte.
    NoBytes,
    /// More than the region has, or than a block of pages.
    TooLarge {
        /// What was asked for.
        bytes: u32,
        /// The most there can be.
        most: u32,
    },
    /// There are no addresses for it in the DMA region.
    NoAddresses {
        /// What was asked for.
        bytes: u32,
        /// The region's size.
        region: u32,
        /// What of it is free.
        free: u32,
        /// And in one piece.
        largest_free: u32,
    },
    /// The caller can not wait, and the atomic pool has no room.
    PoolExhausted {
        /// What was asked for.
        bytes: u32,
        /// The pool's size.
        pool: u32,
        /// What of it is free.
        free: u32,
        /// And in one piece.
        largest_free: u32,
    },
    /// The caller can not wait, and there is no atomic pool.
    NoPool {
        /// What was asked for.
        bytes: u32,
    },
    /// The caller can not wait, and the device does not reach the atomic pool.
    PoolOutOfReach {
        /// Where that lies.
        pool: PhysRange,
        /// What the device reaches.
        reach: PhysRange,
    },
    /// There is no memory.
    NoMemory {
        /// What was asked for.
        bytes: u32,
        /// Why.
        error: AllocError,
    },
    /// The memory that there is lies where the device does not reach.
    OutOfReach {
        /// What was found.
        memory: PhysRange,
        /// What the device reaches.
        reach: PhysRange,
    },
    /// As many blocks were taken out of the linear map as there are records for.
    TooManySections {
        /// What was asked for.
        bytes: u32,
        /// How many there are.
        blocks: u32,
    },
    /// A block could not be taken out of the linear map.
    NotTakenOut(NotTakenOut),
}

impl fmt::Display for CoherentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBytes => f.write_str("a coherent buffer of no byte"),
            Self::TooLarge { bytes, most } => {
                write!(f, "a coherent buffer of {bytes} bytes: {most} is the most there can be")
            }
            Self::NoAddresses { bytes, region, free, largest_free } => write!(
                f,
                "no addresses for a coherent buffer of {bytes} bytes: of the {region} of the DMA region \
                 {free} are free, {largest_free} in one piece"
            ),
            Self::PoolExhausted { bytes, pool, free, largest_free } => write!(
                f,
                "the atomic pool has no {bytes} bytes in one piece: of its {} KiB {free} bytes are free, \
                 {largest_free} in one piece; coherent_pool= makes it larger",
                u64::from(*pool) / KIB
            ),
            Self::NoPool { bytes } => write!(
                f,
                "no atomic pool for {bytes} bytes that can not be waited for: coherent_pool= makes one"
            ),
            Self::PoolOutOfReach { pool, reach } => {
                write!(f, "the atomic pool at {pool} is out of the device's reach, {reach}")
            }
            Self::NoMemory { bytes, error } => {
                write!(f, "no memory for a coherent buffer of {bytes} bytes: {error}")
            }
            Self::OutOfReach { memory, reach } => {
                write!(f, "the memory at {memory} is out of the device's reach, {reach}")
            }
            Self::TooManySections { bytes, blocks } => write!(
                f,
                "no room for {bytes} bytes in the {blocks} blocks that are out of the linear map, and \
                 there can be no more"
            ),
            Self::NotTakenOut(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CoherentError {}

/// There is no bounce pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BounceError {
    /// More than the pool has records for.
    TooLarge {
        /// What was asked for.
        bytes: u32,
        /// The most there can be.
        most: u32,
    },
    /// There is no memory for it.
    NoMemory {
        /// What was asked for.
        bytes: u32,
        /// Why.
        error: AllocError,
    },
    /// The memory that there is lies elsewhere.
    OutOfReach {
        /// What was found.
        memory: PhysRange,
        /// Where it should be.
        reach: PhysRange,
    },
}

impl fmt::Display for BounceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, most } => {
                write!(f, "a bounce pool of {bytes} bytes: {most} is the most there can be")
            }
            Self::NoMemory { bytes, error } => {
                write!(f, "no memory for a bounce pool of {bytes} bytes: {error}")
            }
            Self::OutOfReach { memory, reach } => {
                write!(f, "the memory for a bounce pool, {memory}, is not in {reach}")
            }
        }
    }
}

impl core::error::Error for BounceError {}

/// A buffer can not be mapped for a device. Linux's `DMA_MAPPING_ERROR` does not say why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// It has no byte.
    NoBytes,
    /// It does not lie in the linear map as a whole: vmalloc's memory, a stack, an address that wraps.
    NotLinear {
        /// Where it begins.
        virt: VirtAddr,
        /// How long it is.
        bytes: u32,
    },
    /// It is not memory, or not all of it.
    NotMemory {
        /// Where.
        memory: PhysRange,
    },
    /// The device does not reach it, and there is no bounce pool that it reaches.
    OutOfReach {
        /// Where it lies.
        memory: PhysRange,
        /// What the device reaches.
        reach: PhysRange,
    },
    /// The device does not reach it, and it is too long to be bounced.
    TooLongToBounce {
        /// How long it is.
        bytes: u32,
        /// The most.
        most: u32,
    },
    /// The device does not reach it, and the bounce pool has no room.
    BounceExhausted {
        /// How long it is.
        bytes: u32,
        /// The pool's size.
        pool: u32,
        /// What of it is free.
        free: u32,
        /// And in one piece.
        largest_free: u32,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBytes => f.write_str("a DMA mapping of no byte"),
            Self::NotLinear { virt, bytes } => write!(
                f,
                "{bytes} bytes at {virt} are not in the linear map as a whole, and can not be mapped for DMA"
            ),
            Self::NotMemory { memory } => {
                write!(f, "{memory} is not memory that can be mapped for DMA")
            }
            Self::OutOfReach { memory, reach } => write!(
                f,
                "the buffer at {memory} is out of the device's reach, {reach}, and so is the bounce pool, if any"
            ),
            Self::TooLongToBounce { bytes, most } => {
                write!(f, "{bytes} bytes out of the device's reach: at most {most} can be bounced")
            }
            Self::BounceExhausted { bytes, pool, free, largest_free } => write!(
                f,
                "the bounce pool has no {bytes} bytes in one piece: of its {} KiB {free} bytes are free, \
                 {largest_free} in one piece; swiotlb= makes it larger",
                u64::from(*pool) / KIB
            ),
        }
    }
}

impl core::error::Error for MapError {}

/// A part that is not in its mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotInMapping {
    /// Where the part begins.
    pub offset: u32,
    /// How long it is.
    pub bytes: u32,
    /// How long the mapping is.
    pub mapped: u32,
}

impl fmt::Display for NotInMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, bytes, mapped } = self;
        write!(f, "{bytes} bytes from byte {offset} on of a DMA mapping of {mapped} bytes")
    }
}

impl core::error::Error for NotInMapping {}

/// Somebody used DMA memory wrongly. It is reported, and unless it says so nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DmaFault {
    /// A coherent buffer is given back that is none: never was, or no more.
    NoBuffer {
        /// Its address.
        virt: VirtAddr,
        /// Its length.
        bytes: u32,
    },
    /// A coherent buffer is given back with another length.
    WrongLength {
        /// Its address.
        virt: VirtAddr,
        /// Its length, in pages.
        pages: u32,
        /// What was said, in bytes.
        bytes: u32,
    },
    /// A coherent buffer is given back with another bus address.
    WrongHandle {
        /// Its address.
        virt: VirtAddr,
        /// Its bus address.
        is: DmaAddr,
        /// What was said.
        said: DmaAddr,
    },
    /// A bounced mapping that does not exist is unmapped or synchronised.
    NotBounced {
        /// The bus address.
        dma: DmaAddr,
        /// The length.
        bytes: u32,
    },
    /// What is unmapped or synchronised is not mapped.
    NotMapped {
        /// The bus address.
        dma: DmaAddr,
        /// The length.
        bytes: u32,
        /// The direction.
        direction: Direction,
    },
    /// A mapping is unmapped with another length. It is gone.
    OtherLength {
        /// The mapping.
        is: LiveMapping,
        /// What was said.
        bytes: u32,
    },
    /// A mapping is unmapped or synchronised with another direction. What was unmapped is gone.
    OtherDirection {
        /// The mapping.
        is: LiveMapping,
        /// What was said.
        direction: Direction,
    },
    /// Two live mappings share bytes, and a device writes at least one of them. Both exist.
    Overlap {
        /// The one that came first.
        is: LiveMapping,
        /// The other.
        new: LiveMapping,
    },
    /// A device goes, and a mapping of it is left. It is forgotten.
    Leaked {
        /// The mapping.
        is: LiveMapping,
        /// How many there are.
        all: u32,
    },
    /// A device goes, and coherent memory of it is left.
    CoherentLeft {
        /// How much.
        bytes: u32,
    },
    /// There was no memory for one more entry: mappings are no longer watched.
    ListIsFull {
        /// How many there are.
        all: u32,
    },
    /// A block is given back to a pool that has none there.
    NoBlock {
        /// Its address.
        virt: VirtAddr,
        /// Its bus address.
        dma: DmaAddr,
    },
    /// A block is given back to its pool for the second time.
    FreeBlock {
        /// Its address.
        virt: VirtAddr,
    },
    /// A pool ends, and blocks of it are out. Their pages are lost.
    PoolBusy {
        /// How many.
        blocks: u32,
    },
}

impl fmt::Display for DmaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBuffer { virt, bytes } => {
                write!(f, "{bytes} bytes at {virt} are given back, where no coherent buffer begins")
            }
            Self::WrongLength { virt, pages, bytes } => write!(
                f,
                "the coherent buffer of {pages} pages at {virt} is given back as one of {bytes} bytes"
            ),
            Self::WrongHandle { virt, is, said } => write!(
                f,
                "the coherent buffer at {virt} is given back as {said}, and is at {is} on the bus"
            ),
            Self::NotBounced { dma, bytes } => {
                write!(f, "no bounced mapping of {bytes} bytes is at {dma}")
            }
            Self::NotMapped { dma, bytes, direction } => {
                write!(f, "{bytes} bytes at {dma}, {direction}, are not mapped")
            }
            Self::OtherLength { is, bytes } => write!(f, "{is} is unmapped as {bytes} bytes"),
            Self::OtherDirection { is, direction } => write!(f, "{is} is used as {direction}"),
            Self::Overlap { is, new } => write!(f, "{new} overlaps {is}"),
            Self::Leaked { is, all } => {
                write!(f, "{all} mappings are left of a device that goes, as {is}")
            }
            Self::CoherentLeft { bytes } => {
                write!(f, "{bytes} bytes of coherent memory are left of a device that goes")
            }
            Self::ListIsFull { all } => {
                write!(f, "no memory to watch more than {all} mappings: none is watched any more")
            }
            Self::NoBlock { virt, dma } => {
                write!(f, "the pool has no block at {virt}, {dma} on the bus")
            }
            Self::FreeBlock { virt } => write!(f, "the block at {virt} is given back twice"),
            Self::PoolBusy { blocks } => {
                write!(f, "the pool ends while {blocks} blocks are out; their pages are lost")
            }
        }
    }
}

impl core::error::Error for DmaFault {}
