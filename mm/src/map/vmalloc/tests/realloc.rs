//! `vrealloc`: what both sizes have stays where it was in memory.

use super::*;
use crate::addr::Order;

#[test]
fn smaller_and_larger_in_place() {
    with_region(2048, space(16), |bench| {
        let region = bench.region;
        let area = region.vmalloc(600 * PAGE_SIZE, KERNEL, 0).unwrap();
        let frames = bench.frames(area, 600);
        assert_eq!(bench.mmu.held(), 3, "600 pages are three MiB begun");
        for pages in [300, 256, 255, 1, 1, 256, 257, 700] {
            assert_eq!(region.vrealloc(area, pages * PAGE_SIZE, KERNEL, 0), Ok(area));
            assert_eq!(bench.mmu.held(), pages.div_ceil(256));
            assert_eq!(bench.all_frames().len(), pages as usize);
            assert_eq!(bench.frames(area, 1), frames[..1]);
            region.validate().unwrap();
        }
        assert_eq!(region.vrealloc(area, 0, QUIET, 0), Err(VmallocError::Empty));
        region.vfree(area).unwrap();
    });
}

#[test]
fn elsewhere_when_the_way_is_blocked() {
    with_region(2048, space(16), |bench| {
        let region = bench.region;
        let area = region.vmalloc(40 * PAGE_SIZE, KERNEL, 0).unwrap();
        let behind = region.vmalloc(PAGE_SIZE, KERNEL, 0).unwrap();
        let frames = bench.frames(area, 40);
        let moved = region.vrealloc(area, 100 * PAGE_SIZE, KERNEL, 0).unwrap();
        assert!(moved > behind);
        assert_eq!(bench.frames(moved, 100)[..40], frames);
        assert_eq!(region.area_at(area), None, "flushed and free");
        assert_eq!(bench.all_frames().len(), 101);
        for area in [moved, behind] {
            region.vfree(area).unwrap();
        }
    });
}

#[test]
fn what_can_not_grow_stays_as_it_was() {
    with_region(300, space(16), |bench| {
        let region = bench.region;
        let area = region.vmalloc(100 * PAGE_SIZE, KERNEL, 0).unwrap();
        let frames = bench.frames(area, 100);
        // In place, and elsewhere.
        for is_blocked in [false, true] {
            let behind = is_blocked.then(|| region.vmalloc(1, KERNEL, 0).unwrap());
            let error = region.vrealloc(area, 280 * PAGE_SIZE, QUIET, 0).unwrap_err();
            assert!(matches!(error, VmallocError::NoPages { .. }), "{error}");
            assert_eq!(bench.frames(area, 100), frames);
            assert_eq!(bench.all_frames().len(), 100 + usize::from(is_blocked));
            region.validate().unwrap();
            behind.into_iter().for_each(|behind| region.vfree(behind).unwrap());
        }
        region.vfree(area).unwrap();
    });
}

/// Blocks go with the area they are in, and a cut through one leaves single pages on both sides.
#[test]
fn a_cut_through_a_block() {
    with_region(2048, space(16), |bench| {
        let region = bench.region;
        let order = |pfn: Pfn| bench.pages.frames().get(pfn).unwrap().state().order();
        for pages in [1, 2, 5, 8, 17, 31, 32] {
            let area = region.vmalloc(40 * PAGE_SIZE, KERNEL, 0).unwrap();
            let frames = bench.frames(area, 40);
            let at_first: Vec<_> = frames.iter().map(|pfn| order(*pfn)).collect();
            let heads = [0, 32].map(|page| at_first[page].map(Order::pages));
            assert_eq!(heads, [Some(32), Some(8)], "no blocks at all");
            region.vrealloc(area, pages * PAGE_SIZE, KERNEL, 0).unwrap();
            let left = bench.frames(area, pages);
            assert_eq!(left, frames[..pages as usize]);
            // Of the block that was cut, each page is one now; those before are as they were.
            for (index, pfn) in left.iter().enumerate() {
                let is_cut = pages != 32;
                let expected = if is_cut { Some(1) } else { at_first[index].map(Order::pages) };
                assert_eq!(order(*pfn).map(Order::pages), expected, "{index} of {pages}");
            }
            bench.pages.validate().unwrap();
            region.vfree(area).unwrap();
        }
    });
}
