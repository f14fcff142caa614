//! The DMA memory of this machine, where everybody finds it.
//!
//! The policy is [`mm::dma`]'s. Here are the one [`Dma`] of the machine, and what it asks of the hardware (`machine`).

#![expect(unsafe_code, reason = "the duties of the raw interface are passed on")]

mod machine;

use core::mem::MaybeUninit;

use mm::dma::{CoherentBuffer, CoherentError, Device, DmaFault, DmaMemory};
use mm::zone::Gfp;
#[cfg(feature = "bench")]
use mm::{
    addr::VirtAddr,
    dma::{Direction, DmaAddr, MapError},
};
use spin::Once;

use crate::platform::Hardware;
use crate::take_cell::TakeCell;

pub use machine::DmaHardware;

/// The DMA memory of this machine.
pub type Dma = DmaMemory<'static, 'static, Hardware, DmaHardware>;

static PLACE: TakeCell<MaybeUninit<Dma>> = TakeCell::new(MaybeUninit::uninit());
static HARDWARE: Once<DmaHardware> = Once::new();
static DMA: Once<&'static Dma> = Once::new();

/// Where it is made, and stays: it is too large to be passed around. Boot's, once.
pub fn place() -> Option<&'static mut MaybeUninit<Dma>> {
    PLACE.take()
}

/// Keeps what DMA memory asks for good. Boot's, once; a second one is lost.
pub fn keep(hardware: DmaHardware) -> &'static DmaHardware {
    HARDWARE.call_once(|| hardware)
}

/// Makes `dma` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish(dma: &'static Dma) {
    DMA.call_once(|| dma);
}

/// The DMA memory; `None` before boot has made it, and if there was no memory for the tables of its region.
pub fn get() -> Option<&'static Dma> {
    DMA.get().copied()
}

/// Takes coherent memory, out of line: what drivers call, and what the benchmark counts.
///
/// # Errors
///
/// [`CoherentError`].
#[inline(never)]
pub fn alloc_coherent(
    dma: &Dma,
    device: &Device,
    bytes: u32,
    gfp: Gfp,
) -> Result<CoherentBuffer, CoherentError> {
    dma.alloc_coherent_raw(device, bytes, gfp)
}

/// Gives coherent memory back, out of line; see [`alloc_coherent`].
///
/// # Errors
///
/// [`DmaFault`].
///
/// # Safety
///
/// As [`DmaMemory::free_coherent_raw`].
#[inline(never)]
pub unsafe fn free_coherent(
    dma: &Dma,
    device: &Device,
    buffer: CoherentBuffer,
) -> Result<(), DmaFault> {
    // SAFETY: the caller's duties are the same.
    unsafe { dma.free_coherent_raw(device, buffer) }
}

/// Makes a buffer the device's, out of line; see [`alloc_coherent`].
///
/// # Errors
///
/// [`MapError`].
///
/// # Safety
///
/// As [`DmaMemory::map_single_raw`].
#[cfg(feature = "bench")]
#[inline(never)]
pub unsafe fn map_single(
    dma: &Dma,
    device: &Device,
    virt: VirtAddr,
    bytes: u32,
    direction: Direction,
) -> Result<DmaAddr, MapError> {
    // SAFETY: the caller's duties are the same.
    unsafe { dma.map_single_raw(device, virt, bytes, direction) }
}

/// Makes a buffer the CPU's again, out of line; see [`alloc_coherent`].
///
/// # Errors
///
/// [`DmaFault`].
///
/// # Safety
///
/// As [`DmaMemory::unmap_raw`].
#[cfg(feature = "bench")]
#[inline(never)]
pub unsafe fn unmap_single(
    dma: &Dma,
    device: &Device,
    at: DmaAddr,
    bytes: u32,
    direction: Direction,
) -> Result<(), DmaFault> {
    // SAFETY: the caller's duties are the same.
    unsafe { dma.unmap_raw(device, at, bytes, direction) }
}
