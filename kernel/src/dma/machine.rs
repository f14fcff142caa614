//! What DMA memory asks of the machine, answered by this kernel: its live page tables, its caches, its `kmap_local`.
#![expect(unsafe_code, reason = "bytes at mapped addresses are zeroed and copied")]

use core::ptr;

use arch_arm::cache::DataCaches;
use arch_arm::clear;
use mm::addr::{Pfn, PhysRange, VirtAddr, VirtRange};
use mm::dma::{DataCache, DmaMachine, HighPage, KernelMemory, LinearSections, NotTakenOut};

use crate::boot::LinearMap;
use crate::kmap;
use crate::maps::Maps;

/// The machine, as DMA memory sees it.
#[derive(Clone, Copy)]
pub struct DmaHardware {
    maps: &'static Maps,
    linear: LinearMap,
}

impl DmaHardware {
    /// The machine under the live tables, whose linear map is `linear`.
    pub const fn new(maps: &'static Maps, linear: LinearMap) -> Self {
        Self { maps, linear }
    }
}

impl KernelMemory for DmaHardware {
    #[inline]
    fn zero(&self, range: VirtRange) {
        // SAFETY: 1. DMA memory names bytes that are mapped writable, and its own; 2. whole words, from a multiple of 8.
        unsafe { clear::clear(range.start().as_u32() as *mut u8, range.len() as usize) };
    }

    fn copy(&self, from: VirtAddr, to: VirtAddr, bytes: u32) {
        let (from, to) = (from.as_u32() as *const u8, to.as_u32() as *mut u8);
        // SAFETY: DMA memory names bytes that are mapped, those at `to` writable and its own, and that do not overlap.
        unsafe { ptr::copy_nonoverlapping(from, to, bytes as usize) };
    }
}

impl HighPage for DmaHardware {
    fn with_page<R>(&self, pfn: Pfn, f: impl FnOnce(VirtAddr) -> R) -> R {
        kmap::local().with_page(pfn, f)
    }
}

impl LinearSections for DmaHardware {
    fn take_out(&self, range: PhysRange) -> Result<(), NotTakenOut> {
        let virt = self.virt(range).ok_or(NotTakenOut { range })?;
        self.maps.take_out(virt).map_err(|error| {
            log::warn!("dma: {error}");
            NotTakenOut { range }
        })
    }

    fn put_back(&self, range: PhysRange) {
        if let Some(virt) = self.virt(range)
            && let Err(error) = self.maps.put_back(virt)
        {
            log::warn!("dma: {error}");
        }
    }
}

impl DmaHardware {
    /// Where the linear map has, or had, all of `range`.
    fn virt(&self, range: PhysRange) -> Option<VirtRange> {
        if !self.linear.lowmem().contains_range(&range) {
            return None;
        }
        let start = self.linear.phys_to_virt(range.start())?;
        // The linear map ends below 4 GiB.
        let end = start.as_u32().wrapping_add(range.len() as u32);
        Some(VirtRange::new(start, VirtAddr::new(end)))
    }
}

impl DataCache for DmaHardware {
    #[inline(always)]
    fn clean(&self, range: VirtRange) {
        DataCaches.clean(range);
    }

    #[inline(always)]
    fn invalidate(&self, range: VirtRange) {
        DataCaches.invalidate(range);
    }

    #[inline(always)]
    fn clean_invalidate(&self, range: VirtRange) {
        DataCaches.clean_invalidate(range);
    }
}

impl DmaMachine for DmaHardware {
    type Tables = Maps;

    #[inline(always)]
    fn tables(&self) -> &Maps {
        self.maps
    }
}
