//! The CPUs' stacks: bounded, emptied when memory is short, opened again; and the quick paths, which look
//! at nothing else.

use super::*;
use crate::platform::Report;
use crate::zone::gfp::GfpError;

use ZoneKind::{HighMem, Normal};

const BORDERS: [u32; 4] = [0, 0, 16384, 32768];

fn stacked<const CPUS: usize>(allocator: &Allocator<'_, CPUS>, cpu: u32) -> u32 {
    allocator.figures().populated().map(|zone| zone.in_stacks_of(cpu)).sum()
}

#[test]
fn a_warm_page_comes_back_first() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<1>(&memory, BORDERS);
    for size in 0..4 {
        let blocks: Vec<_> =
            (0..3).map(|_| allocator.alloc_block(Gfp::GFP_KERNEL, order(size)).unwrap()).collect();
        let ahead: Vec<_> = (0..3).map(|index| index << size).collect();
        let first = blocks[0].as_u32();
        assert_eq!(
            blocks,
            ahead.iter().map(|at| pfn(first + at)).collect::<Vec<_>>(),
            "lowest first"
        );
        for block in &blocks {
            allocator.free_block(*block, order(size)).unwrap();
        }
        for block in blocks.iter().rev() {
            assert_eq!(allocator.alloc_block(Gfp::GFP_KERNEL, order(size)), Ok(*block));
        }
        allocator.validate().unwrap();
    }
}

#[test]
fn stacks_are_bounded_whatever_is_freed() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<1>(&memory, BORDERS);
    let most = allocator.figures().populated().map(|zone| zone.per_cpu[0].high).sum::<u32>();
    for size in 0..4 {
        for gfp in [Gfp::GFP_KERNEL, Gfp::GFP_HIGHUSER_MOVABLE, Gfp::__GFP_RECLAIMABLE] {
            let taken: Vec<_> =
                (0..600).map(|_| allocator.alloc_block(gfp, order(size)).unwrap()).collect();
            for at in taken {
                allocator.free_block(at, order(size)).unwrap();
                assert!(stacked(&allocator, 0) <= most);
            }
            allocator.validate().unwrap();
        }
    }
    // A stack and its spare of each order: twice the room, which is a batch and one more. What is asked
    // for as DMA32 comes from this zone as well, and has a quarter of the room.
    let zone = allocator.zone(Normal);
    let room = u32::from(zone.room());
    assert_eq!(room, crate::zone::watermark::pcp_batch(zone.managed()) + 1);
    let per_mobility = |shift: u32| -> u32 {
        (0..4).map(|size| (2 * (room >> (size + shift)).max(1)) << size).sum()
    };
    let high = 3 * (per_mobility(0) + per_mobility(2));
    assert_eq!(allocator.figures().zone(Normal).per_cpu[0].high, high);
    assert_eq!(most, 2 * high - 3 * per_mobility(2), "there is no such thing in HighMem");
    allocator.drain();
    assert_eq!(stacked(&allocator, 0), 0);
    let managed: u32 = allocator.managed().iter().sum();
    assert_eq!(free_pages(&allocator).iter().sum::<u32>(), managed);
    allocator.validate().unwrap();
}

#[test]
fn a_stack_that_leads_back_into_itself_is_emptied_once_and_reported() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<1>(&memory, BORDERS);
    allocator.drain();
    let before = allocator.figures().free();
    let taken: Vec<_> =
        (0..4).map(|_| allocator.alloc_block(Gfp::GFP_KERNEL, Order::ZERO).unwrap()).collect();
    allocator.drain();
    for at in &taken {
        allocator.free_block(*at, Order::ZERO).unwrap();
    }
    // The third from the top leads to the top, where it should lead to the first that came.
    let [first, second, _, top] = taken[..] else { panic!() };
    let table = memory.table();
    table.at(second).set_below(table.place(top).as_u32());
    allocator.drain();
    let told = allocator.platform().told();
    let [Told::StackCut { pfn, state: Some(state) }] = told[..] else { panic!("{told:?}") };
    assert_eq!(pfn, top);
    let report = Report::StackCut { pfn, state: Some(state) }.to_string();
    let text =
        format!("BUG: Bad page state: a per-CPU stack goes on at pfn {pfn}, which is {state}");
    assert_eq!(report, text);
    // All but one are free once, and that one stays out.
    assert_eq!(allocator.figures().free(), before - 1);
    assert!(matches!(table.at(first).state(), PageState::Stacked { .. }));
    allocator.drain();
    assert_eq!((allocator.platform().told().len(), allocator.figures().free()), (0, before - 1));
}

/// A refill takes what there is of its mobility. Only a request that would get nothing steals.
#[test]
fn nothing_is_stolen_for_pages_that_nobody_asked_for() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<1>(&memory, BORDERS);
    let unmovable = || allocator.page_blocks()[Normal.index()][Mobility::Unmovable.index()];
    // Five pages, so that what is left of the page block is no multiple of what a stack has room for.
    let run = allocator.alloc_pages_exact(Gfp::GFP_KERNEL, 5).unwrap();
    for _ in 0..1024 - 5 {
        assert_eq!(unmovable(), 1);
        allocator.alloc_block(Gfp::GFP_KERNEL, order(0)).unwrap();
    }
    assert_eq!(unmovable(), 1);
    allocator.alloc_block(Gfp::GFP_KERNEL, order(0)).unwrap();
    assert_eq!(unmovable(), 2);
    allocator.validate().unwrap();
    drop(run);
}

/// However many blocks go to and fro around a stack's border, the buddy is visited once in a stack's
/// capacity at most.
#[test]
fn going_to_and_fro_at_a_border_does_not_go_to_the_buddy() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<1>(&memory, BORDERS);
    let room = usize::from(allocator.zone(Normal).room());
    let take = || allocator.alloc_block(Gfp::GFP_KERNEL, order(0)).unwrap();
    let mut held: Vec<_> = (0..8 * room).map(|_| take()).collect();
    for border in [room, room + 1, 2 * room, 2 * room + 1, 3 * room] {
        while held.len() > border {
            allocator.free_block(held.pop().unwrap(), order(0)).unwrap();
        }
        let free = free_pages(&allocator);
        let mut visits = 0;
        for _ in 0..2 * room {
            held.push(take());
            held.push(take());
            for _ in 0..2 {
                allocator.free_block(held.pop().unwrap(), order(0)).unwrap();
            }
            visits += u32::from(free_pages(&allocator) != free);
        }
        assert!(visits <= 1 || free_pages(&allocator) != free, "{visits} at {border}");
    }
    give_back(&allocator, held, order(0));
}

/// Contradictions are found even where the quick way would have a page for the rest of the flags.
#[test]
fn contradicting_flags_are_errors_with_a_warm_stack_too() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<1>(&memory, [0, 8192, 16384, 32768]);
    for gfp in [Gfp::empty(), Gfp::GFP_DMA, Gfp::__GFP_HIGHMEM] {
        for more in [Gfp::empty(), Gfp::__GFP_MOVABLE, Gfp::__GFP_RECLAIMABLE] {
            for size in 0..4 {
                drop(allocator.alloc_pages(gfp | more, order(size)).unwrap());
            }
        }
    }
    let before = allocator.figures();
    let mut refused = 0;
    let flags = [
        Gfp::__GFP_DMA,
        Gfp::__GFP_HIGHMEM,
        Gfp::__GFP_DMA32,
        Gfp::__GFP_MOVABLE,
        Gfp::__GFP_RECLAIMABLE,
        Gfp::__GFP_HIGH,
        Gfp::__GFP_ZERO,
        Gfp::__GFP_ATOMIC,
        Gfp::__GFP_DIRECT_RECLAIM,
        Gfp::__GFP_NOFAIL,
        Gfp::__GFP_NORETRY,
        Gfp::__GFP_RETRY_MAYFAIL,
        Gfp::__GFP_IO | Gfp::__GFP_FS | Gfp::__GFP_KSWAPD_RECLAIM,
    ];
    for choice in 0..1_u32 << flags.len() {
        let chosen = (0..).zip(flags).filter(|(bit, _)| choice >> bit & 1 != 0);
        let gfp = chosen.fold(Gfp::empty(), |all, (_, flag)| all | flag);
        let Err(error) = gfp.check() else { continue };
        for size in [0, 3] {
            let got = allocator.alloc_block(gfp, order(size));
            assert_eq!(got, Err(AllocError::flags(error)), "{gfp}");
        }
        let mut pfns = [pfn(0); 4];
        assert_eq!(allocator.alloc_bulk(gfp, &mut pfns), Err(AllocError::flags(error)), "{gfp}");
        refused += 1;
    }
    assert!(refused > 5000, "{refused}");
    assert_eq!(allocator.figures(), before);
    assert_eq!(allocator.platform().told(), [], "who asks is told, nobody else");

    // An address is for lowmem only, and what has an exact size is no compound page.
    let no_address = Err(AllocError::flags(GfpError::NoAddress));
    let high = Gfp::GFP_HIGHUSER;
    assert_eq!(allocator.get_free_pages(high, order(0)).map(drop), no_address);
    assert_eq!(allocator.get_zeroed_page(high).map(drop), no_address);
    assert_eq!(allocator.alloc_pages_exact(high, 3).map(drop), no_address);
    let compound = allocator.alloc_pages_exact(Gfp::GFP_KERNEL | Gfp::__GFP_COMP, 3).map(drop);
    assert_eq!(compound, Err(AllocError::flags(GfpError::ExactCompound)));
    let both = Gfp::__GFP_DMA | Gfp::__GFP_HIGHMEM;
    for contig in [3, 3000] {
        let refused = allocator.alloc_contig(both, contig).map(drop);
        assert_eq!(refused, Err(AllocError::flags(both.check().unwrap_err())));
    }
    assert_eq!(allocator.figures(), before);
}

#[test]
fn a_zeroed_page_is_zeroed_with_a_warm_stack_too() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<1>(&memory, BORDERS);
    for (gfp, size) in [(Gfp::GFP_KERNEL, 0), (Gfp::GFP_HIGHUSER_MOVABLE, 3), (Gfp::GFP_ATOMIC, 6)]
    {
        let warm = allocator.alloc_block(gfp, order(size)).unwrap();
        allocator.free_block(warm, order(size)).unwrap();
        let block = allocator.alloc_pages(gfp | Gfp::__GFP_ZERO, order(size)).unwrap();
        assert_eq!(block.pfn(), warm, "the stack is not passed by");
        let machine = allocator.platform();
        assert!(block.frames().iter().all(|at| machine.is_all(at, 0)));
        let next = block.frames().end();
        assert!(!machine.is_all(next, 0));
    }
    assert!(
        allocator.platform().is_all(allocator.get_zeroed_page(Gfp::GFP_DMA32).unwrap().pfn(), 0)
    );
}

#[test]
fn a_short_zone_closes_its_stacks_until_it_has_recovered() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<1>(&memory, BORDERS);
    let zone = allocator.zone(Normal);
    let mut taken = exhaust(&allocator, Gfp::GFP_NOWAIT, order(0));
    assert!(zone.is_short() && zone.room() == 0);
    assert_eq!(allocator.figures().zone(Normal).in_stacks(), 0);
    // What is freed now goes to the buddy at once, up to the high watermark.
    let high = zone.watermarks().high;
    while zone.free_pages() <= high {
        assert!(zone.is_short());
        let free = zone.free_pages();
        allocator.free_block(taken.pop().unwrap(), order(0)).unwrap();
        assert_eq!(zone.free_pages(), free + 1);
    }
    assert!(!zone.is_short());
    let free = zone.free_pages();
    allocator.free_block(taken.pop().unwrap(), order(0)).unwrap();
    assert_eq!(zone.free_pages(), free, "stacks are open again");
    give_back(&allocator, taken, order(0));
}

/// Pages in stacks of other mobilities and orders are found when nothing else is left.
#[test]
fn what_lies_in_this_cpus_stacks_is_not_lost() {
    for gfp in [Gfp::GFP_NOWAIT, Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC] {
        let memory = Memory::new(0, 4096);
        let allocator = started::<1>(&memory, [0, 0, 4096, 4096]);
        // Everything is taken, and five pages of another mobility given back to their stack.
        let all = exhaust(&allocator, Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC, order(0));
        allocator.zone(Normal).set_short(false);
        allocator.tick();
        let low = allocator.zone(Normal).watermarks().low;
        let given = if gfp == Gfp::GFP_NOWAIT { low } else { 2 };
        for at in &all[..given as usize] {
            allocator.free_block(*at, order(0)).unwrap();
        }
        let gfp = gfp | Gfp::__GFP_MOVABLE;
        let got = allocator.alloc_block(gfp, order(0));
        assert!(got.is_ok(), "{gfp}: {got:?} with {given} pages free");
        allocator.validate().unwrap();
    }
}

#[test]
fn each_cpu_has_its_own_stacks_and_empties_them_when_asked() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<4>(&memory, BORDERS);
    let machine = allocator.platform();
    for cpu in 0..4 {
        machine.set_cpu(cpu);
        allocator.tick();
        // From different page blocks, so that refills do not meet.
        drop(allocator.alloc_page(Gfp::GFP_KERNEL).unwrap());
        drop(allocator.alloc_page(Gfp::GFP_HIGHUSER).unwrap());
    }
    allocator.validate().unwrap();
    assert!((0..4).all(|cpu| stacked(&allocator, cpu) > 0));

    machine.set_cpu(2);
    allocator.drain();
    let left = [0, 1, 2, 3].map(|cpu| stacked(&allocator, cpu) > 0);
    assert_eq!(left, [true, true, false, true], "others are only asked");
    machine.set_cpu(0);
    allocator.tick();
    assert_eq!(stacked(&allocator, 0), 0);
    // A visit to the zones answers as well.
    machine.set_cpu(1);
    let block = allocator.alloc_pages(Gfp::GFP_KERNEL, order(5)).unwrap();
    assert_eq!(stacked(&allocator, 1), 0);
    drop(block);
    machine.set_cpu(3);
    let page = allocator.alloc_page(Gfp::GFP_KERNEL).unwrap();
    assert!(stacked(&allocator, 3) > 0, "the quick way looks at nothing");
    allocator.tick();
    assert_eq!(stacked(&allocator, 3), 0);
    drop(page);
    allocator.tick();
    assert_eq!(stacked(&allocator, 3), 1, "asked once, answered once");
    allocator.validate().unwrap();
}

#[test]
fn a_block_is_given_back_on_another_cpu() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<2>(&memory, BORDERS);
    let machine = allocator.platform();
    for _ in 0..300 {
        machine.set_cpu(0);
        let taken: Vec<_> =
            (0..7).map(|_| allocator.alloc_block(Gfp::GFP_HIGHUSER, order(1)).unwrap()).collect();
        machine.set_cpu(1);
        for at in taken {
            allocator.free_block(at, order(1)).unwrap();
        }
    }
    allocator.validate().unwrap();
    let high = allocator.figures().zone(HighMem).per_cpu[1].high;
    assert!(stacked(&allocator, 1) <= high);
    for cpu in [0, 1] {
        machine.set_cpu(cpu);
        allocator.drain();
    }
    assert_eq!(free_pages(&allocator), [0, 16384, 16384]);
    allocator.validate().unwrap();
}

/// A CPU whose stacks were open when the zone fell short closes them at its next visit.
#[test]
fn a_shortage_reaches_every_cpu() {
    let memory = Memory::new(0, 32768);
    let allocator = started::<2>(&memory, BORDERS);
    let machine = allocator.platform();
    machine.set_cpu(1);
    allocator.tick();
    let warm = allocator.alloc_block(Gfp::GFP_KERNEL, order(0)).unwrap();
    machine.set_cpu(0);
    let taken = exhaust(&allocator, Gfp::GFP_KERNEL, order(0));
    assert!(stacked(&allocator, 1) > 0);
    machine.set_cpu(1);
    // Still open, so this is quick.
    allocator.free_block(warm, order(0)).unwrap();
    allocator.tick();
    assert_eq!(stacked(&allocator, 1), 0);
    machine.set_cpu(0);
    assert!(allocator.alloc_page(Gfp::GFP_KERNEL).is_ok(), "what it gave up is to be had");
    give_back(&allocator, taken, order(0));
}
