//! Areas of the vmalloc region: with pages of their own, or of pages that somebody has.
//!
//! Each is named in reports by who called, in the module.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

use mm::addr::Pfn;
use mm::frame::Page;
use mm::map::{MemoryType, Prot, Rights};
use mm::zone::Gfp;

use super::c::{address, complain, gfp, pointer};
use super::exports;
use super::page::{descriptor, frame_of};
use crate::report::call_site;
use crate::vmalloc::{self as region, Vmalloc};

exports![
    vmalloc,
    vzalloc,
    __vmalloc,
    vfree,
    vmap,
    vunmap,
    vmalloc_to_page,
    vmalloc_to_pfn,
    is_vmalloc_addr,
    vmsplit_vmalloc_start,
    vmsplit_vmalloc_end,
];

/// `void *__vmalloc(unsigned long size, gfp_t flags)`: an area of whole pages; NULL if there is none, which is reported
/// unless `flags` say not to. Context as `flags` say.
extern "C" fn __vmalloc(size: u32, flags: u32) -> *mut c_void {
    let take = |region: &Vmalloc| region.vmalloc(size, gfp(flags), call_site()).ok();
    pointer(region::get().and_then(take))
}

/// `void *vmalloc(unsigned long size)`: as `__vmalloc`. May sleep.
extern "C" fn vmalloc(size: u32) -> *mut c_void {
    __vmalloc(size, Gfp::GFP_KERNEL.bits())
}

/// `void *vzalloc(unsigned long size)`: as `vmalloc`, zeroed.
extern "C" fn vzalloc(size: u32) -> *mut c_void {
    __vmalloc(size, (Gfp::GFP_KERNEL | Gfp::__GFP_ZERO).bits())
}

/// `void vfree(const void *addr)`: gives back an area. Nothing of NULL. Any context.
///
/// # Safety
///
/// 1. Nobody uses the area any more.
unsafe extern "C" fn vfree(at: *const c_void) {
    if let (Some(region), false) = (region::get(), at.is_null()) {
        // What can go wrong has been reported.
        let _ = region.vfree(address(at));
    }
}

/// What a `pgprot_t` of `<asm/pgtable.h>` says: the memory's type in bits 0 and 1, the rights in bits 4 and 5.
fn prot_of(number: u32) -> Option<Prot> {
    use MemoryType::{Device, StronglyOrdered, WriteBack, WriteCombine};
    use Rights::{Read, ReadExecute, ReadWrite};
    let memory = *[WriteBack, WriteCombine, Device, StronglyOrdered].get(number as usize & 0xf)?;
    let rights = *[ReadWrite, Read, ReadExecute].get(number as usize >> 4)?;
    Some(Prot { memory, rights })
}

/// `void *vmap(struct page **pages, unsigned int count, unsigned long flags, pgprot_t prot)`: maps pages side by side;
/// NULL if that can not be, as for any type but that of the linear map, and leave to execute. `flags` mean nothing. May
/// sleep.
///
/// # Safety
///
/// 1. There are `count` pointers at `pages`.
/// 2. The pages are the caller's until `vunmap` has returned.
unsafe extern "C" fn vmap(
    pages: *const *const Page,
    count: u32,
    _flags: u32,
    prot: u32,
) -> *mut c_void {
    const SELF: &str = "vmap";
    let Some(region) = region::get() else { return ptr::null_mut() };
    let Some(prot) = prot_of(prot) else {
        complain(SELF, format_args!("protection {prot:#x} is unknown"));
        return ptr::null_mut();
    };
    let mut frames = Vec::new();
    if frames.try_reserve_exact(count as usize).is_err() {
        return ptr::null_mut();
    }
    for number in 0..count as usize {
        // SAFETY: 1. the caller's.
        let page = unsafe { pages.add(number).read() };
        let Some(pfn) = frame_of(SELF, page) else { return ptr::null_mut() };
        frames.push(pfn);
    }
    pointer(region.vmap(&frames, prot, Gfp::GFP_KERNEL, call_site()).ok())
}

/// `void vunmap(const void *addr)`: unmaps what `vmap` mapped. Nothing of NULL. Any context.
///
/// # Safety
///
/// 1. Nobody uses the addresses any more.
unsafe extern "C" fn vunmap(at: *const c_void) {
    if let (Some(region), false) = (region::get(), at.is_null()) {
        // What can go wrong has been reported.
        let _ = region.vunmap(address(at));
    }
}

fn frame_at(at: *const c_void) -> Option<Pfn> {
    region::get()?.vmalloc_to_pfn(address(at))
}

/// `struct page *vmalloc_to_page(const void *addr)`: the descriptor of the page that is mapped there; NULL if none is.
extern "C" fn vmalloc_to_page(at: *const c_void) -> *mut Page {
    frame_at(at).map_or(ptr::null_mut(), descriptor)
}

/// `unsigned long vmalloc_to_pfn(const void *addr)`: the number of the frame that is mapped there; 0 if none is.
extern "C" fn vmalloc_to_pfn(at: *const c_void) -> u32 {
    frame_at(at).map_or(0, Pfn::as_u32)
}

/// `bool is_vmalloc_addr(const void *addr)`: is it an address of the region, mapped or not?
extern "C" fn is_vmalloc_addr(at: *const c_void) -> bool {
    region::get().is_some_and(|region| region.is_vmalloc_addr(address(at)))
}

/// `unsigned long vmsplit_vmalloc_start(void)`: where the region begins: the headers' `VMALLOC_START`; 0 before there is
/// one.
extern "C" fn vmsplit_vmalloc_start() -> u32 {
    region::get().map_or(0, |region| region.region().start().as_u32())
}

/// `unsigned long vmsplit_vmalloc_end(void)`: where it ends: `VMALLOC_END`.
extern "C" fn vmsplit_vmalloc_end() -> u32 {
    region::get().map_or(0, |region| region.region().end().as_u32())
}
