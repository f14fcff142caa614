//! Objects by their addresses: for C callers, and for owners that keep an address and nothing else.
#![expect(unsafe_code, reason = "the duties of who gives back an object by its address")]

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::error::NotGiven;
use crate::addr::VirtAddr;
use crate::platform::Lowmem;

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Gives back an object of `cache`. Any context. Linux's `kmem_cache_free`.
    ///
    /// An object of another cache is given back to that, and reported.
    ///
    /// # Errors
    ///
    /// [`NotGiven`] when there is no allocated object at that address. Nothing has changed then, and the
    /// fault has been reported.
    ///
    /// # Safety
    ///
    /// 1. The object is the caller's: it came from [`take_object`](Self::take_object), and was not given
    ///    back since.
    /// 2. Nobody reads or writes it from now on. That includes devices.
    /// 3. If the cache has a constructor, the object is in the state that this leaves it in.
    #[inline(always)]
    pub unsafe fn free_object(
        &self,
        cache: &KmemCache<CPUS>,
        object: VirtAddr,
    ) -> Result<(), NotGiven> {
        self.give_object(cache, object)
    }
}
