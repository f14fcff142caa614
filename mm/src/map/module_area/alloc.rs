//! The modules region is asked first, then the vmalloc region; who gives back is found by the address.

use super::error::{FullRegions, ModuleAreaError};
use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::area::{AreaInfo, AreaKind, Failure};
use crate::map::mmu::Mmu;
use crate::map::prot::Prot;
use crate::map::vmalloc::{AreaError, AreaSpec, MappedRegion, VmallocError};
use crate::platform::{Lowmem, Report};
use crate::zone::Gfp;

/// The two regions that modules lie in, in the order in which they are asked.
pub struct ModuleArea<'r, 's, 'a, P, T, const CPUS: usize = 1> {
    modules: &'r MappedRegion<'s, 'a, P, T, CPUS>,
    vmalloc: &'r MappedRegion<'s, 'a, P, T, CPUS>,
}

impl<'r, 's, 'a, P: Lowmem, T: Mmu, const CPUS: usize> ModuleArea<'r, 's, 'a, P, T, CPUS> {
    /// First `modules`, then `vmalloc`. They do not overlap, and stand on the same allocators.
    #[must_use]
    pub const fn new(
        modules: &'r MappedRegion<'s, 'a, P, T, CPUS>,
        vmalloc: &'r MappedRegion<'s, 'a, P, T, CPUS>,
    ) -> Self {
        Self { modules, vmalloc }
    }

    /// The modules region.
    #[must_use]
    pub const fn modules(&self) -> &'r MappedRegion<'s, 'a, P, T, CPUS> {
        self.modules
    }

    /// The region that is asked when that one is full.
    #[must_use]
    pub const fn vmalloc(&self) -> &'r MappedRegion<'s, 'a, P, T, CPUS> {
        self.vmalloc
    }

    /// An area of `bytes`, rounded up to pages, that can be read and written, from HighMem first unless `gfp` names
    /// another zone. What it holds is whatever the pages held, unless `gfp` says `__GFP_ZERO`. `caller` is named in
    /// reports. Linux's `module_alloc`.
    ///
    /// # Errors
    ///
    /// [`ModuleAreaError`], which is reported unless `gfp` says `__GFP_NOWARN`. No bytes are refused.
    pub fn alloc(&self, bytes: u32, gfp: Gfp, caller: u32) -> Result<VirtRange, ModuleAreaError> {
        let spec = AreaSpec::new(AreaKind::Module, Prot::KERNEL, caller);
        let silent = gfp | Gfp::__GFP_NOWARN;
        let near = match self.modules.alloc(bytes, silent, &spec) {
            Ok(start) => return Ok(whole_pages(start, bytes)),
            Err(error) => error,
        };
        let far = match near {
            VmallocError::NoHole(_) => match self.vmalloc.alloc(bytes, silent, &spec) {
                Ok(start) => return Ok(whole_pages(start, bytes)),
                Err(error) => Some(error),
            },
            _ => None,
        };
        let error = ModuleAreaError { modules: near, vmalloc: far };
        self.tell(bytes, gfp, caller, &error);
        Err(error)
    }

    /// As [`alloc`](Self::alloc), far away whether or not there is room near: to see what veneers do. The failure is that of
    /// the vmalloc region, as anybody's.
    ///
    /// # Errors
    ///
    /// [`VmallocError`], which is reported unless `gfp` says `__GFP_NOWARN`.
    pub fn alloc_far(&self, bytes: u32, gfp: Gfp, caller: u32) -> Result<VirtRange, VmallocError> {
        let spec = AreaSpec::new(AreaKind::Module, Prot::KERNEL, caller);
        Ok(whole_pages(self.vmalloc.alloc(bytes, gfp, &spec)?, bytes))
    }

    /// Gives back what [`alloc`](Self::alloc) made, by its first address. When it returns the area faults, on all CPUs.
    /// Any context; it flushes what else waits in the area's region.
    ///
    /// # Errors
    ///
    /// [`AreaError`] when no module's area begins there. It was reported, and nothing has changed.
    pub fn free(&self, virt: VirtAddr) -> Result<(), AreaError> {
        let region = self.region_of(virt).unwrap_or(self.modules);
        region.free(virt, AreaKind::Module)?;
        region.purge();
        Ok(())
    }

    /// What is known of the module's area that holds an address, in whatever region.
    #[must_use]
    pub fn area_at(&self, virt: VirtAddr) -> Option<AreaInfo> {
        let info = self.region_of(virt)?.area_at(virt)?;
        (info.kind == AreaKind::Module).then_some(info)
    }

    fn region_of(&self, virt: VirtAddr) -> Option<&'r MappedRegion<'s, 'a, P, T, CPUS>> {
        [self.modules, self.vmalloc].into_iter().find(|region| region.region().contains(virt))
    }

    #[cold]
    fn tell(&self, bytes: u32, gfp: Gfp, caller: u32, error: &ModuleAreaError) {
        if !gfp.warns() {
            return;
        }
        let full = |region: &MappedRegion<'s, 'a, P, T, CPUS>, error| match error {
            Some(VmallocError::NoHole(no_hole)) => Some(region.failure(no_hole.want)),
            _ => None,
        };
        let modules: Option<Failure> = full(self.modules, Some(error.modules));
        let vmalloc = full(self.vmalloc, error.vmalloc);
        let full = FullRegions { modules: modules.as_ref(), vmalloc: vmalloc.as_ref() };
        self.modules.pages.platform().report(&Report::NoModuleArea {
            bytes,
            gfp,
            caller,
            error,
            full,
        });
    }
}

/// The pages that `bytes` from `start` on have a byte of. There is an area of them.
fn whole_pages(start: VirtAddr, bytes: u32) -> VirtRange {
    let bytes = bytes.next_multiple_of(PAGE_SIZE);
    VirtRange::new(start, VirtAddr::new(start.as_u32() + bytes))
}
