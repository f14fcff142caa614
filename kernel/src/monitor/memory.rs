//! Physical memory: who has it, in the forms that Linux has for it.

use arrayvec::ArrayVec;
use mm::addr::{PhysRange, VirtRange};
use mm::report::iomem::Resource;
use mm::report::memblock::MemblockDump;
use mm::report::{buddyinfo, fragment, iomem, meminfo, pagetypeinfo, show_mem, zoneinfo};
use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use crate::console::{Out, print, println};
use crate::image;

pub fn meminfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let vmalloc = kernel.vmalloc.meminfo();
    // The console can not fail, here as below.
    let _ = meminfo::write(&mut Out, &kernel.pages.figures(), kernel.slabs.totals(), vmalloc);
    Ok(())
}

pub fn zoneinfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let _ = zoneinfo::write(&mut Out, &kernel.pages.figures());
    Ok(())
}

pub fn buddyinfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let _ = buddyinfo::write(&mut Out, &kernel.pages.figures());
    Ok(())
}

pub fn pagetypeinfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let _ = pagetypeinfo::write(&mut Out, &kernel.pages.figures(), &kernel.pages.page_blocks());
    Ok(())
}

pub fn fragment(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let _ = fragment::write(&mut Out, &kernel.pages.figures());
    Ok(())
}

pub fn showmem(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let _ = show_mem::write(&mut Out, &kernel.pages.figures(), 0);
    Ok(())
}

/// The most resources that are shown.
const MAX_RESOURCES: usize = 64;

/// Everything with a physical address that has a name, and how many found no room.
pub fn resources(kernel: &Kernel) -> (ArrayVec<Resource<'static>, MAX_RESOURCES>, u32) {
    let linear = kernel.tables.linear();
    let mut resources = ArrayVec::new();
    let mut left_out = 0;
    let mut add = |range: PhysRange, name| {
        left_out += u32::from(resources.try_push(Resource { range, name }).is_err());
    };
    let image = [
        ("Kernel code", image::text()),
        ("Kernel data", VirtRange::new(image::data().start(), image::bss().end())),
    ];
    for (name, range) in image {
        if let Some(phys) = linear.phys(range) {
            add(phys, name);
        }
    }
    if let Some(console) = kernel.machine.console {
        add(console.uart.registers, console.uart.name);
    }
    if let Some(gic) = kernel.machine.gic {
        add(gic.distributor, "GIC distributor");
        add(gic.cpu_interface, "GIC CPU interface");
    }
    for range in kernel.memory.memblock.mapped_memory() {
        add(range, "System RAM");
    }
    (resources, left_out)
}

pub fn iomem(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let (mut resources, left_out) = resources(kernel);
    let _ = iomem::write(&mut Out, &mut resources);
    if left_out > 0 {
        println!("{left_out} more banks are not shown: {MAX_RESOURCES} lines at most");
    }
    Ok(())
}

pub fn memblock(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    print!("{}", MemblockDump(&kernel.memory.memblock));
    Ok(())
}
