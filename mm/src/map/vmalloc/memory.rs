//! Where the addresses of records become references, and where frames and records are given back.
//!
//! The one file of this module that needs trust. Its callers keep two promises: a record that is in the tree or on
//! a list has not been given back, and a frame that is given back came out of a dead entry after the flush.
#![expect(unsafe_code, reason = "records lie in objects of a slab cache")]

use super::region::MappedRegion;
use crate::addr::{Order, Pfn, VirtAddr};
use crate::map::area::{AreaId, Words};
use crate::platform::Lowmem;
use crate::sync::AtomicU32;

/// Records, by their addresses in the linear map.
#[derive(Debug)]
pub(in crate::map) struct Records<'s, P>(pub &'s P);

impl<P: Lowmem> Words for Records<'_, P> {
    #[inline(always)]
    fn word(&self, at: u32) -> &AtomicU32 {
        debug_assert!(at != 0 && at.is_multiple_of(4));
        // SAFETY: an area's record is an allocated object of 64 bytes for as long as anybody names it, and nothing
        // but atomics is ever read or written there.
        unsafe { self.0.pointer(VirtAddr::new(at)).cast().as_ref() }
    }
}

impl<P: Lowmem, T, const CPUS: usize> MappedRegion<'_, '_, P, T, CPUS> {
    /// Gives back the record of an area that is in no tree and on no list.
    pub(in crate::map) fn give_record(&self, area: AreaId) {
        // SAFETY: 1. it came from `take_object`, and is no area's any more; 2. nobody names it; 3. the cache has no
        // constructor. If somebody else has given it back, that was reported.
        let _ = unsafe { self.slabs.free_object(self.records, area.record()) };
    }

    /// Gives back frames that were mapped here, and that no TLB knows any more.
    pub(super) fn give_frames(&self, frames: &[Pfn]) {
        // SAFETY: 1. they came from `alloc_bulk_raw`, and their entries are gone; 2. the flush has been made. What
        // somebody else has given back is reported by the page allocator, and left alone.
        let _ = unsafe { self.pages.free_bulk_raw(frames) };
    }

    /// As [`give_frames`](Self::give_frames), of a block.
    pub(super) fn give_block(&self, pfn: Pfn, order: Order) {
        // SAFETY: as above; it came from `alloc_raw`.
        let _ = unsafe { self.pages.free_raw(pfn, order) };
    }

    /// Makes a block of an area single pages, which are the area's as before.
    pub(super) fn split_block(&self, pfn: Pfn, order: Order) {
        // SAFETY: 1. the area has it from `alloc_raw`; 2. its descriptor says so.
        match unsafe { self.pages.own_raw(pfn, order) }.split() {
            Ok(pages) => _ = pages.into_raw(),
            // Somebody else has a reference to it as well, and will find it whole.
            Err(block) => _ = block.into_raw(),
        }
    }
}
