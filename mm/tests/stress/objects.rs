//! Objects that pass from hand to hand, by as many threads as there are CPUs.
//!
//! Who has an object has his stamp in each of its words, and finds it there before he gives the object back: so
//! two who have the same one find out, in whichever order they come.

use std::hint::spin_loop;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Barrier, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use mm::addr::VirtAddr;
use mm::object::{CacheRef, KmemCache, SlabAllocator, SlabFlags, SlabOptions};
use mm::zone::{Gfp, PageAllocator};

use crate::arena::{Arena, ArenaMachine};
use crate::machine::become_cpu;
use crate::pages::Random;

pub type Slabs<'p, 'a, const CPUS: usize> = SlabAllocator<'p, 'a, ArenaMachine, CPUS>;
pub type Pages<'a, const CPUS: usize> = PageAllocator<'a, ArenaMachine, CPUS>;

/// Bytes and alignment of the objects of each cache.
const CACHES: [(u32, u32); 6] = [(8, 0), (24, 0), (64, 64), (200, 0), (1000, 128), (5000, 0)];

/// How long two threads try to meet: a time and no number of turns, as in [`lock`](crate::lock).
const TIME: Duration = Duration::from_millis(1000);

/// What is asked for, each as often as it stands here.
const FLAGS: [Gfp; 6] = [
    Gfp::GFP_KERNEL,
    Gfp::GFP_KERNEL,
    Gfp::GFP_ATOMIC,
    Gfp::GFP_NOWAIT,
    Gfp::GFP_KERNEL.union(Gfp::__GFP_ZERO),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_RECLAIMABLE),
];

/// An object that a thread has.
struct Held {
    object: VirtAddr,
    /// Those that it may use, a multiple of 4.
    bytes: u32,
    stamp: u32,
    /// The number of its cache; none if it is `kmalloc`'s.
    cache: Option<usize>,
}

/// An allocator with a cache for each of [`CACHES`].
struct Objects<'s, 'p, 'a, const CPUS: usize> {
    slabs: &'s Slabs<'p, 'a, CPUS>,
    pages: &'p Pages<'a, CPUS>,
    caches: Vec<CacheRef<'s, CPUS>>,
    /// Pages that are free when there are no objects.
    free_pages: u64,
}

/// Runs a test over so many pages, and looks at what it has left.
fn with_objects<const CPUS: usize>(pages: u32, test: impl FnOnce(&Objects<'_, '_, '_, CPUS>)) {
    let arena = Arena::new(pages);
    let pages = arena.pages::<CPUS>();
    let mut place = Box::new(MaybeUninit::uninit());
    become_cpu(0);
    let slabs = Slabs::new_in(&mut place, &pages, arena.linear(), SlabOptions::default()).unwrap();
    let create = |(size, align): &(u32, u32)| {
        let name = format!("test-{size}");
        slabs.create(&name, *size, *align, SlabFlags::SLAB_NO_MERGE, None).unwrap()
    };
    let caches = CACHES.iter().map(create).collect();
    let mut objects = Objects { slabs, pages: &pages, caches, free_pages: 0 };
    objects.free_pages = objects.come_to_rest();
    test(&objects);
    objects.check_end();
}

impl<const CPUS: usize> Objects<'_, '_, '_, CPUS> {
    fn machine(&self) -> &ArenaMachine {
        self.pages.platform()
    }

    /// As each CPU: takes back what is its own, and gives back what nobody needs. How many pages are free.
    fn come_to_rest(&self) -> u64 {
        let each = |act: &dyn Fn()| {
            (0..CPUS).for_each(|cpu| {
                become_cpu(cpu);
                act();
            });
        };
        each(&|| self.slabs.tick());
        each(&|| {
            self.slabs.shrink_all();
        });
        each(&|| {
            self.pages.tick();
            self.pages.drain();
        });
        self.pages.figures().free()
    }

    /// The threads have ended.
    fn check_end(&self) {
        assert_eq!(self.slabs.validate(), Ok(()));
        let free_pages = self.come_to_rest();
        assert_eq!(self.machine().told(), Vec::<String>::new());
        assert_eq!(self.slabs.validate(), Ok(()));
        assert_eq!(self.pages.validate(), Ok(()));
        for cache in &self.caches {
            assert_eq!(self.slabs.objects_out(cache), 0, "{}", cache.name().as_str());
        }
        let kept = self.free_pages - free_pages;
        assert_eq!(kept, 0, "pages that are still somebody's");
    }

    /// Takes an object of a cache, or so many bytes, and writes the stamp there.
    fn take(&self, what: Result<usize, u32>, gfp: Gfp, stamp: u32) -> Option<Held> {
        let gfp = gfp | Gfp::__GFP_NOWARN;
        let (object, bytes) = match what {
            // The cache says what its pages are like.
            Ok(cache) => {
                let gfp = gfp - Gfp::__GFP_RECLAIMABLE;
                (self.slabs.take_object(self.caches[cache], gfp), CACHES[cache].0)
            }
            Err(bytes) => (self.slabs.kmalloc(bytes, gfp), bytes / 4 * 4),
        };
        let object = object.ok()?;
        for word in self.machine().words(object, bytes) {
            let found = word.swap(stamp, Relaxed);
            assert!(!gfp.wants_zero() || found == 0, "{object} is {found:#x}'s, and not zero");
        }
        Some(Held { object, bytes, stamp, cache: what.ok() })
    }

    /// Gives an object back.
    fn free(&self, held: &Held) {
        let Held { object, stamp, .. } = *held;
        for word in self.machine().words(object, held.bytes) {
            let found = word.swap(0, Relaxed);
            assert_eq!(found, stamp, "{object} of {stamp:#x} has become {found:#x}'s");
        }
        // SAFETY: 1. it came from there, and whoever has it has it alone; 2. and forgets it; 3. no cache here
        // has a constructor.
        let given = unsafe {
            match held.cache {
                Some(cache) => self.slabs.free_object(self.caches[cache], object),
                None => self.slabs.kfree(object),
            }
        };
        assert_eq!(given, Ok(()));
    }
}

/// What a CPU does.
const KINDS: usize = 7;
/// When it has so many objects it gives up half of them.
const MOST_HELD: usize = 400;

/// One CPU, what it has, and ways to the others.
struct Cpu<'o, 's, 'p, 'a, const CPUS: usize> {
    objects: &'o Objects<'s, 'p, 'a, CPUS>,
    random: Random,
    stamp: u32,
    held: Vec<Held>,
    others: Vec<Sender<Held>>,
    given: Receiver<Held>,
    /// Operations of each kind that did what they are for.
    done: [u32; KINDS],
}

impl<const CPUS: usize> Cpu<'_, '_, '_, '_, CPUS> {
    fn run(mut self, operations: u32) -> [u32; KINDS] {
        for _ in 0..operations {
            self.operate();
            if self.held.len() > MOST_HELD {
                self.give_up_half();
            }
        }
        self.held.drain(..).for_each(|held| self.objects.free(&held));
        self.others.clear();
        // Until nobody can send any more.
        while let Ok(held) = self.given.recv() {
            self.objects.free(&held);
        }
        self.objects.slabs.tick();
        self.objects.slabs.shrink_all();
        self.done
    }

    fn operate(&mut self) {
        let (objects, random) = (self.objects, &mut self.random);
        let gfp = FLAGS[random.below(FLAGS.len())];
        let before = self.held.len();
        let kind = match random.below(1000) {
            0..300 => {
                let cache = random.below(CACHES.len());
                self.take(Ok(cache), gfp);
                0
            }
            300..450 => {
                let most = [300, 300, 9000, 40_000][random.below(4)];
                let bytes = 4 + random.below(most) as u32;
                self.take(Err(bytes), gfp);
                1
            }
            450..750 if before > 0 => {
                objects.free(&self.held.swap_remove(random.below(before)));
                2
            }
            750..900 if before > 0 => {
                let held = self.held.swap_remove(random.below(before));
                let _ = self.others[random.below(CPUS)].send(held);
                3
            }
            900..980 => {
                let mut received = 0;
                for held in self.given.try_iter().take(3) {
                    objects.free(&held);
                    received += 1;
                }
                self.done[4] += received;
                return;
            }
            980..995 => {
                objects.slabs.tick();
                5
            }
            995..999 => {
                objects.slabs.shrink(objects.caches[random.below(CACHES.len())]);
                6
            }
            999 => {
                objects.slabs.shrink_all();
                objects.pages.tick();
                6
            }
            _ => return,
        };
        self.done[kind] += u32::from(self.held.len() != before || kind >= 5);
    }

    fn take(&mut self, what: Result<usize, u32>, gfp: Gfp) {
        self.stamp += 1;
        match self.objects.take(what, gfp, self.stamp) {
            Some(held) => self.held.push(held),
            // Memory is short.
            None => {
                self.give_up_half();
                self.objects.slabs.shrink_all();
            }
        }
    }

    fn give_up_half(&mut self) {
        let half = self.held.len() / 2;
        self.held.drain(half..).for_each(|held| self.objects.free(&held));
    }
}

/// Has each CPU do so many operations.
fn all_at_once<const CPUS: usize>(objects: &Objects<'_, '_, '_, CPUS>, operations: u32) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..CPUS).map(|_| channel()).unzip();
    let barrier = Barrier::new(CPUS);
    let done = thread::scope(|scope| {
        let threads = receivers.into_iter().enumerate().map(|(number, given)| {
            let (others, barrier) = (senders.clone(), &barrier);
            scope.spawn(move || {
                become_cpu(number);
                let random = Random(0x0b1e_c700 + number as u64);
                let stamp = (number as u32 + 1) << 24;
                let done = [0; KINDS];
                let cpu = Cpu { objects, random, stamp, held: vec![], others, given, done };
                barrier.wait();
                cpu.run(operations)
            })
        });
        let threads = threads.collect::<Vec<_>>();
        drop(senders);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for kind in 0..KINDS {
        assert!(done.iter().any(|done| done[kind] > 0), "no operation of kind {kind} did anything");
    }
}

#[test]
fn two_cpus_take_and_free_everything_at_once() {
    with_objects::<2>(8192, |objects| all_at_once(objects, 200_000));
}

#[test]
fn four_cpus_take_and_free_everything_at_once() {
    with_objects::<4>(8192, |objects| all_at_once(objects, 100_000));
}

/// So little memory that slabs are given back, and requests fail, all the time.
#[test]
fn two_cpus_take_and_free_when_memory_is_short() {
    with_objects::<2>(512, |objects| all_at_once(objects, 50_000));
}

/// One CPU takes, another one frees: all comes back by the mail. There is not memory for a fifth of it.
#[test]
fn what_one_cpu_takes_another_one_frees() {
    const OBJECTS: u32 = 100_000;
    with_objects::<2>(512, |objects| {
        let (sender, receiver) = sync_channel(100);
        thread::scope(|scope| {
            scope.spawn(move || {
                become_cpu(1);
                receiver.iter().for_each(|held| objects.free(&held));
            });
            scope.spawn(move || {
                become_cpu(0);
                for number in 0..OBJECTS {
                    let what = if number % 3 == 0 { Err(192) } else { Ok(3) };
                    sender.send(objects.take(what, Gfp::GFP_KERNEL, number).unwrap()).unwrap();
                }
            });
        });
    });
}

/// Two CPUs say that the same object is theirs, while a third one, which owns the slab, reads its mail: one of
/// them is believed, and the other is reported.
#[test]
fn an_object_that_two_cpus_free_comes_back_once() {
    const OBJECTS: usize = 32;
    with_objects::<4>(512, |objects| {
        let cache: &KmemCache<4> = objects.caches[2];
        let barrier = &Barrier::new(3);
        let round = &RwLock::new(Vec::<VirtAddr>::new());
        let given = &AtomicU32::new(0);
        let come = &AtomicU32::new(0);
        let free_all = |cpu| {
            become_cpu(cpu);
            let mut random = Random(cpu as u64);
            loop {
                barrier.wait();
                let round = round.read().unwrap();
                if round.is_empty() {
                    return;
                }
                for (index, object) in round.iter().enumerate() {
                    // At each object they wait for each other, and not as threads do: it must be at once.
                    come.fetch_add(1, Relaxed);
                    let mut turns = 0;
                    while come.load(Relaxed) < 2 * (index as u32 + 1) {
                        turns += 1;
                        // The other one may be a thread that does not run.
                        if turns % 256 == 0 { thread::yield_now() } else { spin_loop() }
                    }
                    // Who came last is ahead: it has not had to see the other one come.
                    (0..random.below(32)).for_each(|_| spin_loop());
                    // SAFETY: it is not the caller's, which is what is tried: 1. the slab stays, since other
                    // objects of it are out, and nobody takes anything meanwhile; 2. nobody looks at it;
                    // 3. the cache has no constructor.
                    let is_given = unsafe { objects.slabs.free_object(cache, *object) }.is_ok();
                    given.fetch_add(u32::from(is_given), Relaxed);
                }
                drop(round);
                barrier.wait();
            }
        };
        let try_once = || {
            // Every second one stays: there is one in each slab.
            let all = [(); 2 * OBJECTS].map(|()| objects.take(Ok(2), Gfp::GFP_KERNEL, 7).unwrap());
            let (twice, once): (Vec<_>, Vec<_>) =
                all.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
            *round.write().unwrap() = twice.iter().map(|(_, held)| held.object).collect();
            come.store(0, Relaxed);
            barrier.wait();
            while (come.load(Relaxed) as usize) < 2 * OBJECTS {
                objects.slabs.tick();
                thread::yield_now();
            }
            barrier.wait();
            objects.slabs.tick();
            assert_eq!(given.swap(0, Relaxed) as usize, OBJECTS);
            assert_eq!(objects.slabs.objects_out(cache) as usize, OBJECTS);
            assert_eq!(objects.slabs.validate(), Ok(()));
            assert_eq!(objects.machine().told().len(), OBJECTS, "a report for each second one");
            once.iter().for_each(|(_, held)| objects.free(held));
        };
        thread::scope(|scope| {
            for cpu in [1, 2] {
                scope.spawn(move || free_all(cpu));
            }
            become_cpu(0);
            // What fails fails between two rounds, when the others wait for the next.
            let begin = Instant::now();
            let end = catch_unwind(AssertUnwindSafe(|| {
                while begin.elapsed() < TIME {
                    try_once();
                }
            }));
            round.write().unwrap().clear();
            barrier.wait();
            end.unwrap_or_else(|panic| resume_unwind(panic));
        });
    });
}
