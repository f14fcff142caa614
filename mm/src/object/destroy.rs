//! The end of a cache.
#![expect(unsafe_code, reason = "the duties of who destroys what others may use")]

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::error::Busy;
use crate::addr::VirtAddr;
use crate::platform::{Answer, Lowmem, Report, Shortage};
use crate::sync::Ordering::Relaxed;
use crate::zone::Gfp;

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// One name less for a cache; with the last one all its slabs go back, and the cache itself. May sleep:
    /// on a machine with several CPUs the others must give up what they keep, which they do at their
    /// [`tick`](Self::tick). Linux's `kmem_cache_destroy`.
    ///
    /// # Errors
    ///
    /// [`Busy`] when objects are still allocated. The cache stays as it is, and has been reported with
    /// what is allocated; [`live_objects`](Self::live_objects) lists it.
    ///
    /// # Safety
    ///
    /// 1. The caller answers for one name of the cache: it was created, and not destroyed since.
    /// 2. With `Ok`, who created it under that name uses it no more.
    pub unsafe fn destroy(&self, cache: &KmemCache<CPUS>) -> Result<(), Busy> {
        {
            let _masked = self.memory().mask();
            // Whoever looks for a cache to share takes a name of it under the lock.
            let _caches = self.caches.lock(|| self.memory().contended());
            if cache.names.fetch_sub(1, Relaxed) > 1 {
                return Ok(());
            }
            cache.is_dying.store(true, Relaxed);
        }
        let mut shortage =
            Shortage { gfp: Gfp::GFP_KERNEL, order: Default::default(), round: 0, freed: 0 };
        loop {
            self.shrink(cache);
            if cache.slabs.load(Relaxed) == 0 {
                break;
            }
            let others_may_help = CPUS > 1;
            if !others_may_help || self.memory().wait(&shortage) == Answer::NobodyCanHelp {
                return Err(self.still_busy(cache));
            }
            shortage.round += 1;
        }
        let at = self.address_of(cache);
        self.unlist(at);
        // It was an object of that cache.
        let _ = self.give_object(self.root(), VirtAddr::new(at));
        Ok(())
    }

    fn still_busy(&self, cache: &KmemCache<CPUS>) -> Busy {
        cache.is_dying.store(false, Relaxed);
        cache.names.fetch_add(1, Relaxed);
        let objects = self.objects_out(cache);
        let busy = Busy { objects, slabs: cache.slabs.load(Relaxed) };
        self.memory().report(&Report::CacheBusy { cache: &cache.name, busy });
        busy
    }

    /// The objects of a cache that are allocated, by ascending address. While others use the cache, some may
    /// be missed.
    pub fn live_objects(&self, cache: &KmemCache<CPUS>) -> impl Iterator<Item = VirtAddr> {
        let at = self.address_of(cache);
        let stride = cache.geometry.stride;
        self.slabs_of(at).flat_map(move |slab| {
            slab.objects().filter_map(move |(number, entry)| {
                let object = slab.object(number, stride);
                (entry.load(Relaxed) == object.as_u32()).then_some(object)
            })
        })
    }
}
