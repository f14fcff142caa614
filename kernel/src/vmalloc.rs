//! The vmalloc region, and device memory in it, where everybody finds them.

use mm::addr::VirtAddr;
#[cfg(feature = "bench")]
use mm::addr::{Pfn, PhysAddr};
#[cfg(feature = "bench")]
use mm::map::Prot;
use mm::map::ioremap::IoMap;
#[cfg(feature = "bench")]
use mm::map::ioremap::IoremapError;
#[cfg(feature = "bench")]
use mm::map::vmalloc::VmallocError;
use mm::map::vmalloc::{AreaError, MappedRegion};
#[cfg(feature = "bench")]
use mm::zone::Gfp;
use spin::Once;

use crate::maps::Maps;
use crate::platform::Hardware;

/// The vmalloc region of this machine.
pub type Vmalloc = MappedRegion<'static, 'static, Hardware, Maps>;
/// Device memory in it.
pub type Io = IoMap<'static, 'static, 'static, Hardware, Maps>;

static VMALLOC: Once<Vmalloc> = Once::new();
static IO: Once<Io> = Once::new();

/// Makes `region` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish(region: Vmalloc) -> &'static Vmalloc {
    VMALLOC.call_once(|| region)
}

/// The vmalloc region; `None` before boot has made it.
pub fn get() -> Option<&'static Vmalloc> {
    VMALLOC.get()
}

/// Makes `io` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish_io(io: Io) -> &'static Io {
    IO.call_once(|| io)
}

/// Device memory; `None` before boot has made the region.
pub fn io() -> Option<&'static Io> {
    IO.get()
}

/// Takes an area with pages of its own, out of line: what the benchmark counts.
///
/// # Errors
///
/// [`VmallocError`].
#[cfg(feature = "bench")]
#[inline(never)]
pub fn vmalloc(
    region: &Vmalloc,
    bytes: u32,
    gfp: Gfp,
    caller: u32,
) -> Result<VirtAddr, VmallocError> {
    region.vmalloc(bytes, gfp, caller)
}

/// Gives back an area, out of line; see [`vmalloc`].
///
/// # Errors
///
/// [`AreaError`].
#[cfg(feature = "bench")]
#[inline(never)]
pub fn vfree(region: &Vmalloc, virt: VirtAddr) -> Result<(), AreaError> {
    region.vfree(virt)
}

/// Maps frames side by side, out of line; see [`vmalloc`].
///
/// # Errors
///
/// [`VmallocError`].
#[cfg(feature = "bench")]
#[inline(never)]
pub fn vmap(
    region: &Vmalloc,
    frames: &[Pfn],
    prot: Prot,
    caller: u32,
) -> Result<VirtAddr, VmallocError> {
    region.vmap(frames, prot, Gfp::GFP_KERNEL, caller)
}

/// Unmaps what [`vmap`] mapped, out of line; see [`vmalloc`].
///
/// # Errors
///
/// [`AreaError`].
#[cfg(feature = "bench")]
#[inline(never)]
pub fn vunmap(region: &Vmalloc, virt: VirtAddr) -> Result<(), AreaError> {
    region.vunmap(virt)
}

/// Maps a device's registers, out of line; see [`vmalloc`].
///
/// # Errors
///
/// [`IoremapError`].
#[cfg(feature = "bench")]
#[inline(never)]
pub fn ioremap(io: &Io, phys: PhysAddr, bytes: u32, caller: u32) -> Result<VirtAddr, IoremapError> {
    io.ioremap(phys, bytes, caller)
}

/// Unmaps what `ioremap` mapped, out of line: what everybody calls who does not count instructions, and what the
/// benchmark counts.
///
/// # Errors
///
/// [`AreaError`].
#[inline(never)]
pub fn iounmap(io: &Io, virt: VirtAddr) -> Result<(), AreaError> {
    io.iounmap(virt)
}
