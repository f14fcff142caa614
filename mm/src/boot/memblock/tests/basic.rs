//! `basic_api`: add, reserve, remove, free and trim. What adding does to memory, reserving does to
//! the reserved list, so most cases run on both.

use super::*;

const R1: u64 = BASE;
const R2: u64 = BASE + 0x10_0000;

fn insert(memblock: &mut Memblock<'_>, list: ListKind, start: u64, len: u64) {
    match list {
        ListKind::Memory => memblock.add(range(start, len), Flags::empty()),
        ListKind::Reserved => memblock.reserve(range(start, len)),
    }
    .unwrap();
}

fn take_out(memblock: &mut Memblock<'_>, list: ListKind, start: u64, len: u64) {
    match list {
        ListKind::Memory => memblock.remove(range(start, len)),
        ListKind::Reserved => memblock.free(range(start, len)),
    }
    .unwrap();
}

/// What a list holds after some ranges were put in and then one was taken out.
fn after(
    list: ListKind,
    inserted: &[(u64, u64)],
    taken_out: Option<(u64, u64)>,
) -> Vec<(u64, u64)> {
    let mut memblock = empty_machine(INIT_REGIONS);
    for &(start, len) in inserted {
        insert(&mut memblock, list, start, len);
        regions(&memblock, list);
    }
    if let Some((start, len)) = taken_out {
        take_out(&mut memblock, list, start, len);
    }
    let other = match list {
        ListKind::Memory => ListKind::Reserved,
        ListKind::Reserved => ListKind::Memory,
    };
    assert_eq!(regions(&memblock, other), []);
    regions(&memblock, list)
}

/// Each case is a test on the memory list and a test on the reserved list.
macro_rules! on_both_lists {
    ($($memory:ident, $reserved:ident:
        $inserted:expr $(, less $taken_out:expr)? => $expected:expr;)*) => {$(
        #[test]
        fn $memory() {
            let taken_out = None::<(u64, u64)>$(.or(Some($taken_out)))?;
            assert_eq!(after(ListKind::Memory, &$inserted, taken_out), $expected);
        }

        #[test]
        fn $reserved() {
            let taken_out = None::<(u64, u64)>$(.or(Some($taken_out)))?;
            assert_eq!(after(ListKind::Reserved, &$inserted, taken_out), $expected);
        }
    )*};
}

on_both_lists! {
    add_simple, reserve_simple: [(R1, 0x4000)] => [(R1, 0x4000)];
    add_disjoint, reserve_disjoint:
        [(R1, 0x2000), (R2, 0x4000)] => [(R1, 0x2000), (R2, 0x4000)];
    add_disjoint_below, reserve_disjoint_below:
        [(R2, 0x4000), (R1, 0x2000)] => [(R1, 0x2000), (R2, 0x4000)];
    // The new range lies below the old one and reaches into it.
    add_overlap_top, reserve_overlap_top:
        [(R1 + 0x2000, 0x4000), (R1, 0x3000)] => [(R1, 0x6000)];
    // The new range starts inside the old one and reaches above it.
    add_overlap_bottom, reserve_overlap_bottom:
        [(R1, 0x4000), (R1 + 0x3000, 0x3000)] => [(R1, 0x6000)];
    add_within, reserve_within: [(R1, 0x8000), (R1 + 0x2000, 0x100)] => [(R1, 0x8000)];
    add_twice, reserve_twice: [(R1, 0x4000), (R1, 0x4000)] => [(R1, 0x4000)];
    add_between, reserve_between:
        [(R1, 0x1000), (R1 + 0x3000, 0x1000), (R1 + 0x1000, 0x2000)] => [(R1, 0x4000)];
    add_over_many, reserve_over_many:
        [(R1, 1), (R1 + 4, 1), (R1 + 8, 1), (R2, 1), (R1 + 2, 9)] => [(R1, 1), (R1 + 2, 9), (R2, 1)];
    add_nothing, reserve_nothing: [(R1, 0x1000), (R1 + 0x800, 0), (R2, 0)] => [(R1, 0x1000)];
    // Physical addresses have 64 bits: there the end is capped.
    add_near_max, reserve_near_max:
        [(u64::MAX - 0x1000, 0x2000)] => [(u64::MAX - 0x1000, 0x1000)];
    // And 4 GiB is no edge: the last page below it stays whole.
    add_up_to_4g, reserve_up_to_4g: [(0x8000_0000, 0x8000_0000)] => [(0x8000_0000, 0x8000_0000)];
    add_across_4g, reserve_across_4g:
        [(0xffff_f000, 0x1000), (0x1_0000_0000, 0x1000)] => [(0xffff_f000, 0x2000)];

    remove_simple, free_simple:
        [(R1, 0x2000), (R2, 0x4000)], less (R1, 0x2000) => [(R2, 0x4000)];
    remove_absent, free_absent: [(R1, 0x2000)], less (R2, 0x1000) => [(R1, 0x2000)];
    remove_touching, free_touching:
        [(R1, 0x2000), (R1 + 0x3000, 1)], less (R1 + 0x2000, 0x1000)
            => [(R1, 0x2000), (R1 + 0x3000, 1)];
    // What goes lies below the region and reaches into it.
    remove_overlap_top, free_overlap_top:
        [(R1, 0x4000)], less (R1 - 0x1000, 0x2000) => [(R1 + 0x1000, 0x3000)];
    // What goes starts inside the region and reaches above it.
    remove_overlap_bottom, free_overlap_bottom:
        [(R1, 0x4000)], less (R1 + 0x3000, 0x2000) => [(R1, 0x3000)];
    remove_within, free_within:
        [(R1, 0x4000)], less (R1 + 0x1000, 0x1000) => [(R1, 0x1000), (R1 + 0x2000, 0x2000)];
    remove_only_region, free_only_region: [(R1, 0x4000)], less (R1, 0x4000) => [];
    remove_near_max, free_near_max:
        [(u64::MAX - 0x2000, 0x2000)], less (u64::MAX - 0x1000, 0x2000)
            => [(u64::MAX - 0x2000, 0x1000)];
    remove_overlap_two, free_overlap_two:
        [(R1, 0x2000), (R1 + 0x4000, 0x2000)], less (R1 + 0x1000, 0x4000)
            => [(R1, 0x1000), (R1 + 0x5000, 0x1000)];
    remove_everything, free_everything: [(R1, 1), (R2, 1), (u64::MAX - 1, 1)], less (0, u64::MAX) => [];
    remove_nothing, free_nothing: [(R1, 0x4000)], less (R1 + 0x1000, 0) => [(R1, 0x4000)];
    remove_page_below_4g, free_page_below_4g:
        [(0x8000_0000, 0x1_0000_0000)], less (0xffff_f000, 0x1000)
            => [(0x8000_0000, 0x7fff_f000), (0x1_0000_0000, 0x8000_0000)];
}

#[test]
fn initialization() {
    let memblock = empty_machine(INIT_REGIONS);
    assert_eq!(memblock.memory().regions(), []);
    assert_eq!(memblock.reserved().regions(), []);
    assert_eq!((memblock.memory().capacity(), memblock.reserved().capacity()), (128, 128));
    assert_eq!((memblock.memory().array(), memblock.reserved().array()), (None, None));
    assert_eq!((memblock.phys_mem_size(), memblock.reserved_size()), (0, 0));
    assert_eq!((memblock.start_of_dram(), memblock.end_of_dram()), (None, None));
    assert_eq!(memblock.direction(), Direction::TopDown);
    assert_eq!(memblock.current_limit(), addr(u64::MAX));
}

#[test]
fn set_direction_toggles() {
    let mut memblock = empty_machine(1);
    memblock.set_direction(Direction::BottomUp);
    assert_eq!(memblock.direction(), Direction::BottomUp);
    memblock.set_direction(Direction::TopDown);
    assert_eq!(memblock.direction(), Direction::TopDown);
}

#[test]
fn add_keeps_flags() {
    let mut memblock = empty_machine(8);
    memblock.add(range(BASE, 0x4000), Flags::HOTPLUG).unwrap();
    let expected = [Region { range: range(BASE, 0x4000), flags: Flags::HOTPLUG }];
    assert_eq!(memblock.memory().regions(), expected);
}

#[test]
fn add_over_other_flags_fills_the_gaps_only() {
    let mut memblock = empty_machine(8);
    memblock.add(range(BASE + 0x1000, 0x1000), Flags::NOMAP).unwrap();
    memblock.add(range(BASE + 0x3000, 0x1000), Flags::HOTPLUG).unwrap();
    memblock.add(range(BASE, 0x5000), Flags::empty()).unwrap();
    let region = |page: u64, flags| Region { range: range(BASE + page * 0x1000, 0x1000), flags };
    let expected = [
        region(0, Flags::empty()),
        region(1, Flags::NOMAP),
        region(2, Flags::empty()),
        region(3, Flags::HOTPLUG),
        region(4, Flags::empty()),
    ];
    assert_eq!(memblock.memory().regions(), expected);
    assert_eq!(memblock.validate(), Ok(()));
}

#[test]
fn flags_have_the_numbers_that_linux_prints() {
    let flags = [Flags::HOTPLUG, Flags::MIRROR, Flags::NOMAP, Flags::DRIVER_MANAGED];
    assert_eq!(flags.map(|flag| flag.bits()), [1, 2, 4, 8]);
}

#[test]
fn mark_nomap_splits_and_clear_nomap_merges() {
    let mut memblock = machine(0x4000);
    memblock.mark_nomap(range(BASE + 0x1000, 0x1000)).unwrap();
    let expected = [(BASE, 0x1000), (BASE + 0x1000, 0x1000), (BASE + 0x2000, 0x2000)];
    assert_eq!(regions(&memblock, ListKind::Memory), expected);
    assert!(
        memblock.is_memory(addr(BASE + 0x1000)) && !memblock.is_map_memory(addr(BASE + 0x1000))
    );
    assert!(
        memblock.is_map_memory(addr(BASE + 0xfff)) && memblock.is_map_memory(addr(BASE + 0x2000))
    );
    let mapped: Vec<_> = memblock.mapped_memory().collect();
    assert_eq!(mapped, [range(BASE, 0x1000), range(BASE + 0x2000, 0x2000)]);
    assert_eq!(memblock.phys_mem_size(), 0x4000);

    memblock.clear_nomap(range(BASE, 0x4000)).unwrap();
    assert_eq!(regions(&memblock, ListKind::Memory), [(BASE, 0x4000)]);
}

#[test]
fn mark_nomap_of_what_is_no_memory_does_nothing() {
    let mut memblock = machine(0x1000);
    memblock.mark_nomap(range(BASE + 0x1000, 0x1000)).unwrap();
    assert_eq!(regions(&memblock, ListKind::Memory), [(BASE, 0x1000)]);
    assert!(memblock.is_map_memory(addr(BASE)));
}

fn trimmed(start: u64, end: u64) -> Vec<(u64, u64)> {
    let mut memblock = empty_machine(INIT_REGIONS);
    memblock.add(range(BASE, 0x1000), Flags::empty()).unwrap();
    memblock.add(range(start, end - start), Flags::empty()).unwrap();
    memblock.trim_memory(0x1000).unwrap();
    let mut regions = regions(&memblock, ListKind::Memory);
    assert_eq!(regions.remove(0), (BASE, 0x1000));
    regions
}

#[test]
fn trim_memory_aligned() {
    assert_eq!(trimmed(BASE + 0x2000, BASE + 0x4000), [(BASE + 0x2000, 0x2000)]);
}

#[test]
fn trim_memory_too_small() {
    assert_eq!(trimmed(BASE + 0x2800, BASE + 0x2c00), []);
    assert_eq!(trimmed(BASE + 0x2800, BASE + 0x3800), []);
    assert_eq!(trimmed(u64::MAX - 0x800, u64::MAX), []);
}

#[test]
fn trim_memory_unaligned_base() {
    assert_eq!(trimmed(BASE + 0x2002, BASE + 0x5000), [(BASE + 0x3000, 0x2000)]);
}

#[test]
fn trim_memory_unaligned_end() {
    assert_eq!(trimmed(BASE + 0x2000, BASE + 0x4fff), [(BASE + 0x2000, 0x2000)]);
}

#[test]
fn trim_memory_to_a_bad_alignment() {
    let mut memblock = machine(0x1000);
    for align in [0, 3, 0x1800] {
        assert_eq!(memblock.trim_memory(align), Err(MemblockError::BadAlign(align)));
    }
    assert_eq!(regions(&memblock, ListKind::Memory), [(BASE, 0x1000)]);
}

#[test]
fn overlaps_region() {
    let mut memblock = empty_machine(8);
    memblock.reserve(range(BASE, 0x1000)).unwrap();
    memblock.reserve(range(BASE + 0x3000, 0x1000)).unwrap();
    let overlaps = |start, len| memblock.reserved().overlaps(range(start, len));
    assert!(overlaps(BASE, 1) && overlaps(BASE + 0xfff, 0x1000) && overlaps(BASE - 1, 2));
    assert!(overlaps(BASE + 0x1000, 0x2001) && overlaps(0, u64::MAX));
    // Touching is not overlapping, and nothing overlaps nothing.
    assert!(!overlaps(BASE + 0x1000, 0x2000) && !overlaps(BASE - 0x1000, 0x1000));
    assert!(!overlaps(BASE + 0x4000, 0x1000) && !overlaps(BASE + 0x800, 0));
}

#[test]
fn covers_goes_over_touching_regions_but_not_over_gaps() {
    let mut memblock = machine(0x4000);
    memblock.mark_nomap(range(BASE + 0x1000, 0x1000)).unwrap();
    memblock.add(range(BASE + 0x5000, 0x1000), Flags::empty()).unwrap();
    let covers = |start, len| memblock.memory().covers(range(start, len));
    assert!(covers(BASE, 0x4000) && covers(BASE + 0xfff, 2) && covers(BASE + 0x5000, 0x1000));
    assert!(!covers(BASE - 1, 2) && !covers(BASE, 0x4001) && !covers(BASE, 0x6000));
    assert!(!covers(BASE + 0x4000, 1));
}

#[test]
fn an_address_is_in_one_list_or_the_other_or_both() {
    let mut memblock = machine(0x1000);
    memblock.reserve(range(BASE + 0x800, 0x1000)).unwrap();
    let at = |offset| {
        let address = addr(BASE + offset);
        (memblock.is_memory(address), memblock.is_reserved(address))
    };
    assert_eq!([at(0x7ff), at(0x800), at(0xfff)], [(true, false), (true, true), (true, true)]);
    assert_eq!(
        [at(0x1000), at(0x17ff), at(0x1800)],
        [(false, true), (false, true), (false, false)]
    );
    assert_eq!(
        (memblock.start_of_dram(), memblock.end_of_dram()),
        (Some(addr(BASE)), Some(addr(BASE + 0x1000)))
    );
}

#[test]
fn free_ranges_are_memory_less_reserved() {
    let mut memblock = machine(0x10000);
    memblock.add(range(BASE + 0x20000, 0x1000), Flags::DRIVER_MANAGED).unwrap();
    memblock.add(range(BASE + 0x30000, 0x1000), Flags::HOTPLUG).unwrap();
    memblock.add(range(BASE + 0x31000, 0x1000), Flags::empty()).unwrap();
    memblock.mark_nomap(range(BASE + 0x8000, 0x1000)).unwrap();
    // From below the memory into it, twice within it, over two regions, and over the end.
    for (start, len) in [(0, BASE + 0x10), (BASE + 0x1000, 1), (BASE + 0x1002, 1)] {
        memblock.reserve(range(start, len)).unwrap();
    }
    memblock.reserve(range(BASE + 0xf000, 0x22000)).unwrap();
    memblock.reserve(range(BASE + 0x31fff, 0x1000)).unwrap();
    let free: Vec<_> = memblock.free_ranges().collect();
    let expected = [
        range(BASE + 0x10, 0xff0),
        range(BASE + 0x1001, 1),
        range(BASE + 0x1003, 0x6ffd),
        range(BASE + 0x9000, 0x6000),
        range(BASE + 0x31000, 0xfff),
    ];
    assert_eq!(free, expected);
}
