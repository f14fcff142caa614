//! Blocks by their numbers: for C callers, and for owners that keep a frame number and nothing else.
//!
//! Taking a block needs no care, only giving it back does: who does that for a block that somebody else
//! uses takes the pages from under them.
#![expect(unsafe_code, reason = "the duties of who gives back a block by its number")]

use super::block::PageBlock;
use super::error::{AllocError, NotFreed, TooManyReferences};
use super::gfp::Gfp;
use super::page_alloc::PageAllocator;
use super::request::Request;
use super::span::ZoneKind;
use super::state::Mark;
use crate::addr::{Order, PAGE_SIZE, Pfn, VirtAddr};
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
    pub unsafe fn free_address(
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

    /// Takes one reference more to the allocated block that begins at `pfn`. Linux's `get_page`.
    ///
    /// # Errors
    ///
    /// [`TooManyReferences`] when there are 65536.
    ///
    /// # Safety
    ///
    /// 1. The caller has a reference to the block, so that it stays allocated meanwhile.
    pub unsafe fn get_page_raw(&self, pfn: Pfn) -> Result<(), TooManyReferences> {
        self.add_reference(pfn)
    }

    /// Makes a reference by number an owned one.
    ///
    /// # Safety
    ///
    /// 1. As duty 1 of [`free_raw`](Self::free_raw).
    pub unsafe fn own_raw(&self, pfn: Pfn, order: Order) -> PageBlock<'_, 'a, P, CPUS> {
        self.block(pfn, order)
    }

    /// [`alloc_pages_bulk`](Self::alloc_pages_bulk), as frame numbers: writes them into `pfns`, from the
    /// front, and says how many there are.
    pub fn alloc_bulk_raw(&self, gfp: Gfp, pfns: &mut [Pfn]) -> usize {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::tiny_machine::{Frames, PAGES, Tiny};
    use super::*;
    use crate::addr::PhysRange;

    #[test]
    fn a_block_is_given_back_by_the_address_of_its_first_byte_only() {
        let frames = Frames::new();
        let pages = frames.allocator(None);
        // All but the last page has an address.
        let phys = frames.range().as_phys();
        let end = frames.range().start().saturating_add(PAGES - 1).start();
        let linear = LinearMap::new(VirtAddr::new(0xc000_0000), PhysRange::new(phys.start(), end));
        let order = Order::new(2).unwrap();
        let pfn = pages.alloc_raw(Gfp::GFP_KERNEL, order).unwrap();
        let first = linear.page_address(pfn).unwrap().as_u32();
        let free = |address: u32, order| {
            let virt = VirtAddr::new(address);
            // SAFETY: 1. the block is this test's, and has no memory; 2. there is no other map.
            unsafe { pages.free_address(&linear, virt, order) }
        };
        for address in [0, 0xbfff_ffff, 0xc000_0000 + (PAGES - 1) * PAGE_SIZE, u32::MAX] {
            let virt = VirtAddr::new(address);
            assert_eq!(free(address, order), Err(FreeError::NotLinear { virt }));
            let report = format!("BUG: Bad page state: {virt} is no address of the linear map");
            assert_eq!(Tiny::reports(), [report]);
        }
        for (address, pfn) in [(first + 1, pfn), (first + 0x1fff, pfn.saturating_add(1))] {
            let virt = VirtAddr::new(address);
            assert_eq!(free(address, order), Err(FreeError::InsidePage { virt, pfn }));
            let report = format!(
                "BUG: Bad page state: {virt} is not the first byte of a page, but inside pfn {pfn}"
            );
            assert_eq!(Tiny::reports(), [report]);
        }
        let misaligned = free(first + PAGE_SIZE, order);
        assert!(matches!(misaligned, Err(FreeError::Misaligned { .. })), "{misaligned:?}");
        assert!(matches!(free(first, Order::ZERO), Err(FreeError::WrongOrder { .. })));
        assert_eq!(Tiny::reports().len(), 2);
        assert_eq!(free(first, order), Ok(()));
        assert!(matches!(free(first, order), Err(FreeError::DoubleFree { .. })));
        assert_eq!(pages.validate(), Ok(()));
    }
}
