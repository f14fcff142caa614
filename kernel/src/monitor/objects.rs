//! The slab allocator at work: taking and giving back memory by size, and what the caches have.

use mm::addr::VirtAddr;
use mm::object::leaks::{Taker, Takers};
use mm::report::{slab_occupancy, slabinfo};
use mm::zone::{AllocError, Gfp};
use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use super::pages::no_flags;
use crate::console::{Out, println};
use crate::platform::Site;
use crate::slabs::{self, Slabs};

/// The call sites of one cache that are told apart.
const MAX_SITES: usize = 64;

pub fn slabinfo(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let slabs = kernel.slabs;
    match args.choice("WHAT") {
        Ok(0) => return leaks(slabs),
        Ok(_) => {
            picture(slabs);
            return Ok(());
        }
        Err(_) => {}
    }
    // The console can not fail.
    let _ = slabinfo::write(&mut Out, slabs.caches().map(|cache| slabs.cache_figures(cache)));
    Ok(())
}

/// How full the slabs are of each cache that has one.
fn picture(slabs: &Slabs) {
    for cache in slabs.caches() {
        let occupancy = slabs.occupancy(cache);
        if occupancy.slabs() > 0 {
            // The console can not fail.
            let _ = slab_occupancy::write(&mut Out, cache.name(), &occupancy);
        }
    }
}

/// The live objects of all caches that remember who took them.
fn leaks(slabs: &Slabs) -> Result<(), Failure> {
    let mut table = [Taker::default(); MAX_SITES];
    let mut none = true;
    for cache in slabs.caches() {
        let Some(Takers { by_site, others }) = slabs.takers(cache, &mut table) else { continue };
        none = false;
        for Taker { site, objects } in by_site {
            println!("{:<17} {objects:6}  {}", cache.name(), Site(*site));
        }
        if others > 0 {
            println!("{:<17} {others:6}  others", cache.name());
        }
    }
    if none { Err(Failure::NoTracks) } else { Ok(()) }
}

pub fn kmalloc(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let size = args.number("SIZE")?;
    let gfp = match args.text("FLAGS") {
        Ok(text) => Gfp::parse(text).map_err(|error| no_flags(&error))?,
        Err(_) => Gfp::GFP_KERNEL,
    };
    // The quick way does not look at them.
    gfp.check().map_err(|error| Failure::NoPages(AllocError::flags(error)))?;
    let object = slabs::kmalloc(kernel.slabs, size, gfp).result().map_err(Failure::NoPages)?;
    let usable = kernel.slabs.ksize(object).unwrap_or(0);
    println!("{object}: {size} bytes, of {usable}");
    Ok(())
}

pub fn kfree(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let object = VirtAddr::new(args.number("ADDR")?);
    // SAFETY: 1. whoever types says so; 2. nobody uses what `kmalloc` gave.
    unsafe { slabs::kfree(kernel.slabs, object) }.map_err(Failure::NoObject)
}
