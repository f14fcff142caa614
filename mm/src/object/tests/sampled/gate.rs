//! Which requests are sampled: one an interval, none when it is off, and the quick paths know nothing of it.

use super::super::super::test_machine::{with_options, with_slabs};
use super::*;
use crate::fault::FailConfig;
use crate::kfence::{BeginError, GateState, Pool};
use crate::object::SlabOptions;

/// Ticks from one opening to the next.
const INTERVAL: u32 = 25;

fn is_of_pool<const CPUS: usize>(
    slabs: &SlabAllocator<'_, '_, Machine, CPUS>,
    object: VirtAddr,
) -> bool {
    slabs.kfence_pool().object_at(object).is_some()
}

/// Takes and gives back an object, and says whether it was one of the pool.
fn pair(slabs: &Slabs<'_, '_>, cache: &KmemCache<1>) -> bool {
    let object = slabs.take_object(cache, KERNEL).unwrap();
    give(slabs, cache, object).unwrap();
    is_of_pool(slabs, object)
}

#[test]
fn one_request_an_interval() {
    with_slabs(PAGES, |slabs: &Slabs<'_, '_>| {
        begin_sampling(slabs, OBJECTS, INTERVAL);
        let cache = cache_of(slabs, 32);
        pair(slabs, cache);
        let mut sampled = Vec::new();
        for now in 1..=200 {
            slabs.memory().set_now(now);
            slabs.tick();
            let of_pool = (0..50).filter(|_| pair(slabs, cache)).count();
            assert!(of_pool <= 1, "{of_pool} at {now}");
            // With the request after it the current slab is back, and the quick path finds that.
            assert!(cache.cpu[0].current().is_some());
            if of_pool == 1 {
                sampled.push(now);
            }
        }
        assert_eq!(sampled, [1, 26, 51, 76, 101, 126, 151, 176]);
        assert_eq!(slabs.kfence_figures().taken, 8);
        check(slabs);
    });
}

/// A gate that nobody came by opens for one request, whenever that comes.
#[test]
fn nothing_is_saved_up() {
    with_slabs(PAGES, |slabs: &Slabs<'_, '_>| {
        begin_sampling(slabs, OBJECTS, INTERVAL);
        let cache = cache_of(slabs, 32);
        for now in 1..500 {
            slabs.memory().set_now(now);
            slabs.tick();
        }
        assert_eq!(slabs.kfence_figures().gate, GateState::Open);
        assert_eq!((0..100).filter(|_| pair(slabs, cache)).count(), 1);
        assert_eq!(slabs.kfence_figures().gate, GateState::Closed);
        check(slabs);
    });
}

#[test]
fn off_it_takes_nothing() {
    with_slabs(PAGES, |slabs: &Slabs<'_, '_>| {
        let cache = cache_of(slabs, 32);
        let run = || {
            for now in 1..200 {
                slabs.memory().set_now(now);
                slabs.tick();
                assert!(!pair(slabs, cache));
                assert!(cache.cpu[0].current().is_some(), "a current slab was given up");
            }
        };
        // Without a pool, also if somebody asks for it; with one whose interval is 0.
        run();
        slabs.set_sample_interval(1);
        slabs.sample_next(cache);
        run();
        assert_eq!(slabs.kfence_figures().gate, GateState::Off);
        begin_sampling(slabs, OBJECTS, 0);
        run();
        slabs.set_sample_interval(1);
        slabs.set_sample_interval(0);
        run();
        assert_eq!(slabs.kfence_figures().taken, 0);
        check(slabs);
    });
}

/// Every cache that is used has its turn, and one that is not costs no turn more.
#[test]
fn caches_take_turns() {
    with_slabs(1024, |slabs: &Slabs<'_, '_>| {
        begin_sampling(slabs, OBJECTS, 1);
        let make = |name| slabs.create(name, 40, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let used = ["one", "two", "three", "four"].map(make);
        let idle = ["five", "six"].map(make);
        idle.iter().for_each(|cache| _ = pair(slabs, cache));
        let mut counts = [0; 4];
        for now in 1..=400 {
            slabs.memory().set_now(now);
            slabs.tick();
            for (count, cache) in counts.iter_mut().zip(used) {
                *count += (0..10).filter(|_| pair(slabs, cache)).count();
            }
        }
        // The first rounds go to caches that boot or the test used once.
        assert!(counts.iter().all(|count| (90..=110).contains(count)), "{counts:?}");
        check(slabs);
    });
}

/// Every CPU does its part once for each opening, and one request is sampled, on whichever CPU.
#[test]
fn one_request_of_all_cpus() {
    with_slabs(1024, |slabs: &SlabAllocator<'_, '_, Machine, 4>| {
        begin_sampling(slabs, OBJECTS, INTERVAL);
        let cache = slabs.create("sampled", 32, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let mut by_cpu = [0; 4];
        for now in 1..=INTERVAL * 40 {
            slabs.memory().set_now(now);
            for turn in 0..4 {
                let cpu = (turn + now as usize / 25) % 4;
                slabs.memory().set_cpu(cpu);
                slabs.tick();
                for _ in 0..5 {
                    let object = slabs.take_object(cache, KERNEL).unwrap();
                    by_cpu[cpu] += u32::from(is_of_pool(slabs, object));
                    // SAFETY: it was just taken.
                    unsafe { slabs.free_object(cache, object) }.unwrap();
                }
            }
        }
        assert_eq!(by_cpu.iter().sum::<u32>(), 40);
        assert!(by_cpu.iter().all(|count| *count > 0), "{by_cpu:?}");
        assert_eq!(slabs.validate(), Ok(()));
    });
}

/// What does not fit, what only devices reach, and the allocator's own books are served as ever. The gate waits.
#[test]
fn some_requests_are_none() {
    with_slabs(1024, |slabs: &Slabs<'_, '_>| {
        begin_sampling(slabs, OBJECTS, 0);
        slabs.sampler.open();
        let large = cache_of(slabs, PAGE_SIZE + 1);
        assert!(!pair(slabs, large));
        for (size, gfp) in [(8192, KERNEL), (64, Gfp::GFP_DMA), (100_000, KERNEL)] {
            let object = slabs.kmalloc(size, gfp).unwrap();
            assert!(!is_of_pool(slabs, object), "{size}");
            // SAFETY: it was just taken.
            unsafe { slabs.kfree(object) }.unwrap();
        }
        assert!(slabs.kfence_figures().skipped_unfit >= 3);
        // The cache of a new cache is one as well.
        let cache = slabs.create("small", 8, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        assert!(!is_of_pool(slabs, VirtAddr::new(slabs.address_of(cache))));
        assert!(pair(slabs, cache) && !pair(slabs, cache));
        check(slabs);
    });
}

/// A request that is to fail does so before anybody looks at the gate. A cache whose requests may fail, and one with
/// debugging, is sampled all the same.
#[test]
fn watched_caches_are_sampled() {
    let mut options = SlabOptions::default();
    options.read_debug(Some("FZPU,sampled"), |bad| panic!("{bad}"));
    for options in [SlabOptions::default(), options] {
        with_options(PAGES, options, |slabs: &Slabs<'_, '_>| {
            begin_sampling(slabs, OBJECTS, 0);
            let cache = cache_of(slabs, 32);
            slabs.inject_failures(FailConfig::nth(1));
            slabs.sample_next(cache);
            assert!(slabs.take_object(cache, KERNEL | Gfp::__GFP_NOWARN).is_err());
            assert!(pair(slabs, cache) && !pair(slabs, cache));
            slabs.inject_failures(FailConfig::OFF);
            slabs.sample_next(cache);
            let object = slabs.take_object(cache, KERNEL).unwrap();
            assert!(is_of_pool(slabs, object));
            assert_eq!(slabs.live_objects(cache).collect::<Vec<_>>(), [object]);
            give(slabs, cache, object).unwrap();
            check(slabs);
        });
    }
}

#[test]
fn there_is_one_pool() {
    with_slabs(PAGES, |slabs: &Slabs<'_, '_>| {
        let start = plus(slabs.lowmem_pages().next().unwrap().0, PAGE_SIZE as i32);
        let begin = |pool| {
            // SAFETY: it is refused.
            unsafe { slabs.begin_sampling(pool, 1, 0) }
        };
        for pool in [
            Pool::new(start, 0),
            Pool::new(start, Pool::MOST_OBJECTS + 1),
            Pool::new(plus(start, 8), 4),
            Pool::new(VirtAddr::new(0x1000), 4),
            // It is a slab's.
            Pool::new(VirtAddr::new(slabs.address_of(slabs.root())).align_down(PAGE_SIZE), 300),
        ] {
            assert_eq!(begin(pool), Err(BeginError::Pool { pool }));
        }
        begin_sampling(slabs, OBJECTS, 1);
        assert_eq!(begin(Pool::new(start, 4)), Err(BeginError::Begun));
        check(slabs);
    });
}
