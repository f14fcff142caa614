//! `alloc_api`: allocation with nothing asked but size and alignment, from the top down and from
//! the bottom up. Linux runs each case for `memblock_alloc`, which zeroes, and for
//! `memblock_alloc_raw`; here they are one.

use super::*;

const MEM_SIZE: u64 = 0x8000;
const ALIGN: u64 = 0x40;

/// Starts and lengths, counted from [`BASE`].
type Offsets = Vec<(u64, u64)>;

/// Allocates from 32 KiB of memory with some ranges reserved. Gives the place, and what is
/// reserved afterwards.
fn alloc(
    direction: Direction,
    reserved: &[(u64, u64)],
    size: u64,
) -> (Result<u64, MemblockError>, Offsets) {
    let mut memblock = machine(MEM_SIZE);
    memblock.set_direction(direction);
    for &(offset, len) in reserved {
        memblock.reserve(range(BASE + offset, len)).unwrap();
    }
    let before = snapshot(&memblock);
    let place = memblock.alloc(size, ALIGN);
    match place {
        Ok(place) => assert_eq!(place.len(), size),
        Err(_) => assert_eq!(snapshot(&memblock), before),
    }
    let after = regions(&memblock, ListKind::Reserved);
    (
        place.map(|place| place.start().as_u64() - BASE),
        after.into_iter().map(|(start, len)| (start - BASE, len)).collect(),
    )
}

fn top_down(reserved: &[(u64, u64)], size: u64) -> (u64, Offsets) {
    let (place, after) = alloc(Direction::TopDown, reserved, size);
    (place.unwrap(), after)
}

fn bottom_up(reserved: &[(u64, u64)], size: u64) -> (u64, Offsets) {
    let (place, after) = alloc(Direction::BottomUp, reserved, size);
    (place.unwrap(), after)
}

/// Checks that there is no place, whichever way the search goes.
fn assert_no_space(reserved: &[(u64, u64)], size: u64) {
    let (min, max) = (addr(0), addr(u64::MAX));
    let error = MemblockError::NoSpace { size, align: ALIGN, min, max };
    assert_eq!(alloc(Direction::TopDown, reserved, size).0, Err(error));
    assert_eq!(alloc(Direction::BottomUp, reserved, size).0, Err(error));
}

#[test]
fn alloc_top_down_simple() {
    assert_eq!(top_down(&[], 0x50), (0x7f80, vec![(0x7f80, 0x50)]));
}

#[test]
fn alloc_top_down_disjoint() {
    // The end of memory is reserved from an odd address on, so the place does not touch it.
    let reserved = [(0x7fe2, 0x1e)];
    assert_eq!(top_down(&reserved, 0x40), (0x7f80, vec![(0x7f80, 0x40), (0x7fe2, 0x1e)]));
}

#[test]
fn alloc_top_down_before() {
    assert_eq!(top_down(&[(0x7000, 0x800)], 0x800), (0x7800, vec![(0x7000, 0x1000)]));
}

#[test]
fn alloc_top_down_after() {
    assert_eq!(top_down(&[(0x7000, 0xc00)], 0x800), (0x6800, vec![(0x6800, 0x1400)]));
}

#[test]
fn alloc_top_down_second_fit() {
    let reserved = [(0x7800, 0x800), (0x6c00, 0x800)];
    let after = vec![(0x6400, 0x1000), (0x7800, 0x800)];
    assert_eq!(top_down(&reserved, 0x800), (0x6400, after));
}

#[test]
fn alloc_in_between() {
    let reserved = [(0x6000, 0x800), (0x7000, 0x1000)];
    assert_eq!(top_down(&reserved, 0x800), (0x6800, vec![(0x6000, 0x2000)]));
    let reserved = [(0, 0x800), (0x1000, 0x1000)];
    assert_eq!(bottom_up(&reserved, 0x800), (0x800, vec![(0, 0x2000)]));
}

#[test]
fn alloc_small_gaps() {
    let gaps: Offsets = (0..8).map(|n| (n * 0x1000, 0xe00)).collect();
    assert_no_space(&gaps, 0x240);
    assert_eq!(top_down(&gaps, 0x200).0, 0x7e00);
    assert_eq!(bottom_up(&gaps, 0x200).0, 0xe00);
}

#[test]
fn alloc_gap_large_enough_but_misaligned() {
    // The only gap has 0x7e bytes, and no multiple of 0x40 has 0x40 bytes of it after it.
    assert_no_space(&[(0, 0x1001), (0x107f, 0x6f81)], 0x40);
}

#[test]
fn alloc_all_reserved() {
    assert_no_space(&[(0, MEM_SIZE)], 1);
}

#[test]
fn alloc_no_space() {
    assert_no_space(&[(0, MEM_SIZE - 0x200)], 0x240);
}

#[test]
fn alloc_limited_space() {
    let reserved = [(0, MEM_SIZE - 0x200)];
    assert_eq!(top_down(&reserved, 0x200), (0x7e00, vec![(0, MEM_SIZE)]));
    assert_eq!(bottom_up(&reserved, 0x200), (0x7e00, vec![(0, MEM_SIZE)]));
}

#[test]
fn alloc_too_large() {
    assert_no_space(&[], MEM_SIZE + 1);
    assert_no_space(&[], u64::MAX);
    assert_eq!(top_down(&[], MEM_SIZE), (0, vec![(0, MEM_SIZE)]));
}

#[test]
fn alloc_no_memory() {
    let mut memblock = empty_machine(8);
    assert!(matches!(memblock.alloc(0x40, ALIGN), Err(MemblockError::NoSpace { .. })));
    assert_eq!(regions(&memblock, ListKind::Reserved), []);
}

#[test]
fn alloc_bottom_up_simple() {
    assert_eq!(bottom_up(&[], 0x50), (0, vec![(0, 0x50)]));
}

#[test]
fn alloc_bottom_up_disjoint() {
    assert_eq!(bottom_up(&[(0, 0x1e)], 0x40), (0x40, vec![(0, 0x1e), (0x40, 0x40)]));
}

#[test]
fn alloc_bottom_up_before() {
    assert_eq!(bottom_up(&[(0x800, 0x800)], 0x800), (0, vec![(0, 0x1000)]));
}

#[test]
fn alloc_bottom_up_after() {
    assert_eq!(bottom_up(&[(0x400, 0x800)], 0x800), (0xc00, vec![(0x400, 0x1000)]));
}

#[test]
fn alloc_bottom_up_second_fit() {
    let reserved = [(0, 0x800), (0xc00, 0x800)];
    let after = vec![(0, 0x800), (0xc00, 0x1000)];
    assert_eq!(bottom_up(&reserved, 0x800), (0x1400, after));
}

#[test]
fn alloc_never_takes_nomap_or_driver_managed_memory() {
    for direction in [Direction::TopDown, Direction::BottomUp] {
        let mut memblock = empty_machine(8);
        memblock.set_direction(direction);
        memblock.add(range(BASE, 0x1000), Flags::NOMAP).unwrap();
        memblock.add(range(BASE + 0x1000, 0x1000), Flags::HOTPLUG | Flags::MIRROR).unwrap();
        memblock.add(range(BASE + 0x2000, 0x1000), Flags::DRIVER_MANAGED).unwrap();
        assert_eq!(memblock.alloc(0x1000, 1), Ok(range(BASE + 0x1000, 0x1000)));
        assert!(memblock.alloc(1, 1).is_err());
    }
}

#[test]
fn alloc_never_gives_the_first_page() {
    let mut memblock = empty_machine(8);
    memblock.add(range(0, 0x3000), Flags::empty()).unwrap();
    memblock.set_direction(Direction::BottomUp);
    assert_eq!(memblock.alloc(0x10, 0x10), Ok(range(0x1000, 0x10)));
    assert!(memblock.alloc(0x2000, 0x1000).is_err());
    // It is free for all that, and is handed on at the end of boot.
    assert_eq!(memblock.free_ranges().next(), Some(range(0, 0x1000)));
}

#[test]
fn alloc_at_the_top_of_the_address_space() {
    let mut memblock = empty_machine(8);
    memblock.add(range(u64::MAX - 0x2fff, u64::MAX), Flags::empty()).unwrap();
    // Rounded up, the start of the second piece does not fit 64 bits.
    memblock.reserve(range(u64::MAX - 0x1fff, 0x1800)).unwrap();
    memblock.set_direction(Direction::BottomUp);
    assert_eq!(memblock.alloc(0x1000, 0x1000), Ok(range(u64::MAX - 0x2fff, 0x1000)));
    assert!(memblock.alloc(0x10, 0x1000).is_err());
    memblock.set_direction(Direction::TopDown);
    assert_eq!(memblock.alloc(0x10, 1), Ok(range(u64::MAX - 0x10, 0x10)));
    assert!(memblock.alloc(1, 1 << 63).is_err());
}

#[test]
fn alloc_around_4g() {
    let mut memblock = empty_machine(8);
    memblock.add(range(0xffff_0000, 0x2_0000), Flags::empty()).unwrap();
    memblock.set_current_limit(addr(0x1_0000_0000));
    assert_eq!(memblock.alloc(0x1000, 0x1000), Ok(range(0xffff_f000, 0x1000)));
    memblock.set_current_limit(addr(u64::MAX));
    assert_eq!(memblock.alloc(0x1_0000, 0x1_0000), Ok(range(0x1_0000_0000, 0x1_0000)));
}

#[test]
fn alloc_of_nothing_or_badly_aligned() {
    let mut memblock = machine(MEM_SIZE);
    assert_eq!(memblock.alloc(0, 1), Err(MemblockError::ZeroSize));
    assert_eq!(memblock.alloc(8, 0), Err(MemblockError::BadAlign(0)));
    assert_eq!(memblock.alloc(8, 24), Err(MemblockError::BadAlign(24)));
    assert_eq!(regions(&memblock, ListKind::Reserved), []);
}
