//! `vrealloc`: smaller and larger in place, else elsewhere. Pages move by their entries; no byte is copied.
//!
//! An area that is resized is being made meanwhile, so that nobody can give it back or resize it as well. Frames
//! that leave it are flushed and freed before the call returns: there is no record for them to wait by.

use super::alloc::CHUNK;
use super::error::VmallocError;
use super::frames::Frames;
use super::region::{AreaSpec, MappedRegion, for_books};
use super::reserved::Reserved;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use crate::map::area::{AreaKind, AreaList, AreaState};
use crate::map::mmu::Mmu;
use crate::map::prot::Prot;
use crate::platform::Lowmem;
use crate::zone::Gfp;

/// What a second-level table serves.
const TABLE_BYTES: u32 = 1 << 20;

impl<P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'_, '_, P, T, CPUS> {
    /// Changes the size of an area that [`vmalloc`](Self::vmalloc) made to `bytes`, rounded up to pages, and says
    /// where it is then. What both sizes have stays; new pages are as `gfp` says. Context as `gfp` says.
    ///
    /// # Errors
    ///
    /// [`VmallocError`]; the area is as it was. Linux frees an area that is to have no bytes; here that is an error.
    pub fn vrealloc(
        &self,
        virt: VirtAddr,
        bytes: u32,
        gfp: Gfp,
        caller: u32,
    ) -> Result<VirtAddr, VmallocError> {
        let spec = AreaSpec::new(AreaKind::Vmalloc, Prot::KERNEL, caller);
        let resized = self.try_realloc(virt, bytes, gfp, &spec);
        if let Err(error) = &resized
            && !matches!(error, VmallocError::NoArea(_))
        {
            self.tell(bytes, gfp, &spec, error);
        }
        resized
    }

    fn try_realloc(
        &self,
        virt: VirtAddr,
        bytes: u32,
        gfp: Gfp,
        spec: &AreaSpec,
    ) -> Result<VirtAddr, VmallocError> {
        let pages = bytes.div_ceil(PAGE_SIZE);
        if pages == 0 {
            return Err(VmallocError::Empty);
        }
        self.check_size(pages)?;
        // Whoever leaves early leaves the area live, as it was.
        let taken = self.take_back(virt, AreaKind::Vmalloc).map_err(VmallocError::NoArea)?;
        let old = taken.range();
        let resized = if pages <= old.len() >> PAGE_SHIFT {
            self.cut(&taken, pages);
            Ok(virt)
        } else if self.grow(&taken, pages) {
            let more = VirtRange::new(old.end(), taken.range().end());
            self.fill_more(&taken, more, gfp, spec).map(|()| virt)
        } else {
            match self.move_to(&taken, pages, gfp, spec) {
                // The old addresses go back by the guard.
                Ok(new) => return Ok(new),
                Err(error) => Err(error),
            }
        };
        taken.finish();
        resized
    }

    /// Makes an area smaller.
    fn cut(&self, taken: &Reserved<'_, '_, '_, P, T, CPUS>, pages: u32) {
        let old = taken.range();
        let end = VirtAddr::new(old.start().as_u32() + pages * PAGE_SIZE);
        let tail = VirtRange::new(end, old.end());
        if !tail.is_empty() {
            self.split_at(old, end);
            self.free_pages_of(tail);
            self.shorten(taken, old, end);
        }
    }

    /// Gives back the end of an area's addresses, where nothing is mapped, and the tables that only they needed.
    fn shorten(&self, taken: &Reserved<'_, '_, '_, P, T, CPUS>, old: VirtRange, end: VirtAddr) {
        let tables = tables_beyond(end, old.end());
        if !tables.is_empty() {
            self.mmu.drop_tables(tables);
        }
        let bytes = end.as_u32() - old.start().as_u32();
        let words = self.words();
        // It fits where more has fitted.
        let _ = self.with(|state| state.tree.resize(&words, taken.area(), bytes));
    }

    /// Takes the addresses behind an area, if they are free.
    fn grow(&self, taken: &Reserved<'_, '_, '_, P, T, CPUS>, pages: u32) -> bool {
        let words = self.words();
        let Some(bytes) = pages.checked_mul(PAGE_SIZE) else { return false };
        self.with(|state| state.tree.resize(&words, taken.area(), bytes)).is_ok()
    }

    /// Maps new pages at addresses that an area has just got.
    fn fill_more(
        &self,
        taken: &Reserved<'_, '_, '_, P, T, CPUS>,
        more: VirtRange,
        gfp: Gfp,
        spec: &AreaSpec,
    ) -> Result<(), VmallocError> {
        let grown = taken.range();
        let tables = tables_beyond(more.start(), more.end());
        if !tables.is_empty()
            && let Err(error) = self.mmu.hold_tables(tables, for_books(gfp))
        {
            let words = self.words();
            let bytes = more.start().as_u32() - grown.start().as_u32();
            let _ = self.with(|state| state.tree.resize(&words, taken.area(), bytes));
            return Err(VmallocError::NoTable(error));
        }
        let filled = self.fill(more.start(), more.len() >> PAGE_SHIFT, gfp, spec.prot);
        if filled.is_err() {
            self.free_pages_of(more);
            self.shorten(taken, grown, more.start());
        }
        filled
    }

    /// Maps an area's pages, and more, elsewhere, and unmaps them here.
    fn move_to(
        &self,
        taken: &Reserved<'_, '_, '_, P, T, CPUS>,
        pages: u32,
        gfp: Gfp,
        spec: &AreaSpec,
    ) -> Result<VirtAddr, VmallocError> {
        let old = taken.range();
        let old_pages = old.len() >> PAGE_SHIFT;
        let new = self.take_area(pages, gfp, spec)?;
        let range = new.range(&self.words());
        // The new pages first: if they do not come, nothing of the old has two mappings.
        let border = VirtAddr::new(range.start().as_u32() + old.len());
        let more = VirtRange::new(border, range.end());
        if let Err(error) = self.fill(border, pages - old_pages, gfp, spec.prot) {
            self.free_pages_of(more);
            let mut one = AreaList::new();
            one.push(&self.words(), new);
            self.recycle(one);
            return Err(error);
        }
        let mut frames = [Pfn::default(); CHUNK];
        for first in (0..old_pages).step_by(CHUNK) {
            let count = (old_pages - first).min(CHUNK as u32) as usize;
            let at = |start: VirtAddr, page: u32| VirtAddr::new(start.as_u32() + page * PAGE_SIZE);
            for (frame, page) in frames[..count].iter_mut().zip(first..) {
                let mapped = self.mmu.lookup(at(old.start(), page));
                *frame = mapped.map_or(Pfn::default(), |mapped| mapped.phys.pfn_down());
            }
            let fresh = self.mmu.map_pages(at(range.start(), first), &frames[..count], spec.prot);
            self.mmu.publish(fresh);
        }
        let stale = self.mmu.clear(old);
        self.mmu.flush(stale);
        new.set_state(&self.words(), AreaState::Live);
        Ok(range.start())
    }

    /// Unmaps the pages of a part of an area, flushes, and gives them back.
    fn free_pages_of(&self, part: VirtRange) {
        let stale = self.mmu.retire(part);
        self.mmu.flush(stale);
        let mut frames = Frames::new();
        self.take_frames(part, &mut frames);
        self.give_rest(&mut frames);
    }
}

/// Of the addresses from `start` to `end`, those whose tables serve nothing below `start`.
fn tables_beyond(start: VirtAddr, end: VirtAddr) -> VirtRange {
    let first = start.as_u32().checked_next_multiple_of(TABLE_BYTES);
    VirtRange::new(first.map_or(end, VirtAddr::new), end)
}
