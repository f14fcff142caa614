//! The vmalloc and the modules region: who has which addresses, and what is left of them.

use mm::report::{vmalloc_holes, vmallocinfo as info};
use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use crate::console::Out;
use crate::platform::Site;

pub fn vmallocinfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    // The console can not fail, here as below.
    let areas = || kernel.module_area.modules().areas().chain(kernel.vmalloc.areas());
    let _ = info::write(&mut Out, areas, &|out, site| write!(out, "{}", Site(site)));
    Ok(())
}

pub fn vmallocmap(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    for region in [kernel.vmalloc, kernel.module_area.modules()] {
        let figures = region.figures();
        let largest = |shift| region.largest_area(shift);
        let _ = vmalloc_holes::write(&mut Out, region.name(), &figures, region.holes(), largest);
    }
    Ok(())
}
