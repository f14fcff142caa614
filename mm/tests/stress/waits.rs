//! Requests that wait for what other threads have: [`Platform::wait`](mm::platform::Platform::wait) by real
//! threads.

use std::sync::Barrier;
use std::thread;

use mm::addr::{Order, Pfn, PfnRange};
use mm::zone::error::Why;
use mm::zone::{Gfp, PageAllocator, ZoneKind};

use crate::machine::{Machine, Memory, Stamped, become_cpu};
use crate::pages::Random;

const START: u32 = 0x4_0000;
/// So little that two large requests at once are one too many.
const PAGES: u32 = 160;
const CPUS: usize = 4;

const NOFAIL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOFAIL);

type Allocator<'a> = PageAllocator<'a, Machine, CPUS>;

fn started(memory: &Memory) -> Allocator<'_> {
    let pages = memory.allocator([START, START, START + PAGES, START + PAGES]);
    pages.release(PfnRange::new(Pfn::new(START), Pfn::new(START + PAGES))).unwrap();
    pages.start();
    pages
}

/// Each CPU has empty hands when it asks, so that none waits for one that waits for it; and has its tick
/// now and then while it holds what it got.
#[test]
fn a_request_that_never_fails_gets_what_others_give_back() {
    let memory = Memory::new(START, START + PAGES);
    let pages = &started(&memory);
    let machine = pages.platform();
    let start = pages.figures();
    machine.begin(CPUS);
    thread::scope(|scope| {
        for cpu in 0..CPUS {
            scope.spawn(move || {
                become_cpu(cpu);
                let mut random = Random(0x3a17 + cpu as u64);
                for _ in 0..400 {
                    let order = Order::new([0, 1, 3, 4, 5, 6][random.below(6)]).unwrap();
                    let block = pages.alloc_pages(NOFAIL, order).unwrap();
                    let stamp = Stamped::new(machine, block.frames());
                    // Those that may fail take what is left.
                    let more =
                        (0..random.below(40)).map_while(|_| pages.alloc_page(Gfp::GFP_NOWAIT).ok());
                    let more = more.collect::<Vec<_>>();
                    thread::yield_now();
                    pages.tick();
                    drop((stamp, block, more));
                    machine.help();
                }
                // A CPU without work has a tick all the same.
                pages.drain();
                machine.end();
            });
        }
    });
    assert!(machine.waits() > 0, "there was enough for all");
    assert_eq!(machine.first_fault(), None);
    for cpu in 0..CPUS {
        become_cpu(cpu);
        pages.drain();
    }
    assert_eq!(pages.validate(), Ok(()));
    let end = pages.figures();
    let zone = |figures: &mm::zone::MemoryFigures| {
        let zone = figures.zone(ZoneKind::Normal);
        (zone.free, Order::all().map(|order| zone.blocks_of(order)).collect::<Vec<_>>())
    };
    assert_eq!(zone(&end), zone(&start));
}

/// The other thread has all that there is, and ends without giving it back.
#[test]
fn a_request_that_never_fails_fails_when_nobody_is_left() {
    let memory = Memory::new(START, START + PAGES);
    let pages = &started(&memory);
    let barrier = &Barrier::new(2);
    pages.platform().begin(2);
    thread::scope(|scope| {
        let holder = scope.spawn(move || {
            become_cpu(1);
            let all = std::iter::from_fn(|| {
                pages.alloc_raw(Gfp::GFP_ATOMIC.union(Gfp::__GFP_MEMALLOC), Order::ZERO).ok()
            });
            let all = all.collect::<Vec<_>>();
            barrier.wait();
            for _ in 0..50 {
                pages.tick();
                pages.platform().help();
                thread::yield_now();
            }
            pages.platform().end();
            all
        });
        barrier.wait();
        let error = pages.alloc_page(NOFAIL).map(drop).unwrap_err();
        let (order, highest) = (Order::ZERO, ZoneKind::Normal);
        assert_eq!(error.why(), Why::NoMemory { order, highest });
        let all = holder.join().unwrap();
        assert_eq!(all.len() as u32, PAGES);
        for pfn in all {
            // SAFETY: 1. who had it has left it to this thread; 2. it has no memory.
            unsafe { pages.free_raw(pfn, Order::ZERO) }.unwrap();
        }
    });
    drop(pages.alloc_page(NOFAIL).unwrap());
    assert_eq!(pages.validate(), Ok(()));
}
