//! The linear map: where lowmem is always mapped, and the arithmetic between the two sides of it.
//!
//! ```text
//! virtual    page_offset ├────────────────────────┤           other regions
//!                        │ virt − page_offset = phys − start
//! physical         start ├────────────────────────┤ lowmem's end           HighMem
//! ```
//!
//! | Linux | here |
//! |---|---|
//! | `virt_to_phys`, `phys_to_virt` | [`LinearMap::virt_to_phys`], [`LinearMap::phys_to_virt`] |
//! | `page_address`, `virt_to_page` | [`LinearMap::page_address`], [`LinearMap::virt_to_page`] |
//! | `pfn_to_page` | [`FrameTable::get`](crate::frame::FrameTable::get): a page is known by its frame's number here, and its descriptor is looked up |
//!
//! Linux's forms calculate, whatever they are given. These answer `None` for what is not in the map, so
//! that no address of another region is ever taken for a page. Holes in lowmem have addresses like the
//! memory around them; whether there is memory is for the frame table to say.

use crate::addr::{Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};

/// virt = phys − start + `page_offset`, for the addresses of lowmem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinearMap {
    page_offset: VirtAddr,
    lowmem: PhysRange,
}

impl LinearMap {
    /// The linear map of `lowmem`, whose first byte is mapped at `page_offset`. What does not fit below
    /// the end of the address space has no address.
    #[must_use]
    pub const fn new(page_offset: VirtAddr, lowmem: PhysRange) -> Self {
        Self { page_offset, lowmem }
    }

    /// The physical addresses that the map covers, holes included.
    #[must_use]
    pub const fn lowmem(&self) -> PhysRange {
        self.lowmem
    }

    /// The address of `phys` in the map; `None` outside lowmem.
    #[must_use]
    pub fn phys_to_virt(&self, phys: PhysAddr) -> Option<VirtAddr> {
        if !self.lowmem.contains(phys) {
            return None;
        }
        let offset = phys.as_u64() - self.lowmem.start().as_u64();
        self.page_offset.checked_add(u32::try_from(offset).ok()?)
    }

    /// The physical address under `virt`; `None` outside the map.
    #[must_use]
    pub fn virt_to_phys(&self, virt: VirtAddr) -> Option<PhysAddr> {
        let offset = virt.as_u32().checked_sub(self.page_offset.as_u32())?;
        let phys = self.lowmem.start().checked_add(u64::from(offset))?;
        self.lowmem.contains(phys).then_some(phys)
    }

    /// The address of the frame `pfn`; `None` unless all of it is lowmem.
    #[must_use]
    pub fn page_address(&self, pfn: Pfn) -> Option<VirtAddr> {
        let page = PfnRange::new(pfn, pfn.saturating_add(1)).as_phys();
        if !self.lowmem.contains_range(&page) {
            return None;
        }
        self.phys_to_virt(page.start())
    }

    /// The frame of the page that holds `virt`; `None` outside the map, and in a page of which only a
    /// part is lowmem.
    #[must_use]
    pub fn virt_to_page(&self, virt: VirtAddr) -> Option<Pfn> {
        let pfn = self.virt_to_phys(virt)?.pfn_down();
        self.page_address(pfn).map(|_| pfn)
    }

    /// The memory under `range`; `None` unless all of it is lowmem.
    #[must_use]
    pub fn phys(&self, range: VirtRange) -> Option<PhysRange> {
        let offset = range.start().as_u32().checked_sub(self.page_offset.as_u32())?;
        let start = self.lowmem.start().checked_add(u64::from(offset))?;
        let phys = PhysRange::from_len(start, u64::from(range.len()))?;
        self.lowmem.contains_range(&phys).then_some(phys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{GIB, MIB};

    const PAGE_OFFSET: u32 = 0xc000_0000;
    const START: u64 = 0x4000_0000;

    fn map(page_offset: u32, start: u64, bytes: u64) -> LinearMap {
        let (start, end) = (PhysAddr::new(start), PhysAddr::new(start + bytes));
        LinearMap::new(VirtAddr::new(page_offset), PhysRange::new(start, end))
    }

    /// 768 MiB, as on a board with 1 GiB.
    fn board() -> LinearMap {
        map(PAGE_OFFSET, START, 768 * MIB)
    }

    /// Holds all four forms against each other for one byte.
    fn check(map: &LinearMap, virt: u32, phys: u64, is_in_a_page: bool) {
        let (virt, phys) = (VirtAddr::new(virt), PhysAddr::new(phys));
        assert_eq!(map.virt_to_phys(virt), Some(phys), "{virt}");
        assert_eq!(map.phys_to_virt(phys), Some(virt), "{phys}");
        let (pfn, page) = (phys.pfn_down(), virt.align_down(4096));
        assert_eq!(map.virt_to_page(virt), is_in_a_page.then_some(pfn), "{virt}");
        assert_eq!(map.page_address(pfn), is_in_a_page.then_some(page), "{pfn}");
    }

    fn outside(map: &LinearMap, virt: u32) {
        let virt = VirtAddr::new(virt);
        assert_eq!((map.virt_to_phys(virt), map.virt_to_page(virt)), (None, None), "{virt}");
    }

    fn no_address(map: &LinearMap, phys: u64) {
        let phys = PhysAddr::new(phys);
        assert_eq!(map.phys_to_virt(phys), None, "{phys}");
        assert_eq!(map.page_address(phys.pfn_down()), None, "{phys}");
    }

    #[test]
    fn the_first_and_the_last_byte_of_lowmem() {
        let map = board();
        for offset in [0, 1, 0xfff, 0x1000, 0x2fff_f000, 0x2fff_ffff] {
            check(&map, PAGE_OFFSET + offset, START + u64::from(offset), true);
        }
        for virt in [0, PAGE_OFFSET - 1, 0xf000_0000, 0xf080_0000, u32::MAX] {
            outside(&map, virt);
        }
        for phys in [0, START - 1, 0x7000_0000, 0x7fff_ffff, 4 * GIB, START + 4 * GIB, u64::MAX] {
            no_address(&map, phys);
        }
        assert_eq!(map.page_address(Pfn::new(u32::MAX)), None);
    }

    #[test]
    fn lowmem_that_ends_inside_a_page() {
        let map = map(PAGE_OFFSET, START, 0x1801);
        check(&map, PAGE_OFFSET + 0xfff, START + 0xfff, true);
        check(&map, PAGE_OFFSET + 0x1800, START + 0x1800, false);
        outside(&map, PAGE_OFFSET + 0x1801);
    }

    #[test]
    fn memory_at_the_end_of_32_bits_and_above() {
        let map = map(0x8000_0000, 4 * GIB - MIB, 2 * MIB);
        check(&map, 0x800f_ffff, 4 * GIB - 1, true);
        check(&map, 0x8010_0000, 4 * GIB, true);
        no_address(&map, 4 * GIB + MIB);
        no_address(&map, MIB);
    }

    #[test]
    fn more_lowmem_than_there_are_addresses() {
        let map = map(0xffff_f000, START, 8 * GIB);
        check(&map, u32::MAX, START + 0xfff, true);
        no_address(&map, START + 0x1000);
        no_address(&map, START + 4 * GIB + 0x1000);
    }

    #[test]
    fn no_lowmem_at_all() {
        let map = map(PAGE_OFFSET, START, 0);
        outside(&map, PAGE_OFFSET);
        no_address(&map, START);
    }

    #[test]
    fn a_range_is_wholly_inside_or_it_is_not() {
        let map = board();
        let range = |start, end| VirtRange::new(VirtAddr::new(start), VirtAddr::new(end));
        let phys = |start, end| Some(PhysRange::new(PhysAddr::new(start), PhysAddr::new(end)));
        assert_eq!(map.phys(range(PAGE_OFFSET, 0xf000_0000)), phys(START, 0x7000_0000));
        assert_eq!(map.phys(range(0xefff_ffff, 0xf000_0000)), phys(0x6fff_ffff, 0x7000_0000));
        assert_eq!(map.phys(range(0xefff_ffff, 0xf000_0001)), None);
        assert_eq!(map.phys(range(PAGE_OFFSET - 1, PAGE_OFFSET)), None);
    }
}
