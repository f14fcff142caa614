//! Frames that have no address, mapped for a while.
//!
//! `kmap` pins a slot that all CPUs share until `kunmap` of the same page; it may wait. `kmap_local_page` and
//! `kmap_atomic` take this CPU's next level, and go back in reverse order. There are no threads, so nothing else is
//! switched off while a page is mapped so. Pages of lowmem have their address all the time, from each of them.

use core::ffi::c_void;
use core::hint::black_box;
use core::ptr;

use mm::frame::Page;

use super::c::{address, complain, pointer};
use super::exports;
use super::page::{descriptor, frame_of};
use crate::kmap as slots;

exports![
    kmap,
    kunmap,
    kmap_to_page,
    kmap_local_page,
    kunmap_local,
    kmap_atomic,
    kunmap_atomic,
    kmap_flush_unused,
];

/// `void *kmap(struct page *page)`: maps a page until `kunmap`; NULL if it can not be, which is said. May sleep.
///
/// # Safety
///
/// 1. The page is the caller's until `kunmap`.
unsafe extern "C" fn kmap(page: *mut Page) -> *mut c_void {
    let Some(pfn) = frame_of("kmap", page) else { return ptr::null_mut() };
    let Some(pkmap) = slots::pkmap() else {
        return pointer(slots::linear().and_then(|linear| linear.page_address(pfn)));
    };
    match slots::kmap(pkmap, pfn) {
        Ok(virt) => pointer(Some(virt)),
        Err(error) => {
            complain("kmap", format_args!("{error}"));
            ptr::null_mut()
        }
    }
}

/// `void kunmap(struct page *page)`: gives up one use of what `kmap` mapped. Any context.
///
/// # Safety
///
/// 1. The caller has `kmap`ped the page, and not given that up since.
unsafe extern "C" fn kunmap(page: *mut Page) {
    let (Some(pkmap), Some(pfn)) = (slots::pkmap(), frame_of("kunmap", page)) else { return };
    match pkmap.page_address(pfn) {
        // What can go wrong has been reported.
        Some(virt) => drop(slots::kunmap(pkmap, virt)),
        None => complain("kunmap", format_args!("{pfn} is not mapped")),
    }
}

/// `struct page *kmap_to_page(const void *addr)`: the page at an address of lowmem, or of a slot of `kmap`; NULL if there
/// is none.
extern "C" fn kmap_to_page(at: *const c_void) -> *mut Page {
    let pfn = match slots::pkmap() {
        Some(pkmap) => pkmap.kmap_to_pfn(address(at)),
        None => slots::linear().and_then(|linear| linear.virt_to_page(address(at))),
    };
    pfn.map_or(ptr::null_mut(), descriptor)
}

/// The levels. The compiler must not know where they are, or the functions that the benchmark measures are made for that
/// place.
fn levels() -> &'static slots::Local {
    black_box(slots::local())
}

/// `void *kmap_local_page(struct page *page)`: maps a page at this CPU's next level; NULL if there is none, which is said.
/// Any context.
///
/// # Safety
///
/// 1. The page is the caller's until `kunmap_local`, which is called in reverse order.
unsafe extern "C" fn kmap_local_page(page: *mut Page) -> *mut c_void {
    let Some(pfn) = frame_of("kmap_local_page", page) else { return ptr::null_mut() };
    match slots::kmap_local(levels(), pfn) {
        Ok(virt) => pointer(Some(virt)),
        Err(error) => {
            complain("kmap_local_page", format_args!("{error}"));
            ptr::null_mut()
        }
    }
}

/// `void kunmap_local(const void *addr)`: unmaps what `kmap_local_page` mapped last. Any context.
///
/// # Safety
///
/// 1. Nobody uses the address any more.
unsafe extern "C" fn kunmap_local(at: *const c_void) {
    // What can go wrong has been reported.
    let _ = slots::kunmap_local(levels(), address(at));
}

/// `void *kmap_atomic(struct page *page)`: as `kmap_local_page`.
///
/// # Safety
///
/// As of `kmap_local_page`.
unsafe extern "C" fn kmap_atomic(page: *mut Page) -> *mut c_void {
    // SAFETY: 1. the caller's.
    unsafe { kmap_local_page(page) }
}

/// `void kunmap_atomic(const void *addr)`: as `kunmap_local`.
///
/// # Safety
///
/// As of `kunmap_local`.
unsafe extern "C" fn kunmap_atomic(at: *const c_void) {
    // SAFETY: 1. the caller's.
    unsafe { kunmap_local(at) };
}

/// `void kmap_flush_unused(void)`: unmaps all slots of `kmap` that have no user. Any context.
extern "C" fn kmap_flush_unused() {
    if let Some(pkmap) = slots::pkmap() {
        pkmap.flush_unused();
    }
}
