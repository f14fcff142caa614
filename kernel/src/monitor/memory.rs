//! Physical memory: who has it, and taking and giving back blocks of it.

use core::fmt;

use arrayvec::{ArrayString, ArrayVec};
use mm::addr::{Order, Pfn, PhysRange, VirtRange};
use mm::report::iomem::Resource;
use mm::report::memblock::MemblockDump;
use mm::report::meminfo::MemInfo;
use mm::report::{buddyinfo, iomem, meminfo, zoneinfo};
use mm::zone::{PageAllocator, ZoneKind};
use monitor::argument::{Args, NotGiven};

use super::Kernel;
use super::table::Failure;
use crate::console::{Out, print, println};
use crate::image;

pub fn meminfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let info = MemInfo::new(&kernel.pages.lock(), kernel.regions.vmalloc.region());
    let _ = meminfo::write(&mut Out, &info);
    Ok(())
}

pub fn zoneinfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    print_locked(kernel, |text, pages| zoneinfo::write(text, pages));
    Ok(())
}

pub fn buddyinfo(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    print_locked(kernel, |text, pages| buddyinfo::write(text, pages));
    Ok(())
}

/// Bytes of the longest report that is made under the lock: three zones of `zoneinfo`.
const MAX_TEXT: usize = 4096;

/// Prints what `write` makes of the page allocator, whose lock is free again before the first byte
/// goes to the console: a console is slow, and the lock keeps interrupts out.
fn print_locked(
    kernel: &Kernel,
    write: impl FnOnce(&mut dyn fmt::Write, &PageAllocator<'static>) -> fmt::Result,
) {
    let mut text = ArrayString::<MAX_TEXT>::new();
    let whole = write(&mut text, &kernel.pages.lock());
    print!("{text}");
    if whole.is_err() {
        println!("(cut after {MAX_TEXT} bytes)");
    }
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
        Some(kind) => kernel.pages.lock().alloc_in(kind, order),
        None => kernel.pages.lock().alloc(ZoneKind::HighMem, order),
    };
    let pfn = taken.map_err(Failure::OutOfPages)?;
    println!("pfn {pfn}: {} pages at {}", order.pages(), pfn.start());
    Ok(())
}

pub fn free(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let pfn = Pfn::new(args.number("PFN")?);
    kernel.pages.lock().free(pfn, order(args)?).map_err(Failure::Free)
}

/// The argument ORDER, whose row keeps it within the orders there are.
fn order(args: &Args<'_>) -> Result<Order, NotGiven> {
    let value = args.number("ORDER")?;
    u8::try_from(value).ok().and_then(Order::new).ok_or(NotGiven { what: "ORDER" })
}
