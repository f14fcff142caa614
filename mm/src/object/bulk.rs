//! Many objects of one cache in one call.
#![expect(unsafe_code, reason = "the duties of who gives back objects by their addresses")]

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::error::NotGiven;
use super::memory::Books;
use super::take::NOT_QUICK;
use crate::addr::VirtAddr;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::zone::{AllocError, Gfp};

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Takes as many objects as `objects` has places for: all, or none. Linux's `kmem_cache_alloc_bulk`.
    ///
    /// # Errors
    ///
    /// As [`take_object`](Self::take_object), and then nothing has been taken.
    #[inline]
    pub fn take_objects(
        &self,
        cache: &KmemCache<CPUS>,
        gfp: Gfp,
        objects: &mut [VirtAddr],
    ) -> Result<(), AllocError> {
        let taken = self.take_many(cache, gfp, objects);
        if taken == objects.len() {
            return Ok(());
        }
        self.take_rest(cache, gfp, objects, taken)
    }

    /// As many as the current slab has; none if the flags need care.
    #[inline]
    fn take_many(&self, cache: &KmemCache<CPUS>, gfp: Gfp, objects: &mut [VirtAddr]) -> usize {
        if gfp.intersects(NOT_QUICK) {
            return 0;
        }
        let masked = self.memory().mask();
        self.cpu_slab(cache, &masked).take_many(objects)
    }

    #[inline(never)]
    fn take_rest(
        &self,
        cache: &KmemCache<CPUS>,
        gfp: Gfp,
        objects: &mut [VirtAddr],
        mut taken: usize,
    ) -> Result<(), AllocError> {
        while let Some((place, rest)) =
            objects.get_mut(taken..).and_then(<[VirtAddr]>::split_first_mut)
        {
            match self.take_object(cache, gfp) {
                Ok(object) => *place = object,
                Err(error) => {
                    for object in objects.iter().take(taken) {
                        // They were just taken, so they can be given.
                        let _ = self.give_object(cache, *object);
                    }
                    return Err(error);
                }
            }
            taken += 1 + self.take_many(cache, gfp, rest);
        }
        Ok(())
    }

    /// Gives back objects of this cache, each as [`free_object`](Self::free_object) does. Linux's
    /// `kmem_cache_free_bulk`.
    ///
    /// # Errors
    ///
    /// The first [`NotGiven`]; the others have been given back all the same.
    ///
    /// # Safety
    ///
    /// As [`free_object`](Self::free_object), for each of them.
    #[inline]
    pub unsafe fn free_objects(
        &self,
        cache: &KmemCache<CPUS>,
        objects: &[VirtAddr],
    ) -> Result<(), NotGiven> {
        let given = {
            let masked = self.memory().mask();
            self.cpu_slab(cache, &masked).give_many(objects)
        };
        if given == objects.len() {
            return Ok(());
        }
        self.give_rest(cache, objects.get(given..).unwrap_or_default())
    }

    #[inline(never)]
    fn give_rest(&self, cache: &KmemCache<CPUS>, objects: &[VirtAddr]) -> Result<(), NotGiven> {
        let mut result = Ok(());
        let mut rest = objects;
        while let Some((first, others)) = rest.split_first() {
            let given = self.give_run(cache, *first, rest);
            if given > 0 {
                rest = rest.get(given..).unwrap_or_default();
            } else {
                result = result.and(self.give_object(cache, *first));
                rest = others;
            }
        }
        result
    }

    /// Gives back the first of these objects, as many as are of the slab that the hint for the first one's page
    /// names, or else of the current one. Says how many.
    fn give_run(&self, cache: &KmemCache<CPUS>, first: VirtAddr, objects: &[VirtAddr]) -> usize {
        let masked = self.memory().mask();
        let cpu = self.memory().cpu(&masked) & (CPUS - 1);
        let record = self.slab_hints[cpu].of(first).load(Relaxed);
        let slab = self.memory().slab(record);
        if slab.header.is.cache != self.address_of(cache) {
            return self.cpu_slab(cache, &masked).give_many(objects);
        }
        let (given, needs_attention) = slab.give_many(objects);
        if needs_attention {
            self.attend(cpu, record);
        }
        given
    }
}
