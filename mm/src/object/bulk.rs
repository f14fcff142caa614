//! Many objects of one cache in one call.
#![expect(unsafe_code, reason = "the duties of who gives back objects by their addresses")]

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::error::NotGiven;
use super::take::NOT_QUICK;
use crate::addr::VirtAddr;
use crate::platform::Lowmem;
use crate::zone::{AllocError, Gfp};

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Takes as many objects as `objects` has places for: all, or none. Linux's `kmem_cache_alloc_bulk`.
    ///
    /// # Errors
    ///
    /// As [`take_object`](Self::take_object), and then nothing has been taken.
    pub fn take_objects(
        &self,
        cache: &KmemCache<CPUS>,
        gfp: Gfp,
        objects: &mut [VirtAddr],
    ) -> Result<(), AllocError> {
        let mut taken = 0;
        while let Some(rest) = objects.get_mut(taken..).filter(|rest| !rest.is_empty()) {
            if !gfp.intersects(NOT_QUICK) {
                let masked = self.memory().mask();
                let count = self.cpu_slab(cache, &masked).take_many(rest);
                if count > 0 {
                    taken += count;
                    continue;
                }
            }
            match (self.take_object(cache, gfp), rest.first_mut()) {
                (Ok(object), Some(place)) => {
                    *place = object;
                    taken += 1;
                }
                (Err(error), _) => {
                    for object in objects.iter().take(taken) {
                        // They were just taken, so they can be given.
                        let _ = self.give_object(cache, *object);
                    }
                    return Err(error);
                }
                (Ok(_), None) => break,
            }
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
    pub unsafe fn free_objects(
        &self,
        cache: &KmemCache<CPUS>,
        objects: &[VirtAddr],
    ) -> Result<(), NotGiven> {
        let mut result = Ok(());
        let mut rest = objects;
        while let Some((first, others)) = rest.split_first() {
            let given = {
                let masked = self.memory().mask();
                self.cpu_slab(cache, &masked).give_many(rest)
            };
            if given > 0 {
                rest = rest.get(given..).unwrap_or_default();
                continue;
            }
            result = result.and(self.give_object(cache, *first));
            rest = others;
        }
        result
    }
}
