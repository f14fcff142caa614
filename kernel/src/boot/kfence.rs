//! The pool of guarded pages: set aside while the linear map is built, since its pages need entries of their own.
//!
//! `kfence.sample_interval=` says how many milliseconds lie between two requests that are served from it, and
//! without that there is no pool: it takes 2 MiB, for the usual 255 objects (`kfence.num_objects=`).
#![expect(unsafe_code, reason = "the pool's pages are the caller's to give")]

use arch_arm::mmu::descriptor::SECTION_SIZE;
use arch_arm::pmu;
use mm::addr::{PAGE_SIZE, PhysAddr, PhysRange};
use mm::boot::memblock::Limit;
use mm::kfence::Pool;
use mm::param::params;
use monitor::words;

use super::memory::Memory;
use super::{KernelTables, LinearMap};
use crate::kfence::{self, ticks};
use crate::slabs::Slabs;

const INTERVAL: &str = "kfence.sample_interval";
const OBJECTS: &str = "kfence.num_objects";

/// A pool that was set aside.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its memory, whole pages of lowmem.
    pub range: PhysRange,
    objects: u32,
    interval_ms: u32,
}

/// Sets a pool aside, if the command line asks for one and there is memory. It is lowmem of `linear`, which is not
/// mapped yet.
pub fn set_aside(memory: &mut Memory, linear: &LinearMap) -> Option<Plan> {
    let (interval_ms, objects) = read(memory.command_line);
    if interval_ms == 0 {
        return None;
    }
    let bytes = u64::from(Pool::pages_for(objects) * PAGE_SIZE);
    // A section's begin, so that no more of them than need be are cut into pages. Not the last of lowmem: where that
    // ends shall not be a guard.
    let section = u64::from(SECTION_SIZE);
    let top = linear.lowmem().end().as_u64().saturating_sub(1);
    let top = Limit::At(PhysAddr::new(top).align_down(section));
    match memory.memblock.alloc_preferring(bytes, section, PhysAddr::new(0), top) {
        Ok(range) => Some(Plan { range, objects, interval_ms }),
        Err(error) => {
            log::warn!("kfence: off, no memory for a pool of {objects} objects: {error}");
            None
        }
    }
}

/// Has requests sampled, with the pool that was set aside. `tables` are the live ones.
pub fn begin(slabs: &Slabs, tables: &KernelTables) {
    let Some(Plan { range, objects, interval_ms }) = tables.kfence() else { return };
    let Some(start) = tables.linear().phys_to_virt(range.start()) else { return };
    kfence::publish(tables);
    let pool = Pool::new(start, objects);
    // What the counter of instructions or cycles has come to.
    let seed = pmu::instructions().unwrap_or(1);
    // SAFETY: 1. memblock gave it to nobody else, and was never asked for it back; 2. `paging` mapped it by pages.
    match unsafe { slabs.begin_sampling(pool, ticks(interval_ms), seed) } {
        Ok(()) => log::info!(
            "kfence: initialized - using {} bytes for {objects} objects at {}, one request in {interval_ms} ms",
            range.len(),
            pool.range(),
        ),
        Err(error) => log::warn!("kfence: off: {error}"),
    }
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
