//! Any request for pages may fail, and nothing is lost: the n-th fails, for n = 1, 2, 3 … until none does.
#![expect(unsafe_code, reason = "objects are given back by their address")]

use super::super::heap::Heap;
use super::super::test_machine::{Machine, with_options, with_slabs};
use super::super::typed::Cache;
use super::super::{SlabAllocator, SlabFlags, SlabOptions};
use crate::addr::VirtAddr;
use crate::fault::FailConfig;
use crate::zone::Gfp;

const KERNEL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN);

type Slabs<'p, 'a> = SlabAllocator<'p, 'a, Machine>;

/// Does everything that may need pages, as far as it goes, and gives back all that it got. Says whether
/// anything failed.
fn everything(slabs: &Slabs<'_, '_>) -> bool {
    let mut failed = false;
    let mut note = |is_ok: bool| {
        failed |= !is_ok;
        is_ok
    };
    // Caches, their objects, one by one and many.
    let cache = slabs.create("failing", 700, 0, SlabFlags::SLAB_NO_MERGE, None);
    note(cache.is_ok());
    if let Ok(cache) = cache {
        let mut many = [VirtAddr::new(0); 20];
        if note(slabs.take_objects(cache, KERNEL, &mut many).is_ok()) {
            // SAFETY: they were just taken.
            assert_eq!(unsafe { slabs.free_objects(cache, &many) }, Ok(()));
        }
        assert_eq!(slabs.objects_out(cache), 0);
        // SAFETY: 1. it was just created; 2. nobody uses it.
        assert_eq!(unsafe { slabs.destroy(cache) }, Ok(()));
    }
    // Memory by size, and other sizes.
    for size in [1, 100, 5000, 20_000] {
        let object = slabs.kmalloc(size, KERNEL);
        if !note(object.is_ok()) {
            continue;
        }
        let mut object = object.unwrap_or(VirtAddr::new(0));
        // SAFETY: it was just taken, and the old address is forgotten.
        let larger = unsafe { slabs.krealloc(object, 3 * size, KERNEL) };
        if note(larger.is_ok()) {
            object = larger.unwrap_or(object);
        }
        // SAFETY: as above.
        assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
    }
    if let Ok(copy) = slabs.kmemdup(&[3; 70], KERNEL) {
        // SAFETY: it was just taken.
        assert_eq!(unsafe { slabs.kfree(copy) }, Ok(()));
    } else {
        note(false);
    }
    // Values, and the heap.
    match Cache::new(slabs, "values", SlabFlags::SLAB_NO_MERGE) {
        Ok(values) => drop(note(values.alloc(KERNEL, [1_u64; 9]).is_ok())),
        Err(_) => drop(note(false)),
    }
    match Heap::new(slabs) {
        Ok(heap) => {
            let layout = std::alloc::Layout::new::<[u8; 40]>();
            match heap.alloc(layout, KERNEL) {
                // SAFETY: it was just taken.
                Ok(object) => assert_eq!(unsafe { heap.free(object, layout) }, Ok(())),
                Err(_) => drop(note(false)),
            }
        }
        Err(_) => drop(note(false)),
    }
    failed
}

fn each_request_fails_once(slabs: &Slabs<'_, '_>) {
    // What stays for good is there before.
    assert!(!everything(slabs), "nothing fails yet");
    let free = || {
        slabs.shrink_all();
        slabs.pages.drain();
        slabs.pages.figures().free()
    };
    let mut before = free();
    let mut n = 0;
    loop {
        n += 1;
        slabs.pages.inject_failures(FailConfig::nth(n));
        let seen = everything(slabs);
        let failed = slabs.pages.injected_failures() > 0;
        // A slab may do with fewer pages than it would like.
        assert!(failed || !seen, "request {n}");
        slabs.pages.inject_failures(FailConfig::OFF);
        let after = free();
        // The heap's caches have no end: five in each round, of which sixteen and more lie in a page.
        assert!(before - after <= 1, "request {n}: {before} pages were free, are {after}");
        before = after;
        assert_eq!(slabs.validate(), Ok(()), "request {n}");
        if !failed {
            break;
        }
        assert!(n < 500);
    }
    assert!(n > 8, "only {n} requests");
}

#[test]
fn any_request_may_fail() {
    with_slabs::<1>(4096, each_request_fails_once);
}

#[test]
fn any_request_may_fail_while_debugging() {
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZPU")).unwrap();
    with_options::<1>(4096, options, each_request_fails_once);
}
