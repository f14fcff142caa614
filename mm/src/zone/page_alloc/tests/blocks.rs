//! Blocks that own themselves, references, many pages at once, runs of any length, and wrong frees.

use arrayvec::ArrayVec;

use super::*;
use crate::frame::Block;
use crate::zone::PageBlock;

const BORDERS: [u32; 4] = [0, 2500, 9000, 12288];

/// All pages are free again, once the stacks are empty: as at boot.
#[track_caller]
fn check_all_free(allocator: &Allocator<'_>, at_boot: &[[u32; Order::COUNT]; 3]) {
    allocator.drain();
    allocator.validate().unwrap();
    assert_eq!(free_blocks(allocator), *at_boot);
}

#[test]
fn a_block_gives_itself_back() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let at_boot = free_blocks(&allocator);
    for size in 0..=10 {
        let block = allocator.alloc_pages(Gfp::GFP_KERNEL, order(size)).unwrap();
        assert_eq!((block.order(), block.frames().len()), (order(size), 1 << size));
        assert_eq!(block.pfn().as_u32() % (1 << size), 0);
        assert_eq!(block.phys(), block.frames().as_phys());
        assert_eq!(format!("{block:?}"), format!("PageBlock({}, order {size})", block.pfn()));
    }
    let page = allocator.get_free_pages(Gfp::GFP_KERNEL, order(2)).unwrap();
    let raw = page.into_raw();
    allocator.validate().unwrap();
    allocator.free(raw, order(2)).unwrap();
    check_all_free(&allocator, &at_boot);
}

#[test]
fn the_last_reference_frees() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let at_boot = free_blocks(&allocator);
    for size in [0, 3, 4, 10] {
        let block = allocator.alloc_pages(Gfp::GFP_KERNEL, order(size)).unwrap();
        let at = block.pfn();
        let references = |at: Pfn| match memory.table().at(at).state() {
            PageState::Allocated { further_references, .. } => Some(further_references),
            _ => None,
        };
        let other = block.share().unwrap();
        let third = other.share().unwrap();
        assert_eq!(references(at), Some(2));
        // With another order than the block's it is wrong even while there are others.
        let wrong = allocator.free(at, order((size + 1) % 11));
        assert!(matches!(wrong, Err(FreeError::WrongOrder { .. } | FreeError::Misaligned { .. })));
        assert_eq!(references(at), Some(2));
        drop(block);
        drop(third);
        assert_eq!(references(at), Some(0));
        allocator.validate().unwrap();
        drop(other);
        assert_eq!(references(at), None);
        assert!(matches!(allocator.free(at, order(size)), Err(FreeError::DoubleFree { .. })));
        allocator.validate().unwrap();
    }
    check_all_free(&allocator, &at_boot);
}

#[test]
fn references_are_counted_up_to_their_most() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let block = allocator.alloc_page(Gfp::GFP_KERNEL).unwrap();
    let shared: Vec<_> = (0..u16::MAX).map(|_| block.share().unwrap()).collect();
    let error = block.share().map(|_| ()).unwrap_err();
    assert_eq!(error.pfn, block.pfn());
    drop(shared);
    assert!(block.share().is_ok());
}

#[test]
fn many_pages_come_and_go_at_once() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let at_boot = free_blocks(&allocator);
    for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_HIGHUSER_MOVABLE, Gfp::GFP_DMA | Gfp::__GFP_ZERO] {
        for wanted in [0, 1, 2, 31, 32, 33, 100, 256] {
            let mut pfns = vec![pfn(0); wanted];
            assert_eq!(allocator.alloc_bulk(gfp, &mut pfns), wanted);
            allocator.validate().unwrap();
            let highest = gfp.highest_zone();
            let mut sorted = pfns.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), wanted, "no page twice");
            assert!(pfns.iter().all(|at| zone_of(&allocator, *at) == Some(highest)));
            if gfp.wants_zero() {
                assert!(pfns.iter().all(|at| allocator.platform().is_all(*at, 0)));
            }
            assert_eq!(allocator.free_bulk(&pfns), Ok(()));
            allocator.validate().unwrap();
        }
    }
    let mut owned = ArrayVec::<PageBlock<'_, '_, _>, 70>::new();
    owned.push(allocator.alloc_pages(Gfp::GFP_KERNEL, order(1)).unwrap());
    assert_eq!(allocator.alloc_pages_bulk(Gfp::GFP_KERNEL, &mut owned), 69);
    assert_eq!(allocator.alloc_pages_bulk(Gfp::GFP_KERNEL, &mut owned), 0, "it is full");
    drop(owned);
    check_all_free(&allocator, &at_boot);
}

#[test]
fn many_pages_are_as_many_as_there_are() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let mut pfns = vec![pfn(0); 20_000];
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC;
    assert_eq!(allocator.alloc_bulk(gfp, &mut pfns), 9000);
    assert_eq!(free_pages(&allocator)[..2], [0, 0]);
    assert_eq!(allocator.free_bulk(&pfns[..9000]), Ok(()));
    allocator.validate().unwrap();
    assert_eq!(allocator.platform().told().len(), 1, "the request that failed");
}

/// Pages of different zones and mobilities, pages with references, and wrong ones, all mixed.
#[test]
fn a_wrong_page_among_many_is_named_and_the_others_are_given_back() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let at_boot = free_blocks(&allocator);
    let take = |gfp| allocator.alloc_block(gfp, order(0)).unwrap();
    let mut pages = vec![];
    for _ in 0..20 {
        pages.extend([Gfp::GFP_KERNEL, Gfp::GFP_DMA, Gfp::GFP_HIGHUSER_MOVABLE].map(take));
        pages.extend([Gfp::GFP_KERNEL, Gfp::GFP_KERNEL].map(take));
    }
    let shared = pages[7];
    allocator.add_reference(shared).unwrap();
    let pair = allocator.alloc_block(Gfp::GFP_KERNEL, order(1)).unwrap();
    pages.insert(50, pair);
    pages.insert(30, pages[29]);
    pages.insert(10, pfn(50_000));
    pages.push(pages[0]);
    assert_eq!(allocator.free_bulk(&pages), Err(NotFreed { pfn: pfn(50_000) }), "the first");
    let told = allocator.platform().told();
    let kinds: Vec<_> = told
        .iter()
        .map(|told| match told {
            Told::WrongFree(FreeError::NotCovered { .. }) => 'N',
            Told::WrongFree(FreeError::DoubleFree { .. }) => 'D',
            Told::WrongFree(FreeError::WrongOrder { .. }) => 'O',
            _ => '?',
        })
        .collect();
    assert_eq!(kinds, ['N', 'D', 'O', 'D']);
    allocator.validate().unwrap();
    assert_eq!(allocator.free_bulk(&[]), Ok(()));
    allocator.free(shared, order(0)).unwrap();
    allocator.free(pair, order(1)).unwrap();
    check_all_free(&allocator, &at_boot);
}

#[test]
fn an_exact_run_has_its_pages_and_no_more() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let at_boot = free_blocks(&allocator);
    let managed = allocator.managed();
    for pages in 1..=1024 {
        let run = allocator.alloc_pages_exact(Gfp::GFP_KERNEL, pages).unwrap();
        let frames = run.frames();
        assert_eq!(frames.len(), pages);
        assert_eq!(frames.start().as_u32() % pages.next_power_of_two(), 0);
        assert_eq!(run.phys(), frames.as_phys());
        let figures = allocator.figures();
        let used = figures.managed() - figures.free() - figures.in_stacks();
        assert_eq!(used, u64::from(pages));
        if pages % 31 == 0 || pages.is_power_of_two() {
            allocator.validate().unwrap();
            let text = format!("PageRun({}, {pages} pages)", frames.start());
            assert_eq!(format!("{run:?}"), text);
        }
    }
    for pages in [0, 1025, 4096, u32::MAX] {
        let result = allocator.alloc_pages_exact(Gfp::GFP_KERNEL, pages).map(drop);
        assert_eq!(result, Err(AllocError::too_large(pages)));
    }
    assert_eq!(AllocError::too_large(0).to_string(), "a request for no page");
    assert_eq!(allocator.managed(), managed);
    check_all_free(&allocator, &at_boot);
}

/// Neighbours in the same block belong to different runs.
#[test]
fn exact_runs_fill_what_others_left() {
    let memory = Memory::new(0, 4096);
    let allocator = started::<1>(&memory, [0, 0, 4096, 4096]);
    let at_boot = free_blocks(&allocator);
    let mut runs = vec![];
    for pages in [5, 3, 100, 7, 700, 9, 1, 33].iter().cycle() {
        match allocator.alloc_pages_exact(Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN, *pages) {
            Ok(run) => runs.push(run),
            Err(_) => break,
        }
        allocator.validate().unwrap();
    }
    assert!(runs.len() > 20, "{}", runs.len());
    let mut seen = vec![false; 4096];
    for at in runs.iter().flat_map(|run| run.frames().iter()) {
        assert!(!core::mem::replace(&mut seen[at.as_u32() as usize], true), "{at} twice");
    }
    while !runs.is_empty() {
        drop(runs.swap_remove(runs.len() / 2));
        allocator.validate().unwrap();
    }
    check_all_free(&allocator, &at_boot);
}

#[test]
fn a_long_run_is_a_row_of_whole_blocks_and_its_end_is_free() {
    let memory = Memory::new(0, 20_000);
    let allocator = memory.allocator::<1>([0, 0, 20_000, 20_000]);
    // Holes at 5000 and 9000..9100: rows of whole blocks are 1024..4096, 5120..8192, 9216..19456.
    for (start, end) in [(700, 5000), (5001, 9000), (9100, 20_000)] {
        allocator.release(range(start, end)).unwrap();
    }
    allocator.start();
    let at_boot = free_blocks(&allocator);
    for (pages, start) in [
        (1025, 1024),
        (1027, 1024),
        (3071, 1024),
        (3072, 1024),
        (3073, 9216),
        (4096, 9216),
        (10_240, 9216),
    ] {
        let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_ZERO;
        let run = allocator.alloc_contig(gfp, pages).unwrap();
        assert_eq!(run.frames(), range(start, start + pages));
        assert!(run.frames().iter().all(|at| allocator.platform().is_all(at, 0)));
        let figures = allocator.figures();
        assert_eq!(figures.managed() - figures.free(), u64::from(pages));
        allocator.validate().unwrap();
        drop(run);
        check_all_free(&allocator, &at_boot);
    }
    for pages in [10_241, 19_000, u32::MAX] {
        let error = AllocError::no_memory(order(10), ZoneKind::Normal);
        assert_eq!(allocator.alloc_contig(Gfp::GFP_KERNEL, pages).map(drop), Err(error));
        assert_eq!(allocator.platform().told().len(), 1);
    }
    let none = allocator.alloc_contig(Gfp::GFP_KERNEL, 0).map(drop);
    assert_eq!(none, Err(AllocError::too_large(0)));
    // Up to 1024 it is what an exact run is.
    let run = allocator.alloc_contig(Gfp::GFP_KERNEL, 1000).unwrap();
    assert_eq!(run.frames().len(), 1000);
    drop(run);
    check_all_free(&allocator, &at_boot);
}

#[test]
fn a_long_run_leaves_the_low_watermark_and_is_found_among_stacked_pages() {
    let memory = Memory::new(0, 5120);
    let allocator = started::<1>(&memory, [0, 0, 5120, 5120]);
    let low = allocator.zone(ZoneKind::Normal).watermarks().low;
    let most = 5120 - low;
    assert!(allocator.alloc_contig(Gfp::GFP_KERNEL, most + 1).is_err());
    let run = allocator.alloc_contig(Gfp::GFP_KERNEL, most).unwrap();
    assert_eq!(allocator.zone(ZoneKind::Normal).free_pages(), low);
    drop(run);
    // A page of each block lies in the stack.
    let pages: Vec<_> = (0..5)
        .map(|_| allocator.alloc_block(Gfp::GFP_KERNEL, order(10)))
        .take_while(Result::is_ok)
        .flatten()
        .collect();
    for at in &pages {
        drop(allocator.block(*at, order(10)).split().unwrap());
    }
    allocator.validate().unwrap();
    assert!(allocator.figures().zone(ZoneKind::Normal).in_stacks() > 0);
    let run = allocator.alloc_contig(Gfp::GFP_KERNEL, 3000).unwrap();
    drop(run);
    allocator.validate().unwrap();
}

#[test]
fn a_long_run_comes_from_the_highest_zone_that_will_do() {
    let memory = Memory::new(0, 30_000);
    let allocator = started::<1>(&memory, [0, 10_000, 20_000, 30_000]);
    for (gfp, start) in [
        (Gfp::GFP_HIGHUSER, 20_480),
        (Gfp::GFP_KERNEL, 10_240),
        (Gfp::GFP_DMA | Gfp::GFP_KERNEL, 0),
    ] {
        // A run is rather taken from a lower zone than stacks are emptied for it.
        allocator.drain();
        let one = allocator.alloc_contig(gfp, 5000).unwrap();
        assert_eq!(one.frames().start(), pfn(start), "{gfp}");
        let other = allocator.alloc_contig(gfp, 5000);
        match zone_of(&allocator, pfn(start)) {
            Some(ZoneKind::Dma) => assert!(other.is_err()),
            zone => assert!(zone_of(&allocator, other.unwrap().frames().start()) < zone),
        }
    }
}

#[test]
fn a_split_block_is_single_pages() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let at_boot = free_blocks(&allocator);
    for size in 0..=10 {
        let block = allocator.alloc_pages(Gfp::GFP_KERNEL, order(size)).unwrap();
        let (frames, other) = (block.frames(), block.share().unwrap());
        let block = block.split().expect_err("there is another reference");
        drop(other);
        let run = block.split().unwrap();
        assert_eq!(run.frames(), frames);
        for at in frames.iter() {
            assert_eq!(memory.table().at(at).state().order(), Some(order(0)));
        }
        allocator.validate().unwrap();
        // A reference to one of the pages keeps that one when the run is gone.
        let last = pfn(frames.end().as_u32() - 1);
        allocator.add_reference(last).unwrap();
        drop(run);
        allocator.validate().unwrap();
        let state = memory.table().at(last).state();
        assert!(matches!(state, PageState::Allocated { further_references: 0, .. }), "{state}");
        allocator.free(last, order(0)).unwrap();
        check_all_free(&allocator, &at_boot);
    }
}

#[test]
fn each_wrong_free_is_reported_and_changes_nothing() {
    let memory = Memory::new(0, 12288);
    let allocator = memory.allocator::<1>(BORDERS);
    for (start, end) in [(0, 100), (200, 9000), (9000, 12_000)] {
        allocator.release(range(start, end)).unwrap();
    }
    allocator.start();
    let block = allocator.alloc_block(Gfp::GFP_KERNEL, order(3)).unwrap();
    let large = allocator.alloc_block(Gfp::GFP_KERNEL, order(8)).unwrap();
    let stacked = allocator.alloc_block(Gfp::GFP_KERNEL, order(1)).unwrap();
    allocator.free(stacked, order(1)).unwrap();
    let words = || -> Vec<_> {
        memory.table().range().iter().map(|at| memory.table().at(at).words()[0]).collect()
    };
    let (before, heads) = (allocator.figures(), words());
    let state = |at: Pfn| memory.table().at(at).state();
    let around = |head: Pfn| Block { head, state: state(head) };
    let next = |at: Pfn, more| pfn(at.as_u32() + more);
    let free = memory.table().block_of(pfn(8500)).unwrap();
    assert!(matches!(free.state, PageState::Free { .. }));
    for (at, size, error) in [
        (pfn(12_288), 0, FreeError::NotCovered { pfn: pfn(12_288) }),
        (pfn(u32::MAX), 0, FreeError::NotCovered { pfn: pfn(u32::MAX) }),
        (pfn(0xff_ffff), 0, FreeError::NotCovered { pfn: pfn(0xff_ffff) }),
        (next(block, 1), 3, FreeError::Misaligned { pfn: next(block, 1), order: order(3) }),
        (block, 2, FreeError::WrongOrder { pfn: block, order: order(2), block: around(block) }),
        (large, 10, FreeError::WrongOrder { pfn: large, order: order(10), block: around(large) }),
        (
            next(block, 7),
            0,
            FreeError::WrongOrder { pfn: next(block, 7), order: order(0), block: around(block) },
        ),
        (stacked, 1, FreeError::DoubleFree { pfn: stacked, block: around(stacked) }),
        (stacked, 0, FreeError::DoubleFree { pfn: stacked, block: around(stacked) }),
        (free.head, 0, FreeError::DoubleFree { pfn: free.head, block: free }),
        (pfn(8500), 0, FreeError::DoubleFree { pfn: pfn(8500), block: free }),
        (pfn(150), 0, FreeError::Reserved { pfn: pfn(150) }),
        (pfn(12_000), 0, FreeError::Reserved { pfn: pfn(12_000) }),
    ] {
        // The large block's own order may be what its alignment allows, or not.
        let expected = match error {
            FreeError::WrongOrder { pfn, order, .. } if pfn.as_u32() % order.pages() != 0 => {
                FreeError::Misaligned { pfn, order }
            }
            error => error,
        };
        assert_eq!(allocator.free(at, order(size)), Err(expected), "{at} {size}");
        assert_eq!(allocator.platform().told(), [Told::WrongFree(expected)]);
        assert_eq!(
            allocator.free_bulk(&[at]).is_err(),
            size == 0 || state(at).order() != Some(order(0))
        );
        allocator.platform().told();
        assert_eq!((allocator.figures(), words()), (before, heads.clone()), "{at} {size}");
    }
    allocator.free(block, order(3)).unwrap();
    allocator.free(large, order(8)).unwrap();
    allocator.validate().unwrap();
}
