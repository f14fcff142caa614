//! A machine for the golden tests: 8 MiB of DMA memory, of which a part is reserved, a hole, and
//! 1 MiB of HighMem.

use crate::addr::{Order, Pfn, PfnRange};
use crate::frame::{FrameTable, Page};
use crate::zone::{PageAllocator, ZoneKind, ZoneSpan};

fn range(start: u32, end: u32) -> PfnRange {
    PfnRange::new(Pfn::new(start), Pfn::new(end))
}

/// Builds the machine, allocates a page of DMA memory, and shows the allocator.
pub(super) fn with<T>(show: impl FnOnce(&PageAllocator<'_>) -> T) -> T {
    let mut pages = vec![Page::RESERVED; 0x1100];
    let frames = FrameTable::new(Pfn::new(0x40000), &mut pages).unwrap();
    let spans = [
        ZoneSpan { kind: ZoneKind::Dma, range: range(0x40000, 0x40800), present: 0x800 },
        ZoneSpan::empty(ZoneKind::Normal),
        ZoneSpan { kind: ZoneKind::HighMem, range: range(0x40800, 0x41100), present: 0x100 },
    ];
    let mut allocator = PageAllocator::new(frames, &spans).unwrap();
    allocator.release(range(0x40203, 0x40800)).unwrap();
    allocator.release(range(0x41000, 0x41100)).unwrap();
    allocator.alloc(ZoneKind::Dma, Order::ZERO).unwrap();
    show(&allocator)
}

/// What a form writes about the machine.
pub(super) fn print(
    form: fn(&mut dyn core::fmt::Write, &PageAllocator<'_>) -> core::fmt::Result,
) -> String {
    let mut text = String::new();
    with(|allocator| form(&mut text, allocator)).unwrap();
    text
}
