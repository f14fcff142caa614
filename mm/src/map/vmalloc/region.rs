//! One region of addresses, and how an area of it is taken.
//!
//! Small areas of no special alignment come from the list of their size. Others get a record, the lowest addresses
//! that fit, and their tables; when nothing fits, all that waits or is spare is given up, and the search
//! is tried once more.
//!
//! Invariant (F10 of `docs/model.md`): neither the page allocator nor the slab allocator is called under the lock, no
//! shrinker and no report.

use super::error::VmallocError;
use super::memory::Records;
use super::state::{SMALL_PAGES, State};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, PhysAddr, VirtRange};
use crate::map::area::{AreaId, AreaKind, AreaTree, NoHole, RECORD_BYTES, RegionName, Want};
use crate::map::mmu::Mmu;
use crate::map::prot::Prot;
use crate::object::{CacheRef, CreateError, SlabAllocator, SlabFlags};
use crate::platform::Lowmem;
use crate::sync::{Lock, LockGuard};
use crate::zone::{Gfp, PageAllocator};

/// What an area is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AreaSpec {
    /// What it is for.
    pub kind: AreaKind,
    /// How it is mapped.
    pub prot: Prot,
    /// log2 of the alignment of its first address. Less than a page is a page.
    pub align_shift: u32,
    /// The part of the region that it must lie in, guard page included; `None` for anywhere.
    pub within: Option<VirtRange>,
    /// The return address in who asks, for reports; 0 if it is not known.
    pub caller: u32,
    /// What is mapped at its first address, if that is worth a word in reports.
    pub phys: Option<PhysAddr>,
}

impl AreaSpec {
    /// Anywhere, at a page.
    #[inline(always)]
    #[must_use]
    pub const fn new(kind: AreaKind, prot: Prot, caller: u32) -> Self {
        Self { kind, prot, align_shift: PAGE_SHIFT, within: None, caller, phys: None }
    }
}

/// The addresses of one region, and what is mapped there.
pub struct MappedRegion<'s, 'a, P, T, const CPUS: usize = 1> {
    pub(super) state: Lock<State>,
    pub(in crate::map) pages: &'s PageAllocator<'a, P, CPUS>,
    pub(in crate::map) mmu: &'s T,
    pub(super) slabs: &'s SlabAllocator<'s, 'a, P, CPUS>,
    pub(super) records: CacheRef<'s, CPUS>,
    pub(super) region: VirtRange,
    pub(super) name: RegionName,
}

/// The lock is held, and interrupts are masked.
pub(in crate::map) struct Entered<'r, P: Lowmem> {
    // Fields drop in this order: first the lock, then the mask.
    pub(in crate::map) state: LockGuard<'r, State>,
    _masked: P::Masked,
}

/// Flags of a request for pages that say nothing about tables and records.
const OF_PAGES_ONLY: Gfp = Gfp::__GFP_DMA
    .union(Gfp::__GFP_HIGHMEM)
    .union(Gfp::__GFP_DMA32)
    .union(Gfp::__GFP_MOVABLE)
    .union(Gfp::__GFP_RECLAIMABLE)
    .union(Gfp::__GFP_ZERO);

impl<'s, 'a, P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'s, 'a, P, T, CPUS> {
    /// All of `region`, which is whole pages, free.
    ///
    /// `pages` and `slabs` are one machine's. May sleep; boot only.
    ///
    /// # Errors
    ///
    /// [`CreateError`] when there is no memory for the cache of records, or for the first record.
    pub fn new(
        name: RegionName,
        region: VirtRange,
        pages: &'s PageAllocator<'a, P, CPUS>,
        slabs: &'s SlabAllocator<'s, 'a, P, CPUS>,
        mmu: &'s T,
    ) -> Result<Self, CreateError> {
        // Records are trusted: nobody else's objects lie among them.
        let flags = SlabFlags::SLAB_NO_MERGE;
        let cache = match name {
            RegionName::Vmalloc => "vmap_area",
            RegionName::Modules => "module_area",
        };
        let records = slabs.create(cache, RECORD_BYTES, RECORD_BYTES, flags, None)?;
        let words = Records(pages.platform());
        let sentinel = slabs.take_object(records, Gfp::GFP_KERNEL | Gfp::__GFP_ZERO);
        let sentinel = AreaId::new(sentinel.map_err(CreateError::NoMemory)?);
        let tree = AreaTree::new(&words, region, sentinel);
        Ok(Self { state: Lock::new(State::new(tree)), pages, mmu, slabs, records, region, name })
    }

    /// Its addresses.
    #[must_use]
    pub const fn region(&self) -> VirtRange {
        self.region
    }

    /// Which it is.
    #[must_use]
    pub const fn name(&self) -> RegionName {
        self.name
    }

    /// Records by their addresses.
    #[inline(always)]
    pub(in crate::map) fn words(&self) -> Records<'s, P> {
        Records(self.pages.platform())
    }

    /// Takes the lock, for something short.
    #[inline(always)]
    pub(in crate::map) fn enter(&self) -> Entered<'_, P> {
        let platform = self.pages.platform();
        let masked = platform.mask();
        Entered { state: self.state.lock(|| platform.contended()), _masked: masked }
    }

    /// Runs something short under the lock.
    #[inline(always)]
    pub(in crate::map) fn with<R>(&self, run: impl FnOnce(&mut State) -> R) -> R {
        let platform = self.pages.platform();
        let _masked = platform.mask();
        let mut state = self.state.lock(|| platform.contended());
        run(&mut state)
    }

    /// Takes an area of so many pages, with its tables. It is being made: the caller's, whatever happens.
    #[inline(always)]
    pub(super) fn take_area(
        &self,
        pages: u32,
        gfp: Gfp,
        spec: &AreaSpec,
    ) -> Result<AreaId, VmallocError> {
        if pages <= SMALL_PAGES
            && spec.align_shift <= PAGE_SHIFT
            && spec.within.is_none()
            && spec.kind.holds_tables()
            && let Some(area) = self.with(|state| state.take_spare(&self.words(), pages))
        {
            self.describe(area, spec);
            return Ok(area);
        }
        self.take_new_area(pages, gfp, spec)
    }

    #[inline(always)]
    fn describe(&self, area: AreaId, spec: &AreaSpec) {
        area.describe(&self.words(), spec.kind, spec.prot.memory, spec.caller, spec.phys);
    }

    #[inline(never)]
    fn take_new_area(&self, pages: u32, gfp: Gfp, spec: &AreaSpec) -> Result<AreaId, VmallocError> {
        if pages == 0 {
            return Err(VmallocError::Empty);
        }
        let gfp = for_books(gfp);
        let area = self.take_record(gfp)?;
        self.describe(area, spec);
        let placed = self.place(area, pages, spec).or_else(|_| {
            self.make_room();
            self.place(area, pages, spec)
        });
        let range = match placed {
            Ok(range) => range,
            Err(error) => {
                self.give_record(area);
                return Err(VmallocError::NoHole(error));
            }
        };
        if spec.kind.holds_tables()
            && let Err(error) = self.mmu.hold_tables(range, gfp)
        {
            self.forget(area);
            return Err(VmallocError::NoTable(error));
        }
        Ok(area)
    }

    /// Takes a record, which says nothing yet.
    pub(in crate::map) fn take_record(&self, gfp: Gfp) -> Result<AreaId, VmallocError> {
        let record = self.slabs.take_object(self.records, gfp);
        record.map(AreaId::new).map_err(VmallocError::NoRecord)
    }

    fn place(&self, area: AreaId, pages: u32, spec: &AreaSpec) -> Result<VirtRange, NoHole> {
        let want = self.want(pages, spec);
        self.with(|state| state.tree.place(&self.words(), area, &want))
    }

    /// What the tree is asked for. More than an address can say is as much as none has.
    pub(in crate::map) fn want(&self, pages: u32, spec: &AreaSpec) -> Want {
        let bytes = pages.checked_mul(PAGE_SIZE).unwrap_or(0_u32.wrapping_sub(PAGE_SIZE));
        let within = spec.within.unwrap_or(self.region);
        // What lies outside the region is nobody's here.
        let low = within.start().max(self.region.start());
        let high = within.end().min(self.region.end());
        Want { bytes, align_shift: spec.align_shift, within: VirtRange::new(low, high) }
    }

    /// Takes an area whose tables are not held, and whose addresses no TLB knows, out of the tree.
    pub(super) fn forget(&self, area: AreaId) {
        self.with(|state| state.remove(&self.words(), area));
        self.give_record(area);
    }
}

/// The flags for tables and records of a request for pages: books lie in lowmem. Who asks tells of a failure
/// once, and better than they could.
pub(super) const fn for_books(gfp: Gfp) -> Gfp {
    gfp.difference(OF_PAGES_ONLY).union(Gfp::__GFP_NOWARN)
}
