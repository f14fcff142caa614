//! When memory is short: reserves, shrinkers, waiting, giving up, and what is said about it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::*;
use crate::platform::{Answer, Report, Shortage};
use crate::zone::shrink::{MAX_SHRINKERS, Shrinker};
use crate::zone::test_machine::set_handler;

use ZoneKind::{HighMem, Normal};

/// A machine that lasts as long as the test program, for those who refer to it from within.
fn forever(borders: [u32; 4]) -> &'static Allocator<'static> {
    let memory: &'static Memory = Box::leak(Box::new(Memory::new(borders[0], borders[3])));
    Box::leak(Box::new(started(memory, borders)))
}

/// Takes single pages down to the min watermark.
fn deplete(allocator: &Allocator<'_>) -> Vec<Pfn> {
    exhaust(allocator, Gfp::GFP_NOWAIT | Gfp::__GFP_NOWARN, order(0))
}

/// A request that gets the last page there is.
const TO_THE_LAST: Gfp = Gfp::GFP_NOWAIT.union(Gfp::__GFP_MEMALLOC).union(Gfp::__GFP_NOWARN);

fn no_memory(gfp: Gfp, size: u8) -> AllocError {
    AllocError::no_memory(order(size), gfp.highest_zone())
}

#[test]
fn who_may_not_sleep_neither_shrinks_nor_waits() {
    let allocator = forever([0, 0, 4096, 4096]);
    let shrinker = Cache::new(allocator, "a", vec![]);
    allocator.register_shrinker(shrinker).unwrap();
    deplete(allocator);
    for gfp in [Gfp::GFP_NOWAIT, Gfp::empty()] {
        assert_eq!(allocator.alloc_block(gfp, order(0)), Err(no_memory(gfp, 0)));
    }
    exhaust(allocator, Gfp::GFP_ATOMIC, order(0));
    assert_eq!(allocator.platform().shortages(), []);
    assert_eq!(shrinker.calls.lock().unwrap()[..], []);
}

#[test]
fn how_often_a_request_waits_is_for_its_flags_to_say() {
    const MOST: usize = 16;
    let (retry, hard) = (Gfp::__GFP_NORETRY, Gfp::__GFP_RETRY_MAYFAIL);
    for (more, size, waits) in [
        (Gfp::empty(), 0, MOST),
        (Gfp::empty(), 3, MOST),
        (Gfp::empty(), 4, 0),
        (Gfp::empty(), 10, 0),
        (hard, 0, MOST),
        (hard, 4, MOST),
        (hard, 10, MOST),
        (retry, 0, 0),
        (retry, 4, 0),
        (retry | hard, 4, 0),
        (Gfp::__GFP_NOFAIL, 0, 100),
        (Gfp::__GFP_NOFAIL, 10, 100),
    ] {
        let memory = Memory::new(0, 4096);
        let allocator = started::<1>(&memory, [0, 0, 4096, 4096]);
        deplete(&allocator);
        if more == Gfp::__GFP_NOFAIL {
            exhaust(&allocator, TO_THE_LAST, order(0));
        }
        // Nobody helps, but it says so only after a hundred rounds.
        allocator.platform().answer([Answer::Retry; 99]);
        let gfp = Gfp::GFP_KERNEL | more;
        assert_eq!(allocator.alloc_block(gfp, order(size)), Err(no_memory(gfp, size)), "{gfp}");
        let shortages = allocator.platform().shortages();
        assert_eq!(shortages.len(), waits, "{gfp} {size}");
        for (round, shortage) in (0..).zip(shortages) {
            assert_eq!(shortage, Shortage { gfp, order: order(size), round, freed: 0 });
        }
        assert_eq!(allocator.platform().told().len(), 1);
        allocator.validate().unwrap();
    }
}

/// Where nobody can help there is no point in waiting: also for what should never fail.
#[test]
fn nothing_hangs_where_nobody_can_help() {
    for more in [Gfp::empty(), Gfp::__GFP_NOFAIL, Gfp::__GFP_RETRY_MAYFAIL] {
        for size in 0..=10 {
            let memory = Memory::new(0, 4096);
            let allocator = started::<1>(&memory, [0, 0, 4096, 4096]);
            exhaust(&allocator, TO_THE_LAST, order(0));
            let gfp = Gfp::GFP_KERNEL | more;
            assert_eq!(allocator.alloc_block(gfp, order(size)), Err(no_memory(gfp, size)));
            assert!(allocator.platform().shortages().len() <= 1);
        }
    }
}

#[test]
fn what_comes_free_while_a_request_waits_is_its() {
    for more in [Gfp::empty(), Gfp::__GFP_NOFAIL, Gfp::__GFP_RETRY_MAYFAIL] {
        let allocator = forever([0, 0, 4096, 4096]);
        let mut taken = deplete(allocator);
        let free = taken.pop().unwrap();
        allocator.platform().on_wait(move |shortage| {
            if shortage.round == 5 {
                allocator.free_block(free, order(0)).unwrap();
            }
            Answer::Retry
        });
        let got = allocator.alloc_block(Gfp::GFP_KERNEL | more, order(0));
        assert_eq!(got, Ok(free));
        assert_eq!(allocator.platform().shortages().len(), 6);
        assert_eq!(allocator.platform().told(), []);
        allocator.validate().unwrap();
    }
}

/// A handler on the CPU that waits, or another CPU, pushes what it gives back: nobody else would look there.
#[test]
fn what_comes_free_while_a_request_waits_is_looked_for_in_stacks() {
    let allocator = forever([0, 0, 4096, 4096]);
    let all = Gfp::GFP_NOWAIT | Gfp::__GFP_NOWARN | Gfp::__GFP_MEMALLOC;
    let taken = exhaust(allocator, all, order(0));
    // Every second page is free: the zone is not short, but has no two together.
    let (odd, even): (Vec<_>, Vec<_>) = taken.into_iter().partition(|pfn| pfn.as_u32() % 2 == 1);
    give_back(allocator, odd, order(0));
    allocator.drain();
    let free = even[0];
    allocator.platform().on_wait(move |shortage| {
        if shortage.round == 3 {
            allocator.free_block(free, order(0)).unwrap();
        }
        if shortage.round < 10 { Answer::Retry } else { Answer::NobodyCanHelp }
    });
    let got = allocator.alloc_block(Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL, order(1));
    assert_eq!(got, Ok(free));
    assert_eq!(allocator.platform().shortages().len(), 4);
    allocator.validate().unwrap();
}

/// A cache of pages: gives up to so many when it is asked.
struct Cache {
    allocator: &'static Allocator<'static>,
    name: &'static str,
    pages: Mutex<Vec<Pfn>>,
    calls: Mutex<Vec<(u32, Gfp)>>,
    /// Flags of a request that it makes itself before it gives something up.
    asks: Option<Gfp>,
    asked: Mutex<Vec<bool>>,
}

impl Cache {
    fn new(
        allocator: &'static Allocator<'static>,
        name: &'static str,
        pages: Vec<Pfn>,
    ) -> &'static Self {
        Box::leak(Box::new(Self::unleaked(allocator, name, pages)))
    }

    fn unleaked(
        allocator: &'static Allocator<'static>,
        name: &'static str,
        pages: Vec<Pfn>,
    ) -> Self {
        let (calls, asked) = Default::default();
        Self { allocator, name, pages: Mutex::new(pages), calls, asks: None, asked }
    }
}

impl Shrinker for Cache {
    fn name(&self) -> &'static str {
        self.name
    }

    fn count(&self) -> u32 {
        self.pages.lock().unwrap().len() as u32
    }

    fn shrink(&self, pages: u32, gfp: Gfp) -> u32 {
        self.calls.lock().unwrap().push((pages, gfp));
        assert_eq!(crate::sync::watch::held(), 0, "called with a lock held");
        if let Some(gfp) = self.asks {
            let got = self.allocator.alloc_block(gfp, order(0));
            self.asked.lock().unwrap().push(got.is_ok());
            if let Ok(page) = got {
                self.allocator.free_block(page, order(0)).unwrap();
            }
        }
        let mut cached = self.pages.lock().unwrap();
        let keep = cached.len().saturating_sub(pages as usize);
        let given = cached.split_off(keep);
        for page in &given {
            self.allocator.free_block(*page, order(0)).unwrap();
        }
        given.len() as u32
    }
}

#[test]
fn shrinkers_are_called_in_the_order_of_their_registration() {
    let allocator = forever([0, 0, 4096, 4096]);
    let mut taken = deplete(allocator);
    let mut last = |count| taken.split_off(taken.len() - count);
    let caches = [
        Cache::new(allocator, "first", last(0)),
        Cache::new(allocator, "second", last(100)),
        Cache::new(allocator, "third", last(40)),
    ];
    for cache in caches {
        allocator.register_shrinker(cache).unwrap();
    }
    let names: Vec<_> = allocator.shrinkers().collect();
    assert_eq!(names, [("first", 0), ("second", 100), ("third", 40)]);

    let gfp = Gfp::GFP_NOFS;
    allocator.alloc_block(gfp, order(0)).unwrap();
    for cache in caches {
        assert_eq!(cache.calls.lock().unwrap()[..], [(32, gfp)], "{}", cache.name);
    }
    let left: Vec<_> = allocator.shrinkers().map(|(_, count)| count).collect();
    assert_eq!(left, [0, 68, 8]);
    assert_eq!(allocator.platform().shortages(), [], "who has been helped does not wait");
    allocator.validate().unwrap();
}

/// Rounds go on as long as somebody frees something, and are counted anew from there.
#[test]
fn progress_keeps_a_request_going() {
    let allocator = forever([0, 0, 4096, 4096]);
    let all = exhaust(allocator, Gfp::GFP_NOWAIT | Gfp::__GFP_MEMALLOC, order(0));
    // Far from each other, so that they make no block of two.
    let cached: Vec<_> = all.into_iter().filter(|at| at.as_u32() % 2 == 0).take(900).collect();
    let cache = Cache::new(allocator, "crumbs", cached);
    allocator.register_shrinker(cache).unwrap();
    allocator.platform().answer([Answer::Retry; 999]);
    // Pages say little about the chances of a large block.
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_RETRY_MAYFAIL;
    assert_eq!(allocator.alloc_block(gfp, order(5)), Err(no_memory(gfp, 5)));
    assert_eq!(allocator.platform().shortages().len(), 16);
    let again = (0..17 * 32).map(|_| allocator.alloc_block(TO_THE_LAST, order(0)).unwrap());
    cache.pages.lock().unwrap().extend(again);
    let gfp = Gfp::GFP_KERNEL;
    assert_eq!(allocator.alloc_block(gfp, order(3)), Err(no_memory(gfp, 3)));
    let rounds = 900_usize.div_ceil(32);
    let shortages = allocator.platform().shortages();
    assert_eq!(shortages.len(), rounds + 16);
    assert_eq!(shortages[0].freed, 32);
    assert_eq!(shortages[rounds - 1].freed, 900 % 32);
    allocator.validate().unwrap();
}

#[test]
fn what_a_shrinker_asks_for_does_not_call_it_again() {
    let allocator = forever([0, 0, 4096, 4096]);
    let mut taken = deplete(allocator);
    for (gfp, is_served) in
        [(Gfp::GFP_NOWAIT, false), (Gfp::GFP_ATOMIC, true), (Gfp::__GFP_MEMALLOC, true)]
    {
        let pages = taken.split_off(taken.len() - 32);
        let cache = Cache { asks: Some(gfp), ..Cache::unleaked(allocator, "asks", pages) };
        let cache: &'static Cache = Box::leak(Box::new(cache));
        allocator.register_shrinker(cache).unwrap();
        taken.push(allocator.alloc_block(Gfp::GFP_KERNEL, order(0)).unwrap());
        assert_eq!(cache.calls.lock().unwrap().len(), 1);
        assert_eq!(cache.asked.lock().unwrap()[..], [is_served], "{gfp}");
        taken.extend(deplete(allocator));
    }
}

#[test]
fn there_is_a_place_for_so_many_shrinkers() {
    let allocator = forever([0, 0, 64, 64]);
    for _ in 0..MAX_SHRINKERS {
        allocator.register_shrinker(Cache::new(allocator, "one", vec![])).unwrap();
    }
    let error = allocator.register_shrinker(Cache::new(allocator, "more", vec![])).unwrap_err();
    assert_eq!(error.to_string(), "there are 16 shrinkers already");
    assert_eq!(allocator.shrinkers().count(), MAX_SHRINKERS);
}

#[test]
fn a_failure_is_told_with_the_state_of_memory_unless_nobody_wants_to_know() {
    let memory = Memory::new(0, 9100);
    let allocator = started::<1>(&memory, [0, 2500, 6000, 9001]);
    deplete(&allocator);
    let gfp = Gfp::GFP_KERNEL;
    allocator.alloc_block(gfp, order(2)).unwrap_err();
    let told = allocator.platform().told();
    let [Told::Failed { gfp: asked, order: size, figures }] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((*asked, *size), (gfp, order(2)));
    assert_eq!(**figures, allocator.figures(), "as it is after the last attempt");
    assert!(figures.zone(Normal).free <= figures.zone(Normal).watermarks.low);
    assert_eq!(figures.zone(HighMem).free, figures.zone(HighMem).managed);
    let report = Report::AllocationFailed { gfp, order: order(2), figures };
    assert_eq!(
        report.to_string(),
        "page allocation failure: order:2, mode:0xcc0(GFP_KERNEL), nodemask=(null)"
    );
    for gfp in [gfp, Gfp::GFP_NOWAIT, Gfp::GFP_DMA] {
        allocator.alloc_block(gfp | Gfp::__GFP_NOWARN, order(10)).unwrap_err();
        assert_eq!(allocator.platform().told(), []);
    }
}

/// The last pages of the machine lie in one page block; what an urgent request of several pages got down
/// there is remembered.
fn reserve(allocator: &Allocator<'_>) -> Pfn {
    let zone = allocator.zone(Normal);
    while zone.free_pages() > zone.watermarks().min + 10 {
        allocator.alloc_block(Gfp::GFP_NOWAIT, order(0)).unwrap();
    }
    assert_eq!(zone.high_atomic_pages(), 0);
    let got = allocator.alloc_block(Gfp::GFP_ATOMIC, order(2)).unwrap();
    assert_eq!(zone.high_atomic_pages(), 1024);
    let block = memory_block(allocator, got);
    assert_eq!(block, Mobility::HighAtomic);
    allocator.validate().unwrap();
    got
}

fn memory_block(allocator: &Allocator<'_>, at: Pfn) -> Mobility {
    allocator.frames().blocks().get(at)
}

#[test]
fn urgent_requests_of_several_pages_get_a_page_block_for_themselves() {
    let memory = Memory::new(0, 8192);
    let allocator = started::<1>(&memory, [0, 0, 8192, 8192]);
    let first = reserve(&allocator);
    let zone = allocator.zone(Normal);
    // Ordinary requests see none of it, not even those that may go below the watermark.
    for gfp in [Gfp::GFP_NOWAIT, Gfp::__GFP_HIGH | Gfp::__GFP_NOMEMALLOC] {
        let got = allocator.alloc_block(gfp | Gfp::__GFP_NOWARN, order(0));
        if let Ok(at) = got {
            assert_ne!(memory_block(&allocator, at), Mobility::HighAtomic, "{gfp}");
        }
    }
    assert_eq!(zone.high_atomic_pages(), 1024);
    // Urgent ones do, down to their level.
    let min = zone.watermarks().min;
    let level = min - min / 2 - (min - min / 2) / 4;
    let taken = exhaust(&allocator, Gfp::GFP_ATOMIC | Gfp::__GFP_NOWARN, order(2));
    assert!(!taken.is_empty());
    assert!(taken.iter().any(|at| memory_block(&allocator, *at) == Mobility::HighAtomic));
    assert!(zone.free_pages() >= level);
    assert_eq!(zone.high_atomic_pages(), 1024);
    // What they give back stays set aside.
    allocator.free_block(first, order(2)).unwrap();
    let listed = zone.counts().all_blocks().map(|row| row[Mobility::HighAtomic.index()]);
    assert!(listed.iter().sum::<u32>() > 0);
    allocator.validate().unwrap();
}

#[test]
fn before_a_request_that_may_reclaim_fails_the_reserve_is_given_up() {
    let memory = Memory::new(0, 8192);
    let allocator = started::<1>(&memory, [0, 0, 8192, 8192]);
    let urgent = reserve(&allocator);
    let zone = allocator.zone(Normal);
    // Pages come free, but all of them in the page block that is set aside.
    allocator.free_block(urgent, order(2)).unwrap();
    let start = urgent.as_u32() & !1023;
    for at in start..start + 100 {
        let _ = allocator.free_block(pfn(at), order(0));
    }
    // From a stack anybody may have them, as in Linux.
    allocator.drain();
    allocator.platform().told();
    assert!(zone.free_pages() > zone.watermarks().min);
    let refused = allocator.alloc_block(Gfp::GFP_NOWAIT, order(0));
    assert_eq!(refused, Err(no_memory(Gfp::GFP_NOWAIT, 0)));
    assert_eq!(zone.high_atomic_pages(), 1024, "who may not sleep may not break it up");

    let got = allocator.alloc_block(Gfp::GFP_KERNEL | Gfp::__GFP_NORETRY, order(0)).unwrap();
    assert_eq!(got.as_u32() & !1023, start);
    assert_eq!((zone.high_atomic_pages(), memory_block(&allocator, got)), (0, Mobility::Unmovable));
    allocator.validate().unwrap();
}

/// Not more than one page block and a hundredth of the zone.
#[test]
fn not_all_of_a_zone_is_set_aside() {
    let memory = Memory::new(0, 16384);
    let allocator = started::<1>(&memory, [0, 0, 16384, 16384]);
    reserve(&allocator);
    let zone = allocator.zone(Normal);
    for _ in 0..20 {
        while allocator.alloc_block(Gfp::GFP_ATOMIC | Gfp::__GFP_NOWARN, order(1)).is_ok() {}
        // Room for more, in another page block each time.
        let table = allocator.frames();
        let is_page = |at: &Pfn| {
            let ours = memory_block(&allocator, *at) != Mobility::HighAtomic;
            ours && matches!(table.at(*at).state(), PageState::Allocated { order: Order::ZERO, .. })
        };
        let pages: Vec<_> = table.range().iter().filter(is_page).take(64).collect();
        for at in pages {
            allocator.free_block(at, order(0)).unwrap();
        }
        assert!(zone.high_atomic_pages() < 16384 / 100 + 2 * 1024);
        allocator.validate().unwrap();
    }
}

/// Interrupts come at every point at which they can, and their handler takes and gives back pages.
#[test]
fn a_handler_may_allocate_wherever_it_interrupts() {
    let memory: &'static Memory = Box::leak(Box::new(Memory::new(0, 6144)));
    let mut allocator: Allocator<'static> = memory.allocator([0, 1500, 4000, 6144]);
    allocator.poison_free_pages();
    allocator.release(range(0, 6144)).unwrap();
    allocator.start();
    let allocator: &'static Allocator<'static> = Box::leak(Box::new(allocator));
    exercise_with_handler(allocator);
    exercise_with_handler(forever([0, 1500, 4000, 6144]));
}

fn exercise_with_handler(allocator: &'static Allocator<'static>) {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let mut held = std::collections::VecDeque::new();
    let machine = allocator.platform();
    set_handler(Some(Box::new(move || {
        let call = CALLS.fetch_add(1, Relaxed);
        let gfp = Gfp::GFP_ATOMIC | Gfp::__GFP_NOWARN;
        let size = [0, 0, 1, 0, 3, 5, 0][call as usize % 7];
        if let Ok(at) = allocator.alloc_block(gfp, order(size)) {
            // It writes what it has, and finds it as it was when it gives it back.
            machine.poke(at, 5, size);
            held.push_back((at, size));
        }
        if held.len() > 20 {
            let (at, size) = held.pop_front().unwrap();
            assert_eq!(machine.byte(at, 5), size, "somebody wrote to {at}");
            allocator.free_block(at, order(size)).unwrap();
        }
    })));
    for round in 0..3 {
        for (gfp, size) in [(Gfp::GFP_KERNEL, 0), (Gfp::GFP_HIGHUSER | Gfp::__GFP_ZERO, 2)] {
            let blocks: Vec<_> =
                (0..100).flat_map(|_| allocator.alloc_pages(gfp, order(size))).collect();
            drop(blocks);
            for pages in [3, 5, 33, 700] {
                drop(allocator.alloc_contig(gfp | Gfp::__GFP_ZERO, pages));
                drop(allocator.alloc_pages_exact(Gfp::GFP_KERNEL | Gfp::__GFP_ZERO, pages));
            }
            let mut bulk = [pfn(0); 50];
            let got = allocator.alloc_bulk(gfp, &mut bulk).unwrap_or(0);
            allocator.free_bulk(&bulk[..got]).unwrap();
            if let Ok(block) = allocator.alloc_pages(gfp, order(4)) {
                drop(block.share().unwrap());
                drop(block.split());
            }
            drop(allocator.alloc_contig(gfp, 1500));
        }
        if round == 1 {
            let quiet = Gfp::GFP_NOWAIT | Gfp::__GFP_HIGHMEM | Gfp::__GFP_NOWARN;
            let all = core::iter::from_fn(|| allocator.alloc_page(quiet).ok()).collect::<Vec<_>>();
            drop(all);
        }
        allocator.drain();
    }
    set_handler(None);
    allocator.validate().unwrap();
    let told = machine.told();
    assert!(told.iter().all(|told| matches!(told, Told::Failed { .. })), "{told:?}");
}

/// What is zeroed may come from a stack, like everything else; when there is none, those who help or read
/// of it see the request as it was.
#[test]
fn a_request_for_zeroes_is_told_as_it_was_made() {
    let memory = Memory::new(0, 4096);
    let allocator = started::<1>(&memory, [0, 0, 4096, 4096]);
    deplete(&allocator);
    for (more, size) in [(Gfp::empty(), 0), (Gfp::__GFP_NOFAIL, 10), (Gfp::__GFP_RETRY_MAYFAIL, 5)]
    {
        let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_ZERO | more;
        assert_eq!(allocator.alloc_block(gfp, order(size)), Err(no_memory(gfp, size)));
        let told = allocator.platform().told();
        assert!(matches!(told[..], [Told::Failed { gfp: asked, .. }] if asked == gfp), "{told:?}");
        let shortage = Shortage { gfp, order: order(size), round: 0, freed: 0 };
        assert_eq!(allocator.platform().shortages(), [shortage]);
    }
}

/// What is set aside for others is the last thing that what must not fail asks for, and then it gets it.
#[test]
fn what_must_not_fail_gets_what_is_set_aside_and_part_of_the_reserve() {
    let memory = Memory::new(0, 8192);
    let allocator = started::<1>(&memory, [0, 0, 8192, 8192]);
    let urgent = reserve(&allocator);
    let zone = allocator.zone(Normal);
    allocator.free_block(urgent, order(2)).unwrap();
    let start = urgent.as_u32() & !1023;
    for at in start..start + 100 {
        let _ = allocator.free_block(pfn(at), order(0));
    }
    allocator.drain();
    allocator.platform().told();
    allocator.platform().answer([Answer::Retry; 99]);
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL;
    let got = allocator.alloc_block(gfp, order(0)).unwrap();
    assert_eq!(got.as_u32() & !1023, start);
    assert_eq!(zone.high_atomic_pages(), 0);
    assert_eq!(allocator.platform().shortages().len(), 16);
    // And below the min watermark, where others are refused, it goes half of the way.
    deplete(&allocator);
    let min = zone.watermarks().min;
    assert_eq!(zone.free_pages(), min);
    let got = exhaust(&allocator, gfp | Gfp::__GFP_NOWARN, order(0)).len() as u32;
    assert_eq!(got, min / 2);
    allocator.validate().unwrap();
}

/// Who frees while a request waits frees into stacks: of this CPU, or of another, which is asked for it.
#[test]
fn pages_freed_into_stacks_while_a_request_waits_are_found() {
    for freed_by in 0..2 {
        let memory: &'static Memory = Box::leak(Box::new(Memory::new(0, 131_072)));
        let allocator: &'static Allocator<'_, 2> =
            Box::leak(Box::new(started::<2>(memory, [0, 0, 131_072, 131_072])));
        let normal = allocator.zone(ZoneKind::Normal);
        let all = exhaust(allocator, TO_THE_LAST, order(0));
        // Single pages far from each other, enough that the zone is not short, and room in the stacks.
        let (even, mut odd): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|at| at.as_u32() % 2 == 0);
        for at in even.iter().step_by(2) {
            allocator.free_block(*at, order(0)).unwrap();
        }
        allocator.drain();
        allocator.tick();
        assert!(normal.free_pages() > normal.watermarks().high && normal.room() > 0);
        odd.retain(|at| at.as_u32() % 4 == 1);
        allocator.platform().on_wait(move |_| {
            allocator.platform().set_cpu(freed_by);
            allocator.tick();
            let at = odd.pop().unwrap();
            allocator.free_block(at, order(0)).unwrap();
            allocator.platform().set_cpu(0);
            Answer::Retry
        });
        assert!(allocator.alloc_block(Gfp::GFP_KERNEL, order(1)).is_ok(), "CPU {freed_by}");
        assert!(allocator.platform().shortages().len() <= 2);
        allocator.validate().unwrap();
    }
}
