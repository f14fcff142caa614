//! The figures of DMA memory at one moment, for [`report::dmainfo`](crate::report::dmainfo).
//!
//! They are read without a lock: while others allocate, they may not all be of one moment.

use arrayvec::{ArrayString, ArrayVec};

use super::device::{Coherency, NAME_BYTES};
use super::live::LiveMapping;
use super::sections::BLOCKS;
use crate::addr::{PhysRange, VirtRange};
use crate::zone::ZoneKind;

/// How much of something that is handed out in pieces is used. In bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// All of it.
    pub bytes: u32,
    /// What is handed out.
    pub in_use: u32,
    /// The largest piece that is free.
    pub largest_free: u32,
}

/// A block of lowmem that was taken out of the linear map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SectionFigures {
    /// Where.
    pub memory: PhysRange,
    /// The zone that it came from; `None` if it is in none, which can not be.
    pub zone: Option<ZoneKind>,
    /// How much of it is used.
    pub usage: Usage,
}

/// The atomic pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolFigures {
    /// Where it lies.
    pub memory: PhysRange,
    /// How much of it is used.
    pub usage: Usage,
    /// How far up it was ever used, in bytes from its start. It is first fit: a pool that is smaller would have been
    /// too small, or nearly so.
    pub high_water: u32,
}

/// The bounce pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BounceFigures {
    /// Where it lies.
    pub memory: PhysRange,
    /// How much of it is used.
    pub usage: Usage,
}

/// One device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceFigures {
    /// Its name.
    pub name: ArrayString<NAME_BYTES>,
    /// Whether it looks into the caches.
    pub coherency: Coherency,
    /// What is added to a physical address to get its bus address, modulo 4 GiB.
    pub offset: u32,
    /// What its streaming mappings reach.
    pub streaming: PhysRange,
    /// What its coherent memory may lie in.
    pub coherent: PhysRange,
    /// Coherent memory that it has, without what came from the atomic pool.
    pub coherent_bytes: u32,
    /// Mappings that had to be bounced, since boot.
    pub bounced: u32,
    /// Requests that were refused, since boot.
    pub refused: u32,
}

/// All but the devices and their mappings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DmaFigures {
    /// The region of uncached addresses.
    pub region: VirtRange,
    /// How much of it is used; the atomic pool counts as a whole.
    pub usage: Usage,
    /// What was taken out of the linear map.
    pub sections: ArrayVec<SectionFigures, BLOCKS>,
    /// The atomic pool; `None` if there is none.
    pub pool: Option<PoolFigures>,
    /// The bounce pool; `None` if there is none.
    pub bounce: Option<BounceFigures>,
    /// How many mappings are on the list of `dma_debug`; `None` if there is no list.
    pub watched: Option<u32>,
}

/// A few live mappings, and where to go on.
pub type SomeMappings = ArrayVec<LiveMapping, 8>;
