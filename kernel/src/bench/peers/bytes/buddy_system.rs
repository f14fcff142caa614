//! `buddy_system_allocator`, by bytes: a block of the next power of two.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::super::{Memory, buddy_system};
use super::{ALIGN, Heap};

/// The same heap as for pages.
pub struct BuddySystem(buddy_system::Buddy);

impl Heap for BuddySystem {
    const NAME: &'static str = buddy_system::NAME;
    const LOCKED: &'static str = buddy_system::LOCKED;

    unsafe fn new(memory: Memory) -> Self {
        // SAFETY: the memory is this heap's (1).
        Self(unsafe { buddy_system::heap(memory) })
    }

    #[inline(always)]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.alloc(layout).ok()
    }

    #[inline(always)]
    unsafe fn dealloc(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's duty (1) is the same.
        unsafe { self.0.dealloc(block, layout) };
    }

    fn usable(size: usize) -> usize {
        size.next_power_of_two().max(ALIGN)
    }
}
