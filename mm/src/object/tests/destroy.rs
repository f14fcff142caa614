//! What others do with caches while one of them ends.
#![expect(unsafe_code, reason = "caches are destroyed, and objects given back by their address")]

use super::super::test_machine::{Machine, with_slabs};
use super::super::{CacheRef, KmemCache, SlabAllocator, SlabFlags};
use crate::addr::{Order, VirtAddr};
use crate::platform::{Answer, Platform};
use crate::zone::Gfp;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const ALONE: SlabFlags = SlabFlags::SLAB_NO_MERGE;

/// Fills all free pages.
fn fill_free_pages<const CPUS: usize>(slabs: &SlabAllocator<'_, '_, Machine, CPUS>) {
    slabs.shrink_all();
    let take = || slabs.pages.alloc_raw(Gfp::GFP_NOWAIT | Gfp::__GFP_NOWARN, Order::ZERO).ok();
    for pfn in std::iter::from_fn(take).collect::<Vec<_>>() {
        slabs.memory().fill(pfn, Order::ZERO, 0xff);
        // SAFETY: 1. it was taken above; 2. nobody looks at it.
        unsafe { slabs.pages.free_raw(pfn, Order::ZERO) }.unwrap();
    }
}

/// Destroys a cache of which no object is out.
fn destroy<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    cache: CacheRef<'_, CPUS>,
) {
    // SAFETY: 1. the test made it once, and destroys it once; 2. it goes on to use only what
    // a walk gives it; 3. there is one thread.
    assert_eq!(unsafe { slabs.destroy(cache) }, Ok(()));
}

/// A tick that interrupts a destroyer on another CPU is such a walk.
#[test]
fn caches_may_be_destroyed_while_all_are_walked() {
    with_slabs::<1>(256, |slabs| {
        let names = ["first", "second", "third", "fourth"];
        let made = names.map(|name| slabs.create(name, 100, 0, ALONE, None).unwrap());
        let root = slabs.root();
        let (out, count) = (slabs.objects_out(root), slabs.caches().count());
        let name = |cache: &KmemCache<1>| cache.name().as_str().to_owned();
        let mut outer = slabs.caches();
        assert_eq!(outer.next().map(name).as_deref(), Some("fourth"));
        let mut inner = slabs.caches();
        let third = inner.nth(1).unwrap();
        made[1..].iter().for_each(|cache| destroy(slabs, cache));
        fill_free_pages(slabs);
        // It is still there for who stands at it, and so is what came behind it when it went.
        assert_eq!(name(third), "third");
        assert!(inner.next().is_some());
        drop(inner);
        fill_free_pages(slabs);
        assert!(outer.any(|cache| name(cache) == "first"));
        assert_eq!(slabs.caches().count(), count - 3);
        assert_eq!(slabs.objects_out(root), out, "the walk has not ended");
        drop(outer);
        assert_eq!(slabs.objects_out(root), out - 3);
        destroy(slabs, made[0]);
        assert_eq!(slabs.objects_out(root), out - 4);
        assert_eq!(slabs.validate(), Ok(()));
    });
}

/// While the last name of a cache goes, and the destroyer waits for other CPUs, somebody wants a cache like it.
#[test]
fn a_cache_that_is_about_to_go_gets_no_new_name() {
    with_slabs::<2>(256, |slabs| {
        let old = slabs.create("old", 100, 0, SlabFlags::empty(), None).unwrap();
        slabs.memory().set_cpu(1);
        let object = slabs.take_object(old, KERNEL).unwrap();
        // SAFETY: 1. to 3. it was taken above.
        assert_eq!(unsafe { slabs.free_object(old, object) }, Ok(()));
        slabs.memory().set_cpu(0);
        let made = std::cell::Cell::new(None::<VirtAddr>);
        let other_cpus = |_: &_| {
            let new = slabs.create("new", 100, 0, SlabFlags::empty(), None).unwrap();
            assert!(!std::ptr::eq(old, new));
            made.set(Some(slabs.take_object(new, KERNEL).unwrap()));
            slabs.memory().set_cpu(1);
            slabs.tick();
            slabs.memory().set_cpu(0);
            Answer::Retry
        };
        slabs.memory().with_waits(other_cpus, || destroy(slabs, old));
        let new = slabs.caches().find(|cache| cache.name().as_str() == "new").unwrap();
        assert!(slabs.live_objects(new).eq(made.get()));
    });
}
