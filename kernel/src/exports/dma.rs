//! DMA memory: coherent buffers, and buffers that go to a device and come back.
//!
//! A module has no device tree node, so there is one device for all modules, whatever `struct device *` says: it reaches
//! all memory that 32 bits address, at the same addresses, and does not look into the caches. That is right for each
//! device that reaches as much, also for one that does look. One that reaches less is refused by `dma_set_mask`.
//!
//! `enum dma_data_direction` has Linux's numbers: 0 for both, 1 to the device, 2 from it.

use core::ffi::c_void;
use core::ptr;

use arch_arm::interrupt;
use mm::dma::{
    Coherency, CoherentBuffer, Device, Direction, DmaAddr, DmaFault, DmaWindow, MapError,
};
use mm::frame::Page;
use spin::Once;

use super::c::{EIO, ENOMEM, address, complain, gfp, pointer};
use super::exports;
use super::page::frame_of;
use crate::dma::{self, Dma};

exports![
    dma_alloc_coherent,
    dma_free_coherent,
    dma_map_single,
    dma_unmap_single,
    dma_map_page,
    dma_unmap_page,
    dma_sync_single_for_cpu,
    dma_sync_single_for_device,
    dma_mapping_error,
    dma_set_mask,
    dma_set_coherent_mask,
    dma_set_mask_and_coherent,
];

/// `DMA_MAPPING_ERROR`.
const NO_MAPPING: u32 = u32::MAX;

/// The modules' device.
static DEVICE: Once<Device> = Once::new();

/// The DMA memory, and the device, which is made and listed at the first use.
fn of_modules() -> Option<(&'static Dma, &'static Device)> {
    let dma = dma::get()?;
    Some((dma, DEVICE.get().unwrap_or_else(|| make_device(dma))))
}

#[cold]
fn make_device(dma: &'static Dma) -> &'static Device {
    // A handler that came meanwhile, and wanted it, would wait for ever.
    let _masked = interrupt::mask();
    if let Some(device) = DEVICE.get() {
        return device;
    }
    let device = DEVICE.call_once(|| Device::new("modules", DmaWindow::WHOLE, Coherency::Software));
    // It can be used all the same, if it can not be listed.
    let _ = dma.attach(device);
    device
}

/// The direction with C's number.
fn direction(function: &str, number: u32) -> Option<Direction> {
    let direction = Direction::from_number(number);
    if direction.is_none() {
        complain(function, format_args!("{number} is no direction"));
    }
    direction
}

/// `void *dma_alloc_coherent(struct device *dev, size_t size, dma_addr_t *handle, gfp_t flags)`: zeroed memory that the
/// device sees as the CPU does, and at `handle` where it sees it; NULL if there is none. Context as `flags` say.
///
/// # Safety
///
/// 1. `handle` may be written.
unsafe extern "C" fn dma_alloc_coherent(
    _dev: *mut c_void,
    size: u32,
    handle: *mut u32,
    flags: u32,
) -> *mut c_void {
    let take = || {
        let (dma, device) = of_modules()?;
        dma::alloc_coherent(dma, device, size, gfp(flags)).ok()
    };
    let Some(buffer) = take() else { return ptr::null_mut() };
    // SAFETY: 1. the caller's.
    unsafe { handle.write(buffer.dma.as_u32()) };
    pointer(Some(buffer.virt))
}

/// `void dma_free_coherent(struct device *dev, size_t size, void *cpu_addr, dma_addr_t handle)`: gives a buffer back.
/// Nothing of NULL. Any context.
///
/// # Safety
///
/// 1. The buffer is the caller's, and neither CPU nor device uses it any more.
unsafe extern "C" fn dma_free_coherent(_dev: *mut c_void, size: u32, at: *mut c_void, handle: u32) {
    if let (Some((dma, device)), false) = (of_modules(), at.is_null()) {
        let (virt, bus) = (address(at), DmaAddr::new(handle));
        // What can go wrong has been reported.
        // SAFETY: 1, 2. the caller's.
        let _ = unsafe {
            dma::free_coherent(dma, device, CoherentBuffer { virt, dma: bus, bytes: size })
        };
    }
}

/// What C gets of a mapping; why there is none is said.
fn answer(function: &str, mapped: Result<DmaAddr, MapError>) -> u32 {
    match mapped {
        Ok(bus) => bus.as_u32(),
        Err(error) => {
            complain(function, format_args!("{error}"));
            NO_MAPPING
        }
    }
}

/// `dma_addr_t dma_map_single(struct device *dev, void *ptr, size_t size, enum dma_data_direction dir)`: makes a buffer of
/// lowmem the device's; `DMA_MAPPING_ERROR` if that can not be, which is said. Any context.
///
/// # Safety
///
/// 1. The bytes are the caller's, and nobody reads or writes them until the mapping ends, but between the two `sync`s.
/// 2. If the device writes, what they held is lost.
unsafe extern "C" fn dma_map_single(
    _dev: *mut c_void,
    at: *mut c_void,
    size: u32,
    dir: u32,
) -> u32 {
    const SELF: &str = "dma_map_single";
    let (Some((dma, device)), Some(direction)) = (of_modules(), direction(SELF, dir)) else {
        return NO_MAPPING;
    };
    // SAFETY: 1, 2. the caller's.
    answer(SELF, unsafe { dma.map_single_raw(device, address(at), size, direction) })
}

/// `dma_addr_t dma_map_page(struct device *dev, struct page *page, size_t offset, size_t size, enum dma_data_direction
/// dir)`: as `dma_map_single`, of bytes of a page, which needs no address.
///
/// # Safety
///
/// As of `dma_map_single`.
unsafe extern "C" fn dma_map_page(
    _dev: *mut c_void,
    page: *mut Page,
    offset: u32,
    size: u32,
    dir: u32,
) -> u32 {
    const SELF: &str = "dma_map_page";
    let ready = (of_modules(), frame_of(SELF, page), direction(SELF, dir));
    let (Some((dma, device)), Some(pfn), Some(direction)) = ready else { return NO_MAPPING };
    // SAFETY: 1, 2. the caller's.
    answer(SELF, unsafe { dma.map_page_raw(device, pfn, offset, size, direction) })
}

/// What the raw interface does to a mapping, or to a part of one.
type Change = unsafe fn(&Dma, &Device, DmaAddr, u32, Direction) -> Result<(), DmaFault>;

/// Does it.
///
/// # Safety
///
/// 1. The duties of `change`.
unsafe fn change(function: &str, bus: u32, size: u32, dir: u32, change: Change) {
    if let (Some((dma, device)), Some(direction)) = (of_modules(), direction(function, dir)) {
        // What can go wrong has been reported.
        // SAFETY: 1. the caller's.
        let _ = unsafe { change(dma, device, DmaAddr::new(bus), size, direction) };
    }
}

/// `void dma_unmap_single(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir)`: makes a buffer
/// the CPU's again. Any context.
///
/// # Safety
///
/// 1. The device has stopped using it, and it was mapped so, and not unmapped since.
unsafe extern "C" fn dma_unmap_single(_dev: *mut c_void, bus: u32, size: u32, dir: u32) {
    // SAFETY: 1. the caller's.
    unsafe { change("dma_unmap_single", bus, size, dir, Dma::unmap_raw) };
}

/// `void dma_unmap_page(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir)`: as
/// `dma_unmap_single`.
///
/// # Safety
///
/// As of `dma_unmap_single`.
unsafe extern "C" fn dma_unmap_page(_dev: *mut c_void, bus: u32, size: u32, dir: u32) {
    // SAFETY: 1. the caller's.
    unsafe { change("dma_unmap_page", bus, size, dir, Dma::unmap_raw) };
}

/// `void dma_sync_single_for_cpu(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir)`: the CPU
/// may look at a part of a mapping. Any context.
///
/// # Safety
///
/// 1. The part lies in a mapping of that direction, and the device does not write it now.
unsafe extern "C" fn dma_sync_single_for_cpu(_dev: *mut c_void, bus: u32, size: u32, dir: u32) {
    // SAFETY: 1. the caller's.
    unsafe { change("dma_sync_single_for_cpu", bus, size, dir, Dma::sync_for_cpu_raw) };
}

/// `void dma_sync_single_for_device(struct device *dev, dma_addr_t addr, size_t size, enum dma_data_direction dir)`: the
/// reverse.
///
/// # Safety
///
/// 1. The part lies in a mapping of that direction, and the duties of `dma_map_single` hold for it.
unsafe extern "C" fn dma_sync_single_for_device(_dev: *mut c_void, bus: u32, size: u32, dir: u32) {
    // SAFETY: 1. the caller's.
    unsafe { change("dma_sync_single_for_device", bus, size, dir, Dma::sync_for_device_raw) };
}

/// `int dma_mapping_error(struct device *dev, dma_addr_t addr)`: `-ENOMEM` of what is no mapping, 0 of one.
extern "C" fn dma_mapping_error(_dev: *mut c_void, bus: u32) -> i32 {
    if bus == NO_MAPPING { -ENOMEM } else { 0 }
}

/// Answers for a mask: it must not keep the device from anything that it reaches, since all modules share it.
fn set_mask(mask: u64) -> i32 {
    if mask < u64::from(u32::MAX) { -EIO } else { 0 }
}

/// `int dma_set_mask(struct device *dev, u64 mask)`: 0, or `-EIO` of a mask that reaches less than 32 bits do.
extern "C" fn dma_set_mask(_dev: *mut c_void, mask: u64) -> i32 {
    set_mask(mask)
}

/// `int dma_set_coherent_mask(struct device *dev, u64 mask)`: as `dma_set_mask`.
extern "C" fn dma_set_coherent_mask(_dev: *mut c_void, mask: u64) -> i32 {
    set_mask(mask)
}

/// `int dma_set_mask_and_coherent(struct device *dev, u64 mask)`: as `dma_set_mask`.
extern "C" fn dma_set_mask_and_coherent(_dev: *mut c_void, mask: u64) -> i32 {
    set_mask(mask)
}
