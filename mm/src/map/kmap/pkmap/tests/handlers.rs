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
