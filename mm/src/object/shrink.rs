//! Slabs that nobody needs go back to the page allocator.
//!
//! There may be thousands. So they are looked at, and taken off their list, a few at a time, under what protects
//! it; and given back when that is released, which takes some 800 instructions for each, and their destructors.

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

/// How many slabs are looked at without a pause. As many are given back in one tick.
const BATCH: u32 = 8;

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Gives back the slabs of a cache that hold no allocated object, as far as this CPU may: its own, and
    /// the shared ones. Says how many. Linux's `kmem_cache_shrink`.
    ///
    /// Other CPUs keep theirs until they call it, or [`tick`](Self::tick). Any context. What comes onto a list
    /// meanwhile may stay.
    pub fn shrink(&self, cache: &KmemCache<CPUS>) -> u32 {
        let before = cache.slabs.load(Relaxed);
        for _ in 0..self.gather(cache).div_ceil(BATCH) {
            self.shrink_own(cache);
        }
        let shared = {
            let _masked = self.memory().mask();
            cache.shared.lock(|| self.memory().contended()).partial_slabs.load(Relaxed)
        };
        for _ in 0..shared.div_ceil(BATCH) {
            self.shrink_shared(cache);
        }
        before.saturating_sub(cache.slabs.load(Relaxed))
    }

    /// Brings this CPU's slabs onto its list, as far as they have free objects. Says how many are there.
    fn gather(&self, cache: &KmemCache<CPUS>) -> u32 {
        let masked = self.memory().mask();
        let cpu = self.memory().cpu(&masked) & (CPUS - 1);
        self.empty_mailbox(cache, cpu);
        self.give_up_current(cache, cpu);
        cache.cpu[cpu].partial_slabs.load(Relaxed)
    }

    /// Gives back the empty ones among the first few slabs of this CPU.
    fn shrink_own(&self, cache: &KmemCache<CPUS>) {
        let empty = {
            let masked = self.memory().mask();
            let cpu = self.memory().cpu(&masked) & (CPUS - 1);
            let here = &cache.cpu[cpu];
            let leaves = |record| self.forget(&self.memory().slab(record), record, cpu);
            self.take_empty(&here.partial, &here.partial_slabs, leaves)
        };
        self.release_slabs(cache, &empty);
    }

    /// Gives back the empty ones among the first few slabs that no CPU owns.
    fn shrink_shared(&self, cache: &KmemCache<CPUS>) {
        let empty = {
            let _masked = self.memory().mask();
            let shared = cache.shared.lock(|| self.memory().contended());
            self.take_empty(&shared.partial, &shared.partial_slabs, |_| ())
        };
        self.release_slabs(cache, &empty);
    }

    /// A list of the empty ones among the first few slabs of another, from which they are taken; the next time
    /// the next ones have their turn. Each `leaves` while it still is whose list that is. Under what protects it.
    fn take_empty(&self, first: &AtomicU32, count: &AtomicU32, leaves: impl Fn(u32)) -> AtomicU32 {
        let empty = AtomicU32::new(0);
        let mut slabs = list::iter(self.memory(), first);
        for record in slabs.by_ref().take(BATCH as usize) {
            if self.is_empty(record) {
                leaves(record);
                self.unlink_empty(first, count, record);
                list::push(self.memory(), &empty, record);
            }
        }
        if let Some(next) = slabs.next() {
            list::turn_to(self.memory(), first, next);
        }
        empty
    }

    /// Gives back empty slabs that nobody else knows. No lock is held.
    fn release_slabs(&self, cache: &KmemCache<CPUS>, slabs: &AtomicU32) {
        while let Some(record) = list::pop(self.memory(), slabs) {
            self.release_slab(cache, record);
        }
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
    /// leaves to the others what it has too much of, gives back some slabs of caches that are about to go, and
    /// notices that requests are to fail, or that one is to be served from a guarded page.
    pub fn tick(&self) {
        self.sample_tick();
        if CPUS == 1 {
            return;
        }
        for cache in self.caches() {
            if cache.is_dying.load(Relaxed) {
                self.gather(cache);
                self.shrink_own(cache);
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
        self.unlink_empty(&here.partial, &here.partial_slabs, record);
        self.release_slab(cache, record);
    }

    /// Takes an empty slab off a list: the caller's to give back when it holds no lock.
    pub(super) fn unlink_empty(&self, first: &AtomicU32, count: &AtomicU32, record: u32) {
        let pages = self.memory().slab(record).header.is.order.pages();
        self.spare_pages.fetch_sub(pages, Relaxed);
        list::remove(self.memory(), first, record);
        count.store(count.load(Relaxed) - 1, Relaxed);
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
