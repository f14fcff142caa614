//! Two CPUs at one page allocator, in every order: nothing of a model but the machine is made up.
//!
//! Each model is a few frames and a few calls, and names what must be among its outcomes. All end the same
//! way ([`come_to_rest`]): every CPU has done what was asked of it, and every page is free again, in one
//! block, as at the start.
//!
//! `loom` watches the machine's memory ([`loom_machine`]): so two owners of one page are found, and also one
//! who has the page before the last one's writes have arrived.
//!
//! What a model does not try, it does outside exploration ([`quietly`]): the start and the end of a run are
//! thousands of steps in which one thread is alone.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use loom::thread::{self, JoinHandle};

use super::error::{AllocError, NotFreed};
use super::gfp::Gfp;
use super::loom_machine::{self, CPUS, Machine, become_cpu};
use super::page_alloc::{PageAllocator, stack_ids};
use super::request::{Request, classes};
use super::span::ZoneKind;
use super::state::Zone;
use super::watermark::Watermarks;
use crate::addr::{Order, Pfn};
use crate::frame::stack::Asked;
use crate::frame::stack_word::StackId;
use crate::frame::{Class, Mobility};
use crate::sync::loom_support::{outcomes, outcomes_within, quietly};
use crate::sync::{AtomicBool, Ordering};

const SINGLE: Order = Order::ZERO;
const PAIR: Order = Order::for_pages(2).unwrap();
/// The smallest that has no stack.
const LARGE: Order = Order::COSTLY.up().unwrap();

type Pages = PageAllocator<'static, Machine<()>, CPUS>;

/// A zone of `count` frames whose levels are these, all of it free. A stack of a CPU has room for two
/// single pages, or for one larger block.
fn machine(count: u32, marks: Watermarks) -> Arc<Pages> {
    quietly(|| {
        let pages = loom_machine::pages(ZoneKind::Dma, count, ());
        zone(&pages).set_limits(&marks, &[0; 4]);
        for cpu in 0..CPUS {
            become_cpu(cpu);
            pages.tick();
        }
        become_cpu(0);
        Arc::new(pages)
    })
}

const NO_MARKS: Watermarks = Watermarks { min: 0, low: 0, high: 0 };

fn zone(pages: &Pages) -> &Zone {
    pages.zone(ZoneKind::Dma)
}

/// Runs `act` as the other CPU. The first one is the model's own thread.
fn on_cpu_1<T: 'static>(
    pages: &Arc<Pages>,
    act: impl FnOnce(&Pages) -> T + 'static,
) -> JoinHandle<T> {
    let pages = Arc::clone(pages);
    thread::spawn(move || {
        become_cpu(1);
        act(&pages)
    })
}

/// All threads but the model's own have ended: every CPU does what it was asked for. Says whether all is
/// well that must be.
fn come_to_rest(pages: &Pages) {
    quietly(|| {
        for cpu in (0..CPUS).chain([0]) {
            become_cpu(cpu);
            pages.tick();
            check_room(pages, cpu);
            pages.drain();
            assert!(!pages.behind[cpu].is_asked());
        }
        assert_eq!(pages.validate(), Ok(()));
        let zone = zone(pages);
        assert_eq!(zone.free_pages(), zone.managed());
        let order = Order::within_pages(zone.managed());
        assert_eq!(pages.figures().zone(ZoneKind::Dma).largest_free(), Some(order), "one block");
    });
}

/// A CPU that has done what it was asked for: do its stacks have the room that they should have?
fn check_room(pages: &Pages, cpu: usize) {
    let usual = zone(pages).room();
    for (id, _, shift) in classes().flat_map(stack_ids) {
        let expected = if usual == 0 { 0 } else { (usual >> shift).max(1) };
        assert_eq!(pages.stacks(&()).room(id), expected, "CPU {cpu}");
    }
}

/// A request that does not sleep.
const NOWAIT: Gfp = Gfp::GFP_NOWAIT.union(Gfp::__GFP_NOWARN);

/// Takes a block and writes into it, as whoever takes one does.
fn take(pages: &Pages, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
    let pfn = pages.alloc_block(gfp, order)?;
    pages.platform().write(pfn, order);
    Ok(pfn)
}

/// Takes a page and gives it back: out of the stack and into it again.
fn pop_and_push(pages: &Pages) -> Result<(), NotFreed> {
    take(pages, NOWAIT, SINGLE).map(|pfn| pages.free_block(pfn, SINGLE)).unwrap_or(Ok(()))
}

/// Has a CPU's stack hold two pages, if they are free.
fn fill_stack(pages: &Pages, cpu: usize) {
    quietly(|| {
        become_cpu(cpu);
        pop_and_push(pages).unwrap();
        become_cpu(0);
    });
}

/// Pages in a CPU's stacks.
fn stacked(pages: &Pages, cpu: usize) -> u32 {
    pages.figures().zone(ZoneKind::Dma).per_cpu[cpu].count
}

#[test]
fn a_cpu_that_is_asked_drains_once() {
    let ends = outcomes(|| {
        let pages = machine(2, NO_MARKS);
        fill_stack(&pages, 1);
        let other = on_cpu_1(&pages, |pages| {
            pop_and_push(pages).unwrap();
            pages.tick();
        });
        pages.drain();
        other.join().unwrap();
        let end = quietly(|| {
            let asked = pages.behind[1].is_asked();
            let before = stacked(&pages, 1);
            // Whichever tick has done it, the next one does not do it again.
            become_cpu(1);
            pages.tick();
            pop_and_push(&pages).unwrap();
            pages.tick();
            (asked, before, stacked(&pages, 1))
        });
        come_to_rest(&pages);
        end
    });
    assert_eq!(ends, BTreeSet::from([(false, 0, 2), (true, 2, 2)]));
}

#[test]
fn what_lies_in_another_cpus_stack_comes_when_it_is_asked() {
    let ends = outcomes(|| {
        // A third page, so that the zone is not short.
        let pages = machine(3, NO_MARKS);
        fill_stack(&pages, 1);
        let other = on_cpu_1(&pages, |pages| {
            pop_and_push(pages).unwrap();
            pages.tick();
        });
        let got = take(&pages, NOWAIT, PAIR);
        other.join().unwrap();
        got.into_iter().for_each(|pfn| pages.free_block(pfn, PAIR).unwrap());
        come_to_rest(&pages);
        got.is_ok()
    });
    assert_eq!(ends, BTreeSet::from([false, true]), "late, or in time");
}

#[test]
fn two_cpus_never_have_the_same_page() {
    let ends = outcomes(|| {
        // One page each, or both the one, or the other finds them in a stack.
        let pages = machine(2, NO_MARKS);
        let other = on_cpu_1(&pages, |pages| take(pages, NOWAIT, PAIR));
        let got = take(&pages, NOWAIT, SINGLE);
        let end = (got, other.join().unwrap());
        end.0.into_iter().for_each(|pfn| pages.free_block(pfn, SINGLE).unwrap());
        end.1.into_iter().for_each(|pfn| pages.free_block(pfn, PAIR).unwrap());
        come_to_rest(&pages);
        (end.0.is_ok(), end.1.is_ok())
    });
    assert_eq!(ends, BTreeSet::from([(true, false), (false, true)]));
}

/// Closes the stacks, so that each block goes to its zone.
fn close_stacks(pages: &Pages) {
    quietly(|| {
        zone(pages).set_room(0);
        for cpu in 0..CPUS {
            become_cpu(cpu);
            pages.behind[cpu].ask(Asked::ROOM);
            pages.tick();
        }
        become_cpu(0);
    });
}

#[test]
fn buddies_that_come_at_once_merge() {
    let ends = outcomes(|| {
        let pages = machine(2, NO_MARKS);
        close_stacks(&pages);
        let [low, high] = quietly(|| [(); 2].map(|()| take(&pages, NOWAIT, SINGLE).unwrap()));
        let free = |pages: &Pages, pfn| {
            pages.free_block(pfn, SINGLE).unwrap();
            Order::all().find(|order| zone(pages).counts.blocks(*order, Mobility::Unmovable) > 0)
        };
        let other = on_cpu_1(&pages, move |pages| free(pages, high));
        let end = [free(&pages, low), other.join().unwrap()];
        come_to_rest(&pages);
        end.map(|order| order == Some(PAIR))
    });
    // Who comes second makes a pair of them.
    assert_eq!(ends, BTreeSet::from([[false, true], [true, false], [true, true]]));
}

#[test]
fn a_block_is_given_back_while_its_buddy_looks_at_it() {
    let ends = outcomes(|| {
        let pages = machine(2, NO_MARKS);
        let [low, high] = quietly(|| [(); 2].map(|()| take(&pages, NOWAIT, SINGLE).unwrap()));
        let other = on_cpu_1(&pages, move |pages| {
            // Into this CPU's stack: the head changes, and no lock is held.
            pages.free_block(high, SINGLE).unwrap();
            take(pages, NOWAIT, SINGLE).unwrap()
        });
        // Into the zone.
        pages.free_block(low, SINGLE).unwrap();
        pages.drain();
        let again = other.join().unwrap();
        pages.free_block(again, SINGLE).unwrap();
        come_to_rest(&pages);
        again == high
    });
    assert_eq!(ends, BTreeSet::from([true]));
}

/// A block with two references, each of which has read it, as the memory of one more run.
fn shared(count: u32, order: Order) -> (Arc<Pages>, Pfn) {
    let pages = machine(count, NO_MARKS);
    let pfn = quietly(|| {
        let pfn = take(&pages, NOWAIT, order).unwrap();
        pages.add_reference(pfn).unwrap();
        pfn
    });
    (pages, pfn)
}

/// Ends a reference. If the block is free then, takes it and writes into it.
fn drop_and_take(pages: &Pages, pfn: Pfn, order: Order) -> Option<Pfn> {
    pages.platform().read(pfn);
    pages.free_block(pfn, order).unwrap();
    // No more than a look, since a request that finds nothing does so much else.
    let class = Class::of_flags(NOWAIT.bits());
    let again = if order > Order::COSTLY {
        zone(pages).buddy.lock(|| ()).alloc(&pages.frames, &zone(pages).counts, class, order)
    } else {
        pages.current(&()).pop(&pages.frames, StackId::new(class, order))
    };
    again.into_iter().for_each(|pfn| pages.platform().write(pfn, order));
    again
}

#[test]
fn the_last_two_references_end_at_once() {
    let ends = outcomes(|| {
        let (pages, pfn) = shared(1, SINGLE);
        let other = on_cpu_1(&pages, move |pages| drop_and_take(pages, pfn, SINGLE));
        let mine = drop_and_take(&pages, pfn, SINGLE);
        let end = (mine, other.join().unwrap());
        [end.0, end.1].into_iter().flatten().for_each(|pfn| pages.free_block(pfn, SINGLE).unwrap());
        come_to_rest(&pages);
        (end.0.is_some(), end.1.is_some())
    });
    assert_eq!(ends, BTreeSet::from([(true, false), (false, true)]), "whoever was last");
}

#[test]
fn references_to_a_block_of_no_stack_end_at_once() {
    let ends = outcomes(|| {
        let (pages, pfn) = shared(LARGE.pages(), LARGE);
        let other = on_cpu_1(&pages, move |pages| drop_and_take(pages, pfn, LARGE));
        let mine = drop_and_take(&pages, pfn, LARGE);
        let end = (mine, other.join().unwrap());
        [end.0, end.1].into_iter().flatten().for_each(|pfn| pages.free_block(pfn, LARGE).unwrap());
        come_to_rest(&pages);
        (end.0.is_some(), end.1.is_some())
    });
    assert_eq!(ends, BTreeSet::from([(true, false), (false, true)]));
}

#[test]
fn two_set_a_block_aside_and_one_succeeds() {
    let parked = outcomes(|| {
        let pages = machine(1, NO_MARKS);
        let pfn = quietly(|| take(&pages, NOWAIT, SINGLE).unwrap());
        let other = on_cpu_1(&pages, move |pages| pages.park(pfn, SINGLE));
        let mine = pages.park(pfn, SINGLE);
        let parked = (mine, other.join().unwrap());
        pages.unpark(pfn, SINGLE);
        pages.free_block(pfn, SINGLE).unwrap();
        come_to_rest(&pages);
        parked
    });
    assert_eq!(parked, BTreeSet::from([(true, false), (false, true)]));
}

#[test]
fn a_block_is_set_aside_while_another_reference_ends() {
    let parked = outcomes(|| {
        let (pages, pfn) = shared(1, SINGLE);
        let other = on_cpu_1(&pages, move |pages| {
            pages.platform().read(pfn);
            pages.free_block(pfn, SINGLE).unwrap();
        });
        let parked = pages.park(pfn, SINGLE);
        if parked {
            // Who has it next writes into it.
            pages.platform().write(pfn, SINGLE);
            pages.unpark(pfn, SINGLE);
        }
        other.join().unwrap();
        pages.free_block(pfn, SINGLE).unwrap();
        come_to_rest(&pages);
        parked
    });
    assert_eq!(parked, BTreeSet::from([true, false]));
}

#[test]
fn a_reference_is_taken_while_another_one_ends() {
    let ends = outcomes(|| {
        let (pages, pfn) = shared(1, SINGLE);
        let other = on_cpu_1(&pages, move |pages| drop_and_take(pages, pfn, SINGLE));
        pages.add_reference(pfn).unwrap();
        let first = drop_and_take(&pages, pfn, SINGLE);
        assert_eq!(first, None, "freed with a reference left");
        let mine = drop_and_take(&pages, pfn, SINGLE);
        let end = (mine, other.join().unwrap());
        [end.0, end.1].into_iter().flatten().for_each(|pfn| pages.free_block(pfn, SINGLE).unwrap());
        come_to_rest(&pages);
        (end.0.is_some(), end.1.is_some())
    });
    assert_eq!(ends, BTreeSet::from([(true, false), (false, true)]), "whoever was last");
}

#[test]
fn a_block_that_was_shared_is_split_when_its_owner_is_alone() {
    let ends = outcomes(|| {
        let (pages, pfn) = shared(2, PAIR);
        let other = on_cpu_1(&pages, move |pages| drop_and_take(pages, pfn, PAIR));
        let split = pages.block(pfn, PAIR).split();
        let end = match split {
            Ok(run) => {
                run.frames().iter().for_each(|pfn| pages.platform().write(pfn, SINGLE));
                true
            }
            Err(shared) => {
                let _ = shared.into_raw();
                false
            }
        };
        let again = other.join().unwrap();
        assert_eq!(again, None);
        if !end {
            pages.free_block(pfn, PAIR).unwrap();
        }
        come_to_rest(&pages);
        end
    });
    assert_eq!(ends, BTreeSet::from([false, true]));
}

/// A request that waits for as long as it takes.
const NOFAIL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOFAIL);

/// Another CPU gives pages back, and then ticks until the request has its block.
fn a_request_waits(pages: &Arc<Pages>, order: Order, give: impl FnOnce(&Pages) + 'static) {
    let is_served = Arc::new(AtomicBool::new(false));
    let other = {
        let is_served = Arc::clone(&is_served);
        on_cpu_1(pages, move |pages| {
            give(pages);
            while !is_served.load(Ordering::Relaxed) {
                pages.tick();
                thread::yield_now();
            }
        })
    };
    let got = take(pages, NOFAIL, order).unwrap();
    is_served.store(true, Ordering::Relaxed);
    other.join().unwrap();
    pages.free_block(got, order).unwrap();
}

#[test]
fn a_request_that_never_fails_gets_the_page_that_another_cpu_gives_back() {
    outcomes_within(2, || {
        let pages = machine(2, NO_MARKS);
        let [low, high] = quietly(|| [(); 2].map(|()| take(&pages, NOWAIT, SINGLE).unwrap()));
        a_request_waits(&pages, SINGLE, move |pages| pages.free_block(high, SINGLE).unwrap());
        pages.free_block(low, SINGLE).unwrap();
        come_to_rest(&pages);
    });
}

#[test]
fn a_request_that_never_fails_gets_a_block_of_pages_that_lie_in_another_cpus_stack() {
    outcomes_within(2, || {
        // A third page, so that the zone is not short, and the other CPU's stack stays open.
        let pages = machine(3, NO_MARKS);
        let pair = quietly(|| {
            let mut all = [(); 3].map(|()| take(&pages, NOWAIT, SINGLE).unwrap());
            all.sort();
            pages.free_block(all[2], SINGLE).unwrap();
            for cpu in [0, 1, 0] {
                become_cpu(cpu);
                pages.tick();
                pages.drain();
            }
            assert_eq!(zone(&pages).free_pages(), 1);
            vec![all[0], all[1]]
        });
        a_request_waits(&pages, PAIR, move |pages| {
            // What it is asked now it does now, and not for what is still to come.
            pages.tick();
            pair.iter().for_each(|pfn| pages.free_block(*pfn, SINGLE).unwrap());
        });
        come_to_rest(&pages);
    });
}

#[test]
fn a_zone_falls_short_while_another_cpu_makes_it_recover() {
    let ends = outcomes_within(2, || {
        // All of it is one block, of an order that has no stack.
        let pages = machine(LARGE.pages(), Watermarks { min: 0, low: 0, high: 1 });
        let all = quietly(|| take(&pages, NOWAIT, LARGE).unwrap());
        let other = on_cpu_1(&pages, move |pages| pages.free_block(all, LARGE).unwrap());
        pages.press(&Request::new(NOWAIT, SINGLE));
        other.join().unwrap();
        let is_short = zone(&pages).is_short();
        quietly(|| {
            pages.tick();
            assert_eq!(zone(&pages).free_pages(), LARGE.pages());
            check_room(&pages, 0);
            let again = take(&pages, NOWAIT, LARGE).unwrap();
            pages.free_block(again, LARGE).unwrap();
            assert!(!zone(&pages).is_short());
        });
        come_to_rest(&pages);
        is_short
    });
    // If the block comes when the zone is about to be found short, it stays so until the next one comes.
    assert_eq!(ends, BTreeSet::from([false, true]));
}
