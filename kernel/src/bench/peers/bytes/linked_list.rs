//! `linked_list_allocator`: one list of free holes, by address. Taking searches it for the first that is
//! large enough, giving back for the place.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::super::Memory;
use super::Heap;

/// The crate's heap.
pub struct LinkedList(linked_list_allocator::Heap);

impl Heap for LinkedList {
    const NAME: &'static str = "linked_list_allocator";
    const LOCKED: &'static str = "linked_list_allocator+lock";

    unsafe fn new(memory: Memory) -> Self {
        let mut heap = linked_list_allocator::Heap::empty();
        // SAFETY: the memory is this heap's (1), for as long as it is used.
        unsafe { heap.init(memory.start as *mut u8, memory.bytes) };
        Self(heap)
    }

    #[inline(always)]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.allocate_first_fit(layout).ok()
    }

    #[inline(always)]
    unsafe fn dealloc(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duty (1) is the same.
        unsafe { self.0.deallocate(block, layout) };
    }

    /// A hole is two words.
    fn usable(size: usize) -> usize {
        size.max(2 * size_of::<usize>()).next_multiple_of(align_of::<usize>())
    }
}
