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

/// Each operation that takes objects, once, with memory that was there before. Says which did not succeed.
fn operations(slabs: &Slabs<'_, '_>, given: &Given<'_, '_, '_>) -> Vec<&'static str> {
    let mut failed = Vec::new();
    let mut note = |operation, error: Option<AllocError>| {
        let Some(error) = error else { return };
        assert!(matches!(error.why(), Why::NoMemory { .. }), "{operation}: {error}");
        failed.push(operation);
    };
    let mut noted = |operation, result: Result<VirtAddr, AllocError>| {
        note(operation, result.err());
        result.ok()
    };
    // SAFETY: here and below, objects are given back by who took them just before, once.
    let free = |object: VirtAddr| assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
    let Given { cache, values, ready, heap, pool } = given;

    noted("take_object", slabs.take_object(cache, KERNEL)).into_iter().for_each(free);
    let zeroed = slabs.take_object(cache, KERNEL | Gfp::__GFP_ZERO);
    noted("take_object, zeroed", zeroed).into_iter().for_each(free);
    let mut many = [VirtAddr::new(0); 5];
    let taken = slabs.take_objects(cache, KERNEL, &mut many).map(|()| many[0]);
    if noted("take_objects", taken).is_some() {
        // SAFETY: as above.
        assert_eq!(unsafe { slabs.free_objects(cache, &many) }, Ok(()));
    }
    noted("kmalloc", slabs.kmalloc(100, KERNEL)).into_iter().for_each(free);
    noted("kmalloc, for devices", slabs.kmalloc(100, Gfp::GFP_DMA)).into_iter().for_each(free);
    noted("kzalloc", slabs.kzalloc(100, KERNEL)).into_iter().for_each(free);
    noted("kmalloc_array", slabs.kmalloc_array(3, 40, KERNEL)).into_iter().for_each(free);
    noted("kcalloc", slabs.kcalloc(3, 40, KERNEL)).into_iter().for_each(free);
    noted("kmemdup", slabs.kmemdup(&[3; 70], KERNEL)).into_iter().for_each(free);
    if let Some(small) = noted("kmalloc, to grow", slabs.kmalloc(100, KERNEL)) {
        // SAFETY: as above.
        let grown = unsafe { slabs.krealloc(small, 300, KERNEL) };
        // Who is refused still has the old one.
        free(noted("krealloc", grown).unwrap_or(small));
    }
    let value = values.alloc(KERNEL, [1_u64; 9]);
    noted("Cache::alloc", value.map(|_| VirtAddr::new(0)).map_err(|no_room| no_room.error));
    noted("ReadyCache::take", ready.take(KERNEL).map(|_| VirtAddr::new(0)));
    let layout = std::alloc::Layout::new::<[u8; 40]>();
    if let Some(object) = noted("Heap::alloc", heap.alloc(layout, KERNEL)) {
        // SAFETY: as above.
        assert_eq!(unsafe { heap.free(object, layout) }, Ok(()));
    }
    let made = slabs.slab_pool(2, cache).map(drop);
    noted("Mempool::new", made.map(|()| VirtAddr::new(0)).map_err(want));
    let resized = pool.resize(3).and_then(|()| pool.resize(2));
    noted("Mempool::resize", resized.map(|()| VirtAddr::new(0)).map_err(want));
    // What fails here, the pool makes good.
    let element = pool.alloc(KERNEL).unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { pool.free(element) }, Ok(()));
    assert_eq!(pool.curr_nr(), 2);
    // A promise, and the cache of caches.
    free(slabs.kmalloc(100, KERNEL | Gfp::__GFP_NOFAIL).unwrap());
    let new = slabs.create("new", 24, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
    // SAFETY: 1. it was just created; 2. nobody uses it.
    assert_eq!(unsafe { slabs.destroy(new) }, Ok(()));
    failed
}

/// What the operations work with.
struct Given<'s, 'p, 'a> {
    cache: CacheRef<'s>,
    values: Cache<'s, 'p, 'a, [u64; 9], Machine>,
    ready: ReadyCache<'s, 'p, 'a, Constructed, Machine>,
    heap: Heap<'s, 'p, 'a, Machine>,
    pool: Mempool<'s, 'p, 'a, Machine, SlabElements<'s, 'p, 'a, Machine>>,
}

struct Constructed([u32; 12]);

impl Construct for Constructed {
    fn construct() -> Self {
        Self([7; 12])
    }
}

fn want(error: PoolError) -> AllocError {
    match error {
        PoolError::Array(error) | PoolError::Element { error, .. } => error,
        PoolError::NoElements => panic!("{error}"),
    }
}

/// The live objects of each cache.
fn live(slabs: &Slabs<'_, '_>) -> Vec<(Name, u32)> {
    slabs.caches().map(|cache| (*cache.name(), slabs.objects_out(cache))).collect()
}

fn each_object_is_refused_once(slabs: &Slabs<'_, '_>) {
    let flags = SlabFlags::SLAB_NO_MERGE;
    let given = Given {
        cache: slabs.create("objects", 40, 0, flags, None).unwrap(),
        values: Cache::new(slabs, "values", flags).unwrap(),
        ready: ReadyCache::new(slabs, "ready", flags).unwrap(),
        heap: Heap::new(slabs).unwrap(),
        pool: slabs.kmem_pool_of_two(),
    };
    assert_eq!(operations(slabs, &given), [""; 0]);
    let before = live(slabs);
    let mut failed = Vec::new();
    for n in 1.. {
        slabs.inject_failures(FailConfig::nth(n));
        let seen = operations(slabs, &given);
        let injected = slabs.injected_failures();
        slabs.inject_failures(FailConfig::OFF);
        assert_eq!((live(slabs), slabs.validate()), (before.clone(), Ok(())), "request {n}");
        if injected == 0 {
            assert_eq!(seen, [""; 0]);
            break;
        }
        assert!(seen.len() <= 1, "request {n}: {seen:?}");
        failed.extend(seen);
    }
    assert_eq!(slabs.memory().told(), [""; 0], "no page was wanting");
    let count = |operation| failed.iter().filter(|failed| **failed == operation).count();
    assert_eq!(count("take_objects"), 5);
    // The array, and two elements; then the array and the third.
    assert_eq!((count("Mempool::new"), count("Mempool::resize")), (3, 2));
    assert_eq!(failed.len(), 13 + 5 + 3 + 2, "{failed:?}");
}
