//! Blocks by their numbers: for C callers, and for owners that keep a frame number and nothing else.
//!
//! Taking a block needs no care, only giving it back does: who does that for a block that somebody else
//! uses takes the pages from under them.
#![expect(unsafe_code, reason = "the duties of who gives back a block by its number")]

use super::block::PageBlock;
use super::error::{AllocError, NotFreed, ShareError};
use super::gfp::Gfp;
use super::page_alloc::PageAllocator;
use super::request::Request;
use super::span::ZoneKind;
use super::state::Mark;
use crate::addr::{Order, PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use crate::frame::FreeError;
use crate::map::linear::LinearMap;
use crate::platform::{Platform, Report};

impl<'a, P: Platform, const CPUS: usize> PageAllocator<'a, P, CPUS> {
    /// [`alloc_pages`](Self::alloc_pages), as a frame number. The block is lost unless it is given back
    /// by [`free_raw`](Self::free_raw), or owned by [`own_raw`](Self::own_raw).
    ///
    /// # Errors
    ///
    /// As `alloc_pages`.
    #[inline]
    pub fn alloc_raw(&self, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
        self.alloc_block(gfp, order)
    }

    /// As [`alloc_raw`](Self::alloc_raw), from this zone alone, whatever the flags say of zones, and down
    /// to the last page. For tests, and for whoever looks at a machine.
    ///
    /// # Errors
    ///
    /// As `alloc_raw`. A failure is not reported.
    pub fn alloc_raw_in(&self, kind: ZoneKind, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
        gfp.check().map_err(AllocError::flags)?;
        let request = Request::new(gfp, order);
        let no_memory = AllocError::no_memory(order, kind);
        loop {
            let pfn = self.take_only(kind, &request, Mark::Nothing).or_else(|| {
                self.drain();
                self.take_only(kind, &request, Mark::Nothing)
            });
            let pfn = pfn.ok_or(no_memory)?;
            if !self.debug.is_on() || self.debug_alloc(pfn, order) {
                if gfp.wants_zero() {
                    self.platform.zero(pfn, order);
                }
                return Ok(pfn);
            }
        }
    }

    /// Gives back one reference to the block of `order` at `pfn`; the last one frees it. Takes the same
    /// time whatever is free. Any context. Linux's `__free_pages`.
    ///
    /// # Errors
    ///
    /// [`NotFreed`] when no such block is allocated: it was given back before, has another order, was never
    /// the allocator's. Nothing has changed then: the frame stays where it was, so it is not handed out
    /// by mistake. The fault has been reported.
    ///
    /// # Safety
    ///
    /// 1. The reference is the caller's: it came from [`alloc_raw`](Self::alloc_raw),
    ///    [`alloc_raw_in`](Self::alloc_raw_in), [`alloc_bulk_raw`](Self::alloc_bulk_raw),
    ///    [`get_page_raw`](Self::get_page_raw) or [`PageBlock::into_raw`], and was not given back since.
    /// 2. If it is the last one, nobody reads or writes the pages, or has them mapped, from now on. That
    ///    includes devices.
    #[inline]
    pub unsafe fn free_raw(&self, pfn: Pfn, order: Order) -> Result<(), NotFreed> {
        self.free_block(pfn, order)
    }

    /// As [`free_raw`](Self::free_raw), of the block whose first byte is mapped at `virt` in the linear
    /// map. Linux's `free_pages`, but a null pointer is as wrong as any other.
    ///
    /// # Errors
    ///
    /// [`FreeError`] as of `free_raw`, and when the address is outside the linear map, or not the first
    /// one of a page. Nothing has changed then, and the fault has been reported.
    ///
    /// # Safety
    ///
    /// 1. Duties 1 and 2 of [`free_raw`](Self::free_raw), for the block at that address.
    /// 2. `linear` is the map that the address was made with.
    pub unsafe fn free_pages(
        &self,
        linear: &LinearMap,
        virt: VirtAddr,
        order: Order,
    ) -> Result<(), FreeError> {
        let error = match linear.virt_to_page(virt) {
            Some(pfn) if virt.is_aligned(PAGE_SIZE) => {
                return self.free_block(pfn, order).map_err(|_| self.why_not_free(pfn, order));
            }
            Some(pfn) => FreeError::InsidePage { virt, pfn },
            None => FreeError::NotLinear { virt },
        };
        self.platform.report(&Report::WrongFree { error });
        Err(error)
    }

    /// Gives back one reference to each block of a run. Linux's `free_pages_exact` and
    /// `free_contig_range`.
    ///
    /// # Errors
    ///
    /// The first [`NotFreed`], as of `free_raw`; the other blocks have been given back all the same.
    ///
    /// # Safety
    ///
    /// 1. The run came from [`PageRun::into_raw`](super::range::PageRun::into_raw), and was not given back
    ///    since.
    /// 2. Duty 2 of [`free_raw`](Self::free_raw), for each of its blocks.
    pub unsafe fn free_run_raw(&self, run: PfnRange) -> Result<(), NotFreed> {
        self.free_run(run)
    }

    /// Takes one reference more to the allocated block that begins at `pfn`. Linux's `get_page`.
    ///
    /// # Errors
    ///
    /// [`ShareError`] when there are 65536, and when no allocated block begins there.
    ///
    /// # Safety
    ///
    /// 1. The caller has a reference to the block, so that it stays allocated meanwhile.
    pub unsafe fn get_page_raw(&self, pfn: Pfn) -> Result<(), ShareError> {
        self.add_reference(pfn)
    }

    /// Makes a reference by number an owned one.
    ///
    /// # Safety
    ///
    /// 1. As duty 1 of [`free_raw`](Self::free_raw).
    /// 2. `order` is the block's: its frames are the caller's to use, and no others are.
    pub unsafe fn own_raw(&self, pfn: Pfn, order: Order) -> PageBlock<'_, 'a, P, CPUS> {
        debug_assert_eq!(self.frames.get(pfn).and_then(|page| page.state().order()), Some(order));
        self.block(pfn, order)
    }

    /// [`alloc_pages_bulk`](Self::alloc_pages_bulk), as frame numbers: writes them into `pfns`, from the
    /// front, and says how many there are.
    ///
    /// # Errors
    ///
    /// As `alloc_pages_bulk`.
    pub fn alloc_bulk_raw(&self, gfp: Gfp, pfns: &mut [Pfn]) -> Result<usize, AllocError> {
        self.alloc_bulk(gfp, pfns)
    }

    /// Gives back one reference to each of these single pages.
    ///
    /// # Errors
    ///
    /// The first [`NotFreed`]; the other pages have been given back all the same.
    ///
    /// # Safety
    ///
    /// As [`free_raw`](Self::free_raw), for each of them.
    pub unsafe fn free_bulk_raw(&self, pfns: &[Pfn]) -> Result<(), NotFreed> {
        self.free_bulk(pfns)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::test_machine::{Memory, Told, with_one_zone};
    use super::*;
    use crate::addr::PhysRange;

    #[test]
    fn a_block_is_given_back_by_the_address_of_its_first_byte_only() {
        const PAGES: u32 = 0x2000;
        let memory = Memory::new(0x40000, 0x40000 + PAGES);
        let pages = with_one_zone(&memory, false);
        let told = || pages.platform().told();
        // All but the last page has an address.
        let [start, end] = [0x40000, 0x40000 + PAGES - 1].map(|pfn| Pfn::new(pfn).start());
        let linear = LinearMap::new(VirtAddr::new(0xc000_0000), PhysRange::new(start, end));
        let order = Order::new(2).unwrap();
        let pfn = pages.alloc_raw(Gfp::GFP_KERNEL, order).unwrap();
        let first = linear.page_address(pfn).unwrap().as_u32();
        let free = |address: u32, order| {
            let virt = VirtAddr::new(address);
            // SAFETY: 1. the block is this test's, and has no memory; 2. there is no other map.
            unsafe { pages.free_pages(&linear, virt, order) }
        };
        for address in [0, 0xbfff_ffff, 0xc000_0000 + (PAGES - 1) * PAGE_SIZE, u32::MAX] {
            let virt = VirtAddr::new(address);
            let error = FreeError::NotLinear { virt };
            assert_eq!(free(address, order), Err(error));
            assert_eq!(told(), [Told::WrongFree(error)]);
            let report = format!("BUG: Bad page state: {virt} is no address of the linear map");
            assert_eq!(Report::WrongFree { error }.to_string(), report);
        }
        for (address, pfn) in [(first + 1, pfn), (first + 0x1fff, pfn.saturating_add(1))] {
            let virt = VirtAddr::new(address);
            let error = FreeError::InsidePage { virt, pfn };
            assert_eq!(free(address, order), Err(error));
            assert_eq!(told(), [Told::WrongFree(error)]);
            let report = format!(
                "BUG: Bad page state: {virt} is not the first byte of a page, but inside pfn {pfn}"
            );
            assert_eq!(Report::WrongFree { error }.to_string(), report);
        }
        let misaligned = free(first + PAGE_SIZE, order);
        assert!(matches!(misaligned, Err(FreeError::Misaligned { .. })), "{misaligned:?}");
        assert!(matches!(free(first, Order::ZERO), Err(FreeError::WrongOrder { .. })));
        assert_eq!(told().len(), 2);
        assert_eq!(free(first, order), Ok(()));
        assert!(matches!(free(first, order), Err(FreeError::DoubleFree { .. })));
        assert_eq!(pages.validate(), Ok(()));
    }

    #[test]
    fn a_run_is_given_back_by_its_frames_once() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, false);
        let free = pages.figures().free();
        for count in [1, 3, 7, 1000, 1500] {
            let run = pages.alloc_contig(Gfp::GFP_KERNEL, count).unwrap().into_raw();
            assert_eq!(run.len(), count);
            // SAFETY: 1. the run is this test's; 2. it has no memory.
            assert_eq!(unsafe { pages.free_run_raw(run) }, Ok(()));
            pages.drain();
            assert_eq!(pages.figures().free(), free);
            assert!(pages.platform().told().is_empty());
            // SAFETY: 1. it is not, which must be found; 2. it has no memory.
            let again = unsafe { pages.free_run_raw(run) };
            assert_eq!(again, Err(NotFreed { pfn: run.start() }));
            assert!(!pages.platform().told().is_empty());
            assert_eq!(pages.validate(), Ok(()));
        }
    }

    #[test]
    fn a_zone_without_memory_gives_nothing_of_the_zone_below() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, false);
        // Its stack fills up with pages of DMA.
        drop(pages.alloc_page(Gfp::GFP_KERNEL).unwrap());
        for kind in [ZoneKind::Normal, ZoneKind::HighMem] {
            let none = AllocError::no_memory(Order::ZERO, kind);
            assert_eq!(pages.alloc_raw_in(kind, Gfp::GFP_KERNEL, Order::ZERO), Err(none));
        }
        assert_eq!(pages.validate(), Ok(()));
    }

    #[test]
    fn pieces_of_a_block_keep_to_the_stacks_of_its_zone() {
        const BORDERS: [u32; 4] = [0x40000, 0x42000, 0x44000, 0x46000];
        let memory = Memory::new(BORDERS[0], BORDERS[3]);
        let pages = memory.allocator::<1>(BORDERS);
        pages.release(PfnRange::new(Pfn::new(BORDERS[0]), Pfn::new(BORDERS[3]))).unwrap();
        pages.start();
        for zone in [ZoneKind::Normal, ZoneKind::HighMem] {
            for (gfp, limit) in [(Gfp::GFP_KERNEL, BORDERS[2]), (Gfp::GFP_DMA, BORDERS[1])] {
                let order = Order::new(4).unwrap();
                // Flags that name a zone further down do not matter while it is taken, nor afterwards.
                let pfn = pages.alloc_raw_in(zone, gfp, order).unwrap();
                drop(pages.block(pfn, order).split().unwrap());
                let page = pages.alloc_page(gfp).unwrap();
                assert!(page.pfn().as_u32() < limit, "{gfp}: {page:?} after pages of {zone}");
            }
        }
        assert_eq!(pages.validate(), Ok(()));
    }
}
