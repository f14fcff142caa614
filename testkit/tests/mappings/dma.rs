//! DMA memory: coherent buffers, pools, and streams in each direction.
#![expect(unsafe_code, reason = "the duties of who names memory by its address")]

use std::mem::ManuallyDrop;

use mm::addr::{Order, PAGE_SIZE, PhysAddr};
use mm::boot::layout;
use mm::dma::{
    Coherency, CoherentBuffer, Device, Direction, DmaAddr, DmaMask, DmaMemory, DmaPool, DmaWindow,
    Watching,
};
use mm::zone::Gfp;
use mm::zone::shrink::Shrinker;

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

/// A device that reaches the DMA zone alone: the first 4 MiB of memory, which are at 0 on its bus.
pub fn narrow() -> Device {
    let memory = mm::addr::PhysRange::new(phys(RAM), mm::addr::PhysAddr::new(1 << 32));
    let device = Device::new("narrow", DmaWindow::new(0, memory).unwrap(), Coherency::Software);
    let mask = DmaMask::new(u64::from(DMA_ZONE_BYTES) - 1).unwrap();
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

/// Gives back a buffer.
pub fn give_coherent(dma: &Dma<'_, '_>, device: &Device, buffer: CoherentBuffer) {
    // SAFETY: the tests' buffers are addresses of emulated memory, which nobody has a reference to.
    unsafe { dma.free_coherent_raw(device, buffer) }.unwrap();
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
                give_coherent(dma, &wide, buffer);
                assert!(kit.on.here().load_u32(buffer.virt).is_err());
                kit.on.0.emulated.range_reused(range(buffer.virt.as_u32(), PAGE_SIZE));
            }
        });
    });
}

/// Bytes around a buffer that must stay.
const AROUND: u32 = 128;

#[test]
fn coherent_buffers_of_lowmem_have_no_other_mapping() {
    let mut redundant = BOOT.to_vec();
    redundant.push((
        "isb in sequence.rs",
        2,
        "the buffer's mapping, and the section's, bring theirs",
    ));
    kit_needs_all_but(2, &redundant, |kit| {
        let narrow = narrow();
        with_dma(kit, |dma| {
            // The pages at the start of the section were somebody's.
            let block =
                kit.pages.alloc_raw(KERNEL | Gfp::__GFP_DMA, Order::new(8).unwrap()).unwrap();
            let at = linear(block.as_u32() * PAGE_SIZE);
            kit.on.store_bytes(at, &[0xd1; PAGE_SIZE as usize]);
            // SAFETY: it is the test's.
            unsafe { kit.pages.free_raw(block, Order::new(8).unwrap()) }.unwrap();
            let buffer = dma.alloc_coherent_raw(&narrow, PAGE_SIZE, KERNEL).unwrap();
            let phys = bus_to_phys(&narrow, buffer.dma);
            assert_eq!(phys, block.start());
            assert_zero(kit, buffer);
            exchange(kit, &narrow, buffer);
            // Both CPUs.
            for cpu in [0, 1] {
                kit.on.run_on(cpu);
                assert!(kit.on.here().load_u32(at).is_err());
            }
            give_coherent(dma, &narrow, buffer);
            assert_eq!(Shrinker::shrink(dma, 256, KERNEL), 256);
            for cpu in [0, 1] {
                kit.on.run_on(cpu);
                kit.on.store(at.as_u32(), 3);
            }
        });
    });
}

/// A buffer of `bytes` bytes from `offset` of a fresh page of the zone on, streamed in one direction.
pub fn stream(
    kit: Kit<'_, '_>,
    dma: &Dma<'_, '_>,
    device: &Device,
    (offset, bytes): (u32, u32),
    direction: Direction,
) {
    let emulated = kit.on.0.emulated;
    let page = kit.pages.alloc_raw(KERNEL, Order::ZERO).unwrap();
    let start = linear(page.as_u32() * PAGE_SIZE).as_u32();
    let at = virt(start + offset);
    // All around it is the CPU's, in its caches.
    kit.on.store_bytes(virt(start + offset - AROUND), &pattern(bytes + 2 * AROUND, 1));
    let before = pattern(bytes, 2);
    kit.on.store_bytes(at, &before);
    // SAFETY: the page is the test's, and nobody looks at it until it is the CPU's again.
    let address = unsafe { dma.map_single_raw(device, at, bytes, direction) }.unwrap();
    let phys = bus_to_phys(device, address);
    let mut expected = before.clone();
    if direction.device_reads() {
        let mut read = pattern(bytes, 0);
        emulated.device_read(phys, &mut read);
        assert_eq!(read, before);
    }
    if direction.device_writes() {
        expected = pattern(bytes, 3);
        emulated.device_write(phys, &expected);
        // SAFETY: as above.
        unsafe { dma.sync_for_cpu_raw(device, address, bytes, direction) }.unwrap();
        kit.on.run_on(1);
        assert_eq!(kit.on.load_bytes(at, bytes), expected);
        if direction.device_reads() {
            expected = pattern(bytes, 4);
            kit.on.store_bytes(at, &expected);
        } else {
            // The CPU may write there while it looks; what it wrote is lost.
            kit.on.store_bytes(at, &pattern(bytes, 6));
        }
        // SAFETY: as above.
        unsafe { dma.sync_for_device_raw(device, address, bytes, direction) }.unwrap();
        if direction.device_reads() {
            let mut read = pattern(bytes, 0);
            emulated.device_read(phys, &mut read);
            assert_eq!(read, expected);
        }
        expected = pattern(bytes, 5);
        emulated.device_write(phys, &expected);
    }
    // SAFETY: it is mapped, like that.
    unsafe { dma.unmap_raw(device, address, bytes, direction) }.unwrap();
    assert_eq!(kit.on.load_bytes(at, bytes), expected);
    let around = pattern(bytes + 2 * AROUND, 1);
    let (low, high) = (AROUND as usize, (AROUND + bytes) as usize);
    assert_eq!(kit.on.load_bytes(virt(at.as_u32() - AROUND), AROUND), around[..low]);
    assert_eq!(kit.on.load_bytes(virt(at.as_u32() + bytes), AROUND), around[high..]);
    give(kit, &[page]);
}

/// Streams in `direction` on a machine where the call that links the region's tables may be left out, and so may
/// `redundant`.
#[track_caller]
fn streams_need_all_but(direction: Direction, place: (u32, u32), redundant: &[Redundant]) {
    let mut all = BOOT.to_vec();
    all.extend(redundant);
    kit_needs_all_but(2, &all, |kit| {
        let device = device();
        with_dma(kit, |dma| stream(kit, dma, &device, place, direction));
    });
}

#[test]
fn a_device_reads_a_stream() {
    streams_need_all_but(Direction::ToDevice, (0x200, 256), &[]);
    streams_need_all_but(Direction::ToDevice, (0x21c, 200), &[]);
}

#[test]
fn a_device_writes_a_stream() {
    streams_need_all_but(Direction::FromDevice, (0x200, 256), &[]);
    streams_need_all_but(Direction::FromDevice, (0x21c, 200), &[]);
}

#[test]
fn a_stream_goes_both_ways() {
    streams_need_all_but(Direction::Bidirectional, (0x200, 256), &[]);
    streams_need_all_but(Direction::Bidirectional, (0x21c, 200), &[]);
}

#[test]
fn what_a_device_does_not_reach_is_copied() {
    for direction in [Direction::ToDevice, Direction::FromDevice, Direction::Bidirectional] {
        kit_needs_all_but(2, &BOOT, |kit| {
            let narrow = narrow();
            with_dma(kit, |dma| {
                dma.make_bounce_pool(2 * PAGE_SIZE, narrow.streaming_reach()).unwrap();
                stream(kit, dma, &narrow, (0x21c, 200), direction);
            });
        });
    }
}

#[test]
fn small_blocks_of_a_pool() {
    kit_needs_all_but(2, &BOOT, |kit| {
        let device = device();
        with_dma(kit, |dma| {
            leave_lines(kit);
            let pool = DmaPool::new(dma, &device, "pool", 64, 64, None).unwrap();
            // Where the scenario fails as it should, nothing else is done.
            let pool = ManuallyDrop::new(pool);
            // Of a page that is zeroed when it is made. Zeroing blocks once more would hide what was wrong with it.
            let blocks: Vec<_> = (0..PAGE_SIZE / 64).map(|_| pool.alloc(KERNEL).unwrap()).collect();
            for (cpu, block) in blocks.iter().enumerate() {
                let buffer = CoherentBuffer { virt: block.virt, dma: block.dma, bytes: 64 };
                kit.on.run_on(cpu % 2);
                assert_eq!(kit.on.load_bytes(block.virt, 64), [0; 64]);
                exchange(kit, &device, buffer);
            }
            kit.on.hand_over_to(1);
            for block in &blocks {
                // SAFETY: nobody uses it any more.
                unsafe { pool.free(*block) }.unwrap();
            }
            ManuallyDrop::into_inner(pool).destroy().unwrap();
            assert!(kit.on.here().load_u32(blocks[0].virt).is_err());
            kit.on.0.emulated.range_reused(range(blocks[0].virt.as_u32(), PAGE_SIZE));
        });
    });
}

#[test]
fn who_can_not_wait_has_a_pool() {
    kit_needs_all_but(2, &BOOT, |kit| {
        let device = device();
        with_dma(kit, |dma| {
            leave_lines(kit);
            dma.make_atomic_pool(PAGE_SIZE, device.coherent_reach()).unwrap();
            for cpu in [0, 1] {
                kit.on.run_on(cpu);
                let buffer = dma.alloc_coherent_raw(&device, PAGE_SIZE, Gfp::GFP_ATOMIC).unwrap();
                assert_zero(kit, buffer);
                exchange(kit, &device, buffer);
                give_coherent(dma, &device, buffer);
            }
        });
    });
}
