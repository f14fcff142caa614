//! The hook of [`kfence`](crate::kfence): some requests are served from its pool, and come back there.
//!
//! The quick paths know nothing of it. When the gate opens, a CPU gives up its current slab in one cache, as
//! [`failing`](super::failing) has it: so that cache's next request is not quick, and finds the gate. It also finds the
//! slab, and makes it the current one again with the request after. Whose turn it is goes round the caches that
//! this CPU took objects of since their last turn: those have a current slab. Any other request that is not quick may
//! come first.
//!
//! A page of the pool says so in its descriptor ([`SAMPLED`]), where a slab's names a record. So an object
//! that comes back is found by whoever is not a current slab's, and by no request before.
#![expect(unsafe_code, reason = "the duties of who gives memory by its address")]

use core::ptr;

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::error::{NotGiven, ObjectError};
use super::flags::SlabFlags;
use super::memory::Books;
use super::name::Name;
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::kfence::{Access, BeginError, Figures, KfenceReport, Pool, Refused, Sampler, Want};
use crate::platform::{Lowmem, Report};
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;
use crate::zone::Gfp;

/// In word 3 of a page's descriptor: the page is one of the pool. As [`LARGE`](super::kmalloc::LARGE), the address of
/// no record.
pub(super) const SAMPLED: u32 = 2;

/// What a CPU has done to have requests look at the gate; for that CPU, interrupts masked.
pub(super) struct Turns {
    /// For which opening.
    opening: AtomicU32,
    /// How many caches, in the order of their list, have had their turn.
    turn: AtomicU32,
}

impl Turns {
    pub(super) const fn new() -> Self {
        Self { opening: AtomicU32::new(0), turn: AtomicU32::new(0) }
    }
}

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Samples requests from now on: one every `interval` ticks gets an object of `pool`; with 0 none does until
    /// [`set_sample_interval`](Self::set_sample_interval) says more. The pool's pages fault at once. `seed` begins the order in which
    /// objects lie at the left and the right end of their pages. Once, at boot; may sleep.
    ///
    /// # Errors
    ///
    /// [`BeginError`]; nothing has changed then.
    ///
    /// # Safety
    ///
    /// 1. The pages of the pool are the caller's, for good: nobody else reads or writes them.
    /// 2. Each is mapped by an entry of its own, as [`PageGuard`](crate::kfence::PageGuard) needs it.
    pub unsafe fn begin_sampling(
        &self,
        pool: Pool,
        interval: u32,
        seed: u32,
    ) -> Result<(), BeginError> {
        let guard = self.memory().page_guard().ok_or(BeginError::NoGuard)?;
        if self.sampler.pool().objects() > 0 {
            return Err(BeginError::Begun);
        }
        let range = pool.range();
        let is_possible = (1..=Pool::MOST_OBJECTS).contains(&pool.objects())
            && range.start().is_aligned(PAGE_SIZE)
            && pool.pages().all(|page| self.page(page).is_some_and(|page| page.own() == 0));
        if !is_possible {
            return Err(BeginError::Pool { pool });
        }
        let bytes = Sampler::record_bytes(&pool);
        let records = self
            .take_large(bytes, Gfp::GFP_KERNEL | Gfp::__GFP_ZERO)
            .map_err(BeginError::NoMemory)?;
        self.sampler.begin(self.memory(), guard, pool, records, seed);
        // With this, what was written before is seen by who comes by a page.
        pool.pages().filter_map(|page| self.page(page)).for_each(|page| page.set_own(SAMPLED));
        self.set_sample_interval(interval);
        Ok(())
    }

    /// From now on one request every so many ticks is sampled; none with 0, or if there is no pool. Objects of
    /// the pool that are out stay what they are.
    pub fn set_sample_interval(&self, ticks: u32) {
        self.sampler.set_interval(ticks, self.memory().now());
    }

    /// Has the next request on this CPU for an object of this cache sampled, if there is a pool, it fits, and no
    /// other request comes first that is not quick. For tests of what the pool finds.
    pub fn sample_next(&self, cache: &KmemCache<CPUS>) {
        let masked = self.memory().mask();
        self.give_up_current(cache, self.memory().cpu(&masked) & (CPUS - 1));
        self.sampler.open();
    }

    /// What was counted.
    #[must_use]
    pub fn kfence_figures(&self) -> Figures {
        self.sampler.figures(self.memory())
    }

    /// The pool; one of no objects if nothing is sampled.
    #[must_use]
    pub fn kfence_pool(&self) -> Pool {
        self.sampler.pool()
    }

    /// An access faulted. If it was to a page of the pool, says what was wrong with it, and opens the page: then the
    /// access is to be made again, and works. `None` of any other. Any context, also that of the fault.
    #[must_use = "a fault of the pool is to be reported"]
    pub fn on_fault(&self, access: Access) -> Option<KfenceReport> {
        self.sampler.on_fault(self.memory(), access, &|cache| self.name_of(cache))
    }

    /// The name of the cache at an address.
    fn name_of(&self, cache: u32) -> Name {
        self.cache(cache).name
    }

    /// Part of a CPU's tick: if the gate is open, this CPU does its part, once, to have a request see it.
    #[inline]
    pub(super) fn sample_tick(&self) {
        if self.sampler.is_on()
            && let Some(opening) = self.sampler.tick(self.memory().now())
        {
            self.give_up_a_turn(opening);
        }
    }

    #[cold]
    fn give_up_a_turn(&self, opening: u32) {
        let caches = self.caches();
        let masked = self.memory().mask();
        let cpu = self.memory().cpu(&masked) & (CPUS - 1);
        let Turns { opening: seen, turn } = &self.turns[cpu];
        if seen.load(Relaxed) == opening {
            drop(masked);
            return;
        }
        seen.store(opening, Relaxed);
        let had = turn.load(Relaxed);
        let mut first = None;
        let mut next = None;
        let is_used =
            |cache: &KmemCache<CPUS>| cache.cpu[cpu].current().is_some() && self.is_sampled(cache);
        for (place, cache) in (0..).zip(caches).filter(|(_, cache)| is_used(cache)) {
            first = first.or(Some((place, cache)));
            if place >= had {
                next = Some((place, cache));
                break;
            }
        }
        if let Some((place, cache)) = next.or(first) {
            turn.store(place + 1, Relaxed);
            self.give_up_current(cache, cpu);
        }
        drop(masked);
    }

    /// May requests of this cache be served from the pool? Not those of caches of caches, which stand in the
    /// allocator's own books; of what devices alone reach; and of what does not fit a page.
    fn is_sampled(&self, cache: &KmemCache<CPUS>) -> bool {
        !ptr::eq(cache, self.root())
            && !cache.flags.contains(SlabFlags::SLAB_CACHE_DMA)
            && cache.object_size() <= PAGE_SIZE
    }

    /// Serves a request for `size` bytes from the pool, if it is its turn. That is not the object's size if `kmalloc` was
    /// asked for less than its class has; as in Linux the rest is watched, and lies on no end of the page.
    #[cold]
    #[inline(never)]
    pub(super) fn take_sampled(&self, cache: &KmemCache<CPUS>, size: u32) -> Option<VirtAddr> {
        if !self.is_sampled(cache) {
            self.sampler.skip();
            return None;
        }
        let want = Want {
            size: size.min(cache.object_size()),
            align: cache.geometry.align,
            cache: self.address_of(cache),
            site: self.memory().call_site(),
        };
        let object = self.sampler.take(self.memory(), &want)?;
        if let Some(constructor) = cache.constructor {
            self.memory().call(constructor, object);
        }
        Some(object)
    }

    /// Gives back an object of the pool.
    #[cold]
    #[inline(never)]
    pub(super) fn give_sampled(
        &self,
        named: Option<&KmemCache<CPUS>>,
        object: VirtAddr,
    ) -> Result<(), NotGiven> {
        let memory = self.memory();
        let site = memory.call_site();
        let name = |cache| self.name_of(cache);
        let leaving = match self.sampler.begin_give(memory, object, site) {
            Ok(leaving) => leaving,
            Err(Refused::InPool) => return self.refuse(object, ObjectError::InPool { object }),
            Err(Refused::Invalid) => {
                let report = self.sampler.invalid_free(memory, object, site, &name);
                memory.report(&Report::Sampled { report: &report });
                return Err(NotGiven { object });
            }
        };
        for report in self.sampler.corruption(memory, &leaving, site, &name) {
            memory.report(&Report::Sampled { report: &report });
        }
        // It lives while an object of it is not free.
        let cache = self.cache(leaving.cache);
        if let Some(destructor) = cache.destructor {
            memory.call(destructor, object);
        }
        if let Some(named) = named.filter(|named| !ptr::eq(*named, cache)) {
            self.report_wrong_cache(named, cache, object);
        }
        self.sampler.finish_give(memory, leaving);
        Ok(())
    }

    /// Is this an address of the pool?
    pub(super) fn is_of_pool(&self, virt: VirtAddr) -> bool {
        self.page(virt).is_some_and(|page| page.own() == SAMPLED)
    }

    /// Parks an allocated object of the pool, of a cache that `is_ours`.
    pub(super) fn park_sampled(
        &self,
        object: VirtAddr,
        is_ours: impl FnOnce(&KmemCache<CPUS>) -> bool,
    ) -> bool {
        let cache = self.sampler.cache_of(self.memory(), object);
        cache.is_some_and(|cache| {
            is_ours(self.cache(cache)) && self.sampler.park(self.memory(), object, cache)
        })
    }
}
