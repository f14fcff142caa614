//! Figures are counted: no more is walked than this CPU may.

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::figures::{CacheFigures, Occupancy, SlabTotals};
use super::flags::SlabFlags;
use super::list;
use super::memory::Books;
use crate::platform::Lowmem;
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// The figures of a cache. Any context; walks this CPU's lists and the shared one, interrupts masked.
    #[must_use]
    pub fn cache_figures(&self, cache: &KmemCache<CPUS>) -> CacheFigures {
        let geometry = &cache.geometry;
        let objects = cache.objects.load(Relaxed);
        CacheFigures {
            name: cache.name,
            active: objects.saturating_sub(self.free_objects_here(cache)),
            objects,
            stride: geometry.stride,
            objects_per_slab: geometry.objects(geometry.order),
            pages_per_slab: geometry.order.pages(),
            slabs: cache.slabs.load(Relaxed),
        }
    }

    fn free_objects_here(&self, cache: &KmemCache<CPUS>) -> u32 {
        let masked = self.memory().mask();
        let here = self.cpu_slab(cache, &masked);
        let current =
            here.current().map_or(0, |record| self.memory().slab(record).count(here.head()));
        let shared = cache.shared.lock(|| self.memory().contended());
        current + self.free_on(&here.partial) + self.free_on(&shared.partial)
    }

    /// How full the slabs of a cache are. Any context; walks this CPU's lists and the shared one, interrupts
    /// masked.
    #[must_use]
    pub fn occupancy(&self, cache: &KmemCache<CPUS>) -> Occupancy {
        let mut occupancy = Occupancy::default();
        let masked = self.memory().mask();
        let here = self.cpu_slab(cache, &masked);
        if let Some(record) = here.current() {
            let slab = self.memory().slab(record);
            let objects = slab.header.is.objects();
            occupancy.add(objects - slab.count(here.head()), objects);
        }
        let shared = cache.shared.lock(|| self.memory().contended());
        for record in [&here.partial, &shared.partial]
            .into_iter()
            .flat_map(|first| list::iter(self.memory(), first))
        {
            let header = self.memory().slab(record).header;
            occupancy.add(header.left.load(Relaxed), header.is.objects());
        }
        occupancy.full += cache.slabs.load(Relaxed).saturating_sub(occupancy.slabs());
        occupancy
    }

    /// Free objects in the slabs of a list.
    fn free_on(&self, first: &AtomicU32) -> u32 {
        list::iter(self.memory(), first)
            .map(|record| {
                let header = self.memory().slab(record).header;
                header.is.objects().saturating_sub(header.left.load(Relaxed))
            })
            .sum()
    }

    /// How many pages the caches have, the pages of their books included.
    #[must_use]
    pub fn totals(&self) -> SlabTotals {
        let records = {
            let _masked = self.memory().mask();
            self.records.lock(|| self.memory().contended()).pages()
        };
        let mut totals = SlabTotals { reclaimable: 0, unreclaimable: records };
        for cache in self.caches() {
            let pages = cache.pages.load(Relaxed);
            if cache.flags.contains(SlabFlags::SLAB_RECLAIM_ACCOUNT) {
                totals.reclaimable += pages;
            } else {
                totals.unreclaimable += pages;
            }
        }
        totals
    }
}
