//! Where an object comes from.

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::cpu_slab::Fresh;
use super::flags::SlabFlags;
use super::hand_over;
use super::list;
use super::memory::Books;
use super::slab::Owner;
use super::taken::Taken;
use crate::addr::VirtAddr;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::zone::{AllocError, Gfp, GfpError};

/// Flags that the quick path does not take: zeroing is more work, what names a zone or a mobility is for the
/// cache to say, and `__GFP_NOFAIL` contradicts several others. They fit one instruction, which `GFP_ATOMIC`'s
/// must pass.
pub(super) const NOT_QUICK: Gfp = Gfp::__GFP_DMA
    .union(Gfp::__GFP_HIGHMEM)
    .union(Gfp::__GFP_DMA32)
    .union(Gfp::__GFP_MOVABLE)
    .union(Gfp::__GFP_RECLAIMABLE)
    .union(Gfp::__GFP_ZERO)
    .union(Gfp::__GFP_NOFAIL);

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Takes an object. It holds whatever it held, or what the constructor made of it, unless the flags say
    /// `__GFP_ZERO`. Who takes it gives it back. Linux's `kmem_cache_alloc`.
    ///
    /// Any context if `gfp` has no `__GFP_DIRECT_RECLAIM`; otherwise one that may sleep.
    ///
    /// # Errors
    ///
    /// [`AllocError`] when the flags contradict each other or want a page that the cache does not have,
    /// or when there is no memory and nobody can help. Two faults are not looked for if an object is at hand:
    /// unknown flags, and `__GFP_ATOMIC` with leave to sleep.
    #[inline(always)]
    pub fn take_object(&self, cache: &KmemCache<CPUS>, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.take_object_raw(cache, gfp).result()
    }

    /// As [`take_object`](Self::take_object), in one word.
    #[inline(always)]
    pub fn take_object_raw(&self, cache: &KmemCache<CPUS>, gfp: Gfp) -> Taken {
        if !gfp.intersects(NOT_QUICK) {
            let masked = self.memory().mask();
            if let Some(object) = self.cpu_slab(cache, &masked).take() {
                return Taken::object(object);
            }
        }
        Self::take_with_care(cache, gfp)
    }

    /// This CPU's part of a cache.
    #[inline(always)]
    pub(super) fn cpu_slab<'c>(
        &self,
        cache: &'c KmemCache<CPUS>,
        masked: &P::Masked,
    ) -> &'c super::cpu_slab::CpuSlab {
        // A power of two, so this is no bounds check.
        &cache.cpu[self.memory().cpu(masked) & (CPUS - 1)]
    }

    /// An object of a request that is not quick.
    #[inline(always)]
    pub(super) fn take_with_care(cache: &KmemCache<CPUS>, gfp: Gfp) -> Taken {
        Self::take_sized(cache, gfp, cache.object_size())
    }

    /// As [`take_with_care`](Self::take_with_care), where `size` bytes were asked for and no more are used: of an object
    /// in a guarded page, the rest is watched.
    #[inline(never)]
    pub(super) fn take_sized(cache: &KmemCache<CPUS>, gfp: Gfp, size: u32) -> Taken {
        let this = Self::of(cache);
        if let Err(error) = this.check_flags(cache, gfp) {
            return Taken::error(error);
        }
        let taken = if cache.is_watched.load(Relaxed) {
            this.take_watched(cache, gfp, size)
        } else if this.sampler.is_open()
            && let Some(object) = this.take_sampled(cache, size)
        {
            Ok(object)
        } else {
            this.take_anyhow::<true>(cache, gfp)
        };
        if let Ok(object) = taken
            && gfp.wants_zero()
        {
            let (memory, bytes) = (this.memory(), cache.object_size());
            // Behind an odd number of bytes, the rest of the last word is watched.
            if this.is_of_pool(object) {
                memory.fill_bytes(object, size, 0);
            } else if cache.is_guarded() {
                memory.fill_bytes(object, bytes, 0);
            } else {
                memory.zero_bytes(object, bytes);
            }
        }
        taken.into()
    }

    fn check_flags(&self, cache: &KmemCache<CPUS>, gfp: Gfp) -> Result<(), AllocError> {
        gfp.check_addressable().map_err(AllocError::flags)?;
        if gfp.contains(Gfp::__GFP_DMA) && !cache.flags.contains(SlabFlags::SLAB_CACHE_DMA) {
            return Err(AllocError::flags(GfpError::NotDmaCache));
        }
        if gfp.wants_zero() && cache.constructor.is_some() {
            return Err(AllocError::flags(GfpError::ZeroOfConstructed));
        }
        Ok(())
    }

    /// An object of a request that is quick but for the zeroes.
    #[inline(always)]
    pub(super) fn take_zeroed(&self, cache: &KmemCache<CPUS>, gfp: Gfp) -> Option<VirtAddr> {
        if gfp.intersection(NOT_QUICK) != Gfp::__GFP_ZERO {
            return None;
        }
        let object = {
            let masked = self.memory().mask();
            self.cpu_slab(cache, &masked).take()?
        };
        self.memory().zero_bytes(object, cache.object_size());
        Some(object)
    }

    /// An object of a slab that there is, or of a new one. Only if it `STAYS` is that the current slab for the
    /// next request.
    pub(super) fn take_anyhow<const STAYS: bool>(
        &self,
        cache: &KmemCache<CPUS>,
        gfp: Gfp,
    ) -> Result<VirtAddr, AllocError> {
        loop {
            {
                let masked = self.memory().mask();
                let cpu = self.memory().cpu(&masked) & (CPUS - 1);
                if let Some(object) = self.refill(cache, cpu) {
                    if !STAYS {
                        self.give_up_current(cache, cpu);
                    }
                    return Ok(object);
                }
            }
            let record = self.new_slab(cache, gfp)?;
            let masked = self.memory().mask();
            let cpu = self.memory().cpu(&masked) & (CPUS - 1);
            // A handler may have found another meanwhile, and what it left is taken first.
            self.keep(cache, cpu, record);
        }
    }

    /// An object of a slab that there is already. Interrupts are masked.
    #[inline(always)]
    fn refill(&self, cache: &KmemCache<CPUS>, cpu: usize) -> Option<VirtAddr> {
        let here = &cache.cpu[cpu];
        self.empty_mailbox(cache, cpu);
        if let Some(object) = here.take() {
            return Some(object);
        }
        self.retire(cache, cpu);
        let record = list::pop(self.memory(), &here.partial)
            .inspect(|_| {
                here.partial_slabs.store(here.partial_slabs.load(Relaxed) - 1, Relaxed);
            })
            .or_else(|| hand_over::adopt(&self.of_cache(cache), cpu))?;
        self.make_current(cache, cpu, record);
        here.take()
    }

    /// The current slab, whose objects are all allocated, is no longer that: the first that comes back
    /// puts it on the list. Interrupts are masked.
    fn retire(&self, cache: &KmemCache<CPUS>, cpu: usize) {
        let Some((record, head)) = cache.cpu[cpu].clear() else { return };
        let slab = self.memory().slab(record);
        slab.put_list(head);
        slab.header.left.store(1, Relaxed);
        slab.set_owner(Owner::cpu(cpu));
        self.hint_slab(&slab, record, cpu);
    }

    /// Makes a slab that is on no list the current one. Interrupts are masked.
    fn make_current(&self, cache: &KmemCache<CPUS>, cpu: usize, record: u32) {
        let slab = self.memory().slab(record);
        slab.set_owner(Owner::current(cpu));
        slab.header.listed.store(0, Relaxed);
        if slab.header.left.load(Relaxed) == 0 {
            self.spare_pages.fetch_sub(slab.header.is.order.pages(), Relaxed);
        }
        // It needs no attention, whatever comes back.
        slab.header.left.store(u32::MAX, Relaxed);
        let head = slab.take_list();
        let origin = slab.header.is.origin;
        cache.cpu[cpu].set(&Fresh { head, entries: slab.entries, origin, record });
        self.hint_cache(cache, &slab, cpu);
    }

    /// Puts a slab that is on no list, and nobody else's, on this CPU's. Interrupts are masked.
    pub(super) fn keep(&self, cache: &KmemCache<CPUS>, cpu: usize, record: u32) {
        let slab = self.memory().slab(record);
        let here = &cache.cpu[cpu];
        slab.set_owner(Owner::cpu(cpu));
        slab.header.listed.store(1, Relaxed);
        if slab.header.left.load(Relaxed) == 0 {
            self.spare_pages.fetch_add(slab.header.is.order.pages(), Relaxed);
        }
        list::push(self.memory(), &here.partial, record);
        here.partial_slabs.store(here.partial_slabs.load(Relaxed) + 1, Relaxed);
    }
}
