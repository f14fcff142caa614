//! Failures on purpose: `failslab=`.
//!
//! While they are on for a cache, its requests leave a CPU without a current slab, as if the slab had
//! nothing left: it goes to the partial ones. So the quick paths find nothing, in whatever form the next
//! request comes, and each one is looked at here. Off, the next request makes a slab the current one again,
//! and the quick paths have never known of it.
//!
//! Some requests never fail: with `__GFP_NOFAIL`; of the cache of caches, as in Linux; and if `slab_debug=`
//! has the letter `A`, of all caches without it, which is Linux's `cache-filter`. What is too large for a
//! cache is a request for pages: [`PageAllocator::inject_failures`](crate::zone::PageAllocator::inject_failures).

use core::ptr;

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::flags::SlabFlags;
use crate::addr::VirtAddr;
use crate::fault::FailConfig;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::zone::{AllocError, Gfp};

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Makes requests for objects fail as `config` says, each with the error that want of memory would end
    /// in; `space` counts bytes of objects, and a bulk request is one for each object. One at a time, by who
    /// may walk [`caches`](Self::caches).
    ///
    /// Another CPU goes on without failures in a cache until its current slab there has nothing left, or to
    /// its next [`tick`](Self::tick).
    pub fn inject_failures(&self, config: FailConfig) {
        self.fault.set(config);
        for cache in self.caches() {
            self.watch(cache);
            if self.may_fail(cache) {
                let masked = self.memory().mask();
                self.give_up_current(cache, self.memory().cpu(&masked) & (CPUS - 1));
            }
        }
    }

    /// Do requests fail on purpose, or would if their turn came?
    #[must_use]
    pub fn injects_failures(&self) -> bool {
        self.fault.is_on()
    }

    /// Which requests still are to fail; interval 0 when none is.
    #[must_use]
    pub fn failures_to_come(&self) -> FailConfig {
        self.fault.config()
    }

    /// How many requests were made to fail since [`inject_failures`](Self::inject_failures).
    #[must_use]
    pub fn injected_failures(&self) -> u32 {
        self.fault.failed()
    }

    /// Takes an object of a cache that is watched, for `size` bytes.
    #[cold]
    pub(super) fn take_watched(
        &self,
        cache: &KmemCache<CPUS>,
        gfp: Gfp,
        size: u32,
    ) -> Result<VirtAddr, AllocError> {
        if self.may_fail(cache) && self.fault.fails(gfp, cache.object_size()) {
            // As if there were no page for the smallest slab.
            let zone = cache.flags.page_flags().highest_zone();
            return Err(AllocError::no_memory(cache.geometry.min_order, zone));
        }
        if self.sampler.is_open()
            && let Some(object) = self.take_sampled(cache, size)
        {
            return Ok(object);
        }
        if cache.is_guarded() {
            self.take_guarded(cache, gfp)
        } else {
            self.take_anyhow::<false>(cache, gfp)
        }
    }

    /// Has a cache watched from now on if it must be. It is on the list: who makes one and who switches failures
    /// on do not miss each other.
    ///
    /// Both do so under the lock, so that the one who comes second knows what is on, and has the last word.
    pub(super) fn watch(&self, cache: &KmemCache<CPUS>) {
        let _masked = self.memory().mask();
        let _caches = self.caches.lock(|| self.memory().contended());
        cache.is_watched.store(cache.is_guarded() || self.may_fail(cache), Relaxed);
    }

    /// May requests of this cache fail on purpose now?
    fn may_fail(&self, cache: &KmemCache<CPUS>) -> bool {
        let letter = SlabFlags::SLAB_FAILSLAB;
        self.fault.is_on()
            && !ptr::eq(cache, self.root())
            && (cache.flags.contains(letter) || !self.options.names_caches_for(letter))
    }
}
