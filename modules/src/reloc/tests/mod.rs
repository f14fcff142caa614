//! Relocations against a second model of the instructions, and what an object may do wrong.

mod branches;
mod faults;
mod model;
mod values;

use super::Kind;

/// `word` as it lies at a place of `kind`.
fn place(kind: Kind, word: u32) -> Vec<u8> {
    match (kind.name().contains("_THM_"), kind.bytes()) {
        (_, 2) => vec![word as u8, (word >> 8) as u8],
        (true, _) => [(word >> 16) as u16, word as u16].map(u16::to_le_bytes).concat(),
        (false, _) => word.to_le_bytes().to_vec(),
    }
}

/// The word that lies at a place of `kind`.
fn word(kind: Kind, place: &[u8]) -> u32 {
    let halves: Vec<_> =
        place.chunks(2).map(|half| u32::from(half[1]) << 8 | u32::from(half[0])).collect();
    match (kind.name().contains("_THM_"), &halves[..]) {
        (_, &[half]) => half,
        (true, &[first, second]) => first << 16 | second,
        (false, &[low, high]) => high << 16 | low,
        _ => panic!("{place:?}"),
    }
}
