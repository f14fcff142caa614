//! `validate` itself: it finds what is planted. And the text of the errors.

use super::*;

fn planted(regions: &[Region]) -> Result<(), Violation> {
    let mut memblock = empty_machine(4);
    memblock.reserved.plant(regions);
    memblock.validate()
}

fn region(start: u64, len: u64, flags: Flags) -> Region {
    Region { range: range(start, len), flags }
}

#[test]
fn validate_finds_a_planted_violation() {
    let list = ListKind::Reserved;
    let plain = Flags::empty();
    let first = region(BASE, 0x1000, plain);
    assert_eq!(planted(&[first, region(BASE + 0x2000, 1, plain)]), Ok(()));
    assert_eq!(planted(&[first, region(BASE + 0x1000, 1, Flags::NOMAP)]), Ok(()));
    let empty = region(BASE + 0x2000, 0, plain);
    assert_eq!(planted(&[first, empty]), Err(Violation::EmptyRegion { list, index: 1 }));
    let overlapping = region(BASE + 0xfff, 2, plain);
    assert_eq!(planted(&[first, overlapping]), Err(Violation::OutOfOrder { list, index: 1 }));
    let below = region(0, 1, plain);
    assert_eq!(planted(&[first, below]), Err(Violation::OutOfOrder { list, index: 1 }));
    let touching = region(BASE + 0x1000, 1, plain);
    assert_eq!(planted(&[first, touching]), Err(Violation::NotMerged { list, index: 1 }));
}

#[test]
fn validate_finds_an_array_that_anyone_could_get() {
    let mut memblock = empty_machine(1);
    memblock.add(range(BASE, 0x4000), Flags::empty()).unwrap();
    allow_growth(&mut memblock, |_| false);
    memblock.add(range(0, 1), Flags::empty()).unwrap();
    assert_eq!(memblock.validate(), Ok(()));
    let unprotected = Err(Violation::ArrayUnprotected {
        list: ListKind::Memory,
        array: range(BASE + 0x3000, 0x1000),
    });

    let reserved = memblock.reserved.regions().to_vec();
    memblock.reserved.plant(&[region(BASE + 0x3001, 0xfff, Flags::empty())]);
    assert_eq!(memblock.validate(), unprotected);
    memblock.reserved.plant(&reserved);
    memblock.memory.plant(&[region(BASE, 0x4000, Flags::NOMAP)]);
    assert_eq!(memblock.validate(), unprotected);
}

#[test]
fn an_edit_counts_the_slots_it_needs_on_the_way() {
    // Adding all of it leaves three regions of four, for the last three become one. But when the
    // pass has written the new first region and the old one, three are still to be read: five.
    let hotplug = region(BASE + 0x1000, 0x1000, Flags::HOTPLUG);
    let mut memblock = Memblock::new(array(4), array(4));
    memblock.memory.plant(&[
        hotplug,
        region(BASE + 0x2000, 0x1000, Flags::empty()),
        region(BASE + 0x4000, 0x1000, Flags::empty()),
        region(BASE + 0x6000, 0x1000, Flags::empty()),
    ]);
    assert_eq!(memblock.validate(), Ok(()));
    let before = snapshot(&memblock);
    let all = range(BASE, 0x7000);
    let full = MemblockError::Full { list: ListKind::Memory, capacity: 4 };
    assert_eq!(memblock.add(all, Flags::empty()), Err(full));
    assert_eq!(snapshot(&memblock), before);

    let before = memblock.memory.regions().to_vec();
    memblock.memory = RegionList::new(array(5));
    memblock.memory.plant(&before);
    memblock.add(all, Flags::empty()).unwrap();
    let expected = [
        region(BASE, 0x1000, Flags::empty()),
        hotplug,
        region(BASE + 0x2000, 0x5000, Flags::empty()),
    ];
    assert_eq!(memblock.memory.regions(), expected);
    assert_eq!(memblock.validate(), Ok(()));
}

/// However many regions there are: a tree of a mebibyte may name tens of thousands, and each is an
/// edit of its own.
#[test]
fn an_edit_and_a_search_look_at_what_they_touch() {
    const MANY: u64 = 1000;
    let regions: Vec<_> =
        (0..MANY).map(|i| region(BASE + i * 0x2000, 0x1000, Flags::empty())).collect();
    let mut list = RegionList::new(array(MANY as usize + 1));
    list.plant(&regions);
    // Below all, in a hole, at both ends of one, in one, over two, above all, and empty.
    let at = BASE + 500 * 0x2000;
    let end = BASE + MANY * 0x2000;
    let cases = [
        (range(0, 0x1000), 0..0, 0..0),
        (range(at + 0x1800, 0x100), 501..501, 501..501),
        (range(at + 0x1000, 0x1000), 500..502, 501..501),
        (range(at + 0x100, 0x100), 500..501, 500..501),
        (range(at + 0xfff, 0x1002), 500..502, 500..502),
        (range(end, 0x1000), 1000..1000, 1000..1000),
        (range(at + 0x100, 0), 500..501, 500..501),
        (range(0, u64::MAX), 0..1000, 0..1000),
    ];
    for (range, window, within) in cases {
        assert_eq!(list.window(Edit::Remove(range)), window, "{range}");
        assert_eq!(list.within(range), &regions[within], "{range}");
    }
}

#[test]
fn errors_name_the_value() {
    let (list, range) = (ListKind::Reserved, range(BASE, 0x1000));
    let texts = [
        (
            MemblockError::Full { list, capacity: 128 },
            "reserved list is full with 128 regions and cannot grow yet",
        ),
        (
            MemblockError::NoRoomForArray { list, bytes: 0x2000 },
            "no free memory for a longer reserved list of 0x2000 bytes",
        ),
        (
            MemblockError::StorageRefused { list, range },
            "the storage made no reserved list at [0x40000000-0x40000fff]",
        ),
        (
            MemblockError::ArrayInUse { range, array: range },
            "[0x40000000-0x40000fff] overlaps the region list at [0x40000000-0x40000fff]",
        ),
        (MemblockError::ZeroSize, "an allocation of 0 bytes"),
        (MemblockError::BadAlign(24), "alignment 0x18 is not a power of two"),
        (
            MemblockError::NoSpace { size: 64, align: 32, min: addr(0), max: addr(BASE) },
            "no free 0x40 bytes aligned to 0x20 from 0x00000000 up to 0x40000000",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
    let violation = Violation::NotMerged { list: ListKind::Memory, index: 17 };
    assert_eq!(violation.to_string(), "memory[0x11] is not merged with its predecessor");
}
