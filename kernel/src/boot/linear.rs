//! The linear map seen from its physical side: lowmem frames as memory that can be read and
//! written.

use core::ptr;

use arch_arm::mmu::walk::TableRead;
use mm::addr::{PhysAddr, PhysRange, VirtAddr, VirtRange};

/// virt = phys − `PHYS_OFFSET` + `PAGE_OFFSET`, for the addresses of lowmem.
#[derive(Clone, Copy, Debug)]
pub struct LinearMap {
    page_offset: VirtAddr,
    lowmem: PhysRange,
}

impl LinearMap {
    /// The linear map of `lowmem`, which starts at `PHYS_OFFSET`.
    pub const fn new(page_offset: VirtAddr, lowmem: PhysRange) -> Self {
        Self { page_offset, lowmem }
    }

    /// The physical addresses that the map covers, holes included.
    pub const fn lowmem(&self) -> PhysRange {
        self.lowmem
    }

    /// The address of `phys` in the map; `None` outside lowmem.
    pub fn virt(&self, phys: PhysAddr) -> Option<VirtAddr> {
        let offset = phys.as_u64().wrapping_sub(self.lowmem.start().as_u64());
        self.lowmem.contains(phys).then(|| VirtAddr::new(self.page_offset.as_u32() + offset as u32))
    }

    /// The frames under `range`, which lies in the map; `None` unless all of them are in lowmem.
    pub fn phys(&self, range: VirtRange) -> Option<PhysRange> {
        let offset = range.start().as_u32().checked_sub(self.page_offset.as_u32())?;
        let start = self.lowmem.start().saturating_add(u64::from(offset));
        let phys = PhysRange::new(start, start.saturating_add(u64::from(range.len())));
        self.lowmem.contains_range(&phys).then_some(phys)
    }

    /// A pointer to `range`; `None` unless all of it lies in lowmem.
    pub fn pointer(&self, range: PhysRange) -> Option<*mut u8> {
        if !self.lowmem.contains_range(&range) {
            return None;
        }
        self.virt(range.start()).map(|virt| virt.as_u32() as *mut u8)
    }
}

impl TableRead for LinearMap {
    fn read(&self, entry: PhysAddr) -> u32 {
        match self.virt(entry) {
            // SAFETY: an aligned word in lowmem. A live table holds the address of tables in
            // allocated, mapped frames only, so the word exists; whoever else writes it does so in
            // single words.
            Some(virt) if entry.is_aligned(4) => unsafe {
                ptr::read_volatile(virt.as_u32() as *const u32)
            },
            _ => 0,
        }
    }
}
