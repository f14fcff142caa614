//! The one page allocator, where everybody finds it: boot's steps, the monitor, and the report of a
//! crash.

use core::mem::MaybeUninit;

use mm::addr::{Order, Pfn, VirtAddr};
use mm::frame::FreeError;
use mm::zone::{AllocError, Gfp, MemoryFigures, NotFreed, PageAllocator};
use spin::Once;

use crate::boot::LinearMap;
use crate::platform::Hardware;
use crate::take_cell::TakeCell;

/// The page allocator of this machine.
pub type Pages = PageAllocator<'static, Hardware>;

static PLACE: TakeCell<MaybeUninit<Pages>> = TakeCell::new(MaybeUninit::uninit());
static PAGES: Once<&'static Pages> = Once::new();

/// Where the page allocator is made, and stays: it is too large to be passed around. Boot's, once.
pub fn place() -> Option<&'static mut MaybeUninit<Pages>> {
    PLACE.take()
}

/// Makes `allocator` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish(allocator: &'static Pages) {
    PAGES.call_once(|| allocator);
}

/// The page allocator; `None` before boot has made it.
pub fn get() -> Option<&'static Pages> {
    PAGES.get().copied()
}

/// At every tick: does what other CPUs asked of this one's stacks. Nothing before there is a page
/// allocator. Cheap: mostly nothing is asked, and that is one load.
pub fn on_tick() {
    if let Some(pages) = get() {
        pages.tick();
    }
}

/// The figures of memory, without waiting for anybody; `None` before there is a page allocator.
pub fn figures() -> Option<MemoryFigures> {
    get().map(PageAllocator::figures)
}

/// Takes a block, out of line: what everybody calls who does not count instructions, and what the
/// benchmark counts.
///
/// # Errors
///
/// [`AllocError`].
#[inline(never)]
pub fn alloc(pages: &Pages, gfp: Gfp, order: Order) -> Result<Pfn, AllocError> {
    pages.alloc_raw(gfp, order)
}

/// Gives back a block, out of line; see [`alloc`].
///
/// # Errors
///
/// [`NotFreed`].
///
/// # Safety
///
/// As [`PageAllocator::free_raw`].
#[inline(never)]
pub unsafe fn free(pages: &Pages, pfn: Pfn, order: Order) -> Result<(), NotFreed> {
    // SAFETY: the caller's duties are the same.
    unsafe { pages.free_raw(pfn, order) }
}

/// Takes single pages, out of line; see [`alloc`].
#[inline(never)]
pub fn alloc_bulk(pages: &Pages, gfp: Gfp, pfns: &mut [Pfn]) -> usize {
    pages.alloc_bulk_raw(gfp, pfns).unwrap_or(0)
}

/// Gives back single pages, out of line; see [`alloc`].
///
/// # Errors
///
/// [`NotFreed`].
///
/// # Safety
///
/// As [`PageAllocator::free_bulk_raw`].
#[inline(never)]
pub unsafe fn free_bulk(pages: &Pages, pfns: &[Pfn]) -> Result<(), NotFreed> {
    // SAFETY: the caller's duties are the same.
    unsafe { pages.free_bulk_raw(pfns) }
}

/// Takes a page by its address in the linear map, out of line; see [`alloc`]. Linux's `__get_free_page`.
#[inline(never)]
pub fn get_free_page(pages: &Pages, linear: &LinearMap, gfp: Gfp) -> Option<VirtAddr> {
    let page = pages.get_free_pages(gfp, Order::ZERO).ok()?;
    let virt = linear.page_address(page.pfn())?;
    let _ = page.into_raw();
    Some(virt)
}

/// Gives back a page by its address in the linear map, out of line; see [`alloc`]. Linux's `free_page`.
///
/// # Errors
///
/// [`FreeError`].
///
/// # Safety
///
/// As [`PageAllocator::free_pages`].
#[inline(never)]
pub unsafe fn free_page(
    pages: &Pages,
    linear: &LinearMap,
    virt: VirtAddr,
) -> Result<(), FreeError> {
    // SAFETY: the caller's duties are the same.
    unsafe { pages.free_pages(linear, virt, Order::ZERO) }
}
