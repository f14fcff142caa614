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
use crate::addr::{Order, Pfn};
use crate::platform::Platform;

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
