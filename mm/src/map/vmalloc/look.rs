//! Looking at a region: what lies at an address, all its areas, and why there is no room.
//!
//! Who walks the areas takes the lock for sixteen at a time, and goes on behind the last: what changes meanwhile is seen,
//! or not.
//!
//! Context: any. Where a call looks at all areas it says so.

use arrayvec::ArrayVec;

use super::figures::{RegionFigures, VmallocFigures, VmallocUse};
use super::region::MappedRegion;
use crate::addr::{PAGE_SIZE, Pfn, VirtAddr};
use crate::frame::Page;
use crate::map::area::{AreaInfo, AreaKind, AreaState, Damage, Failure, Holders, Hole, Want};
use crate::map::mmu::Mmu;
use crate::platform::Lowmem;

/// How many areas or gaps are read under one round of the lock.
const BATCH: usize = 16;

impl<'a, P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'_, 'a, P, T, CPUS> {
    /// Is an address in the region, mapped or not? Of the vmalloc region, Linux's `is_vmalloc_addr`.
    #[inline]
    #[must_use]
    pub const fn is_vmalloc_addr(&self, virt: VirtAddr) -> bool {
        self.region.contains(virt)
    }

    /// The frame that is mapped at an address of the region, by pages or by sections; `None` where nothing is, and
    /// outside the region. Takes no lock: the caller keeps the area from going. Linux's `vmalloc_to_pfn`.
    #[must_use]
    pub fn vmalloc_to_pfn(&self, virt: VirtAddr) -> Option<Pfn> {
        if !self.region.contains(virt) {
            return None;
        }
        self.mmu.lookup(virt).map(|mapped| mapped.phys.pfn_down())
    }

    /// The descriptor of the page that is mapped at an address of the region; `None` also if that is no memory.
    /// Linux's `vmalloc_to_page`.
    #[must_use]
    pub fn vmalloc_to_page(&self, virt: VirtAddr) -> Option<&'a Page> {
        self.pages.frames().get(self.vmalloc_to_pfn(virt)?)
    }

    /// What is known of the area that holds an address; its guard page is not part of it. Linux's `find_vm_area`.
    #[must_use]
    pub fn area_at(&self, virt: VirtAddr) -> Option<AreaInfo> {
        let words = self.words();
        self.with(|state| state.tree.find(&words, virt).map(|area| area.info(&words)))
    }

    /// All areas, upwards.
    pub fn areas(&self) -> impl Iterator<Item = AreaInfo> {
        let words = self.words();
        self.walk(
            |info: &AreaInfo| info.range.end(),
            move |from| {
                self.with(|state| {
                    let areas = state.tree.iter_from(&words, from).take(BATCH);
                    areas.map(|area| area.info(&words)).collect()
                })
            },
        )
    }

    /// All gaps, upwards.
    pub fn holes(&self) -> impl Iterator<Item = Hole> {
        let words = self.words();
        self.walk(
            |hole: &Hole| hole.range.end(),
            move |from| {
                self.with(|state| state.tree.holes_from(&words, from).take(BATCH).collect())
            },
        )
    }

    /// Goes through something batch by batch, each of which begins behind the `end` of the last one's last.
    fn walk<I: Copy>(
        &self,
        end: impl Fn(&I) -> VirtAddr,
        read: impl Fn(VirtAddr) -> ArrayVec<I, BATCH>,
    ) -> impl Iterator<Item = I> {
        let mut from = self.region.start();
        let mut batch = ArrayVec::<I, BATCH>::new().into_iter();
        core::iter::from_fn(move || {
            if let Some(item) = batch.next() {
                return Some(item);
            }
            let next = read(from);
            from = end(next.last()?);
            batch = next.into_iter();
            batch.next()
        })
    }

    /// The largest area, in bytes without its guard page, that would fit now at a multiple of `1 << align_shift`.
    #[must_use]
    pub fn largest_area(&self, align_shift: u32) -> u32 {
        let words = self.words();
        self.with(|state| state.tree.largest_area(&words, align_shift))
    }

    /// The figures of this moment.
    #[must_use]
    pub fn figures(&self) -> RegionFigures {
        let words = self.words();
        self.with(|state| RegionFigures {
            region: self.region,
            free: state.tree.free_bytes(),
            largest: state.tree.largest_area(&words, 0),
            areas: state.tree.areas(),
            waiting_areas: state.waiting.count,
            waiting: state.waiting_bytes(),
            waiting_frames: state.waiting.frames(),
            spare: state.spare_bytes(),
        })
    }

    /// Bytes that live areas have of their own memory: `VmallocUsed`. Looks at all of them.
    #[must_use]
    pub fn used_bytes(&self) -> u32 {
        let live = self.areas().filter(|info| info.state == AreaState::Live);
        live.map(|info| info.own_pages() * PAGE_SIZE).fold(0, u32::saturating_add)
    }

    /// The lines of `meminfo`. Looks at all areas.
    #[must_use]
    pub fn meminfo(&self) -> VmallocFigures {
        let use_of_it = VmallocUse { used: self.used_bytes(), chunk: self.largest_area(0) };
        VmallocFigures { total: self.region.len(), use_of_it: Some(use_of_it) }
    }

    /// What to tell when nothing fits. Looks at all areas, twice.
    #[must_use]
    pub fn failure(&self, want: Want) -> Failure {
        let mut holders = Holders::new();
        self.areas().for_each(|info| holders.look_for(&info));
        holders.turn();
        self.areas().for_each(|info| holders.count(&info));
        let words = self.words();
        self.with(|state| Failure {
            name: self.name,
            region: self.region,
            want,
            free: state.tree.free_bytes(),
            largest: state.tree.largest_area(&words, 0),
            largest_aligned: state.tree.largest_area(&words, want.align_shift),
            waiting: state.waiting_bytes(),
            holders: holders.top(),
        })
    }

    /// Checks the tree; for tests, and for whoever looks at a machine.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), Damage> {
        let words = self.words();
        self.with(|state| state.tree.validate(&words))
    }

    /// Is an address in the guard page behind an area, or in that below a stack, and of which?
    #[must_use]
    pub fn guard_of(&self, virt: VirtAddr) -> Option<AreaInfo> {
        if let Some(info) = self.area_at(virt) {
            let into = virt.as_u32() - info.range.start().as_u32();
            return (info.kind == AreaKind::Stack && into < PAGE_SIZE).then_some(info);
        }
        let before = virt.checked_sub(PAGE_SIZE)?;
        self.area_at(before).filter(|info| !info.range.contains(virt))
    }
}
