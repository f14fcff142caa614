//! Two regions on a machine without page tables: which one gives, what is told, and that nothing is lost.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use crate::fault::FailConfig;
use crate::map::area::{AreaKind, AreaState, RegionName};
use crate::map::test_region::{space, with_bench};
use crate::map::vmalloc::tests::{Bench, Fake};
use crate::map::vmalloc::{AreaFault, MappedRegion, VmallocError};
use crate::object::test_machine::Machine;
use crate::zone::Gfp;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const QUIET: Gfp = KERNEL.union(Gfp::__GFP_NOWARN);
const MODULES: u32 = 0xbf00_0000;

type Area<'r, 'a> = ModuleArea<'r, 'r, 'a, Machine, Fake>;

fn near(mib: u32) -> VirtRange {
    let start = VirtAddr::new(MODULES);
    VirtRange::new(start, start.checked_add(mib << 20).unwrap())
}

/// Runs a test with so many pages of memory, and regions of so many MiB. Afterwards all of it must be free.
fn with_areas(
    pages: u32,
    (modules, vmalloc): (u32, u32),
    test: impl FnOnce(&Bench<'_, '_>, &Area<'_, '_>),
) {
    with_bench::<Fake>(pages, space(vmalloc), |bench| {
        let name = RegionName::Modules;
        let region =
            MappedRegion::new(name, near(modules), bench.pages, bench.slabs, bench.mmu).unwrap();
        let area = ModuleArea::new(&region, bench.region);
        // Nothing that stays for good is missed afterwards.
        area.free(area.alloc(1, KERNEL, 0).unwrap().start()).unwrap();
        bench.region.vfree(bench.region.vmalloc(1, KERNEL, 0).unwrap()).unwrap();
        region.make_room();
        bench.keeps_books(|| {
            test(bench, &area);
            is_as_new(bench, &area);
        });
    });
}

/// No area is left in either region, and no table.
fn is_as_new(bench: &Bench<'_, '_>, area: &Area<'_, '_>) {
    area.modules().make_room();
    bench.is_as_new();
    area.modules().validate().unwrap();
    let figures = area.modules().figures();
    assert_eq!((figures.areas, figures.free), (0, area.modules().region().len()));
}

/// Takes areas of so many bytes until the modules region has no room for another one.
fn fill(area: &Area<'_, '_>, bytes: u32) -> Vec<VirtRange> {
    let mut areas = Vec::new();
    while area.modules().largest_area(12) >= bytes {
        let got = area.alloc(bytes, KERNEL, 0xbf00_1000).unwrap();
        assert!(area.modules().region().contains(got.start()));
        areas.push(got);
    }
    areas
}

#[test]
fn an_area_is_whole_pages_near_the_kernel() {
    with_areas(1024, (1, 16), |bench, area| {
        let pages = |bytes: u32| bytes.div_ceil(PAGE_SIZE) * PAGE_SIZE;
        let mut last = None;
        for bytes in [1, PAGE_SIZE, PAGE_SIZE + 1, 17 * PAGE_SIZE] {
            let got = area.alloc(bytes, KERNEL | Gfp::__GFP_ZERO, 0xc010_0000).unwrap();
            assert_eq!(got.len(), pages(bytes));
            assert!(got.start() >= VirtAddr::new(MODULES) && got.end() <= near(1).end());
            let info = area.area_at(VirtAddr::new(got.end().as_u32() - 1)).unwrap();
            assert_eq!((info.kind, info.state), (AreaKind::Module, AreaState::Live));
            assert_eq!((info.range, info.caller), (got, 0xc010_0000));
            assert_eq!(area.area_at(got.end()), None, "the guard page");
            assert!(last.is_none_or(|end| got.start() > end), "a guard page between two areas");
            last = Some(got.end());
        }
        let starts: Vec<_> = area.modules().areas().map(|info| info.range.start()).collect();
        for start in starts {
            area.free(start).unwrap();
            // At once, and not with the batch.
            assert_eq!(area.modules().figures().waiting_areas, 0);
            assert_eq!(area.modules().vmalloc_to_pfn(start), None);
        }
        assert_eq!(bench.region.figures().areas, 0);
    });
}

#[test]
fn nothing_is_no_area() {
    with_areas(256, (1, 1), |bench, area| {
        let error = area.alloc(0, KERNEL, 0).unwrap_err();
        assert_eq!(error, ModuleAreaError { modules: VmallocError::Empty, vmalloc: None });
        assert_eq!(
            bench.told(),
            [
                "module allocation failure: 0 bytes, mode:0xcc0(GFP_KERNEL): modules: an area of no bytes"
            ]
        );
        for bytes in [u32::MAX, u32::MAX - PAGE_SIZE + 1, 1 << 31] {
            let error = area.alloc(bytes, QUIET, 0).unwrap_err();
            assert!(matches!(error.modules, VmallocError::TooLarge { .. }), "{error}");
        }
    });
}

#[test]
fn a_full_region_is_silent_and_the_next_one_gives() {
    with_areas(2048, (1, 4), |bench, area| {
        let areas = fill(area, 15 * PAGE_SIZE);
        assert_eq!(areas.len(), 16);
        let far = area.alloc(15 * PAGE_SIZE, KERNEL, 0).unwrap();
        assert!(bench.region.region().contains(far.start()));
        assert_eq!(area.area_at(far.start()).unwrap().kind, AreaKind::Module);
        // What is smaller than the largest gap is near again.
        area.free(areas[3].start()).unwrap();
        let again = area.alloc(3 * PAGE_SIZE, KERNEL, 0).unwrap();
        assert_eq!(again.start(), areas[3].start());
        area.free(again.start()).unwrap();
        area.free(far.start()).unwrap();
        for (index, range) in areas.iter().enumerate() {
            if index != 3 {
                area.free(range.start()).unwrap();
            }
        }
        assert_eq!(bench.told(), [""; 0]);
    });
}

#[test]
fn who_finds_both_full_is_told_once_and_of_both() {
    with_areas(2048, (1, 2), |bench, area| {
        let mut areas = fill(area, 63 * PAGE_SIZE);
        areas.push(area.alloc(300 * PAGE_SIZE, KERNEL, 0xbf00_2000).unwrap());
        assert_eq!(bench.told(), [""; 0]);
        let error = area.alloc(250 * PAGE_SIZE, KERNEL, 0xbf00_3000).unwrap_err();
        assert!(matches!(error.modules, VmallocError::NoHole(_)));
        assert!(matches!(error.vmalloc, Some(VmallocError::NoHole(_))));
        assert_eq!(
            bench.told(),
            ["\
module allocation failure: 1024000 bytes, mode:0xcc0(GFP_KERNEL): modules: no gap for 1024000 bytes at a multiple \
of 2^12 in 0xbf000000 - 0xbf100000; vmalloc: no gap for 1024000 bytes at a multiple of 2^12 in 0xf0800000 - 0xf0a00000
modules: no room for 1024000 bytes at a multiple of 2^12 in 0xbf000000 - 0xbf100000
  free: 0 kB, the largest area 0 kB, at that alignment 0 kB
  waiting for a flush: 0 kB
  held by 0xbf001000: 1008 kB in 4 areas
vmalloc: no room for 1024000 bytes at a multiple of 2^12 in 0xf0800000 - 0xf0a00000
  free: 844 kB, the largest area 840 kB, at that alignment 840 kB
  waiting for a flush: 0 kB
  held by 0xbf002000: 1200 kB in 1 areas
  vmalloc=3M would make room"]
        );
        assert!(area.alloc(250 * PAGE_SIZE, QUIET, 0).is_err());
        assert_eq!(bench.told(), [""; 0], "who does not want to be told is not");
        areas.iter().for_each(|range| area.free(range.start()).unwrap());
    });
}

#[test]
fn where_memory_is_short_the_second_region_is_not_asked() {
    with_areas(400, (4, 4), |bench, area| {
        let mut areas = Vec::new();
        let error = loop {
            match area.alloc(64 * PAGE_SIZE, QUIET, 0) {
                Ok(range) => areas.push(range),
                Err(error) => break error,
            }
        };
        assert!(matches!(error.modules, VmallocError::NoPages { .. }), "{error}");
        assert_eq!((error.vmalloc, bench.region.figures().areas), (None, 0));
        assert_eq!(bench.told(), [""; 0]);
        areas.iter().for_each(|range| area.free(range.start()).unwrap());
    });
}

#[test]
fn only_areas_of_modules_are_given_back() {
    with_areas(1024, (1, 4), |bench, area| {
        let near = area.alloc(2 * PAGE_SIZE, KERNEL, 0).unwrap();
        let other = bench.region.vmalloc(PAGE_SIZE, KERNEL, 0).unwrap();
        let fault = |virt: u32| area.free(VirtAddr::new(virt)).unwrap_err().fault;
        let start = near.start();
        assert_eq!(fault(0xc000_0000), AreaFault::OutsideRegion);
        assert_eq!(fault(0), AreaFault::OutsideRegion);
        assert_eq!(fault(start.as_u32() + 1), AreaFault::Unaligned);
        assert_eq!(fault(start.as_u32() + PAGE_SIZE), AreaFault::Inside { start });
        assert_eq!(fault(start.as_u32() + 3 * PAGE_SIZE), AreaFault::NoArea);
        let (kind, named) = (AreaKind::Vmalloc, AreaKind::Module);
        assert_eq!(fault(other.as_u32()), AreaFault::OtherKind { kind, named });
        assert_eq!(area.area_at(other), None);
        // Nor is a module's area given back as something else.
        assert!(area.modules().vfree(start).is_err());
        area.free(start).unwrap();
        assert!(matches!(
            fault(start.as_u32()),
            AreaFault::NotLive { state: AreaState::Spare } | AreaFault::NoArea
        ));
        bench.region.vfree(other).unwrap();
        let told = bench.told();
        assert_eq!(told.len(), 8);
        assert_eq!(told[0], "BUG: bad free in modules: 0xc0000000 is outside the region");
        assert!(told[5].starts_with("BUG: bad free in vmalloc: "), "{}", told[5]);
    });
}

/// Any request may fail: the n-th does, for n = 1, 2, 3 …
#[test]
fn nothing_is_lost_whatever_fails() {
    type Inject = fn(&Bench<'_, '_>, u32);
    let kinds: [(Inject, u32); 3] = [
        (|bench, n| bench.pages.inject_failures(of(n)), 5),
        (|bench, n| bench.slabs.inject_failures(of(n)), 5),
        (
            |bench, n| {
                bench.mmu.asked.set(0);
                bench.mmu.fails_at.set(n);
            },
            5,
        ),
    ];
    for (inject, least) in kinds {
        with_areas(4096, (1, 16), |bench, area| {
            // How many areas were not made, and how many lie far away.
            let all = |area: &Area<'_, '_>| {
                let mut failed = 0;
                let mut got = Vec::new();
                for pages in [1, 5, 16, 17, 70, 100, 80, 60, 300] {
                    match area.alloc(pages * PAGE_SIZE, QUIET, 0) {
                        Ok(range) => got.push(range),
                        Err(_) => failed += 1,
                    }
                }
                let far = got.iter().filter(|range| range.start() >= space(1).start()).count();
                got.iter().for_each(|range| area.free(range.start()).unwrap());
                (failed, far)
            };
            assert_eq!(all(area), (0, 3), "three areas lie far away");
            is_as_new(bench, area);
            let free = bench.free();
            let mut failures = 0;
            // Not every page that fails has its request fail: so no n is known to be the last. There are fewer than these.
            for n in 1..=400 {
                inject(bench, n);
                let (failed, _) = all(area);
                inject(bench, 0);
                is_as_new(bench, area);
                assert_eq!(bench.free(), free, "pages are lost when request {n} fails");
                failures += failed;
            }
            assert!(failures >= least, "{failures}");
        });
    }
}

fn of(n: u32) -> FailConfig {
    if n == 0 { FailConfig::OFF } else { FailConfig::nth(n) }
}

#[derive(Clone, Debug)]
enum Op {
    Alloc(u32),
    Free(usize),
    MakeRoom,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => prop_oneof![1_u32..20, 1_u32..200].prop_map(Op::Alloc),
        4 => any::<usize>().prop_map(Op::Free),
        1 => Just(Op::MakeRoom),
    ];
    prop::collection::vec(op, 1..100)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An area is near whenever it fits there; no two have a page in common, nor one the other's guard page.
    #[test]
    fn two_regions_as_a_map(ops in ops()) {
        with_areas(3000, (1, 4), |bench, area| {
            let mut held: BTreeMap<VirtAddr, VirtRange> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Alloc(pages) => {
                        area.modules().make_room();
                        let fits_near = area.modules().largest_area(12) >= pages * PAGE_SIZE;
                        match area.alloc(pages * PAGE_SIZE - pages % 7, QUIET, 0) {
                            Ok(range) => {
                                assert_eq!(range.len(), pages * PAGE_SIZE);
                                let is_near = area.modules().region().contains(range.start());
                                assert_eq!(is_near, fits_near);
                                held.insert(range.start(), range);
                            }
                            Err(error) => match error.vmalloc {
                                Some(VmallocError::NoHole(_)) => {
                                    assert!(bench.region.largest_area(12) < pages * PAGE_SIZE);
                                }
                                Some(VmallocError::NoPages { .. }) => {}
                                None => assert!(
                                    matches!(error.modules, VmallocError::NoPages { .. }),
                                ),
                                other => panic!("{other:?}"),
                            },
                        }
                    }
                    Op::Free(_) if held.is_empty() => {}
                    Op::Free(index) => {
                        let start = *held.keys().nth(index % held.len()).unwrap();
                        held.remove(&start);
                        area.free(start).unwrap();
                    }
                    Op::MakeRoom => _ = area.modules().make_room(),
                }
                let mut last = VirtAddr::new(0);
                for range in held.values() {
                    assert!(range.start() > last, "{range} has no guard page before it");
                    last = range.end();
                    assert_eq!(area.area_at(range.start()).unwrap().range, *range);
                }
                area.modules().validate().unwrap();
                bench.region.validate().unwrap();
            }
            held.keys().for_each(|start| area.free(*start).unwrap());
        });
    }
}
