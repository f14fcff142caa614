//! DMA memory: its region, and the pools that the machine needs.
//!
//! The atomic pool is made where some device does not look into the caches, or `coherent_pool=` asks for it. Without
//! HighMem it lies in a section that leaves the linear map, and is 1 MiB whatever it is asked for
//! (the rest of the section serves other coherent buffers). Where that is more than a [`WORTH`]th of lowmem, there is
//! no pool unless `coherent_pool=` asks for one. Linux takes its 256 KiB from any machine.

use board::Machine;
use mm::addr::{KIB, MIB, PHYS_LIMIT_32, PhysAddr, PhysRange};
use mm::boot::layout::DMA;
use mm::dma::{DmaMemory, DmaOptions};
use mm::param::params;
use mm::zone::ZoneKind;

use super::LinearMap;
use crate::dma::{self, Dma, DmaHardware};
use crate::maps::Maps;
use crate::pages::Pages;
use crate::slabs::Slabs;
use crate::virtio;

/// The pool's section may be this part of lowmem, if nobody asks for the pool.
const WORTH: u64 = 64;

/// Makes the DMA memory. Without memory for its tables there is none, and drivers do without their devices.
pub fn make(
    machine: &Machine<'_>,
    command_line: &'static str,
    linear: LinearMap,
    pages: &'static Pages,
    slabs: &'static Slabs,
    maps: &'static Maps,
) {
    let options = DmaOptions::read(command_line, &mut |warning| log::warn!("{warning}"));
    let Some(dma) = make_region(options, linear, pages, slabs, maps) else { return };
    let is_asked_for = params(command_line).any(|param| param.is("coherent_pool"));
    // Who looks into the caches takes plain pages, whether it may wait or not.
    let is_needed =
        is_asked_for || virtio::needs_maintenance(machine, command_line) || cfg!(feature = "bench");
    if is_needed {
        make_atomic_pool(dma, options, is_asked_for, linear, pages);
    }
    make_bounce_pool(dma, options, machine, command_line, pages);
    let dma: &'static Dma = dma;
    if let Err(error) = pages.register_shrinker(dma) {
        log::warn!("dma: spare sections stay when memory is short: {error}");
    }
    dma::publish(dma);
}

/// Out of line: an unoptimised build makes it on the stack, and it is some KiB.
#[inline(never)]
fn make_region(
    options: DmaOptions,
    linear: LinearMap,
    pages: &'static Pages,
    slabs: &'static Slabs,
    maps: &'static Maps,
) -> Option<&'static mut Dma> {
    let place = dma::place()?;
    let hardware = dma::keep(DmaHardware::new(maps, linear));
    match DmaMemory::new(DMA, *linear, pages, slabs, hardware, options.watching) {
        Ok(dma) => Some(place.write(dma)),
        Err(error) => {
            log::warn!("dma: there is none: {error}");
            None
        }
    }
}

fn make_atomic_pool(
    dma: &mut Dma,
    options: DmaOptions,
    is_asked_for: bool,
    linear: LinearMap,
    pages: &Pages,
) {
    let kib = u64::from(options.pool_bytes) / KIB;
    let is_cheap =
        pages.zone(ZoneKind::HighMem).managed() > 0 || linear.lowmem().len() / WORTH >= MIB;
    if options.pool_bytes == 0 || !is_asked_for && !is_cheap {
        return;
    }
    // As far as 32 bits reach. A device that reaches less does without the pool, and is told so.
    let everything = PhysRange::new(PhysAddr::new(0), PHYS_LIMIT_32);
    match dma.make_atomic_pool(options.pool_bytes, everything) {
        Ok(()) => {
            log::info!("DMA: preallocated {kib} KiB pool for atomic coherent allocations");
        }
        Err(error) => {
            log::warn!(
                "DMA: failed to allocate {kib} KiB pool for atomic coherent allocations: {error}"
            );
        }
    }
}

/// A bounce pool, if some device does not reach all of memory.
fn make_bounce_pool(
    dma: &mut Dma,
    options: DmaOptions,
    machine: &Machine<'_>,
    command_line: &'static str,
    pages: &Pages,
) {
    let Some(reach) = virtio::least_reach(machine, command_line) else { return };
    let memory = pages.frames().range().as_phys();
    if reach.contains_range(&memory) {
        return;
    }
    let kib = u64::from(options.bounce_bytes) / KIB;
    match dma.make_bounce_pool(options.bounce_bytes, reach) {
        Ok(()) if kib > 0 => {
            log::info!("software IO TLB: {kib} KiB for devices that reach {reach}")
        }
        Ok(()) => {}
        Err(error) => log::warn!("software IO TLB: none: {error}"),
    }
}
