//! `vmap`: pages that somebody has, mapped side by side.
//!
//! T4 of `docs/model.md`: the linear map has the same pages, or may have them, as write-back memory. So that is the only
//! type there is here; and what the linear map can write is not executable here.

use super::error::{AreaError, VmallocError};
use super::region::{AreaSpec, MappedRegion};
use crate::addr::{PAGE_SIZE, Pfn, VirtAddr};
use crate::map::area::{AreaKind, AreaState};
use crate::map::mmu::Mmu;
use crate::map::prot::{MemoryType, Prot, Rights};
use crate::platform::Lowmem;
use crate::zone::Gfp;

impl<P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'_, '_, P, T, CPUS> {
    /// Maps frames of memory, one after another. They stay the caller's, who keeps them until
    /// [`vunmap`](Self::vunmap) has returned. Context as `gfp` says.
    ///
    /// # Errors
    ///
    /// [`VmallocError`], which is reported unless `gfp` says `__GFP_NOWARN`: also for a type that the linear map does
    /// not have, for leave to execute, and for a frame that is no memory.
    pub fn vmap(
        &self,
        frames: &[Pfn],
        prot: Prot,
        gfp: Gfp,
        caller: u32,
    ) -> Result<VirtAddr, VmallocError> {
        let spec = AreaSpec::new(AreaKind::Vmap, prot, caller);
        let mapped = self.try_vmap(frames, gfp, &spec);
        if let Err(error) = &mapped {
            let bytes = u32::try_from(frames.len()).unwrap_or(u32::MAX).saturating_mul(PAGE_SIZE);
            self.tell(bytes, gfp, &spec, error);
        }
        mapped
    }

    fn try_vmap(
        &self,
        frames: &[Pfn],
        gfp: Gfp,
        spec: &AreaSpec,
    ) -> Result<VirtAddr, VmallocError> {
        let prot = spec.prot;
        if prot.memory != MemoryType::WriteBack || prot.rights == Rights::ReadExecute {
            return Err(VmallocError::Prot { prot });
        }
        let table = self.pages.frames();
        if let Some(pfn) = frames.iter().find(|pfn| table.get(**pfn).is_none()) {
            return Err(VmallocError::NotMemory { pfn: *pfn });
        }
        let pages = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let area = self.take_area(pages, gfp, spec)?;
        let range = area.range(&self.words());
        let fresh = self.mmu.map_pages(range.start(), frames, prot);
        self.mmu.publish(fresh);
        area.set_state(&self.words(), AreaState::Live);
        Ok(range.start())
    }

    /// Takes away what [`vmap`](Self::vmap) mapped. When it returns, no TLB knows of it, and the frames can be freed.
    /// Any context.
    ///
    /// # Errors
    ///
    /// [`AreaError`] when no such area begins there. It was reported, and nothing has changed.
    pub fn vunmap(&self, virt: VirtAddr) -> Result<(), AreaError> {
        let reserved = self.take_back(virt, AreaKind::Vmap)?;
        let stale = self.mmu.clear(reserved.range());
        self.mmu.flush(stale);
        Ok(())
    }
}
