//! From the page allocator to objects.

use arch_arm::pmu;
use mm::fault::{FAILSLAB, FailConfig};
use mm::object::heap::Heap;
use mm::object::{SlabAllocator, SlabOptions};
use mm::param::params;
use monitor::words;

use super::LinearMap;
use crate::heap;
use crate::pages::Pages;
use crate::slabs::{self, Slabs};
use crate::stop::halt;

/// The slab allocator, with the caches of `kmalloc`, where it stays.
pub fn make(
    pages: &'static Pages,
    linear: LinearMap,
    command_line: &'static str,
) -> &'static Slabs {
    let Some(place) = slabs::place() else {
        halt(format_args!("there is a slab allocator already"));
    };
    match SlabAllocator::new_in(place, pages, *linear, read_options(command_line)) {
        Ok(slabs) => {
            // There are fewer than can be.
            let _ = pages.register_shrinker(slabs);
            match slabs.for_good(|| Heap::new(slabs)) {
                Ok(heap) => heap::publish(heap),
                Err(error) => halt(format_args!("can not make the caches of the heap: {error}")),
            }
            slabs
        }
        Err(error) => halt(format_args!("can not make the caches of kmalloc: {error}")),
    }
}

/// After boot, whose own requests do not fail on purpose: has requests for objects fail as `failslab=` says.
pub fn begin_failures(slabs: &Slabs, command_line: &'static str) {
    let mut config = None;
    for param in params(command_line).filter(|param| param.is(FAILSLAB)) {
        match FailConfig::parse(FAILSLAB, param.value.unwrap_or("")) {
            Ok(read) => config = Some(read),
            Err(error) => log::warn!("{error}"),
        }
    }
    if let Some(config) = config {
        log::info!("{FAILSLAB}: {config}");
        slabs.inject_failures(config);
    }
}

/// What the command line says. Of what can not be read, a line is said, and it is left out.
fn read_options(command_line: &'static str) -> SlabOptions<'static> {
    let mut options = SlabOptions::default();
    for param in params(command_line) {
        // Both names have been Linux's.
        if param.is("slab_debug") || param.is("slub_debug") {
            options.read_debug(param.value, |bad| log::warn!("{bad}"));
        } else if param.is("slab_nomerge") || param.is("slub_nomerge") {
            options.nomerge = true;
        } else if param.is("slab_freelist_random") {
            options.random_seed = match param.value {
                // What the counter of instructions or cycles has come to.
                None => Some(pmu::instructions().unwrap_or(1)),
                Some(value) => {
                    let typed = words::number(value).ok();
                    if typed.is_none() {
                        log::warn!(
                            "{value:?} in slab_freelist_random=: a number was expected, so it is off"
                        );
                    }
                    typed
                }
            };
        }
    }
    options
}
