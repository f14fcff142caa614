//! Our page allocator as subjects of the workload: the one file that knows its interface.
//!
//! The functions that are measured are called here and nowhere else in the benchmark. They are those
//! that the kernel itself calls, out of line, so both images have the same code for them. What is not the
//! call itself belongs into `given`, before the meter begins to count.

use mm::addr::{Order, Pfn, VirtAddr};
use mm::zone::{AllocError, Gfp, PageRun};
use workload::{Flags, Subject};

use crate::boot::LinearMap;
use crate::pages::{self, Pages};
use crate::platform::Hardware;

/// The request with these flags.
pub const fn gfp(flags: Flags) -> Gfp {
    match flags {
        Flags::Kernel => Gfp::GFP_KERNEL,
        Flags::Atomic => Gfp::GFP_ATOMIC,
        Flags::Nowait => Gfp::GFP_NOWAIT,
        Flags::Dma => Gfp::GFP_KERNEL.union(Gfp::__GFP_DMA),
        Flags::Highmem => Gfp::GFP_KERNEL.union(Gfp::__GFP_HIGHMEM),
        Flags::HighuserMovable => Gfp::GFP_HIGHUSER_MOVABLE,
        Flags::Zero => Gfp::GFP_KERNEL.union(Gfp::__GFP_ZERO),
    }
}

/// Blocks of one order for one kind of request, by frame number.
pub struct Blocks {
    /// The allocator.
    pub pages: &'static Pages,
    /// What is asked for.
    pub gfp: Gfp,
    /// How large.
    pub order: Order,
}

impl Subject for Blocks {
    type Block = u32;
    type Given<'a> = (&'static Pages, Gfp, Order);
    type Got = Result<Pfn, AllocError>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.pages, self.gfp, self.order)
    }

    #[inline(always)]
    fn get((pages, gfp, order): Self::Given<'_>) -> Self::Got {
        pages::alloc(pages, gfp, order)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.ok().map(Pfn::as_u32)
    }

    #[inline(always)]
    fn put((pages, _, order): Self::Given<'_>, block: u32) {
        // SAFETY: 1. `get` took it; 2. nobody looks at its pages.
        let _ = unsafe { pages::free(pages, Pfn::new(block), order) };
    }
}

/// Single pages by their address in the linear map.
pub struct Addresses {
    /// The allocator.
    pub pages: &'static Pages,
    /// Where its pages are mapped.
    pub linear: LinearMap,
    /// What is asked for.
    pub gfp: Gfp,
}

impl Subject for Addresses {
    type Block = u32;
    type Given<'a> = (&'static Pages, &'a LinearMap, Gfp);
    type Got = Option<VirtAddr>;

    #[inline(always)]
    fn given(&mut self) -> (&'static Pages, &LinearMap, Gfp) {
        (self.pages, &self.linear, self.gfp)
    }

    #[inline(always)]
    fn get((pages, linear, gfp): Self::Given<'_>) -> Option<VirtAddr> {
        pages::get_free_page(pages, linear, gfp)
    }

    fn block(got: Option<VirtAddr>) -> Option<u32> {
        got.map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((pages, linear, _): Self::Given<'_>, block: u32) {
        // SAFETY: 1. `get` took it with the same map, and nobody looks at it.
        let _ = unsafe { pages::free_page(pages, linear, VirtAddr::new(block)) };
    }
}

/// Pages of a bulk operation.
pub const BULK: usize = 32;

/// [`BULK`] pages in one call. It keeps them itself: its block says nothing.
pub struct Bulk<'a> {
    /// The allocator.
    pub pages: &'static Pages,
    /// What is asked for.
    pub gfp: Gfp,
    /// Where the pages are noted.
    pub pfns: &'a mut [Pfn],
}

impl Subject for Bulk<'_> {
    type Block = u32;
    type Given<'a>
        = (&'static Pages, Gfp, &'a mut [Pfn])
    where
        Self: 'a;
    type Got = usize;

    #[inline(always)]
    fn given(&mut self) -> (&'static Pages, Gfp, &mut [Pfn]) {
        (self.pages, self.gfp, self.pfns)
    }

    #[inline(always)]
    fn get((pages, gfp, pfns): (&'static Pages, Gfp, &mut [Pfn])) -> usize {
        pages::alloc_bulk(pages, gfp, pfns)
    }

    fn block(count: usize) -> Option<u32> {
        (count == BULK).then_some(0)
    }

    #[inline(always)]
    fn put((pages, _, pfns): (&'static Pages, Gfp, &mut [Pfn]), _: u32) {
        // SAFETY: 1. `get` took them; 2. nobody looks at them.
        let _ = unsafe { pages::free_bulk(pages, pfns) };
    }
}

/// Pages in a row that are not part of a measurement: memory for the peers.
pub fn take(pages: &'static Pages, count: u32) -> Option<PageRun<'static, 'static, Hardware>> {
    pages.alloc_contig(Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN, count).ok()
}
