//! Tests on a machine whose caches hold other bytes than memory.
#![expect(unsafe_code, reason = "the duties of who names memory by its address")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod coherent;
mod debug;
mod machine;
mod pools;
mod streaming;

use machine::{Dma, FIRST, PAGE_OFFSET};

use super::Coherency;
use super::address::{DmaMask, DmaWindow};
use super::device::Device;
use crate::addr::{PAGE_SIZE, Pfn, PhysAddr, PhysRange, VirtAddr};
use crate::zone::ZoneKind;

/// A device that reaches everything.
fn device() -> Device {
    Device::new("device", DmaWindow::WHOLE, Coherency::Software)
}

/// A device that reaches the first `bytes` bytes of memory, a power of two, which are at 0 on its bus.
fn reaching(bytes: u32) -> Device {
    let memory = PhysRange::new(Pfn::new(FIRST).start(), PhysAddr::new(1 << 32));
    let device = Device::new("narrow", DmaWindow::new(0, memory).unwrap(), Coherency::Software);
    let mask = DmaMask::new(u64::from(bytes) - 1).unwrap();
    device.set_mask(mask).unwrap();
    device.set_coherent_mask(mask).unwrap();
    device
}

/// Pages that the allocator would give, per zone.
fn free_pages(dma: &Dma<'_, '_>) -> [u32; 3] {
    dma.slabs.shrink_all();
    dma.pages.drain();
    ZoneKind::ALL.map(|kind| dma.pages.zone(kind).free_pages())
}

/// The linear address of physical memory.
fn linear(phys: u32) -> VirtAddr {
    VirtAddr::new(phys - FIRST * PAGE_SIZE + PAGE_OFFSET)
}
