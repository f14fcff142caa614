//! Any request may fail, for pages or for objects, and nothing is lost: the n-th fails, for n = 1, 2, 3 …
//! until none does.
#![expect(unsafe_code, reason = "objects are given back by their address")]

use std::alloc::Layout;

use super::super::family::ReallocError;
use super::super::heap::Heap;
use super::super::mempool::{PoolError, SlabElements};
use super::super::test_machine::{Machine, with_options, with_slabs};
use super::super::typed::{Cache, Construct, ReadyCache};
use super::super::{CacheRef, KmemCache, Mempool, Name, SlabAllocator, SlabFlags, SlabOptions};
use crate::addr::{Order, VirtAddr};
use crate::fault::FailConfig;
use crate::platform::Platform;
use crate::sync::Ordering::Relaxed;
use crate::zone::error::Why;
use crate::zone::{AllocError, Gfp, ZoneKind};

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
        // SAFETY: 1. it was just created; 2. and 3. nobody uses it.
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
            // One of a slab, and pages.
            for layout in [Layout::new::<[u8; 40]>(), Layout::new::<[u8; 4000]>()] {
                match heap.alloc(layout, KERNEL) {
                    // SAFETY: it was just taken.
                    Ok(object) => assert_eq!(unsafe { heap.free(object, layout) }, Ok(())),
                    Err(_) => drop(note(false)),
                }
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
        // The heap's caches have no end: 14 in each round, of which sixteen and more lie in a page.
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
    options.read_debug(Some("FZPU"), |bad| panic!("{bad}"));
    with_options::<1>(4096, options, each_request_fails_once);
}

/// Each operation that takes objects, once, with memory that was there before. Says which did not succeed.
fn operations(slabs: &Slabs<'_, '_>, given: &Given<'_, '_, '_>) -> Vec<&'static str> {
    let mut failed = Vec::new();
    let mut noted = |operation, result: Result<VirtAddr, AllocError>| {
        if let Err(error) = result {
            assert!(matches!(error.why(), Why::NoMemory { .. }), "{operation}: {error}");
            failed.push(operation);
        }
        result.ok()
    };
    let nothing = VirtAddr::new(0);
    // SAFETY: here and below, objects are given back by who took them just before, once.
    let free = |object: VirtAddr| assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
    let Given { cache, values, ready, heap, pool } = given;

    noted("take_object", slabs.take_object(cache, KERNEL)).into_iter().for_each(free);
    let zeroed = slabs.take_object(cache, KERNEL | Gfp::__GFP_ZERO);
    noted("take_object, zeroed", zeroed).into_iter().for_each(free);
    let mut many = [nothing; 5];
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
        let grown = grown.map_err(|error| match error {
            ReallocError::NoMemory(error) => error,
            ReallocError::NotGiven(error) => panic!("{error}"),
        });
        // Who is refused still has the old one.
        free(noted("krealloc", grown).unwrap_or(small));
    }
    let value = values.alloc(KERNEL, [1_u64; 9]);
    noted("Cache::alloc", value.map(|_| nothing).map_err(|no_room| no_room.error));
    let constructed = ready.take(KERNEL).map(|value| {
        assert_eq!(value.0, [7; 12]);
        nothing
    });
    noted("ReadyCache::take", constructed);
    let layout = std::alloc::Layout::new::<[u8; 40]>();
    if let Some(object) = noted("Heap::alloc", heap.alloc(layout, KERNEL)) {
        // SAFETY: as above.
        assert_eq!(unsafe { heap.free(object, layout) }, Ok(()));
    }
    let made = slabs.slab_pool(2, cache);
    noted("Mempool::new", made.map(|_| nothing).map_err(want));
    let resized = pool.resize(3).and_then(|()| pool.resize(2));
    noted("Mempool::resize", resized.map(|()| nothing).map_err(want));
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
    let cache = slabs.create("objects", 40, 0, flags, None).unwrap();
    let given = Given {
        cache,
        values: Cache::new(slabs, "values", flags).unwrap(),
        ready: ReadyCache::new(slabs, "ready", flags).unwrap(),
        heap: Heap::new(slabs).unwrap(),
        pool: slabs.slab_pool(2, cache).unwrap(),
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

#[test]
fn any_object_may_be_refused() {
    with_slabs::<1>(4096, each_object_is_refused_once);
}

#[test]
fn any_object_may_be_refused_while_debugging() {
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZPU"), |bad| panic!("{bad}"));
    with_options::<1>(4096, options, each_object_is_refused_once);
}

/// Does this CPU have an object of the cache at hand?
fn is_quick<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    cache: &KmemCache<CPUS>,
) -> bool {
    let masked = slabs.memory().mask();
    slabs.cpu_slab(cache, &masked).current().is_some()
}

fn take_and_give<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    cache: &KmemCache<CPUS>,
) -> Result<(), AllocError> {
    let object = slabs.take_object(cache, KERNEL)?;
    // SAFETY: it was just taken.
    assert_eq!(unsafe { slabs.free_object(cache, object) }, Ok(()));
    Ok(())
}

#[test]
fn off_again_requests_are_quick_again() {
    with_slabs::<1>(1024, |slabs| {
        let cache = slabs.create("quick", 40, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let held = slabs.take_object(cache, KERNEL).unwrap();
        assert!(is_quick(slabs, cache));
        slabs.inject_failures(FailConfig::one_in(3));
        assert!(slabs.injects_failures() && !is_quick(slabs, cache));
        let made = slabs.create("made meanwhile", 40, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let fails: Vec<bool> = [cache, cache, cache, made, made, made, cache]
            .into_iter()
            .map(|cache| {
                let fails = take_and_give(slabs, cache).is_err();
                assert!(!is_quick(slabs, cache));
                fails
            })
            .collect();
        assert_eq!(fails, [false, false, true, false, false, true, false]);
        assert_eq!((slabs.injected_failures(), slabs.validate()), (2, Ok(())));

        slabs.inject_failures(FailConfig::OFF);
        assert!(!slabs.injects_failures());
        for cache in [cache, made] {
            assert_eq!(take_and_give(slabs, cache), Ok(()));
            assert!(is_quick(slabs, cache));
        }
        // SAFETY: it was taken above.
        assert_eq!(unsafe { slabs.free_object(cache, held) }, Ok(()));
        assert_eq!((cache.slabs.load(Relaxed), slabs.validate()), (1, Ok(())));
    });
}

#[test]
fn a_refusal_looks_like_want_of_memory() {
    with_slabs::<1>(1024, |slabs| {
        let refusals = |size, gfp| {
            slabs.inject_failures(FailConfig::nth(1));
            let refused = slabs.kmalloc(size, gfp);
            slabs.inject_failures(FailConfig::OFF);
            refused
        };
        let want = |order, zone| Err(AllocError::no_memory(Order::new(order).unwrap(), zone));
        assert_eq!(refusals(64, Gfp::GFP_KERNEL), want(0, ZoneKind::Normal));
        assert_eq!(refusals(8192, Gfp::GFP_ATOMIC), want(1, ZoneKind::Normal));
        assert_eq!(refusals(64, Gfp::GFP_DMA), want(0, ZoneKind::Dma));
        // The same as without a page.
        slabs.shrink_all();
        slabs.pages.inject_failures(FailConfig::one_in(1));
        let cache = slabs.create("no page", 100, 0, SlabFlags::SLAB_NO_MERGE, None);
        assert!(
            cache.is_err()
                || slabs.take_object(cache.unwrap(), KERNEL) == want(0, ZoneKind::Normal)
        );
        slabs.pages.inject_failures(FailConfig::OFF);
        assert_eq!(slabs.memory().told(), [""; 0]);
        // Nothing, and what is too large for a cache, is no object.
        for size in [0, 8193] {
            let given = refusals(size, Gfp::GFP_KERNEL).unwrap();
            // SAFETY: it was just taken.
            assert_eq!(unsafe { slabs.kfree(given) }, Ok(()));
        }
        // What is wrong with the flags comes first, and is no request.
        let flags = Gfp::GFP_KERNEL | Gfp::__GFP_HIGHMEM;
        assert!(matches!(refusals(64, flags).unwrap_err().why(), Why::Flags(_)));
    });
}

#[test]
fn space_is_counted_in_bytes() {
    with_slabs::<1>(1024, |slabs| {
        slabs.inject_failures(FailConfig { space: 400, ..FailConfig::one_in(1) });
        let given: Vec<u32> = [100, 100, 100, 40]
            .into_iter()
            .map_while(|size| slabs.kmalloc(size, KERNEL).ok().map(|_| size))
            .collect();
        // 128 of 400 each time, and then what is left.
        assert_eq!(given, [100, 100, 100, 40]);
        assert_eq!(slabs.failures_to_come().to_string(), "1,100,0,-1");
        assert!(slabs.kmalloc(1, KERNEL).is_err());
    });
}

#[test]
fn the_letter_says_which_caches() {
    let mut options = SlabOptions::default();
    options.read_debug(Some("A,later,kmalloc-64;FA,both"), |bad| panic!("{bad}"));
    with_options::<1>(1024, options, |slabs| {
        let create = |name| slabs.create(name, 40, 0, SlabFlags::empty(), None).unwrap();
        let fails = |cache| take_and_give(slabs, cache).is_err();
        slabs.inject_failures(FailConfig::one_in(1));
        let other = create("other");
        assert!(!fails(other), "also before there is a cache with the letter");
        assert!(is_quick(slabs, other), "it is not watched");
        let later = create("later");
        assert!(!core::ptr::eq(later, other), "they do not share slabs");
        let by_flag = slabs.create("flag", 40, 0, SlabFlags::SLAB_FAILSLAB, None).unwrap();
        assert!(fails(later) && fails(create("both")) && fails(by_flag) && !fails(other));
        assert!(slabs.kmalloc(64, KERNEL).is_err() && slabs.kmalloc(65, KERNEL).is_ok());
    });
}

/// Another CPU notices when its slab has nothing left, or at its tick.
#[test]
fn other_cpus_follow() {
    with_slabs::<2>(1024, |slabs| {
        let flags = SlabFlags::SLAB_NO_MERGE;
        let caches = ["one", "other"].map(|name| slabs.create(name, 2000, 0, flags, None).unwrap());
        slabs.memory().set_cpu(1);
        assert_eq!(caches.map(|cache| take_and_give(slabs, cache)), [Ok(()); 2]);
        slabs.memory().set_cpu(0);
        slabs.inject_failures(FailConfig::one_in(1));
        slabs.memory().set_cpu(1);
        let [one, other] = caches;
        assert!(is_quick(slabs, one) && is_quick(slabs, other));
        let taken = core::iter::from_fn(|| slabs.take_object(one, KERNEL).ok());
        assert_eq!(taken.count() as u32, one.geometry.objects(one.geometry.order));
        assert!(take_and_give(slabs, other).is_ok());
        slabs.tick();
        assert!(take_and_give(slabs, other).is_err());
        assert_eq!(slabs.validate(), Ok(()));
        slabs.inject_failures(FailConfig::OFF);
        assert!(take_and_give(slabs, one).is_ok() && is_quick(slabs, one));
    });
}
