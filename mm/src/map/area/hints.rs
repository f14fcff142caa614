//! Where an area is looked for first: by the lowest bits of its first page's number.
//!
//! What was taken last is often given back first. So a place of a small table names the area that was put there last, and
//! one comparison says whether it is the one. The tree knows all of them.
//!
//! Invariant: no place names a record that has been given back: an area that leaves the tree is
//! [forgotten](AreaHints::forget).

use super::Words;
use super::record::{AreaId, Fields, NONE, START};
use crate::addr::{PAGE_SHIFT, VirtAddr};

const PLACES: usize = 64;

/// The table.
#[derive(Debug)]
pub struct AreaHints {
    at: [u32; PLACES],
}

impl Default for AreaHints {
    fn default() -> Self {
        Self::new()
    }
}

impl AreaHints {
    /// It knows none.
    #[must_use]
    pub const fn new() -> Self {
        Self { at: [NONE; PLACES] }
    }

    #[inline(always)]
    const fn place(start: u32) -> usize {
        (start >> PAGE_SHIFT) as usize % PLACES
    }

    /// Puts an area of the tree where it is found.
    #[inline(always)]
    pub fn note(&mut self, words: &impl Words, area: AreaId) {
        self.at[Self::place(words.get(area.at(), START))] = area.at();
    }

    /// The area that starts at an address, if it is known here.
    #[inline(always)]
    #[must_use]
    pub fn find(&self, words: &impl Words, virt: VirtAddr) -> Option<AreaId> {
        let at = self.at[Self::place(virt.as_u32())];
        if at != NONE && words.get(at, START) == virt.as_u32() { AreaId::some(at) } else { None }
    }

    /// An area is about to leave the tree.
    pub fn forget(&mut self, words: &impl Words, area: AreaId) {
        let place = &mut self.at[Self::place(words.get(area.at(), START))];
        if *place == area.at() {
            *place = NONE;
        }
    }
}
