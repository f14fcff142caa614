//! The tree beside a plain map of intervals, and how many steps its searches take.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::prot::MemoryType;
use crate::sync::Ordering::Relaxed;

/// Records in a vector, which counts how often a word is looked at.
struct Vector {
    words: Vec<AtomicU32>,
    free: Vec<AreaId>,
    looks: Cell<u32>,
}

impl Words for Vector {
    fn word(&self, at: u32) -> &AtomicU32 {
        assert!(at >= RECORD_BYTES && at.is_multiple_of(4));
        self.looks.set(self.looks.get() + 1);
        &self.words[(at / 4) as usize]
    }
}

impl Vector {
    fn new(records: u32) -> Self {
        let words = (0..(records + 1) * RECORD_BYTES / 4).map(|_| AtomicU32::new(0x5b5b_5b5b));
        let id = |number| AreaId::new(VirtAddr::new(number * RECORD_BYTES));
        let free = (1..=records).rev().map(id).collect();
        Self { words: words.collect(), free, looks: Cell::new(0) }
    }

    fn take(&mut self) -> AreaId {
        self.free.pop().unwrap()
    }

    /// A record that was given back holds nothing that anybody may need.
    fn give(&mut self, area: AreaId) {
        for word in 0..RECORD_BYTES / 4 {
            self.word(area.record().as_u32() + 4 * word).store(0x6b6b_6b6b, Relaxed);
        }
        self.free.push(area);
    }

    fn looks(&self, run: impl FnOnce()) -> u32 {
        let before = self.looks.get();
        run();
        self.looks.get() - before
    }
}

fn range(start: u32, end: u32) -> VirtRange {
    VirtRange::new(VirtAddr::new(start), VirtAddr::new(end))
}

/// These very addresses, and a guard page.
fn want_at(area: VirtRange) -> Want {
    let (start, end) = (area.start().as_u32(), area.end().as_u32());
    Want { bytes: area.len(), align_shift: PAGE_SHIFT, within: range(start, end + PAGE_SIZE) }
}

/// Starts and ends, without guard pages.
#[derive(Default)]
struct Model {
    region: VirtRange,
    areas: BTreeMap<u32, (u32, AreaId)>,
}

impl Model {
    fn gaps(&self) -> Vec<(u32, u32)> {
        let mut start = self.region.start().as_u32();
        let mut gaps = Vec::new();
        for (area, (end, _)) in &self.areas {
            gaps.push((start, *area));
            start = end + PAGE_SIZE;
        }
        gaps.push((start, self.region.end().as_u32()));
        gaps
    }

    /// First fit by address, in 64 bits.
    fn lowest(&self, want: &Want) -> Option<u32> {
        let align = 1_u64 << want.align_shift.max(12);
        let [low, high] = [want.within.start(), want.within.end()].map(|virt| virt.as_u32());
        self.gaps().into_iter().find_map(|(start, end)| {
            let start = u64::from(start.max(low)).next_multiple_of(align);
            let end = u64::from(end.min(high));
            (start + u64::from(want.bytes) + u64::from(PAGE_SIZE) <= end).then_some(start as u32)
        })
    }

    fn largest(&self, shift: u32) -> u32 {
        let room = |(start, end): (u32, u32)| {
            let start = u64::from(start).next_multiple_of(1_u64 << shift.max(12));
            (u64::from(end)).saturating_sub(start).saturating_sub(u64::from(PAGE_SIZE))
        };
        self.gaps().into_iter().map(room).max().unwrap() as u32
    }
}

#[derive(Clone, Debug)]
enum Op {
    Place { pages: u32, shift: u32, within: Option<(u32, u32)> },
    PlaceAt { page: u32, pages: u32 },
    Remove(usize),
    Resize(usize, u32),
    Largest(u32),
}

/// `pages` is the size of the region.
fn op(pages: u32) -> impl Strategy<Value = Op> {
    let size = prop_oneof![6 => 1_u32..20, 2 => 1_u32..600, 1 => 1..pages];
    let shift = prop_oneof![4 => Just(12_u32), 4 => 12_u32..18, 2 => 0_u32..32];
    let part = (0..=pages, 0..=pages).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![
        8 => (size, shift, prop::option::weighted(0.2, part))
            .prop_map(|(pages, shift, within)| Op::Place { pages, shift, within }),
        1 => (0..pages, 1_u32..40).prop_map(|(page, pages)| Op::PlaceAt { page, pages }),
        6 => any::<usize>().prop_map(Op::Remove),
        1 => (any::<usize>(), 0_u32..50).prop_map(|(area, pages)| Op::Resize(area, pages)),
        1 => (0_u32..32).prop_map(Op::Largest),
    ]
}

fn compare(tree: &AreaTree, words: &Vector, model: &Model) {
    tree.validate(words).unwrap();
    assert_eq!(tree.areas() as usize, model.areas.len());
    let listed: Vec<_> = tree.iter(words).collect();
    assert_eq!(listed, model.areas.values().map(|(_, area)| *area).collect::<Vec<_>>());
    let gaps: Vec<_> =
        model.gaps().into_iter().filter(|(a, b)| a < b).map(|(a, b)| range(a, b)).collect();
    assert_eq!(tree.holes(words).map(|hole| hole.range).collect::<Vec<_>>(), gaps);
    assert_eq!(tree.free_bytes(), gaps.iter().map(VirtRange::len).sum::<u32>());
    assert_eq!(tree.largest_gap(words), gaps.iter().map(VirtRange::len).max().unwrap_or(0));
}

fn run(region: VirtRange, ops: Vec<Op>) {
    let mut words = Vector::new(1 + ops.len() as u32);
    let sentinel = words.take();
    let mut tree = AreaTree::new(&words, region, sentinel);
    let mut model = Model { region, ..Model::default() };
    let at_page = |page: u32| region.start().as_u32() + page * PAGE_SIZE;
    for op in ops {
        match op {
            Op::Place { pages, shift, within } => {
                let within = within.map_or(region, |(a, b)| range(at_page(a), at_page(b)));
                let want = Want { bytes: pages * PAGE_SIZE, align_shift: shift, within };
                let expected = model.lowest(&want);
                let area = words.take();
                area.describe(&words, AreaKind::Vmalloc, MemoryType::WriteBack, 7, None);
                match tree.place(&words, area, &want) {
                    Ok(placed) => {
                        assert_eq!(Some(placed.start().as_u32()), expected, "{want:?}");
                        assert_eq!(placed.len(), want.bytes);
                        let start = placed.start().as_u32();
                        model.areas.insert(start, (placed.end().as_u32(), area));
                        assert_eq!(area.info(&words).caller, 7);
                        assert_eq!(area.range(&words), placed);
                    }
                    Err(error) => {
                        assert_eq!((error, expected), (NoHole { want }, None));
                        words.give(area);
                    }
                }
            }
            Op::PlaceAt { page, pages } => {
                let start = at_page(page);
                let end = start.saturating_add(pages * PAGE_SIZE);
                let is_free = model.gaps().iter().any(|(a, b)| {
                    *a <= start && u64::from(end) + u64::from(PAGE_SIZE) <= u64::from(*b)
                });
                let area = words.take();
                area.describe(&words, AreaKind::Vmap, MemoryType::WriteCombine, 0, None);
                let placed = tree.place(&words, area, &want_at(range(start, end)));
                assert_eq!(placed.is_ok(), is_free, "{page} {pages}");
                if is_free {
                    model.areas.insert(start, (end, area));
                } else {
                    words.give(area);
                }
            }
            Op::Remove(index) | Op::Resize(index, _) if model.areas.is_empty() => _ = index,
            Op::Remove(index) => {
                let index = index % model.areas.len();
                let (start, (_, area)) = model.areas.iter().nth(index).unwrap();
                let (start, area) = (*start, *area);
                tree.remove(&words, area);
                words.give(area);
                model.areas.remove(&start);
            }
            Op::Resize(index, pages) => {
                let index = index % model.areas.len();
                let (start, (end, area)) = model.areas.iter().nth(index).unwrap();
                let (start, end, area) = (*start, *end, *area);
                let limit = model.gaps()[index + 1].1 - PAGE_SIZE;
                let new_end = u64::from(start) + u64::from(pages * PAGE_SIZE);
                let fits = pages > 0 && new_end <= u64::from(limit);
                let resized = tree.resize(&words, area, pages * PAGE_SIZE);
                assert_eq!(resized.is_ok(), fits, "{start:#x}..{end:#x} to {pages} pages");
                if fits {
                    model.areas.insert(start, (new_end as u32, area));
                }
            }
            Op::Largest(shift) => {
                assert_eq!(tree.largest_area(&words, shift), model.largest(shift), "2^{shift}");
            }
        }
        compare(&tree, &words, &model);
        for (start, (end, area)) in &model.areas {
            let [first, last, behind] = [*start, end - 1, *end].map(VirtAddr::new);
            assert_eq!(tree.find(&words, first), Some(*area));
            assert_eq!(tree.find_start(&words, first), Some(*area));
            assert_eq!(tree.find(&words, last), Some(*area));
            assert_eq!(tree.find_start(&words, last), None);
            assert_ne!(tree.find(&words, behind), Some(*area));
        }
    }
}

const PAGES: u32 = 2048;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_small_region_as_a_map(ops in prop::collection::vec(op(PAGES), 1..150)) {
        // The start is a multiple of 2^23 only.
        run(range(0xf080_0000, 0xf080_0000 + PAGES * PAGE_SIZE), ops);
    }

    #[test]
    fn almost_all_of_the_address_space_as_a_map(ops in prop::collection::vec(op(0xf_0000), 1..80)) {
        run(range(0x1000, 0xf000_1000), ops);
    }
}

/// A region with so many gaps of three pages, all of which start at an odd page, and where they end. Two pages with
/// a guard page fit in each, but in none at a multiple of 8 KiB. Behind them is a larger gap.
fn combed(gaps: u32) -> (Vector, AreaTree, u32) {
    let mut words = Vector::new(gaps + 3);
    let sentinel = words.take();
    let first = 0x1000_1000;
    let at = |page: u32| first + page * PAGE_SIZE;
    let mut tree = AreaTree::new(&words, range(first, at(6 * gaps + 16)), sentinel);
    for gap in 0..gaps {
        let area = words.take();
        area.describe(&words, AreaKind::Vmalloc, MemoryType::WriteBack, 0, None);
        tree.place(&words, area, &want_at(range(at(6 * gap + 3), at(6 * gap + 5)))).unwrap();
    }
    tree.validate(&words).unwrap();
    (words, tree, at(6 * gaps))
}

/// Looks at words that a search, an insertion and a removal of a tree with so many areas may take.
fn logarithmic(areas: u32) -> u32 {
    // An AVL tree is at most 1.45 times as high as a full one; some twenty looks for each level of three walks.
    60 * (areas.ilog2() + 1) * 145 / 100
}

#[test]
fn one_aligned_gap_among_fifteen_thousand_that_are_only_large_enough() {
    const GAPS: u32 = 15_000;
    let (mut words, mut tree, end) = combed(GAPS);
    let within = range(tree.region().start().as_u32(), end);
    let two = Want { bytes: 2 * PAGE_SIZE, align_shift: 13, within };
    let area = words.take();
    // The first pays for the marks that making the tree has left.
    let plain = Want { align_shift: 12, ..two };
    tree.place(&words, area, &plain).unwrap();
    tree.remove(&words, area);
    let hit = words.looks(|| assert!(tree.place(&words, area, &two).is_err()));
    assert!(hit > GAPS, "{hit}: nothing was marked");
    // In the middle an area moves up by a page, so that the gap before it has four, and is the only one that fits.
    let victim = tree.iter(&words).nth(GAPS as usize / 2).unwrap();
    let start = victim.range(&words).start().as_u32();
    tree.remove(&words, victim);
    victim.describe(&words, AreaKind::Vmalloc, MemoryType::WriteBack, 0, None);
    let moved = range(start + PAGE_SIZE, start + 2 * PAGE_SIZE);
    let steps = words.looks(|| assert_eq!(tree.place(&words, victim, &want_at(moved)), Ok(moved)));
    assert!(steps < logarithmic(GAPS), "{steps} to place");
    tree.validate(&words).unwrap();
    let model = model_of(&tree, &words);
    let expected = model.lowest(&two);
    assert_eq!(expected, Some(start - 2 * PAGE_SIZE));
    let steps = words.looks(|| {
        let placed = tree.place(&words, area, &two).unwrap();
        assert_eq!(Some(placed.start().as_u32()), expected);
    });
    assert!(steps < logarithmic(GAPS), "{steps} to place aligned");
    let steps = words.looks(|| tree.remove(&words, area));
    assert!(steps < logarithmic(GAPS), "{steps} to remove");
    // And where nothing fits, that is found as quickly.
    tree.place(&words, area, &two).unwrap();
    let other = words.take();
    let steps = words.looks(|| assert!(tree.place(&words, other, &two).is_err()));
    assert!(steps < logarithmic(GAPS), "{steps} to find nothing");
    tree.validate(&words).unwrap();
}

fn model_of(tree: &AreaTree, words: &Vector) -> Model {
    let entry = |area: AreaId| {
        let range = area.range(words);
        (range.start().as_u32(), (range.end().as_u32(), area))
    };
    Model { region: tree.region(), areas: tree.iter(words).map(entry).collect() }
}

#[test]
fn a_series_of_aligned_and_plain_requests_is_logarithmic() {
    const GAPS: u32 = 15_000;
    let (mut words, mut tree, _) = combed(GAPS);
    let within = tree.region();
    let aligned = Want { bytes: PAGE_SIZE, align_shift: 13, within };
    let plain = Want { bytes: 2 * PAGE_SIZE, align_shift: 12, within };
    let records: Vec<_> = (0..2).map(|_| words.take()).collect();
    tree.place(&words, records[0], &aligned).unwrap();
    let steps = words.looks(|| {
        for _ in 0..1000 {
            tree.remove(&words, records[0]);
            tree.place(&words, records[1], &plain).unwrap();
            tree.place(&words, records[0], &aligned).unwrap();
            tree.remove(&words, records[1]);
        }
    });
    // A renewal looks at three nodes' twelve numbers.
    assert!(steps / 1000 < 6 * logarithmic(GAPS), "{} for each", steps / 1000);
}

#[test]
fn alignments_above_what_subtrees_know_are_exact() {
    let region = range(0xc100_0000, 0xfff0_0000);
    for shift in 25..32 {
        let mut words = Vector::new(4);
        let sentinel = words.take();
        let mut tree = AreaTree::new(&words, region, sentinel);
        let want = Want { bytes: PAGE_SIZE, align_shift: shift, within: region };
        let model = Model { region, ..Model::default() };
        let area = words.take();
        area.describe(&words, AreaKind::Vmalloc, MemoryType::WriteBack, 0, None);
        let placed = tree.place(&words, area, &want).map(|range| range.start().as_u32());
        // The next multiple of 2^30 is no address.
        assert_eq!(placed.ok(), model.lowest(&want), "2^{shift}");
        assert_eq!(placed.is_err(), shift >= 30);
        tree.validate(&words).unwrap();
    }
    let mut words = Vector::new(2);
    let sentinel = words.take();
    let mut tree = AreaTree::new(&words, region, sentinel);
    let area = words.take();
    for want in [
        Want { bytes: PAGE_SIZE, align_shift: 32, within: region },
        Want { bytes: 0, align_shift: 12, within: region },
        Want { bytes: 1, align_shift: 12, within: region },
        Want { bytes: 0_u32.wrapping_sub(PAGE_SIZE), align_shift: 12, within: region },
        Want { bytes: PAGE_SIZE, align_shift: 12, within: range(0, 0x1000_0000) },
        Want { bytes: PAGE_SIZE, align_shift: 12, within: range(0xfff0_0000, 0xffff_f000) },
    ] {
        assert_eq!(tree.place(&words, area, &want), Err(NoHole { want }));
    }
}

#[test]
fn the_largest_holders_are_found_among_many() {
    let info = |caller: u32, pages: u32, state| AreaInfo {
        range: range(0x1000, 0x1000 + pages * PAGE_SIZE),
        kind: AreaKind::Vmalloc,
        state,
        memory: MemoryType::WriteBack,
        caller,
        phys: None,
    };
    let mut areas: Vec<_> = (0..300).map(|n| info(0x1000 + n, 1, AreaState::Live)).collect();
    for round in 0..50 {
        areas.insert(6 * round, info(0xa, 3, AreaState::Live));
        areas.insert(5 * round, info(0xb, 2, AreaState::Live));
        areas.push(info(0xc, 100, AreaState::Waiting));
        areas.push(info(0xd, 100, AreaState::Spare));
    }
    let mut holders = Holders::new();
    areas.iter().for_each(|area| holders.look_for(area));
    holders.turn();
    areas.iter().for_each(|area| holders.count(area));
    let top = holders.top();
    assert_eq!(top.len(), 5);
    assert_eq!(top[0], Holder { caller: 0xa, bytes: 150 * PAGE_SIZE, areas: 50 });
    assert_eq!(top[1], Holder { caller: 0xb, bytes: 100 * PAGE_SIZE, areas: 50 });
}

#[test]
fn failures_say_what_helps() {
    let region = range(0xf080_0000, 0xff80_0000);
    let want = Want { bytes: 4 << 20, align_shift: 22, within: region };
    let holder = Holder { caller: 0xc010_1234, bytes: 0x20_0000, areas: 12 };
    let failure = |name| Failure {
        name,
        region,
        want,
        free: 0x60_0000,
        largest: 0x10_0000,
        largest_aligned: 0,
        waiting: 0x1000,
        holders: core::iter::once(holder).collect(),
    };
    assert_eq!(
        failure(RegionName::Vmalloc).to_string(),
        "\
vmalloc: no room for 4194304 bytes at a multiple of 2^22 in 0xf0800000 - 0xff800000
  free: 6144 kB, the largest area 1024 kB, at that alignment 0 kB
  waiting for a flush: 4 kB
  held by 0xc0101234: 2048 kB in 12 areas
  vmalloc=248M would make room"
    );
    let modules = failure(RegionName::Modules);
    assert_eq!(modules.remedy(), Remedy::FixedRegion);
    assert!(modules.to_string().contains("will not help"));
    let mut other = failure(RegionName::Vmalloc);
    other.want.bytes = 0xc000_0000;
    assert_eq!(other.remedy(), Remedy::Nothing);
    other.want = Want { within: range(0xf080_0000, 0xf090_0000), ..want };
    assert_eq!(other.remedy(), Remedy::PartOfRegion);
}
