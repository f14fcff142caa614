//! `buddy_system_allocator`. Its lists run through the free blocks, so it needs the memory itself.

use anyhow::{Context as _, Result};
use buddy_system_allocator::Heap;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Mutex;

use super::lock;
use crate::store::Store;

const PAGE: usize = 4096;
/// Memory begins at a multiple of this, so that blocks of every order do.
const ALIGN: usize = 4 << 20;

/// With lists for blocks of up to 4 GiB.
pub struct BuddySystem {
    heap: Mutex<Heap<33>>,
    arena: Arena,
}

struct Arena {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: only the address is used, but by the heap, which is behind a mutex.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: `BuddySystem::new` allocated it with this layout; the heap goes with it.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl BuddySystem {
    /// With so many pages, all free.
    pub fn new(pages: u32) -> Result<Self> {
        let layout = Layout::from_size_align(pages as usize * PAGE, ALIGN)?;
        // SAFETY: the layout has a size.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).context("no memory")?;
        let mut heap = Heap::empty();
        // SAFETY: the arena was allocated just now and lives as long as the heap.
        unsafe { heap.init(start.as_ptr() as usize, layout.size()) };
        Ok(Self { heap: Mutex::new(heap), arena: Arena { start, layout } })
    }
}

/// The crate takes blocks of a power of two at a multiple of their size, whatever the alignment.
fn layout(order: u8) -> Option<Layout> {
    Layout::from_size_align(PAGE << order, PAGE).ok()
}

impl Store for BuddySystem {
    const NAME: &'static str = "buddy_system_allocator";

    #[inline(never)]
    fn get(&self, order: u8, _movable: bool) -> Option<u32> {
        let block = lock(&self.heap).alloc(layout(order)?).ok()?;
        let offset = block.as_ptr() as usize - self.arena.start.as_ptr() as usize;
        Some((offset / PAGE) as u32)
    }

    #[inline(never)]
    fn put(&self, page: u32, order: u8) {
        let Some(layout) = layout(order) else { return };
        // SAFETY: the page lies within the arena.
        let block = unsafe { self.arena.start.add(page as usize * PAGE) };
        // SAFETY: the caller gives back, once, what `get` gave for the same order.
        unsafe { lock(&self.heap).dealloc(block, layout) };
    }
}
