//! Blocks that give themselves back: the ordinary way to have pages.
//!
//! A [`PageBlock`] is one reference to a block of pages. When the last one ends, the pages are free. Who
//! shares a block takes a further reference ([`PageBlock::share`]); each lives as long as it likes.

use core::fmt;
use core::mem::ManuallyDrop;

use super::error::{AllocError, ShareError};
use super::gfp::Gfp;
use super::page_alloc::PageAllocator;
use crate::addr::{Order, Pfn, PfnRange, PhysRange};
use crate::frame::PageState;
use crate::platform::Platform;

/// A reference to an allocated block of pages. Giving it up takes the time of a free.
#[must_use = "the pages are given back when it is dropped"]
pub struct PageBlock<'p, 'a, P: Platform, const CPUS: usize = 1> {
    from: &'p PageAllocator<'a, P, CPUS>,
    pfn: Pfn,
    order: Order,
}

impl<'a, P: Platform, const CPUS: usize> PageAllocator<'a, P, CPUS> {
    /// Takes a block of `order`, which starts at a multiple of its size. The pages hold whatever they
    /// held, unless `gfp` has `__GFP_ZERO`. Linux's `alloc_pages`.
    ///
    /// Any context if `gfp` has no `__GFP_DIRECT_RECLAIM`; otherwise one that may sleep.
    ///
    /// # Errors
    ///
    /// [`AllocError`] when the flags contradict each other, or when no zone that they allow has such a block
    /// and nobody can help.
    #[inline]
    pub fn alloc_pages(
        &self,
        gfp: Gfp,
        order: Order,
    ) -> Result<PageBlock<'_, 'a, P, CPUS>, AllocError> {
        let pfn = self.alloc_block(gfp, order)?;
        Ok(PageBlock { from: self, pfn, order })
    }

    /// One page: [`alloc_pages`](Self::alloc_pages) of order 0.
    ///
    /// # Errors
    ///
    /// As `alloc_pages`.
    #[inline]
    pub fn alloc_page(&self, gfp: Gfp) -> Result<PageBlock<'_, 'a, P, CPUS>, AllocError> {
        self.alloc_pages(gfp, Order::ZERO)
    }

    /// A block that has an address at all times, that is, one of lowmem. Linux's `__get_free_pages`,
    /// which returns the address; here the linear map says it ([`crate::map::linear`]).
    ///
    /// # Errors
    ///
    /// As `alloc_pages`, and `__GFP_HIGHMEM` is refused, where Linux drops it.
    pub fn get_free_pages(
        &self,
        gfp: Gfp,
        order: Order,
    ) -> Result<PageBlock<'_, 'a, P, CPUS>, AllocError> {
        gfp.check_addressable().map_err(AllocError::flags)?;
        self.alloc_pages(gfp, order)
    }

    /// One zeroed page of lowmem. Linux's `get_zeroed_page`.
    ///
    /// # Errors
    ///
    /// As [`get_free_pages`](Self::get_free_pages).
    pub fn get_zeroed_page(&self, gfp: Gfp) -> Result<PageBlock<'_, 'a, P, CPUS>, AllocError> {
        self.get_free_pages(gfp | Gfp::__GFP_ZERO, Order::ZERO)
    }

    /// The block at `pfn`, one reference to which the caller answers for.
    pub(super) const fn block(&self, pfn: Pfn, order: Order) -> PageBlock<'_, 'a, P, CPUS> {
        PageBlock { from: self, pfn, order }
    }

    /// Counts one reference more to an allocated block.
    pub(super) fn add_reference(&self, pfn: Pfn) -> Result<(), ShareError> {
        let page = self.frames.get(pfn).ok_or(ShareError::NotAllocated { pfn })?;
        let mut head = page.head();
        loop {
            if !matches!(head.decode(), PageState::Allocated { .. }) {
                return Err(ShareError::NotAllocated { pfn });
            }
            let more = head.one_more().ok_or(ShareError::TooMany { pfn })?;
            match page.exchange_head(head, more) {
                Ok(()) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }
}

impl<'p, 'a, P: Platform, const CPUS: usize> PageBlock<'p, 'a, P, CPUS> {
    /// The first frame, a multiple of the block's pages.
    #[must_use]
    pub const fn pfn(&self) -> Pfn {
        self.pfn
    }

    /// The block's size.
    #[must_use]
    pub const fn order(&self) -> Order {
        self.order
    }

    /// The frames.
    #[must_use]
    pub const fn frames(&self) -> PfnRange {
        PfnRange::new(self.pfn, self.pfn.saturating_add(self.order.pages()))
    }

    /// The physical addresses.
    #[must_use]
    pub const fn phys(&self) -> PhysRange {
        self.frames().as_phys()
    }

    /// One reference more to the same block. Linux's `get_page`.
    ///
    /// # Errors
    ///
    /// [`ShareError`] when there are 65536 references, or when somebody has given back what was not his to
    /// give, and the block is not allocated.
    pub fn share(&self) -> Result<Self, ShareError> {
        self.from.add_reference(self.pfn)?;
        Ok(Self { from: self.from, pfn: self.pfn, order: self.order })
    }

    /// The frame alone: the pages stay allocated until
    /// [`free_raw`](PageAllocator::free_raw) gives them back.
    #[must_use = "the pages are lost unless somebody gives them back"]
    pub fn into_raw(self) -> Pfn {
        ManuallyDrop::new(self).pfn
    }

    /// Whose block it is.
    pub(super) const fn allocator(&self) -> &'p PageAllocator<'a, P, CPUS> {
        self.from
    }
}

impl<P: Platform, const CPUS: usize> Drop for PageBlock<'_, '_, P, CPUS> {
    #[inline]
    fn drop(&mut self) {
        // What can go wrong is somebody else's mistake, and the allocator has reported it.
        let _ = self.from.free_block(self.pfn, self.order);
    }
}

impl<P: Platform, const CPUS: usize> fmt::Debug for PageBlock<'_, '_, P, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageBlock({}, order {})", self.pfn, self.order)
    }
}
