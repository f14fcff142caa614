//! Caches with debugging: the cases of Linux's `slub_kunit`, and that debugging changes nothing else.
//!
//! | `slub_kunit` | here |
//! |---|---|
//! | `clobber_zone` | [`clobber_zone`], and the left one |
//! | `next_pointer` | [`next_pointer`]: no list is broken, so there is nothing to restore |
//! | `first_word`, `clobber_50th_byte` | [`first_word_and_50th_byte`], and the last byte |
//! | `clobber_redzone_free` | [`clobber_redzone_free`] |
//! | `kmalloc_redzone_access` | [`kmalloc_redzone_access`]: from the end of the class on |
//! | `kfree_rcu`, `kfree_rcu_wq_destroy` | [`free_elsewhere_then_destroy`] |
//! | `leak_destroy` | [`leak_destroy`] |
//! | `krealloc_redzone_zeroing` | [`krealloc_redzone_zeroing`]: what the new class has more |
//! | `kmalloc_kfree_nolock` | the booted kernel's suite `object-soak`, from the handler of the tick |
#![expect(unsafe_code, reason = "objects are given back by their address")]

use super::super::guarded::{LiveObject, Track};
use super::super::test_machine::{Machine, with_options, with_slabs};
use super::super::{CacheRef, NotGiven, SlabAllocator, SlabFlags, SlabOptions};
use crate::addr::VirtAddr;
use crate::platform::{Answer, Shortage};
use crate::zone::Gfp;

const ALL: SlabFlags = SlabFlags::DEBUG_DEFAULT;

/// Runs a test with a cache of 64-byte objects that has these flags, and one object of it.
fn with_object(
    flags: SlabFlags,
    test: impl FnOnce(&SlabAllocator<'_, '_, Machine>, CacheRef<'_>, VirtAddr),
) {
    with_slabs(256, |slabs| {
        let flags = flags | SlabFlags::SLAB_CONSISTENCY_CHECKS;
        let cache = slabs.create("TestSlub", 64, 0, flags, None).unwrap();
        let object = slabs.take_object(cache, Gfp::GFP_KERNEL).unwrap();
        test(slabs, cache, object);
        assert_eq!(slabs.validate(), Ok(()));
    });
}

fn write(slabs: &SlabAllocator<'_, '_, Machine>, object: VirtAddr, offset: i32, byte: u8) {
    let at = VirtAddr::new(object.as_u32().wrapping_add_signed(offset));
    slabs.memory().fill_object(at, 1, byte);
}

fn free(
    slabs: &SlabAllocator<'_, '_, Machine>,
    cache: CacheRef<'_>,
    object: VirtAddr,
) -> Result<(), NotGiven> {
    // SAFETY: the test's, but for those that are given back twice on purpose.
    unsafe { slabs.free_object(cache, object) }
}

fn take(slabs: &SlabAllocator<'_, '_, Machine>, cache: CacheRef<'_>) -> VirtAddr {
    slabs.take_object(cache, Gfp::GFP_KERNEL).unwrap()
}

/// `test_clobber_zone`: a write behind an object is found when it is given back; the object stays out.
#[test]
fn clobber_zone() {
    for (offset, what) in [(64, "Right Redzone"), (-1, "Left Redzone")] {
        with_object(SlabFlags::SLAB_RED_ZONE, |slabs, cache, object| {
            write(slabs, object, offset, 0x12);
            assert_eq!(free(slabs, cache, object), Err(NotGiven { object }));
            let report = format!("BUG TestSlub (Not tainted): {what} overwritten");
            assert_eq!(slabs.memory().told(), [report]);
            // It was restored, so the second try is as good as any.
            assert_eq!(free(slabs, cache, object), Ok(()));
            assert!(slabs.memory().told().is_empty());
        });
    }
}

/// `test_next_pointer`: there are no pointers in objects. A free object that is written over from end to end
/// breaks no list; it is found by its poison, and its slab is out of use.
#[test]
fn next_pointer() {
    with_object(SlabFlags::SLAB_POISON, |slabs, cache, object| {
        assert_eq!(free(slabs, cache, object), Ok(()));
        slabs.memory().fill_object(object, 64, 0xff);
        let other = take(slabs, cache);
        assert_ne!(other, object);
        assert_eq!(slabs.memory().told(), ["BUG TestSlub (Not tainted): Poison overwritten"]);
        assert!(slabs.memory().is_filled(object, 63, 0x6b));
    });
}

/// `test_first_word` and `test_clobber_50th_byte`: a write into a free object.
#[test]
fn first_word_and_50th_byte() {
    for (offset, what) in [(0, "Poison"), (49, "Poison"), (63, "End Poison")] {
        with_object(SlabFlags::SLAB_POISON, |slabs, cache, object| {
            assert_eq!(free(slabs, cache, object), Ok(()));
            write(slabs, object, offset, 0x78);
            assert_ne!(take(slabs, cache), object);
            let report = format!("BUG TestSlub (Not tainted): {what} overwritten");
            assert_eq!(slabs.memory().told(), [report]);
        });
    }
}

/// `test_clobber_redzone_free`: a write behind a free object.
#[test]
fn clobber_redzone_free() {
    with_object(SlabFlags::SLAB_RED_ZONE, |slabs, cache, object| {
        assert_eq!(free(slabs, cache, object), Ok(()));
        write(slabs, object, 64, 0xab);
        assert_ne!(take(slabs, cache), object);
        assert_eq!(
            slabs.memory().told(),
            ["BUG TestSlub (Not tainted): Right Redzone overwritten"]
        );
    });
}

/// `test_kmalloc_redzone_access`, as far as there is one: what was asked for of a class is not kept, so 18 bytes
/// of 64 may be used to the end. One byte more is found.
#[test]
fn kmalloc_redzone_access() {
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZU,kmalloc-64"), |bad| panic!("{bad}"));
    with_options::<1>(256, options, |slabs| {
        // SAFETY: the test's.
        let kfree = |object| unsafe { slabs.kfree(object) };
        let object = slabs.kmalloc(18, Gfp::GFP_KERNEL).unwrap();
        write(slabs, object, 18, 0xab);
        write(slabs, object, 63, 0xab);
        assert_eq!(kfree(object), Ok(()));
        let object = slabs.kmalloc(18, Gfp::GFP_KERNEL).unwrap();
        write(slabs, object, 64, 0xab);
        assert_eq!(kfree(object), Err(NotGiven { object }));
        let report = "BUG kmalloc-64 (Not tainted): Right Redzone overwritten";
        assert_eq!(slabs.memory().told(), [report]);
        assert_eq!((kfree(object), slabs.validate()), (Ok(()), Ok(())));
    });
}

/// `test_krealloc_redzone_zeroing`, as far as there is one: in place nothing is zeroed, since what was asked
/// for is not kept; what moves is zeroed behind what its old class had. Red zones stay whole.
#[test]
fn krealloc_redzone_zeroing() {
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZPU,kmalloc-*"), |bad| panic!("{bad}"));
    with_options::<1>(256, options, |slabs| {
        let zero = Gfp::GFP_KERNEL | Gfp::__GFP_ZERO;
        // SAFETY: the test's, which uses only what it was given last.
        let resize = |old, size| unsafe { slabs.krealloc(old, size, zero) }.unwrap();
        let object = slabs.kzalloc(48, Gfp::GFP_KERNEL).unwrap();
        assert!(slabs.memory().is_filled(object, 64, 0));
        slabs.memory().fill_object(object, 64, 0xab);
        assert_eq!([resize(object, 40), resize(object, 56)], [object; 2]);
        assert!(slabs.memory().is_filled(object, 64, 0xab));
        let larger = resize(object, 112);
        assert!(slabs.memory().is_filled(larger, 64, 0xab));
        let rest = VirtAddr::new(larger.as_u32() + 64);
        assert!(slabs.memory().is_filled(rest, 64, 0));
        // SAFETY: the test's.
        assert_eq!(unsafe { slabs.kfree(larger) }, Ok(()));
        assert!(slabs.memory().told().is_empty());
        assert_eq!(slabs.validate(), Ok(()));
    });
}

/// `test_kfree_rcu` and its like: what was given back just before, even by way of another CPU, does not keep a
/// cache. There is no RCU; the last free comes from elsewhere instead.
#[test]
fn free_elsewhere_then_destroy() {
    for flags in [SlabFlags::empty(), SlabFlags::SLAB_RED_ZONE, ALL] {
        with_slabs::<2>(256, |slabs| {
            let cache = slabs.create("TestSlubRcu", 64, 0, flags, None).unwrap();
            let object = slabs.take_object(cache, Gfp::GFP_KERNEL).unwrap();
            slabs.memory().set_cpu(1);
            // SAFETY: the test's.
            assert_eq!(unsafe { slabs.free_object(cache, object) }, Ok(()));
            let tick = |_: &Shortage| {
                slabs.memory().set_cpu(0);
                slabs.tick();
                slabs.memory().set_cpu(1);
                Answer::Retry
            };
            // SAFETY: 1. created once; 2. nobody uses it.
            let destroyed = slabs.memory().with_waits(tick, || unsafe { slabs.destroy(cache) });
            assert_eq!((destroyed, slabs.validate()), (Ok(()), Ok(())));
            assert!(slabs.memory().told().is_empty());
        });
    }
}

/// `test_leak_destroy`.
#[test]
fn leak_destroy() {
    with_object(SlabFlags::empty(), |slabs, cache, object| {
        // SAFETY: 1. created once; 2. it is not destroyed; 3. nobody else uses it.
        assert!(unsafe { slabs.destroy(cache) }.is_err());
        assert_eq!(slabs.memory().told().len(), 1);
        assert!(slabs.live_objects(cache).eq([object]));
    });
}

/// Who destroys a cache too early is told which objects are left, and who took them.
#[test]
fn what_keeps_a_cache_is_listed() {
    for (flags, is_known) in [(SlabFlags::empty(), false), (SlabFlags::SLAB_STORE_USER, true)] {
        with_object(flags, |slabs, cache, object| {
            let objects = [object, take(slabs, cache)];
            // SAFETY: 1. created once; 2. it is not destroyed; 3. nobody else uses it.
            assert!(unsafe { slabs.destroy(cache) }.is_err());
            let taken = is_known.then_some(Track { site: 0xc020_0000, cpu: 0, when: 0 });
            let live = objects.map(|object| LiveObject { object, taken });
            assert_eq!(slabs.memory().listed(), live);
            assert_eq!(slabs.memory().told().len(), 1);
        });
    }
}

#[test]
fn any_second_free_is_found() {
    with_object(ALL, |slabs, cache, object| {
        let others: Vec<_> = (0..30).map(|_| take(slabs, cache)).collect();
        assert_eq!(free(slabs, cache, object), Ok(()));
        others.iter().for_each(|other| assert_eq!(free(slabs, cache, *other), Ok(())));
        assert_eq!(free(slabs, cache, object), Err(NotGiven { object }));
        assert_eq!(slabs.memory().told(), ["BUG TestSlub (Not tainted): Object already free"]);
    });
}

/// Free objects of a slab that is out of use are free: they count as nobody's, and are not taken back once more.
/// What users have of it may come back, and is not handed out.
#[test]
fn an_isolated_slab_has_free_objects() {
    for flags in [SlabFlags::SLAB_POISON, ALL] {
        with_object(flags, |slabs, cache, object| {
            let [held, other] = [(); 2].map(|()| take(slabs, cache));
            for freed in [object, other] {
                assert_eq!(free(slabs, cache, freed), Ok(()));
            }
            write(slabs, other, 3, 0);
            let elsewhere = take(slabs, cache);
            assert_eq!(slabs.memory().told(), ["BUG TestSlub (Not tainted): Poison overwritten"]);
            assert!(slabs.live_objects(cache).eq([held, elsewhere]));
            for (freed, result) in
                [(object, false), (other, false), (other, false), (held, true), (held, false)]
            {
                assert_eq!(free(slabs, cache, freed).is_ok(), result);
                let expected =
                    (!result).then(|| "BUG TestSlub (Not tainted): Object already free".to_owned());
                assert_eq!(slabs.memory().told(), Vec::from_iter(expected));
                assert_eq!(slabs.validate(), Ok(()));
            }
            assert_eq!(slabs.objects_out(cache), 1);
            let record = slabs.page(held).unwrap().own();
            assert_eq!(slabs.object_state(cache, record, held).used, 0);
        });
    }
}

/// What is no object's address is reported with the object that it is inside of, also behind the last one.
#[test]
fn what_is_no_object_is_reported_with_the_nearest() {
    with_object(ALL, |slabs, cache, object| {
        let page = object.as_u32() & !4095;
        for wrong in [object.as_u32() + 8, page, page + 4095] {
            let wrong = VirtAddr::new(wrong);
            assert_eq!(free(slabs, cache, wrong), Err(NotGiven { object: wrong }));
            let report = format!("BUG TestSlub (Not tainted): Invalid object pointer {wrong}");
            assert_eq!(slabs.memory().told(), [report]);
        }
    });
}

#[test]
fn owners_are_remembered() {
    with_object(ALL, |slabs, cache, object| {
        let record = slabs.page(object).unwrap().own();
        let track = Track { site: 0xc020_0000, cpu: 0, when: 0 };
        let state = slabs.object_state(cache, record, object);
        assert_eq!((state.taken, state.given, state.used), (Some(track), None, 1));
        assert!(slabs.holders(cache).eq([track]));
        assert_eq!(free(slabs, cache, object), Ok(()));
        let state = slabs.object_state(cache, record, object);
        assert_eq!((state.taken, state.given, state.used), (Some(track), Some(track), 0));
        assert_eq!(slabs.holders(cache).count(), 0);
    });
}

#[test]
fn zeroes_are_asked_for_and_given() {
    with_object(ALL, |slabs, cache, _| {
        let object = slabs.take_object(cache, Gfp::GFP_KERNEL | Gfp::__GFP_ZERO).unwrap();
        assert!(slabs.memory().is_filled(object, 64, 0));
        assert_eq!(free(slabs, cache, object), Ok(()));
        assert!(slabs.memory().told().is_empty());
    });
}

/// The rest of the last word is red zone, or padding with a pattern.
#[test]
fn zeroes_end_with_the_object() {
    for flags in [SlabFlags::SLAB_RED_ZONE, SlabFlags::SLAB_POISON, ALL] {
        for size in [1, 5, 6, 63] {
            with_slabs::<1>(256, |slabs| {
                let flags = flags | SlabFlags::SLAB_CONSISTENCY_CHECKS;
                let cache = slabs.create("odd", size, 0, flags, None).unwrap();
                let zero = Gfp::GFP_KERNEL | Gfp::__GFP_ZERO;
                let object = slabs.take_object(cache, zero).unwrap();
                assert!(slabs.memory().is_filled(object, size, 0));
                assert_eq!(free(slabs, cache, object), Ok(()), "{size}: {flags:?}");
                assert!(slabs.memory().told().is_empty());
            });
        }
    }
}

#[test]
fn a_parameter_reaches_the_caches_that_it_names() {
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZ,kmalloc-64,one"), |bad| panic!("{bad}"));
    with_options::<1>(512, options, |slabs| {
        let small = slabs.kmalloc(64, Gfp::GFP_KERNEL).unwrap();
        let large = slabs.kmalloc(128, Gfp::GFP_KERNEL).unwrap();
        for object in [small, large] {
            assert!(object.is_aligned(64));
            let size = slabs.ksize(object).unwrap();
            write(slabs, object, size as i32, 0);
            // SAFETY: the test's.
            let given = unsafe { slabs.kfree(object) };
            assert_eq!(given.is_err(), object == small);
        }
        let report = "BUG kmalloc-64 (Not tainted): Right Redzone overwritten";
        assert_eq!(slabs.memory().told(), [report]);
        let [one, two] =
            ["one", "two"].map(|name| slabs.create(name, 48, 0, SlabFlags::empty(), None).unwrap());
        assert_eq!(one.flags(), SlabFlags::SLAB_CONSISTENCY_CHECKS | SlabFlags::SLAB_RED_ZONE);
        assert_eq!(two.flags(), SlabFlags::empty());
        assert_eq!(slabs.validate(), Ok(()));
    });
}

#[test]
fn caches_stay_apart_if_they_shall() {
    let mut options = SlabOptions::default();
    options.nomerge = true;
    with_options::<1>(256, options, |slabs| {
        let [one, two] =
            ["one", "two"].map(|name| slabs.create(name, 48, 0, SlabFlags::empty(), None).unwrap());
        assert!(!std::ptr::eq(one, two));
    });
}

#[test]
fn a_random_order_has_every_object_once() {
    let mut options = SlabOptions::default();
    options.random_seed = Some(7);
    with_options::<1>(256, options, |slabs| {
        let objects: Vec<_> =
            (0..64).map(|_| slabs.kmalloc(64, Gfp::GFP_KERNEL).unwrap()).collect();
        let mut sorted = objects.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 64);
        assert_ne!(objects, sorted);
        let neighbours =
            objects.windows(2).filter(|pair| pair[0].as_u32() + 64 == pair[1].as_u32());
        assert!(neighbours.count() < 8, "{objects:?}");
        assert_eq!(slabs.validate(), Ok(()));
    });
}
