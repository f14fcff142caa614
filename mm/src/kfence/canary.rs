//! What the rest of an object's page holds: a pattern that tells who writes there.
//!
//! A write that stays inside the page does not fault. It is found when the object comes back. The pattern changes from
//! byte to byte, so that a copy of it from elsewhere, or a row of equal bytes, is seen.

use arrayvec::ArrayVec;

use super::memory::PoolMemory;
use super::report::{Corrupted, SHOWN};
use crate::addr::{VirtAddr, VirtRange};

/// The byte at an address, as in Linux.
const fn byte(at: u32) -> u8 {
    0xaa ^ (at & 7) as u8
}

/// The four bytes from a multiple of 4 on.
const fn word(at: u32) -> u32 {
    u32::from_ne_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)])
}

/// The words of a range: where the whole ones begin and end.
fn whole_words(range: VirtRange) -> (u32, u32) {
    let (start, end) = (range.start().as_u32(), range.end().as_u32());
    let first = start.next_multiple_of(4).min(end);
    (first, first.max(end & !3))
}

/// Writes the pattern.
pub(super) fn fill(memory: &impl PoolMemory, range: VirtRange) {
    let (first, end) = whole_words(range);
    for at in (first..end).step_by(4) {
        memory.set_aligned_word(VirtAddr::new(at), word(at));
    }
    for at in (range.start().as_u32()..first).chain(end..range.end().as_u32()) {
        memory.set_byte(VirtAddr::new(at), byte(at));
    }
}

/// What is wrong in a range: the bytes from the first wrong one on.
pub(super) fn check(memory: &impl PoolMemory, range: VirtRange) -> Option<Corrupted> {
    let (first, end) = whole_words(range);
    let is_wrong = |at: &u32| memory.byte(VirtAddr::new(*at)) != byte(*at);
    let in_words = || {
        let mut words = (first..end).step_by(4);
        let wrong = words.find(|at| memory.aligned_word(VirtAddr::new(*at)) != word(*at))?;
        (wrong..wrong + 4).find(is_wrong)
    };
    let at = (range.start().as_u32()..first)
        .find(is_wrong)
        .or_else(in_words)
        .or_else(|| (end..range.end().as_u32()).find(is_wrong))?;
    let bytes: ArrayVec<_, SHOWN> = (at..range.end().as_u32())
        .take(SHOWN)
        .map(|at| {
            let found = memory.byte(VirtAddr::new(at));
            (found != byte(at)).then_some(found)
        })
        .collect();
    Some(Corrupted { at: VirtAddr::new(at), bytes })
}
