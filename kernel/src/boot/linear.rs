//! The linear map as memory: lowmem frames that can be read and written where it maps them.

use core::ops::Deref;
use core::ptr;

use arch_arm::mmu::walk::TableRead;
use mm::addr::{PhysAddr, PhysRange, VirtAddr};
use mm::map::linear;

/// The arithmetic of the linear map, for those who may also follow its addresses.
#[derive(Clone, Copy, Debug)]
pub struct LinearMap(linear::LinearMap);

impl LinearMap {
    /// The linear map of `lowmem`, which starts at `PHYS_OFFSET`.
    pub const fn new(page_offset: VirtAddr, lowmem: PhysRange) -> Self {
        Self(linear::LinearMap::new(page_offset, lowmem))
    }

    /// A pointer to `range`; `None` unless all of it lies in lowmem.
    pub fn pointer(&self, range: PhysRange) -> Option<*mut u8> {
        if !self.lowmem().contains_range(&range) {
            return None;
        }
        self.phys_to_virt(range.start()).map(|virt| virt.as_u32() as *mut u8)
    }
}

impl Deref for LinearMap {
    type Target = linear::LinearMap;

    fn deref(&self) -> &linear::LinearMap {
        &self.0
    }
}

impl TableRead for LinearMap {
    fn read(&self, entry: PhysAddr) -> u32 {
        match self.phys_to_virt(entry) {
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
