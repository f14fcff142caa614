//! Physical memory: who has it, and taking and giving back blocks of it.

use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn, PhysRange, VirtRange};
use mm::report::iomem::Resource;
use mm::report::memblock::MemblockDump;
use mm::report::{buddyinfo, iomem, meminfo, zoneinfo};
use mm::zone::{Gfp, ZoneKind};
use monitor::argument::{Args, NotGiven};

use super::Kernel;
use super::table::Failure;
use crate::console::{Out, print, println};
use crate::image;
use crate::pages;

pub fn meminfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let vmalloc = kernel.regions.vmalloc.region();
    // The console can not fail, here as below.
    let _ = meminfo::write(&mut Out, &kernel.pages.figures(), vmalloc);
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

pub fn alloc(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let order = order(args)?;
    let zone = args.choice("ZONE").ok().and_then(|index| ZoneKind::ALL.get(index).copied());
    let taken = match zone {
        Some(kind) => kernel.pages.alloc_raw_in(kind, Gfp::GFP_KERNEL, order),
        None => pages::alloc(kernel.pages, Gfp::GFP_HIGHUSER_MOVABLE, order),
    };
    let pfn = taken.map_err(Failure::NoPages)?;
    println!("pfn {pfn}: {} pages at {}", order.pages(), pfn.start());
    Ok(())
}

pub fn free(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let (pfn, order) = (Pfn::new(args.number("PFN")?), order(args)?);
    // SAFETY: 1. whoever types says so; 2. `alloc` maps nothing, so nobody uses the pages.
    let freed = unsafe { pages::free(kernel.pages, pfn, order) };
    freed.map_err(|_| Failure::Free(kernel.pages.why_not_free(pfn, order)))
}

/// The argument ORDER, whose row keeps it within the orders there are.
fn order(args: &Args<'_>) -> Result<Order, NotGiven> {
    let value = args.number("ORDER")?;
    u8::try_from(value).ok().and_then(Order::new).ok_or(NotGiven { what: "ORDER" })
}
