//! The buddy over arenas of a few frames: its lists, merges, refusals, and every state it can reach.
//!
//! What happens between mobilities is in `stealing`; the search of all reachable states in `exhaustive`.

mod damage;
mod exhaustive;
mod stealing;

use std::collections::BTreeMap;

use super::*;
use crate::frame::validate::Elsewhere;
use crate::frame::{Block, Inconsistency, Page, PageBlocks, PageState};
use crate::sync::{AtomicU8, Ordering::Relaxed};
use crate::zone::Gfp;

use Mobility::{HighAtomic, Movable, Reclaimable, Unmovable};

const ZONE: ZoneId = match ZoneId::new(1) {
    Some(zone) => zone,
    None => panic!("zone 1 has an id"),
};

const OTHER_ZONE: ZoneId = match ZoneId::new(0) {
    Some(zone) => zone,
    None => panic!("zone 0 has an id"),
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

/// What a request for such pages asks for. None asks for other kinds than these three.
fn class(mobility: Mobility) -> Class {
    let gfp = match mobility {
        Unmovable => Gfp::empty(),
        Movable => Gfp::__GFP_MOVABLE,
        Reclaimable => Gfp::__GFP_RECLAIMABLE,
        other => panic!("no request is for {other}"),
    };
    Class::of_flags(gfp.bits())
}

fn allocated(size: u8, mobility: Mobility) -> Head {
    Head::allocated(order(size), class(mobility))
}

fn stacked(size: u8, mobility: Mobility) -> Head {
    Head::stacked(order(size), class(mobility))
}

fn bad(size: u8, mobility: Mobility) -> Head {
    Head::bad(order(size), class(mobility))
}

fn parked(size: u8, mobility: Mobility) -> Head {
    Head::parked(order(size), class(mobility))
}

fn free(size: u8, mobility: Mobility) -> Head {
    Head::free(order(size), ZONE, mobility)
}

/// A buddy with its descriptors, its page blocks, and what is allocated from it.
struct Arena {
    start: u32,
    pages: Vec<Page>,
    blocks: Vec<AtomicU8>,
    counts: Counts,
    buddy: Buddy,
    live: BTreeMap<u32, Live>,
}

/// An allocated block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Live {
    size: u8,
    mobility: Mobility,
}

/// All that an arena is. Two arenas with equal states do the same for ever after.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    start: u32,
    pages: Vec<[u32; 4]>,
    blocks: Vec<u8>,
    buddy: Buddy,
    live: BTreeMap<u32, Live>,
}

impl Arena {
    /// Frames `start..end`, none of them handed over.
    fn reserved(start: u32, end: u32) -> Self {
        Self {
            start,
            pages: (start..end).map(|_| Page::RESERVED).collect(),
            blocks: (0..PageBlocks::bytes_for(range(start, end)))
                .map(|_| AtomicU8::new(0))
                .collect(),
            counts: Counts::new(),
            buddy: Buddy::new(ZONE, range(start, end)),
            live: BTreeMap::new(),
        }
    }

    /// Frames `start..end`, all of them free.
    fn free(start: u32, end: u32) -> Self {
        let mut arena = Self::reserved(start, end);
        arena.release(start, end).unwrap();
        arena
    }

    fn of(state: &State) -> Self {
        let mut arena = Self {
            start: state.start,
            pages: state.pages.iter().map(|words| Page::of_words(*words)).collect(),
            blocks: state.blocks.iter().map(|byte| AtomicU8::new(*byte)).collect(),
            counts: Counts::new(),
            buddy: state.buddy.clone(),
            live: state.live.clone(),
        };
        // What the counters say follows from the heads.
        for page in &mut arena.pages {
            if let PageState::Free { order, mobility, .. } = page.state() {
                arena.counts.add(order, mobility);
                arena.counts.add_pages(order.pages());
            }
        }
        arena
    }

    /// The state, without the words that have no meaning: links of what is on no list.
    fn state(&self) -> State {
        let meant = |page: &Page| match (page.state(), page.words()) {
            (PageState::Free { .. }, [head, next, prev, own]) => [head, next, prev, own],
            (_, [head, ..]) => [head, 0, 0, 0],
        };
        State {
            start: self.start,
            pages: self.pages.iter().map(meant).collect(),
            blocks: self.blocks.iter().map(|byte| byte.load(Relaxed)).collect(),
            buddy: self.buddy.clone(),
            live: self.live.clone(),
        }
    }

    fn end(&self) -> u32 {
        self.start + self.pages.len() as u32
    }

    fn frames(&self) -> FrameTable<'_> {
        FrameTable::resume(pfn(self.start), &self.pages, &self.blocks)
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Buddy, &FrameTable<'_>, &Counts) -> T) -> T {
        let frames = FrameTable::resume(pfn(self.start), &self.pages, &self.blocks);
        act(&mut self.buddy, &frames, &self.counts)
    }

    fn release(&mut self, start: u32, end: u32) -> Result<(), ReleaseError> {
        self.with(|buddy, frames, counts| buddy.release(frames, counts, range(start, end)))
    }

    fn alloc_for(&mut self, mobility: Mobility, size: u8) -> Option<u32> {
        let class = class(mobility);
        let got =
            self.with(|buddy, frames, counts| buddy.alloc(frames, counts, class, order(size)))?;
        self.took(got.as_u32(), Live { size, mobility });
        Some(got.as_u32())
    }

    /// Notes a block that was taken.
    fn took(&mut self, at: u32, live: Live) {
        assert_eq!(self.live.insert(at, live), None, "{at} handed out twice");
        let state = self.frames().at(pfn(at)).state();
        let (order, class) = (order(live.size), class(live.mobility));
        assert_eq!(state, PageState::Allocated { order, class, further_references: 0 });
    }

    /// A block for what moves, as all memory is at boot.
    fn alloc(&mut self, size: u8) -> Option<u32> {
        self.alloc_for(Movable, size)
    }

    fn free_block(&mut self, at: u32, size: u8) -> Result<(), FreeError> {
        let result =
            self.with(|buddy, frames, counts| buddy.free(frames, counts, pfn(at), order(size)));
        if result.is_ok() {
            let live = self.live.remove(&at);
            assert_eq!(live.map(|live| live.size), Some(size), "freed what was not allocated");
        }
        result
    }

    fn validate(&self) -> Result<Elsewhere, Inconsistency> {
        self.buddy.validate(&self.frames(), &self.counts)
    }

    /// Valid, and as much is allocated as the test thinks.
    fn check(&self) {
        let allocated: u32 = self.live.values().map(|live| 1 << live.size).sum();
        assert_eq!(self.validate(), Ok(Elsewhere { allocated, ..Elsewhere::default() }));
    }

    /// The free list of an order, from head to tail.
    fn list_of(&self, mobility: Mobility, size: u8) -> Vec<u32> {
        let frames = self.frames();
        let first = self.buddy.lists[usize::from(size)][mobility.index()].first();
        core::iter::successors(first, |&at| frames.at(at).next().pfn()).map(Pfn::as_u32).collect()
    }

    fn list(&self, size: u8) -> Vec<u32> {
        self.list_of(Movable, size)
    }

    /// How many free blocks of each order.
    fn free_blocks(&self) -> Vec<u32> {
        self.counts.all_blocks().iter().map(|row| row.iter().sum()).collect()
    }

    /// What the page block of a frame is for.
    fn block(&self, at: u32) -> Mobility {
        self.frames().blocks().get(pfn(at))
    }

    /// Is the frame in the arena and in no allocated block? (All of the arena was handed over.)
    fn is_free(&self, at: u32) -> bool {
        let holds = |(head, live): (&u32, &Live)| (*head..*head + (1 << live.size)).contains(&at);
        (self.start..self.end()).contains(&at) && !self.live.iter().any(holds)
    }

    /// Is there an aligned run of free frames for a block?
    fn has_room(&self, size: u8) -> bool {
        let pages = 1_u32 << size;
        (0..self.end())
            .step_by(pages as usize)
            .any(|head| (head..head + pages).all(|at| self.is_free(at)))
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
    arena.check();
}

#[test]
fn what_is_taken_whole_is_the_smallest_block_and_cut_to_the_most() {
    let mut arena = Arena::free(0, 64);
    let take = |arena: &mut Arena, least, most| {
        let taken = arena.with(|buddy, frames, counts| {
            let taken = buddy.take(frames, counts, Movable, order(least), order(most));
            if let Some((at, size)) = taken {
                frames.at(at).set_head(Head::allocated(size, class(Movable)));
            }
            taken
        });
        let (at, size) = taken.map(|(at, size)| (at.as_u32(), size.as_u8()))?;
        arena.took(at, Live { size, mobility: Movable });
        arena.check();
        Some((at, size))
    };
    // 64 pages in one block: cut to the most.
    assert_eq!(take(&mut arena, 0, 2), Some((0, 2)));
    // The rest is 4, 8, 16 and 32 pages: the smallest, whole.
    assert_eq!(take(&mut arena, 0, 10), Some((4, 2)));
    assert_eq!(take(&mut arena, 1, 3), Some((8, 3)));
    assert_eq!(take(&mut arena, 5, 5), Some((32, 5)));
    assert_eq!(take(&mut arena, 5, 10), None);
    assert_eq!(take(&mut arena, 0, 0), Some((16, 0)));
}

#[test]
fn freeing_merges_back_to_the_whole() {
    let mut arena = Arena::free(0, 1024);
    let whole = arena.state();
    let blocks: Vec<_> = (0..1024).map(|_| arena.alloc(0).unwrap()).collect();
    assert_eq!(blocks, (0..1024).collect::<Vec<_>>(), "lowest address first");
    assert_eq!(arena.counts.free_pages(), 0);
    // 7 and 1024 have no common divisor: every block is freed once, in a scattered order.
    for step in 0..1024 {
        arena.free_block(step * 7 % 1024, 0).unwrap();
        arena.check();
    }
    assert!(arena.state() == whole);
}

#[test]
fn a_range_is_given_back_in_the_largest_blocks() {
    let mut arena = Arena::free(0, 64);
    let whole = arena.state();
    for _ in 0..64 {
        arena.alloc(0).unwrap();
    }
    for (start, end) in [(5, 23), (0, 1), (23, 64), (1, 5)] {
        for at in start..end {
            arena.live.remove(&at);
            arena.frames().at(pfn(at)).set_head(Head::NONE);
        }
        let given = range(start, end);
        arena.with(|buddy, frames, counts| buddy.insert_range(frames, counts, given));
        arena.check();
        if start == 5 {
            // 5, 6 and 7, 8 to 15, 16 to 19, 20 and 21, 22.
            let sizes: Vec<_> = (0..4).map(|size| arena.list(size).len()).collect();
            assert_eq!(sizes, [2, 2, 1, 1]);
        }
    }
    assert!(arena.state() == whole);
}

#[test]
fn two_blocks_of_the_largest_order_do_not_merge() {
    let mut arena = Arena::free(0, 2048);
    assert_eq!(arena.list(10), [0, 1024]);
    let (low, high) = (arena.alloc(10).unwrap(), arena.alloc(10).unwrap());
    arena.free_block(low, 10).unwrap();
    arena.free_block(high, 10).unwrap();
    assert_eq!(arena.list(10), [1024, 0], "the one freed last is used first");
    arena.check();
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
    arena.check();
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
fn a_block_is_listed_for_what_its_page_block_is_for() {
    let mut arena = Arena::free(0, 2048);
    let unmovable = arena.alloc_for(Unmovable, 0).unwrap();
    assert_eq!((unmovable, arena.block(0), arena.block(1024)), (0, Unmovable, Movable));
    let movable = arena.alloc_for(Movable, 0).unwrap();
    assert_eq!(movable, 1024);
    // Each half of the rest is on its own mobility's list.
    for size in 0..10 {
        assert_eq!(arena.list_of(Unmovable, size), [1 << size]);
        assert_eq!(arena.list_of(Movable, size), [1024 + (1 << size)]);
    }
    // What a block was asked for as does not matter when it is given back.
    arena.frames().blocks().set(pfn(0), Reclaimable);
    arena.free_block(0, 0).unwrap();
    assert_eq!(arena.list_of(Reclaimable, 10), [0], "with all that merged with it");
    assert_eq!(arena.free_blocks()[..10], [1; 10]);
    arena.check();
}

#[test]
fn blocks_are_had_from_the_mobilities_that_are_asked_about() {
    let mut arena = Arena::free(0, 1024);
    for (size, mobilities, has) in [
        (0, &[Movable][..], true),
        (10, &[Movable], true),
        (0, &[Unmovable, Reclaimable], false),
        (10, &[Unmovable, Movable], true),
        (0, &[], false),
    ] {
        assert_eq!(arena.buddy.has_block(order(size), mobilities), has, "{size} {mobilities:?}");
    }
    arena.alloc(9).unwrap();
    assert!(arena.buddy.has_block(order(9), &[Movable]));
    assert!(!arena.buddy.has_block(order(10), &[Movable]));
}

#[test]
fn boot_hands_memory_over_in_the_largest_aligned_blocks() {
    let arena = Arena::free(3, 0x1805);
    let mut expected = vec![(3, 0), (4, 2), (8, 3), (16, 4), (32, 5), (64, 6), (128, 7), (256, 8)];
    expected.extend([(512, 9), (0x400, 10), (0x800, 10), (0xc00, 10), (0x1000, 10), (0x1400, 10)]);
    expected.extend([(0x1800, 2), (0x1804, 0)]);
    for size in 0..=10 {
        let heads: Vec<_> =
            expected.iter().filter(|block| block.1 == size).map(|block| block.0).collect();
        assert_eq!(arena.list(size), heads, "order {size}");
    }
    arena.check();
}

#[test]
fn boot_writes_the_descriptors_of_block_heads_only() {
    let arena = Arena::free(0x40000, 0x40000 + 3 * 1024 * 256);
    assert_eq!(arena.pages.iter().filter(|page| page.words() != [0; 4]).count(), 768);
}

#[test]
fn memory_handed_over_in_pieces_merges() {
    let mut arena = Arena::reserved(0, 64);
    for (start, end) in [(32, 64), (0, 7), (9, 32), (7, 9)] {
        arena.release(start, end).unwrap();
        arena.check();
    }
    assert_eq!(arena.list(6), [0]);
}

#[test]
fn a_frame_is_handed_over_once() {
    let mut arena = Arena::reserved(0, 64);
    arena.release(16, 32).unwrap();
    assert_eq!(arena.alloc(1), Some(16));
    let before = arena.state();
    for (start, end, owned) in
        [(0, 64, 16), (17, 18, 17), (20, 21, 20), (31, 40, 31), (0, 17, 16), (30, 64, 30)]
    {
        assert_eq!(arena.release(start, end), Err(ReleaseError::Owned { pfn: pfn(owned) }));
    }
    let outside = range(60, 65);
    assert_eq!(arena.release(60, 65), Err(ReleaseError::NotCovered { range: outside }));
    assert!(arena.state() == before);
    arena.release(32, 64).unwrap();
    arena.release(0, 16).unwrap();
    arena.release(5, 5).unwrap();
    arena.free_block(16, 1).unwrap();
    assert_eq!(arena.list(6), [0]);
}

/// Below the highest frame that was ever handed over, descriptors are read; what is in a stack, or
/// bad, is somebody's.
#[test]
fn frames_that_are_not_free_are_not_handed_over_either() {
    for head in [allocated, stacked, bad, parked] {
        let mut arena = Arena::free(0, 64);
        arena.alloc(0).unwrap();
        arena.frames().at(pfn(0)).set_head(head(0, Movable));
        assert_eq!(arena.release(0, 1), Err(ReleaseError::Owned { pfn: pfn(0) }));
    }
}

#[test]
fn each_wrong_free_is_named_and_changes_nothing() {
    let mut arena = Arena::reserved(4, 128);
    arena.release(16, 64).unwrap();
    assert_eq!((arena.alloc(3), arena.alloc(0), arena.alloc(1)), (Some(16), Some(24), Some(26)));
    let shared = allocated(1, Movable).one_more().unwrap();
    arena.frames().at(pfn(26)).set_head(shared);
    arena.frames().at(pfn(64)).set_head(stacked(2, Unmovable));
    arena.frames().at(pfn(68)).set_head(bad(1, Movable));
    arena.frames().at(pfn(72)).set_head(parked(1, Movable));
    // A zone ends before the frames do, and what is allocated beyond is another's.
    arena.buddy.span = range(4, 100);
    arena.frames().at(pfn(104)).set_head(allocated(1, Movable));
    let unknown = Page::of_words([0xff, 0, 0, 0]);
    arena.frames().at(pfn(80)).set_head(unknown.head());
    let before = arena.state();

    let block = |head, state| Block { head: pfn(head), state };
    let allocated = block(16, allocated(3, Movable).decode());
    let shared = block(26, shared.decode());
    let free = block(32, free(5, Movable).decode());
    let stacked = block(64, stacked(2, Unmovable).decode());
    let bad = block(68, bad(1, Movable).decode());
    let parked = block(72, parked(1, Movable).decode());
    let corrupt = block(80, PageState::Corrupt { word: 0xff });
    for (at, size, error) in [
        (0, 0, FreeError::NotCovered { pfn: pfn(0) }),
        (128, 0, FreeError::NotCovered { pfn: pfn(128) }),
        (u32::MAX, 0, FreeError::NotCovered { pfn: pfn(u32::MAX) }),
        (17, 3, FreeError::Misaligned { pfn: pfn(17), order: order(3) }),
        (16, 2, FreeError::WrongOrder { pfn: pfn(16), order: order(2), block: allocated }),
        (16, 4, FreeError::WrongOrder { pfn: pfn(16), order: order(4), block: allocated }),
        (19, 0, FreeError::WrongOrder { pfn: pfn(19), order: order(0), block: allocated }),
        (26, 0, FreeError::WrongOrder { pfn: pfn(26), order: order(0), block: shared }),
        (32, 5, FreeError::DoubleFree { pfn: pfn(32), block: free }),
        (63, 0, FreeError::DoubleFree { pfn: pfn(63), block: free }),
        (64, 2, FreeError::DoubleFree { pfn: pfn(64), block: stacked }),
        (67, 0, FreeError::DoubleFree { pfn: pfn(67), block: stacked }),
        (68, 1, FreeError::Bad { pfn: pfn(68), block: bad }),
        (69, 0, FreeError::Bad { pfn: pfn(69), block: bad }),
        (72, 1, FreeError::DoubleFree { pfn: pfn(72), block: parked }),
        (73, 0, FreeError::DoubleFree { pfn: pfn(73), block: parked }),
        (80, 0, FreeError::Corrupt { pfn: pfn(80), block: corrupt }),
        (5, 0, FreeError::Reserved { pfn: pfn(5) }),
        (104, 1, FreeError::OtherZone { pfn: pfn(104) }),
    ] {
        assert_eq!(arena.free_block(at, size), Err(error), "pfn {at}, order {size}");
        assert!(arena.state() == before, "pfn {at}, order {size}");
    }
    arena.free_block(16, 3).unwrap();
    arena.free_block(24, 0).unwrap();
    assert!(matches!(arena.free_block(24, 0), Err(FreeError::DoubleFree { .. })));
}

#[test]
fn errors_say_which_frame_and_what_it_is() {
    let block = Block { head: pfn(0x40010), state: free(3, Movable).decode() };
    assert_eq!(
        FreeError::DoubleFree { pfn: pfn(0x40011), block }.to_string(),
        "double free: pfn 0x40011 is in the block at 0x40010 (free, order 3, Movable)"
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

/// The free blocks' head, first word by first word: a merge asks for order and zone, not for mobility.
#[test]
fn buddies_on_lists_of_different_mobilities_merge() {
    let mut arena = Arena::free(0, 8);
    assert_eq!((arena.alloc(1), arena.alloc(1)), (Some(0), Some(2)));
    arena.frames().blocks().set(pfn(0), Unmovable);
    arena.free_block(0, 1).unwrap();
    assert_eq!(arena.list_of(Unmovable, 1), [0]);
    arena.frames().blocks().set(pfn(0), Reclaimable);
    arena.free_block(2, 1).unwrap();
    // 0..4 from the unmovable list, 4..8 from the movable one.
    assert_eq!(arena.list_of(Reclaimable, 3), [0]);
    arena.check();
}
