//! `kvmalloc`: which of the two it is, and what comes of requests that fail.
#![expect(unsafe_code, reason = "memory is given back by its address")]

use super::*;
use crate::fault::FailConfig;
use crate::map::vmalloc::{KvError, KvNotGiven};
use crate::object::kmalloc::ZERO_SIZE;

fn free(region: &MappedRegion<'_, '_, Machine, Fake>, at: VirtAddr) {
    // SAFETY: nobody uses it; no constructor.
    unsafe { region.kvfree(at) }.unwrap();
}

fn no_copy(from: VirtAddr, to: VirtAddr, bytes: u32) {
    panic!("{bytes} bytes from {from} to {to}");
}

#[test]
fn objects_first_and_areas_for_what_is_larger() {
    with_region(4096, space(32), |bench| {
        let region = bench.region;
        for (bytes, is_area) in [
            (1, false),
            (64, false),
            (PAGE_SIZE, false),
            (PAGE_SIZE + 1, false),
            (1 << 20, false),
            (4 << 20, false),
            ((4 << 20) + 1, true),
            (8 << 20, true),
        ] {
            let at = region.kvmalloc(bytes, QUIET, 7).unwrap();
            assert_eq!(region.is_vmalloc_addr(at), is_area, "{bytes} bytes");
            free(region, at);
        }
        assert_eq!(region.kvmalloc(0, KERNEL, 0), Ok(ZERO_SIZE));
        free(region, ZERO_SIZE);
        free(region, VirtAddr::new(0));
        bench.slabs.shrink_all();
    });
}

/// No row of two free pages: a page and a half becomes an area, and nobody is told of the object that was not made.
#[test]
fn where_all_is_in_single_pages_it_is_an_area() {
    with_region(1024, space(8), |bench| {
        let region = bench.region;
        let mut pages = Vec::new();
        // Also what is kept back, which lies in one piece.
        while let Ok(page) = bench.pages.alloc_page(QUIET | Gfp::__GFP_MEMALLOC) {
            pages.push(page);
        }
        // Every second page comes back, by its number.
        let (odd, even): (Vec<_>, Vec<_>) =
            pages.into_iter().partition(|page| page.pfn().as_u32() % 2 == 1);
        drop(even);
        bench.pages.drain();
        let at = region.kvmalloc(6000, KERNEL, 7).unwrap();
        assert!(region.is_vmalloc_addr(at));
        assert_eq!(region.area_at(at).unwrap().caller, 7);
        assert_eq!(bench.frames(at, 2).len(), 2);
        // Up to a page, no area would help.
        free(region, at);
        drop(odd);
    });
}

/// One request fails, for a page or for an object, and where an area would help there is one.
#[test]
fn any_request_may_fail() {
    with_region(4096, space(32), |bench| {
        let region = bench.region;
        let inject_pages = |config| bench.pages.inject_failures(config);
        let inject_objects = |config| bench.slabs.inject_failures(config);
        let mut failures = 0;
        for bytes in [100, 6000, 5 << 20] {
            for n in 1..40 {
                for inject in [&inject_pages as &dyn Fn(FailConfig), &inject_objects] {
                    bench.slabs.shrink_all();
                    bench.pages.drain();
                    inject(FailConfig::nth(n));
                    let made = region.kvmalloc(bytes, QUIET, 0);
                    inject(FailConfig::OFF);
                    match made {
                        Ok(at) => free(region, at),
                        Err(KvError::Object(_)) => assert!(bytes <= PAGE_SIZE),
                        Err(error) => {
                            assert!(matches!(error, KvError::Area(_)), "{error}");
                            assert!(bytes > 4 << 20, "{error}");
                        }
                    }
                    failures += u32::from(made.is_err());
                    region.make_room();
                }
            }
        }
        assert!(failures > 1, "{failures}");
    });
}

#[test]
fn sizes_change_from_object_to_area_and_stay() {
    with_region(4096, space(32), |bench| {
        let region = bench.region;
        // SAFETY: nobody else uses any of it.
        let resize = |at, bytes| unsafe { region.kvrealloc(at, bytes, QUIET, 0, no_copy) };
        let at = resize(VirtAddr::new(0), 100).unwrap();
        let at = resize(at, 5000).unwrap();
        let at = resize(at, 2 << 20).unwrap();
        assert!(!region.is_vmalloc_addr(at));
        let copied = Cell::new((VirtAddr::new(0), VirtAddr::new(0), 0));
        let area = {
            let copy = |from, to, bytes| copied.set((from, to, bytes));
            // SAFETY: as above.
            unsafe { region.kvrealloc(at, 5 << 20, QUIET, 0, copy) }.unwrap()
        };
        assert_eq!(copied.get(), (at, area, 2 << 20));
        assert!(region.is_vmalloc_addr(area));
        let small = resize(area, 10).unwrap();
        assert_eq!(small, area, "an area stays one");
        assert_eq!(region.used_bytes(), PAGE_SIZE);
        assert_eq!(resize(small, 0), Ok(ZERO_SIZE));
        assert_eq!(region.used_bytes(), 0);
        bench.slabs.shrink_all();
    });
}

#[test]
fn what_is_none_is_refused_by_whoever_has_the_address() {
    with_bench(512, space(4), |bench: &Bench<'_, '_>| {
        let region = bench.region;
        // SAFETY: nobody has it.
        let [area, object] =
            [START + 0x1000, 0x1234].map(|at| unsafe { region.kvfree(VirtAddr::new(at)) });
        assert!(matches!(area, Err(KvNotGiven::Area(_))), "{area:?}");
        assert!(matches!(object, Err(KvNotGiven::Object(_))), "{object:?}");
    });
}
