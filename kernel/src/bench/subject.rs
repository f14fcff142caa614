//! Our page allocator as subjects of the workload: the one file that knows its interface.
//!
//! The functions that are measured are called here and nowhere else in the benchmark. What is not the
//! call itself belongs into `given`, before the meter begins to count.

use arch_arm::clear::clear;
use mm::addr::{Order, PAGE_SIZE, Pfn, PhysRange};
use mm::zone::ZoneKind;
use workload::{Flags, Subject};

use crate::boot::LinearMap;
use crate::pages::Pages;

/// What of a request the allocator looks at.
#[derive(Clone, Copy)]
pub struct Request {
    zone: ZoneKind,
    zero: bool,
}

impl Request {
    /// The request with these flags.
    pub const fn new(flags: Flags) -> Self {
        let zone = match flags {
            Flags::Kernel | Flags::Atomic | Flags::Nowait | Flags::Zero => ZoneKind::Normal,
            Flags::Dma => ZoneKind::Dma,
            Flags::Highmem | Flags::HighuserMovable => ZoneKind::HighMem,
        };
        Self { zone, zero: matches!(flags, Flags::Zero) }
    }
}

/// Blocks of one order for one kind of request, by frame number.
pub struct Blocks {
    /// The allocator.
    pub pages: &'static Pages,
    /// Where its pages are mapped.
    pub linear: LinearMap,
    /// What is asked for.
    pub request: Request,
    /// How large.
    pub order: Order,
}

impl Subject for Blocks {
    type Block = u32;
    type Given<'a> = (&'static Pages, &'a LinearMap, Request, Order);
    type Got = Option<Pfn>;

    #[inline(always)]
    fn given(&mut self) -> (&'static Pages, &LinearMap, Request, Order) {
        (self.pages, &self.linear, self.request, self.order)
    }

    #[inline(always)]
    fn get((pages, linear, request, order): Self::Given<'_>) -> Option<Pfn> {
        alloc(pages, linear, request, order)
    }

    fn block(got: Option<Pfn>) -> Option<u32> {
        got.map(Pfn::as_u32)
    }

    #[inline(always)]
    fn put((pages, _, _, order): Self::Given<'_>, block: u32) {
        free(pages, Pfn::new(block), order);
    }
}

/// Single pages by their address in the linear map.
pub struct Addresses {
    /// The allocator.
    pub pages: &'static Pages,
    /// Where its pages are mapped.
    pub linear: LinearMap,
    /// What is asked for.
    pub request: Request,
}

impl Subject for Addresses {
    type Block = u32;
    type Given<'a> = (&'static Pages, &'a LinearMap, Request);
    type Got = Option<u32>;

    #[inline(always)]
    fn given(&mut self) -> (&'static Pages, &LinearMap, Request) {
        (self.pages, &self.linear, self.request)
    }

    #[inline(always)]
    fn get((pages, linear, request): Self::Given<'_>) -> Option<u32> {
        get_free_page(pages, linear, request)
    }

    fn block(got: Option<u32>) -> Option<u32> {
        got
    }

    #[inline(always)]
    fn put((pages, linear, _): Self::Given<'_>, block: u32) {
        free_page(pages, linear, block);
    }
}

/// Pages of a bulk operation.
pub const BULK: usize = 32;

/// [`BULK`] pages in one call. It keeps them itself: its block says nothing.
pub struct Bulk<'a> {
    /// The allocator.
    pub pages: &'static Pages,
    /// What is asked for.
    pub request: Request,
    /// Where the pages are noted.
    pub pfns: &'a mut [Pfn],
}

impl Subject for Bulk<'_> {
    type Block = u32;
    type Given<'a>
        = (&'static Pages, Request, &'a mut [Pfn])
    where
        Self: 'a;
    type Got = usize;

    #[inline(always)]
    fn given(&mut self) -> (&'static Pages, Request, &mut [Pfn]) {
        (self.pages, self.request, self.pfns)
    }

    #[inline(always)]
    fn get((pages, request, pfns): (&'static Pages, Request, &mut [Pfn])) -> usize {
        alloc_bulk(pages, request, pfns)
    }

    fn block(count: usize) -> Option<u32> {
        (count == BULK).then_some(0)
    }

    #[inline(always)]
    fn put((pages, _, pfns): (&'static Pages, Request, &mut [Pfn]), _: u32) {
        free_bulk(pages, pfns);
    }
}

/// A block that is not part of a measurement: memory for the peers.
pub fn take(pages: &Pages, order: Order) -> Option<Pfn> {
    pages.lock().alloc(ZoneKind::Normal, order).ok()
}

/// Gives back what [`take`] took.
pub fn give(pages: &Pages, pfn: Pfn, order: Order) {
    free(pages, pfn, order);
}

#[inline(never)]
fn alloc(pages: &Pages, linear: &LinearMap, request: Request, order: Order) -> Option<Pfn> {
    let pfn = pages.lock().alloc(request.zone, order).ok()?;
    if request.zero {
        let range = PhysRange::from_len(pfn.start(), u64::from(order.bytes()))?;
        let at = linear.pointer(range)?;
        // SAFETY: 1. the block was allocated just now, and lies in the linear map; 2. whole pages.
        unsafe { clear(at, order.bytes() as usize) };
    }
    Some(pfn)
}

#[inline(never)]
fn free(pages: &Pages, pfn: Pfn, order: Order) {
    if let Err(error) = pages.lock().free(pfn, order) {
        log::error!("bench: {error}");
    }
}

#[inline(never)]
fn get_free_page(pages: &Pages, linear: &LinearMap, request: Request) -> Option<u32> {
    let pfn = pages.lock().alloc(request.zone, Order::ZERO).ok()?;
    linear.virt(pfn.start()).map(mm::addr::VirtAddr::as_u32)
}

#[inline(never)]
fn free_page(pages: &Pages, linear: &LinearMap, address: u32) {
    let start = mm::addr::VirtAddr::new(address);
    let range = mm::addr::VirtRange::new(start, mm::addr::VirtAddr::new(address + PAGE_SIZE));
    if let Some(phys) = linear.phys(range) {
        free(pages, phys.start().pfn_down(), Order::ZERO);
    }
}

#[inline(never)]
fn alloc_bulk(pages: &Pages, request: Request, pfns: &mut [Pfn]) -> usize {
    let mut count = 0;
    for place in &mut *pfns {
        let Ok(pfn) = pages.lock().alloc(request.zone, Order::ZERO) else { break };
        *place = pfn;
        count += 1;
    }
    count
}

#[inline(never)]
fn free_bulk(pages: &Pages, pfns: &[Pfn]) {
    for &pfn in pfns {
        free(pages, pfn, Order::ZERO);
    }
}
