//! `vmalloc`: an area and pages for it, from HighMem first.
//!
//! Pages are taken in blocks, and 32 at a time with one list on the stack, and mapped; there is no array of
//! them afterwards, since the tables are one. Who has got half of them and no more gives all back, at once and flushed: memory is
//! short just then.

use super::error::VmallocError;
use super::region::{AreaSpec, MappedRegion};
use super::state::SMALL_PAGES;
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::map::area::{AreaId, AreaKind, AreaState};
use crate::map::mmu::Mmu;
use crate::map::prot::{MemoryType, Prot};
use crate::platform::{Lowmem, Report};
use crate::zone::Gfp;

/// How many pages are taken at once.
pub(super) const CHUNK: usize = 32;

/// Pages that name a zone do not come from HighMem.
const ZONES: Gfp = Gfp::__GFP_DMA.union(Gfp::__GFP_DMA32).union(Gfp::__GFP_HIGHMEM);

impl<P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'_, '_, P, T, CPUS> {
    /// An area of `bytes`, rounded up to pages, that can be read and written. Any context if `gfp` does not allow to
    /// sleep, which Linux has no `vmalloc` for. `caller` is named in reports.
    ///
    /// # Errors
    ///
    /// [`VmallocError`], which is reported unless `gfp` says `__GFP_NOWARN`.
    #[inline]
    pub fn vmalloc(&self, bytes: u32, gfp: Gfp, caller: u32) -> Result<VirtAddr, VmallocError> {
        self.alloc(bytes, gfp, &AreaSpec::new(AreaKind::Vmalloc, Prot::KERNEL, caller))
    }

    /// As [`vmalloc`](Self::vmalloc), all zero.
    ///
    /// # Errors
    ///
    /// As `vmalloc`.
    #[inline]
    pub fn vzalloc(&self, bytes: u32, gfp: Gfp, caller: u32) -> Result<VirtAddr, VmallocError> {
        self.vmalloc(bytes, gfp | Gfp::__GFP_ZERO, caller)
    }

    /// As [`vmalloc`](Self::vmalloc), of pages that a device with 32 address lines reaches, and the linear map.
    ///
    /// # Errors
    ///
    /// As `vmalloc`.
    #[inline]
    pub fn vmalloc_32(&self, bytes: u32, gfp: Gfp, caller: u32) -> Result<VirtAddr, VmallocError> {
        self.vmalloc(bytes, gfp.difference(ZONES) | Gfp::__GFP_DMA32, caller)
    }

    /// An area with pages of its own, of this kind: `vmalloc`, modules. What it holds is whatever the pages
    /// held, unless `gfp` says `__GFP_ZERO`. HighMem comes first unless `gfp` names another zone.
    ///
    /// # Errors
    ///
    /// [`VmallocError`], which is reported unless `gfp` says `__GFP_NOWARN`. A `spec` of another kind, or of another
    /// memory type than the linear map's, is an error about its `prot`.
    #[inline]
    pub fn alloc(&self, bytes: u32, gfp: Gfp, spec: &AreaSpec) -> Result<VirtAddr, VmallocError> {
        let made = self.try_alloc(bytes, gfp, spec);
        if let Err(error) = &made {
            self.tell(bytes, gfp, spec, error);
        }
        made
    }

    #[inline(always)]
    fn try_alloc(&self, bytes: u32, gfp: Gfp, spec: &AreaSpec) -> Result<VirtAddr, VmallocError> {
        if spec.prot.memory != MemoryType::WriteBack || !spec.kind.is_plain() {
            return Err(VmallocError::Prot { prot: spec.prot });
        }
        let pages = bytes.div_ceil(PAGE_SIZE);
        if pages > SMALL_PAGES {
            self.check_size(pages)?;
        }
        let area = self.take_area(pages, gfp, spec)?;
        let start = area.start(&self.words());
        match self.fill(start, pages, gfp, spec.prot) {
            Ok(()) => {
                area.set_state(&self.words(), AreaState::Live);
                Ok(start)
            }
            Err(error) => {
                self.undo(area);
                Err(error)
            }
        }
    }

    pub(super) fn check_size(&self, pages: u32) -> Result<(), VmallocError> {
        let memory = self.pages.managed().into_iter().fold(0, u32::saturating_add);
        if pages > memory { Err(VmallocError::TooLarge { pages, memory }) } else { Ok(()) }
    }

    /// Gives back an area that was not finished, with what pages it has, at once.
    #[cold]
    pub(super) fn undo(&self, area: AreaId) {
        let stale = self.mmu.retire(area.range(&self.words()));
        let _flushed_by_the_purge = stale.put_off();
        self.wait(area);
        self.purge();
    }

    /// Tells of a request that failed.
    #[cold]
    pub(in crate::map) fn tell(&self, bytes: u32, gfp: Gfp, spec: &AreaSpec, error: &VmallocError) {
        if !gfp.warns() {
            return;
        }
        let failure = match error {
            VmallocError::NoHole(no_hole) => Some(self.failure(no_hole.want)),
            _ => None,
        };
        let (name, caller) = (self.name, spec.caller);
        let failure = failure.as_ref();
        let report = Report::NoArea { name, bytes, gfp, caller, error, failure };
        self.pages.platform().report(&report);
    }
}

/// The flags for the pages of an area: who asks for no zone can have any. A failure is told of once, for the area.
#[inline(always)]
pub(super) const fn for_pages(gfp: Gfp) -> Gfp {
    let gfp = gfp.union(Gfp::__GFP_NOWARN);
    if gfp.intersects(ZONES) { gfp } else { gfp.union(Gfp::__GFP_HIGHMEM) }
}
