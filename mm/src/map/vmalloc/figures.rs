//! The figures of a region at one moment, for reports.

use crate::addr::VirtRange;

/// The figures of a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegionFigures {
    /// Its addresses.
    pub region: VirtRange,
    /// Bytes that belong to no area and to no guard page.
    pub free: u32,
    /// The largest area, in bytes, that would fit now.
    pub largest: u32,
    /// How many areas there are, waiting and spare ones included.
    pub areas: u32,
    /// How many of them wait for a flush, and their bytes with guard pages.
    pub waiting_areas: u32,
    /// Bytes of addresses that wait for a flush.
    pub waiting: u32,
    /// Frames that wait for it.
    pub waiting_frames: u32,
    /// Bytes of addresses of spare areas.
    pub spare: u32,
}

/// What `meminfo` says of the vmalloc region, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VmallocFigures {
    /// `VmallocTotal`: the region.
    pub total: u32,
    /// What it is used for, when somebody keeps account of it.
    pub use_of_it: Option<VmallocUse>,
}

/// What the vmalloc region is used for, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VmallocUse {
    /// `VmallocUsed`: the pages of live areas that own theirs.
    pub used: u32,
    /// `VmallocChunk`: the largest area that would fit now. Linux has printed 0 there since 4.4, when counting
    /// became too slow; here the tree knows.
    pub chunk: u32,
}

impl VmallocFigures {
    /// A region of which no more is known.
    #[must_use]
    pub const fn region(region: VirtRange) -> Self {
        Self { total: region.len(), use_of_it: None }
    }
}
