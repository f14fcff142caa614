//! What is owed after a change of page tables, as values that can not be forgotten.
//!
//! Whoever writes entries gets one of these, and hands it back to the [`Mmu`](super::mmu::Mmu) that pays. The
//! compiler warns about one that is not used; a debug build panics where one is dropped.
//!
//! | duty | after | paid by | until then |
//! |---|---|---|---|
//! | [`Fresh`] | entries over faults | [`publish`](super::mmu::Mmu::publish) | nobody uses the addresses |
//! | [`Stale`] | faults over entries | [`flush`](super::mmu::Mmu::flush) | neither addresses nor frames are anybody else's |

use core::mem;

use crate::addr::{VirtAddr, VirtRange};

/// Entries were written over faults: before anybody uses them, walkers must see them.
///
/// No TLB holds a faulting entry on ARMv7, so nothing need be flushed (*ARM DDI 0406C, B3.10.1*).
#[must_use = "the mapping can not be used before it is published"]
#[derive(Debug)]
pub struct Fresh(());

impl Fresh {
    /// The duty of who has written such entries: an implementation of [`Mmu`](super::mmu::Mmu).
    #[inline(always)]
    pub const fn owed() -> Self {
        Self(())
    }

    /// The two as one.
    #[inline(always)]
    pub fn and(self, other: Self) -> Self {
        other.paid();
        self
    }

    /// It is paid: an implementation of [`Mmu`](super::mmu::Mmu) says so, right after its barrier.
    #[inline(always)]
    pub const fn paid(self) {
        mem::forget(self);
    }

    /// Nothing was mapped after all, or it was unmapped before anybody used it.
    #[inline(always)]
    pub const fn not_used(self) {
        mem::forget(self);
    }
}

#[cfg(debug_assertions)]
impl Drop for Fresh {
    fn drop(&mut self) {
        panic!("a mapping was made and never published");
    }
}

#[cfg(not(debug_assertions))]
impl Drop for Fresh {
    fn drop(&mut self) {}
}

/// Entries were taken away: TLBs may still hold what they said.
#[must_use = "TLBs may hold the old entries until they are flushed"]
#[derive(Debug)]
pub struct Stale {
    range: VirtRange,
}

impl Stale {
    /// The duty of who has taken away entries of `range`: an implementation of [`Mmu`](super::mmu::Mmu).
    #[inline(always)]
    pub const fn owed(range: VirtRange) -> Self {
        Self { range }
    }

    /// The addresses that the TLBs must forget; some of them may never have been mapped.
    #[inline(always)]
    #[must_use]
    pub const fn range(&self) -> VirtRange {
        self.range
    }

    /// One duty for both, and for all that lies between.
    #[inline(always)]
    pub fn and(self, other: Self) -> Self {
        let (a, b) = (self.paid(), other.paid());
        let start = VirtAddr::new(a.start().as_u32().min(b.start().as_u32()));
        let end = VirtAddr::new(a.end().as_u32().max(b.end().as_u32()));
        Self { range: VirtRange::new(start, end) }
    }

    /// It is paid: an implementation of [`Mmu`](super::mmu::Mmu) says so, right after its flush.
    #[inline(always)]
    pub const fn paid(self) -> VirtRange {
        let range = self.range;
        mem::forget(self);
        range
    }

    /// The flush is put off. Who calls this keeps addresses and frames from everybody until a later flush has
    /// covered the range that is returned.
    #[inline(always)]
    pub const fn put_off(self) -> VirtRange {
        self.paid()
    }
}

#[cfg(debug_assertions)]
impl Drop for Stale {
    fn drop(&mut self) {
        panic!("{} was unmapped and never flushed", self.range);
    }
}

#[cfg(not(debug_assertions))]
impl Drop for Stale {
    fn drop(&mut self) {}
}
