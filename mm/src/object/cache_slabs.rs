//! The slabs of one cache, as [`hand_over`](super::hand_over) wants to see them.

use super::allocator::SlabAllocator;
use super::cache::{KmemCache, Shared};
use super::hand_over::CacheSlabs;
use super::list;
use super::memory::Books;
use super::slab::{Back, Slab};
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, LockGuard};

/// A cache, and the allocator it belongs to.
pub(super) struct OfCache<'c, 'p, 'a, P, const CPUS: usize> {
    slabs: &'c SlabAllocator<'p, 'a, P, CPUS>,
    cache: &'c KmemCache<CPUS>,
}

impl<'p, 'a, P: Lowmem, const CPUS: usize> SlabAllocator<'p, 'a, P, CPUS> {
    /// The slabs of this cache.
    pub(super) const fn of_cache<'c>(
        &'c self,
        cache: &'c KmemCache<CPUS>,
    ) -> OfCache<'c, 'p, 'a, P, CPUS> {
        OfCache { slabs: self, cache }
    }
}

impl<P: Lowmem, const CPUS: usize> CacheSlabs for OfCache<'_, '_, '_, P, CPUS> {
    type Shared<'l>
        = LockGuard<'l, Shared>
    where
        Self: 'l;

    fn slab(&self, record: u32) -> Slab<'_> {
        self.slabs.memory().slab(record)
    }

    fn mailbox(&self, cpu: usize) -> &AtomicU32 {
        &self.cache.cpu[cpu].mailbox
    }

    fn shared(&self) -> LockGuard<'_, Shared> {
        self.cache.shared.lock(|| self.slabs.memory().contended())
    }

    fn give_to_current(&self, cpu: usize, back: Back) -> bool {
        self.cache.cpu[cpu].give_back(back)
    }

    fn give_to_own(&self, cpu: usize, record: u32, back: Back) -> bool {
        let slab = self.slab(record);
        let is_given = slab.give_back(back);
        if is_given && slab.one_came_back() {
            self.slabs.attend(cpu, record);
        }
        is_given
    }

    fn give_to_shared(&self, shared: LockGuard<'_, Shared>, record: u32, back: Back) -> bool {
        let slab = self.slab(record);
        let is_given = slab.give_back(back);
        let needs_attention = is_given && slab.one_came_back();
        let unneeded =
            needs_attention.then(|| self.slabs.attend_shared(self.cache, &shared, record));
        drop(shared);
        if let Some(record) = unneeded.flatten() {
            self.slabs.release_slab(self.cache, record);
        }
        is_given
    }

    fn push_shared(&self, shared: &mut LockGuard<'_, Shared>, record: u32) {
        list::push(self.slabs.memory(), &shared.partial, record);
        shared.partial_slabs.store(shared.partial_slabs.load(Relaxed) + 1, Relaxed);
    }

    fn pop_shared(&self, shared: &mut LockGuard<'_, Shared>) -> Option<u32> {
        let record = list::pop(self.slabs.memory(), &shared.partial)?;
        shared.partial_slabs.store(shared.partial_slabs.load(Relaxed) - 1, Relaxed);
        Some(record)
    }
}
