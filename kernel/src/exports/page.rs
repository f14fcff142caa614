//! Pages: blocks of them by address and by descriptor, and the ways between descriptors, frames and addresses.
//!
//! ```text
//!                page_to_pfn          page_address (lowmem, or while it is kmapped)
//! unsigned long ◀──────────── struct page * ────────────▶ void *
//!      pfn      ────────────▶               ◀────────────
//!                pfn_to_page          virt_to_page (lowmem)
//! ```
//!
//! Invariant: a `struct page *` is used as one only if it is the address of a descriptor in the frame table: 16 bytes
//! each, from the first frame's on.

use core::ffi::c_void;
use core::ptr;

use arch_arm::{clear, copy};
use mm::addr::{PAGE_SIZE, Pfn, PhysAddr};
use mm::frame::Page;
use mm::zone::Gfp;

use super::c::{address, complain_of, gfp, order, pointer};
use super::exports;
use crate::image;
use crate::kmap;
use crate::pages;

exports![
    __get_free_pages,
    get_zeroed_page,
    free_pages,
    alloc_pages,
    __free_pages,
    page_address,
    page_to_pfn,
    pfn_to_page,
    pfn_valid,
    virt_to_page,
    virt_addr_valid,
    page_to_phys,
    virt_to_phys,
    phys_to_virt,
    clear_page,
    copy_page,
    totalram_pages,
    vmsplit_page_offset,
    vmsplit_lowmem_end,
];

/// What there is in place of a number, where there is none.
const NOTHING: u32 = u32::MAX;

/// The descriptor of a frame; NULL outside the table.
pub(super) fn descriptor(pfn: Pfn) -> *mut Page {
    let page = pages::get().and_then(|pages| pages.frames().get(pfn));
    page.map_or(ptr::null_mut(), |page| ptr::from_ref(page).cast_mut())
}

/// The frame with this descriptor; `None` if it is none's.
pub(super) fn frame(page: *const Page) -> Option<Pfn> {
    let frames = pages::get()?.frames();
    let first = address(descriptor(frames.range().start()));
    let offset = address(page).as_u32().checked_sub(first.as_u32())?;
    let (number, rest) = (offset / size_of::<Page>() as u32, offset % size_of::<Page>() as u32);
    (rest == 0 && number < frames.range().len())
        .then(|| frames.range().start().saturating_add(number))
}
const _: () = assert!(size_of::<Page>() == 16);

/// As [`frame`], and says if it is none's.
pub(super) fn frame_of(function: &str, page: *const Page) -> Option<Pfn> {
    let pfn = frame(page);
    if pfn.is_none() {
        complain_of(function, page.cast(), "no page descriptor");
    }
    pfn
}

/// `unsigned long __get_free_pages(gfp_t flags, unsigned int order)`: a block by its address; 0 if there is none, and of
/// flags that allow HighMem. Context as `flags` say.
extern "C" fn __get_free_pages(flags: u32, block: u32) -> u32 {
    let take = || {
        let (pages, linear) = (pages::get()?, kmap::linear()?);
        let block = pages.get_free_pages(gfp(flags), order(block)?).ok()?;
        let virt = linear.page_address(block.pfn())?;
        let _ = block.into_raw();
        Some(virt.as_u32())
    };
    take().unwrap_or(0)
}

/// `unsigned long get_zeroed_page(gfp_t flags)`: a page of zeroes by its address; 0 if there is none.
extern "C" fn get_zeroed_page(flags: u32) -> u32 {
    __get_free_pages(flags | Gfp::__GFP_ZERO.bits(), 0)
}

/// `void free_pages(unsigned long addr, unsigned int order)`: gives back what `__get_free_pages` gave. Nothing of 0. Any
/// context.
///
/// # Safety
///
/// 1. The block is the caller's, and nobody uses it any more. That includes devices.
unsafe extern "C" fn free_pages(at: u32, block: u32) {
    let virt = address(at as *const c_void);
    let (Some(pages), Some(linear), false) = (pages::get(), kmap::linear(), at == 0) else {
        return;
    };
    let Some(order) = order(block) else {
        return complain_of("free_pages", at as *const c_void, "no block of such an order");
    };
    // What can go wrong has been reported.
    // SAFETY: 1. the caller's; 2. addresses are made with this map.
    let _ = unsafe { pages.free_pages(linear, virt, order) };
}

/// `struct page *alloc_pages(gfp_t flags, unsigned int order)`: a block by its first descriptor; NULL if there is none.
/// Context as `flags` say.
pub(super) extern "C" fn alloc_pages(flags: u32, block: u32) -> *mut Page {
    let take = || pages::alloc(pages::get()?, gfp(flags), order(block)?).ok();
    take().map_or(ptr::null_mut(), descriptor)
}

/// `void __free_pages(struct page *page, unsigned int order)`: gives back one reference to a block, which the last one
/// frees. Any context.
///
/// # Safety
///
/// As of `free_pages`.
pub(super) unsafe extern "C" fn __free_pages(page: *mut Page, block: u32) {
    let (Some(pages), Some(pfn)) = (pages::get(), frame_of("__free_pages", page)) else { return };
    let Some(order) = order(block) else {
        return complain_of("__free_pages", page.cast(), "no block of such an order");
    };
    // What can go wrong has been reported.
    // SAFETY: 1, 2. the caller's.
    let _ = unsafe { pages::free(pages, pfn, order) };
}

/// `void *page_address(const struct page *page)`: where the page is in the linear map, or in the pkmap; NULL if it is
/// nowhere.
extern "C" fn page_address(page: *const Page) -> *mut c_void {
    pointer(frame_of("page_address", page).and_then(|pfn| match kmap::pkmap() {
        Some(pkmap) => pkmap.page_address(pfn),
        None => kmap::linear()?.page_address(pfn),
    }))
}

/// `unsigned long page_to_pfn(const struct page *page)`: the number of its frame.
extern "C" fn page_to_pfn(page: *const Page) -> u32 {
    frame_of("page_to_pfn", page).map_or(NOTHING, Pfn::as_u32)
}

/// `struct page *pfn_to_page(unsigned long pfn)`: the frame's descriptor; NULL if it has none, which `pfn_valid` tells.
extern "C" fn pfn_to_page(pfn: u32) -> *mut Page {
    descriptor(Pfn::new(pfn))
}

/// `bool pfn_valid(unsigned long pfn)`: does the frame have a descriptor? Those in holes have.
extern "C" fn pfn_valid(pfn: u32) -> bool {
    !descriptor(Pfn::new(pfn)).is_null()
}

/// `struct page *virt_to_page(const void *addr)`: the descriptor of the page at an address of the linear map; NULL
/// elsewhere.
extern "C" fn virt_to_page(at: *const c_void) -> *mut Page {
    let pfn = kmap::linear().and_then(|linear| linear.virt_to_page(address(at)));
    pfn.map_or(ptr::null_mut(), descriptor)
}

/// `bool virt_addr_valid(const void *addr)`: is that an address of the linear map, of a frame with a descriptor?
extern "C" fn virt_addr_valid(at: *const c_void) -> bool {
    !virt_to_page(at).is_null()
}

/// `phys_addr_t page_to_phys(const struct page *page)`: the physical address of its first byte.
extern "C" fn page_to_phys(page: *const Page) -> u32 {
    let pfn = frame_of("page_to_phys", page);
    pfn.and_then(|pfn| pfn.start().as_u32()).unwrap_or(NOTHING)
}

/// `phys_addr_t virt_to_phys(const volatile void *addr)`: the physical address under one of the linear map. Of any other
/// it is all ones, and said.
extern "C" fn virt_to_phys(at: *const c_void) -> u32 {
    let phys = kmap::linear().and_then(|linear| linear.virt_to_phys(address(at)));
    phys.and_then(PhysAddr::as_u32).unwrap_or_else(|| {
        complain_of("virt_to_phys", at, "no address of the linear map");
        NOTHING
    })
}

/// `void *phys_to_virt(phys_addr_t phys)`: the reverse. NULL of what is not lowmem, and said.
extern "C" fn phys_to_virt(phys: u32) -> *mut c_void {
    let virt = kmap::linear().and_then(|linear| linear.phys_to_virt(PhysAddr::new(phys.into())));
    if virt.is_none() {
        complain_of("phys_to_virt", phys as *const c_void, "no address of lowmem");
    }
    pointer(virt)
}

/// `void clear_page(void *to)`: zeroes a page.
///
/// # Safety
///
/// 1. A page is mapped there, writable, and the caller's.
unsafe extern "C" fn clear_page(to: *mut c_void) {
    // SAFETY: 1. the caller's; 2. a page.
    unsafe { clear::clear(to.cast(), PAGE_SIZE as usize) };
}

/// `void copy_page(void *to, const void *from)`: copies a page.
///
/// # Safety
///
/// 1. Pages are mapped at both, `to` writable and the caller's, and nobody writes `from`. They are not the same.
unsafe extern "C" fn copy_page(to: *mut c_void, from: *const c_void) {
    // SAFETY: 1, 2. the caller's; 3. pages.
    unsafe { copy::copy_page(to.cast(), from.cast()) };
}

/// `unsigned long totalram_pages(void)`: pages that the page allocator has, free or not.
extern "C" fn totalram_pages() -> u32 {
    let managed = pages::figures().map_or(0, |figures| figures.managed());
    u32::try_from(managed).unwrap_or(NOTHING)
}

/// `unsigned long vmsplit_page_offset(void)`: where the linear map begins, which is a choice of the build: the headers'
/// `PAGE_OFFSET`.
extern "C" fn vmsplit_page_offset() -> u32 {
    image::SPLIT.page_offset().as_u32()
}

/// `unsigned long vmsplit_lowmem_end(void)`: where the linear map ends: the headers' `high_memory`.
extern "C" fn vmsplit_lowmem_end() -> u32 {
    // It ends below the vmalloc region, so its size is one of 32 bits.
    let bytes = kmap::linear().map_or(0, |linear| linear.lowmem().len() as u32);
    vmsplit_page_offset() + bytes
}
