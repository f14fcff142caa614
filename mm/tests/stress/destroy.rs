//! Caches that end while other CPUs look at them, by as many threads as there are CPUs.
//!
//! A CPU that has given up all objects of a cache still keeps slabs of it, and comes by it at each tick, until
//! the cache is gone. What was a cache's memory is somebody else's then, who fills it: who still looks there
//! finds no cache.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, RwLock};
use std::thread;

use mm::addr::{Order, VirtAddr};
use mm::object::{Busy, CacheRef, SlabFlags, SlabOptions};
use mm::platform::Platform;
use mm::zone::Gfp;

use crate::arena::{Arena, ArenaMachine};
use crate::machine::become_cpu;
use crate::objects::{Pages, Slabs};
use crate::pages::Random;

const CPUS: usize = 4;
/// Far more than other CPUs need for a tick.
const ROUNDS_TO_WAIT: u32 = 1 << 22;
/// Caches that live at the same time: more than are cut from one slab.
const CACHES: usize = 24;

/// Where CPUs wait for each other; not for one that has failed.
#[derive(Default)]
struct Meeting {
    come: AtomicUsize,
    has_failed: AtomicBool,
}

impl Meeting {
    fn check(&self) {
        assert!(!self.has_failed.load(Relaxed), "another CPU has failed");
    }

    fn wait(&self) {
        let all = (self.come.fetch_add(1, SeqCst) / CPUS + 1) * CPUS;
        while self.come.load(SeqCst) < all {
            self.check();
            thread::yield_now();
        }
    }
}

/// A CPU that says so when it fails.
struct Attendant<'m>(&'m Meeting);

impl Drop for Attendant<'_> {
    fn drop(&mut self) {
        self.0.has_failed.fetch_or(thread::panicking(), Relaxed);
    }
}

/// An allocator of which all pages are back in the end.
struct Machine<'s, 'p, 'a> {
    slabs: &'s Slabs<'p, 'a, CPUS>,
    pages: &'p Pages<'a, CPUS>,
    /// Other CPUs are at work.
    is_on: AtomicBool,
}

fn with_slabs(test: impl FnOnce(&Machine<'_, '_, '_>)) {
    let arena = Arena::new(2048);
    let pages = arena.pages::<CPUS>();
    let mut place = Box::new(MaybeUninit::uninit());
    become_cpu(0);
    let slabs = Slabs::new_in(&mut place, &pages, arena.linear(), SlabOptions::default()).unwrap();
    // No number that divides the steps of a turn.
    pages.platform().interrupt_every(499);
    let machine = Machine { slabs, pages: &pages, is_on: AtomicBool::new(true) };
    let before = machine.free_pages();
    test(&machine);
    let after = machine.free_pages();
    assert_eq!(slabs.validate(), Ok(()));
    assert_eq!(pages.validate(), Ok(()));
    assert_eq!(after, before, "pages that are still somebody's");
    assert_eq!(machine.platform().told(), Vec::<String>::new());
}

impl Machine<'_, '_, '_> {
    fn platform(&self) -> &ArenaMachine {
        self.pages.platform()
    }

    /// Pages that are free when every CPU has given up what it can. No other thread runs.
    fn free_pages(&self) -> u64 {
        for _ in 0..2 {
            for cpu in 0..CPUS {
                become_cpu(cpu);
                self.slabs.tick();
                self.slabs.shrink_all();
                self.pages.drain();
            }
        }
        become_cpu(0);
        self.pages.figures().free()
    }

    /// Takes pages and fills them, so that nothing is left of what lay there.
    fn fill_free_pages(&self) {
        self.slabs.shrink_all();
        let gfp = Gfp::GFP_NOWAIT | Gfp::__GFP_NOWARN;
        let take = |order| Some((self.pages.alloc_raw(gfp, order).ok()?, order));
        // Slabs are no larger.
        let orders = Order::all().take(4).flat_map(|order| [order; 16]);
        for (pfn, order) in orders.filter_map(take).collect::<Vec<_>>() {
            self.platform().fill(pfn, order, 0xff);
            // SAFETY: 1. it was taken above; 2. nobody looks at it.
            unsafe { self.pages.free_raw(pfn, order) }.unwrap();
        }
    }

    /// A CPU that has nothing to do: as many ticks as it can have.
    fn tick_until_off(&self, cpu: usize) {
        become_cpu(cpu);
        while self.is_on.load(Relaxed) {
            self.slabs.tick();
            thread::yield_now();
        }
    }
}

/// What the other CPUs do ends with it.
struct Off<'m>(&'m AtomicBool);

impl Drop for Off<'_> {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

/// Caches of many sizes; every third one is watched, so that its slabs are no CPU's.
fn create<'s>(slabs: &'s Slabs<'_, '_, CPUS>, number: usize) -> CacheRef<'s, CPUS> {
    let size = [16, 64, 200, 1000, 3000][number % 5];
    let watched = SlabFlags::SLAB_RED_ZONE | SlabFlags::SLAB_CONSISTENCY_CHECKS;
    let flags = if number.is_multiple_of(3) { watched } else { SlabFlags::empty() };
    slabs.create("short-lived", size, 0, flags | SlabFlags::SLAB_NO_MERGE, None).unwrap()
}

/// What one CPU does to the caches of a round: takes objects, and frees what the CPU before it took.
fn take_and_free(
    machine: &Machine<'_, '_, '_>,
    caches: &[CacheRef<'_, CPUS>],
    cpu: usize,
    shelves: &[Mutex<Vec<(usize, VirtAddr)>>],
    meeting: &Meeting,
) {
    let slabs = machine.slabs;
    let mut random = Random(0xde57 + cpu as u64);
    let free = |(cache, object): (usize, VirtAddr)| {
        // SAFETY: 1. it came from there, and was laid on a shelf once; 2. nobody looks at it; 3. there is no
        // constructor.
        unsafe { slabs.free_object(caches[cache], object) }.unwrap();
    };
    for turn in 0..150 {
        let cache = random.below(caches.len());
        let object = slabs.take_object(caches[cache], Gfp::GFP_NOWAIT).unwrap();
        shelves[cpu].lock().unwrap().push((cache, object));
        if turn % 3 == 0 {
            let from = shelves[random.below(CPUS)].lock().unwrap().pop();
            from.into_iter().for_each(free);
        }
    }
    meeting.wait();
    let rest = std::mem::take(&mut *shelves[(cpu + 1) % CPUS].lock().unwrap());
    rest.into_iter().for_each(free);
}

/// Two CPUs destroy caches whose objects all four had, while the others have ticks. Each cache goes at the first
/// try, and with it all its pages.
#[test]
fn caches_end_while_other_cpus_have_their_ticks() {
    with_slabs(|machine| {
        let slabs = machine.slabs;
        machine.platform().set_patience(ROUNDS_TO_WAIT);
        let meeting = &Meeting::default();
        let round = &RwLock::new(Vec::<CacheRef<'_, CPUS>>::new());
        let shelves: &Vec<_> = &(0..CPUS).map(|_| Mutex::new(Vec::new())).collect();
        let destroying = &AtomicU32::new(0);
        let destroy = |cache| {
            slabs.shrink(cache);
            // SAFETY: 1. it was created once, and goes once; 2. and 3. whoever had its objects has given them back.
            assert_eq!(unsafe { slabs.destroy(cache) }, Ok(()));
        };
        let run = |cpu: usize| {
            become_cpu(cpu);
            let _attendant = Attendant(meeting);
            for _ in 0..150 {
                if cpu == 0 {
                    *round.write().unwrap() =
                        (0..CACHES).map(|number| create(slabs, number)).collect();
                    destroying.store(2, Relaxed);
                }
                meeting.wait();
                let caches = round.read().unwrap().clone();
                take_and_free(machine, &caches, cpu, shelves, meeting);
                meeting.wait();
                match cpu {
                    0 => caches.iter().for_each(|cache| destroy(cache)),
                    1 => (0..CACHES).for_each(|number| destroy(create(slabs, number))),
                    _ => {}
                }
                if cpu < 2 {
                    machine.fill_free_pages();
                    destroying.fetch_sub(1, Relaxed);
                }
                while destroying.load(Relaxed) > 0 {
                    meeting.check();
                    slabs.tick();
                    if cpu == 3 {
                        slabs.shrink_all();
                        let _ = slabs.totals();
                    }
                }
                meeting.wait();
            }
        };
        thread::scope(|scope| (0..CPUS).for_each(|cpu| drop(scope.spawn(move || run(cpu)))));
    });
}

/// One object of each CPU is still out: the cache stays, and they are named, while other caches' slabs come and
/// go around them.
#[test]
fn a_cache_whose_objects_are_out_says_which() {
    with_slabs(|machine| {
        let slabs = machine.slabs;
        let cache = slabs.create("leaky", 100, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let other = slabs.create("other", 2000, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let free = |cache, object| {
            // SAFETY: 1. the test took it; 2. nobody looks at it; 3. there is no constructor.
            unsafe { slabs.free_object(cache, object) }.unwrap();
        };
        let take = |cache| slabs.take_object(cache, Gfp::GFP_NOWAIT).unwrap();
        let mut out: Vec<VirtAddr> = (0..CPUS)
            .map(|cpu| {
                become_cpu(cpu);
                let all: Vec<_> = (0..200).map(|_| take(cache)).collect();
                // The next CPU frees them.
                become_cpu((cpu + 1) % CPUS);
                all[1..].iter().for_each(|object| free(cache, *object));
                all[0]
            })
            .collect();
        out.sort_unstable();
        thread::scope(|scope| {
            scope.spawn(|| machine.tick_until_off(1));
            for cpu in 2..CPUS {
                scope.spawn(move || {
                    become_cpu(cpu);
                    while machine.is_on.load(Relaxed) {
                        let all: Vec<_> = (0..32).map(|_| take(other)).collect();
                        all.into_iter().for_each(|object| free(other, object));
                        slabs.tick();
                        slabs.shrink_all();
                        machine.fill_free_pages();
                    }
                });
            }
            become_cpu(0);
            let _off = Off(&machine.is_on);
            for _ in 0..150 {
                // They may have no tick in this time.
                machine.platform().set_patience(50);
                // SAFETY: 1. it was created once; 2. it is not destroyed; 3. nobody else uses it.
                let busy = unsafe { slabs.destroy(cache) }.unwrap_err();
                assert_eq!(busy.objects, out.len() as u32);
                assert!(slabs.live_objects(cache).eq(out.iter().copied()));
                let told = machine.platform().told();
                assert!(matches!(&told[..], [line] if line.contains("leaky")), "{told:?}");
            }
            // All but those slabs go, when each CPU has had its tick.
            let rest = Busy { objects: CPUS as u32, slabs: CPUS as u32 };
            // SAFETY: as above.
            assert!((0..10_000).any(|_| unsafe { slabs.destroy(cache) } == Err(rest)));
            machine.platform().told();
            out.iter().for_each(|object| free(cache, *object));
            machine.platform().set_patience(ROUNDS_TO_WAIT);
            // SAFETY: 1. and 3. as above; 2. all its objects are back.
            assert_eq!(unsafe { slabs.destroy(cache) }, Ok(()));
        });
        for cpu in (0..CPUS).rev() {
            become_cpu(cpu);
            slabs.shrink(other);
        }
        // SAFETY: 1. it was created once; 2. and 3. the others have ended, and all its objects are back.
        assert_eq!(unsafe { slabs.destroy(other) }, Ok(()));
    });
}
