//! `talc`: free gaps in lists by size, found by a bit map; a word with a tag behind each block.

use core::alloc::Layout;
use core::ptr::NonNull;

use talc::DefaultBinning;
use talc::source::Manual;

use super::super::Memory;
use super::Heap;

/// Blocks are cut from units of so many bytes.
const UNIT: usize = talc::base::CHUNK_UNIT;
/// Behind each block.
const TAG: usize = size_of::<usize>();

/// With the lists that the crate recommends.
pub struct Talc(talc::base::Talc<Manual, DefaultBinning>);

impl Heap for Talc {
    const NAME: &'static str = "talc";
    const LOCKED: &'static str = "talc+lock";

    unsafe fn new(memory: Memory) -> Self {
        let mut heap = talc::base::Talc::new(Manual);
        // SAFETY: the memory is this heap's (1). With too little of it every request fails.
        let _ = unsafe { heap.claim(memory.start as *mut u8, memory.bytes) };
        Self(heap)
    }

    #[inline(always)]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: no operation asks for 0 bytes.
        unsafe { self.0.allocate(layout) }
    }

    #[inline(always)]
    unsafe fn dealloc(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duty (1) is the same.
        unsafe { self.0.deallocate(block.as_ptr(), layout) };
    }

    fn usable(size: usize) -> usize {
        (size + TAG).next_multiple_of(UNIT) - TAG
    }
}
