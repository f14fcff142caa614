//! The pool of guarded pages: a row of pages that is taken for good, each with an entry of its own.
//!
//! `kfence.sample_interval=` says how many milliseconds lie between two requests that are served from it, and
//! without that there is no pool: it takes 2 MiB, for the usual 255 objects (`kfence.num_objects=`).
#![expect(unsafe_code, reason = "the pool's pages are the caller's to give")]

use arch_arm::pmu;
use mm::addr::VirtAddr;
use mm::kfence::Pool;
use mm::param::params;
use mm::zone::Gfp;
use monitor::words;

use super::LinearMap;
use crate::kfence::{self, ticks};
use crate::maps::Maps;
use crate::pages::Pages;
use crate::slabs::Slabs;

const INTERVAL: &str = "kfence.sample_interval";
const OBJECTS: &str = "kfence.num_objects";

/// What is told by who asks, not by the allocator.
const QUIET: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN);

/// Has requests sampled, if the command line asks for it and there is memory for a pool.
pub fn begin(
    command_line: &str,
    pages: &'static Pages,
    linear: LinearMap,
    maps: &'static Maps,
    slabs: &Slabs,
) {
    let (interval_ms, objects) = read(command_line);
    if interval_ms == 0 {
        return;
    }
    let Some(start) = take(Pool::pages_for(objects), pages, linear) else {
        log::warn!("kfence: off, no memory for a pool of {objects} objects");
        return;
    };
    let pool = Pool::new(start, objects);
    let range = pool.range();
    if let Err(error) = maps.split(range, QUIET) {
        log::warn!("kfence: off: {error}");
        return;
    }
    kfence::publish(maps, range);
    // What the counter of instructions or cycles has come to.
    let seed = pmu::instructions().unwrap_or(1);
    // SAFETY: 1. the page allocator gave them, and never gets them back; 2. they have been split.
    match unsafe { slabs.begin_sampling(pool, ticks(interval_ms), seed) } {
        Ok(()) => log::info!(
            "kfence: initialized - using {} bytes for {objects} objects at {range}, one request in {interval_ms} ms",
            range.len(),
        ),
        Err(error) => log::warn!("kfence: off: {error}"),
    }
}

/// A row of so many pages of the linear map, taken for good. It begins at a multiple of the next power of two, so that
/// it lies in no more sections than need be.
fn take(count: u32, pages: &'static Pages, linear: LinearMap) -> Option<VirtAddr> {
    let run = pages.alloc_pages_exact(QUIET, count).ok()?;
    let start = linear.phys_to_virt(run.phys().start())?;
    let _for_good = run.into_raw();
    Some(start)
}

/// What the command line says: the interval in milliseconds, 0 for none, and the number of objects. What can not be
/// read is said, and is as if it had not been typed.
fn read(command_line: &str) -> (u32, u32) {
    let (mut interval_ms, mut objects) = (0, Pool::USUAL_OBJECTS);
    for param in params(command_line) {
        let value = param.value.unwrap_or("");
        if param.is(INTERVAL) {
            match words::number(value) {
                Ok(number) => interval_ms = number,
                Err(_) => log::warn!("{value:?} in {INTERVAL}=: milliseconds were expected"),
            }
        } else if param.is(OBJECTS) {
            match words::number(value) {
                Ok(number) if (1..=Pool::MOST_OBJECTS).contains(&number) => objects = number,
                _ => log::warn!(
                    "{value:?} in {OBJECTS}=: 1 to {} were expected, so it is {objects}",
                    Pool::MOST_OBJECTS
                ),
            }
        }
    }
    (interval_ms, objects)
}
