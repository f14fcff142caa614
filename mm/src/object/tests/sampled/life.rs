//! Objects of the pool are objects: zeroed, constructed, resized, taken many at once, set aside, counted.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::super::super::guarded::Track;
use super::super::super::test_machine::with_options;
use super::*;
use crate::object::{Busy, ObjectError, SlabOptions};
use crate::platform::Report;

/// Whoever has been free for longest comes next.
#[test]
fn quarantine() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 32);
        let number = |object| slabs.kfence_pool().object_at(object).unwrap();
        let objects: Vec<_> = (0..OBJECTS).map(|_| take(slabs, cache)).collect();
        assert_eq!(
            objects.iter().map(|object| number(*object)).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4, 5, 6]
        );
        // No room: the request is served as ever.
        slabs.sample_next(cache);
        let other = slabs.take_object(cache, KERNEL).unwrap();
        assert_eq!(slabs.kfence_pool().object_at(other), None);
        assert_eq!(slabs.kfence_figures().skipped_full, 1);
        give(slabs, cache, other).unwrap();

        let order = [3, 0, 6, 1, 5, 2, 4];
        for next in order {
            give(slabs, cache, objects[next as usize]).unwrap();
        }
        for next in order {
            assert_eq!(number(take(slabs, cache)), next);
        }
        check(slabs);
    });
}

/// `test_memcache_alloc_bulk`, and a free of many.
#[test]
fn many_at_once() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 32);
        for len in [1, 2, 40] {
            slabs.sample_next(cache);
            let mut objects = vec![VirtAddr::new(0); len];
            slabs.take_objects(cache, KERNEL, &mut objects).unwrap();
            let is_of_pool = |object: &&VirtAddr| slabs.kfence_pool().object_at(**object).is_some();
            assert_eq!(objects.iter().filter(is_of_pool).count(), 1);
            assert_eq!(slabs.objects_out(cache), len as u32);
            objects.rotate_left(len / 2);
            // SAFETY: they were just taken.
            unsafe { slabs.free_objects(cache, &objects) }.unwrap();
            assert_eq!(slabs.objects_out(cache), 0);
            // SAFETY: they are refused.
            assert!(unsafe { slabs.free_objects(cache, &objects) }.is_err());
            assert_eq!(slabs.memory().mistakes().len(), 1);
            slabs.memory().told();
            check(slabs);
        }
    });
}

/// `test_gfpzero`: zeroes, and not a byte more of them than the object has.
#[test]
fn zeroes() {
    for size in [1, 23, 24, 61, 4093, 4096] {
        with_pool(PAGES, OBJECTS, |slabs| {
            let cache = cache_of(slabs, size);
            for _ in 0..3 * OBJECTS {
                slabs.sample_next(cache);
                let object = slabs.take_object(cache, KERNEL | Gfp::__GFP_ZERO).unwrap();
                assert!(slabs.kfence_pool().object_at(object).is_some());
                assert!(slabs.memory().is_filled(object, size, 0), "{size}");
                slabs.memory().fill_object(object, size, 0xaa);
                give(slabs, cache, object).unwrap();
                check(slabs);
            }
            // And `kzalloc`, which has a way of its own.
            slabs.sample_next(slabs.kmalloc_cache(size));
            let object = slabs.kzalloc(size, KERNEL).unwrap();
            assert_eq!(slabs.ksize(object), Some(size));
            assert!(slabs.kfence_pool().object_at(object).is_some());
            assert!(slabs.memory().is_filled(object, size, 0));
            // SAFETY: it was just taken.
            unsafe { slabs.kfree(object) }.unwrap();
            check(slabs);
        });
    }
}

static CONSTRUCTED: AtomicU32 = AtomicU32::new(0);
static DESTRUCTED: AtomicU32 = AtomicU32::new(0);

/// # Safety
///
/// The object has 48 bytes.
unsafe extern "C" fn construct(object: NonNull<u8>) {
    CONSTRUCTED.fetch_add(1, Relaxed);
    // SAFETY: the caller's.
    unsafe { object.write_bytes(b'x', 48) };
}

/// # Safety
///
/// The object has a byte.
unsafe extern "C" fn destruct(object: NonNull<u8>) {
    DESTRUCTED.fetch_add(1, Relaxed);
    // SAFETY: the caller's.
    assert_eq!(unsafe { object.read() }, b'x');
}

/// `test_memcache_ctor`: each object that is handed out was constructed, and is taken apart once.
#[test]
fn constructors() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let flags = SlabFlags::SLAB_NO_MERGE;
        let cache =
            slabs.create_with("built", 48, 0, flags, Some(construct), Some(destruct)).unwrap();
        for round in 1..=2 * OBJECTS {
            let before = CONSTRUCTED.load(Relaxed);
            let object = take(slabs, cache);
            assert_eq!(CONSTRUCTED.load(Relaxed), before + 1);
            assert!(slabs.memory().is_filled(object, 48, b'x'));
            give(slabs, cache, object).unwrap();
            assert_eq!(DESTRUCTED.load(Relaxed), round);
        }
        // SAFETY: 1. it was created once; 2. and 3. nobody uses it.
        unsafe { slabs.destroy(cache) }.unwrap();
        assert_eq!(CONSTRUCTED.load(Relaxed), DESTRUCTED.load(Relaxed));
        check(slabs);
    });
}

/// `test_krealloc`: to as much as was asked for it stays, to more it goes elsewhere, and the old place is found when
/// it is used.
#[test]
fn another_size() {
    with_pool(PAGES, OBJECTS, |slabs| {
        slabs.sample_next(slabs.kmalloc_cache(128));
        let object = slabs.kmalloc(100, KERNEL).unwrap();
        assert!(slabs.kfence_pool().object_at(object).is_some());
        assert_eq!((slabs.ksize(object), slabs.ksize(plus(object, 8))), (Some(100), None));
        slabs.memory().fill_object(object, 100, 0x17);
        for size in [8, 100] {
            // SAFETY: nobody else has it.
            assert_eq!(unsafe { slabs.krealloc(object, size, KERNEL) }, Ok(object));
        }
        slabs.sample_next(slabs.kmalloc_cache(200));
        // SAFETY: as above; the old address is only used to be found.
        let larger = unsafe { slabs.krealloc(object, 200, KERNEL) }.unwrap();
        assert!(larger != object && slabs.kfence_pool().object_at(larger).is_some());
        assert!(slabs.memory().is_filled(larger, 100, 0x17));
        let report = faults(slabs, object, AccessKind::Read);
        assert!(matches!(report.what, What::UseAfterFree(_)));
        // SAFETY: it is refused.
        assert!(unsafe { slabs.krealloc(object, 300, KERNEL) }.is_err());
        assert_eq!(slabs.ksize(object), None);
        // SAFETY: nobody uses it any more.
        unsafe { slabs.krealloc(larger, 0, KERNEL) }.unwrap();
        faults(slabs, larger, AccessKind::Write);
    });
}

/// `test_shrink_memcache`, and the end of the cache: an object of the pool keeps it, and what is found of a
/// destroyed one says so.
#[test]
fn the_end_of_a_cache() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 32);
        let (object, other) = (take(slabs, cache), slabs.take_object(cache, KERNEL).unwrap());
        slabs.shrink(cache);
        slabs.shrink_all();
        assert_eq!(access(slabs, object, AccessKind::Write), None);
        // In the order of addresses, wherever the pool lies.
        let mut both = [object, other];
        both.sort_unstable_by_key(|object| object.as_u32());
        assert_eq!(slabs.live_objects(cache).collect::<Vec<_>>(), both);
        give(slabs, cache, other).unwrap();
        let destroy = || {
            // SAFETY: 1. it was created once; 2. and 3. nobody uses it if it ends.
            unsafe { slabs.destroy(cache) }
        };
        check(slabs);
        assert_eq!(destroy(), Err(Busy { objects: 1, slabs: 0 }));
        let [live] = slabs.memory().listed().try_into().unwrap();
        // Who took it is known, though the cache itself does not remember.
        assert_eq!((live.object, live.taken.unwrap().site), (object, TAKER));
        assert_eq!(slabs.memory().told().len(), 1);
        give(slabs, cache, object).unwrap();
        assert_eq!(destroy(), Ok(()));
        let report = faults(slabs, object, AccessKind::Read);
        assert_eq!((about(&report).object, about(&report).cache), (object, None));
        check(slabs);
    });
}

/// Who took the objects is said of a cache that remembers, and red zones are not looked for where there are none.
#[test]
fn a_cache_with_debugging() {
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZPU"), |bad| panic!("{bad}"));
    with_options(PAGES, options, |slabs: &Slabs<'_, '_>| {
        begin_sampling(slabs, OBJECTS, 0);
        // An object that ends with its page: behind it is a guard.
        let cache = cache_of(slabs, 40);
        let object = take_at(slabs, cache, End::Right);
        let ordinary = slabs.take_object(cache, KERNEL).unwrap();
        let sites: Vec<_> = slabs.holders(cache).map(|Track { site, .. }| site).collect();
        assert_eq!(sites, [TAKER, TAKER]);
        for object in [object, ordinary] {
            give(slabs, cache, object).unwrap();
        }
        check(slabs);
    });
}

/// An element that is of the pool of guarded pages is set aside like any other: a free fills the pool of elements,
/// and a second one is refused.
#[test]
fn elements_are_parked() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 64);
        // The pool's array is to come from a current slab.
        let other = slabs.kmalloc(8, KERNEL).unwrap();
        slabs.sample_next(cache);
        let pool = slabs.slab_pool(1, cache).unwrap();
        let element = pool.pop_for_test();
        assert!(slabs.kfence_pool().object_at(element).is_some());
        assert_eq!((pool.curr_nr(), slabs.ksize(element)), (0, Some(64)));
        // SAFETY: it is ours.
        unsafe { pool.free(element) }.unwrap();
        assert_eq!((pool.curr_nr(), slabs.ksize(element)), (1, None));
        assert_eq!(slabs.objects_out(cache), 1);
        for _ in 0..2 {
            // SAFETY: it is refused: it lies in the pool.
            assert_eq!(unsafe { pool.free(element) }, Err(NotGiven { object: element }));
            assert_eq!(give(slabs, cache, element), Err(NotGiven { object: element }));
            let error = ObjectError::InPool { object: element };
            let told = Report::WrongObject { error }.to_string();
            assert_eq!(slabs.memory().told(), [told.clone(), told]);
        }
        drop(pool);
        assert!(slabs.memory().is_protected(element));

        // Memory by size: of the right class only.
        slabs.sample_next(slabs.kmalloc_cache(128));
        let pool = slabs.kmalloc_pool(1, 100).unwrap();
        let element = pool.pop_for_test();
        assert!(slabs.kfence_pool().object_at(element).is_some());
        // SAFETY: it is ours.
        unsafe { pool.free(element) }.unwrap();
        assert_eq!(pool.curr_nr(), 1);
        drop(pool);
        // SAFETY: nobody uses it any more.
        unsafe { slabs.kfree(other) }.unwrap();
        check(slabs);
    });
}
