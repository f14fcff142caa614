//! `alloc_helpers` and `alloc_nid`: allocation with a lowest and a highest address, and the rule
//! that the lowest one is dropped rather than that the allocation fails.

use super::*;

const MEM_SIZE: u64 = 0x8000;
const ALIGN: u64 = 0x40;
const END: u64 = BASE + MEM_SIZE;

fn machine_with(direction: Direction, reserved: &[(u64, u64)]) -> Memblock<'static> {
    let mut memblock = machine(MEM_SIZE);
    memblock.set_direction(direction);
    for &(offset, len) in reserved {
        memblock.reserve(range(BASE + offset, len)).unwrap();
    }
    memblock
}

/// Where both functions that have a lowest address put an allocation (an offset from [`BASE`]), or
/// `None`; and what is reserved then. The search for an offset may go above or below memory.
fn alloc(
    direction: Direction,
    reserved: &[(u64, u64)],
    size: u64,
    min: i64,
    max: i64,
) -> (Option<i64>, Vec<(u64, u64)>) {
    let mut memblock = machine_with(direction, reserved);
    let at = |offset: i64| addr(BASE.checked_add_signed(offset).unwrap());
    let place = memblock.alloc_preferring(size, ALIGN, at(min), Limit::At(at(max)));
    if place.is_err() {
        assert!(matches!(place, Err(MemblockError::NoSpace { .. })));
    }
    (
        place.ok().map(|place| place.start().as_u64() as i64 - BASE as i64),
        regions(&memblock, ListKind::Reserved)
            .into_iter()
            .map(|(start, len)| (start - BASE, len))
            .collect(),
    )
}

fn top_down(
    reserved: &[(u64, u64)],
    size: u64,
    min: i64,
    max: i64,
) -> (Option<i64>, Vec<(u64, u64)>) {
    alloc(Direction::TopDown, reserved, size, min, max)
}

fn bottom_up(
    reserved: &[(u64, u64)],
    size: u64,
    min: i64,
    max: i64,
) -> (Option<i64>, Vec<(u64, u64)>) {
    alloc(Direction::BottomUp, reserved, size, min, max)
}

/// `alloc_from` on fresh memory: the place, as an offset from [`BASE`].
fn from(direction: Direction, reserved: &[(u64, u64)], size: u64, min: u64) -> Option<u64> {
    let mut memblock = machine_with(direction, reserved);
    memblock.alloc_from(size, ALIGN, addr(min)).ok().map(|place| place.start().as_u64() - BASE)
}

#[test]
fn alloc_from_simple() {
    assert_eq!(from(Direction::TopDown, &[], 0x40, BASE + 0x7f00), Some(0x7fc0));
    assert_eq!(from(Direction::BottomUp, &[], 0x40, BASE + 0x7f00), Some(0x7f00));
}

#[test]
fn alloc_from_misaligned() {
    assert_eq!(from(Direction::TopDown, &[], 0x20, BASE + 0x7f01), Some(0x7fc0));
    assert_eq!(from(Direction::BottomUp, &[], 0x20, BASE + 0x7f01), Some(0x7f40));
}

#[test]
fn alloc_from_high_addr() {
    // Too near the end of memory: the minimum is dropped.
    assert_eq!(from(Direction::TopDown, &[], 0x40, END - 0x3f), Some(0x7fc0));
    assert_eq!(from(Direction::BottomUp, &[], 0x40, END - 0x3f), Some(0));
    assert_eq!(from(Direction::BottomUp, &[], 0x40, u64::MAX), Some(0));
}

#[test]
fn alloc_from_no_space_above() {
    let reserved = [(0x7000, 0x1000)];
    assert_eq!(from(Direction::TopDown, &reserved, 0x80, BASE + 0x7000), Some(0x6f80));
    assert_eq!(from(Direction::BottomUp, &reserved, 0x80, BASE + 0x7000), Some(0));
}

#[test]
fn alloc_from_min_addr_cap() {
    // Below the start of memory.
    let reserved = [(0x40, 0x7fc0)];
    assert_eq!(from(Direction::TopDown, &reserved, 0x40, BASE - 0x1000), Some(0));
    assert_eq!(from(Direction::BottomUp, &[], 0x40, BASE - 0x1000), Some(0));
}

#[test]
fn alloc_range_simple() {
    assert_eq!(top_down(&[], 0x80, 0x1000, 0x2000), (Some(0x1f80), vec![(0x1f80, 0x80)]));
    assert_eq!(bottom_up(&[], 0x80, 0x1000, 0x2000), (Some(0x1000), vec![(0x1000, 0x80)]));
}

#[test]
fn alloc_range_end_misaligned() {
    assert_eq!(top_down(&[], 0x80, 0x1000, 0x2002).0, Some(0x1f80));
    assert_eq!(bottom_up(&[], 0x80, 0x1002, 0x2000).0, Some(0x1040));
}

#[test]
fn alloc_range_exact_address() {
    assert_eq!(top_down(&[], 0x80, 0x1000, 0x1080).0, Some(0x1000));
    assert_eq!(bottom_up(&[], 0x80, 0x1000, 0x1080).0, Some(0x1000));
}

#[test]
fn alloc_range_narrow() {
    // Between min and max there is no room: min is dropped, max is not.
    assert_eq!(top_down(&[], 0x80, 0x1000, 0x1040).0, Some(0xfc0));
    assert_eq!(bottom_up(&[], 0x80, 0x1000, 0x1040).0, Some(0));
}

#[test]
fn alloc_range_low_max() {
    assert_eq!(top_down(&[], 0x80, 0, 0x40), (None, vec![]));
    assert_eq!(bottom_up(&[], 0x80, 0, 0x40), (None, vec![]));
}

#[test]
fn alloc_range_min_reserved() {
    // Reserved up to the middle of the range; the rest fits exactly.
    let reserved = [(0xf80, 0x80)];
    assert_eq!(top_down(&reserved, 0x80, 0xf80, 0x1080), (Some(0x1000), vec![(0xf80, 0x100)]));
    assert_eq!(bottom_up(&reserved, 0x80, 0xf80, 0x1080), (Some(0x1000), vec![(0xf80, 0x100)]));
}

#[test]
fn alloc_range_max_reserved() {
    let reserved = [(0x1080, 0x80)];
    assert_eq!(top_down(&reserved, 0x80, 0x1000, 0x1100), (Some(0x1000), vec![(0x1000, 0x100)]));
    assert_eq!(bottom_up(&reserved, 0x80, 0x1000, 0x1100), (Some(0x1000), vec![(0x1000, 0x100)]));
}

#[test]
fn alloc_range_reserved_with_space() {
    let reserved = [(0x1000, 0x80), (0x1200, 0x80)];
    let upper = vec![(0x1000, 0x80), (0x1180, 0x100)];
    assert_eq!(top_down(&reserved, 0x80, 0x1000, 0x1280), (Some(0x1180), upper));
    let lower = vec![(0x1000, 0x100), (0x1200, 0x80)];
    assert_eq!(bottom_up(&reserved, 0x80, 0x1000, 0x1280), (Some(0x1080), lower));
}

#[test]
fn alloc_range_reserved_full_merge() {
    let reserved = [(0x1000, 0x80), (0x1100, 0x80)];
    let merged = vec![(0x1000, 0x180)];
    assert_eq!(top_down(&reserved, 0x80, 0x1000, 0x1180), (Some(0x1080), merged.clone()));
    assert_eq!(bottom_up(&reserved, 0x80, 0x1000, 0x1180), (Some(0x1080), merged));
}

#[test]
fn alloc_range_reserved_no_space() {
    // The gap is too small, so it goes below min: next to r2 from above, or to the start.
    let reserved = [(0x1000, 0x80), (0x10c0, 0x80)];
    let below = vec![(0xf80, 0x100), (0x10c0, 0x80)];
    assert_eq!(top_down(&reserved, 0x80, 0x1000, 0x1140), (Some(0xf80), below));
    let start = vec![(0, 0x80), (0x1000, 0x80), (0x10c0, 0x80)];
    assert_eq!(bottom_up(&reserved, 0x80, 0x1000, 0x1140), (Some(0), start));
}

#[test]
fn alloc_range_reserved_all() {
    let reserved = [(0, 0x1080), (0x10c0, 0x6f40)];
    assert_eq!(top_down(&reserved, 0x80, 0x1000, 0x1140).0, None);
    assert_eq!(bottom_up(&reserved, 0x80, 0x1000, 0x1140).0, None);
}

#[test]
fn alloc_range_cap_max() {
    assert_eq!(top_down(&[], 0x80, 0x7000, 0x9000).0, Some(0x7f80));
    assert_eq!(bottom_up(&[], 0x80, 0x7000, 0x9000).0, Some(0x7000));
}

#[test]
fn alloc_range_cap_min() {
    assert_eq!(top_down(&[], 0x80, -0x1000, 0x1000).0, Some(0xf80));
    assert_eq!(bottom_up(&[], 0x80, -0x1000, 0x1000).0, Some(0));
}

#[test]
fn alloc_range_is_strict() {
    let mut memblock = machine(MEM_SIZE);
    let (min, max) = (addr(BASE + 0x1000), addr(BASE + 0x1040));
    let error = MemblockError::NoSpace { size: 0x80, align: ALIGN, min, max };
    assert_eq!(memblock.alloc_range(0x80, ALIGN, min, Limit::At(max)), Err(error));
    // A range turned round holds nothing.
    assert!(memblock.alloc_range(1, 1, max, Limit::At(min)).is_err());
    assert_eq!(regions(&memblock, ListKind::Reserved), []);
    let place = memblock.alloc_range(0x40, ALIGN, min, Limit::At(max));
    assert_eq!(place, Ok(range(BASE + 0x1000, 0x40)));
    assert_eq!(regions(&memblock, ListKind::Reserved), [(BASE + 0x1000, 0x40)]);
}

#[test]
fn the_current_limit_is_the_ceiling_unless_a_range_says_otherwise() {
    let mut memblock = machine(MEM_SIZE);
    memblock.set_current_limit(addr(BASE + 0x2000));
    let (min, high) = (addr(BASE + 0x3000), Limit::At(addr(BASE + 0x4000)));
    assert_eq!(memblock.alloc(0x100, 1), Ok(range(BASE + 0x1f00, 0x100)));
    assert_eq!(memblock.alloc_from(0x100, 1, min), Ok(range(BASE + 0x1e00, 0x100)));
    assert_eq!(memblock.alloc_preferring(0x100, 1, min, high), Ok(range(BASE + 0x1d00, 0x100)));
    assert!(memblock.alloc_range(0x100, 1, min, Limit::Accessible).is_err());
    assert_eq!(memblock.alloc_range(0x100, 1, min, high), Ok(range(BASE + 0x3f00, 0x100)));
    assert_eq!(memblock.find_in_range(0x100, 1, min, high), Ok(range(BASE + 0x3e00, 0x100)));
    // A search alone reserves nothing.
    let expected = [(BASE + 0x1d00, 0x300), (BASE + 0x3f00, 0x100)];
    assert_eq!(regions(&memblock, ListKind::Reserved), expected);
}
