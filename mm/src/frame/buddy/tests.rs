use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::frame::page::Link;
use crate::frame::{Block, Inconsistency, PageState};

const ZONE: ZoneId = match ZoneId::new(1) {
    Some(zone) => zone,
    None => panic!("zone 1 has an id"),
};

fn pfn(value: u32) -> Pfn {
    Pfn::new(value)
}

fn order(value: u8) -> Order {
    Order::new(value).unwrap()
}

fn range(start: u32, end: u32) -> PfnRange {
    PfnRange::new(pfn(start), pfn(end))
}

/// A buddy with its descriptors and what is allocated from it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Arena {
    span: (u32, u32),
    pages: Vec<Page>,
    buddy: Buddy,
    live: BTreeMap<u32, u8>,
}

impl Arena {
    /// Frames `start..end`, none of them handed over.
    fn reserved(start: u32, end: u32) -> Self {
        let pages = vec![Page::RESERVED; (end - start) as usize];
        Self { span: (start, end), pages, buddy: Buddy::new(ZONE), live: BTreeMap::new() }
    }

    /// Frames `start..end`, all of them free.
    fn free(start: u32, end: u32) -> Self {
        let mut arena = Self::reserved(start, end);
        arena.release(start, end).unwrap();
        arena
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Buddy, &mut FrameTable<'_>) -> T) -> T {
        let mut frames = FrameTable::resume(pfn(self.span.0), &mut self.pages);
        act(&mut self.buddy, &mut frames)
    }

    fn release(&mut self, start: u32, end: u32) -> Result<(), ReleaseError> {
        self.with(|buddy, frames| buddy.release(frames, range(start, end)))
    }

    fn alloc(&mut self, size: u8) -> Option<u32> {
        let got = self.with(|buddy, frames| buddy.alloc(frames, order(size)))?.as_u32();
        assert_eq!(self.live.insert(got, size), None, "{got} handed out twice");
        Some(got)
    }

    fn free_block(&mut self, at: u32, size: u8) -> Result<(), FreeError> {
        let result = self.with(|buddy, frames| buddy.free(frames, pfn(at), order(size)));
        if result.is_ok() {
            assert_eq!(self.live.remove(&at), Some(size), "freed what was not allocated");
        }
        result
    }

    fn validate(&mut self) -> Result<u32, Inconsistency> {
        let (start, end) = self.span;
        self.with(|buddy, frames| buddy.validate(frames, range(start, end)))
    }

    /// The free list of an order, from head to tail.
    fn list(&mut self, size: u8) -> Vec<u32> {
        self.with(|buddy, frames| {
            let first = buddy.lists[usize::from(size)].first();
            core::iter::successors(first, |&at| frames.at(at).next().pfn())
                .map(Pfn::as_u32)
                .collect()
        })
    }

    /// How many free blocks of each order.
    fn counts(&self) -> Vec<u32> {
        Order::all().map(|size| self.buddy.free_blocks(size)).collect()
    }

    /// Is the frame in the span and in no allocated block? (All of the span was handed over.)
    fn is_free(&self, at: u32) -> bool {
        (self.span.0..self.span.1).contains(&at)
            && !self.live.iter().any(|(&head, &size)| (head..head + (1 << size)).contains(&at))
    }

    /// Is there an aligned run of free frames for a block?
    fn has_room(&self, size: u8) -> bool {
        let pages = 1 << size;
        (0..self.span.1)
            .step_by(pages)
            .any(|head| (head..head + pages as u32).all(|at| self.is_free(at)))
    }
}

#[test]
fn splitting_keeps_the_lower_half_and_lists_the_upper() {
    let mut arena = Arena::free(16, 32);
    assert_eq!(arena.alloc(1), Some(16));
    assert_eq!((arena.list(1), arena.list(2), arena.list(3)), (vec![18], vec![20], vec![24]));
    assert_eq!(arena.alloc(0), Some(18));
    assert_eq!(arena.alloc(3), Some(24));
    assert_eq!(arena.alloc(3), None);
    assert_eq!(arena.validate(), Ok(2 + 1 + 8));
}

#[test]
fn freeing_merges_back_to_the_whole() {
    let mut arena = Arena::free(0, 1024);
    let whole = arena.clone();
    let blocks: Vec<_> = (0..1024).map(|_| arena.alloc(0).unwrap()).collect();
    assert_eq!(blocks, (0..1024).collect::<Vec<_>>(), "lowest address first");
    assert_eq!(arena.buddy.free_pages(), 0);
    // 7 and 1024 have no common divisor: every block is freed once, in a scattered order.
    for step in 0..1024 {
        arena.free_block(step * 7 % 1024, 0).unwrap();
        arena.validate().unwrap();
    }
    assert!(arena == whole);
}

#[test]
fn two_blocks_of_the_largest_order_do_not_merge() {
    let mut arena = Arena::free(0, 2048);
    assert_eq!(arena.list(10), [0, 1024]);
    let (low, high) = (arena.alloc(10).unwrap(), arena.alloc(10).unwrap());
    arena.free_block(low, 10).unwrap();
    arena.free_block(high, 10).unwrap();
    assert_eq!(arena.list(10), [1024, 0], "the one freed last is used first");
    assert_eq!(arena.validate(), Ok(0));
}

#[test]
fn a_block_that_may_merge_on_goes_to_the_tail() {
    let mut arena = Arena::free(0, 16);
    let pages: Vec<_> = (0..8).map(|_| arena.alloc(0).unwrap()).collect();
    assert_eq!(pages, (0..8).collect::<Vec<_>>());
    arena.free_block(0, 0).unwrap();
    // Frame 2 lies beside the allocated 3, and its pair's buddy (0 and 1) is not free: head.
    arena.free_block(2, 0).unwrap();
    assert_eq!(arena.list(0), [2, 0]);
    arena.free_block(6, 0).unwrap();
    arena.free_block(7, 0).unwrap();
    assert_eq!(arena.list(1), [6]);
    // Frame 4: its pair's buddy (6 and 7) is free, so once 5 is freed all four merge: tail.
    arena.free_block(4, 0).unwrap();
    assert_eq!(arena.list(0), [2, 0, 4]);
    assert_eq!(arena.validate(), Ok(3));
}

#[test]
fn the_second_largest_order_never_goes_to_the_tail() {
    let mut arena = Arena::free(0, 4096);
    assert_eq!((arena.alloc(9), arena.alloc(9)), (Some(0), Some(512)));
    assert_eq!(arena.alloc(10), Some(1024));
    assert_eq!((arena.alloc(9), arena.alloc(9)), (Some(2048), Some(2560)));
    arena.free_block(1024, 10).unwrap();
    arena.free_block(2048, 9).unwrap();
    // The buddy of the pair at 0 is free, but two blocks of the largest order stay two.
    arena.free_block(0, 9).unwrap();
    assert_eq!(arena.list(9), [0, 2048]);
}

#[test]
fn boot_hands_memory_over_in_the_largest_aligned_blocks() {
    let mut arena = Arena::free(3, 0x1805);
    let mut expected = vec![(3, 0), (4, 2), (8, 3), (16, 4), (32, 5), (64, 6), (128, 7), (256, 8)];
    expected.extend([(512, 9), (0x400, 10), (0x800, 10), (0xc00, 10), (0x1000, 10), (0x1400, 10)]);
    expected.extend([(0x1800, 2), (0x1804, 0)]);
    for size in 0..=10 {
        let heads: Vec<_> =
            expected.iter().filter(|block| block.1 == size).map(|block| block.0).collect();
        assert_eq!(arena.list(size), heads, "order {size}");
    }
    assert_eq!(arena.validate(), Ok(0));
}

#[test]
fn boot_writes_the_descriptors_of_block_heads_only() {
    let arena = Arena::free(0x40000, 0x40000 + 3 * 1024 * 256);
    assert_eq!(arena.pages.iter().filter(|page| !page.is_all_zero()).count(), 768);
}

#[test]
fn memory_handed_over_in_pieces_merges() {
    let mut arena = Arena::reserved(0, 64);
    for (start, end) in [(32, 64), (0, 7), (9, 32), (7, 9)] {
        arena.release(start, end).unwrap();
        arena.validate().unwrap();
    }
    assert_eq!(arena.list(6), [0]);
}

#[test]
fn a_frame_is_handed_over_once() {
    let mut arena = Arena::reserved(0, 64);
    arena.release(16, 32).unwrap();
    assert_eq!(arena.alloc(1), Some(16));
    let before = arena.clone();
    for (start, end, owned) in
        [(0, 64, 16), (17, 18, 17), (20, 21, 20), (31, 40, 31), (0, 17, 16), (30, 64, 30)]
    {
        assert_eq!(arena.release(start, end), Err(ReleaseError::Owned { pfn: pfn(owned) }));
    }
    let outside = range(60, 65);
    assert_eq!(arena.release(60, 65), Err(ReleaseError::NotCovered { range: outside }));
    assert!(arena == before);
    arena.release(32, 64).unwrap();
    arena.release(0, 16).unwrap();
    arena.release(5, 5).unwrap();
    arena.free_block(16, 1).unwrap();
    assert_eq!(arena.list(6), [0]);
}

#[test]
fn each_wrong_free_is_named_and_changes_nothing() {
    let mut arena = Arena::reserved(4, 64);
    arena.release(16, 64).unwrap();
    assert_eq!((arena.alloc(3), arena.alloc(0)), (Some(16), Some(24)));
    let other = ZoneId::new(0).unwrap();
    arena.with(|_, frames| {
        *frames.at_mut(pfn(8)) = Page::allocated(other, order(1));
    });
    let before = arena.clone();

    let block = |head, state| Block { head: pfn(head), state };
    let allocated = block(16, PageState::Allocated { order: order(3), zone: ZONE });
    let free = block(32, PageState::Free { order: order(5), zone: ZONE });
    for (at, size, error) in [
        (0, 0, FreeError::NotCovered { pfn: pfn(0) }),
        (64, 0, FreeError::NotCovered { pfn: pfn(64) }),
        (17, 3, FreeError::Misaligned { pfn: pfn(17), order: order(3) }),
        (16, 2, FreeError::WrongOrder { pfn: pfn(16), order: order(2), block: allocated }),
        (16, 4, FreeError::WrongOrder { pfn: pfn(16), order: order(4), block: allocated }),
        (19, 0, FreeError::WrongOrder { pfn: pfn(19), order: order(0), block: allocated }),
        (32, 5, FreeError::DoubleFree { pfn: pfn(32), block: free }),
        (63, 0, FreeError::DoubleFree { pfn: pfn(63), block: free }),
        (5, 0, FreeError::Reserved { pfn: pfn(5) }),
        (8, 1, FreeError::OtherZone { pfn: pfn(8) }),
    ] {
        assert_eq!(arena.free_block(at, size), Err(error), "pfn {at}, order {size}");
        assert!(arena == before, "pfn {at}, order {size}");
    }
    arena.free_block(16, 3).unwrap();
    arena.free_block(24, 0).unwrap();
    assert!(matches!(arena.free_block(24, 0), Err(FreeError::DoubleFree { .. })));
}

#[test]
fn errors_say_which_frame_and_what_it_is() {
    let block =
        Block { head: pfn(0x40010), state: PageState::Free { order: order(3), zone: ZONE } };
    assert_eq!(
        FreeError::DoubleFree { pfn: pfn(0x40011), block }.to_string(),
        "double free: pfn 0x40011 is in the block at 0x40010 (free, order 3)"
    );
    assert_eq!(
        FreeError::Misaligned { pfn: pfn(0x40011), order: order(1) }.to_string(),
        "pfn 0x40011 is not aligned to a block of order 1"
    );
    assert_eq!(
        ReleaseError::Owned { pfn: pfn(0x40011) }.to_string(),
        "pfn 0x40011 was handed over before"
    );
}

/// Every state that any sequence of operations can reach on eight frames, of any length: from each
/// state, every allocation, every free and every wrong free is tried.
fn exhaust(start: u32, end: u32) -> usize {
    let boot = Arena::free(start, end);
    let mut seen = HashSet::from([boot.clone()]);
    let mut todo = vec![boot.clone()];
    while let Some(state) = todo.pop() {
        let mut visit = |next: Arena| {
            if seen.insert(next.clone()) {
                todo.push(next);
            }
        };
        for size in 0..=4 {
            let mut next = state.clone();
            match next.alloc(size) {
                Some(at) => {
                    assert_eq!(at % (1 << size), 0);
                    assert!((at..at + (1 << size)).all(|at| state.is_free(at)));
                    check(&mut next);
                    visit(next);
                }
                None => {
                    assert!(!state.has_room(size), "order {size} refused: {:?}", state.live);
                    assert!(next == state);
                }
            }
            for at in 0..=end {
                let mut next = state.clone();
                let result = next.free_block(at, size);
                assert_eq!(result.is_ok(), state.live.get(&at) == Some(&size));
                if result.is_ok() {
                    check(&mut next);
                    visit(next);
                } else {
                    assert!(next == state);
                }
            }
        }
        if state.live.is_empty() {
            assert_eq!(state.counts(), boot.counts());
        }
    }
    seen.len()
}

fn check(arena: &mut Arena) {
    let used: u32 = arena.live.values().map(|size| 1 << size).sum();
    assert_eq!(arena.validate(), Ok(used));
    assert_eq!(arena.buddy.free_pages(), arena.span.1 - arena.span.0 - used);
}

#[test]
fn every_sequence_on_an_aligned_arena() {
    assert!(exhaust(8, 16) > 500);
}

#[test]
fn every_sequence_on_an_arena_with_odd_borders() {
    assert!(exhaust(5, 13) > 500);
}

/// What each kind of damage is reported as. A checker that sees nothing would pass every test
/// above.
#[test]
fn validate_sees_damage() {
    let free = |size| Head::free(ZONE, order(size));
    let other = ZoneId::new(0).unwrap();
    type Damage<'a> = &'a dyn Fn(&mut Buddy, &mut FrameTable<'_>);
    // 0: allocated page; 1, 2, 4: free blocks of orders 0, 1, 2; 8: free block of order 3.
    let cases: [(Damage<'_>, Inconsistency); 10] = [
        (
            &|_, frames| frames.at_mut(pfn(9)).set_next(Link::to(pfn(1))),
            Inconsistency::Stray { pfn: pfn(9) },
        ),
        (
            &|_, frames| *frames.at_mut(pfn(5)) = Page::allocated(ZONE, order(0)),
            Inconsistency::Stray { pfn: pfn(5) },
        ),
        (
            &|_, frames| *frames.at_mut(pfn(0)) = Page::allocated(other, order(0)),
            Inconsistency::Foreign { pfn: pfn(0) },
        ),
        (
            &|_, frames| *frames.at_mut(pfn(8)) = Page::allocated(ZONE, order(4)),
            Inconsistency::Misplaced { pfn: pfn(8), order: order(4) },
        ),
        (
            &|_, frames| *frames.at_mut(pfn(1)) = Page::allocated(ZONE, order(1)),
            Inconsistency::Misplaced { pfn: pfn(1), order: order(1) },
        ),
        (
            &|buddy, frames| buddy.lists[0].push_back(frames, pfn(0), free(0)),
            Inconsistency::Unmerged { pfn: pfn(0), order: order(0) },
        ),
        (
            &|_, frames| *frames.at_mut(pfn(1)) = Page::allocated(ZONE, order(0)),
            Inconsistency::BrokenLink { order: order(0), pfn: pfn(1) },
        ),
        (
            &|_, frames| frames.at_mut(pfn(2)).set_prev(Link::to(pfn(1))),
            Inconsistency::BrokenLink { order: order(1), pfn: pfn(2) },
        ),
        (
            &|buddy, frames| buddy.lists[2].remove(frames, pfn(4)),
            Inconsistency::ListLength { order: order(2), recorded: 0, linked: 0, found: 1 },
        ),
        (&|buddy, _| buddy.free_pages += 1, Inconsistency::FreePages { recorded: 16, found: 15 }),
    ];
    for (damage, expected) in cases {
        let mut arena = Arena::free(0, 16);
        assert_eq!(arena.alloc(0), Some(0));
        assert_eq!(arena.validate(), Ok(1));
        arena.with(damage);
        assert_eq!(arena.validate(), Err(expected));
    }
}
