//! How much of a zone is free, by order and mobility: counters that anybody reads without the lock.
//!
//! They are written under the zone's lock only, by a plain load and store. A reader without the lock,
//! such as the report of a crash in the midst of an allocation, sees each of them whole, but perhaps
//! not all of one moment.

use super::mobility::Mobility;
use crate::addr::Order;
use crate::sync::{AtomicU32, Ordering::Relaxed};

/// Free blocks by order, then by mobility.
pub type BlockCounts = [[u32; Mobility::COUNT]; Order::COUNT];

/// The counters of one zone.
#[derive(Debug)]
pub struct Counts {
    free_pages: AtomicU32,
    blocks: [[AtomicU32; Mobility::COUNT]; Order::COUNT],
}

impl Counts {
    /// Nothing is free.
    #[must_use]
    pub fn new() -> Self {
        Self {
            free_pages: AtomicU32::new(0),
            blocks: core::array::from_fn(|_| core::array::from_fn(|_| AtomicU32::new(0))),
        }
    }

    /// How many pages are free in the buddy.
    #[inline]
    #[must_use]
    pub fn free_pages(&self) -> u32 {
        self.free_pages.load(Relaxed)
    }

    /// How many free blocks of exactly `order` there are, for `mobility`.
    #[must_use]
    pub fn blocks(&self, order: Order, mobility: Mobility) -> u32 {
        self.blocks[order.index()][mobility.index()].load(Relaxed)
    }

    /// All of them.
    #[must_use]
    pub fn all_blocks(&self) -> BlockCounts {
        self.blocks.each_ref().map(|row| row.each_ref().map(|count| count.load(Relaxed)))
    }

    /// A block of `order` has come to the list of `mobility`.
    #[inline]
    pub(super) fn add(&self, order: Order, mobility: Mobility) {
        let count = &self.blocks[order.index()][mobility.index()];
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// A block of `order` has left the list of `mobility`.
    #[inline]
    pub(super) fn remove(&self, order: Order, mobility: Mobility) {
        let count = &self.blocks[order.index()][mobility.index()];
        count.store(count.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    /// So many pages have become free.
    #[inline]
    pub(super) fn add_pages(&self, pages: u32) {
        self.free_pages.store(self.free_pages().wrapping_add(pages), Relaxed);
    }

    /// So many pages have been taken.
    #[inline]
    pub(super) fn remove_pages(&self, pages: u32) {
        self.free_pages.store(self.free_pages().wrapping_sub(pages), Relaxed);
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::new()
    }
}
