//! From memblock to the page allocator: the page array, the zones, every free frame.

use core::slice;

use arch_arm::clear::clear;
use arch_arm::pmu;
use board::Machine;
use mm::addr::PAGE_SIZE;
use mm::boot::layout::Layout;
use mm::frame::{FrameTable, Page};
use mm::report::memory_line::{self, ImageSizes};
use mm::report::zone_ranges;
use mm::zone::PageAllocator;

use super::memory::Memory;
use super::{LinearMap, place, stop_for};
use crate::console::Out;
use crate::image;
use crate::stop::halt;

/// Builds the zones of `layout` and gives them every frame that memblock has left.
pub fn hand_over(
    memory: &mut Memory,
    layout: &Layout,
    linear: LinearMap,
    machine: &Machine<'_>,
) -> PageAllocator<'static> {
    // The console can not fail.
    let _ = zone_ranges::write(&mut Out, &layout.zones, &memory.memblock);
    let frames = frame_table(memory, layout, linear);
    let mut pages = stop_for(PageAllocator::new(frames, &layout.zones), "bad zones");
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
    let _ = memory_line::write(&mut Out, &pages, &sizes);
    if let Some(count) = pmu::instructions() {
        log::info!("Boot: {count} instructions from entry to here");
    }
    free_init(memory, &mut pages, linear, machine);
    pages
}

/// Hands over the entry code's pages, which are mapped as plain memory by now, unless the tree
/// reserves them.
fn free_init(
    memory: &mut Memory,
    pages: &mut PageAllocator<'_>,
    linear: LinearMap,
    machine: &Machine<'_>,
) {
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
    let spans = layout.zones.iter().filter(|span| !span.range.is_empty());
    let first = spans.clone().map(|span| span.range.start()).min().unwrap_or_default();
    let last = spans.map(|span| span.range.end()).max().unwrap_or_default();
    let count = last.as_u32().saturating_sub(first.as_u32());
    let bytes = u64::from(count) * size_of::<Page>() as u64;
    let range = memory.memblock.alloc(bytes, u64::from(PAGE_SIZE)).unwrap_or_else(|error| {
        halt(format_args!("no memory for the page array of {count} pages: {error}"));
    });
    let Some(at) = linear.pointer(range) else {
        halt(format_args!("the page array at {range} lies outside the linear map"));
    };
    // SAFETY: memblock gave the range to nobody else, for good; it lies in the linear map, is
    // page-aligned (descriptors are 16 bytes), and all zeroes are a valid descriptor.
    let pages = unsafe {
        clear(at, bytes as usize);
        slice::from_raw_parts_mut(at.cast::<Page>(), count as usize)
    };
    stop_for(FrameTable::new(first, pages), "bad page array")
}
