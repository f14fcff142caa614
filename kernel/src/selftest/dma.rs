//! Suite `dma`: memory that devices look at, as the MMU maps it.
//!
//! What the tests of `mm` and the emulated machine of `testkit` show of the policy is shown here of the machine: coherent
//! memory is not cached, the kernel's alone, zeroed, and at no other address; what was given back faults. A stream has the
//! bus address that the device's window says, wherever its memory lies, and changes no byte of it.
//!
//! There is no device: what one reads and writes is seen on disks, by their boots.

use core::slice;

use arch_arm::probe;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use mm::addr::{Order, PAGE_SIZE, Pfn, PhysAddr, PhysRange, VirtAddr};
use mm::boot::layout::DMA;
use mm::dma::{
    Coherency, CoherentBuffer, CoherentError, Device, Direction, DmaPool, DmaWindow, MapError,
};
use mm::map::{MemoryType, Mmu, Prot};
use mm::zone::Gfp;
use mm::zone::shrink::Shrinker;

use super::Checks;
use super::ledger::Ledger;
use crate::dma::{self, Dma};
use crate::kmap;
use crate::monitor::Kernel;

const GFP: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN);
/// Bytes of coherent buffers, which are all there at once: together less than the section that they come from where there
/// is no HighMem.
const SIZES: [u32; 6] = [1, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE, 16 * PAGE_SIZE, 100_000];
const DIRECTIONS: [Direction; 3] =
    [Direction::ToDevice, Direction::FromDevice, Direction::Bidirectional];
/// Where parts of a page begin and how long they are: whole lines and parts of lines.
const PARTS: [(u32, u32); 5] = [(0, PAGE_SIZE), (64, 64), (3, 1), (60, 8), (4000, 96)];
/// Blocks of the pool of small buffers, more than a page holds.
const BLOCKS: usize = 40;
/// What a buffer is filled with.
const PATTERN: u32 = 0x5aa5_c33c;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let Some(dma) = dma::get() else {
        return checks.skip("no DMA memory");
    };
    if kernel.pages.injects_failures() || kernel.slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    kernel.slabs.shrink_all();
    let sections = dma.figures().sections.len();
    let ledger = Ledger::open(kernel.pages);
    let device = Device::new("selftest", DmaWindow::WHOLE, Coherency::Software);
    if let Err(CoherentError::NoMemory { .. }) = dma.alloc_coherent(&device, 1, GFP) {
        return checks.skip("too little memory");
    }
    coherent(kernel, dma, &device, checks);
    from_plain_pages(kernel, dma, checks);
    atomic(kernel, dma, &device, checks);
    small(dma, &device, checks);
    streams(kernel, dma, checks);
    let figures = device.figures();
    checks.equal(figures.coherent_bytes, 0, format_args!("coherent bytes that are left"));
    // What was carved out of the linear map for all this goes back into it.
    dma.shrink(u32::MAX, Gfp::GFP_KERNEL);
    checks.equal(dma.figures().sections.len(), sections, format_args!("sections that are left"));
    kernel.slabs.shrink_all();
    ledger.check(checks, format_args!("at the end"));
}

/// Buffers of all sizes, at once.
fn coherent(kernel: &Kernel, dma: &Dma, device: &Device, checks: &mut Checks) {
    let mut starts = [None; SIZES.len()];
    {
        let buffers = SIZES.map(|bytes| dma.alloc_coherent(device, bytes, GFP));
        for ((buffer, bytes), start) in buffers.iter().zip(SIZES).zip(&mut starts) {
            match buffer {
                Ok(buffer) => {
                    *start = Some(buffer.virt());
                    let (virt, dma) = (buffer.virt(), buffer.dma());
                    is_coherent(kernel, CoherentBuffer { virt, dma, bytes }, checks);
                }
                Err(error) => checks.that(false, format_args!("{bytes} bytes: {error}")),
            }
        }
    }
    for start in starts.into_iter().flatten() {
        // SAFETY: nobody's address any more; if it is somebody's, a word is read.
        let read = unsafe { probe::read_u32(start) };
        checks.that(read.is_err(), format_args!("{start} was given back, and reads as {read:?}"));
        let is_clear = kernel.maps.lookup(start).is_none();
        checks.that(is_clear, format_args!("{start} was given back, and is mapped"));
    }
}

/// A buffer is what a device and a CPU can look at together, and now all ones of [`PATTERN`].
fn is_coherent(kernel: &Kernel, buffer: CoherentBuffer, checks: &mut Checks) {
    let CoherentBuffer { virt, dma, bytes } = buffer;
    let pages = bytes.div_ceil(PAGE_SIZE);
    checks.that(
        DMA.contains(virt) && virt.is_aligned(pages.next_power_of_two() * PAGE_SIZE),
        format_args!("{bytes} bytes at {virt}"),
    );
    for page in 0..pages {
        let at = VirtAddr::new(virt.as_u32() + page * PAGE_SIZE);
        let phys = PhysAddr::new(u64::from(dma.as_u32() + page * PAGE_SIZE));
        let mapped = kernel.maps.lookup(at);
        let is_uncached = mapped
            .is_some_and(|mapped| mapped.phys == phys && mapped.prot == Some(Prot::WRITE_COMBINE));
        checks.that(is_uncached, format_args!("{at} is mapped otherwise: {mapped:?}"));
        let translated = translate_at(at, Privilege::Privileged, Purpose::Write).ok();
        checks.equal(translated, Some(phys), format_args!("translation of {at}"));
        let users = translate_at(at, Privilege::User, Purpose::Read).ok();
        checks.equal(users, None, format_args!("user mode's translation of {at}"));
        if let Some(linear) = kernel.tables.linear().phys_to_virt(phys) {
            let other = translate_at(linear, Privilege::Privileged, Purpose::Read).ok();
            checks.equal(other, None, format_args!("the cacheable address {linear} of {at}"));
        }
    }
    // SAFETY: whole pages of a buffer of the suite's, mapped as was checked, and no device's.
    let words = unsafe {
        slice::from_raw_parts_mut(virt.as_u32() as *mut u32, (pages * PAGE_SIZE / 4) as usize)
    };
    checks.that(words.iter().all(|word| *word == 0), format_args!("{virt} is not zeroed"));
    words.fill(PATTERN);
    checks.that(words.iter().all(|word| *word == PATTERN), format_args!("{virt} forgets"));
}

/// A device that looks into the caches has plain pages.
fn from_plain_pages(kernel: &Kernel, dma: &Dma, checks: &mut Checks) {
    let device = Device::new("selftest", DmaWindow::WHOLE, Coherency::Hardware);
    match dma.alloc_coherent(&device, PAGE_SIZE + 1, GFP) {
        Ok(buffer) => {
            let mapped = kernel.maps.lookup(buffer.virt());
            let prot = mapped.and_then(|mapped| mapped.prot);
            let is_cached = prot.is_some_and(|prot| prot.memory == MemoryType::WriteBack);
            checks.that(is_cached, format_args!("{} is not cached: {prot:?}", buffer.virt()));
        }
        Err(error) => checks.that(false, format_args!("plain pages: {error}")),
    }
}

/// Who can not wait is served from the pool, or told that there is none.
fn atomic(kernel: &Kernel, dma: &Dma, device: &Device, checks: &mut Checks) {
    let gfp = Gfp::GFP_ATOMIC | Gfp::__GFP_NOWARN;
    let used = dma.figures().pool.map(|pool| pool.usage.in_use);
    match (dma.alloc_coherent(device, PAGE_SIZE + 1, gfp), used) {
        (Ok(buffer), Some(used)) => {
            let (virt, at) = (buffer.virt(), buffer.dma());
            is_coherent(kernel, CoherentBuffer { virt, dma: at, bytes: buffer.bytes() }, checks);
            drop(buffer);
            let now = dma.figures().pool.map(|pool| pool.usage.in_use);
            checks.equal(now, Some(used), format_args!("bytes of the pool that are used"));
        }
        (Err(CoherentError::NoPool { .. }), None) => {}
        (Err(error), _) => checks.that(false, format_args!("a buffer of the atomic pool: {error}")),
        (Ok(_), None) => checks.that(false, format_args!("a buffer of no atomic pool")),
    }
}

/// Small buffers share pages, and lie apart.
fn small(dma: &Dma, device: &Device, checks: &mut Checks) {
    const BYTES: u32 = 192;
    let pool = match DmaPool::new(dma, device, "selftest", BYTES, 64, None) {
        Ok(pool) => pool,
        Err(error) => return checks.that(false, format_args!("a pool of {BYTES} bytes: {error}")),
    };
    let blocks: [_; BLOCKS] = core::array::from_fn(|_| pool.zalloc(GFP));
    for (number, block) in (1..).zip(&blocks) {
        let Ok(block) = block else { continue };
        // SAFETY: so many bytes are the suite's, and no device's.
        let words = unsafe {
            slice::from_raw_parts_mut(block.virt.as_u32() as *mut u32, BYTES as usize / 4)
        };
        checks.that(
            block.virt.is_aligned(64) && words.iter().all(|word| *word == 0),
            format_args!("block {number} at {} is not zeroed, or somebody else's", block.virt),
        );
        words.fill(number);
    }
    for (number, block) in (1..).zip(blocks) {
        let block = match block {
            Ok(block) => block,
            Err(error) => {
                checks.that(false, format_args!("block {number}: {error}"));
                continue;
            }
        };
        // SAFETY: as above.
        let words =
            unsafe { slice::from_raw_parts(block.virt.as_u32() as *const u32, BYTES as usize / 4) };
        let is_kept = words.iter().all(|word| *word == number);
        checks.that(is_kept, format_args!("block {number} was written by another's owner"));
        // SAFETY: taken above, and no device's.
        let freed = unsafe { pool.free(block) };
        checks.that(freed.is_ok(), format_args!("block {number} is not taken back"));
    }
    checks.equal(pool.usage().0, 0, format_args!("blocks that are left"));
    checks.that(pool.destroy().is_ok(), format_args!("the pool does not end"));
}

/// Streams of a page with an address, and of one without.
fn streams(kernel: &Kernel, dma: &Dma, checks: &mut Checks) {
    let memory = kernel.pages.frames().range().as_phys();
    let first = memory.start();
    // One device sees memory at its own addresses, another from bus address 0 on, the third no page of it.
    let nowhere = PhysRange::new(PhysAddr::new(0), PhysAddr::new(u64::from(PAGE_SIZE)));
    let windows = [Ok(DmaWindow::WHOLE), DmaWindow::new(0, memory), DmaWindow::new(0, nowhere)];
    for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_HIGHUSER] {
        let Ok(block) = kernel.pages.alloc_pages(gfp | Gfp::__GFP_NOWARN, Order::ZERO) else {
            checks.that(false, format_args!("no page"));
            continue;
        };
        let pfn = block.pfn();
        write(pfn);
        for (window, start) in windows.iter().zip([PhysAddr::new(0), first, PhysAddr::new(0)]) {
            let Ok(window) = window else {
                checks.that(false, format_args!("there is no window on {memory}"));
                continue;
            };
            let reaches = u64::from(window.last()) >= block.phys().end().as_u64() - 1;
            let device = Device::new("selftest", *window, Coherency::Software);
            for ((offset, bytes), direction) in
                PARTS.into_iter().flat_map(|part| DIRECTIONS.map(|direction| (part, direction)))
            {
                // SAFETY: the page is the suite's, which does not look at it meanwhile, and there is no device.
                let mapped = unsafe { dma.map_page(&device, pfn, offset, bytes, direction) };
                let at = block.phys().start().as_u64() + u64::from(offset) - start.as_u64();
                match mapped {
                    Ok(mapping) if reaches => {
                        let bus = u64::from(mapping.dma().as_u32());
                        checks.equal(bus, at, format_args!("the bus address of {pfn}+{offset}"));
                        let is_in_turn = mapping.sync_for_cpu(0, bytes).is_ok()
                            && mapping.sync_for_device(0, bytes).is_ok();
                        checks.that(is_in_turn, format_args!("{pfn}+{offset} is not synced"));
                    }
                    Err(MapError::OutOfReach { .. }) if !reaches => {}
                    // Where there is a bounce pool, this device does not reach it either.
                    Err(error) => checks.that(false, format_args!("{pfn}+{offset}: {error}")),
                    Ok(_) => checks.that(false, format_args!("{pfn}+{offset} is out of reach")),
                }
            }
        }
        checks.that(is_written(pfn), format_args!("streams have changed {pfn}"));
    }
}

/// Each word of the frame holds its number.
fn write(pfn: Pfn) {
    // SAFETY: 1. the allocator gave the frame; 2. the closure writes its words.
    unsafe {
        kmap::with_page(pfn, |at| {
            let words = slice::from_raw_parts_mut(at.cast::<u32>(), PAGE_SIZE as usize / 4);
            (0..).zip(words).for_each(|(number, word)| *word = number);
        });
    }
}

fn is_written(pfn: Pfn) -> bool {
    // SAFETY: 1. the allocator gave the frame; 2. the closure reads its words.
    unsafe {
        kmap::with_page(pfn, |at| {
            let words = slice::from_raw_parts(at.cast::<u32>(), PAGE_SIZE as usize / 4);
            (0..).zip(words).all(|(number, word)| *word == number)
        })
    }
}
