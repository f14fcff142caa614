//! Somebody comes in between: at each moment at which interrupts come on again.

use super::*;
use crate::zone::test_machine::set_handler;

/// A handler that unmaps, looks and flushes wherever a kmap lets it in. It meets no lock that is held, or the
/// machine would panic, and nothing is lost.
#[test]
fn a_handler_flushes_between_any_two_steps() {
    let (pkmap, pages, table) = forever();
    let blocks = highs(pages, 700);
    let count = std::rc::Rc::new(std::cell::Cell::new(0_u32));
    let came = count.clone();
    set_handler(Some(Box::new(move || {
        came.set(came.get() + 1);
        if came.get().is_multiple_of(5) {
            pkmap.flush_unused();
        }
    })));
    for round in 0..3 {
        for (number, block) in blocks.iter().enumerate() {
            let map = pkmap.kmap(block.pfn()).unwrap();
            assert_eq!(table.read(map.address()), block.pfn(), "round {round}, block {number}");
        }
    }
    set_handler(None);
    assert!(count.get() > 3 * 700);
    pkmap.flush_unused();
    check(pkmap, &table);
    assert_eq!(table.mapped(), 0);
    drop(blocks);
    assert_eq!(pages.validate(), Ok(()));
}

/// Another CPU has unmapped an idle slot by mistake, and not taken that back yet: nobody maps, flushes or loses it.
#[test]
fn an_idle_slot_with_a_user_too_few_is_left_alone() {
    with_pkmap::<2>(|pkmap, pages, table| {
        let block = high(pages);
        let pfn = block.pfn();
        drop(pkmap.kmap(pfn).unwrap());
        for mistakes in 1..4 {
            pkmap.words[1].fetch_sub(1, Relaxed);
            assert_eq!(pkmap.flush_unused(), 0);
            assert_eq!(table.read(slot(1)), pfn, "{mistakes}");
            // Nobody here will take it back, whom this one has interrupted.
            assert_eq!(pkmap.kmap(pfn).unwrap_err().why(), WhyNotMapped::AllPinned { pfn });
            let found = pkmap.slots().next().map(|slot| (slot.pfn, slot.users));
            assert_eq!(found, Some((pfn, 0)));
        }
        pkmap.words[1].fetch_add(3, Relaxed);
        let map = pkmap.kmap(pfn).unwrap();
        assert_eq!((map.address(), pkmap.figures().users), (slot(1), 1));
        check(pkmap, table);
    });
}

/// The same of a free slot: it is not handed out before that has been taken back, and nobody waits for it who can have
/// another one, or who has interrupted the one who would take it back.
#[test]
fn a_free_slot_with_a_user_too_few_is_not_handed_out() {
    with_pkmap::<2>(|pkmap, pages, table| {
        let block = high(pages);
        pkmap.words[1].fetch_sub(1, Relaxed);
        assert_eq!(pkmap.slots().count(), 0, "it is free all the same");
        let map = pkmap.kmap(block.pfn()).unwrap();
        assert_eq!((map.address(), table.mapped()), (slot(2), 1));
        let others = highs(pages, SLOTS - 2);
        let maps: Vec<_> = others.iter().map(|other| pkmap.kmap(other.pfn()).unwrap()).collect();
        let last = high(pages);
        let pfn = last.pfn();
        assert_eq!(pkmap.kmap(pfn).unwrap_err().why(), WhyNotMapped::AllPinned { pfn });
        assert_eq!(table.mapped(), SLOTS - 1, "nothing stays mapped in slot 1");
        pkmap.words[1].fetch_add(1, Relaxed);
        let last = pkmap.kmap(pfn).unwrap();
        assert_eq!((last.address(), table.read(slot(1))), (slot(1), pfn));
        drop((map, maps, last));
        pkmap.flush_unused();
        check(pkmap, table);
    });
}
