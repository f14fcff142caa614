//! Our page allocator: the one file here that knows its interface.

use anyhow::Result;
use mm::addr::{Order, Pfn, PfnRange};
use mm::frame::{FrameTable, Page};
use mm::zone::{PageAllocator, ZoneKind, ZoneSpan};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::Store;

/// One zone, Normal.
pub struct Ours(Mutex<PageAllocator<'static>>);

impl Ours {
    /// With so many pages, all free.
    pub fn new(pages: u32) -> Result<Self> {
        let descriptors: Vec<_> = (0..pages).map(|_| Page::RESERVED).collect();
        let frames = FrameTable::new(Pfn::new(0), descriptors.leak())?;
        let range = |start, end| PfnRange::new(Pfn::new(start), Pfn::new(end));
        let span = |kind, range: PfnRange| ZoneSpan { kind, range, present: range.len() };
        let spans = [
            span(ZoneKind::Dma, range(0, 0)),
            span(ZoneKind::Normal, range(0, pages)),
            span(ZoneKind::HighMem, range(pages, pages)),
        ];
        let mut allocator = PageAllocator::new(frames, &spans)?;
        allocator.release(range(0, pages))?;
        Ok(Self(Mutex::new(allocator)))
    }

    fn lock(&self) -> MutexGuard<'_, PageAllocator<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Ours {
    const NAME: &'static str = "vmsplit";

    #[inline(never)]
    fn get(&self, order: u8, _movable: bool) -> Option<u32> {
        let order = Order::new(order)?;
        self.lock().alloc(ZoneKind::Normal, order).ok().map(Pfn::as_u32)
    }

    #[inline(never)]
    fn put(&self, page: u32, order: u8) {
        let Some(order) = Order::new(order) else { return };
        if let Err(error) = self.lock().free(Pfn::new(page), order) {
            unreachable!("{error}");
        }
    }
}
