//! `rlsf`: TLSF, lists by size in two levels, each with a bit map; a header of two words before each
//! block.

use core::alloc::Layout;
use core::ptr::NonNull;

use rlsf::Tlsf;

use super::super::Memory;
use super::Heap;

/// Before each block.
const HEADER: usize = rlsf::GRANULARITY / 2;

/// With lists for blocks of up to 64 MiB, and 32 of them for each power of two, as many as there can be:
/// so little is lost to rounding.
pub struct Rlsf(Tlsf<'static, u32, u32, 22, 32>);

impl Heap for Rlsf {
    const NAME: &'static str = "rlsf";
    const LOCKED: &'static str = "rlsf+lock";

    unsafe fn new(memory: Memory) -> Self {
        let mut heap = Tlsf::new();
        let start = NonNull::new(memory.start as *mut u8);
        if let Some(start) = start {
            let block = NonNull::slice_from_raw_parts(start, memory.bytes);
            // SAFETY: the memory is this heap's (1), for as long as it is used.
            let _ = unsafe { heap.insert_free_block_ptr(block) };
        }
        Self(heap)
    }

    #[inline(always)]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.allocate(layout)
    }

    #[inline(always)]
    unsafe fn dealloc(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duty (1) is the same.
        unsafe { self.0.deallocate(block, layout.align()) };
    }

    fn usable(size: usize) -> usize {
        (size + HEADER).next_multiple_of(rlsf::GRANULARITY) - HEADER
    }
}
