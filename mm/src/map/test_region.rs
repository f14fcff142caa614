//! A machine's memory with a region of addresses, whose page tables `T` are a test's own: what the tests of `vmalloc` and
//! of `ioremap` run on.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::mem::MaybeUninit;

use crate::addr::{VirtAddr, VirtRange};
use crate::map::area::RegionName;
use crate::map::mmu::Mmu;
use crate::map::vmalloc::MappedRegion;
use crate::object::test_machine::{Arena, Machine};
use crate::object::{SlabAllocator, SlabOptions};
use crate::zone::PageAllocator;

/// Where regions begin.
pub(super) const START: u32 = 0xf080_0000;

/// Addresses for a region of so many MiB.
pub(super) fn space(mib: u32) -> VirtRange {
    let start = VirtAddr::new(START);
    VirtRange::new(start, start.checked_add(mib << 20).unwrap())
}

/// A machine and its region.
pub(super) struct Bench<'r, 'a, T> {
    pub(super) pages: &'r PageAllocator<'a, Machine>,
    pub(super) slabs: &'r SlabAllocator<'r, 'a, Machine>,
    pub(super) mmu: &'r T,
    pub(super) region: &'r MappedRegion<'r, 'a, Machine, T>,
}

/// Runs a test with so many pages of memory, and a region of these addresses.
pub(super) fn with_bench<T: Mmu + Default>(
    pages: u32,
    region: VirtRange,
    test: impl FnOnce(&Bench<'_, '_, T>),
) {
    let arena = Arena::new(pages);
    let pages = arena.pages::<1>();
    let mmu = T::default();
    let mut place = Box::new(MaybeUninit::uninit());
    let options = SlabOptions::default();
    let slabs = SlabAllocator::new_in(&mut place, &pages, arena.linear(), options).unwrap();
    let region = MappedRegion::new(RegionName::Vmalloc, region, &pages, slabs, &mmu).unwrap();
    test(&Bench { pages: &pages, slabs, mmu: &mmu, region: &region });
}

impl<T: Mmu> Bench<'_, '_, T> {
    /// Runs something that leaves as much memory free as it found, and no report that it has not looked at.
    pub(super) fn keeps_books(&self, run: impl FnOnce()) {
        let free = self.free();
        run();
        assert_eq!(self.free(), free, "pages are lost");
        assert_eq!(self.told(), [""; 0]);
        self.pages.validate().unwrap();
    }

    /// Frees what nobody needs, and says how many pages are free.
    pub(super) fn free(&self) -> u64 {
        self.region.make_room();
        self.slabs.shrink_all();
        self.pages.drain();
        self.pages.figures().free()
    }

    pub(super) fn told(&self) -> Vec<String> {
        self.pages.platform().told()
    }
}
