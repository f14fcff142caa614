//! Suite `ioremap`: device memory is mapped with one type at a time, shared, unmapped, and for what it may cost.
//!
//! The console's registers are mapped already, so that they can be shared and refused; what identifies a PrimeCell is
//! read through them. Other ranges are only mapped: none of them is memory, and nobody touches what may be there.

use arch_arm::interrupt;
use arch_arm::mmu::descriptor::SECTION_SIZE;
use arch_arm::mmu::walk::Level;
use arch_arm::pmu::InstructionCounter;
use mm::addr::{PAGE_SIZE, PhysAddr, VirtAddr};
use mm::map::ioremap::IoremapError;
use mm::map::{Mapped, MemoryType, Mmu, Prot};

use super::Checks;
use crate::monitor::Kernel;
use crate::vmalloc;

/// The block that ranges are tried in: a supersection,
const BLOCK: u32 = 1 << BLOCK_SHIFT;
const BLOCK_SHIFT: u32 = 24;
/// or two sections, where the region has no room for one: `vmalloc=16M` has none.
const SMALL_BLOCK: u32 = 2 * SECTION_SIZE;
/// How large a pair is, and the instructions that it may take: the budgets of the benchmark, and room for the loop
/// around it.
const BUDGETS: [(&str, u32, u32); 3] =
    [("4 KiB", PAGE_SIZE, 360), ("1 MiB", SECTION_SIZE, 440), ("16 MiB", BLOCK, 660)];
/// Pairs that are counted together. A batch of small ranges, with its flush.
const PAIRS: u32 = 256;
/// Named as the caller.
const CALLER: u32 = 0x10;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    if kernel.pages.injects_failures() || kernel.slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    kernel.vmalloc.make_room();
    let before = (kernel.vmalloc.figures().areas, kernel.io.validate());
    console(kernel, checks);
    memory(kernel, checks);
    let has_room = kernel.vmalloc.largest_area(BLOCK_SHIFT) >= BLOCK;
    let most = if has_room { BLOCK } else { SMALL_BLOCK };
    match free_block(kernel, most) {
        Some(block) => {
            leaves(kernel, checks, block, most);
            types(kernel, checks, block);
            if let Some(counter) = InstructionCounter::find() {
                budgets(kernel, checks, block, most, counter);
            }
        }
        None => checks.that(false, format_args!("{most:#x} bytes without memory, and free")),
    }
    kernel.vmalloc.make_room();
    let after = (kernel.vmalloc.figures().areas, kernel.io.validate());
    checks.equal(after, before, format_args!("areas and ranges"));
    checks.that(kernel.vmalloc.validate().is_ok(), format_args!("the tree of areas"));
}

/// An address at a multiple of 16 MiB from which on, for so many bytes, no memory is, and nothing that is mapped.
fn free_block(kernel: &Kernel, bytes: u32) -> Option<PhysAddr> {
    (0..u64::from(u32::MAX / BLOCK)).map(|n| PhysAddr::new(n * u64::from(BLOCK))).find(|block| {
        let mapped = kernel.io.ioremap(*block, bytes, CALLER);
        mapped.is_ok_and(|virt| vmalloc::iounmap(kernel.io, virt).is_ok())
    })
}

/// The console's registers are shared, and have no other type.
fn console(kernel: &Kernel, checks: &mut Checks) {
    let Some(console) = kernel.machine.console else { return };
    let start = console.uart.registers.start();
    let shared = kernel.io.ioremap(start, 4, CALLER);
    let Ok(virt) = shared else {
        return checks.that(false, format_args!("ioremap of the console: {shared:?}"));
    };
    let mapped = Some(Mapped { phys: start, prot: Some(Prot::DEVICE) });
    checks.equal(kernel.maps.lookup(virt), mapped, format_args!("the console's mapping"));
    let again = kernel.io.ioremap(start, 4, CALLER);
    checks.equal(again, Ok(virt), format_args!("ioremap of the console again"));
    let refused = kernel.io.ioremap_wc(start, 4, CALLER);
    let is_conflict =
        matches!(refused, Err(IoremapError::Conflict { has: MemoryType::Device, caller: 0, .. }));
    checks.that(is_conflict, format_args!("ioremap_wc of the console: {refused:?}"));
    for _ in 0..2 {
        checks.equal(
            vmalloc::iounmap(kernel.io, virt),
            Ok(()),
            format_args!("iounmap of the console"),
        );
    }
    checks.equal(kernel.maps.lookup(virt), mapped, format_args!("the console's mapping, then"));
}

/// Memory is no device's.
fn memory(kernel: &Kernel, checks: &mut Checks) {
    for range in kernel.memory.memblock.mapped_memory() {
        let last = PhysAddr::new(range.end().as_u64() - 1);
        for phys in [range.start(), last] {
            let refused = kernel.io.ioremap(phys, 1, CALLER);
            let is_right =
                matches!(refused, Err(IoremapError::Ram { .. } | IoremapError::OutOfReach { .. }));
            checks.that(is_right, format_args!("ioremap of {phys}: {refused:?}"));
        }
    }
}

/// The largest leaf is used that fits, for ranges of at most so many bytes.
fn leaves(kernel: &Kernel, checks: &mut Checks, block: PhysAddr, most: u32) {
    let page = u64::from(PAGE_SIZE);
    let ranges = [
        (0, BLOCK, Level::Supersection),
        (u64::from(SECTION_SIZE), SECTION_SIZE, Level::Section),
        (page, SECTION_SIZE, Level::SmallPage),
        (0, PAGE_SIZE, Level::SmallPage),
    ];
    for (offset, bytes, expected) in ranges.into_iter().filter(|(_, bytes, _)| *bytes <= most) {
        let phys = block.saturating_add(offset);
        let virt = match kernel.io.ioremap(phys, bytes, CALLER) {
            Ok(virt) => virt,
            Err(error) => {
                checks.that(false, format_args!("ioremap of {bytes:#x} bytes at {phys}: {error}"));
                continue;
            }
        };
        let mapping = kernel.tables.walker().translate(virt).mapping;
        let level = mapping.map(|mapping| mapping.level);
        checks.equal(
            level,
            Some(expected),
            format_args!("the leaf for {bytes:#x} bytes at {phys}"),
        );
        let last = VirtAddr::new(virt.as_u32() + bytes - 1);
        let mapped = kernel.maps.lookup(last).map(|mapped| mapped.phys);
        let end = Some(phys.saturating_add(u64::from(bytes - 1)));
        checks.equal(mapped, end, format_args!("where the last byte at {phys} is mapped"));
        checks.equal(vmalloc::iounmap(kernel.io, virt), Ok(()), format_args!("iounmap of {phys}"));
        checks.equal(kernel.maps.lookup(virt), None, format_args!("lookup of {phys}, unmapped"));
    }
}

/// One type after the other, without waiting for a batch. Not write-back: nobody knows what a CPU might read ahead
/// there.
fn types(kernel: &Kernel, checks: &mut Checks, block: PhysAddr) {
    for (what, prot) in
        [("device", Prot::DEVICE), ("write-combine", Prot::WRITE_COMBINE), ("device", Prot::DEVICE)]
    {
        let mapped = match prot {
            Prot::DEVICE => kernel.io.ioremap(block, PAGE_SIZE, CALLER),
            _ => kernel.io.ioremap_wc(block, PAGE_SIZE, CALLER),
        };
        let Ok(virt) = mapped else {
            checks.that(false, format_args!("{block} as {what}: {mapped:?}"));
            continue;
        };
        let expected = Some(Mapped { phys: block, prot: Some(prot) });
        checks.equal(kernel.maps.lookup(virt), expected, format_args!("{block} as {what}"));
        checks.equal(vmalloc::iounmap(kernel.io, virt), Ok(()), format_args!("iounmap of {block}"));
    }
}

/// What a pair of at most so many bytes costs, where the compiler optimises.
fn budgets(
    kernel: &Kernel,
    checks: &mut Checks,
    block: PhysAddr,
    most: u32,
    counter: InstructionCounter,
) {
    for (what, bytes, budget) in BUDGETS.into_iter().filter(|(_, bytes, _)| *bytes <= most) {
        let pair = || {
            let virt = kernel.io.ioremap(block, bytes, CALLER);
            virt.is_ok_and(|virt| vmalloc::iounmap(kernel.io, virt).is_ok())
        };
        // No other range that waits meets this one: with one that does, a pair is looked up in the tree.
        kernel.vmalloc.make_room();
        // Once without counting: tables, records and spare areas are there afterwards.
        let mut is_right = (0..PAIRS).all(|_| pair());
        let masked = interrupt::mask();
        let before = counter.read();
        for _ in 0..PAIRS {
            is_right &= pair();
        }
        let took = counter.read().since(before) / PAIRS;
        drop(masked);
        checks.that(is_right, format_args!("pairs of {what}"));
        log::info!("ioremap and iounmap of {what}: {took} instructions, expected {budget}");
        checks.that(
            cfg!(debug_assertions) || took <= budget,
            format_args!("{what}: {took} instructions, expected {budget}"),
        );
    }
}
