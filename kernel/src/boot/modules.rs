//! The list of modules, empty, and the cache that their records come from.

use mm::object::SlabFlags;

use super::stop_for;
use crate::maps::Maps;
use crate::modules::registry::{Home, ModuleCache, Registry};
use crate::slabs::Slabs;
use crate::vmalloc::Modules;
use spin::Once;

static CACHE: Once<ModuleCache> = Once::new();

/// Makes them.
pub fn make(area: &'static Modules, maps: &'static Maps, slabs: &'static Slabs) -> Registry {
    // Records are trusted: nobody else's objects lie among them.
    let cache = ModuleCache::new(slabs, "module", SlabFlags::SLAB_NO_MERGE);
    let cache = stop_for(cache, "can not make the cache of modules");
    let cache = CACHE.call_once(|| cache);
    Registry::new(Home { area, maps, cache, slabs })
}
