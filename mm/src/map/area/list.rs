//! Lists of areas, through the one link that a record has: what waits, what is spare, what is to go.

use super::Words;
use super::record::{AreaId, NONE};

/// Areas, the last pushed first. Each is on one list at most.
#[derive(Debug, Default)]
pub struct AreaList {
    first: u32,
}

impl AreaList {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: NONE }
    }

    /// Is there none?
    #[inline(always)]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Puts an area that is on no list at the front.
    #[inline(always)]
    pub fn push(&mut self, words: &impl Words, area: AreaId) {
        area.set_next(words, AreaId::some(self.first));
        self.first = area.at();
    }

    /// Puts all of `others`, whose last is `last`, at the front.
    #[inline(always)]
    pub fn put_before(&mut self, words: &impl Words, others: Self, last: AreaId) {
        last.set_next(words, AreaId::some(self.first));
        self.first = others.first;
    }

    /// Takes the first off.
    #[inline(always)]
    pub fn pop(&mut self, words: &impl Words) -> Option<AreaId> {
        let area = AreaId::some(self.first)?;
        self.first = area.next(words).map_or(NONE, AreaId::at);
        Some(area)
    }

    /// Those on it, from the front.
    pub fn iter<'w, W: Words>(&self, words: &'w W) -> impl Iterator<Item = AreaId> + use<'w, W> {
        let mut next = AreaId::some(self.first);
        core::iter::from_fn(move || {
            let area = next?;
            next = area.next(words);
            Some(area)
        })
    }

    /// All of them.
    #[must_use]
    pub const fn take(&mut self) -> Self {
        Self { first: core::mem::replace(&mut self.first, NONE) }
    }
}
