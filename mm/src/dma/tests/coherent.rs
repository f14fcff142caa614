//! Coherent buffers: both sides see the same bytes at once, no page has a cacheable alias, and nothing is lost.

use proptest::prelude::*;

use super::machine::{BOARD, Dma, FIRST, LOW, Op, Sizes, World, with_dma};
use super::{device, free_pages, reaching};
use crate::addr::{Order, PAGE_SIZE, Pfn, PhysAddr, PhysRange, VirtAddr};
use crate::dma::address::{DmaAddr, DmaWindow};
use crate::dma::{
    Coherency, CoherentBuffer, CoherentError, Device, DmaFault, DmaMask, NotTakenOut, Watching,
};
use crate::fault::FailConfig;
use crate::zone::shrink::Shrinker;
use crate::zone::{Gfp, ZoneKind};

const KERNEL: Gfp = Gfp::GFP_KERNEL;

/// All memory of the machine.
fn all(sizes: Sizes) -> (u32, u32) {
    (FIRST * PAGE_SIZE, sizes.end(ZoneKind::HighMem) - FIRST * PAGE_SIZE)
}

/// Leaves lines behind, some dirty, of pages that are free: as their last owners do.
fn leave_lines(world: &World, dma: &Dma<'_, '_>, sizes: Sizes) {
    for gfp in [KERNEL, Gfp::GFP_KERNEL | Gfp::GFP_DMA, Gfp::GFP_HIGHUSER] {
        let block = dma.pages.alloc_pages(gfp, Order::new(8).unwrap()).unwrap();
        for pfn in block.frames().iter().step_by(3).take(20) {
            world.frame_write(pfn.as_u32() * PAGE_SIZE + 64, &[0xd1; 200]);
        }
    }
    let (phys, bytes) = all(sizes);
    world.read_ahead(phys, bytes);
}

/// A few bytes go either way, and stay.
fn exchange(world: &World, device: &Device, buffer: CoherentBuffer, byte: u8) -> bool {
    let phys = device.phys(buffer.dma);
    let last = buffer.bytes - 8;
    let mut is_right = true;
    for offset in [0, last] {
        let virt = VirtAddr::new(buffer.virt.as_u32() + offset);
        world.cpu_write(virt, &[byte; 8]);
        is_right &= world.device_read(phys + offset, 8) == [byte; 8];
        world.device_write(phys + offset, &[!byte; 8]);
        is_right &= world.cpu_read(virt, 8) == [!byte; 8];
    }
    is_right
}

fn is_zero(world: &World, buffer: CoherentBuffer) -> bool {
    let at = |offset| VirtAddr::new(buffer.virt.as_u32() + offset);
    (0..buffer.bytes).step_by(61).all(|offset| world.cpu_read(at(offset), 1) == [0])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn buffers_come_and_go(
        seed in any::<u64>(),
        has_high in any::<bool>(),
        ops in proptest::collection::vec((0_u32..3, 1_u32..6 * PAGE_SIZE, any::<bool>()), 1..24),
    ) {
        let sizes = if has_high { BOARD } else { LOW };
        let world = World::new(sizes, seed);
        with_dma(&world, Watching::On, |dma| {
            leave_lines(&world, dma, sizes);
            let before = free_pages(dma);
            let devices = [device(), reaching(8 << 20), reaching(16 << 20)];
            let mut live: Vec<(usize, CoherentBuffer)> = Vec::new();
            for (which, bytes, gives) in ops {
                let which = which as usize;
                if gives && !live.is_empty() {
                    let (owner, buffer) = live.swap_remove(bytes as usize % live.len());
                    prop_assert!(exchange(&world, &devices[owner], buffer, bytes as u8));
                    prop_assert_eq!(dma.free_coherent(&devices[owner], buffer), Ok(()));
                } else {
                    let bytes = bytes.max(8);
                    let device = &devices[which];
                    let buffer = dma.alloc_coherent_raw(device, bytes, KERNEL).unwrap();
                    let size = bytes.next_multiple_of(PAGE_SIZE);
                    let phys = device.phys(buffer.dma);
                    prop_assert!(device.holds_coherent(phys, size));
                    prop_assert!(buffer.virt.is_aligned(size.next_power_of_two()));
                    prop_assert!(phys.is_multiple_of(size.next_power_of_two()));
                    prop_assert!(is_zero(&world, buffer));
                    for (owner, other) in &live {
                        let theirs = devices[*owner].phys(other.dma);
                        let their_size = other.bytes.next_multiple_of(PAGE_SIZE);
                        prop_assert!(phys + size <= theirs || theirs + their_size <= phys);
                    }
                    prop_assert!(exchange(&world, device, buffer, bytes as u8));
                    live.push((which, buffer));
                }
                prop_assert_eq!(world.wrong(), Vec::<String>::new());
            }
            let pages = |owner: usize| -> u32 {
                let of = live.iter().filter(|(which, _)| *which == owner);
                of.map(|(_, buffer)| buffer.bytes.next_multiple_of(PAGE_SIZE)).sum()
            };
            for (owner, device) in devices.iter().enumerate() {
                prop_assert_eq!(device.figures().coherent_bytes, pages(owner));
            }
            for (owner, buffer) in live {
                prop_assert_eq!(dma.free_coherent(&devices[owner], buffer), Ok(()));
            }
            dma.shrink_sections(u32::MAX);
            prop_assert_eq!((world.sections_out(), world.mapped_pages()), (0, 0));
            prop_assert_eq!(dma.figures().usage.in_use, 0);
            prop_assert_eq!(free_pages(dma), before);
            prop_assert_eq!(world.wrong(), Vec::<String>::new());
            prop_assert_eq!(world.told(), Vec::<String>::new());
            Ok(())
        })?;
    }
}

#[test]
fn where_memory_comes_from() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        let high = BOARD.end(ZoneKind::Normal);
        // HighMem, if the mask reaches it.
        let wide = dma.alloc_coherent(&device(), 3 * PAGE_SIZE, KERNEL).unwrap().into_raw();
        assert!(wide.dma.as_u32() >= high);
        assert_eq!(world.sections_out(), 0);
        // Else a section of the highest zone in reach, and its pages are pooled.
        let narrow = [reaching(8 << 20), reaching(64 << 20)];
        let normal = Device::new("normal", DmaWindow::WHOLE, Coherency::Software);
        let mut buffers = Vec::new();
        for _ in 0..20 {
            buffers.push(dma.alloc_coherent(&narrow[0], PAGE_SIZE, KERNEL).unwrap());
        }
        assert_eq!((world.sections_out(), world.done(Op::TakeOut)), (1, 1));
        assert!(buffers.iter().all(|buffer| buffer.dma().as_u32() < 8 << 20));
        buffers.clear();
        assert_eq!((world.sections_out(), Shrinker::count(dma)), (1, 256));
        assert_eq!(dma.figures().sections[0].zone, Some(ZoneKind::Dma));
        drop(dma.alloc_coherent(&narrow[0], 100, KERNEL).unwrap());
        assert_eq!(world.done(Op::TakeOut), 1, "nothing was put back in between");
        // All of HighMem gone: the next buffer is of lowmem.
        let take = || dma.pages.alloc_raw_in(ZoneKind::HighMem, Gfp::GFP_HIGHUSER, Order::ZERO);
        let taken: Vec<Pfn> = std::iter::from_fn(|| take().ok()).collect();
        let low = dma.alloc_coherent(&normal, PAGE_SIZE, KERNEL).unwrap();
        assert!(low.dma().as_u32() < high);
        for pfn in taken {
            dma.pages.free_block(pfn, Order::ZERO).unwrap();
        }
        drop(low);
        // A large one needs a larger block.
        let large = dma.alloc_coherent(&narrow[0], 300 * PAGE_SIZE, KERNEL).unwrap();
        assert_eq!(world.sections_out(), 3);
        drop(large);
        assert_eq!(Shrinker::shrink(dma, 1, KERNEL), 256);
        assert_eq!(Shrinker::shrink(dma, u32::MAX, KERNEL), 512);
        assert_eq!((world.sections_out(), Shrinker::count(dma)), (0, 0));
        assert_eq!(dma.free_coherent(&device(), wide), Ok(()));
        assert_eq!(world.wrong(), Vec::<String>::new());
    });
}

/// A life of two buffers of the same pages, and whether anything was noticed.
fn is_noticed(sizes: Sizes, seed: u64, skip: Option<(Op, u32)>) -> (bool, Vec<(Op, u32)>) {
    let world = World::new(sizes, seed);
    with_dma(&world, Watching::Off, |dma| {
        leave_lines(&world, dma, sizes);
        let device = device();
        if let Some((op, nth)) = skip {
            world.skip(op, nth);
        }
        let ops = [Op::Clean, Op::Invalidate, Op::Publish, Op::Flush, Op::TakeOut];
        let before = ops.map(|op| world.done(op));
        let mut is_right = true;
        for _ in 0..2 {
            // The pages' last owner leaves dirty lines behind.
            let (gfp, order) = if sizes.high > 0 { (Gfp::GFP_HIGHUSER, 1) } else { (KERNEL, 8) };
            let pages = dma.pages.alloc_pages(gfp, Order::new(order).unwrap()).unwrap();
            let phys = pages.pfn().as_u32() * PAGE_SIZE;
            world.frame_write(phys, &[0x99; 300]);
            world.read_ahead(phys, 2 * PAGE_SIZE);
            drop(pages);
            let buffer = dma.alloc_coherent_raw(&device, 2 * PAGE_SIZE, KERNEL).unwrap();
            is_right &= is_zero(&world, buffer) && exchange(&world, &device, buffer, 0x3c);
            is_right &= dma.free_coherent(&device, buffer).is_ok();
        }
        dma.shrink_sections(u32::MAX);
        is_right &= world.mapped_pages() == 0;
        let counts = ops.iter().zip(before).map(|(op, before)| (*op, world.done(*op) - before));
        (!is_right || !world.wrong().is_empty(), counts.collect())
    })
}

#[test]
fn each_step_is_needed() {
    for (sizes, expected) in [(BOARD, 2 + 2 + 2), (LOW, 1 + 2 + 2 + 1)] {
        let (is_wrong, counts) = is_noticed(sizes, 1, None);
        assert!(!is_wrong);
        let mut tried = 0;
        for (op, count) in counts {
            for nth in 1..=count {
                if sizes.high == 0 && op == Op::Invalidate && nth == 2 {
                    // Pages of a section that were used before have no lines, and can get none.
                    continue;
                }
                let seen = (1..30).any(|seed| is_noticed(sizes, seed, Some((op, nth))).0);
                assert!(seen, "{op:?} {nth} of {count}");
                tried += 1;
            }
        }
        assert_eq!(tried, expected);
    }
}

/// A record has ten bits for a length. One that needs more is wrong, and not that of a buffer whose frame has those
/// bits.
#[test]
fn a_length_that_no_record_holds_is_wrong() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        let pool = PhysRange::new(Pfn::new(FIRST).start(), PhysAddr::new(0x4080_0000));
        dma.make_atomic_pool(64 * 1024, pool).unwrap();
        let device = device();
        let take = || dma.alloc_coherent_raw(&device, PAGE_SIZE, Gfp::GFP_ATOMIC).unwrap();
        for buffer in [take(), take(), take(), take()] {
            let virt = buffer.virt;
            let used = dma.figures().pool.unwrap().usage.in_use;
            for pages in [0x400, 0x401, 0x801, 0xc01, 0xf_fc01, 0xf_ffff] {
                let bytes = pages * PAGE_SIZE;
                let freed = dma.free_coherent(&device, CoherentBuffer { bytes, ..buffer });
                assert_eq!(freed, Err(DmaFault::WrongLength { virt, pages: 1, bytes }));
                assert_eq!(world.told().len(), 1);
            }
            assert_eq!(dma.figures().pool.unwrap().usage.in_use, used);
            dma.free_coherent(&device, buffer).unwrap();
        }
    });
}

#[test]
fn a_free_names_its_buffer() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        let pool = PhysRange::new(Pfn::new(FIRST).start(), PhysAddr::new(0x4080_0000));
        dma.make_atomic_pool(64 * 1024, pool).unwrap();
        let device = device();
        for gfp in [KERNEL, Gfp::GFP_ATOMIC] {
            let buffer = dma.alloc_coherent_raw(&device, 2 * PAGE_SIZE, gfp).unwrap();
            let CoherentBuffer { virt, dma: at, bytes } = buffer;
            let wrong = |buffer, fault| {
                assert_eq!(dma.free_coherent(&device, buffer), Err(fault));
                let told = world.told();
                assert_eq!(told, [format!("DMA-API: device: {fault}")]);
            };
            for inside in [1, 4, PAGE_SIZE - 1, PAGE_SIZE, 0u32.wrapping_sub(PAGE_SIZE)] {
                let virt = VirtAddr::new(virt.as_u32().wrapping_add(inside));
                wrong(CoherentBuffer { virt, ..buffer }, DmaFault::NoBuffer { virt, bytes });
            }
            for bytes in [0, 1, PAGE_SIZE, 2 * PAGE_SIZE + 1, u32::MAX] {
                let fault = DmaFault::WrongLength { virt, pages: 2, bytes };
                wrong(CoherentBuffer { bytes, ..buffer }, fault);
            }
            for off in [1, 4, PAGE_SIZE, 1 << 31] {
                let said = DmaAddr::new(at.as_u32().wrapping_add(off));
                let fault = DmaFault::WrongHandle { virt, is: at, said };
                wrong(CoherentBuffer { dma: said, ..buffer }, fault);
            }
            // A length that rounds to the same pages is the same.
            let shorter = CoherentBuffer { bytes: PAGE_SIZE + 1, ..buffer };
            assert_eq!(dma.free_coherent(&device, shorter), Ok(()));
            wrong(buffer, DmaFault::NoBuffer { virt, bytes });
        }
        assert_eq!(world.wrong(), Vec::<String>::new());
    });
}

#[test]
fn what_there_is_not() {
    let world = World::new(LOW, 1);
    with_dma(&world, Watching::Off, |dma| {
        let device = device();
        let alloc = |device: &Device, bytes| dma.alloc_coherent_raw(device, bytes, KERNEL);
        assert_eq!(alloc(&device, 0), Err(CoherentError::NoBytes));
        for bytes in [(3 << 20) + 1, u32::MAX] {
            let error = CoherentError::TooLarge { bytes, most: 3 << 20 };
            assert_eq!(alloc(&device, bytes), Err(error));
        }
        // A mask that ends before the memory of the DMA zone that is found.
        let tiny = reaching(4096);
        let error = alloc(&tiny, 4096).unwrap_err();
        assert!(matches!(error, CoherentError::OutOfReach { .. }), "{error}");
        world.fail_take_out(true);
        let error = alloc(&device, 4096).unwrap_err();
        assert!(matches!(error, CoherentError::NotTakenOut(NotTakenOut { .. })), "{error}");
        world.fail_take_out(false);
        let before = dma.figures();
        assert_eq!((before.usage.in_use, before.sections.len()), (0, 0));
        // Addresses end.
        let large = alloc(&device, 2 << 20).unwrap();
        let small: Vec<_> = (0..255).map(|_| alloc(&device, 4096).unwrap()).collect();
        let error = alloc(&device, 8192).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no addresses for a coherent buffer of 8192 bytes: of the 3145728 of the DMA region 4096 \
             are free, 4096 in one piece"
        );
        assert!(alloc(&device, 4096).is_ok());
        assert_eq!(small.len() as u32 + 1 + 512, device.figures().coherent_bytes / PAGE_SIZE);
        assert_eq!(device.figures().refused, 3 + 1 + 1);
        assert_eq!(alloc(&device, 4096).is_err(), large.bytes > 0);
        assert_eq!(world.wrong(), Vec::<String>::new());
    });
}

#[test]
fn as_many_blocks_as_there_are_records_for() {
    let world = World::new(LOW, 1);
    with_dma(&world, Watching::Off, |dma| {
        let device = device();
        // A page of each of eight blocks: all others of a block are claimed behind its back.
        let mut pages = Vec::new();
        for _ in 0..8 {
            pages.push(dma.alloc_coherent(&device, PAGE_SIZE, KERNEL).unwrap());
            while dma
                .sections
                .claim(1, crate::dma::device::Reach::new(device.coherent_reach()))
                .is_some()
            {}
        }
        let error = dma.alloc_coherent(&device, PAGE_SIZE, KERNEL).unwrap_err();
        assert_eq!(error, CoherentError::TooManySections { bytes: PAGE_SIZE, blocks: 8 });
    });
    // One that nobody uses makes room for one that somebody can.
    let world = World::new(LOW, 1);
    with_dma(&world, Watching::Off, |dma| {
        let device = device();
        let claim = |dma: &Dma<'_, '_>| {
            dma.sections.claim(256, crate::dma::device::Reach::new(device.coherent_reach()))
        };
        for index in 0..8 {
            let run = dma.alloc_coherent(&device, 256 * PAGE_SIZE, KERNEL).unwrap();
            drop(run);
            if index < 7 {
                assert!(claim(dma).is_some());
            }
        }
        let large = dma.alloc_coherent(&device, 512 * PAGE_SIZE, KERNEL).unwrap();
        assert_eq!(dma.figures().sections.len(), 8);
        drop(large);
    });
}

/// What needs memory of each kind, and gives everything back.
fn everything(dma: &Dma<'_, '_>, devices: &[Device]) -> bool {
    let mut failed = false;
    for device in devices {
        for bytes in [100, 3 * PAGE_SIZE, 257 * PAGE_SIZE] {
            match dma.alloc_coherent(device, bytes, KERNEL) {
                Ok(buffer) => drop(buffer),
                Err(error) => {
                    assert!(matches!(error, CoherentError::NoMemory { .. }), "{error}");
                    failed = true;
                }
            }
            dma.shrink_sections(u32::MAX);
        }
    }
    failed
}

#[test]
fn any_request_may_fail() {
    for sizes in [BOARD, LOW] {
        let world = World::new(sizes, 1);
        with_dma(&world, Watching::Off, |dma| {
            let devices = [
                device(),
                reaching(8 << 20),
                Device::new("coherent", DmaWindow::WHOLE, Coherency::Hardware),
            ];
            assert!(!everything(dma, &devices));
            let before = free_pages(dma);
            let mut failures = 0;
            for n in 1.. {
                dma.pages.inject_failures(FailConfig::nth(n));
                // HighMem that is refused is no failure: there is lowmem.
                let failed = everything(dma, &devices);
                let injected = dma.pages.injected_failures() > 0;
                dma.pages.inject_failures(FailConfig::OFF);
                assert!(!failed || injected);
                assert_eq!(free_pages(dma), before, "request {n}");
                let figures = dma.figures();
                assert_eq!((figures.usage.in_use, figures.sections.len()), (0, 0));
                if !injected {
                    break;
                }
                failures += u32::from(failed);
            }
            assert_eq!(failures, if sizes.high > 0 { 6 } else { 9 });
            assert_eq!(world.wrong(), Vec::<String>::new());
        });
    }
}

#[test]
fn who_looks_into_the_caches_gets_ordinary_memory() {
    let world = World::new(BOARD, 1);
    with_dma(&world, Watching::Off, |dma| {
        let device = Device::new("coherent", DmaWindow::WHOLE, Coherency::Hardware);
        let before = free_pages(dma);
        for gfp in [KERNEL, Gfp::GFP_ATOMIC] {
            let buffer = dma.alloc_coherent_raw(&device, 5 * PAGE_SIZE, gfp).unwrap();
            assert_eq!(super::linear(device.phys(buffer.dma)), buffer.virt);
            assert!(is_zero(&world, buffer));
            assert_eq!((world.mapped_pages(), world.sections_out()), (0, 0));
            let CoherentBuffer { virt, bytes, .. } = buffer;
            for wrong in [
                CoherentBuffer { bytes: PAGE_SIZE, ..buffer },
                CoherentBuffer { bytes: 0, ..buffer },
                CoherentBuffer { virt: VirtAddr::new(virt.as_u32() + PAGE_SIZE), ..buffer },
                CoherentBuffer { virt: VirtAddr::new(0xffc0_0000), ..buffer },
            ] {
                assert!(dma.free_coherent(&device, wrong).is_err(), "{wrong:?}");
            }
            assert_eq!(device.figures().coherent_bytes, 8 * PAGE_SIZE);
            assert_eq!(dma.free_coherent(&device, buffer), Ok(()));
            assert_eq!(dma.free_coherent(&device, buffer), Err(DmaFault::NoBuffer { virt, bytes }));
        }
        let error = dma.alloc_coherent(&device, (4 << 20) + 1, KERNEL).unwrap_err();
        assert_eq!(error, CoherentError::TooLarge { bytes: (4 << 20) + 1, most: 4 << 20 });
        device.set_coherent_mask(DmaMask::new(0x3fff_ffff).unwrap()).unwrap();
        let error = dma.alloc_coherent(&device, PAGE_SIZE, KERNEL).unwrap_err();
        assert!(matches!(error, CoherentError::OutOfReach { .. }), "{error}");
        assert_eq!(free_pages(dma), before);
    });
}
