//! Slabs that nobody needs go back to the page allocator.

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::hand_over;
use super::list;
use super::memory::Books;
use super::slab::Owner;
use crate::platform::Lowmem;
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;
use crate::zone::Gfp;
use crate::zone::shrink::Shrinker;

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Gives back the slabs of a cache that hold no allocated object, as far as this CPU may: its own, and
    /// the shared ones. Says how many. Linux's `kmem_cache_shrink`.
    ///
    /// Other CPUs keep theirs until they call it, or [`tick`](Self::tick). Any context.
    pub fn shrink(&self, cache: &KmemCache<CPUS>) -> u32 {
        let before = cache.slabs.load(Relaxed);
        let masked = self.memory().mask();
        let cpu = self.memory().cpu(&masked) & (CPUS - 1);
        self.empty_mailbox(cache, cpu);
        self.give_up_current(cache, cpu);
        let here = &cache.cpu[cpu];
        for record in list::iter(self.memory(), &here.partial) {
            if self.is_empty(record) {
                self.drop_own(cache, cpu, record);
            }
        }
        {
            let shared = cache.shared.lock(|| self.memory().contended());
            for record in list::iter(self.memory(), &shared.partial) {
                if self.is_empty(record) {
                    self.drop_listed(cache, &shared.partial, &shared.partial_slabs, record);
                }
            }
        }
        drop(masked);
        before.saturating_sub(cache.slabs.load(Relaxed))
    }

    /// [`shrink`](Self::shrink)s all caches, and gives back what their books needed. Says how many pages came
    /// free of slabs, about.
    pub fn shrink_all(&self) -> u32 {
        let pages = self
            .caches()
            .map(|cache| self.shrink(cache) << cache.geometry.order.as_u32())
            .fold(0, u32::saturating_add);
        pages + self.shrink_records()
    }

    /// To be called by every CPU now and then, its tick for one: takes back what others gave to its slabs,
    /// leaves to the others what it has too much of, and notices that requests are to fail.
    pub fn tick(&self) {
        if CPUS == 1 {
            return;
        }
        for cache in self.caches() {
            if cache.is_dying.load(Relaxed) {
                self.shrink(cache);
                continue;
            }
            let masked = self.memory().mask();
            let cpu = self.memory().cpu(&masked) & (CPUS - 1);
            self.empty_mailbox(cache, cpu);
            if cache.is_watched.load(Relaxed) {
                self.give_up_current(cache, cpu);
            }
            self.share_surplus(cache, cpu);
        }
    }

    /// Leaves partial slabs beyond the cache's minimum to whichever CPU wants one next: those of a CPU that frees
    /// more than it takes. No more at once than that minimum, so that a tick is short. Interrupts are masked.
    fn share_surplus(&self, cache: &KmemCache<CPUS>, cpu: usize) {
        let here = &cache.cpu[cpu];
        let partial = here.partial_slabs.load(Relaxed);
        let surplus = partial.saturating_sub(cache.min_partial).min(cache.min_partial);
        for record in (0..surplus).map_while(|_| list::pop(self.memory(), &here.partial)) {
            self.forget(&self.memory().slab(record), record, cpu);
            hand_over::share(&self.of_cache(cache), record);
        }
        here.partial_slabs.store(partial - surplus, Relaxed);
    }

    /// Is every object of a listed slab free?
    fn is_empty(&self, record: u32) -> bool {
        self.memory().slab(record).header.left.load(Relaxed) == 0
    }

    /// Gives back an empty slab that is on this CPU's list. Interrupts are masked.
    pub(super) fn drop_own(&self, cache: &KmemCache<CPUS>, cpu: usize, record: u32) {
        let here = &cache.cpu[cpu];
        self.forget(&self.memory().slab(record), record, cpu);
        self.drop_listed(cache, &here.partial, &here.partial_slabs, record);
    }

    /// Takes an empty slab off a list, and gives it back.
    pub(super) fn drop_listed(
        &self,
        cache: &KmemCache<CPUS>,
        first: &AtomicU32,
        count: &AtomicU32,
        record: u32,
    ) {
        let pages = self.memory().slab(record).header.is.order.pages();
        self.spare_pages.fetch_sub(pages, Relaxed);
        list::remove(self.memory(), first, record);
        count.store(count.load(Relaxed) - 1, Relaxed);
        self.release_slab(cache, record);
    }

    /// Puts the current slab on the list with the others. Interrupts are masked.
    pub(super) fn give_up_current(&self, cache: &KmemCache<CPUS>, cpu: usize) {
        let Some((record, head)) = cache.cpu[cpu].clear() else { return };
        let slab = self.memory().slab(record);
        let free = slab.count(head);
        slab.put_list(head);
        self.hint_slab(&slab, record, cpu);
        if free == 0 {
            slab.header.left.store(1, Relaxed);
            slab.set_owner(Owner::cpu(cpu));
        } else {
            slab.header.left.store(slab.header.is.objects() - free, Relaxed);
            self.keep(cache, cpu, record);
        }
    }
}

/// Slabs that nobody needs are the first to go when memory is short.
impl<P: Lowmem + Sync, const CPUS: usize> Shrinker for SlabAllocator<'_, '_, P, CPUS> {
    fn name(&self) -> &'static str {
        "slabs"
    }

    fn count(&self) -> u32 {
        self.spare_pages.load(Relaxed)
    }

    /// All of them, however many are asked for: who comes for pages comes again.
    fn shrink(&self, _: u32, _: Gfp) -> u32 {
        self.shrink_all()
    }
}
