//! `vrealloc`: what both sizes have stays where it was in memory.

use super::*;

#[test]
fn smaller_and_larger_in_place() {
    with_region(2048, &space(16), |bench| {
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
    with_region(2048, &space(16), |bench| {
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
    with_region(300, &space(16), |bench| {
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
