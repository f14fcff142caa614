//! Suite `heap`: collections find memory, give all of it back, and are refused what there is not.
//!
//! Whoever types at the monitor may have taken all memory, or have requests fail. Maps and boxes have no
//! form that says so, and end the kernel; so they are tried only if there is room for them all.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::Checks;
use super::ledger::Ledger;
use crate::monitor::Kernel;

/// Values in each collection.
const COUNT: u32 = 2000;
/// What they need, and as much again; and what it is looked for in pieces of: the largest slab.
const ROOM: usize = 1 << 20;
const PIECE: usize = 32 << 10;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    if kernel.pages.injects_failures() || kernel.slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    kernel.slabs.shrink_all();
    let ledger = Ledger::open(kernel.pages);
    if !has_room() {
        return checks.skip("there is no memory for the collections");
    }
    collections(checks);
    for shift in 0..20 {
        let mut bytes = Vec::<u8>::new();
        let reserved = bytes.try_reserve_exact(1 << shift);
        checks.that(reserved.is_ok(), format_args!("2^{shift} bytes: {reserved:?}"));
        if reserved.is_err() {
            continue;
        }
        bytes.resize(1 << shift, shift);
        let same = bytes.iter().all(|byte| *byte == shift);
        checks.that(same, format_args!("2^{shift} bytes hold something else"));
    }
    let mut too_many = Vec::<u8>::new();
    let refused = too_many.try_reserve_exact((4 << 20) + 1);
    checks.that(refused.is_err(), format_args!("more than 4 MiB in a row were given"));
    drop(too_many);
    kernel.slabs.shrink_all();
    let valid = kernel.slabs.validate();
    checks.that(valid.is_ok(), format_args!("{valid:?}"));
    ledger.check(checks, format_args!("at the end"));
}

/// Is there more than the collections need, in pieces as large as slabs are? Nobody else takes anything meanwhile.
fn has_room() -> bool {
    let mut pieces = Vec::<Vec<u8>>::new();
    pieces.try_reserve_exact(ROOM / PIECE).is_ok()
        && (0..ROOM / PIECE).all(|_| {
            let mut piece = Vec::new();
            let is_there = piece.try_reserve_exact(PIECE).is_ok();
            // There is room for its three words.
            pieces.push(piece);
            is_there
        })
}

fn collections(checks: &mut Checks) {
    let mut map = BTreeMap::new();
    for number in 0..COUNT {
        let key = number.wrapping_mul(0x9e37_79b9);
        let mut text = String::new();
        // A string does not fail.
        let _ = write!(text, "number {number}");
        map.insert(key, Box::new((number, text)));
    }
    for number in (0..COUNT).step_by(2) {
        let removed = map.remove(&number.wrapping_mul(0x9e37_79b9));
        checks.that(removed.is_some(), format_args!("number {number} is not in the map"));
    }
    let ordered = map.keys().zip(map.keys().skip(1)).all(|(one, next)| one < next);
    checks.that(ordered, format_args!("the map is out of order"));
    checks.equal(map.len() as u32, COUNT / 2, format_args!("values in the map"));
    let sum: u32 = map.values().map(|value| value.0).sum();
    checks.equal(sum, COUNT / 2 * (COUNT / 2), format_args!("sum of the values"));
    let texts = map.values().all(|value| value.1.ends_with(|c: char| c.is_ascii_digit()));
    checks.that(texts, format_args!("a text is not what it was"));
}
