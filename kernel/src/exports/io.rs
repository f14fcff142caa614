//! Device memory, mapped in the vmalloc region.
//!
//! Memory that the kernel has is refused, and so is a second type for the same range; why is said.

use core::ffi::c_void;
use core::ptr;

use mm::addr::{PhysAddr, VirtAddr};
use mm::map::ioremap::IoremapError;

use super::c::{address, complain, pointer};
use super::exports;
use crate::report::call_site;
use crate::vmalloc::{self, Io};

exports![ioremap, ioremap_wc, ioremap_cache, iounmap];

/// One of the ways to map `size` bytes at `phys`.
fn mapped(
    function: &str,
    phys: u32,
    size: u32,
    map: impl FnOnce(&Io, PhysAddr, u32, u32) -> Result<VirtAddr, IoremapError>,
) -> *mut c_void {
    let Some(io) = vmalloc::io() else { return ptr::null_mut() };
    match map(io, PhysAddr::new(phys.into()), size, call_site()) {
        Ok(virt) => pointer(Some(virt)),
        Err(error) => {
            complain(function, format_args!("{error}"));
            ptr::null_mut()
        }
    }
}

/// `void __iomem *ioremap(phys_addr_t phys, size_t size)`: maps registers as Device memory; NULL if that can not be. May
/// sleep.
extern "C" fn ioremap(phys: u32, size: u32) -> *mut c_void {
    mapped("ioremap", phys, size, Io::ioremap)
}

/// `void __iomem *ioremap_wc(phys_addr_t phys, size_t size)`: as `ioremap`, not cached, but writes may be gathered.
extern "C" fn ioremap_wc(phys: u32, size: u32) -> *mut c_void {
    mapped("ioremap_wc", phys, size, Io::ioremap_wc)
}

/// `void __iomem *ioremap_cache(phys_addr_t phys, size_t size)`: as `ioremap`, cached.
extern "C" fn ioremap_cache(phys: u32, size: u32) -> *mut c_void {
    mapped("ioremap_cache", phys, size, Io::ioremap_cache)
}

/// `void iounmap(volatile void __iomem *addr)`: ends what one call of `ioremap` or its like began. Nothing of NULL. Any
/// context.
///
/// # Safety
///
/// 1. The caller uses the addresses no more.
unsafe extern "C" fn iounmap(at: *const c_void) {
    if let (Some(io), false) = (vmalloc::io(), at.is_null()) {
        // What can go wrong has been reported.
        let _ = vmalloc::iounmap(io, address(at));
    }
}
