//! References to a block by any of its frames: for mappings that know a frame and no more.
//!
//! Who holds a block so keeps it from being freed, split or parked. Between hold and release the block around the
//! frame stays the same one: splitting wants to be the only owner, and merging is for free blocks.

use super::error::ShareError;
use super::page_alloc::PageAllocator;
use crate::addr::{Order, Pfn};
use crate::frame::{Page, PageState};
use crate::platform::Platform;

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// Takes one reference to the allocated block that holds the frame. Any context.
    ///
    /// A caller without a reference of his own gets one to whatever block is allocated there, or an error.
    ///
    /// # Errors
    ///
    /// [`ShareError`] when no allocated block holds the frame, and when there are 65536 references.
    #[inline]
    pub(crate) fn hold_frame(&self, pfn: Pfn) -> Result<(), ShareError> {
        let page = self.frames.get(pfn).ok_or(ShareError::NotAllocated { pfn })?;
        let head = page.head();
        if head.is_allocated()
            && let Some(more) = head.one_more()
            && page.exchange_head(head, more).is_ok()
        {
            return Ok(());
        }
        self.hold_block_of(pfn)
    }

    /// The frame is inside a block, or somebody else counts at the same time, or it is none.
    #[cold]
    #[inline(never)]
    fn hold_block_of(&self, pfn: Pfn) -> Result<(), ShareError> {
        let block = self.frames.block_of(pfn).ok_or(ShareError::NotAllocated { pfn })?;
        self.add_reference(block.head)
    }

    /// Gives up a reference that [`hold_frame`](Self::hold_frame) took, and says how many pages that has freed.
    /// Any context, without a lock.
    #[inline]
    pub(crate) fn release_frame(&self, pfn: Pfn) -> u32 {
        match self.frames.get(pfn) {
            Some(page) if Self::release_page(page) => 0,
            _ => self.release_block_of(pfn),
        }
    }

    /// Gives up a reference to each frame's block, as [`release_frame`](Self::release_frame) does.
    pub(crate) fn release_frames(&self, frames: &[Pfn]) -> u32 {
        // A copy: what is behind a reference would be read anew for each frame.
        let table = self.frames;
        let release = |pfn: &Pfn| match table.get(*pfn) {
            Some(page) if Self::release_page(page) => 0,
            _ => self.release_block_of(*pfn),
        };
        frames.iter().map(release).sum()
    }

    /// Gives up a reference to the block that begins at this frame, if it is not the last one.
    #[inline(always)]
    fn release_page(page: &Page) -> bool {
        let head = page.head();
        let less = if head.is_allocated() { head.one_less() } else { None };
        less.is_some_and(|less| page.exchange_head(head, less).is_ok())
    }

    /// The reference is the last one, or the frame is inside a block, or somebody else counts at the same time.
    #[cold]
    #[inline(never)]
    fn release_block_of(&self, pfn: Pfn) -> u32 {
        let block = self.frames.block_of(pfn);
        let (head, order, is_last) = match block.map(|block| (block.head, block.state)) {
            Some((head, PageState::Allocated { order, further_references, .. })) => {
                (head, order, further_references == 0)
            }
            // Somebody has given back more than was his: the allocator reports it.
            _ => (pfn, Order::ZERO, false),
        };
        match self.free_block(head, order) {
            Ok(()) if is_last => order.pages(),
            // What went wrong is somebody else's mistake, and has been reported.
            Ok(()) | Err(_) => 0,
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::super::gfp::Gfp;
    use super::super::test_machine::{Memory, with_one_zone};
    use super::*;

    fn references(pages: &PageAllocator<'_, impl Platform>, pfn: Pfn) -> Option<u32> {
        match pages.frames.block_of(pfn)?.state {
            PageState::Allocated { further_references, .. } => {
                Some(u32::from(further_references) + 1)
            }
            _ => None,
        }
    }

    #[test]
    fn any_frame_of_a_block_holds_all_of_it() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, false);
        for order in [0, 1, 4] {
            let order = Order::new(order).unwrap();
            let block = pages.alloc_pages(Gfp::GFP_KERNEL, order).unwrap();
            let frames = block.frames();
            let last = Pfn::new(frames.end().as_u32() - 1);
            for (number, pfn) in [frames.start(), last].into_iter().enumerate() {
                pages.hold_frame(pfn).unwrap();
                assert_eq!(references(&pages, pfn), Some(number as u32 + 2));
            }
            drop(block);
            assert_eq!(pages.release_frame(last), 0);
            assert_eq!(references(&pages, last), Some(1), "still held");
            assert_eq!(pages.release_frame(last), order.pages(), "the last one");
            assert_eq!(references(&pages, last), None);
            let free = ShareError::NotAllocated { pfn: last };
            assert!(pages.hold_frame(last).is_err(), "{free}");
        }
        assert_eq!(pages.validate(), Ok(()));
        assert!(pages.platform().told().is_empty());
    }

    #[test]
    fn what_is_no_allocated_block_is_not_held() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, false);
        for pfn in [0, 0x3ffff, 0x40000, 0x41000, 0x42000, u32::MAX].map(Pfn::new) {
            assert!(matches!(pages.hold_frame(pfn), Err(ShareError::NotAllocated { .. })), "{pfn}");
        }
    }

    #[test]
    fn a_held_block_is_not_split() {
        let memory = Memory::new(0x40000, 0x42000);
        let pages = with_one_zone(&memory, false);
        let block = pages.alloc_pages(Gfp::GFP_KERNEL, Order::new(2).unwrap()).unwrap();
        let inside = block.pfn().saturating_add(3);
        pages.hold_frame(inside).unwrap();
        let block = block.split().unwrap_err();
        assert_eq!(pages.release_frame(inside), 0);
        assert_eq!(block.split().unwrap().count(), 4);
        assert_eq!(pages.validate(), Ok(()));
    }
}
