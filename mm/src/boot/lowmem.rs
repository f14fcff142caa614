//! Where lowmem ends: how much RAM the linear map can hold under a split and a `vmalloc=`.
//!
//! The linear map starts at `PAGE_OFFSET` and must leave, below `VMALLOC_END`, the vmalloc request
//! and the gap. That limit is not rounded at all: an odd `vmalloc=` gives an odd end of lowmem, as
//! in Linux. RAM above it is HighMem, or lost without HighMem.

use super::layout::{VMALLOC_END, VMALLOC_OFFSET};
use super::split::Split;
use crate::addr::{PhysAddr, PhysRange};

/// The physical address that the linear map must not pass. May lie above 4 GiB.
#[must_use]
pub const fn vmalloc_limit(split: Split, phys_offset: PhysAddr, vmalloc_bytes: u32) -> PhysAddr {
    let lowmem_bytes =
        VMALLOC_END.as_u32() - VMALLOC_OFFSET - split.page_offset().as_u32() - vmalloc_bytes;
    phys_offset.saturating_add(lowmem_bytes as u64)
}

/// The end of lowmem: the highest end of any block that starts below `limit`, cut at `limit`.
///
/// `usable` are the blocks that may be mapped (memory that is not NOMAP). Holes between them lie
/// inside lowmem: they consume addresses of the linear map. `None` when nothing starts below the
/// limit.
pub fn lowmem_end(usable: impl Iterator<Item = PhysRange>, limit: PhysAddr) -> Option<PhysAddr> {
    usable.filter(|block| block.start() < limit).map(|block| block.end().min(limit)).max()
}
