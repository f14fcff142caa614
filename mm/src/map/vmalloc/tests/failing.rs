//! Any request may fail, for a page, a table or a record, and nothing is lost: the n-th fails, for n = 1, 2, 3 … until
//! none does.

use super::*;
use crate::fault::FailConfig;
use crate::zone::PageBlock;

/// Does everything that may need memory, and gives back all that it got. Says whether anything failed.
fn everything(bench: &Bench<'_, '_>, lent: &[PageBlock<'_, '_, Machine>]) -> bool {
    let region = bench.region;
    let mut failed = false;
    let mut areas = Vec::new();
    for pages in [1, 5, 16, 17, 70, 300] {
        match region.vmalloc(pages * PAGE_SIZE, QUIET, 0) {
            Ok(area) => areas.push(area),
            Err(_) => failed = true,
        }
    }
    let frames: Vec<_> = lent.iter().map(|block| block.pfn()).collect();
    match region.vmap(&frames, Prot::KERNEL, QUIET, 0) {
        Ok(mapped) => region.vunmap(mapped).unwrap(),
        Err(_) => failed = true,
    }
    // Smaller, larger in place, and elsewhere.
    for pages in [2, 40, 600] {
        for area in &mut areas {
            let before = region.area_at(*area);
            match region.vrealloc(*area, pages * PAGE_SIZE, QUIET, 0) {
                Ok(now) => *area = now,
                Err(_) => {
                    failed = true;
                    assert_eq!(region.area_at(*area), before);
                }
            }
        }
    }
    for area in areas {
        region.vfree(area).unwrap();
    }
    region.validate().unwrap();
    failed
}

/// Has the n-th request fail, by `inject`, until none is left to fail.
fn each_fails_once(inject: impl Fn(&Bench<'_, '_>, u32)) {
    with_region(8192, space(32), |bench| {
        let lent: Vec<_> = (0..40).map(|_| bench.pages.alloc_page(KERNEL).unwrap()).collect();
        assert!(!everything(bench, &lent), "nothing fails yet");
        let free = bench.free();
        for n in 1.. {
            inject(bench, n);
            let failed = everything(bench, &lent);
            inject(bench, 0);
            bench.is_as_new();
            assert_eq!(bench.free(), free, "pages are lost when request {n} fails");
            if !failed {
                assert!(n > 5, "{n}");
                break;
            }
        }
        assert_eq!(bench.told(), [""; 0]);
    });
}

fn config(n: u32) -> FailConfig {
    if n == 0 { FailConfig::OFF } else { FailConfig::nth(n) }
}

#[test]
fn pages() {
    // A failed page that is not the first of its round is no failure of the request, so not every n makes one.
    with_region(8192, space(32), |bench| {
        let lent: Vec<_> = (0..40).map(|_| bench.pages.alloc_page(KERNEL).unwrap()).collect();
        assert!(!everything(bench, &lent), "nothing fails yet");
        let free = bench.free();
        let mut failures = 0;
        for n in 1.. {
            bench.pages.inject_failures(config(n));
            failures += u32::from(everything(bench, &lent));
            let is_through = bench.pages.failures_to_come().times != Some(0);
            bench.pages.inject_failures(FailConfig::OFF);
            bench.is_as_new();
            assert_eq!(bench.free(), free, "pages are lost when request {n} fails");
            if is_through {
                break;
            }
        }
        assert!(failures > 10, "{failures}");
        assert_eq!(bench.told(), [""; 0]);
    });
}

#[test]
fn records() {
    each_fails_once(|bench, n| bench.slabs.inject_failures(config(n)));
}

#[test]
fn tables() {
    each_fails_once(|bench, n| {
        bench.mmu.asked.set(0);
        bench.mmu.fails_at.set(n);
    });
}
