//! Who took the live objects of a cache, summed by call site.

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::flags::SlabFlags;
use super::guarded::Track;
use crate::platform::Lowmem;

/// Live objects that were taken at one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taker {
    /// The return address.
    pub site: u32,
    /// How many objects.
    pub objects: u32,
}

/// The sums of one cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Takers<'t> {
    /// Those with the most objects first.
    pub by_site: &'t [Taker],
    /// Objects whose call sites the table had no room for.
    pub others: u32,
}

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Sums the live objects of a cache by who took them, in a table of the caller's; `None` if the cache
    /// does not remember (`SLAB_STORE_USER`). While others use the cache, about.
    pub fn takers<'t>(
        &self,
        cache: &KmemCache<CPUS>,
        table: &'t mut [Taker],
    ) -> Option<Takers<'t>> {
        if !cache.flags.contains(SlabFlags::SLAB_STORE_USER) {
            return None;
        }
        let (mut len, mut others) = (0, 0);
        for Track { site, .. } in self.holders(cache) {
            let known = table.iter_mut().take(len).find(|taker| taker.site == site);
            match known {
                Some(taker) => taker.objects += 1,
                None => match table.get_mut(len) {
                    Some(place) => {
                        *place = Taker { site, objects: 1 };
                        len += 1;
                    }
                    None => others += 1,
                },
            }
        }
        let by_site = table.get_mut(..len).unwrap_or_default();
        by_site.sort_unstable_by_key(|taker| core::cmp::Reverse(taker.objects));
        Some(Takers { by_site, others })
    }
}
