//! What the pkmap asks of the page allocator, for models: references to single pages, by number.
//!
//! `zone::hold` is not built for `loom`. These are the calls behind it, without the quick ways that save instructions:
//! the same counts, in the same descriptors, by the same exchanges.
#![expect(unsafe_code, reason = "references by number")]

use crate::addr::{Order, Pfn};
use crate::platform::Platform;
use crate::zone::{PageAllocator, ShareError};

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// Takes one reference to the page.
    pub(super) fn hold_frame(&self, pfn: Pfn) -> Result<(), ShareError> {
        // SAFETY: duty 1: whoever maps a frame has a reference to it.
        unsafe { self.get_page_raw(pfn) }
    }

    /// Gives it up, and says how many pages that has freed.
    pub(super) fn release_frame(&self, pfn: Pfn) -> u32 {
        let is_last = self.frames().get(pfn).is_some_and(|page| page.head().one_less().is_none());
        // SAFETY: duties 1 and 2: it is the slot's, which is flushed, or that of who found a slot.
        match unsafe { self.free_raw(pfn, Order::ZERO) } {
            Ok(()) => u32::from(is_last),
            Err(_) => 0,
        }
    }

    /// Gives up one reference to each.
    pub(super) fn release_frames(&self, frames: &[Pfn]) -> u32 {
        frames.iter().map(|pfn| self.release_frame(*pfn)).sum()
    }
}
