//! Which zone a request gets its pages from, and how much it must leave there.

use super::*;
use crate::zone::watermark::Watermarks;

use ZoneKind::{Dma, HighMem, Normal};

/// The four distributions of memory over zones: DMA, Normal and HighMem; without Normal; without HighMem;
/// DMA alone. Borders lie inside page blocks.
const DISTRIBUTIONS: [[u32; 4]; 4] =
    [[3, 2500, 6000, 9001], [3, 4000, 4000, 9001], [3, 2500, 9001, 9001], [3, 9001, 9001, 9001]];

fn marks(allocator: &Allocator<'_>, kind: ZoneKind) -> Watermarks {
    allocator.zone(kind).watermarks()
}

/// Debugging takes all room from the stacks, so that each request is held to the levels.
fn without_stacks(memory: &Memory, borders: [u32; 4]) -> Allocator<'_> {
    let mut allocator = memory.allocator(borders);
    allocator.track_owners(&memory.owners);
    allocator.release(range(borders[0], borders[3])).unwrap();
    allocator.start();
    allocator
}

#[test]
fn each_request_begins_at_the_highest_zone_that_it_may_use() {
    for borders in DISTRIBUTIONS {
        let memory = Memory::new(0, 9100);
        let allocator = started::<1>(&memory, borders);
        let best = |wanted: ZoneKind| {
            let has = |kind: &ZoneKind| allocator.zone(*kind).managed() > 0;
            ZoneKind::ALL.into_iter().rev().find(|kind| *kind <= wanted && has(kind)).unwrap()
        };
        for (gfp, wanted) in [
            (Gfp::GFP_DMA, Dma),
            (Gfp::GFP_DMA | Gfp::GFP_KERNEL, Dma),
            (Gfp::GFP_DMA | Gfp::GFP_ATOMIC, Dma),
            (Gfp::GFP_DMA | Gfp::__GFP_MOVABLE, Dma),
            (Gfp::GFP_DMA | Gfp::__GFP_ZERO, Dma),
            (Gfp::GFP_KERNEL, Normal),
            (Gfp::GFP_ATOMIC, Normal),
            (Gfp::GFP_NOWAIT, Normal),
            (Gfp::empty(), Normal),
            (Gfp::GFP_DMA32 | Gfp::GFP_KERNEL, Normal),
            (Gfp::__GFP_MOVABLE | Gfp::GFP_KERNEL, Normal),
            (Gfp::__GFP_RECLAIMABLE | Gfp::GFP_KERNEL, Normal),
            (Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL, Normal),
            (Gfp::GFP_HIGHUSER, HighMem),
            (Gfp::GFP_HIGHUSER_MOVABLE, HighMem),
            (Gfp::GFP_HIGHUSER | Gfp::__GFP_ZERO, HighMem),
            (Gfp::__GFP_HIGHMEM | Gfp::__GFP_RECLAIMABLE, HighMem),
            (Gfp::GFP_TRANSHUGE, HighMem),
        ] {
            // Twice: from the zones, and out of the stack.
            for size in [0, 0, 3, 3, 4, 9] {
                let block = allocator.alloc_pages(gfp, order(size)).unwrap();
                assert_eq!(zone_of(&allocator, block.pfn()), Some(best(wanted)), "{gfp} {size}");
                let state = memory.table().at(block.pfn()).state();
                let PageState::Allocated { order: of, class, further_references: 0 } = state else {
                    panic!("{state}");
                };
                assert_eq!((of, class.mobility()), (order(size), gfp.mobility()));
            }
        }
        allocator.validate().unwrap();
        assert_eq!(allocator.platform().told(), []);
    }
}

#[test]
fn a_dma_request_never_gets_a_page_beyond_the_limit() {
    for borders in DISTRIBUTIONS {
        for size in [0, 3, 10] {
            let memory = Memory::new(0, 9100);
            let allocator = started::<1>(&memory, borders);
            let taken = exhaust(&allocator, Gfp::GFP_DMA | Gfp::__GFP_MEMALLOC, order(size));
            assert!(!taken.is_empty());
            let dma = allocator.zone(Dma).span();
            for at in taken {
                let block = range(at.as_u32(), at.as_u32() + (1 << size));
                assert_eq!(dma.intersection(&block), block);
            }
            if size == 0 {
                assert_eq!(free_pages(&allocator)[0], 0);
            }
        }
    }
}

#[test]
fn where_no_zone_will_do_there_is_none() {
    // HighMem alone: no lowmem at all, which no real machine has.
    let memory = Memory::new(0, 4096);
    let allocator = started::<1>(&memory, [0, 0, 0, 4096]);
    for (gfp, highest) in [(Gfp::GFP_KERNEL, Normal), (Gfp::GFP_DMA, Dma)] {
        let error = AllocError::no_memory(order(0), highest);
        assert_eq!(allocator.alloc_block(gfp, order(0)), Err(error));
    }
    assert!(allocator.alloc_page(Gfp::GFP_HIGHUSER).is_ok());
}

#[test]
fn a_request_falls_back_downwards_only() {
    let memory = Memory::new(0, 9100);
    let allocator = started::<1>(&memory, DISTRIBUTIONS[0]);
    let gfp = Gfp::GFP_HIGHUSER | Gfp::__GFP_MEMALLOC;
    let zones: Vec<_> = exhaust(&allocator, gfp, order(0))
        .into_iter()
        .map(|at| zone_of(&allocator, at).unwrap())
        .collect();
    assert!(zones.is_sorted_by(|one, next| one >= next), "highest first");
    assert_eq!(zones.len(), 9001 - 3);
    assert_eq!(free_pages(&allocator), [0; 3]);

    let high = range(6000, 6001).start();
    allocator.free_block(high, order(0)).unwrap();
    for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_DMA | Gfp::GFP_KERNEL] {
        let highest = gfp.highest_zone();
        let error = AllocError::no_memory(order(0), highest);
        assert_eq!(allocator.alloc_block(gfp | Gfp::__GFP_MEMALLOC, order(0)), Err(error));
    }
    assert_eq!(
        AllocError::no_memory(order(2), HighMem).to_string(),
        "no free block of order 2 for zone HighMem"
    );
    assert_eq!(allocator.alloc_raw_in(HighMem, Gfp::empty(), order(0)), Ok(high));
    allocator.validate().unwrap();
}

#[test]
fn one_zone_alone_is_asked_down_to_its_last_page() {
    for (kind, at) in [(Dma, 3), (Normal, 2500), (HighMem, 6000)] {
        let memory = Memory::new(0, 9100);
        let allocator = started::<1>(&memory, DISTRIBUTIONS[0]);
        // Flags that name other zones do not matter.
        for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_HIGHUSER_MOVABLE, Gfp::GFP_DMA] {
            let first = allocator.alloc_raw_in(kind, gfp, order(0)).unwrap();
            assert_eq!(zone_of(&allocator, first), Some(kind));
            allocator.free_block(first, order(0)).unwrap();
        }
        let take = || allocator.alloc_raw_in(kind, Gfp::GFP_NOWAIT, order(0)).ok();
        let taken: Vec<_> = core::iter::from_fn(take).collect();
        assert_eq!(taken.len() as u32, allocator.zone(kind).managed());
        assert_eq!(taken.iter().min(), Some(&pfn(at)));
        allocator.validate().unwrap();
        assert_eq!(allocator.platform().told(), [], "no report");
        let bad = Gfp::GFP_DMA | Gfp::__GFP_HIGHMEM;
        let refused = AllocError::flags(bad.check().unwrap_err());
        assert_eq!(allocator.alloc_raw_in(kind, bad, order(0)), Err(refused));
    }
}

#[test]
fn a_zone_without_memory_gives_nothing_whatever_lies_in_stacks() {
    for (borders, empty) in [
        ([0, 4000, 4000, 9001], &[Normal][..]),
        ([0, 9001, 9001, 9001], &[Normal, HighMem]),
        ([0, 0, 9001, 9001], &[Dma, HighMem]),
    ] {
        let memory = Memory::new(0, 9100);
        let allocator = started::<1>(&memory, borders);
        for gfp in [Gfp::GFP_DMA, Gfp::GFP_KERNEL, Gfp::GFP_HIGHUSER_MOVABLE] {
            for kind in empty {
                // Whichever stack a request of this kind would look at is warm.
                let _ = allocator.alloc_page(gfp).map(drop);
                let error = AllocError::no_memory(order(0), *kind);
                assert_eq!(allocator.alloc_raw_in(*kind, gfp, order(0)), Err(error), "{gfp}");
            }
        }
        allocator.validate().unwrap();
    }
}

/// What a request that has taken all that it may have leaves behind.
fn left(borders: [u32; 4], kind: ZoneKind, gfp: Gfp, stacks: bool) -> (u32, Watermarks) {
    let memory = Memory::new(0, 9100);
    let allocator =
        if stacks { started(&memory, borders) } else { without_stacks(&memory, borders) };
    let taken = exhaust(&allocator, gfp, order(0));
    assert_eq!(allocator.figures().zone(kind).in_stacks(), 0, "nothing is left in stacks");
    let result = (free_pages(&allocator)[kind.index()], marks(&allocator, kind));
    give_back(&allocator, taken, order(0));
    allocator.drain();
    allocator.validate().unwrap();
    let managed: u32 = allocator.managed().iter().sum();
    assert_eq!(free_pages(&allocator).iter().sum::<u32>(), managed);
    result
}

/// A zone gives as long as more than the level is left, so it stops *at* the level.
#[test]
fn each_kind_of_request_stops_at_its_level() {
    for stacks in [false, true] {
        for borders in [[0, 0, 8200, 8200], [0, 0, 4097, 4097], [0, 0, 7777, 7777]] {
            for (gfp, level) in [
                (Gfp::GFP_KERNEL, |min: u32| min),
                (Gfp::GFP_NOWAIT, |min| min),
                (Gfp::empty(), |min| min),
                (Gfp::GFP_KERNEL | Gfp::__GFP_HIGH, |min| min - min / 2),
                (Gfp::__GFP_HIGH | Gfp::__GFP_NOMEMALLOC, |min| min - min / 2),
                (Gfp::GFP_ATOMIC, |min| min - min / 2 - (min - min / 2) / 4),
                (Gfp::__GFP_HIGH, |min| min - min / 2 - (min - min / 2) / 4),
                (Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC, |_| 0),
                (Gfp::GFP_ATOMIC | Gfp::__GFP_MEMALLOC, |_| 0),
                (Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC | Gfp::__GFP_NOMEMALLOC, |min| min),
            ] as [(Gfp, fn(u32) -> u32); 10]
            {
                let (left, marks) = left(borders, Normal, gfp, stacks);
                assert_eq!(left, level(marks.min), "{gfp} of {borders:?}, stacks {stacks}");
            }
        }
    }
    // 3/8 of 11 is 5: each step rounds by itself, as in Linux.
    let rounded = |min: u32| min - min / 2 - (min - min / 2) / 4;
    assert_eq!([8, 9, 10, 11, 12].map(rounded), [3, 4, 4, 5, 5]);
}

#[test]
fn lower_zones_keep_a_reserve_from_requests_that_could_go_higher() {
    for stacks in [false, true] {
        for borders in DISTRIBUTIONS {
            for gfp in [Gfp::GFP_NOWAIT, Gfp::GFP_NOWAIT | Gfp::__GFP_HIGHMEM] {
                let memory = Memory::new(0, 9100);
                let allocator = if stacks {
                    started(&memory, borders)
                } else {
                    without_stacks(&memory, borders)
                };
                exhaust(&allocator, gfp, order(0));
                for zone in allocator.zones().iter().filter(|zone| zone.managed() > 0) {
                    if zone.kind() > gfp.highest_zone() {
                        assert_eq!(zone.free_pages(), zone.managed());
                        continue;
                    }
                    let reserve = zone.reserve()[gfp.highest_zone().index()];
                    let kept = zone.watermarks().min + reserve;
                    assert_eq!(zone.free_pages(), kept, "{gfp}: {}", zone.kind());
                }
            }
        }
    }
    // The reserves are not nothing: 3000 pages of HighMem keep 93 of Normal.
    let memory = Memory::new(0, 9100);
    let allocator = started::<1>(&memory, DISTRIBUTIONS[0]);
    assert_eq!(allocator.zone(Normal).reserve(), [0, 0, 93, 93]);
    assert_eq!(allocator.zone(Dma).reserve(), [0, 3500 / 256, 6501 / 256, 6501 / 256]);
}

/// All pages of a block but one must be there above the level.
#[test]
fn a_large_block_is_held_to_the_level_with_all_its_pages() {
    for size in [1, 3, 4, 7] {
        let memory = Memory::new(0, 9100);
        let allocator = without_stacks(&memory, [0, 0, 8192, 8192]);
        let min = marks(&allocator, Normal).min;
        // Single pages first, so that what is left is not a multiple.
        for _ in 0..3 {
            allocator.alloc_block(Gfp::GFP_NOWAIT, order(0)).unwrap();
        }
        let taken = exhaust(&allocator, Gfp::GFP_NOWAIT, order(size)).len() as u32;
        let pages = 1 << size;
        let mut free = 8192 - 3;
        let mut blocks = 0;
        while free - (pages - 1) > min {
            free -= pages;
            blocks += 1;
        }
        assert_eq!((taken, free_pages(&allocator)[1]), (blocks, free), "order {size}");
    }
}

/// The first try is held to the low watermark: as long as a higher zone is above it, no lower one is
/// touched, and only when all are below it does anybody go down to the min watermark.
#[test]
fn all_zones_fall_to_low_before_one_falls_to_min() {
    let memory = Memory::new(0, 9100);
    let allocator = without_stacks(&memory, DISTRIBUTIONS[0]);
    let gfp = Gfp::GFP_NOWAIT | Gfp::__GFP_HIGHMEM;
    let level = |kind: ZoneKind, mark: u32| mark + allocator.zone(kind).reserve()[2];
    let low = [Dma, Normal, HighMem].map(|kind| level(kind, marks(&allocator, kind).low));
    let mut seen_low = false;
    while allocator.alloc_block(gfp, order(0)).is_ok() {
        let free = free_pages(&allocator);
        seen_low |= free == low;
        let is_below = |kind: &ZoneKind| free[kind.index()] < low[kind.index()];
        assert!(seen_low || !ZoneKind::ALL.iter().any(is_below), "{free:?} of {low:?}");
    }
    assert!(seen_low);
}
