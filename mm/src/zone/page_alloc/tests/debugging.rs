//! Poison, owners, and failures made on purpose.

use super::*;
use crate::fault::FailConfig;
use crate::zone::debug::POISON;

use ZoneKind::Normal;

const BORDERS: [u32; 4] = [0, 0, 6000, 9000];

fn poisoned(memory: &Memory) -> Allocator<'_> {
    let mut allocator = memory.allocator(BORDERS);
    allocator.poison_free_pages();
    allocator.track_owners(&memory.owners);
    allocator.release(range(BORDERS[0], BORDERS[3])).unwrap();
    allocator.start();
    allocator
}

/// Every byte that is free is poison.
fn check_poison(allocator: &Allocator<'_>, memory: &Memory) {
    for at in memory.table().range().iter() {
        let block = memory.table().block_of(at);
        if block.is_some_and(|block| matches!(block.state, PageState::Free { .. })) {
            assert!(allocator.platform().is_all(at, POISON), "{at}");
        }
    }
    allocator.validate().unwrap();
}

#[test]
fn what_is_free_is_poison() {
    let memory = Memory::new(0, 9000);
    let allocator = poisoned(&memory);
    let machine = allocator.platform();
    check_poison(&allocator, &memory);
    for size in [0, 2, 5, 10] {
        let block = allocator.alloc_pages(Gfp::GFP_KERNEL, order(size)).unwrap();
        for at in block.frames().iter() {
            assert!(machine.is_all(at, POISON), "who takes it finds it so");
            machine.poke(at, 17, 1);
        }
        check_poison(&allocator, &memory);
        drop(block);
        check_poison(&allocator, &memory);
    }
    let zeroed = allocator.alloc_pages_exact(Gfp::GFP_KERNEL | Gfp::__GFP_ZERO, 700).unwrap();
    assert!(zeroed.frames().iter().all(|at| machine.is_all(at, 0)));
    check_poison(&allocator, &memory);
    let long = allocator.alloc_contig(Gfp::GFP_KERNEL | Gfp::__GFP_ZERO, 1100).unwrap();
    assert!(long.frames().iter().all(|at| machine.is_all(at, 0)));
    check_poison(&allocator, &memory);
    drop((zeroed, long));
    let pages = allocator.alloc_pages(Gfp::GFP_KERNEL, order(4)).unwrap().split().unwrap();
    pages.frames().iter().for_each(|at| machine.poke(at, 0, 0));
    drop(pages);
    let mut bulk = [pfn(0); 40];
    assert_eq!(allocator.alloc_bulk(Gfp::GFP_HIGHUSER, &mut bulk), Ok(40));
    bulk.iter().for_each(|at| machine.poke(*at, 4095, 0));
    allocator.free_bulk(&bulk).unwrap();
    check_poison(&allocator, &memory);
    assert_eq!(machine.told(), []);
    assert_eq!(allocator.figures().in_stacks(), 0, "stacks have no room while it is on");
}

#[test]
fn a_byte_written_while_free_takes_the_block_out_of_circulation() {
    let memory = Memory::new(0, 9000);
    let allocator = poisoned(&memory);
    let machine = allocator.platform();
    for (size, page, offset) in [(0, 0, 0), (1, 1, 4095), (4, 7, 100)] {
        let before = free_pages(&allocator)[1];
        let block = allocator.alloc_block(Gfp::GFP_KERNEL, order(size)).unwrap();
        machine.set_call_site(0xc000_1000 + u32::from(size));
        allocator.free_block(block, order(size)).unwrap();
        machine.set_call_site(0xc000_2000);
        let at = pfn(block.as_u32() + page);
        machine.poke(at, offset, 0x77);
        let next = allocator.alloc_block(Gfp::GFP_KERNEL, order(size)).unwrap();
        assert_ne!(next, block);
        let told = Told::Written {
            pfn: block,
            order: order(size),
            at: at.start().saturating_add(offset as u64),
            found: 0x77,
            freed_by: Some(0xc000_1000 + u32::from(size)),
        };
        assert_eq!(machine.told(), [told]);
        let state = memory.table().at(block).state();
        assert!(matches!(state, PageState::Bad { order: of, .. } if of == order(size)), "{state}");
        assert_eq!(allocator.free_block(block, order(size)), Err(NotFreed { pfn: block }));
        assert!(matches!(machine.told()[..], [Told::WrongFree(FreeError::Bad { .. })]));
        allocator.free_block(next, order(size)).unwrap();
        assert_eq!(free_pages(&allocator)[1], before - (1 << size));
        check_poison(&allocator, &memory);
    }
    // All others can still be had, and only they.
    let taken = exhaust(&allocator, Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC, order(0));
    assert_eq!(taken.len(), 6000 - 1 - 2 - 16);
}

#[test]
fn a_run_with_a_bad_block_gives_the_others_back() {
    let memory = Memory::new(0, 9000);
    let allocator = poisoned(&memory);
    let machine = allocator.platform();
    machine.poke(pfn(1030), 3, 0);
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN;
    // The run is looked for from the bottom: 0..2500, whose second block is bad.
    let run = allocator.alloc_contig(gfp, 2500);
    assert!(matches!(machine.told()[..], [Told::Written { .. }]));
    if let Ok(run) = &run {
        assert_eq!(run.frames(), range(2048, 4548));
    }
    drop(run);
    check_poison(&allocator, &memory);
    let bad: Vec<_> = memory
        .table()
        .range()
        .iter()
        .filter(|at| matches!(memory.table().at(*at).state(), PageState::Bad { .. }))
        .collect();
    assert_eq!(bad, [pfn(1024)]);
    let again = allocator.alloc_contig(gfp, 2500).unwrap();
    assert_eq!(again.frames(), range(2048, 4548));
}

#[test]
fn memory_that_holds_something_else_is_no_poison_of_one_zone_alone() {
    let memory = Memory::new(0, 9000);
    let allocator = poisoned(&memory);
    allocator.platform().poke(pfn(0), 9, 9);
    let first = allocator.alloc_raw_in(Normal, Gfp::GFP_KERNEL, order(0)).unwrap();
    assert!(first != pfn(0) && allocator.platform().told().len() == 1);
    let zeroed = allocator.alloc_raw_in(Normal, Gfp::__GFP_ZERO, order(3)).unwrap();
    assert!(allocator.platform().is_all(zeroed, 0));
    check_poison(&allocator, &memory);
}

#[test]
fn an_owner_is_who_took_the_block_or_gave_it_back_last() {
    let memory = Memory::new(100, 9000);
    let mut allocator: Allocator<'_> = memory.allocator([100, 100, 6000, 9000]);
    assert!(!allocator.tracks_owners());
    allocator.track_owners(&memory.owners);
    assert!(allocator.tracks_owners());
    allocator.release(range(100, 9000)).unwrap();
    allocator.start();
    let machine = allocator.platform();
    let sites =
        |frames: PfnRange| -> Vec<_> { frames.iter().map(|at| allocator.owner(at)).collect() };

    machine.set_call_site(0x1000);
    let block = allocator.alloc_pages(Gfp::GFP_KERNEL, order(2)).unwrap();
    let frames = block.frames();
    assert_eq!(sites(frames), [Some(0x1000), None, None, None]);
    machine.set_call_site(0x2000);
    let other = block.share().unwrap();
    drop(other);
    assert_eq!(allocator.owner(block.pfn()), Some(0x1000), "a reference is no owner");
    // Each page of a block that was split is its owner's.
    let run = block.split().unwrap();
    assert_eq!(sites(frames), [Some(0x1000); 4]);
    drop(run);
    assert_eq!(sites(frames), [Some(0x2000); 4]);

    machine.set_call_site(0x3000);
    let run = allocator.alloc_pages_exact(Gfp::GFP_KERNEL, 5).unwrap();
    for at in run.frames().iter() {
        assert_eq!(allocator.owner(at), Some(0x3000));
    }
    let mut bulk = [pfn(0); 3];
    machine.set_call_site(0x4000);
    assert_eq!(allocator.alloc_bulk(Gfp::GFP_KERNEL, &mut bulk), Ok(3));
    assert_eq!(bulk.map(|at| allocator.owner(at)), [Some(0x4000); 3]);
    assert_eq!([0, 99, 9000, u32::MAX].map(|at| allocator.owner(pfn(at))), [None; 4]);
    allocator.validate().unwrap();
}

/// One operation of each kind. Returns how many failed.
fn workload<const CPUS: usize>(allocator: &Allocator<'_, CPUS>) -> u32 {
    let mut failed = 0;
    let mut count = |is_ok: bool| failed += u32::from(!is_ok);
    for (gfp, size) in [
        (Gfp::GFP_KERNEL, 0),
        (Gfp::GFP_KERNEL | Gfp::__GFP_ZERO, 0),
        (Gfp::GFP_ATOMIC, 1),
        (Gfp::GFP_HIGHUSER_MOVABLE, 3),
        (Gfp::GFP_NOWAIT, 7),
        (Gfp::GFP_DMA, 10),
    ] {
        let block = allocator.alloc_pages(gfp, order(size));
        count(block.is_ok());
        if let Ok(block) = block {
            let shared = block.share().unwrap();
            drop(block);
            match shared.split() {
                Ok(run) => drop(run),
                Err(_) => panic!("it has one owner"),
            }
        }
    }
    count(allocator.get_zeroed_page(Gfp::GFP_KERNEL).is_ok());
    let mut bulk = [pfn(0); 33];
    let got = allocator.alloc_bulk(Gfp::GFP_KERNEL, &mut bulk).unwrap_or(0);
    count(got == 33);
    allocator.free_bulk(&bulk[..got]).unwrap();
    count(allocator.alloc_pages_exact(Gfp::GFP_KERNEL, 13).is_ok());
    count(allocator.alloc_contig(Gfp::GFP_KERNEL, 100).is_ok());
    count(allocator.alloc_contig(Gfp::GFP_KERNEL, 1100).is_ok());
    let never = allocator.alloc_pages(Gfp::GFP_KERNEL | Gfp::__GFP_NOFAIL, order(2));
    assert!(never.is_ok(), "its promise");
    drop(never);
    allocator.drain();
    allocator.tick();
    failed
}

#[test]
fn a_failure_at_any_request_loses_nothing() {
    let memory = Memory::new(0, 9000);
    let allocator = started::<1>(&memory, [0, 3000, 6000, 9000]);
    let machine = allocator.platform();
    allocator.drain();
    let at_boot = free_blocks(&allocator);
    let mut failures = 0;
    for n in 1.. {
        allocator.inject_failures(FailConfig::nth(n));
        let before = allocator.injected_failures();
        let failed = workload(&allocator);
        assert_eq!(allocator.injected_failures() - before, failed, "request {n}");
        let told = machine.told();
        assert_eq!(told.len() as u32, failed);
        assert!(told.iter().all(|told| matches!(told, Told::Failed { .. })));
        allocator.drain();
        allocator.validate().unwrap();
        assert_eq!(free_blocks(&allocator), at_boot, "request {n}");
        if failed == 0 {
            break;
        }
        assert_eq!(failed, 1);
        failures += 1;
    }
    // Each request of the workload failed once.
    assert_eq!(failures, 7 + 1 + 3);
    assert_eq!(machine.shortages(), [], "a failure on purpose waits for nobody");
    // Off again, requests are quick.
    allocator.inject_failures(FailConfig::OFF);
    assert_eq!(workload(&allocator), 0);
    drop(allocator.alloc_page(Gfp::GFP_KERNEL).unwrap());
    assert!(allocator.figures().in_stacks() > 0);
}

#[test]
fn failures_come_with_everything_else_that_debugs() {
    let memory = Memory::new(0, 9000);
    let mut allocator: Allocator<'_> = memory.allocator(BORDERS);
    allocator.poison_free_pages();
    allocator.track_owners(&memory.owners);
    allocator.release(range(0, 9000)).unwrap();
    allocator.start();
    let at_boot = free_blocks(&allocator);
    allocator.inject_failures(FailConfig::one_in(3));
    let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN;
    let got: Vec<_> = (0..9).map(|_| allocator.alloc_page(gfp).is_ok()).collect();
    assert_eq!(got, [true, true, false, true, true, false, true, true, false]);
    assert_eq!(allocator.platform().told(), [], "NOWARN");
    check_poison(&allocator, &memory);
    assert_eq!(free_blocks(&allocator), at_boot);
}

/// Stacks that were filled before are emptied: no page passes the failures by.
#[test]
fn failures_reach_requests_that_a_stack_could_answer() {
    let memory = Memory::new(0, 9000);
    let allocator = started::<1>(&memory, BORDERS);
    drop(allocator.alloc_page(Gfp::GFP_KERNEL).unwrap());
    assert!(allocator.figures().in_stacks() > 0);
    allocator.inject_failures(FailConfig::nth(1));
    assert_eq!(allocator.figures().in_stacks(), 0);
    assert!(allocator.alloc_page(Gfp::GFP_KERNEL).is_err());
    assert!(allocator.alloc_page(Gfp::GFP_KERNEL).is_ok());
}
