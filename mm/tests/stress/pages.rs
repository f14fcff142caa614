//! Everything that can be asked of the page allocator, at random, by as many threads as there are CPUs.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn, PfnRange};
use mm::zone::{Gfp, PageAllocator, PageBlock, PageRun};

use crate::machine::{Machine, Memory, Stamped, become_cpu};

type Allocator<'a, const CPUS: usize> = PageAllocator<'a, Machine, CPUS>;

/// Three zones, and borders that are no block's.
const BORDERS: [u32; 4] = [0x4_0000, 0x4_0a10, 0x4_2333, 0x4_3801];

/// What is asked for, each as often as it stands here.
const FLAGS: [Gfp; 20] = [
    Gfp::GFP_KERNEL,
    Gfp::GFP_KERNEL,
    Gfp::GFP_KERNEL,
    Gfp::GFP_ATOMIC,
    Gfp::GFP_ATOMIC,
    Gfp::GFP_NOWAIT,
    Gfp::GFP_NOIO,
    Gfp::GFP_NOFS,
    Gfp::GFP_USER,
    Gfp::GFP_HIGHUSER,
    Gfp::GFP_HIGHUSER_MOVABLE,
    Gfp::GFP_HIGHUSER_MOVABLE,
    Gfp::GFP_DMA,
    Gfp::GFP_DMA.union(Gfp::GFP_KERNEL),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_RECLAIMABLE),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_ZERO),
    Gfp::GFP_HIGHUSER.union(Gfp::__GFP_ZERO),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_NORETRY),
    Gfp::GFP_KERNEL.union(Gfp::__GFP_RETRY_MAYFAIL),
    Gfp::GFP_ATOMIC.union(Gfp::__GFP_MEMALLOC),
];

/// A sequence of numbers that looks random (SplitMix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Small orders more often than large ones.
    fn order(&mut self) -> Order {
        let order = [0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10][self.below(18)];
        Order::new(order).unwrap()
    }
}

#[allow(dead_code, reason = "a run is there to be dropped")]
enum Owned<'p, 'a, const CPUS: usize> {
    Block(PageBlock<'p, 'a, Machine, CPUS>),
    Run(PageRun<'p, 'a, Machine, CPUS>),
}

/// What a thread has. The stamp goes first.
struct Held<'p, 'a, const CPUS: usize> {
    stamp: Arc<Stamped<'p>>,
    owned: Owned<'p, 'a, CPUS>,
}

impl<'p, 'a, const CPUS: usize> Held<'p, 'a, CPUS> {
    fn block(machine: &'p Machine, block: PageBlock<'p, 'a, Machine, CPUS>) -> Self {
        Self { stamp: Stamped::new(machine, block.frames()), owned: Owned::Block(block) }
    }

    fn run(machine: &'p Machine, run: PageRun<'p, 'a, Machine, CPUS>) -> Self {
        Self { stamp: Stamped::new(machine, run.frames()), owned: Owned::Run(run) }
    }
}

/// What a CPU does.
const KINDS: usize = 10;
/// When it has so many blocks it gives up half of them.
const MOST_HELD: usize = 400;

/// One CPU, what it has, and ways to the others.
struct Cpu<'p, 'a, const CPUS: usize> {
    pages: &'p Allocator<'a, CPUS>,
    random: Random,
    held: Vec<Held<'p, 'a, CPUS>>,
    others: Vec<Sender<Held<'p, 'a, CPUS>>>,
    given: Receiver<Held<'p, 'a, CPUS>>,
    /// Operations of each kind that did what they are for.
    done: [u32; KINDS],
}

impl<'p, 'a, const CPUS: usize> Cpu<'p, 'a, CPUS> {
    fn run(mut self, operations: u32) -> [u32; KINDS] {
        for _ in 0..operations {
            self.operate();
            if self.held.len() > MOST_HELD {
                self.held.truncate(MOST_HELD / 2);
            }
        }
        self.held.clear();
        self.others.clear();
        // Until nobody can send any more.
        while self.given.recv().is_ok() {}
        self.done
    }

    fn operate(&mut self) {
        let (pages, random) = (self.pages, &mut self.random);
        let gfp = FLAGS[random.below(FLAGS.len())];
        let before = self.held.len();
        let kind = match random.below(100) {
            0..30 => {
                let block = pages.alloc_pages(gfp, random.order()).ok();
                self.held.extend(block.map(|block| Held::block(pages.platform(), block)));
                self.make_room(before);
                0
            }
            30..34 => {
                let mut blocks = ArrayVec::<_, 80>::new();
                let _ = pages.alloc_pages_bulk(gfp, &mut blocks);
                self.held.extend(blocks.into_iter().map(|b| Held::block(pages.platform(), b)));
                self.make_room(before);
                1
            }
            34..37 => {
                self.bulk_raw(gfp);
                return;
            }
            37..41 => {
                let most = if random.below(8) == 0 { 1024 } else { 40 };
                let count = 1 + random.below(most);
                let run = pages.alloc_pages_exact(gfp - Gfp::__GFP_HIGHMEM, count as u32).ok();
                self.held.extend(run.map(|run| Held::run(pages.platform(), run)));
                3
            }
            41..43 => {
                let run = pages.alloc_contig(gfp, 1 + random.below(2500) as u32).ok();
                self.held.extend(run.map(|run| Held::run(pages.platform(), run)));
                4
            }
            43..46 if before > 0 => {
                let held = &self.held[random.below(before)];
                if let Owned::Block(block) = &held.owned {
                    let owned = Owned::Block(block.share().unwrap());
                    let stamp = Arc::clone(&held.stamp);
                    self.held.push(Held { stamp, owned });
                }
                5
            }
            46..49 if before > 0 => {
                let Held { stamp, owned } = self.held.swap_remove(random.below(before));
                let owned = match owned {
                    Owned::Block(block) => block.split().map_or_else(Owned::Block, Owned::Run),
                    run @ Owned::Run(_) => run,
                };
                self.done[6] += u32::from(matches!(owned, Owned::Run(_)));
                self.held.push(Held { stamp, owned });
                return;
            }
            49..60 if before > 0 => {
                let held = self.held.swap_remove(random.below(before));
                let _ = self.others[random.below(CPUS)].send(held);
                7
            }
            60..68 => {
                self.held.extend(self.given.try_iter().take(2));
                8
            }
            68..98 if before > 0 => {
                drop(self.held.swap_remove(random.below(before)));
                2
            }
            98 => {
                // What reads without a lock, while others write.
                let figures = pages.figures();
                assert!(figures.in_stacks() < 1 << 20, "{figures:?}");
                pages.tick();
                9
            }
            99 => {
                pages.drain();
                9
            }
            _ => return,
        };
        self.done[kind] += u32::from(self.held.len() != before || kind == 9);
    }

    /// Memory was short: gives up half of what it has.
    fn make_room(&mut self, before: usize) {
        if self.held.len() == before {
            self.held.truncate(before / 2);
            self.pages.platform().help();
        }
    }

    /// Pages by their numbers.
    fn bulk_raw(&mut self, gfp: Gfp) {
        let mut pfns = [Pfn::default(); 70];
        let wanted = 1 + self.random.below(pfns.len());
        let got = self.pages.alloc_bulk_raw(gfp, &mut pfns[..wanted]).unwrap_or(0);
        let machine = self.pages.platform();
        let frames = |pfn: &Pfn| PfnRange::new(*pfn, pfn.saturating_add(1));
        let stamps = pfns[..got].iter().map(|pfn| Stamped::new(machine, frames(pfn)));
        drop(stamps.collect::<Vec<_>>());
        // SAFETY: 1. they have just come from there; 2. nobody else knows of them.
        let freed = unsafe { self.pages.free_bulk_raw(&pfns[..got]) };
        freed.unwrap();
    }
}

/// How much each zone has free, and in blocks of which orders.
fn free<const CPUS: usize>(pages: &Allocator<'_, CPUS>) -> [(u32, [u64; Order::COUNT]); 3] {
    pages.figures().zones.each_ref().map(|zone| {
        let mut blocks = [0; Order::COUNT];
        Order::all().for_each(|order| blocks[order.index()] = zone.blocks_of(order));
        (zone.free, blocks)
    })
}

/// The threads have ended: each CPU empties its stacks, and what was there at the start is there again.
fn check_end<const CPUS: usize>(
    pages: &Allocator<'_, CPUS>,
    start: [(u32, [u64; Order::COUNT]); 3],
) {
    assert_eq!(pages.platform().first_fault(), None);
    assert_eq!(pages.validate(), Ok(()));
    for cpu in 0..CPUS {
        become_cpu(cpu);
        pages.tick();
        pages.drain();
    }
    assert_eq!(pages.validate(), Ok(()));
    assert_eq!(free(pages), start);
}

/// Has each CPU do so many operations.
fn all_at_once<const CPUS: usize>(pages: &Allocator<'_, CPUS>, operations: u32) {
    let start = free(pages);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..CPUS).map(|_| channel()).unzip();
    let barrier = Barrier::new(CPUS);
    pages.platform().begin(CPUS);
    let done = thread::scope(|scope| {
        let threads = receivers.into_iter().enumerate().map(|(number, given)| {
            let others = senders.clone();
            let barrier = &barrier;
            scope.spawn(move || {
                become_cpu(number);
                let random = Random(0x5eed_0000 + number as u64);
                let cpu = Cpu { pages, random, held: vec![], others, given, done: [0; KINDS] };
                barrier.wait();
                let done = cpu.run(operations);
                pages.platform().end();
                done
            })
        });
        let threads = threads.collect::<Vec<_>>();
        drop(senders);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    check_end(pages, start);
    for kind in 0..KINDS {
        assert!(done.iter().any(|done| done[kind] > 0), "no operation of kind {kind} did anything");
    }
}

/// An allocator with all of its memory.
fn started<'m, const CPUS: usize>(
    memory: &'m Memory,
    prepare: impl FnOnce(&mut Allocator<'m, CPUS>),
) -> Allocator<'m, CPUS> {
    let mut pages = memory.allocator(BORDERS);
    prepare(&mut pages);
    pages.release(PfnRange::new(Pfn::new(BORDERS[0]), Pfn::new(BORDERS[3]))).unwrap();
    pages.start();
    pages
}

#[test]
fn two_cpus_do_everything_at_once() {
    let memory = Memory::new(BORDERS[0], BORDERS[3]);
    all_at_once(&started::<2>(&memory, |_| ()), 60_000);
}

#[test]
fn four_cpus_do_everything_at_once() {
    let memory = Memory::new(BORDERS[0], BORDERS[3]);
    all_at_once(&started::<4>(&memory, |_| ()), 30_000);
}

#[test]
fn two_cpus_do_everything_with_poison_and_owners() {
    let memory = Memory::new(BORDERS[0], BORDERS[3]);
    let pages = started::<2>(&memory, |pages| {
        pages.poison_free_pages();
        pages.track_owners(&memory.owners);
    });
    all_at_once(&pages, 10_000);
}

/// That these tests can fail: two threads say that they are the same CPU, and soon have the same page.
#[test]
fn two_threads_as_one_cpu_are_noticed() {
    let memory = Memory::new(BORDERS[0], BORDERS[3]);
    let pages = started::<2>(&memory, |_| ());
    let barrier = Barrier::new(2);
    let begin = Instant::now();
    // Nothing but quick paths, which follow no list: what is broken soon must not make them turn in circles.
    let turn = || {
        become_cpu(0);
        barrier.wait();
        while !pages.platform().is_faulty() && begin.elapsed() < Duration::from_secs(60) {
            for _ in 0..100 {
                let Ok(block) = pages.alloc_page(Gfp::GFP_KERNEL) else { return };
                drop(Held::block(pages.platform(), block));
            }
        }
    };
    let is_noticed = thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(turn));
        // A thread that panicked has noticed it too.
        threads.map(|thread| thread.join().is_err()).contains(&true)
    });
    assert!(is_noticed || pages.platform().is_faulty());
}
