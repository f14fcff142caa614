//! Stacks: what is mapped, what is not, and that all of it comes back.

use super::*;
use crate::map::area::AreaKind;
use crate::map::vmalloc::STACK_PAGES;

#[test]
fn a_page_below_is_never_mapped_also_where_the_region_begins() {
    with_region(512, space(4), |bench| {
        let region = bench.region;
        for pages in [1, STACK_PAGES, 4, 16, 40] {
            let stack = region.kernel_stack(pages, KERNEL, 0x1234).unwrap();
            let range = stack.range();
            assert_eq!(range.len(), pages * PAGE_SIZE);
            assert_eq!((stack.top(), stack.caller()), (range.end(), 0x1234));
            assert_eq!(bench.frames(range.start(), pages).len(), pages as usize);
            let guards = [stack.guard().start(), range.end()];
            for guard in guards {
                assert!(region.region().contains(guard));
                assert_eq!(region.vmalloc_to_pfn(guard), None);
                let info = region.guard_of(guard).unwrap();
                assert_eq!((info.kind, info.own_pages()), (AreaKind::Stack, pages));
            }
            assert!(range.start() >= region.region().start().checked_add(PAGE_SIZE).unwrap());
            assert!(region.guard_of(range.start()).is_none());
            assert_eq!(region.used_bytes(), pages * PAGE_SIZE);
        }
    });
}

/// An area that grows right up to the stack's own does not touch its guard.
#[test]
fn an_area_before_it_that_grows_leaves_the_guard() {
    with_region(512, space(4), |bench| {
        let region = bench.region;
        let before = region.vmalloc(PAGE_SIZE, KERNEL, 0).unwrap();
        let gap = region.vmalloc(64 * PAGE_SIZE, KERNEL, 0).unwrap();
        let stack = region.kernel_stack(STACK_PAGES, KERNEL, 0).unwrap();
        region.vfree(gap).unwrap();
        region.make_room();
        for pages in 2..90 {
            let Ok(now) = region.vrealloc(before, pages * PAGE_SIZE, QUIET, 0) else { break };
            if now != before {
                region.vfree(now).unwrap();
                break;
            }
            assert_eq!(region.vmalloc_to_pfn(stack.guard().start()), None, "{pages} pages");
        }
        assert!(bench.frames(stack.range().start(), STACK_PAGES).len() == STACK_PAGES as usize);
    });
}

#[test]
fn it_waits_for_a_flush_with_just_its_frames() {
    with_region(512, space(4), |bench| {
        let region = bench.region;
        drop(region.kernel_stack(STACK_PAGES, KERNEL, 0).unwrap());
        let figures = region.figures();
        assert_eq!((figures.waiting_areas, figures.waiting_frames), (1, STACK_PAGES));
        assert_eq!(region.purge(), STACK_PAGES);
        // Its addresses serve an area of three pages next, all of which are mapped.
        let area = region.vmalloc(3 * PAGE_SIZE, KERNEL, 0).unwrap();
        assert_eq!(bench.frames(area, 3).len(), 3);
        region.vfree(area).unwrap();
        region.purge();
        let stack = region.kernel_stack(STACK_PAGES, KERNEL, 0).unwrap();
        assert_eq!(stack.guard().start(), area);
        assert_eq!(region.vmalloc_to_pfn(area), None);
    });
}

#[test]
fn nobody_else_gives_it_back() {
    with_bench(512, space(4), |bench: &Bench<'_, '_>| {
        let region = bench.region;
        let stack = region.kernel_stack(STACK_PAGES, KERNEL, 0).unwrap();
        for virt in [stack.guard().start(), stack.range().start()] {
            assert!(region.free(virt, AreaKind::Stack).is_err());
            assert!(region.vfree(virt).is_err());
            assert!(region.vunmap(virt).is_err());
        }
        let spec = AreaSpec::new(AreaKind::Stack, Prot::KERNEL, 0);
        let refused = region.alloc(PAGE_SIZE, QUIET, &spec);
        assert_eq!(refused, Err(VmallocError::Prot { prot: Prot::KERNEL }));
        assert_eq!(region.kernel_stack(0, QUIET, 0).unwrap_err(), VmallocError::Empty);
        assert!(matches!(
            region.kernel_stack(u32::MAX, QUIET, 0).unwrap_err(),
            VmallocError::TooLarge { .. }
        ));
        assert!(region.vmalloc_to_pfn(stack.range().start()).is_some());
    });
}

/// Every call fails once: of the record, of the table, of each page.
#[test]
fn a_stack_that_is_not_made_leaves_nothing() {
    with_region(512, space(4), |bench| {
        let region = bench.region;
        region.make_room();
        bench.mmu.fails_at.set(bench.mmu.asked.get() + 1);
        let refused = region.kernel_stack(STACK_PAGES, QUIET, 0).map(|_| ());
        assert!(matches!(refused, Err(VmallocError::NoTable(_))), "{refused:?}");
        // All memory but a page.
        let mut taken = Vec::new();
        while let Ok(page) = bench.pages.alloc_page(QUIET | Gfp::__GFP_HIGHMEM) {
            taken.push(page);
        }
        for left in 0..8 {
            taken.pop();
            let before = bench.pages.figures().free();
            match region.kernel_stack(6, QUIET, 0) {
                Ok(stack) => drop(stack),
                Err(error) => assert!(
                    matches!(error, VmallocError::NoPages { .. } | VmallocError::NoRecord(_)),
                    "{left}: {error}"
                ),
            }
            region.make_room();
            assert!(bench.pages.figures().free() + 8 >= before);
            assert_eq!(bench.mmu.mapped(), 0);
        }
    });
}
