//! The boot sequence.
//!
//! Each step hands a plain value to the next. The only way out is forward, or to stop with a line
//! that says why ([`crate::stop::halt`]).

mod devices;
mod dma;
mod early;
mod kfence;
mod linear;
mod machine;
mod maps;
mod memory;
mod modules;
mod pages;
mod paging;
mod place;
mod slabs;
pub mod user_page;

use alloc::vec::Vec;

use arch_arm::cp15::{MIDR, SCTLR};
use arch_arm::entry::BootRegisters;
use arch_arm::interrupt;
use arch_arm::trap::{ExceptionStacks, vectors};
use mm::addr::VirtRange;
use tock_registers::interfaces::Readable;

use crate::console::{self, Out};
use crate::image;
use crate::initrd::Initrd;
use crate::interrupts;
use crate::kmap;
use crate::modules::insert;
use crate::monitor::{self, Kernel};
use crate::readback;
use crate::report;
use crate::stop::halt;
use crate::virtio;

pub use devices::GicRegisters;
pub use linear::LinearMap;
pub use memory::Memory;
pub use paging::{KernelTables, Regions};

// Above a guard page: the report stack is the first thing in it.
#[unsafe(link_section = ".bss.stacks")]
static EXCEPTION_STACKS: ExceptionStacks = ExceptionStacks::new();

/// The stack of exceptions that find no other.
pub fn report_stack() -> VirtRange {
    EXCEPTION_STACKS.report_stack()
}

/// Where the entry code arrives: MMU and caches on, SVC mode, interrupts masked, the image mapped
/// where it is linked by the early tables.
#[unsafe(no_mangle)]
extern "C" fn kernel_main(registers: &BootRegisters) -> ! {
    // SAFETY: 1. one CPU runs and it is this one, and statics stay mapped; 2. the entry code masked
    // both; 3. it entered SVC mode.
    unsafe { EXCEPTION_STACKS.install() };
    // SAFETY: 1. the entry code mapped the image, and the stacks are installed; 2. every ARMv7-A
    // core this kernel runs on (Cortex-A7, A15) has the Security Extensions.
    unsafe { vectors::use_vectors_in_image() };
    debug_assert!(interrupt::are_masked());

    let mut early = early::EarlyTables::adopt(registers);
    let dtb = machine::find(registers, &mut early);
    let mut machine = machine::read(&dtb);
    report::name_hardware(machine.model);
    machine::start_console(&mut machine, &mut early);
    place::ensure_in_place(&machine, registers, &dtb, &mut early);
    greet(&machine);

    let mut memory = memory::describe(&machine, registers, &dtb, &mut early);
    let layout = memory.decide(image::SPLIT, &machine);
    let (tables, regions) = paging::build(&mut memory, &layout, &dtb, &machine, &mut early);
    paging::switch(&tables, early);
    kmap::publish(&tables);
    memory.allow_growth(tables.linear());
    let (pages, debugging) = pages::hand_over(&mut memory, &layout, tables.linear(), &machine);
    crate::pages::publish(pages);
    let slabs = slabs::make(pages, tables.linear(), memory.command_line);
    crate::slabs::publish(slabs);
    let maps = maps::adopt(&tables, &layout, slabs);
    kmap::start(&tables, &regions, pages, maps);
    kfence::begin(memory.command_line, pages, tables.linear(), maps, slabs);
    let (vmalloc, io, module_area) = devices::make(&layout, &memory, pages, slabs, maps);
    dma::make(&machine, memory.command_line, tables.linear(), pages, slabs, maps);
    devices::map_console(io, &machine);
    let gic = devices::map_gic(io, &machine);
    paging::report_wx(&tables);
    let modules = modules::make(module_area, maps, slabs);
    let disks = Vec::new();
    // SAFETY: `memory` found 1. that it is memory and nobody else's, and 2. reserved it before anything was
    // allocated; what the tree keeps from being mapped stays mapped where it shares a page with it.
    let initrd = memory.initrd.map(|range| unsafe { Initrd::new(range) });
    let mut kernel = Kernel {
        machine,
        memory,
        layout,
        tables,
        regions,
        pages,
        slabs,
        maps,
        vmalloc,
        io,
        module_area,
        modules,
        disks,
        initrd,
    };
    log_layout(&kernel);
    interrupts::start(&kernel.machine, gic);
    kernel.disks = virtio::start(&kernel);
    if let Some(initrd) = &kernel.initrd {
        initrd.announce();
    }
    // What boot does not need any more, and what was taken together with pages that it asked for.
    vmalloc.make_room();
    slabs.shrink_all();
    pages.drain();
    debugging.begin(pages);
    slabs::begin_failures(slabs, kernel.memory.command_line);
    console::level::set_from(kernel.memory.command_line);
    insert::at_boot(&mut kernel);
    monitor::run(kernel)
}

/// The first lines of the log.
fn greet(machine: &board::Machine<'_>) {
    log::info!(
        "vmsplit {} ({}, {} split)",
        env!("CARGO_PKG_VERSION"),
        if cfg!(debug_assertions) { "debug" } else { "release" },
        image::SPLIT.name(),
    );
    log::info!(
        "CPU: ARMv7 Processor [{:08x}] revision {} (ARMv7), cr={:08x}",
        MIDR.get(),
        MIDR.get() & 0xf,
        SCTLR.get(),
    );
    log::info!("OF: fdt: Machine model: {}", machine.model.unwrap_or("unnamed"));
    log::info!("Memory policy: Data cache writealloc");
}

/// The table that Linux printed until 5.0.
fn log_layout(kernel: &Kernel) {
    // The console can not fail.
    let _ = mm::report::layout::write_table(&mut Out, &readback::observe(kernel));
}

/// Stops with the error's text after `what`.
fn stop_for<T, E: core::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| halt(format_args!("{what}: {error}")))
}
