//! `bitmap-allocator`.

use bitmap_allocator::{BitAlloc, BitAlloc64K};
use std::sync::Mutex;

use super::lock;
use crate::store::Store;

/// A bit for each page.
pub struct Bitmap(Mutex<Box<BitAlloc64K>>);

impl Bitmap {
    /// With so many pages, all free; no more than there are bits.
    pub fn new(pages: u32) -> Self {
        let mut bits = Box::new(BitAlloc64K::DEFAULT);
        bits.insert(0..BitAlloc64K::CAP.min(pages as usize));
        Self(Mutex::new(bits))
    }
}

impl Store for Bitmap {
    const NAME: &'static str = "bitmap-allocator";

    #[inline(never)]
    fn get(&self, order: u8, _movable: bool) -> Option<u32> {
        let mut bits = lock(&self.0);
        let page = match order {
            0 => bits.alloc(),
            _ => bits.alloc_contiguous(None, 1 << order, order.into()),
        };
        page.map(|page| page as u32)
    }

    #[inline(never)]
    fn put(&self, page: u32, order: u8) {
        let mut bits = lock(&self.0);
        match order {
            0 => bits.dealloc(page as usize),
            _ => bits.dealloc_contiguous(page as usize, 1 << order),
        };
    }
}
