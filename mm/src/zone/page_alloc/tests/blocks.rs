//! Blocks that own themselves, references, many pages at once, runs of any length, and wrong frees.

use arrayvec::ArrayVec;

use super::*;
use crate::frame::Block;
use crate::zone::{PageBlock, ShareError, ZoneKind::Normal};

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
    allocator.free_block(raw, order(2)).unwrap();
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
        let wrong = allocator.free_block(at, order((size + 1) % 11));
        assert_eq!(wrong, Err(NotFreed { pfn: at }));
        assert!(matches!(
            allocator.platform().told()[..],
            [Told::WrongFree(FreeError::WrongOrder { .. } | FreeError::Misaligned { .. })]
        ));
        assert_eq!(references(at), Some(2));
        drop(block);
        drop(third);
        assert_eq!(references(at), Some(0));
        allocator.validate().unwrap();
        drop(other);
        assert_eq!(references(at), None);
        assert_eq!(allocator.free_block(at, order(size)), Err(NotFreed { pfn: at }));
        let told = allocator.platform().told();
        assert!(matches!(told[..], [Told::WrongFree(FreeError::DoubleFree { .. })]), "{told:?}");
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
    assert_eq!(error, ShareError::TooMany { pfn: block.pfn() });
    drop(shared);
    assert!(block.share().is_ok());
    // What is free, inside a block, or nowhere, has none.
    let large = allocator.alloc_pages(Gfp::GFP_KERNEL, order(4)).unwrap();
    let free = allocator.alloc_block(Gfp::GFP_KERNEL, order(9)).unwrap();
    allocator.free_block(free, order(9)).unwrap();
    for pfn in [free, large.pfn().saturating_add(1), pfn(0), pfn(u32::MAX)] {
        assert_eq!(allocator.add_reference(pfn), Err(ShareError::NotAllocated { pfn }));
    }
    allocator.validate().unwrap();
}

#[test]
fn the_pages_of_a_split_block_are_given_back_one_by_one() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let at_boot = free_blocks(&allocator);
    let block = allocator.alloc_pages(Gfp::GFP_KERNEL, order(4)).unwrap();
    let frames = block.frames();
    let mut pages = block.split().unwrap();
    let first: Vec<_> = pages.by_ref().take(5).collect();
    let pfns: Vec<_> = first.iter().map(|page| (page.pfn(), page.order())).collect();
    assert_eq!(pfns, frames.iter().take(5).map(|pfn| (pfn, order(0))).collect::<Vec<_>>());
    assert_eq!(pages.frames(), PfnRange::new(frames.start().saturating_add(5), frames.end()));
    // The rest goes back with the run, and those that were taken out of it when they are dropped.
    drop(pages);
    allocator.validate().unwrap();
    let is_free = |pfn| !matches!(allocator.frames().at(pfn).state(), PageState::Allocated { .. });
    assert!(frames.iter().skip(5).all(is_free) && !frames.iter().take(5).any(is_free));
    drop(first);
    assert_eq!(allocator.alloc_pages_exact(Gfp::GFP_KERNEL, 13).unwrap().count(), 3);
    check_all_free(&allocator, &at_boot);
}

#[test]
fn many_pages_come_and_go_at_once() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let at_boot = free_blocks(&allocator);
    for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_HIGHUSER_MOVABLE, Gfp::GFP_DMA | Gfp::__GFP_ZERO] {
        for wanted in [0, 1, 2, 31, 32, 33, 100, 256] {
            let mut pfns = vec![pfn(0); wanted];
            assert_eq!(allocator.alloc_bulk(gfp, &mut pfns), Ok(wanted));
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
    assert_eq!(allocator.alloc_pages_bulk(Gfp::GFP_KERNEL, &mut owned), Ok(69));
    assert_eq!(allocator.alloc_pages_bulk(Gfp::GFP_KERNEL, &mut owned), Ok(0), "it is full");
    drop(owned);
    check_all_free(&allocator, &at_boot);
}

#[test]
fn many_pages_are_as_many_as_there_are() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    let mut pfns = vec![pfn(0); 20_000];
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC;
    assert_eq!(allocator.alloc_bulk(gfp, &mut pfns), Ok(9000));
    assert_eq!(free_pages(&allocator)[..2], [0, 0]);
    assert!(allocator.alloc_bulk(gfp, &mut pfns[9000..]).is_err());
    assert_eq!(allocator.platform().told().len(), 1, "the request that failed");
    assert_eq!(allocator.free_bulk(&pfns[..9000]), Ok(()));
    allocator.validate().unwrap();
    // No other request in bulk uses reserves for more than its first page.
    let got = allocator.alloc_bulk(Gfp::GFP_ATOMIC, &mut pfns).unwrap();
    let normal = allocator.zone(Normal);
    let low = normal.watermarks().low + normal.reserve()[Normal.index()];
    assert!(normal.free_pages() >= low, "{} of {low} pages after {got}", normal.free_pages());
    let one = &mut pfns[got..got + 2];
    assert_eq!(allocator.alloc_bulk(Gfp::GFP_ATOMIC, one), Ok(1));
    assert_eq!(allocator.platform().told(), []);
    assert_eq!(allocator.free_bulk(&pfns[..=got]), Ok(()));
    allocator.validate().unwrap();
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
    let not_covered = NotFreed { pfn: pfn(50_000) };
    assert_eq!(allocator.free_bulk(&pages), Err(not_covered), "the first error");
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
    allocator.free_block(shared, order(0)).unwrap();
    allocator.free_block(pair, order(1)).unwrap();
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
fn a_long_run_leaves_the_min_watermark_and_is_found_among_stacked_pages() {
    let memory = Memory::new(0, 5120);
    let allocator = started::<1>(&memory, [0, 0, 5120, 5120]);
    let min = allocator.zone(ZoneKind::Normal).watermarks().min;
    let most = 5120 - min;
    assert!(allocator.alloc_contig(Gfp::GFP_KERNEL, most + 1).is_err());
    let run = allocator.alloc_contig(Gfp::GFP_KERNEL, most).unwrap();
    assert_eq!(allocator.zone(ZoneKind::Normal).free_pages(), min);
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
        allocator.free_block(last, order(0)).unwrap();
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
    allocator.free_block(stacked, order(1)).unwrap();
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
        let result = allocator.free_block(at, order(size));
        assert_eq!(result, Err(NotFreed { pfn: at }), "{at} {size}");
        assert_eq!(allocator.platform().told(), [Told::WrongFree(expected)]);
        assert_eq!(allocator.why_not_free(at, order(size)), expected);
        assert_eq!(allocator.free_bulk(&[at]), Err(NotFreed { pfn: at }));
        allocator.platform().told();
        assert_eq!((allocator.figures(), words()), (before, heads.clone()), "{at} {size}");
    }
    allocator.free_block(block, order(3)).unwrap();
    allocator.free_block(large, order(8)).unwrap();
    allocator.validate().unwrap();
}

/// A stack holds blocks of one zone, so what came from another one than its request's first choice must
/// not go there. Large blocks have no stack, but their pieces do.
#[test]
fn the_pieces_of_a_block_lie_in_the_stacks_of_its_zone() {
    let memory = Memory::new(0, 12288);
    let allocator = started::<1>(&memory, BORDERS);
    // Flags that would rather have a lower zone: their stacks must not get what lies higher.
    let split = |kind: ZoneKind, gfp, size| {
        let at = allocator.alloc_raw_in(kind, gfp, order(size)).unwrap();
        drop(allocator.block(at, order(size)).split().unwrap());
        allocator.validate().unwrap();
    };
    for kind in ZoneKind::ALL {
        for gfp in [Gfp::GFP_DMA, Gfp::GFP_KERNEL, Gfp::GFP_HIGHUSER_MOVABLE] {
            split(kind, gfp, 3);
            split(kind, gfp, 4);
            allocator.drain();
        }
    }
    split(ZoneKind::HighMem, Gfp::GFP_KERNEL, 6);
    let kernel = allocator.alloc_page(Gfp::GFP_KERNEL).unwrap();
    assert_eq!(zone_of(&allocator, kernel.pfn()), Some(ZoneKind::Normal));

    // Runs that had to fall back, of each length.
    let gfp = Gfp::GFP_HIGHUSER_MOVABLE | Gfp::__GFP_MEMALLOC | Gfp::__GFP_NOWARN;
    for pages in [5, 33, 1000, 1100] {
        let runs: Vec<_> =
            core::iter::from_fn(|| allocator.alloc_contig(gfp, pages).ok()).collect();
        assert!(runs.iter().any(|run| run.frames().start() < pfn(BORDERS[1])), "{pages}");
        drop(runs);
        allocator.validate().unwrap();
    }
}
