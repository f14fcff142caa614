//! DMA memory: coherent buffers, pools, and streams in each direction.
#![expect(unsafe_code, reason = "the duties of who names memory by its address")]

use mm::addr::{Order, PAGE_SIZE, Pfn, PhysAddr, VirtAddr, VirtRange};
use mm::boot::layout;
use mm::dma::{
    Coherency, CoherentBuffer, Device, Direction, DmaAddr, DmaMask, DmaMemory, DmaPool, DmaWindow,
    Watching,
};
use mm::zone::{Gfp, ZoneKind};

use crate::checks::{Redundant, kit_needs_all_but};
use crate::dma_machine::DmaParts;
use crate::kit::{Books, CPUS, Kit};
use crate::kmap::take_high;
use crate::place::*;
use crate::vmalloc::give;

const KERNEL: Gfp = Gfp::GFP_KERNEL;

pub type Dma<'s, 'w> = DmaMemory<'s, 'w, Books<'w>, DmaParts<'w>, CPUS>;

/// A device that reaches everything.
pub fn device() -> Device {
    Device::new("device", DmaWindow::WHOLE, Coherency::Software)
}

/// A device that reaches the DMA zone alone: the first 2 MiB, which are at 0 on its bus.
pub fn narrow() -> Device {
    let memory = mm::addr::PhysRange::new(phys(RAM), mm::addr::PhysAddr::new(1 << 32));
    let device = Device::new("narrow", DmaWindow::new(0, memory).unwrap(), Coherency::Software);
    let mask = DmaMask::new(u64::from(LOW_BYTES / 4) - 1).unwrap();
    device.set_mask(mask).unwrap();
    device.set_coherent_mask(mask).unwrap();
    device
}

/// Runs with DMA memory.
pub fn with_dma(kit: Kit<'_, '_>, run: impl for<'s, 'w> FnOnce(&mut Dma<'s, 'w>)) {
    let parts = DmaParts::new(kit);
    let region = layout::DMA;
    let memory = DmaMemory::new(region, linear_map(), kit.pages, kit.slabs, &parts, Watching::Off);
    run(&mut memory.unwrap());
}

fn pattern(bytes: u32, seed: u8) -> Vec<u8> {
    (0..bytes).map(|at| (at as u8).wrapping_mul(7) ^ seed).collect()
}

/// Where a device's address lies in memory.
pub fn bus_to_phys(device: &Device, dma: DmaAddr) -> PhysAddr {
    phys(dma.as_u32().wrapping_sub(device.window().offset()))
}

/// A few bytes go either way, on either CPU.
fn exchange(kit: Kit<'_, '_>, device: &Device, buffer: CoherentBuffer) {
    let memory = bus_to_phys(device, buffer.dma);
    for (cpu, offset) in [(0, 0), (1, buffer.bytes - 8)] {
        kit.on.run_on(cpu);
        let (virt, phys) =
            (virt(buffer.virt.as_u32() + offset), memory.saturating_add(offset.into()));
        kit.on.store_bytes(virt, &[cpu as u8 + 1; 8]);
        let mut read = [0; 8];
        kit.on.0.emulated.device_read(phys, &mut read);
        assert_eq!(read, [cpu as u8 + 1; 8]);
        kit.on.0.emulated.device_write(phys, &[cpu as u8 + 5; 8]);
        assert_eq!(kit.on.load_bytes(virt, 8), [cpu as u8 + 5; 8]);
    }
}

/// The tables of the region, which boot links one after another.
const BOOT: [Redundant; 3] = [
    ("dsb InnerStores in tables.rs", 2, "all tables were cleared before the first was linked"),
    ("dsb InnerStores in tables.rs", 3, "who links the tables publishes the pages too"),
    ("isb in tables.rs", 3, "who links the tables publishes the pages too"),
];

/// The next HighMem page that is taken was somebody's, who has left all its lines dirty.
fn leave_lines(kit: Kit<'_, '_>) {
    let page = take_high(kit);
    kit.local.with_page(page, |virt| kit.on.store_bytes(virt, &[0xd1; PAGE_SIZE as usize]));
    give(kit, &[page]);
}

/// Is all of the buffer's page zero?
fn assert_zero(kit: Kit<'_, '_>, buffer: CoherentBuffer) {
    assert!(kit.on.load_bytes(buffer.virt, PAGE_SIZE).iter().all(|byte| *byte == 0));
}

#[test]
fn coherent_buffers_come_and_go() {
    kit_needs_all_but(2, &BOOT, |kit| {
        let wide = device();
        with_dma(kit, |dma| {
            for bytes in [PAGE_SIZE, 100] {
                leave_lines(kit);
                let buffer = dma.alloc_coherent_raw(&wide, bytes, KERNEL).unwrap();
                assert!(buffer.dma.as_u32() >= HIGH);
                assert_zero(kit, buffer);
                exchange(kit, &wide, buffer);
                // SAFETY: nobody uses it any more.
                unsafe { dma.free_coherent_raw(&wide, buffer) }.unwrap();
                assert!(kit.on.here().load_u32(buffer.virt).is_err());
                kit.on.0.emulated.range_reused(range(buffer.virt.as_u32(), PAGE_SIZE));
            }
        });
    });
}
