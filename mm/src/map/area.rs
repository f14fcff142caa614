//! Areas: pieces of a region's address space, handed out from its bottom.
//!
//! One `AreaSpace` owns the addresses of one region (vmalloc, modules, DMA). During boot areas are
//! only taken, for device registers that stay mapped, so the next free address is all there is to
//! know. A guard page that is never mapped follows each area, so that running past its end faults.
//!
//! Invariant: areas do not overlap, and each lies in the region together with its guard page.

use core::fmt;

use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};

/// The addresses of one region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AreaSpace {
    region: VirtRange,
    next: VirtAddr,
}

/// The region has no room for an area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom {
    /// The region.
    pub region: VirtRange,
    /// What was asked for, in bytes.
    pub bytes: u32,
    /// What is left, in bytes, guard page included.
    pub left: u32,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, bytes, left } = self;
        write!(f, "no room for {bytes} bytes and a guard page in {region}: {left} bytes left")
    }
}

impl core::error::Error for NoRoom {}

impl AreaSpace {
    /// All of `region`, which is whole pages, free.
    #[must_use]
    pub const fn new(region: VirtRange) -> Self {
        Self { region, next: region.start() }
    }

    /// The region.
    #[must_use]
    pub const fn region(&self) -> VirtRange {
        self.region
    }

    /// Takes an area of `bytes`, rounded up to pages, at a page boundary.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the region does not hold it and its guard page; nothing changes then.
    pub fn take(&mut self, bytes: u32) -> Result<VirtRange, NoRoom> {
        let start = self.next;
        let left = self.region.end().as_u32() - start.as_u32();
        let no_room = NoRoom { region: self.region, bytes, left };
        let len = bytes.checked_next_multiple_of(PAGE_SIZE).ok_or(no_room)?;
        let with_guard = len.checked_add(PAGE_SIZE).filter(|sum| *sum <= left).ok_or(no_room)?;
        self.next = VirtAddr::new(start.as_u32() + with_guard);
        Ok(VirtRange::new(start, VirtAddr::new(start.as_u32() + len)))
    }

    /// The addresses that were handed out so far, guard pages included.
    #[must_use]
    pub const fn taken(&self) -> VirtRange {
        VirtRange::new(self.region.start(), self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(bytes: u32) -> AreaSpace {
        let start = VirtAddr::new(0xf080_0000);
        AreaSpace::new(VirtRange::new(start, start.checked_add(bytes).unwrap()))
    }

    #[test]
    fn a_guard_page_follows_each_area() {
        let mut space = space(8 * PAGE_SIZE);
        let a = space.take(1).unwrap();
        let b = space.take(PAGE_SIZE + 1).unwrap();
        assert_eq!((a.len(), b.len()), (PAGE_SIZE, 2 * PAGE_SIZE));
        assert_eq!(b.start().as_u32() - a.end().as_u32(), PAGE_SIZE);
    }

    #[test]
    fn the_last_area_needs_its_guard_page_too() {
        let mut full = space(2 * PAGE_SIZE);
        assert_eq!(full.take(2 * PAGE_SIZE).unwrap_err().left, 2 * PAGE_SIZE);
        assert!(full.take(PAGE_SIZE).is_ok());
        assert!(full.take(1).is_err());
        assert_eq!(full.taken(), full.region());
        assert!(space(PAGE_SIZE).take(u32::MAX).is_err());
    }
}
