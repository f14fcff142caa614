//! Areas that boot takes: device registers that stay mapped, before there is memory for records.
//!
//! Areas are only taken, so the next free address, and a short list, are all there is to know. When the slab
//! allocator works, an [`AreaTree`](super::AreaTree) starts with them. A guard page that is never mapped follows each
//! area, so that running past its end faults.
//!
//! Invariant: areas do not overlap, and each lies in the region together with its guard page.

use core::fmt;

use arrayvec::ArrayVec;

use crate::addr::{PAGE_SIZE, PhysAddr, VirtAddr, VirtRange};

/// How many areas boot can take of a region.
pub const MAX_BOOT_AREAS: usize = 16;

/// An area that boot took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootArea {
    /// Its addresses, without the guard page.
    pub range: VirtRange,
    /// What is mapped at the first.
    pub phys: PhysAddr,
}

/// The addresses of one region, during boot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AreaSpace {
    region: VirtRange,
    next: VirtAddr,
    areas: ArrayVec<BootArea, MAX_BOOT_AREAS>,
}

/// The region has no room for an area, or [`MAX_BOOT_AREAS`] already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom {
    /// The region.
    pub region: VirtRange,
    /// What was asked for, in bytes.
    pub bytes: u32,
    /// What is left, in bytes, guard page included.
    pub left: u32,
    /// How many areas there are.
    pub areas: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, bytes, left, areas } = self;
        write!(f, "no room for {bytes} bytes and a guard page in {region}: ")?;
        match *areas {
            MAX_BOOT_AREAS => write!(f, "boot has taken {areas} areas, and no more are possible"),
            _ => write!(f, "{left} bytes left"),
        }
    }
}

impl core::error::Error for NoRoom {}

impl AreaSpace {
    /// All of `region`, which is whole pages, free.
    #[must_use]
    pub const fn new(region: VirtRange) -> Self {
        Self { region, next: region.start(), areas: ArrayVec::new_const() }
    }

    /// The region.
    #[must_use]
    pub const fn region(&self) -> VirtRange {
        self.region
    }

    /// Takes an area of `bytes`, rounded up to pages, at a page boundary, where `phys` will be mapped.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] when the region does not hold it and its guard page, and after [`MAX_BOOT_AREAS`]; nothing
    /// changes then.
    pub fn take(&mut self, bytes: u32, phys: PhysAddr) -> Result<VirtRange, NoRoom> {
        let start = self.next;
        let left = self.region.end().as_u32() - start.as_u32();
        let no_room = NoRoom { region: self.region, bytes, left, areas: self.areas.len() };
        let len = bytes.checked_next_multiple_of(PAGE_SIZE).ok_or(no_room)?;
        let with_guard = len.checked_add(PAGE_SIZE).filter(|sum| *sum <= left).ok_or(no_room)?;
        let range = VirtRange::new(start, VirtAddr::new(start.as_u32() + len));
        self.areas.try_push(BootArea { range, phys }).map_err(|_| no_room)?;
        self.next = VirtAddr::new(start.as_u32() + with_guard);
        Ok(range)
    }

    /// The areas that were taken, upwards.
    #[must_use]
    pub fn areas(&self) -> &[BootArea] {
        &self.areas
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

    const PHYS: PhysAddr = PhysAddr::new(0x900_0000);

    fn space(bytes: u32) -> AreaSpace {
        let start = VirtAddr::new(0xf080_0000);
        AreaSpace::new(VirtRange::new(start, start.checked_add(bytes).unwrap()))
    }

    #[test]
    fn a_guard_page_follows_each_area() {
        let mut space = space(8 * PAGE_SIZE);
        let a = space.take(1, PHYS).unwrap();
        let b = space.take(PAGE_SIZE + 1, PHYS).unwrap();
        assert_eq!((a.len(), b.len()), (PAGE_SIZE, 2 * PAGE_SIZE));
        assert_eq!(b.start().as_u32() - a.end().as_u32(), PAGE_SIZE);
    }

    #[test]
    fn the_last_area_needs_its_guard_page_too() {
        let mut full = space(2 * PAGE_SIZE);
        assert_eq!(full.take(2 * PAGE_SIZE, PHYS).unwrap_err().left, 2 * PAGE_SIZE);
        assert!(full.take(PAGE_SIZE, PHYS).is_ok());
        assert!(full.take(1, PHYS).is_err());
        assert_eq!(full.taken(), full.region());
        assert!(space(PAGE_SIZE).take(u32::MAX, PHYS).is_err());
    }

    #[test]
    fn no_more_than_the_list_holds() {
        let mut space = space(64 * PAGE_SIZE);
        for number in 0..MAX_BOOT_AREAS {
            let phys = PhysAddr::new(number as u64);
            let range = space.take(1, phys).unwrap();
            assert_eq!(space.areas()[number], BootArea { range, phys });
        }
        let before = space.clone();
        let error = space.take(1, PHYS).unwrap_err();
        assert!(error.to_string().contains("boot has taken 16 areas"), "{error}");
        assert_eq!(space, before);
    }
}
