//! Slabs that nobody needs go back: without a lock held, and not all at once.
#![expect(unsafe_code, reason = "caches are destroyed, and objects given back by their address")]

use std::cell::Cell;
use std::ptr::NonNull;

use super::super::test_machine::{Machine, are_masked, with_slabs};
use super::super::{CacheRef, SlabAllocator, SlabFlags};
use crate::addr::VirtAddr;
use crate::platform::{Answer, Shortage};
use crate::sync::watch;
use crate::zone::Gfp;

thread_local! {
    /// Objects that were taken apart; and those of them while interrupts were masked.
    static ENDED: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

unsafe extern "C" fn end(_: NonNull<u8>) {
    assert_eq!(watch::held(), 0, "a destructor runs with a lock held");
    let (all, masked) = ENDED.get();
    ENDED.set((all + 1, masked + u32::from(are_masked())));
}

fn make<'s, const CPUS: usize>(
    slabs: &'s SlabAllocator<'_, '_, Machine, CPUS>,
    flags: SlabFlags,
) -> CacheRef<'s, CPUS> {
    ENDED.set((0, 0));
    let flags = flags | SlabFlags::SLAB_NO_MERGE;
    slabs.create_with("ends", 1000, 0, flags, None, Some(end)).unwrap()
}

fn take<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    cache: CacheRef<'_, CPUS>,
    slab_count: u32,
) -> Vec<VirtAddr> {
    let objects = slab_count * cache.geometry().objects(cache.geometry().order);
    (0..objects).map(|_| slabs.take_object(cache, Gfp::GFP_KERNEL).unwrap()).collect()
}

fn give<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    cache: CacheRef<'_, CPUS>,
    objects: &[VirtAddr],
) {
    for object in objects {
        // SAFETY: 1. the test took it once; 2. and forgets it; 3. no constructor.
        assert_eq!(unsafe { slabs.free_object(cache, *object) }, Ok(()));
    }
}

/// Each slab of a guarded cache is found to be empty under the lock.
#[test]
fn a_guarded_cache_ends_its_objects_without_its_lock() {
    with_slabs::<1>(512, |slabs| {
        let cache = make(slabs, SlabFlags::SLAB_CONSISTENCY_CHECKS);
        let objects = take(slabs, cache, 20);
        give(slabs, cache, &objects);
        let (ended, masked) = ENDED.get();
        assert!(ended > 0 && masked == 0, "{ended} {masked}");
        slabs.shrink(cache);
        assert_eq!(ENDED.get(), (objects.len() as u32, 0));
        assert_eq!(slabs.validate(), Ok(()));
    });
}

/// CPU 0 leaves slabs to all; the last objects come back from CPU 1.
#[test]
fn so_do_slabs_that_no_cpu_owns() {
    with_slabs::<2>(512, |slabs| {
        let cache = make(slabs, SlabFlags::empty());
        let objects = take(slabs, cache, 40);
        let (stay, go): (Vec<_>, Vec<_>) =
            objects.iter().enumerate().partition(|(index, _)| index % 8 == 0);
        let values = |part: Vec<(usize, &VirtAddr)>| part.into_iter().map(|(_, at)| *at).collect();
        let (stay, go): (Vec<VirtAddr>, Vec<VirtAddr>) = (values(stay), values(go));
        give(slabs, cache, &go);
        (0..40).for_each(|_| slabs.tick());
        assert_eq!(ENDED.get(), (0, 0));
        slabs.memory().set_cpu(1);
        give(slabs, cache, &stay);
        assert!(ENDED.get().0 > 0);
        assert_eq!(slabs.validate(), Ok(()));
        for cpu in [0, 1] {
            slabs.memory().set_cpu(cpu);
            slabs.shrink(cache);
        }
        assert_eq!((ENDED.get().0, slabs.cache_figures(cache).slabs), (objects.len() as u32, 0));
    });
}

/// Empty slabs lie among others, more than are looked at without a pause.
#[test]
fn a_cache_shrinks_piece_by_piece() {
    for flags in [SlabFlags::empty(), SlabFlags::SLAB_CONSISTENCY_CHECKS] {
        // So much lowmem that all empty slabs are kept.
        with_slabs::<1>(8192, |slabs| {
            let cache = make(slabs, flags);
            let mut objects = take(slabs, cache, 60);
            let per_slab = objects.len() / 60;
            // Of each third slab one object stays, and the others come back from the front and from the end.
            let mut stay = Vec::new();
            for slab in (0..60).step_by(3).rev() {
                stay.push(objects.remove(slab * per_slab));
            }
            give(slabs, cache, &objects);
            assert_eq!(slabs.cache_figures(cache).slabs, 60);
            assert_eq!(slabs.shrink(cache), 40);
            assert_eq!(ENDED.get(), (40 * per_slab as u32, 0), "interrupts were masked");
            assert_eq!((slabs.shrink(cache), slabs.validate()), (0, Ok(())));
            give(slabs, cache, &stay);
            assert_eq!((slabs.shrink(cache), slabs.cache_figures(cache).slabs), (20, 0));
        });
    }
}

/// CPU 1 keeps more slabs than it gives back in one tick, and who ends the cache waits as long as they go.
#[test]
fn a_tick_gives_up_a_few_slabs_of_a_cache_that_ends() {
    with_slabs::<2>(8192, |slabs| {
        let cache = make(slabs, SlabFlags::empty());
        slabs.memory().set_cpu(1);
        let objects = take(slabs, cache, 30);
        give(slabs, cache, &objects);
        slabs.memory().set_cpu(0);
        let most = Cell::new(0);
        let tick = |shortage: &Shortage| {
            if shortage.round > 0 && shortage.freed == 0 {
                return Answer::NobodyCanHelp;
            }
            let before = slabs.cache_figures(cache).slabs;
            slabs.memory().set_cpu(1);
            slabs.tick();
            slabs.memory().set_cpu(0);
            most.set(most.get().max(before - slabs.cache_figures(cache).slabs));
            Answer::Retry
        };
        // SAFETY: 1. it was made once; 2. and 3. nobody uses it.
        let destroyed = slabs.memory().with_waits(tick, || unsafe { slabs.destroy(cache) });
        assert_eq!((destroyed, most.get()), (Ok(()), 8));
        assert_eq!((ENDED.get(), slabs.validate()), ((objects.len() as u32, 0), Ok(())));
    });
}
