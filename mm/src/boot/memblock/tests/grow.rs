//! Growth beyond the first 128 regions: `add_many`, `reserve_many` and their relatives, and growth
//! that fails at each of its steps.

use super::*;

/// Bytes between the small regions of these tests: they must not touch.
const STEP: u64 = 0x10;
/// Where the small regions start: above [`BASE`]'s memory.
const SMALL: u64 = 0x5000_0000;

fn small(index: u64) -> PhysRange {
    range(SMALL + index * STEP, STEP / 2)
}

/// The bytes that an array of `len` regions takes.
fn array_bytes(len: usize) -> u64 {
    ((len * size_of::<Region>()) as u64).next_multiple_of(0x1000)
}

#[test]
fn add_many() {
    let mut memblock = machine(0x10_0000);
    let requests = allow_growth(&mut memblock, |_| false);
    for index in 0..127 {
        memblock.add(small(index), Flags::empty()).unwrap();
    }
    assert_eq!((memblock.memory().capacity(), memblock.memory().array()), (128, None));
    assert_eq!(regions(&memblock, ListKind::Reserved), []);

    memblock.add(small(127), Flags::empty()).unwrap();
    let place = range(BASE + 0x10_0000 - array_bytes(256), array_bytes(256));
    assert_eq!(*requests.borrow(), [(place, 256)]);
    assert_eq!((memblock.memory().capacity(), memblock.memory().array()), (256, Some(place)));
    assert_eq!(regions(&memblock, ListKind::Memory).len(), 129);
    assert_eq!(memblock.reserved().regions(), [Region { range: place, ..Region::EMPTY }]);
}

#[test]
fn add_many_frees_the_outgrown_array() {
    let mut memblock = machine(0x10_0000);
    allow_growth(&mut memblock, |_| false);
    for index in 0..256 {
        memblock.add(small(index), Flags::empty()).unwrap();
    }
    // The second array lies below the first, which is free again.
    let end = BASE + 0x10_0000 - array_bytes(256);
    let place = range(end - array_bytes(512), array_bytes(512));
    assert_eq!((memblock.memory().capacity(), memblock.memory().array()), (512, Some(place)));
    assert_eq!(memblock.reserved().regions(), [Region { range: place, ..Region::EMPTY }]);
    assert_eq!(regions(&memblock, ListKind::Memory).len(), 257);
}

#[test]
fn reserve_many() {
    let mut memblock = machine(0x10_0000);
    let requests = allow_growth(&mut memblock, |_| false);
    for index in 0..128 {
        memblock.reserve(small(index)).unwrap();
    }
    assert_eq!((memblock.reserved().capacity(), requests.borrow().len()), (128, 0));

    memblock.reserve(small(128)).unwrap();
    let place = range(BASE + 0x10_0000 - array_bytes(256), array_bytes(256));
    assert_eq!((memblock.reserved().capacity(), memblock.reserved().array()), (256, Some(place)));
    // One region more: the array itself.
    assert_eq!(regions(&memblock, ListKind::Reserved).len(), 130);
    assert!(memblock.reserved().covers(place));

    for index in 129..300 {
        memblock.reserve(small(index)).unwrap();
    }
    assert_eq!(regions(&memblock, ListKind::Reserved).len(), 301);
    assert_eq!(memblock.reserved().capacity(), 512);
    assert!(!memblock.reserved().overlaps(place), "the outgrown array is free");
}

#[test]
fn reserve_all_locations() {
    for last in 0..=128 {
        let mut memblock = machine(0x10_0000);
        allow_growth(&mut memblock, |_| false);
        for index in (0..=128).filter(|index| *index != last) {
            memblock.reserve(small(index)).unwrap();
        }
        assert_eq!(memblock.reserved().capacity(), 128);
        memblock.reserve(small(last)).unwrap();
        assert_eq!(memblock.reserved().capacity(), 256);

        let array = memblock.reserved().array().unwrap();
        let expected: Vec<_> = [array].into_iter().chain((0..=128).map(small)).collect();
        regions(&memblock, ListKind::Reserved);
        let found: Vec<_> = memblock.reserved().regions().iter().map(|r| r.range).collect();
        assert_eq!(found, expected, "the last one at {last}");
    }
}

/// Two pieces of memory large enough for the new array; the upper one is about to be reserved.
fn machine_with_conflict(lower_size: u64) -> (Memblock<'static>, PhysRange) {
    let mut memblock = empty_machine(INIT_REGIONS);
    let upper = range(BASE + 0x10_0000, array_bytes(256));
    memblock.add(range(BASE, lower_size), Flags::empty()).unwrap();
    memblock.add(upper, Flags::empty()).unwrap();
    for index in 0..128 {
        memblock.reserve(small(index)).unwrap();
    }
    allow_growth(&mut memblock, |_| false);
    (memblock, upper)
}

#[test]
fn reserve_many_may_conflict() {
    for direction in [Direction::TopDown, Direction::BottomUp] {
        let (mut memblock, upper) = machine_with_conflict(array_bytes(256));
        memblock.set_direction(direction);
        memblock.reserve(upper).unwrap();
        assert_eq!(memblock.reserved().array(), Some(range(BASE, array_bytes(256))));
        assert_eq!(regions(&memblock, ListKind::Reserved).len(), 130);
        assert!(memblock.reserved().covers(upper));
    }
}

#[test]
fn reserve_many_with_conflict_only() {
    let (mut memblock, upper) = machine_with_conflict(0x1000);
    let before = snapshot(&memblock);
    let error = MemblockError::NoRoomForArray { list: ListKind::Reserved, bytes: array_bytes(256) };
    assert_eq!(memblock.reserve(upper), Err(error));
    assert_eq!(snapshot(&memblock), before);
}

#[test]
fn an_allocation_that_makes_the_list_grow_keeps_its_place() {
    let (mut memblock, upper) = machine_with_conflict(array_bytes(256));
    assert_eq!(memblock.alloc(0x1000, 0x1000), Ok(range(upper.end().as_u64() - 0x1000, 0x1000)));
    assert_eq!(memblock.reserved().array(), Some(range(BASE, array_bytes(256))));
    assert_eq!(regions(&memblock, ListKind::Reserved).len(), 130);
}

#[test]
fn remove_does_not_put_the_array_into_what_it_removes() {
    let mut memblock = empty_machine(2);
    memblock.add(range(BASE, 0x1000), Flags::empty()).unwrap();
    memblock.add(range(BASE + 0x10_0000, 0x4000), Flags::empty()).unwrap();
    allow_growth(&mut memblock, |_| false);
    // The list is full, and the best place for a longer one is cut out of the second region.
    memblock.remove(range(BASE + 0x10_1000, 0x2000)).unwrap();
    let array = memblock.memory().array().unwrap();
    assert_eq!(array, range(BASE + 0x10_3000, 0x1000));
    let expected = [(BASE, 0x1000), (BASE + 0x10_0000, 0x1000), (BASE + 0x10_3000, 0x1000)];
    assert_eq!(regions(&memblock, ListKind::Memory), expected);
}

#[test]
fn both_lists_may_have_to_grow_at_once() {
    let mut memblock = empty_machine(2);
    memblock.add(range(BASE, 0x10000), Flags::empty()).unwrap();
    memblock.reserve(small(0)).unwrap();
    memblock.reserve(small(2)).unwrap();
    let requests = allow_growth(&mut memblock, |_| false);
    memblock.add(small(0), Flags::empty()).unwrap();
    assert_eq!(requests.borrow().len(), 0);
    memblock.add(small(2), Flags::empty()).unwrap();
    // The memory list's new array is one reservation too many for the reserved list.
    let lens: Vec<_> = requests.borrow().iter().map(|(_, len)| *len).collect();
    assert_eq!(lens, [4, 8]);
    assert_eq!(memblock.memory().array(), Some(range(BASE + 0xf000, 0x1000)));
    assert_eq!(memblock.reserved().array(), Some(range(BASE + 0xe000, 0x1000)));
    let expected = [(BASE + 0xe000, 0x2000), (SMALL, 8), (SMALL + 0x20, 8)];
    assert_eq!(regions(&memblock, ListKind::Reserved), expected);
}

#[test]
fn without_storage_a_full_list_is_an_error() {
    let mut memblock = machine(0x10_0000);
    for index in 0..128 {
        memblock.reserve(small(index)).unwrap();
    }
    let before = snapshot(&memblock);
    let full = |list| Err(MemblockError::Full { list, capacity: 128 });
    assert_eq!(memblock.reserve(small(128)), full(ListKind::Reserved));
    assert_eq!(memblock.free(range(SMALL + 2, 1)), full(ListKind::Reserved));
    assert_eq!(
        memblock.alloc(8, 8),
        Err(MemblockError::Full { list: ListKind::Reserved, capacity: 128 })
    );
    assert_eq!(snapshot(&memblock), before);
    // What needs no further region still goes.
    memblock.reserve(range(SMALL, 128 * STEP)).unwrap();
    assert_eq!(regions(&memblock, ListKind::Reserved), [(SMALL, 128 * STEP)]);
}

#[test]
fn growth_stays_below_the_current_limit() {
    let mut memblock = empty_machine(1);
    memblock.add(range(BASE, 0x10_0000), Flags::empty()).unwrap();
    memblock.set_current_limit(addr(BASE + 0x2000));
    allow_growth(&mut memblock, |_| false);
    memblock.reserve(small(0)).unwrap();
    memblock.reserve(small(1)).unwrap();
    assert_eq!(memblock.reserved().array(), Some(range(BASE + 0x1000, 0x1000)));
    memblock.set_current_limit(addr(BASE));
    let before = snapshot(&memblock);
    let error = MemblockError::NoRoomForArray { list: ListKind::Memory, bytes: 0x1000 };
    assert_eq!(memblock.add(small(0), Flags::empty()), Err(error));
    assert_eq!(snapshot(&memblock), before);
}

#[test]
fn an_array_too_short_is_refused() {
    struct Short;
    impl RegionStorage<'static> for Short {
        fn array_at(&mut self, _: PhysRange, len: usize) -> Option<&'static mut [Region]> {
            Some(array(len - 1))
        }
    }
    let mut memblock = empty_machine(1);
    memblock.allow_growth(Box::leak(Box::new(Short)));
    memblock.add(range(BASE, 0x1000), Flags::empty()).unwrap();
    let before = snapshot(&memblock);
    let error =
        MemblockError::StorageRefused { list: ListKind::Memory, range: range(BASE, 0x1000) };
    assert_eq!(memblock.add(small(0), Flags::empty()), Err(error));
    assert_eq!(snapshot(&memblock), before);
}

#[test]
fn nobody_gets_the_memory_of_an_array() {
    let mut memblock = empty_machine(1);
    memblock.add(range(BASE, 0x3000), Flags::empty()).unwrap();
    memblock.reserve(range(BASE, 0x1000)).unwrap();
    allow_growth(&mut memblock, |_| false);
    memblock.reserve(small(0)).unwrap();
    let array = memblock.reserved().array().unwrap();
    assert_eq!(array, range(BASE + 0x2000, 0x1000));

    let before = snapshot(&memblock);
    for range in [array, range(BASE + 0x2fff, 1), range(0, u64::MAX), range(BASE, 0x2001)] {
        let error = Err(MemblockError::ArrayInUse { range, array });
        assert_eq!(memblock.reserve(range), error);
        assert_eq!(memblock.free(range), error);
        assert_eq!(memblock.remove(range), error);
        assert_eq!(memblock.mark_nomap(range), error);
    }
    assert!(matches!(memblock.trim_memory(0x2000), Err(MemblockError::ArrayInUse { .. })));
    assert_eq!(snapshot(&memblock), before);
    // Its neighbours are anyone's.
    memblock.free(range(BASE, 0x2000)).unwrap();
    memblock.trim_memory(0x1000).unwrap();
    memblock.remove(range(BASE, 0x2000)).unwrap();
    assert_eq!(regions(&memblock, ListKind::Memory), [(BASE + 0x2000, 0x1000)]);
}

/// Lets request `n` of the storage fail, for n = 0, 1, 2 … until none does. The operation that
/// meets the failure changes nothing, and succeeds when it is tried again.
#[test]
fn growth_that_fails_at_request_n_changes_nothing() {
    type Step = fn(&mut Memblock<'static>, u64) -> Result<(), MemblockError>;
    let steps: [Step; 4] = [
        |memblock, n| memblock.add(small(2 * n), Flags::empty()),
        |memblock, n| memblock.reserve(small(2 * n)),
        |memblock, n| memblock.mark_nomap(range(SMALL + 2 * n * STEP + 2, 2)),
        |memblock, n| memblock.free(range(SMALL + 2 * n * STEP + 2, 2)),
    ];
    let mut refusals = 0;
    for failing in 0.. {
        let mut memblock = empty_machine(1);
        memblock.add(range(BASE, 0x10_0000), Flags::empty()).unwrap();
        let requests = allow_growth(&mut memblock, move |n| n == failing);
        let mut refused = 0;
        for n in 0..100 {
            for step in &steps {
                let before = snapshot(&memblock);
                if let Err(error) = step(&mut memblock, n) {
                    assert!(matches!(error, MemblockError::StorageRefused { .. }), "{error}");
                    assert_eq!(snapshot(&memblock), before);
                    refused += 1;
                    step(&mut memblock, n).unwrap();
                }
                assert_eq!(memblock.validate(), Ok(()));
            }
        }
        // Each memory region of 8 bytes was cut in three, each reservation in two.
        assert_eq!(memblock.memory().regions().len(), 1 + 3 * 100);
        let arrays = [memblock.memory().array(), memblock.reserved().array()];
        let arrays: u64 = arrays.into_iter().flatten().map(|array| array.len()).sum();
        assert_eq!(memblock.reserved_size(), arrays + 100 * (STEP / 2 - 2));
        if failing >= requests.borrow().len() {
            assert_eq!(refused, 0);
            break;
        }
        assert_eq!(refused, 1);
        refusals += 1;
    }
    assert!(refusals >= 16, "each list doubles from 1 to 512 or so: {refusals}");
}
