//! Whole pages against plain vectors, in lowmem, in HighMem, and without a level left.

use super::super::local::MAX_DEPTH;
use super::super::test_slots::{OneThread, TestSlots};
use super::*;
use crate::addr::PhysRange;
use crate::map::linear::LinearMap;

/// Lowmem is the first 64 frames, at address 0 on.
const LOWMEM: u32 = 64;
const HIGH: Pfn = Pfn::new(0x5000);

type Levels = KmapLocal<OneThread, TestSlots, 1>;

fn levels() -> (Levels, TestSlots) {
    let lowmem = PhysRange::new(PhysAddr::new(0), Pfn::new(LOWMEM).start());
    let table = TestSlots::default();
    let linear = LinearMap::new(VirtAddr::new(0), lowmem);
    (KmapLocal::new(&linear, OneThread::default(), table.clone()), table)
}

fn content(levels: &Levels, pfn: Pfn) -> Vec<u8> {
    let mut bytes = vec![0; PAGE_SIZE as usize];
    levels.copy_from_page(pfn, 0, &mut bytes).unwrap();
    bytes
}

/// Runs the test with all levels free, and with so many taken that none is left.
fn at_both_depths(test: impl Fn(&Levels, &TestSlots)) {
    let (levels, table) = levels();
    test(&levels, &table);
    let taken: Vec<_> =
        (0..MAX_DEPTH).map(|pfn| levels.kmap_local_raw(Pfn::new(0x9000 + pfn)).unwrap()).collect();
    levels.platform.masks();
    test(&levels, &table);
    for virt in taken.into_iter().rev() {
        levels.kunmap_local_raw(virt).unwrap();
    }
    assert_eq!(table.mapped(), 0);
    assert_eq!(levels.platform.told(), []);
}

#[test]
fn blocks_are_filled_and_searched_and_nothing_else_is() {
    at_both_depths(|levels, table| {
        for first in [Pfn::new(8), HIGH] {
            for order in [0, 1, 3].into_iter().filter_map(Order::new) {
                let before = table.mapped();
                let end = first.saturating_add(order.pages());
                levels.fill(first, Order::new(4).unwrap(), 0x11);
                levels.fill(first, order, 0xc3);
                assert_eq!(levels.first_other_than(first, order, 0xc3), None);
                assert_eq!(
                    levels.first_other_than(first, order, 0xc2),
                    Some((first.start(), 0xc3))
                );
                assert_eq!(content(levels, end), [0x11; PAGE_SIZE as usize], "behind the block");
                // The last byte of the last page, and then one before it.
                let last = Pfn::new(end.as_u32() - 1);
                for offset in [4095, 4094, 33, 0] {
                    levels.copy_to_page(last, offset, &[7]).unwrap();
                    let place = last.start().saturating_add(u64::from(offset));
                    assert_eq!(levels.first_other_than(first, order, 0xc3), Some((place, 7)));
                }
                assert_eq!(table.mapped(), before);
            }
        }
    });
}

#[test]
fn parts_of_a_page() {
    at_both_depths(|levels, _| {
        for pfn in [Pfn::new(9), HIGH] {
            levels.clear_highpage(pfn);
            let mut expected = vec![0; PAGE_SIZE as usize];
            for (offset, len) in [(0, 1), (1, 7), (4095, 1), (100, 3000), (4096, 0), (0, 4096)] {
                let bytes: Vec<u8> = (0..len).map(|byte| (byte * 7 + offset) as u8 | 1).collect();
                levels.copy_to_page(pfn, offset as u32, &bytes).unwrap();
                expected[offset..offset + len].copy_from_slice(&bytes);
                assert_eq!(content(levels, pfn), expected);
                let mut read = vec![0; len];
                levels.copy_from_page(pfn, offset as u32, &mut read).unwrap();
                assert_eq!(read, bytes);
            }
            levels.zero_page_part(pfn, 3, 4090).unwrap();
            expected[3..4093].fill(0);
            assert_eq!(content(levels, pfn), expected);
            for (offset, bytes) in [(4096, 1), (1, 4096), (u32::MAX, 1), (0, 4097)] {
                let error = BeyondPage { pfn, offset, bytes };
                let many = vec![1; bytes as usize];
                assert_eq!(levels.copy_to_page(pfn, offset, &many), Err(error));
                assert_eq!(levels.copy_from_page(pfn, offset, &mut many.clone()), Err(error));
                assert_eq!(levels.zero_page_part(pfn, offset, bytes), Err(error));
            }
            assert_eq!(content(levels, pfn), expected);
        }
    });
}

#[test]
fn pages_are_copied_between_all_kinds_of_memory() {
    let (levels, table) = levels();
    let frames = [Pfn::new(3), Pfn::new(4), HIGH, HIGH.saturating_add(1)];
    for from in frames {
        for to in frames {
            levels.fill(to, Order::ZERO, 0xee);
            levels.fill(from, Order::ZERO, from.as_u32() as u8);
            levels.copy_highpage(to, from).unwrap();
            assert_eq!(content(&levels, to), [from.as_u32() as u8; PAGE_SIZE as usize]);
        }
    }
    assert_eq!(table.mapped(), 0);
}

#[test]
fn a_copy_wants_two_levels_and_says_which_it_has_not() {
    let (levels, table) = levels();
    let (to, from) = (HIGH, HIGH.saturating_add(1));
    let take = |pfn| levels.kmap_local_raw(Pfn::new(pfn)).unwrap();
    let mut taken: Vec<_> = (0..MAX_DEPTH - 1).map(|pfn| take(0x9000 + pfn)).collect();
    assert_eq!(levels.copy_highpage(to, from), Err(TooDeep { pfn: to }));
    assert_eq!(table.mapped(), 14, "the source is unmapped again");
    taken.push(take(0x9100));
    assert_eq!(levels.copy_highpage(to, from), Err(TooDeep { pfn: from }));
    assert_eq!(table.mapped(), 15);
}

#[test]
fn above_the_last_level_there_is_one_slot_and_interrupts_are_masked() {
    let (levels, table) = levels();
    for pfn in 0..MAX_DEPTH {
        levels.kmap_local_raw(Pfn::new(0x9000 + pfn)).unwrap();
    }
    levels.platform.masks();
    let at = levels.with_page(HIGH, |at| {
        assert_eq!(table.read(at), HIGH);
        at
    });
    let top = crate::map::fixmap::Slot::kmap_local(0, MAX_DEPTH).unwrap().address();
    assert_eq!(at, top);
    // For as long as it is mapped; which CPU it is needs no question where there is one.
    assert_eq!(levels.platform.masks(), 1);
    let nested = std::panic::AssertUnwindSafe(|| {
        levels.with_page(HIGH, |_| levels.with_page(Pfn::new(0x6000), |_| ()));
    });
    std::panic::catch_unwind(nested).unwrap_err();
}
