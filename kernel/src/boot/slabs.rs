//! From the page allocator to objects.

use mm::object::SlabAllocator;

use super::LinearMap;
use crate::pages::Pages;
use crate::slabs::{self, Slabs};
use crate::stop::halt;

/// The slab allocator, with the caches of `kmalloc`, where it stays.
pub fn make(pages: &'static Pages, linear: LinearMap) -> &'static Slabs {
    let Some(place) = slabs::place() else {
        halt(format_args!("there is a slab allocator already"));
    };
    match SlabAllocator::new_in(place, pages, *linear) {
        Ok(slabs) => {
            // There are fewer than can be.
            let _ = pages.register_shrinker(slabs);
            slabs
        }
        Err(error) => halt(format_args!("can not make the caches of kmalloc: {error}")),
    }
}
