//! A frame that is mapped in the pkmap, or lowmem.

use core::fmt;

use super::Pkmap;
use crate::addr::VirtAddr;
use crate::map::slots::SlotTable;
use crate::platform::Platform;

/// One use of a frame's mapping. Everybody may use the address, from any CPU, until it is dropped.
#[must_use = "the frame is unmapped when it is dropped"]
pub struct Kmap<'k, 'p, 'a, P: Platform, T: SlotTable, const CPUS: usize = 1> {
    from: &'k Pkmap<'p, 'a, P, T, CPUS>,
    virt: VirtAddr,
}

impl<'k, 'p, 'a, P: Platform, T: SlotTable, const CPUS: usize> Kmap<'k, 'p, 'a, P, T, CPUS> {
    #[inline(always)]
    pub(super) const fn new(from: &'k Pkmap<'p, 'a, P, T, CPUS>, virt: VirtAddr) -> Self {
        Self { from, virt }
    }

    /// Where the frame is mapped: 4096 bytes.
    #[must_use]
    pub const fn address(&self) -> VirtAddr {
        self.virt
    }
}

impl<P: Platform, T: SlotTable, const CPUS: usize> Drop for Kmap<'_, '_, '_, P, T, CPUS> {
    #[inline]
    fn drop(&mut self) {
        // What can go wrong is somebody else's mistake, and has been reported.
        let _ = self.from.kunmap_raw(self.virt);
    }
}

impl<P: Platform, T: SlotTable, const CPUS: usize> fmt::Debug for Kmap<'_, '_, '_, P, T, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kmap({})", self.virt)
    }
}
