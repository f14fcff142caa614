//! The vmalloc and the modules region, and the registers of the devices that the kernel itself drives, mapped in it by `ioremap`.

use alloc::vec::Vec;

use board::Machine;
use board::irq::gic::{CpuInterfaceRegisters, DistributorRegisters};
use mm::addr::PhysRange;
use mm::boot::layout::Layout;
use mm::map::Mmio;
use mm::map::area::RegionName;
use mm::map::ioremap::{IoMap, IoremapError};
use mm::map::vmalloc::MappedRegion;

use super::machine::console_registers;
use super::memory::Memory;
use super::stop_for;
use crate::console;
use crate::maps::Maps;
use crate::pages::Pages;
use crate::slabs::Slabs;
use crate::vmalloc::{self, Io, Modules, Vmalloc};

/// In reports, boot is nobody's return address.
const BOOT: u32 = 0;

/// Where the registers of the interrupt controller are mapped, as devices and for good.
#[derive(Clone, Copy)]
pub struct GicRegisters {
    /// The distributor's.
    pub distributor: Mmio<DistributorRegisters>,
    /// The CPU interface's.
    pub cpu_interface: Mmio<CpuInterfaceRegisters>,
}

/// Makes the vmalloc region of `layout`, device memory in it, and memory for modules.
pub fn make(
    layout: &Layout,
    memory: &Memory,
    pages: &'static Pages,
    slabs: &'static Slabs,
    maps: &'static Maps,
) -> (&'static Vmalloc, &'static Io, &'static Modules) {
    let region = MappedRegion::new(RegionName::Vmalloc, layout.vmalloc(), pages, slabs, maps);
    let region = vmalloc::publish(stop_for(region, "can not make the vmalloc region"));
    let near = MappedRegion::new(RegionName::Modules, layout.modules(), pages, slabs, maps);
    let near = stop_for(near, "can not make the modules region");
    let modules = vmalloc::publish_modules(near, region);
    (region, vmalloc::publish_io(IoMap::new(region, ram(memory))), modules)
}

/// All memory that is mapped, or may be: no device's. It does not change any more.
fn ram(memory: &Memory) -> &'static [PhysRange] {
    let blocks = || memory.memblock.mapped_memory();
    let mut ram = Vec::new();
    stop_for(ram.try_reserve_exact(blocks().count()), "no memory for the list of memory");
    ram.extend(blocks());
    ram.leak()
}

/// The console goes on at registers that `ioremap` has mapped. If it can not, it stays in the fixmap.
pub fn map_console(io: &Io, machine: &Machine<'_>) {
    let Some(registers) = console_registers(machine) else { return };
    // SAFETY: 1. a PL011 is there, or the early console would not have been started.
    match unsafe { io.map_registers(registers, BOOT) } {
        // SAFETY: 1. see above; 2. its address in the fixmap is given up.
        Ok(registers) => unsafe { console::go_on_at(registers) },
        Err(error) => log::warn!("console: {error}"),
    }
}

/// Maps the registers of the interrupt controller, as far as its driver uses them.
pub fn map_gic(io: &Io, machine: &Machine<'_>) -> Option<GicRegisters> {
    let gic = machine.gic?;
    let map = || -> Result<GicRegisters, IoremapError> {
        // SAFETY: 1. the tree says that a distributor is there; who drives it asks first whether somebody answers.
        let distributor = unsafe { io.map_registers(gic.distributor, BOOT) }?;
        // SAFETY: 1. as above, the CPU interface.
        let cpu_interface = unsafe { io.map_registers(gic.cpu_interface, BOOT) }?;
        Ok(GicRegisters { distributor, cpu_interface })
    };
    map().inspect_err(|error| log::warn!("interrupt controller: {error}")).ok()
}
