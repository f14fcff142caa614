//! What is refused, what is told, and when things come back.

use super::*;
use crate::addr::PhysAddr;
use crate::map::area::{AreaKind, AreaState, NoHole, Remedy};
use crate::map::prot::{MemoryType, Rights};
use crate::zone::ZoneKind;

#[test]
fn pages_come_and_go_with_an_area_and_a_guard_page_follows() {
    with_region(1024, space(16), |bench| {
        let region = bench.region;
        let a = region.vmalloc(3 * PAGE_SIZE, KERNEL, 0xc010_0000).unwrap();
        let b = region.vzalloc(1, KERNEL, 0xc010_0004).unwrap();
        assert_eq!(b.as_u32() - a.as_u32(), 4 * PAGE_SIZE);
        assert!(region.is_vmalloc_addr(a) && !region.is_vmalloc_addr(VirtAddr::new(0xc000_0000)));
        let inside = a.checked_add(PAGE_SIZE + 7).unwrap();
        let pfn = region.vmalloc_to_pfn(inside).unwrap();
        let page = region.vmalloc_to_page(inside).unwrap();
        assert!(std::ptr::eq(page, bench.pages.frames().get(pfn).unwrap()));
        assert_eq!(region.vmalloc_to_pfn(VirtAddr::new(0xc000_1000)), None);
        let zeroed = bench.frames(b, 1)[0];
        let address = bench.slabs_address(zeroed);
        assert!(bench.pages.platform().is_filled(address, PAGE_SIZE, 0));
        let info = region.area_at(inside).unwrap();
        assert_eq!((info.kind, info.caller), (AreaKind::Vmalloc, 0xc010_0000));
        region.vfree(a).unwrap();
        region.vfree(b).unwrap();
        assert_eq!(region.vmalloc_to_pfn(inside), None);
    });
}

impl Bench<'_, '_> {
    /// The address of a frame in the linear map.
    fn slabs_address(&self, pfn: Pfn) -> VirtAddr {
        let first = self.pages.frames().range().start().as_u32();
        VirtAddr::new(0xc000_0000 + (pfn.as_u32() - first) * PAGE_SIZE)
    }
}

#[test]
fn nothing_is_reused_before_a_batch_is_flushed() {
    with_region(1024, space(64), |bench| {
        let region = bench.region;
        let before = bench.pages.figures().free();
        for _ in 0..63 {
            let area = region.vmalloc(1, KERNEL, 0).unwrap();
            region.vfree(area).unwrap();
        }
        assert_eq!(bench.mmu.flushes(), []);
        let figures = region.figures();
        assert_eq!((figures.waiting_areas, figures.waiting_frames), (63, 63));
        assert_eq!(figures.waiting, 63 * 2 * PAGE_SIZE);
        // The 64th fills the batch: one flush, of everything, since the range is large.
        let area = region.vmalloc(1, KERNEL, 0).unwrap();
        region.vfree(area).unwrap();
        assert_eq!(bench.mmu.flushes(), [None]);
        let figures = region.figures();
        assert_eq!((figures.waiting_areas, figures.waiting), (0, 0));
        assert_eq!(figures.spare, 64 * 2 * PAGE_SIZE);
        bench.pages.drain();
        assert!(before - bench.pages.figures().free() < 16, "frames came back with the flush");
        // From now on areas come from the list: no table is asked for, no record made.
        let asked = bench.mmu.asked.get();
        for _ in 0..64 {
            region.vfree(region.vmalloc(1, KERNEL, 0).unwrap()).unwrap();
        }
        assert_eq!((bench.mmu.asked.get(), bench.mmu.flushes().len()), (asked, 1));
    });
}

#[test]
fn a_batch_is_also_full_of_bytes() {
    with_region(2600, space(64), |bench| {
        let region = bench.region;
        // 256 pages are a quarter of 4 MiB.
        for _ in 0..2 {
            for number in 0..4 {
                assert_eq!(bench.mmu.flushes().len(), 0, "after {number}");
                region.vfree(region.vmalloc(256 * PAGE_SIZE, KERNEL, 0).unwrap()).unwrap();
            }
            assert_eq!(bench.mmu.flushes(), [None]);
        }
        assert_eq!(region.figures().spare, 0, "large areas are not kept");
    });
    // A sixteenth of the region, if that is less.
    with_region(1024, space(1), |bench| {
        let region = bench.region;
        for _ in 0..16 {
            assert_eq!(bench.mmu.flushes().len(), 0);
            region.vfree(region.vmalloc(1, KERNEL, 0).unwrap()).unwrap();
        }
        let flushes = bench.mmu.flushes();
        assert_eq!(flushes, [None]);
        region.vfree(region.vmalloc(1, KERNEL, 0).unwrap()).unwrap();
        region.purge();
        let flushes = bench.mmu.flushes();
        assert!(
            flushes[0].is_some_and(|range| range.len() == PAGE_SIZE),
            "a small range: {flushes:?}"
        );
    });
}

#[test]
fn vunmap_has_flushed_when_it_returns() {
    with_region(1024, space(16), |bench| {
        let region = bench.region;
        let blocks: Vec<_> = (0..40).map(|_| bench.pages.alloc_page(KERNEL).unwrap()).collect();
        let frames: Vec<_> = blocks.iter().map(|block| block.pfn()).collect();
        for prot in [Prot::KERNEL, Prot::KERNEL_RO] {
            let area = region.vmap(&frames, prot, KERNEL, 0).unwrap();
            assert_eq!(bench.frames(area, 40), frames);
            assert_eq!(bench.mmu.lookup(area).unwrap().prot, Some(prot));
            region.vunmap(area).unwrap();
            assert_eq!(bench.mmu.flushes().len(), 1);
            assert_eq!(region.figures().waiting_areas, 0);
        }
        // One frame may be mapped several times.
        let twice = region.vmap(&[frames[0], frames[0]], Prot::KERNEL, KERNEL, 0).unwrap();
        region.vunmap(twice).unwrap();
    });
}

#[test]
fn vmap_maps_memory_as_the_linear_map_does_or_not_at_all() {
    with_region(1024, space(16), |bench| {
        let region = bench.region;
        let block = bench.pages.alloc_page(KERNEL).unwrap();
        let frames = [block.pfn()];
        let all = [
            MemoryType::WriteBack,
            MemoryType::WriteCombine,
            MemoryType::Device,
            MemoryType::StronglyOrdered,
        ];
        for memory in all {
            for rights in [Rights::ReadWrite, Rights::Read, Rights::ReadExecute] {
                let prot = Prot { memory, rights };
                let mapped = region.vmap(&frames, prot, QUIET, 0);
                if memory == MemoryType::WriteBack && rights != Rights::ReadExecute {
                    region.vunmap(mapped.unwrap()).unwrap();
                } else {
                    assert_eq!(mapped, Err(VmallocError::Prot { prot }));
                }
                let spec = AreaSpec::new(AreaKind::Module, prot, 0);
                let made = region.alloc(1, QUIET, &spec);
                if memory == MemoryType::WriteBack {
                    region.free(made.unwrap(), AreaKind::Module).unwrap();
                } else {
                    assert_eq!(made, Err(VmallocError::Prot { prot }));
                }
            }
        }
        let outside = [Pfn::new(0x9000)];
        let error = VmallocError::NotMemory { pfn: outside[0] };
        assert_eq!(region.vmap(&outside, Prot::KERNEL, QUIET, 0), Err(error));
        assert_eq!(region.vmap(&[], Prot::KERNEL, QUIET, 0), Err(VmallocError::Empty));
        let spec = AreaSpec::new(AreaKind::Ioremap, Prot::KERNEL, 0);
        assert!(region.alloc(1, QUIET, &spec).is_err(), "whose pages would these be?");
    });
}

#[test]
fn wrong_frees_are_told_and_change_nothing() {
    with_region(1024, space(16), |bench| {
        let region = bench.region;
        let area = region.vmalloc(4 * PAGE_SIZE, KERNEL, 0).unwrap();
        let block = bench.pages.alloc_page(KERNEL).unwrap();
        let mapped = region.vmap(&[block.pfn()], Prot::KERNEL, KERNEL, 0).unwrap();
        let at = |offset: u32| area.checked_add(offset).unwrap();
        let large = region.vmalloc(20 * PAGE_SIZE, KERNEL, 0).unwrap();
        let figures = region.figures();
        let not_live = |state| AreaFault::NotLive { state };
        let wrong = |virt: VirtAddr, fault, text: &str| {
            assert_eq!(region.vfree(virt), Err(AreaError { virt, fault }));
            assert_eq!(bench.told(), [format!("BUG: bad free in vmalloc: {text}")]);
            region.validate().unwrap();
        };
        wrong(
            VirtAddr::new(0xc000_1000),
            AreaFault::OutsideRegion,
            "0xc0001000 is outside the region",
        );
        wrong(VirtAddr::new(0), AreaFault::OutsideRegion, "0x00000000 is outside the region");
        wrong(at(1), AreaFault::Unaligned, &format!("{} is not the first byte of a page", at(1)));
        let inside = format!("{} is inside an area, which begins at {area}", at(PAGE_SIZE));
        wrong(at(PAGE_SIZE), AreaFault::Inside { start: area }, &inside);
        let none = format!("no area begins at {}", at(4 * PAGE_SIZE));
        wrong(at(4 * PAGE_SIZE), AreaFault::NoArea, &none);
        let end = region.region().end();
        wrong(end, AreaFault::OutsideRegion, &format!("{end} is outside the region"));
        let kinds = AreaFault::OtherKind { kind: AreaKind::Vmap, named: AreaKind::Vmalloc };
        wrong(mapped, kinds, &format!("the area at {mapped} is vmap, not vmalloc"));
        assert!(region.vunmap(area).is_err());
        assert!(region.free(mapped, AreaKind::Vmap).is_err(), "vmap's areas are vunmap's");
        assert_eq!(bench.told().len(), 2);
        assert_eq!(region.figures(), figures);
        // A second time, small and large.
        for area in [area, large] {
            region.vfree(area).unwrap();
            let twice = format!("the area at {area} was given back before");
            wrong(area, not_live(AreaState::Waiting), &twice);
        }
        region.purge();
        let twice = format!("the area at {area} was given back before");
        wrong(area, not_live(AreaState::Spare), &twice);
        wrong(large, AreaFault::NoArea, &format!("no area begins at {large}"));
        region.vunmap(mapped).unwrap();
        assert!(region.vunmap(mapped).is_err());
        assert!(region.vrealloc(area, 1, QUIET, 0).is_err());
        assert_eq!(bench.told().len(), 2);
    });
}

#[test]
fn sizes_that_can_not_be() {
    with_region(256, space(64), |bench| {
        let region = bench.region;
        assert_eq!(region.vmalloc(0, QUIET, 0), Err(VmallocError::Empty));
        let memory = bench.pages.managed().into_iter().sum::<u32>();
        for bytes in [(memory + 1) * PAGE_SIZE, u32::MAX] {
            let pages = bytes.div_ceil(PAGE_SIZE);
            let error = VmallocError::TooLarge { pages, memory };
            assert_eq!(region.vmalloc(bytes, QUIET, 0), Err(error));
        }
        // As many as there are, but some are in use.
        let error = region.vmalloc(memory * PAGE_SIZE, QUIET, 0).unwrap_err();
        assert!(matches!(error, VmallocError::NoPages { .. }), "{error}");
        assert_eq!(bench.told(), [""; 0]);
        assert!(region.vmalloc(memory * PAGE_SIZE, KERNEL, 0).is_err());
        let told = bench.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("vmalloc allocation failure: "), "{told:?}");
    });
}

#[test]
fn a_full_region_says_why() {
    with_region(2048, space(1), |bench| {
        let region = bench.region;
        let areas: Vec<_> = (0..128).map(|_| region.vmalloc(1, KERNEL, 0xc010_0040)).collect();
        let areas: Vec<_> = areas.into_iter().map(Result::unwrap).collect();
        assert!(region.vmalloc(1, KERNEL, 0xc010_0080).is_err());
        let told = bench.told();
        assert_eq!(told.len(), 1);
        for part in [
            "no gap for 4096 bytes at a multiple of 2^12 in 0xf0800000 - 0xf0900000",
            "free: 0 kB, the largest area 0 kB",
            "waiting for a flush: 0 kB",
            "held by 0xc0100040: 512 kB in 128 areas",
            "vmalloc=2M would make room",
        ] {
            assert!(told[0].contains(part), "{part} in {}", told[0]);
        }
        // What waits and what is spare is given up before anybody is told.
        for area in areas.iter().step_by(2) {
            region.vfree(*area).unwrap();
        }
        let error = region.vmalloc(2 * PAGE_SIZE, QUIET, 0).unwrap_err();
        assert!(matches!(error, VmallocError::NoHole(NoHole { .. })), "{error}");
        let failure =
            region.failure(region.want(2, &AreaSpec::new(AreaKind::Vmalloc, Prot::KERNEL, 0)));
        assert_eq!((failure.free, failure.largest), (512 << 10, PAGE_SIZE));
        assert_eq!(failure.remedy(), Remedy::Vmalloc { bytes: 2 << 20 });
        for area in areas.iter().skip(1).step_by(2) {
            region.vfree(*area).unwrap();
        }
        let all = region.vmalloc((1 << 20) - PAGE_SIZE, KERNEL, 0).unwrap();
        region.vfree(all).unwrap();
    });
}

#[test]
fn a_part_of_a_region_and_an_alignment() {
    with_region(1024, space(16), |bench| {
        let region = bench.region;
        let at = |offset: u32| VirtAddr::new(START + offset);
        let part = VirtRange::new(at(0x30_0000), at(0x40_0000));
        let spec = AreaSpec::new(AreaKind::Module, Prot::KERNEL, 0);
        let spec = AreaSpec { within: Some(part), align_shift: 16, ..spec };
        let made: Vec<_> = std::iter::from_fn(|| region.alloc(1, QUIET, &spec).ok()).collect();
        assert_eq!(made.len(), 16);
        for (area, number) in made.iter().zip(0..) {
            assert_eq!(*area, at(0x30_0000 + number * 0x1_0000));
        }
        let failure = region.failure(region.want(1, &spec));
        assert_eq!(failure.remedy(), Remedy::PartOfRegion);
        for area in made {
            region.free(area, AreaKind::Module).unwrap();
        }
    });
}

#[test]
fn addresses_alone() {
    with_region(1024, space(16), |bench| {
        let region = bench.region;
        let phys = Some(PhysAddr::new(0x1000_0000));
        let spec = AreaSpec { phys, ..AreaSpec::new(AreaKind::Vmap, Prot::DEVICE, 5) };
        let reserve = || region.reserve(40 * PAGE_SIZE + 1, KERNEL, &spec).unwrap();
        // Given up before anything was mapped: at once.
        let reserved = reserve();
        let range = reserved.range();
        assert_eq!((range.len(), reserved.info().phys), (41 * PAGE_SIZE, phys));
        assert!(region.vfree(range.start()).is_err(), "it is being made");
        assert_eq!(bench.told().len(), 1);
        drop(reserved);
        assert_eq!(region.area_at(range.start()), None);
        // Mapped, found again, unmapped: with the batch.
        let virt = reserve().finish();
        assert_eq!(region.area_at(virt).unwrap().state, AreaState::Live);
        let back = region.take_back(virt, AreaKind::Vmap).unwrap();
        assert!(region.take_back(virt, AreaKind::Vmap).is_err(), "nobody else has it");
        assert_eq!(bench.told().len(), 1);
        let range = back.range();
        back.wait(Stale::owed(range));
        assert_eq!(region.area_at(virt).unwrap().state, AreaState::Waiting);
        assert_eq!(region.purge(), 0);
        assert_eq!(region.area_at(virt), None);
    });
}

#[test]
fn callers_that_can_not_sleep_are_served() {
    with_region(1024, space(16), |bench| {
        let region = bench.region;
        for gfp in [Gfp::GFP_ATOMIC, Gfp::GFP_NOWAIT] {
            let area = region.vmalloc(40 * PAGE_SIZE, gfp, 0).unwrap();
            let low = region.vmalloc_32(PAGE_SIZE, gfp, 0).unwrap();
            let dma = region.vmalloc(PAGE_SIZE, gfp | Gfp::__GFP_DMA, 0).unwrap();
            let frame = bench.frames(dma, 1)[0];
            assert!(bench.pages.zone(ZoneKind::Dma).span().contains(frame));
            for area in [area, low, dma] {
                region.vfree(area).unwrap();
            }
        }
        assert!(bench.pages.platform().shortages().is_empty());
    });
}
