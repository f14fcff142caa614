//! Objects that are given back wrongly, or after somebody wrote beside them.

use super::*;

/// The one mistake that was found.
fn mistake(slabs: &Slabs<'_, '_>) -> KfenceReport {
    let [report] = slabs.memory().mistakes().try_into().unwrap();
    slabs.memory().told();
    report
}

/// `test_double_free`.
#[test]
fn double_free() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 32);
        let object = take(slabs, cache);
        give(slabs, cache, object).unwrap();
        assert_eq!(give(slabs, cache, object), Err(NotGiven { object }));
        let report = mistake(slabs);
        assert_eq!(report.what, What::InvalidFree { at: object, site: GIVER });
        assert_eq!((about(&report).object, about(&report).taken.site), (object, TAKER));
        assert_eq!(about(&report).given.unwrap().site, GIVER);
        // Nothing has changed: it is in quarantine once.
        check(slabs);
        assert_eq!(slabs.kfence_figures().given, 1);
    });
}

/// `test_invalid_addr_free`: an address inside an object, and others of the pool.
#[test]
fn no_object_begins_there() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 32);
        let object = take(slabs, cache);
        let guard = plus(object, PAGE_SIZE as i32);
        for at in [plus(object, 1), plus(object, 8), plus(object, -8), guard] {
            // SAFETY: it is refused.
            assert_eq!(unsafe { slabs.kfree(at) }, Err(NotGiven { object: at }), "{at}");
            let report = mistake(slabs);
            assert!(matches!(report.what, What::InvalidFree { at: said, .. } if said == at));
            let is_in_page = slabs
                .kfence_pool()
                .object_at(at)
                .is_some_and(|number| Some(number) == slabs.kfence_pool().object_at(object));
            assert_eq!(report.object.is_some(), is_in_page, "{at}");
        }
        // It is still there.
        assert_eq!(slabs.ksize(object), Some(32));
        give(slabs, cache, object).unwrap();
        check(slabs);
    });
}

/// `test_corruption`: one byte on each side, near and far.
#[test]
fn corruption() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 21);
        for (end, offset) in [
            (End::Left, 21),
            (End::Left, 22),
            (End::Left, 24),
            (End::Left, 4095),
            (End::Right, -1),
            (End::Right, -2),
            (End::Right, -4072),
            (End::Right, 21),
            (End::Right, 23),
        ] {
            let object = take_at(slabs, cache, end);
            let at = plus(object, offset);
            assert_eq!(access(slabs, at, AccessKind::Write), None);
            assert_eq!(give(slabs, cache, object), Ok(()), "{end:?} {offset}");
            let report = mistake(slabs);
            let What::Corruption { bytes, site } = &report.what else { panic!("{report}") };
            assert_eq!((bytes.at, bytes.bytes[0], *site), (at, Some(0x42), GIVER));
            assert!(bytes.bytes.iter().skip(1).all(Option::is_none));
            assert_eq!((about(&report).object, about(&report).given), (object, None));
            // It went back all the same.
            check(slabs);
            assert!(slabs.memory().is_protected(object));
        }
    });
}

/// Beyond what `kmalloc` was asked for, and within its class: found at once where that is the end of the page, and when
/// the object comes back where not.
#[test]
fn corruption_within_the_class() {
    with_pool(PAGES, OBJECTS, |slabs| {
        for size in [1, 73, 100, 190, 4000, 4095] {
            let class = slabs.kmalloc_cache(size).object_size();
            assert!(class > size);
            let mut ends = [0; 2];
            for _ in 0..4 * OBJECTS {
                slabs.memory().set_site(TAKER);
                slabs.sample_next(slabs.kmalloc_cache(size));
                let object = slabs.kmalloc(size, KERNEL).unwrap();
                let page = object.align_down(PAGE_SIZE);
                ends[usize::from(object != page)] += 1;
                // As far to the right as its class is aligned, but no farther.
                assert!(
                    object == page || plus(object, size as i32 + class as i32) > plus(page, 4096)
                );
                for beyond in [size, class - 1] {
                    assert_eq!(access(slabs, plus(object, beyond as i32), AccessKind::Write), None);
                }
                slabs.memory().set_site(GIVER);
                // SAFETY: it was just taken.
                unsafe { slabs.kfree(object) }.unwrap();
                let report = mistake(slabs);
                let What::Corruption { bytes, .. } = &report.what else { panic!("{report}") };
                assert_eq!((bytes.at, about(&report).size), (plus(object, size as i32), size));
                check(slabs);
            }
            // What is aligned to a page has one place.
            assert!(ends[0] > 0 && (ends[1] > 0) == (class < PAGE_SIZE), "{size}: {ends:?}");
        }
    });
}

/// Both sides at once are two mistakes, and no more is shown of one than fits.
#[test]
fn corruption_on_both_sides() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 21);
        let object = take_at(slabs, cache, End::Right);
        slabs.memory().fill_object(plus(object, -100), 100, 0);
        slabs.memory().fill_object(plus(object, 21), 2, 0);
        give(slabs, cache, object).unwrap();
        let reports = slabs.memory().mistakes();
        let bytes: Vec<_> = reports
            .iter()
            .map(|report| match &report.what {
                What::Corruption { bytes, .. } => (bytes.at, bytes.bytes.to_vec()),
                _ => panic!("{report}"),
            })
            .collect();
        assert_eq!(bytes[0], (plus(object, -100), vec![Some(0); 16]));
        assert_eq!(bytes[1], (plus(object, 21), vec![Some(0), Some(0), None]));
        assert_eq!(bytes.len(), 2);
    });
}

/// An object is given back to its own cache, whichever is named, and that is said; `kfree` takes any.
#[test]
fn another_cache_is_named() {
    with_pool(PAGES, OBJECTS, |slabs| {
        let cache = cache_of(slabs, 32);
        let other = slabs.create("other", 64, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let object = take(slabs, cache);
        assert_eq!(give(slabs, other, object), Ok(()));
        let [told] = slabs.memory().told().try_into().unwrap();
        assert!(told.contains("Wrong slab cache") && told.contains("sampled"), "{told}");
        let object = take(slabs, cache);
        // SAFETY: it was just taken.
        assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
        assert_eq!(slabs.objects_out(cache), 0);
        check(slabs);
    });
}
