//! Accesses that fault: beside an object, to one that is free, to what never was one.

use super::*;

const KINDS: [AccessKind; 2] = [AccessKind::Read, AccessKind::Write];

/// `test_out_of_bounds_read`, `_write`: the byte before an object at the left end of its page, and the one behind
/// an object at the right end.
#[test]
fn out_of_bounds() {
    for kind in KINDS {
        for (end, size) in [(End::Left, 32), (End::Right, 32), (End::Left, 4096), (End::Left, 20)] {
            with_pool(PAGES, OBJECTS, |slabs| {
                let cache = cache_of(slabs, size);
                slabs.memory().set_now(40);
                let object = take_at(slabs, cache, end);
                slabs.memory().set_now(42);
                let at =
                    if end == End::Left { plus(object, -1) } else { plus(object, size as i32) };
                let report = faults(slabs, at, kind);
                assert_eq!(
                    report.what,
                    What::OutOfBounds(Access { at, kind, site: SITE_OF_ACCESS })
                );
                assert_eq!(report.now, 42);
                let info = about(&report);
                assert_eq!((info.object, info.size, info.given), (object, size, None));
                assert_eq!(info.cache, Some(*cache.name()));
                assert_eq!((info.taken.site, info.taken.when), (TAKER, 40));
                // With the object's end, the guard is one again.
                give(slabs, cache, object).unwrap();
                assert!(slabs.memory().is_protected(at));
                check(slabs);
            });
        }
    }
}

/// Both guards of an object may be open at once, and both are closed.
#[test]
fn both_guards_are_closed_again() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, PAGE_SIZE);
        let object = take(slabs, cache);
        let beside = [plus(object, -1), plus(object, PAGE_SIZE as i32)];
        for at in beside {
            assert_eq!(about(&faults(slabs, at, AccessKind::Write)).object, object);
        }
        give(slabs, cache, object).unwrap();
        assert!(beside.into_iter().chain([object]).all(|at| slabs.memory().is_protected(at)));
        check(slabs);
    });
}

/// Of two objects beside a guard the nearer one is named; one that somebody has before one that is free.
#[test]
fn the_nearest_object_is_named() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, PAGE_SIZE);
        let [first, second] = [(); 2].map(|()| take(slabs, cache));
        assert_eq!(plus(first, 2 * PAGE_SIZE as i32), second);
        let guard = plus(first, PAGE_SIZE as i32);
        let at = plus(guard, 100);
        assert_eq!(about(&faults(slabs, at, AccessKind::Read)).object, first);
        give(slabs, cache, first).unwrap();
        let report = faults(slabs, at, AccessKind::Read);
        assert_eq!((about(&report).object, about(&report).given), (second, None));
        give(slabs, cache, second).unwrap();
        // Nobody has either: who had it last is better than nothing.
        let report = faults(slabs, plus(guard, 4000), AccessKind::Read);
        assert_eq!(about(&report).object, second);
        assert_eq!(about(&report).given.unwrap().site, GIVER);
        assert!(matches!(report.what, What::OutOfBounds(_)));
        check(slabs);
    });
}

/// `test_use_after_free_read`, and of a write.
#[test]
fn use_after_free() {
    for kind in KINDS {
        with_pool(PAGES, OBJECTS, |slabs| {
            let cache = cache_of(slabs, 32);
            let object = take(slabs, cache);
            slabs.memory().set_now(7);
            give(slabs, cache, object).unwrap();
            for at in [object, plus(object, 31)] {
                let Some(report) = access(slabs, at, kind) else { continue };
                assert_eq!(at, object, "the page is open from the first report on");
                assert_eq!(
                    report.what,
                    What::UseAfterFree(Access { at, kind, site: SITE_OF_ACCESS })
                );
                let given = about(&report).given.unwrap();
                assert_eq!((given.site, given.when), (GIVER, 7));
                assert_eq!(about(&report).taken.site, TAKER);
            }
            // When it has been handed out once more, it is found again.
            let again: Vec<_> = (0..OBJECTS).map(|_| take(slabs, cache)).collect();
            for object in &again {
                assert_eq!(access(slabs, *object, kind), None);
                give(slabs, cache, *object).unwrap();
            }
            for object in again {
                faults(slabs, object, kind);
            }
            check(slabs);
        });
    }
}

/// `test_invalid_access`: pages near which there never was an object.
#[test]
fn invalid_access() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let pool = slabs.kfence_pool();
        let cache = cache_of(slabs, 32);
        let invalid = |at: VirtAddr| {
            let report = faults(slabs, at, AccessKind::Read);
            assert!(matches!(report.what, What::InvalidAccess(_)) && report.object.is_none());
        };
        for page in pool.pages() {
            invalid(plus(page, 10));
        }
        // All but the first page is closed when its neighbours come and go.
        let objects: Vec<_> = (0..OBJECTS).map(|_| take(slabs, cache)).collect();
        objects.iter().for_each(|object| give(slabs, cache, *object).unwrap());
        for page in pool.pages().skip(1) {
            assert!(slabs.memory().is_protected(page), "{page}");
        }
        // What is not of the pool is somebody else's fault.
        for at in [plus(pool.range().start(), -1), pool.range().end(), VirtAddr::new(0)] {
            let access = Access { at, kind: AccessKind::Read, site: 0 };
            assert_eq!(slabs.on_fault(access), None);
        }
        check(slabs);
    });
}

/// `test_kmalloc_aligned_oob_read`, `_write`: behind an object that is aligned away from the end of its page, the
/// first bytes do not fault; a write there is found when the object comes back.
#[test]
fn behind_an_aligned_object() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = slabs.create("aligned", 73, 8, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let object = take_at(slabs, cache, End::Right);
        assert_eq!(object.as_u32() % PAGE_SIZE, PAGE_SIZE - 80);
        assert_eq!(access(slabs, plus(object, 73), AccessKind::Read), None);
        assert_eq!(about(&faults(slabs, plus(object, 80), AccessKind::Read)).object, object);
        give(slabs, cache, object).unwrap();
        check(slabs);

        let object = take_at(slabs, cache, End::Right);
        assert_eq!(access(slabs, plus(object, 73), AccessKind::Write), None);
        assert_eq!(give(slabs, cache, object), Ok(()));
        let [report] = slabs.memory().mistakes().try_into().unwrap();
        let What::Corruption { bytes, .. } = report.what else { panic!("{report}") };
        assert_eq!((bytes.at, bytes.bytes[0]), (plus(object, 73), Some(0x42)));
    });
}
