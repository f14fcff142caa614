//! From memblock to the page allocator: the page array, the zones, every free frame.

use core::slice;

use arch_arm::clear::clear;
use arch_arm::pmu;
use board::Machine;
use mm::addr::{PAGE_SIZE, PhysAddr};
use mm::boot::layout::Layout;
use mm::boot::memblock::{Limit, MemblockError};
use mm::boot::taken::{self, described_frames};
use mm::fault::{FAIL_PAGE_ALLOC, FailConfig};
use mm::frame::{FrameTable, Page, PageBlocks};
use mm::param::params;
use mm::report::memory_line::{self, ImageSizes};
use mm::report::zone_ranges;
use mm::sync::{AtomicU8, AtomicU32};
use mm::zone::PageAllocator;

use super::memory::Memory;
use super::{LinearMap, place, stop_for};
use crate::console::Out;
use crate::image;
use crate::pages::{self, Pages};
use crate::platform::Hardware;
use crate::stop::halt;

/// Builds the zones of `layout` and gives them every frame that memblock has left. Debugging begins when the
/// caller says so.
pub fn hand_over(
    memory: &mut Memory,
    layout: &Layout,
    linear: LinearMap,
    machine: &Machine<'_>,
) -> (&'static Pages, Debugging) {
    // The console can not fail.
    let _ = zone_ranges::write(&mut Out, &layout.zones, &memory.memblock);
    let frames = frame_table(memory, layout, linear);
    let pages = make(frames, layout);
    let debugging = Debugging::read(memory.command_line).prepare(pages, memory, linear);
    let pages: &'static Pages = pages;
    for range in memory.memblock.free_ranges() {
        stop_for(pages.release(range.whole_frames()), "can not hand over memory");
    }
    let sizes = ImageSizes {
        code: image::text().len(),
        rwdata: image::data().len(),
        rodata: image::rodata().len(),
        init: image::init().len(),
        bss: image::bss().len(),
    };
    let _ = memory_line::write(&mut Out, &pages.figures(), &sizes);
    if let Some(count) = pmu::instructions() {
        log::info!("Boot: {count} instructions from entry to here");
    }
    free_init(memory, pages, linear, machine);
    pages.start();
    (pages, debugging)
}

/// The zones, without a page yet, where they stay. Out of line: an unoptimised build makes them on the
/// stack, and they are some KiB.
#[inline(never)]
fn make(frames: FrameTable<'static>, layout: &Layout) -> &'static mut Pages {
    let Some(place) = pages::place() else {
        halt(format_args!("there is a page allocator already"));
    };
    match PageAllocator::new(frames, &layout.zones, Hardware) {
        Ok(pages) => place.write(pages),
        Err(error) => halt(format_args!("bad zones: {error}")),
    }
}

/// Hands over the entry code's pages, which are mapped as plain memory by now, unless the tree
/// reserves them.
fn free_init(memory: &mut Memory, pages: &Pages, linear: LinearMap, machine: &Machine<'_>) {
    let Some(range) = linear.phys(image::init()) else {
        halt(format_args!("the image lies outside the linear map"));
    };
    if place::reserved(machine).any(|reserved| reserved.overlaps(&range)) {
        return;
    }
    stop_for(memory.memblock.free(range), "can not free the entry code");
    stop_for(pages.release(range.whole_frames()), "can not free the entry code");
    log::info!("Freeing unused kernel image (initmem) memory: {}K", range.len() >> 10);
}

/// A zeroed descriptor for every frame from the first to the last, in the linear map.
fn frame_table(memory: &mut Memory, layout: &Layout, linear: LinearMap) -> FrameTable<'static> {
    let frames = described_frames(&layout.zones);
    let (count, page_blocks) = (frames.len(), PageBlocks::bytes_for(frames));
    // SAFETY: descriptors are 16 bytes, page blocks one; all zeroes are a valid one of either.
    let (pages, mobilities) = unsafe {
        (
            zeroed::<Page>(memory, linear, count as usize, "page array"),
            zeroed::<AtomicU8>(memory, linear, page_blocks, "page block array"),
        )
    };
    stop_for(FrameTable::new(frames.start(), pages, mobilities), "bad page array")
}

/// As [`try_zeroed`], of what the kernel can not do without.
///
/// # Safety
///
/// As of `try_zeroed`.
unsafe fn zeroed<T>(
    memory: &mut Memory,
    linear: LinearMap,
    count: usize,
    what: &str,
) -> &'static [T] {
    // SAFETY: the caller's duty is the same.
    let array = unsafe { try_zeroed(memory, linear, count) };
    array.unwrap_or_else(|NoRoom { bytes, error }| {
        halt(format_args!("no memory for the {what} of {bytes} bytes: {error}"));
    })
}

/// An array that there is no memory for.
struct NoRoom {
    bytes: usize,
    error: MemblockError,
}

/// An array of `count` zeroed values in the linear map, for good.
///
/// # Safety
///
/// 1. All zeroes are a valid `T`, and a page is aligned for it.
unsafe fn try_zeroed<T>(
    memory: &mut Memory,
    linear: LinearMap,
    count: usize,
) -> Result<&'static [T], NoRoom> {
    let bytes = (count * size_of::<T>()).next_multiple_of(size_of::<u32>());
    // The linear map has whole pages. Lowmem may end inside one, with room for a small array.
    let (align, bottom, top) = (u64::from(PAGE_SIZE), PhysAddr::new(0), linear.lowmem().end());
    let range = memory.memblock.alloc_preferring(bytes as u64, align, bottom, Limit::At(top));
    let range = range.map_err(|error| NoRoom { bytes, error })?;
    let Some(at) = linear.pointer(range) else {
        halt(format_args!("the array at {range} lies outside the linear map"));
    };
    // SAFETY: memblock gave the range to nobody else, for good; it lies in the linear map and is
    // page-aligned, and is whole words; the values are valid (1).
    unsafe {
        clear(at, bytes);
        Ok(slice::from_raw_parts(at.cast::<T>(), count))
    }
}

/// The boot parameters that have the page allocator look for the mistakes of others.
#[derive(Clone, Copy)]
pub struct Debugging {
    poison: bool,
    owner: bool,
    fail: Option<FailConfig>,
}

impl Debugging {
    /// What the command line says. Of what can not be read, a line is said, and it is off.
    fn read(command_line: &'static str) -> Self {
        let mut all = Self { poison: false, owner: false, fail: None };
        for param in params(command_line) {
            let value = param.value.unwrap_or("");
            if param.is("page_poison") {
                all.poison = switch("page_poison", value);
            } else if param.is("page_owner") {
                all.owner = switch("page_owner", value);
            } else if param.is(FAIL_PAGE_ALLOC) {
                match FailConfig::parse(FAIL_PAGE_ALLOC, value) {
                    Ok(config) => all.fail = Some(config),
                    Err(error) => log::warn!("{error}"),
                }
            }
        }
        all
    }

    /// Before memory is handed over. What there is no memory for is off from now on: the machine runs
    /// without it as well.
    fn prepare(mut self, pages: &mut Pages, memory: &mut Memory, linear: LinearMap) -> Self {
        if self.poison {
            pages.poison_free_pages();
        }
        if self.owner {
            let frames = pages.frames().range().len() as usize;
            // SAFETY: all zeroes are a word.
            match unsafe { try_zeroed::<AtomicU32>(memory, linear, frames) } {
                Ok(owners) => pages.track_owners(owners),
                Err(NoRoom { bytes, error }) => {
                    log::warn!("page_owner: off, no memory for its {bytes} bytes: {error}");
                    self.owner = false;
                }
            }
        }
        self
    }

    /// After boot: its own requests do not fail on purpose.
    pub fn begin(self, pages: &Pages) {
        if self.poison {
            log::info!("page_poison: free pages hold {:#04x}", mm::zone::debug::POISON);
        }
        if self.owner {
            log::info!("page_owner: who takes pages is remembered");
        }
        if let Some(config) = self.fail {
            log::info!("{FAIL_PAGE_ALLOC}: {config}");
            pages.inject_failures(config);
        }
    }
}

/// A switch; off, with a line, where `value` is none.
fn switch(name: &str, value: &str) -> bool {
    taken::switch(value).unwrap_or_else(|| {
        log::warn!("{name}={value}: 1 or 0 was expected; it is off");
        false
    })
}
