//! Runs of pages whose number is no power of two, or larger than any block.
//!
//! A run is a row of blocks, each allocated by itself: the largest aligned ones that the run divides
//! into. So the descriptors say all there is to say about it, and a run is given back block by block.
//!
//! Up to the largest block a run is the beginning of a block whose end is given back at once. Beyond that
//! it is a row of free blocks of the largest order, which are looked for from the bottom of the zone:
//! nothing is moved out of the way, so a large run is best taken early.

use super::block::PageBlock;
use super::error::{AllocError, NotFreed};
use super::gfp::Gfp;
use super::page_alloc::PageAllocator;
use super::request::Request;
use super::state::{Mark, Zone};
use crate::addr::{Order, Pfn, PfnRange, PhysRange};
use crate::frame::FrameTable;
use crate::frame::head::Head;
use crate::frame::{Page, PageState};
use crate::platform::Platform;
use core::fmt;
use core::mem::ManuallyDrop;

/// A run of allocated pages, which gives itself back.
#[must_use = "the pages are given back when it is dropped"]
pub struct PageRun<'p, 'a, P: Platform, const CPUS: usize = 1> {
    from: &'p PageAllocator<'a, P, CPUS>,
    frames: PfnRange,
}

impl<'a, P: Platform, const CPUS: usize> PageAllocator<'a, P, CPUS> {
    /// Takes exactly `pages` pages of lowmem that lie side by side, at most as many as the largest block
    /// has. The run starts at a multiple of the next power of two. Linux's `alloc_pages_exact`.
    ///
    /// # Errors
    ///
    /// As [`get_free_pages`](Self::get_free_pages); `__GFP_COMP` is refused, and
    /// [`Why::TooLarge`](super::error::Why::TooLarge) is for no page and for more than 1024.
    pub fn alloc_pages_exact(
        &self,
        gfp: Gfp,
        pages: u32,
    ) -> Result<PageRun<'_, 'a, P, CPUS>, AllocError> {
        gfp.check_exact().map_err(AllocError::flags)?;
        let order = Order::for_pages(pages).ok_or(AllocError::too_large(pages))?;
        let pfn = self.alloc_block(gfp, order)?;
        let run = PfnRange::new(pfn, pfn.saturating_add(pages));
        self.carve(run, pfn.saturating_add(order.pages()));
        Ok(PageRun { from: self, frames: run })
    }

    /// Takes `pages` pages that lie side by side, however many. A run of more than 1024 starts at a
    /// multiple of 1024. Linux's `alloc_contig_pages`, but nothing is moved for it.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; `NoMemory` names the largest order when no row of such blocks is free, and nobody
    /// could help.
    pub fn alloc_contig(
        &self,
        gfp: Gfp,
        pages: u32,
    ) -> Result<PageRun<'_, 'a, P, CPUS>, AllocError> {
        if let Some(order) = Order::for_pages(pages) {
            let pfn = self.alloc_block(gfp, order)?;
            let run = PfnRange::new(pfn, pfn.saturating_add(pages));
            self.carve(run, pfn.saturating_add(order.pages()));
            return Ok(PageRun { from: self, frames: run });
        }
        gfp.check().map_err(AllocError::flags)?;
        if pages == 0 {
            return Err(AllocError::too_large(pages));
        }
        let request = Request::new(gfp, Order::MAX);
        if self.debug.fails(&request) {
            return Err(self.failed(&request));
        }
        let take = |request: &Request, mark| self.take_run(request, pages, mark);
        let run = match take(&request, Mark::Low) {
            Some(run) => run,
            None => self.try_hard(&request, pages, take)?,
        };
        let run = PageRun { from: self, frames: run };
        if self.debug.is_on() && !run.blocks().all(|(pfn, order)| self.debug_alloc(pfn, order)) {
            // The rest goes back; the bad one stays out.
            return Err(self.failed(&request));
        }
        if gfp.wants_zero() {
            run.blocks().for_each(|(pfn, order)| self.platform.zero(pfn, order));
        }
        Ok(run)
    }

    /// Gives back the blocks of a run, and says which was the first that is none.
    pub(crate) fn free_run(&self, run: PfnRange) -> Result<(), NotFreed> {
        let mut result = Ok(());
        for (pfn, order) in blocks_of(self.frames, run) {
            // A block that is bad since it was taken stays out.
            let is_bad =
                matches!(self.frames.get(pfn).map(Page::state), Some(PageState::Bad { .. }));
            if !is_bad {
                result = result.and(self.free_block(pfn, order));
            }
        }
        result
    }

    /// Makes the allocated block that begins where `run` does, and ends at `end`, into the blocks of
    /// `run`, and gives the rest back.
    fn carve(&self, run: PfnRange, end: Pfn) {
        if run.end() == end {
            return;
        }
        let head = self.frames.at(run.start()).head();
        let Some(zone) = self.zone_of(run.start()) else { return };
        // While all of it is the caller's: what has been given back may be somebody else's at once.
        if self.debug.is_on() {
            self.debug_carve(run, end);
        }
        let _masked = self.platform.mask();
        let mut buddy = zone.buddy.lock(|| self.platform.contended());
        buddy.carve(&self.frames, &zone.counts, head.class(), run, end);
    }

    fn take_run(&self, request: &Request, pages: u32, mark: Mark) -> Option<PfnRange> {
        let usable = self.zones.iter().take(request.highest.index() + 1).rev();
        usable
            .filter(|zone| zone.managed() > 0)
            .find_map(|zone| self.take_run_from(zone, request, pages, mark))
    }

    fn take_run_from(
        &self,
        zone: &Zone,
        request: &Request,
        pages: u32,
        mark: Mark,
    ) -> Option<PfnRange> {
        // Above the level with one block of it gone; the others must fit as well.
        zone.above(request, mark).filter(|above| *above > pages - Order::MAX.pages())?;
        let class = self.class_from(zone, request);
        let _masked = self.platform.mask();
        let mut buddy = zone.buddy.lock(|| self.platform.contended());
        buddy.take_run(&self.frames, &zone.counts, class, pages)
    }
}

/// The blocks that a run consists of; of what begins no block, single pages.
fn blocks_of(table: FrameTable<'_>, run: PfnRange) -> impl Iterator<Item = (Pfn, Order)> {
    let mut pfn = run.start();
    core::iter::from_fn(move || {
        if pfn >= run.end() {
            return None;
        }
        let order = table.get(pfn).and_then(|page| page.state().order()).unwrap_or_default();
        let block = (pfn, order);
        pfn = pfn.saturating_add(order.pages());
        Some(block)
    })
}

impl<'p, 'a, P: Platform, const CPUS: usize> PageRun<'p, 'a, P, CPUS> {
    /// The frames.
    #[must_use]
    pub const fn frames(&self) -> PfnRange {
        self.frames
    }

    /// The physical addresses.
    #[must_use]
    pub const fn phys(&self) -> PhysRange {
        self.frames.as_phys()
    }

    /// The frames alone: the pages stay allocated until
    /// [`free_run_raw`](PageAllocator::free_run_raw) gives them back.
    #[must_use = "the pages are lost unless somebody gives them back"]
    pub fn into_raw(self) -> PfnRange {
        ManuallyDrop::new(self).frames
    }

    /// The blocks that it consists of.
    fn blocks(&self) -> impl Iterator<Item = (Pfn, Order)> + use<'a, P, CPUS> {
        blocks_of(self.from.frames, self.frames)
    }
}

impl<'p, 'a, P: Platform, const CPUS: usize> PageBlock<'p, 'a, P, CPUS> {
    /// Makes the block a run of single pages, each of which can be given back by itself: the run is an
    /// iterator over them. Linux's `split_page`.
    ///
    /// # Errors
    ///
    /// The block itself, when there are further references to it.
    pub fn split(self) -> Result<PageRun<'p, 'a, P, CPUS>, Self> {
        let (from, pfn, order) = (self.allocator(), self.pfn(), self.order());
        let head = from.frames.at(pfn).head_after_others();
        let (true, Some(zone)) = (head.is_last(order), from.zone_of(pfn)) else {
            return Err(self);
        };
        if from.debug.is_on() {
            from.debug_carve(self.frames(), self.frames().end());
        }
        {
            // Whoever walks the zone's frames sees the block whole, or its pages.
            let _masked = from.platform.mask();
            let _buddy = zone.buddy.lock(|| from.platform.contended());
            let page = Head::allocated(Order::ZERO, head.class());
            from.frames.split_into_pages(pfn, order, page);
        }
        let frames = self.frames();
        let _ = self.into_raw();
        Ok(PageRun { from, frames })
    }
}

/// Takes the run apart: its blocks, from the lowest, each of which gives itself back. What is left of the run
/// when nobody takes more goes back with it.
impl<'p, 'a, P: Platform, const CPUS: usize> Iterator for PageRun<'p, 'a, P, CPUS> {
    type Item = PageBlock<'p, 'a, P, CPUS>;

    fn next(&mut self) -> Option<Self::Item> {
        let (pfn, order) = self.blocks().next()?;
        self.frames = PfnRange::new(pfn.saturating_add(order.pages()), self.frames.end());
        Some(self.from.block(pfn, order))
    }
}

impl<P: Platform, const CPUS: usize> Drop for PageRun<'_, '_, P, CPUS> {
    fn drop(&mut self) {
        // What can go wrong is somebody else's mistake, and the allocator has reported it.
        let _ = self.from.free_run(self.frames);
    }
}

impl<P: Platform, const CPUS: usize> fmt::Debug for PageRun<'_, '_, P, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageRun({}, {} pages)", self.frames.start(), self.frames.len())
    }
}
