//! What DMA asks of the data caches: one trait, which the architecture's crate implements.
//!
//! A device sees the *point of coherency*, that is memory; a CPU sees its caches first. Each call works on whole
//! lines, by address, through a mapping of the range, and is complete when it returns (a DSB ends it). Any context.
//!
//! *ARM DDI 0406C, B2.2, Caches and memory hierarchy*. CPUs may read ahead into their caches whatever a cacheable
//! mapping reaches, at any time: so what a device wrote is invalidated *after* it wrote, also where it was before.

use crate::addr::VirtRange;

/// The data caches of all CPUs.
pub trait DataCache {
    /// Writes what caches hold of `range` out to memory.
    fn clean(&self, range: VirtRange);

    /// Drops `range` from the caches; lines that it holds in part are written out before.
    ///
    /// What CPUs wrote there may be lost, or not: the range counts as written by a device.
    fn invalidate(&self, range: VirtRange);

    /// Writes `range` out to memory, and drops it from the caches.
    fn clean_invalidate(&self, range: VirtRange);
}
