//! What a request does whose own lists are empty, rule by rule; page blocks set aside for urgent
//! requests; and runs of blocks.

use super::*;
use crate::frame::page_block;

/// An arena of one or more page blocks, of which only `pieces` are memory.
fn pieces(mobility: Mobility, pieces: &[(u32, u32)]) -> Arena {
    let end = pieces.last().unwrap().1.next_multiple_of(page_block::PAGES);
    let mut arena = Arena::reserved(0, end);
    for at in (0..end).step_by(page_block::PAGES as usize) {
        arena.frames().blocks().set(pfn(at), mobility);
    }
    for &(start, end) in pieces {
        arena.release(start, end).unwrap();
    }
    arena
}

/// Free pages on the lists of a mobility.
fn free_of(arena: &Arena, mobility: Mobility) -> u32 {
    let pages = |order: Order| arena.counts.blocks(order, mobility) * order.pages();
    Order::all().map(pages).sum()
}

/// Says of an allocated block that it was asked for as something else.
fn pretend(arena: &mut Arena, at: u32, mobility: Mobility) {
    let live = arena.live.get_mut(&at).unwrap();
    live.mobility = mobility;
    let head = allocated(live.size, mobility);
    arena.frames().at(pfn(at)).set_head(head);
}

#[test]
fn a_whole_page_block_changes_hands() {
    let mut arena = Arena::free(0, 3072);
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(0));
    assert_eq!([0, 1024, 2048].map(|at| arena.block(at)), [Unmovable, Movable, Movable]);
    assert_eq!(arena.alloc_for(Reclaimable, 3), Some(1024));
    assert_eq!([0, 1024, 2048].map(|at| arena.block(at)), [Unmovable, Reclaimable, Movable]);
    // What each got lasts: nobody steals again.
    assert_eq!(arena.alloc_for(Unmovable, 9), Some(512));
    assert_eq!(arena.alloc_for(Reclaimable, 9), Some(1536));
    assert_eq!(arena.alloc_for(Movable, 10), Some(2048));
    arena.check();
}

#[test]
fn the_largest_block_is_stolen_whoever_has_it_and_of_two_the_nearest_kins() {
    for (mobility, first, second) in [
        (Unmovable, Reclaimable, Movable),
        (Movable, Reclaimable, Unmovable),
        (Reclaimable, Unmovable, Movable),
    ] {
        // The same size: the first fallback's.
        // Or a larger one of the second's.
        for (pages_of_second, taken) in [(64, 1024), (128, 0)] {
            let mut arena = Arena::reserved(0, 2048);
            arena.frames().blocks().set(pfn(0), second);
            arena.frames().blocks().set(pfn(1024), first);
            arena.release(0, pages_of_second).unwrap();
            arena.release(1024, 1088).unwrap();
            assert_eq!(arena.alloc_for(mobility, 0), Some(taken), "{mobility}");
            arena.check();
        }
    }
}

#[test]
fn a_page_block_changes_hands_when_half_of_it_is_free_or_used_alike() {
    // Half of it is used by what moves.
    let mut arena = Arena::free(0, 1024);
    assert_eq!(arena.alloc(9), Some(0));
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(512));
    assert_eq!(arena.block(0), Unmovable);
    assert_eq!(free_of(&arena, Unmovable), 511);

    // One page more than half.
    let mut arena = Arena::free(0, 1024);
    assert_eq!((arena.alloc(9), arena.alloc(0)), (Some(0), Some(512)));
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(513));
    assert_eq!(arena.block(0), Movable, "the block stays");
    assert_eq!(free_of(&arena, Unmovable), 510, "but what is free in it was taken all the same");
    assert_eq!(free_of(&arena, Movable), 0);
    arena.check();
    arena.free_block(513, 0).unwrap();
    assert_eq!(arena.list_of(Movable, 0), [513], "what is freed there goes to the block's list");

    // One page more, but it is used by what does not move either.
    let mut arena = Arena::free(0, 1024);
    assert_eq!((arena.alloc(9), arena.alloc(0)), (Some(0), Some(512)));
    pretend(&mut arena, 512, Reclaimable);
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(513));
    assert_eq!(arena.block(0), Unmovable);
    arena.check();
}

#[test]
fn stacked_and_parked_pages_count_as_used_and_reserved_ones_as_what_does_not_move() {
    let stacked = (stacked as fn(u8, Mobility) -> Head, Movable);
    for (head, block) in [stacked, (parked, Movable), (bad, Unmovable)] {
        let mut arena = Arena::free(0, 1024);
        assert_eq!((arena.alloc(9), arena.alloc(0)), (Some(0), Some(512)));
        arena.frames().at(pfn(512)).set_head(head(0, Movable));
        arena.live.remove(&512);
        assert_eq!(arena.alloc_for(Unmovable, 0), Some(513));
        assert_eq!(arena.block(0), block);
    }
    let mut arena = pieces(Movable, &[(0, 16), (32, 33)]);
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(32), "all was moved, and the smallest is taken");
    assert_eq!((arena.block(0), free_of(&arena, Movable)), (Unmovable, 0));
    arena.check();
}

#[test]
fn what_moves_takes_a_page_block_by_what_moves_in_it() {
    for (movable, block) in [(None, Unmovable), (Some(0), Movable)] {
        let mut arena = Arena::free(0, 1024);
        assert_eq!(arena.alloc_for(Unmovable, 0), Some(0));
        assert_eq!(arena.alloc_for(Unmovable, 9), Some(512));
        if let Some(at) = movable {
            pretend(&mut arena, at, Movable);
        }
        // 511 pages are free; the largest block has 256.
        assert_eq!(arena.alloc_for(Movable, 0), Some(1));
        assert_eq!((arena.block(0), free_of(&arena, Unmovable)), (block, 0));
        assert_eq!(free_of(&arena, Movable), 510);
        arena.check();
    }
}

#[test]
fn what_can_be_given_up_and_what_can_not_are_not_alike() {
    let mut arena = Arena::free(0, 1024);
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(0));
    assert_eq!(arena.alloc_for(Unmovable, 9), Some(512));
    assert_eq!(arena.alloc_for(Reclaimable, 0), Some(1));
    assert_eq!((arena.block(0), free_of(&arena, Reclaimable)), (Unmovable, 510));

    let mut arena = Arena::free(0, 1024);
    assert_eq!(arena.alloc_for(Unmovable, 9), Some(0));
    assert_eq!(arena.alloc_for(Reclaimable, 0), Some(512));
    assert_eq!(arena.block(0), Reclaimable, "half of it was free");
}

#[test]
fn what_moves_takes_the_smallest_piece_where_it_can_not_take_the_block() {
    let mut arena = pieces(Unmovable, &[(0, 16), (32, 33), (34, 36)]);
    assert_eq!(arena.alloc_for(Movable, 0), Some(32));
    assert_eq!((free_of(&arena, Unmovable), free_of(&arena, Movable)), (18, 0));
    assert_eq!(arena.alloc_for(Movable, 1), Some(34));
    // No smaller one has four pages; the rest of the piece is the movable list's.
    assert_eq!(arena.alloc_for(Movable, 2), Some(0));
    assert_eq!((free_of(&arena, Unmovable), free_of(&arena, Movable)), (0, 12));
    assert_eq!(arena.block(0), Unmovable);
    arena.check();
}

#[test]
fn from_thirty_two_pages_up_a_piece_is_worth_the_block_to_what_moves() {
    for (pages, taken) in [(16, 64), (32, 64)] {
        let mut arena = pieces(Unmovable, &[(0, pages), (64, 65)]);
        assert_eq!(arena.alloc_for(Movable, 0), Some(taken));
        let moved = if pages == 32 { 32 } else { 0 };
        assert_eq!(free_of(&arena, Movable), moved, "{pages}");
        assert_eq!(arena.block(0), Unmovable, "less than half of it is free");
        arena.check();
    }
}

#[test]
fn without_grouping_every_block_changes_hands() {
    let mut arena = pieces(Unmovable, &[(0, 2), (32, 33)]);
    arena.buddy.set_grouping(false);
    assert_eq!(arena.alloc_for(Movable, 0), Some(32));
    assert_eq!((arena.block(0), free_of(&arena, Movable)), (Movable, 2));
    arena.check();
}

#[test]
fn nothing_is_stolen_from_kinds_that_no_request_names() {
    for kept in [HighAtomic, Mobility::Cma, Mobility::Isolate] {
        for mobility in [Unmovable, Movable, Reclaimable] {
            let mut arena = pieces(kept, &[(0, 1024), (1024, 1100)]);
            assert_eq!(arena.alloc_for(mobility, 0), None, "{mobility} from {kept}");
            arena.check();
        }
    }
    // And these steal from nobody.
    for kept in [HighAtomic, Mobility::Cma, Mobility::Isolate] {
        let mut arena = Arena::free(0, 1024);
        let got = arena
            .with(|buddy, frames, counts| buddy.take(frames, counts, kept, order(0), order(0)));
        assert_eq!(got, None);
        arena.check();
    }
}

/// A block can lie on an ordinary list though its page block is set aside.
#[test]
fn of_a_page_block_that_is_set_aside_only_the_block_is_taken() {
    let mut arena = pieces(Movable, &[(0, 64), (128, 192)]);
    arena.frames().blocks().set(pfn(0), HighAtomic);
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(0));
    assert_eq!((free_of(&arena, Unmovable), free_of(&arena, Movable)), (63, 64));
    assert_eq!(arena.block(0), HighAtomic);
    arena.check();
}

#[test]
fn a_steal_stays_within_the_zone() {
    // A page block of which the first half is another zone's.
    let mut arena = Arena::reserved(0, 2048);
    arena.buddy = Buddy::new(ZONE, range(512, 2048));
    arena.release(512, 2048).unwrap();
    let foreign = Head::free(order(9), OTHER_ZONE, Movable);
    arena.frames().at(pfn(0)).set_head(foreign);
    assert_eq!(arena.alloc(10), Some(1024));
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(512));
    assert_eq!(free_of(&arena, Unmovable), 511);
    assert_eq!(arena.frames().at(pfn(0)).head(), foreign);
    arena.check();
}

fn set_aside(arena: &mut Arena, at: u32, most: u32) -> bool {
    arena.with(|buddy, frames, counts| buddy.set_aside_high_atomic(frames, counts, pfn(at), most))
}

fn give_back(arena: &mut Arena, mobility: Mobility) -> bool {
    arena.with(|buddy, frames, counts| buddy.give_back_high_atomic(frames, counts, mobility))
}

fn alloc_reserved(arena: &mut Arena, mobility: Mobility, size: u8) -> Option<u32> {
    let got = arena.with(|buddy, frames, counts| {
        buddy.alloc_reserved(frames, counts, class(mobility), order(size))
    })?;
    arena.took(got.as_u32(), Live { size, mobility });
    Some(got.as_u32())
}

#[test]
fn a_page_block_is_set_aside_and_given_back() {
    let mut arena = Arena::free(0, 2048);
    let at = arena.alloc_for(Unmovable, 1).unwrap();
    assert_eq!(alloc_reserved(&mut arena, Unmovable, 0), None, "nothing is set aside yet");
    assert!(set_aside(&mut arena, at, 1500));
    assert_eq!((arena.block(at), arena.buddy.high_atomic_pages()), (HighAtomic, 1024));
    assert_eq!(free_of(&arena, HighAtomic), 1022);
    assert!(!set_aside(&mut arena, at, 1500), "it is already");
    assert!(!set_aside(&mut arena, 1024, 1024), "that is enough");
    arena.check();

    // Ordinary requests go elsewhere, urgent ones of any mobility find it.
    assert_eq!(arena.alloc_for(Unmovable, 0), Some(1024));
    assert_eq!(alloc_reserved(&mut arena, Reclaimable, 1), Some(at + 2));
    assert_eq!(alloc_reserved(&mut arena, Unmovable, 10), None);
    arena.free_block(at + 2, 1).unwrap();
    assert_eq!(free_of(&arena, HighAtomic), 1022, "what is freed there stays there");

    assert!(give_back(&mut arena, Reclaimable));
    assert_eq!((arena.block(at), arena.buddy.high_atomic_pages()), (Reclaimable, 0));
    assert_eq!((free_of(&arena, HighAtomic), free_of(&arena, Reclaimable)), (0, 1022));
    assert!(!give_back(&mut arena, Reclaimable), "there is none any more");
    arena.check();
}

#[test]
fn a_page_block_without_a_free_page_can_not_be_given_back() {
    let mut arena = Arena::free(0, 1024);
    let at = arena.alloc(10).unwrap();
    assert!(set_aside(&mut arena, at, 1));
    assert!(!give_back(&mut arena, Movable));
    assert_eq!(arena.buddy.high_atomic_pages(), 1024);
    arena.free_block(at, 10).unwrap();
    assert_eq!(free_of(&arena, HighAtomic), 1024);
    assert!(give_back(&mut arena, Movable));
    arena.check();
}

#[test]
fn only_ordinary_page_blocks_are_set_aside() {
    for mobility in Mobility::ALL {
        let mut arena = pieces(mobility, &[(0, 64)]);
        let is_ordinary = mobility.index() < Mobility::PCP_COUNT;
        assert_eq!(set_aside(&mut arena, 0, u32::MAX), is_ordinary, "{mobility}");
    }
}

/// Two zones would keep the books of one page block, each under its own lock.
#[test]
fn a_page_block_that_two_zones_share_is_not_set_aside() {
    let mut arena = Arena::reserved(0, 2048);
    arena.buddy = Buddy::new(ZONE, range(512, 1536));
    arena.release(512, 1536).unwrap();
    for at in [512, 1024] {
        assert!(!set_aside(&mut arena, at, u32::MAX));
        assert_eq!((arena.block(at), arena.buddy.high_atomic_pages()), (Movable, 0));
    }
    arena.buddy.span = range(512, 2048);
    assert!(!set_aside(&mut arena, 512, u32::MAX));
    assert!(set_aside(&mut arena, 1024, u32::MAX));
}

fn take_run(arena: &mut Arena, mobility: Mobility, pages: u32) -> Option<(u32, u32)> {
    let run = arena
        .with(|buddy, frames, counts| buddy.take_run(frames, counts, class(mobility), pages))?;
    note_run(arena, mobility, run);
    Some((run.start().as_u32(), run.end().as_u32()))
}

/// Notes the blocks that a run must have become.
fn note_run(arena: &mut Arena, mobility: Mobility, run: PfnRange) {
    let (mut at, end) = (run.start().as_u32(), run.end().as_u32());
    while at < end {
        let size = (0..=10).rev().find(|size| at % (1 << size) == 0 && at + (1 << size) <= end);
        arena.took(at, Live { size: size.unwrap(), mobility });
        at += 1 << size.unwrap();
    }
}

#[test]
fn a_run_is_the_lowest_row_of_free_blocks() {
    // Whole blocks at 1024, 3072, 4096, 5120; the first block of the zone is half a one.
    let mut arena = Arena::reserved(0, 6144);
    arena.buddy = Buddy::new(ZONE, range(512, 6144));
    for (start, end) in [(512, 2048), (2100, 6144)] {
        arena.release(start, end).unwrap();
    }
    let whole = arena.free_blocks();
    let mut again = Arena::of(&arena.state());
    assert_eq!(take_run(&mut again, Unmovable, 1500), Some((3072, 4572)));
    assert_eq!(again.list_of(Movable, 10), [1024, 5120], "whole blocks that were not needed");
    again.check();
    assert_eq!(take_run(&mut again, Unmovable, 1025), None);

    for (pages, start) in [(1025, 3072), (2048, 3072), (2049, 3072), (3072, 3072)] {
        let mut again = Arena::of(&arena.state());
        assert_eq!(take_run(&mut again, Movable, pages), Some((start, start + pages)));
        again.check();
        assert_eq!(again.counts.free_pages(), arena.counts.free_pages() - pages);
        for (at, live) in again.live.clone() {
            again.free_block(at, live.size).unwrap();
        }
        again.check();
        assert_eq!(again.free_blocks(), whole, "{pages}");
    }
    for pages in [3073, 4096, u32::MAX] {
        let before = arena.state();
        assert_eq!(take_run(&mut arena, Movable, pages), None, "{pages}");
        assert!(arena.state() == before);
    }
}

#[test]
fn a_run_is_taken_from_any_mobility_but_not_from_what_is_set_aside() {
    let mut arena = Arena::free(0, 4096);
    for (at, mobility) in [(0, Unmovable), (1024, HighAtomic), (2048, Reclaimable)] {
        let taken = arena.alloc(10).unwrap();
        assert_eq!(taken, at);
        arena.frames().blocks().set(pfn(at), mobility);
    }
    for at in [0, 1024, 2048] {
        arena.free_block(at, 10).unwrap();
    }
    assert_eq!(take_run(&mut arena, Movable, 1500), Some((2048, 3548)));
    assert_eq!(take_run(&mut arena, Movable, 1500), None);
    arena.check();
}

#[test]
fn a_block_is_carved_into_the_largest_blocks_of_its_beginning() {
    for size in 0..=10 {
        for pages in 1..=(1_u32 << size) {
            let mut arena = Arena::free(0, 1024);
            let whole = arena.state();
            let at = arena.alloc_for(Movable, size).unwrap();
            arena.live.remove(&at);
            let (run, end) = (range(at, at + pages), pfn(at + (1 << size)));
            arena.with(|buddy, frames, counts| {
                buddy.carve(frames, counts, class(Movable), run, end);
            });
            note_run(&mut arena, Movable, run);
            // Large arenas are slow to check: not each of the sizes between.
            if pages < 20 || pages.is_power_of_two() || pages % 97 == 0 {
                arena.check();
                for (at, live) in arena.live.clone() {
                    arena.free_block(at, live.size).unwrap();
                }
                assert!(arena.state() == whole);
            }
        }
    }
}
