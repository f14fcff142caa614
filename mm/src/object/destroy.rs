//! The end of a cache.
#![expect(unsafe_code, reason = "the duties of who destroys what others may use")]

use arrayvec::ArrayVec;

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::error::Busy;
use super::guarded::LiveObject;
use super::memory::Books;
use super::sampled::SAMPLED;
use super::slab::Slab;
use crate::addr::VirtAddr;
use crate::frame::Page;
use crate::platform::{Answer, Lowmem, Report, Shortage};
use crate::sync::Ordering::Relaxed;
use crate::zone::Gfp;

/// How many objects a report lists that keep a cache from ending.
const MOST_LISTED: usize = 16;

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// One name less for a cache; with the last one all its slabs go back, and the cache itself. May sleep:
    /// on a machine with several CPUs the others must give up what they keep, which they do at their
    /// [`tick`](Self::tick). Linux's `kmem_cache_destroy`.
    ///
    /// # Errors
    ///
    /// [`Busy`] when objects are still allocated, or slabs are out of use. The cache stays as it is, and has
    /// been reported with the first of its objects; [`live_objects`](Self::live_objects) lists all.
    ///
    /// # Safety
    ///
    /// 1. The caller answers for one name of the cache: it was created, and not destroyed since.
    /// 2. With `Ok`, who created it under that name uses it no more.
    /// 3. No call that takes or gives back an object of it under that name is still running, on any CPU.
    pub unsafe fn destroy(&self, cache: &KmemCache<CPUS>) -> Result<(), Busy> {
        {
            let _masked = self.memory().mask();
            // Whoever looks for a cache to share takes a name of it under the lock, and of none that is dying.
            let _caches = self.caches.lock(|| self.memory().contended());
            if cache.names.fetch_sub(1, Relaxed) > 1 {
                return Ok(());
            }
            cache.is_dying.store(true, Relaxed);
        }
        let mut shortage =
            Shortage { gfp: Gfp::GFP_KERNEL, order: Default::default(), round: 0, freed: 0 };
        let mut slabs = cache.slabs.load(Relaxed);
        loop {
            self.shrink(cache);
            let left = cache.slabs.load(Relaxed);
            if left == 0 && self.sampler.objects_of(self.memory(), self.address_of(cache)) == 0 {
                break;
            }
            // Others give up a few at a time. As long as they do, it is worth to wait.
            shortage.freed = slabs.saturating_sub(left) << cache.geometry.min_order.as_u32();
            slabs = left;
            let others_may_help = CPUS > 1;
            if !others_may_help || self.memory().wait(&shortage) == Answer::NobodyCanHelp {
                return Err(self.still_busy(cache));
            }
            shortage.round += 1;
        }
        self.sampler.forget_cache(self.memory(), self.address_of(cache));
        self.unlist(self.address_of(cache));
        Ok(())
    }

    fn still_busy(&self, cache: &KmemCache<CPUS>) -> Busy {
        {
            let _masked = self.memory().mask();
            let _caches = self.caches.lock(|| self.memory().contended());
            cache.is_dying.store(false, Relaxed);
            cache.names.store(1, Relaxed);
        }
        let objects = self.objects_out(cache);
        let busy = Busy { objects, slabs: cache.slabs.load(Relaxed) };
        let live: ArrayVec<LiveObject, MOST_LISTED> = self.live(cache).take(MOST_LISTED).collect();
        let now = self.memory().now();
        self.memory().report(&Report::CacheBusy { cache: &cache.name, busy, live: &live, now });
        busy
    }

    /// The objects of a cache that are allocated, by ascending address; those that lie in a pool are. While
    /// others use the cache, some may be missed. Any context.
    pub fn live_objects(&self, cache: &KmemCache<CPUS>) -> impl Iterator<Item = VirtAddr> {
        let pages = self.lowmem_pages().filter(|(_, page)| page.own() >= SAMPLED);
        pages.flat_map(move |(virt, page)| {
            let mut from = 1;
            core::iter::from_fn(move || {
                let (number, object) = self.live_object(cache, virt, page, from)?;
                from = number + 1;
                Some(object)
            })
        })
    }

    /// The first allocated object, of those from a number on, of the slab of this cache that begins at a page;
    /// with its number.
    ///
    /// Other CPUs may give the slab back meanwhile, but not its record: for that they need the lock, and before
    /// they take it the page has forgotten the record.
    fn live_object(
        &self,
        cache: &KmemCache<CPUS>,
        virt: VirtAddr,
        page: &Page,
        from: u32,
    ) -> Option<(u32, VirtAddr)> {
        if page.own() == SAMPLED {
            // There is one in a page at most.
            let object = self.sampler.live_at(self.memory(), virt, self.address_of(cache))?;
            return (from == 1).then_some((from, object));
        }
        let _masked = self.memory().mask();
        let _records = self.records.lock(|| self.memory().contended());
        let record = page.own_of_others();
        if record <= SAMPLED {
            return None;
        }
        let slab = self.memory().slab(record);
        let is = &slab.header.is;
        if is.start != virt || is.cache != self.address_of(cache) {
            return None;
        }
        slab.objects().skip(from as usize - 1).find_map(|(number, entry)| {
            let object = slab.object(number, cache.geometry.stride);
            Slab::is_out(entry.load(Relaxed), object).then_some((number, object))
        })
    }
}
