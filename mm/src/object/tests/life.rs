//! Caches from their making to their end, objects many at a time, and memory of other sizes.
#![expect(unsafe_code, reason = "objects are given back by their address")]

use std::cell::Cell;
use std::ptr::NonNull;

use super::super::family::ReallocError;
use super::super::kmalloc::{CLASSES, ZERO_SIZE};
use super::super::test_machine::with_slabs;
use super::super::{Busy, CreateError, SlabFlags};
use crate::addr::VirtAddr;
use crate::platform::{Answer, Shortage};
use crate::zone::{AllocError, Gfp, GfpError};

const KERNEL: Gfp = Gfp::GFP_KERNEL;

#[test]
fn names_and_flags_that_can_not_be_are_refused() {
    with_slabs::<1>(256, |slabs| {
        let create = |name, size, flags| slabs.create(name, size, 0, flags, None).map(|_| ());
        assert_eq!(create("", 8, SlabFlags::empty()), Err(CreateError::Name { len: 0 }));
        let long = "x".repeat(33);
        assert_eq!(create(&long, 8, SlabFlags::empty()), Err(CreateError::Name { len: 33 }));
        for flags in [SlabFlags::SLAB_TYPESAFE_BY_RCU, SlabFlags::from_bits_retain(1)] {
            assert_eq!(create("flags", 8, flags), Err(CreateError::Flags { flags }));
        }
        assert!(matches!(create("none", 0, SlabFlags::empty()), Err(CreateError::Geometry(_))));
    });
}

#[test]
#[should_panic(expected = "cache vital: objects of 0 bytes")]
fn a_cache_without_which_nothing_goes_on() {
    with_slabs::<1>(256, |slabs| {
        let _ = slabs.create("vital", 0, 0, SlabFlags::SLAB_PANIC, None);
    });
}

#[test]
fn caches_that_are_alike_are_one_until_the_last_name_goes() {
    with_slabs::<1>(256, |slabs| {
        let count = || slabs.caches().count();
        let before = count();
        let one = slabs.create("one", 100, 0, SlabFlags::empty(), None).unwrap();
        let two = slabs.create("two", 101, 0, SlabFlags::empty(), None).unwrap();
        assert!(std::ptr::eq(one, two));
        assert_eq!((one.object_size(), count()), (101, before + 1));
        let other = [
            slabs.create("dma", 100, 0, SlabFlags::SLAB_CACHE_DMA, None).unwrap(),
            slabs.create("rcl", 100, 0, SlabFlags::SLAB_RECLAIM_ACCOUNT, None).unwrap(),
            slabs.create("alone", 100, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap(),
            slabs.create("aligned", 100, 64, SlabFlags::empty(), None).unwrap(),
        ];
        assert!(other.iter().all(|cache| !std::ptr::eq(*cache, one)));
        let object = slabs.take_object(one, KERNEL).unwrap();
        // SAFETY: 1. two names, each once; 2. what it is used for below is the other name's; 3. there is one
        // thread.
        assert_eq!(unsafe { slabs.destroy(two) }, Ok(()));
        // SAFETY: 1. and 3. as above; 2. it is not destroyed.
        let busy = unsafe { slabs.destroy(one) };
        assert_eq!(busy, Err(Busy { objects: 1, slabs: 1 }));
        let told = "kmem_cache_destroy one: Slab cache still has objects: 1 objects in 1 slabs are \
                    still allocated";
        assert_eq!(slabs.memory().told(), [told]);
        assert!(slabs.live_objects(one).eq([object]));
        // SAFETY: nobody uses the object any more, nor the cache.
        unsafe {
            assert_eq!(slabs.free_object(one, object), Ok(()));
            assert_eq!(slabs.destroy(one), Ok(()));
        }
        assert_eq!(count(), before + 4);
        assert_eq!(slabs.validate(), Ok(()));
    });
}

/// While it is destroyed, a cache is there for those who finish with it, not for new ones.
#[test]
fn a_cache_that_ends_is_shared_no_more() {
    with_slabs::<2>(256, |slabs| {
        let create = |name| slabs.create(name, 100, 0, SlabFlags::empty(), None).unwrap();
        let ends = create("ends");
        // The other CPU keeps a slab, so this one must wait for it.
        slabs.memory().set_cpu(1);
        let object = slabs.take_object(ends, KERNEL).unwrap();
        // SAFETY: the test's.
        assert_eq!(unsafe { slabs.free_object(ends, object) }, Ok(()));
        slabs.memory().set_cpu(0);
        let next = Cell::new(None);
        let meanwhile = |_: &Shortage| {
            next.set(Some(create("next")));
            slabs.memory().set_cpu(1);
            slabs.tick();
            slabs.memory().set_cpu(0);
            Answer::Retry
        };
        // SAFETY: 1. its one name; 2. nobody uses it.
        let ended = slabs.memory().with_waits(meanwhile, || unsafe { slabs.destroy(ends) });
        assert_eq!(ended, Ok(()));
        let next = next.get().unwrap();
        assert!(slabs.caches().any(|cache| std::ptr::eq(cache, next)));
        assert_eq!(next.name().as_str(), "next");
        assert_eq!(slabs.validate(), Ok(()));
    });
}

thread_local! {
    static MADE: Cell<i32> = const { Cell::new(0) };
}

unsafe extern "C" fn construct(object: NonNull<u8>) {
    MADE.set(MADE.get() + 1);
    // SAFETY: objects have 40 bytes.
    unsafe { object.write_bytes(0xc7, 40) };
}

unsafe extern "C" fn destruct(object: NonNull<u8>) {
    MADE.set(MADE.get() - 1);
    // SAFETY: objects have 40 bytes.
    unsafe { assert_eq!(object.read(), 0xc7) };
}

#[test]
fn an_object_is_constructed_once_and_destructed_once() {
    with_slabs::<1>(256, |slabs| {
        let cache = slabs
            .create_with("made", 40, 0, SlabFlags::empty(), Some(construct), Some(destruct))
            .unwrap();
        let objects: Vec<_> = (0..500).map(|_| slabs.take_object(cache, KERNEL).unwrap()).collect();
        let per_slab = cache.geometry().objects(cache.geometry().order) as i32;
        assert_eq!(MADE.get() % per_slab, 0);
        assert!((500..500 + per_slab).contains(&MADE.get()));
        let made = MADE.get();
        for object in &objects {
            assert!(slabs.memory().is_filled(*object, 40, 0xc7));
            // SAFETY: 1, 2. the test's; 3. untouched.
            assert_eq!(unsafe { slabs.free_object(cache, *object) }, Ok(()));
        }
        let again: Vec<_> = (0..500).map(|_| slabs.take_object(cache, KERNEL).unwrap()).collect();
        assert_eq!(MADE.get(), made);
        assert!(again.iter().all(|object| slabs.memory().is_filled(*object, 40, 0xc7)));
        // SAFETY: as above, and nobody uses the cache.
        unsafe {
            assert_eq!(slabs.free_objects(cache, &again), Ok(()));
            assert_eq!(slabs.destroy(cache), Ok(()));
        }
        assert_eq!(MADE.get(), 0);
    });
}

/// Also where an object is at hand.
#[test]
fn flags_that_contradict_each_other_are_refused() {
    with_slabs::<1>(256, |slabs| {
        let cache = slabs.create("flags", 100, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let nofail = KERNEL | Gfp::__GFP_NOFAIL;
        let at_hand = [
            slabs.take_object(cache, nofail).unwrap(),
            slabs.kmalloc(100, nofail).unwrap(),
            slabs.kzalloc(100, nofail).unwrap(),
        ];
        for flags in [Gfp::__GFP_NORETRY, Gfp::__GFP_RETRY_MAYFAIL] {
            let error = GfpError::NofailGivesUp { flags: flags | Gfp::__GFP_NOFAIL };
            let error = AllocError::flags(error);
            let gfp = nofail | flags;
            assert_eq!(slabs.take_object(cache, gfp), Err(error));
            assert_eq!(slabs.take_objects(cache, gfp, &mut [VirtAddr::new(0); 3]), Err(error));
            assert_eq!([slabs.kmalloc(100, gfp), slabs.kzalloc(100, gfp)], [Err(error); 2]);
        }
        let atomic = Gfp::GFP_ATOMIC | Gfp::__GFP_NOFAIL;
        let error = AllocError::flags(GfpError::NofailCannotWait);
        assert_eq!([slabs.take_object(cache, atomic), slabs.kmalloc(9, atomic)], [Err(error); 2]);
        for object in at_hand {
            // SAFETY: it was taken above, and nobody looks at it.
            assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
        }
        assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
    });
}

#[test]
fn many_at_once_are_all_or_none() {
    with_slabs::<1>(256, |slabs| {
        let cache = slabs.create("bulk", 600, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        for count in [0, 1, 5, 6, 7, 32, 333] {
            let mut objects = vec![VirtAddr::new(0); count];
            slabs.take_objects(cache, KERNEL, &mut objects).unwrap();
            assert_eq!(slabs.objects_out(cache), count as u32);
            let mut sorted = objects.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), count);
            // SAFETY: the test's.
            assert_eq!(unsafe { slabs.free_objects(cache, &objects) }, Ok(()));
            assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
        }
        let mut too_many = vec![VirtAddr::new(0); 4000];
        assert!(slabs.take_objects(cache, KERNEL | Gfp::__GFP_NOWARN, &mut too_many).is_err());
        assert_eq!((slabs.objects_out(cache), slabs.validate()), (0, Ok(())));
        assert!(slabs.memory().told().is_empty());
        // One that is no object is refused, and the others are not.
        let mut objects = vec![VirtAddr::new(0); 9];
        slabs.take_objects(cache, KERNEL, &mut objects).unwrap();
        let wrong = VirtAddr::new(objects[3].as_u32() + 8);
        objects.insert(3, wrong);
        // SAFETY: the test's, but for one that is nobody's.
        let given = unsafe { slabs.free_objects(cache, &objects) };
        assert_eq!(given.map_err(|error| error.object), Err(wrong));
        assert_eq!((slabs.objects_out(cache), slabs.memory().told().len()), (0, 1));
    });
}

#[test]
fn sizes_are_those_of_the_classes() {
    with_slabs::<1>(4096, |slabs| {
        let mut below = 0;
        for class in CLASSES {
            for size in [below + 1, class - 1, class] {
                let object = slabs.kmalloc(size, KERNEL).unwrap();
                assert_eq!(slabs.ksize(object), Some(class), "{size}");
                let align = if class.is_power_of_two() { class.min(4096) } else { 64 };
                assert!(object.is_aligned(align), "{size}: {object}");
                assert_eq!(slabs.ksize(VirtAddr::new(object.as_u32() + 8)), None);
                // SAFETY: the test's.
                assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
                assert_eq!(slabs.ksize(object), None);
            }
            below = class;
        }
        for (size, pages) in [(8193, 4), (16384, 4), (16385, 8), (1 << 20, 256), (4 << 20, 1024)] {
            let object = slabs.kmalloc(size, KERNEL).unwrap();
            assert_eq!(slabs.ksize(object), Some(pages * 4096));
            // SAFETY: the test's.
            assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
        }
        assert_eq!(slabs.kmalloc(0, KERNEL), Ok(ZERO_SIZE));
        assert_eq!(slabs.ksize(ZERO_SIZE), Some(0));
    });
}

#[test]
fn arrays_that_overflow_are_refused() {
    with_slabs::<1>(256, |slabs| {
        for (count, size, pages) in
            [(0x1_0000, 0x1_0001, 0x10_0010), (u32::MAX, u32::MAX, u32::MAX)]
        {
            let error = Err(AllocError::too_large(pages));
            assert_eq!(slabs.kmalloc_array(count, size, KERNEL), error);
            assert_eq!(slabs.kcalloc(count, size, KERNEL), error);
        }
        let array = slabs.kcalloc(100, 30, KERNEL).unwrap();
        assert!(slabs.memory().is_filled(array, 3000, 0));
        let copy = slabs.kmemdup(&[7; 300], KERNEL).unwrap();
        assert!(slabs.memory().is_filled(copy, 300, 7));
        assert_eq!(slabs.kmemdup(&[], KERNEL), Ok(ZERO_SIZE));
    });
}

#[test]
fn another_size_keeps_what_was_there() {
    with_slabs::<1>(1024, |slabs| {
        // SAFETY: the test's, which uses only what it was given last.
        let resize = |old, size| unsafe { slabs.krealloc(old, size, KERNEL) };
        let object = resize(VirtAddr::new(0), 40).unwrap();
        slabs.memory().fill_object(object, 64, 9);
        assert_eq!(resize(object, 64), Ok(object));
        assert_eq!(resize(object, 1), Ok(object));
        let larger = resize(object, 65).unwrap();
        assert_ne!(larger, object);
        assert!(slabs.memory().is_filled(larger, 64, 9));
        assert_eq!(slabs.ksize(object), None);
        let huge = resize(larger, 100_000).unwrap();
        assert!(slabs.memory().is_filled(huge, 64, 9));
        let error = ReallocError::NoMemory(AllocError::too_large(1025));
        assert_eq!(resize(huge, (4 << 20) + 1), Err(error));
        assert!(slabs.memory().is_filled(huge, 64, 9));
        assert_eq!(resize(huge, 0), Ok(ZERO_SIZE));
        assert_eq!(slabs.ksize(huge), None);
        let small = resize(VirtAddr::new(0), 40).unwrap();
        // SAFETY: as above.
        let emptied = unsafe { slabs.krealloc(small, 0, KERNEL | Gfp::__GFP_HIGHMEM) };
        assert_eq!((emptied, slabs.ksize(small)), (Ok(ZERO_SIZE), None));
        assert!(matches!(resize(larger, 10), Err(ReallocError::NotGiven(_))));
        let report = format!("BUG: krealloc of {larger}, where no memory begins");
        assert_eq!(slabs.memory().told(), [report]);
        assert!(matches!(resize(ZERO_SIZE, 10), Ok(object) if object != ZERO_SIZE));
    });
}

#[test]
fn lowmem_may_begin_below_the_first_frame() {
    use super::super::test_machine::{Arena, FIRST};
    use super::super::{SlabAllocator, SlabOptions};
    use crate::addr::{Pfn, PhysRange, VirtAddr};
    use crate::map::linear::LinearMap;

    let arena = Arena::new(256);
    let pages = arena.pages::<1>();
    // The map covers a MiB more at either end.
    let [start, end] = [FIRST - 256, FIRST + 512].map(|pfn| Pfn::new(pfn).start());
    let linear = LinearMap::new(VirtAddr::new(0xc000_0000 - (1 << 20)), PhysRange::new(start, end));
    let mut place = Box::new(std::mem::MaybeUninit::uninit());
    let slabs = SlabAllocator::new_in(&mut place, &pages, linear, SlabOptions::default()).unwrap();
    let object = slabs.kmalloc(100, KERNEL).unwrap();
    assert!(object.as_u32() > 0xc000_0000);
    // SAFETY: the test's.
    assert_eq!(unsafe { slabs.kfree(object) }, Ok(()));
    assert_eq!(slabs.validate(), Ok(()));
}
