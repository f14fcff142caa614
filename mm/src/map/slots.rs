//! Slots: single pages at fixed addresses that frames are mapped in for a while, again and again.
//!
//! The second-level tables under the pkmap and the fixmap are made at boot and stay. So the entry of a slot is found
//! by arithmetic, and mapping a frame is one store and a barrier. [`SlotTable`] is that: a
//! [`Mmu`] for one region, one page at a time, with one [`Prot`], that of the
//! linear map (T4 of `docs/model.md`). Who has no such shortcut uses [`MmuSlots`].
//!
//! Which slot is whose, and when it may be used anew, is the caller's to know: each entry has one writer at a time.

use super::duty::{Fresh, Stale};
use super::mmu::Mmu;
use super::prot::Prot;
use crate::addr::{PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};

/// The entries of a region whose tables are there for good. Any context; nothing sleeps.
///
/// An address is that of a slot: a multiple of 4096 in the region.
pub trait SlotTable {
    /// Maps the frame at `virt`, whose entry is a fault, as the linear map would map it.
    fn map(&self, virt: VirtAddr, pfn: Pfn) -> Fresh;

    /// Makes what was mapped ready to be used, by all CPUs.
    fn publish(&self, fresh: Fresh);

    /// Makes the entry of `virt` a fault.
    fn clear(&self, virt: VirtAddr) -> Stale;

    /// Has all TLBs of all CPUs forget the addresses.
    fn flush(&self, stale: Stale);
}

/// The page at `virt`.
#[must_use]
pub const fn page_at(virt: VirtAddr) -> VirtRange {
    VirtRange::new(virt, VirtAddr::new(virt.as_u32().wrapping_add(PAGE_SIZE)))
}

/// Slots by way of the live tables, which must be held there.
#[derive(Debug)]
pub struct MmuSlots<'m, M>(pub &'m M);

impl<M: Mmu> SlotTable for MmuSlots<'_, M> {
    fn map(&self, virt: VirtAddr, pfn: Pfn) -> Fresh {
        self.0.map_run(virt, PfnRange::new(pfn, pfn.saturating_add(1)), Prot::KERNEL)
    }

    fn publish(&self, fresh: Fresh) {
        self.0.publish(fresh);
    }

    fn clear(&self, virt: VirtAddr) -> Stale {
        self.0.clear(page_at(virt))
    }

    fn flush(&self, stale: Stale) {
        self.0.flush(stale);
    }
}
