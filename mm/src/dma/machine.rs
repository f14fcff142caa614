//! What DMA memory asks of the machine, beside page tables and data caches.
//!
//! Three small traits, and [`DmaMachine`] for all that one value must be able to do. The kernel implements them with
//! its live tables and its `kmap_local`; tests with an emulated machine whose caches hold other bytes than memory.

use core::fmt;

use super::cache::DataCache;
use crate::addr::{Pfn, PhysRange, VirtAddr, VirtRange};
use crate::map::Mmu;

/// Memory as the CPU sees it: at mapped addresses of the kernel, through its caches where the mapping says so.
pub trait KernelMemory {
    /// Zeroes bytes that are mapped writable and nobody else's: whole words from a multiple of 8. Any context.
    fn zero(&self, range: VirtRange);

    /// Copies bytes between two mapped ranges, which do not overlap. Any context.
    fn copy(&self, from: VirtAddr, to: VirtAddr, bytes: u32);
}

/// A way to a frame that has no address: `kmap_local`.
pub trait HighPage {
    /// Maps the frame, cacheable as the linear map would, runs `f` with its address, and unmaps and flushes it.
    /// `f` may call this once more, for a second frame. Any context.
    fn with_page<R>(&self, pfn: Pfn, f: impl FnOnce(VirtAddr) -> R) -> R;
}

/// Sections of the linear map could not be taken out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotTakenOut {
    /// The memory.
    pub range: PhysRange,
}

impl fmt::Display for NotTakenOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can not be taken out of the linear map", self.range)
    }
}

impl core::error::Error for NotTakenOut {}

/// Takes whole sections of lowmem out of the linear map, so that nothing maps them cacheable.
pub trait LinearSections {
    /// Makes the linear addresses of `range`, whole sections of 1 MiB, fault, in every address space, and flushes all
    /// TLBs of all CPUs. All of `range` is allocated, to the caller. Any context in which one may sleep.
    ///
    /// # Errors
    ///
    /// [`NotTakenOut`] when they are not mapped so that they can be taken out; nothing has changed then.
    fn take_out(&self, range: PhysRange) -> Result<(), NotTakenOut>;

    /// Maps `range` again as before: what [`take_out`](Self::take_out) took. It can not fail. Nothing else maps any of it
    /// by now.
    fn put_back(&self, range: PhysRange);
}

/// All that DMA memory asks of a machine.
pub trait DmaMachine: DataCache + KernelMemory + HighPage + LinearSections {
    /// What [`tables`](Self::tables) returns.
    type Tables: Mmu;

    /// The kernel's live page tables.
    fn tables(&self) -> &Self::Tables;
}
