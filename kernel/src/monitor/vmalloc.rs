//! The vmalloc region: who has which addresses, and what is left of them.

use mm::report::{vmalloc_holes, vmallocinfo as info};
use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use crate::console::Out;
use crate::platform::Site;

pub fn vmallocinfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    // The console can not fail, here as below.
    let _ = info::write(&mut Out, || kernel.vmalloc.areas(), &|out, site| {
        write!(out, "{}", Site(site))
    });
    Ok(())
}

pub fn vmallocmap(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let region = kernel.vmalloc;
    let _ =
        vmalloc_holes::write(&mut Out, region.name(), &region.figures(), region.holes(), |shift| {
            region.largest_area(shift)
        });
    Ok(())
}
