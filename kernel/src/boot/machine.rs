//! From the boot loader's r2 to the machine: find the device tree, map it, read it.
//!
//! If r2 is not 0 it is the tree, and the only one. If it is 0, a tree may lie at the start of RAM,
//! which is taken to be the start of the 128 MiB that the image runs in.

use core::slice;

use arch_arm::entry::BootRegisters;
use board::Machine;
use board::dt::{self, ConsoleChoice, Tree};
use board::serial::{pl011, primecell};
use mm::addr::{PhysAddr, PhysRange, VirtAddr};
use mm::boot::layout::FDT;
use mm::map::Mmio;
use mm::map::fixmap::Slot;

use super::early::EarlyTables;
use super::stop_for;
use crate::stop::halt;

/// Bytes of a header that are looked at before the size of the tree is known.
const HEADER_BYTES: u32 = 40;
/// RAM starts on a multiple of this, if r2 leaves it open: 128 MiB, as the Linux decompressor
/// has it.
const RAM_GRANULE: u64 = 128 << 20;

/// A device tree that is mapped in its window.
pub struct Dtb {
    /// Where it lies.
    pub range: PhysRange,
    /// Where it is mapped.
    virt: VirtAddr,
}

/// Finds the device tree and maps all of it.
pub fn find(registers: &BootRegisters, early: &mut EarlyTables) -> Dtb {
    #[cfg(feature = "fallback-console")]
    prepare_fallback_console(early);
    let phys = match registers.dtb {
        0 => registers.image_start().align_down(RAM_GRANULE),
        r2 => PhysAddr::new(u64::from(r2)),
    };
    let what = match registers.dtb {
        0 => "no device tree: r2 is 0 and at the start of RAM",
        _ => "no device tree where r2 says",
    };
    let head = map(early, phys, HEADER_BYTES);
    let len = dt::total_size(head).unwrap_or_else(|error| {
        halt(format_args!("{what}, {phys}: {error}"));
    });
    let room = FDT.len() - (head.as_ptr() as u32 - FDT.start().as_u32());
    if len > room {
        halt(format_args!("the device tree at {phys} has {len} bytes, its window {room}"));
    }
    let virt = VirtAddr::new(map(early, phys, len).as_ptr() as u32);
    Dtb { range: PhysRange::new(phys, phys.saturating_add(u64::from(len))), virt }
}

/// Reads the machine from its tree.
pub fn read(dtb: &Dtb) -> Machine<'static> {
    let len = dtb.range.len() as usize;
    // SAFETY: `find` mapped these bytes, writable, and this is called once: nothing else refers to
    // the tree. The window stays mapped for ever, though read-only later, when only the shared
    // references that come of this are left.
    let blob = unsafe { slice::from_raw_parts_mut(dtb.virt.as_u32() as *mut u8, len) };
    let tree = stop_for(Tree::parse(blob), "bad device tree");
    stop_for(Machine::from_tree(tree), "bad device tree")
}

/// Takes the console's UART into use, in the early console's fixmap slot.
///
/// A tree may name a UART where there is none, and then to wait until it can send would be to wait
/// for ever. So what is no PL011 is taken out of `machine`, if there is a fallback to speak on.
pub fn start_console(machine: &mut Machine<'_>, early: &mut EarlyTables) {
    let absent = machine.console.filter(|_| FALLBACK_CONSOLE.is_some());
    let absent = absent.filter(|console| !is_pl011(console.uart.registers, early));
    if absent.is_some() {
        machine.console = None;
    }
    let Some(registers) = console_registers(machine) else { return };
    let mapped = early.set_fixmap(Slot::EARLY_CONSOLE, registers.start());
    let virt = stop_for(mapped, "can not map the console");
    // SAFETY: 1. the tree says that a PL011 is there, or the build does; 2. it was mapped as a device just now. Its
    // address changes once more, with the kernel's own tables.
    let Some(registers) = (unsafe { Mmio::new(virt) }) else { return };
    // SAFETY: 1. see above; 2. nobody else has one.
    unsafe { crate::console::start(registers) };
    match (machine.console.map(|console| (console.choice, console.uart.name)), absent) {
        (Some((ConsoleChoice::InsteadOf(path), name)), _) => {
            log::warn!("console: stdout-path {path} is no PL011, using {name}");
        }
        (Some(_), _) => {}
        (None, Some(absent)) => {
            let (name, at) = (absent.uart.name, absent.uart.registers.start());
            log::warn!("console: no PL011 answers at {at}, for {name}: using the fallback");
        }
        (None, None) => log::warn!("console: the device tree has no PL011, using the fallback"),
    }
}

/// Does the device at `registers` say that it is a PL011? Registers that do not reach as far as the
/// identity are taken at the tree's word.
fn is_pl011(registers: PhysRange, early: &mut EarlyTables) -> bool {
    let len = u64::from(primecell::LEN);
    if registers.len() < len || !registers.start().is_aligned(len) {
        return true;
    }
    let mapped = early.ioremap(registers.start(), primecell::LEN);
    let virt = stop_for(mapped, "can not map the console");
    // SAFETY: the page was mapped as a device just now.
    let part = unsafe { primecell::part_number(virt) };
    early.iounmap(virt);
    part == Some(pl011::PART_NUMBER)
}

/// The UART of the board that a build with the fallback console is for.
const FALLBACK_CONSOLE: Option<PhysRange> = {
    #[cfg(feature = "fallback-console")]
    {
        Some(board::fallback::CONSOLE)
    }
    #[cfg(not(feature = "fallback-console"))]
    {
        None
    }
};

/// The UART to speak on: the tree's, else the fallback of a build that has one.
pub fn console_registers(machine: &Machine<'_>) -> Option<PhysRange> {
    machine.console.map(|console| console.uart.registers).or(FALLBACK_CONSOLE)
}

/// Maps `len` bytes of the tree at `phys`.
fn map(early: &mut EarlyTables, phys: PhysAddr, len: u32) -> &'static [u8] {
    let virt = stop_for(early.map_fdt(phys, len), "can not map the device tree");
    // SAFETY: the bytes have just been mapped, for good. Nothing writes to them while this slice is
    // looked at; should no memory answer there, the abort is reported.
    unsafe { slice::from_raw_parts(virt.as_u32() as *const u8, len as usize) }
}

#[cfg(feature = "fallback-console")]
fn prepare_fallback_console(early: &mut EarlyTables) {
    if let Ok(virt) = early.ioremap_fallback(board::fallback::CONSOLE) {
        // SAFETY: 1. on the board that this feature is for, a PL011; 2. mapped as a device by the early tables. The
        // console forgets it when it takes the tree's UART, and all windows are unmapped with these tables.
        let Some(registers) = (unsafe { Mmio::new(virt) }) else { return };
        // SAFETY: 1. see above; 2. there is no other yet.
        unsafe { crate::console::set_fallback(registers) };
    }
}

/// What the entry code reports on when it can not even map the image; see `arch_arm::entry`.
#[unsafe(no_mangle)]
static vmsplit_early_uart: u32 = {
    #[cfg(feature = "fallback-console")]
    {
        board::fallback::CONSOLE.start().as_u64() as u32
    }
    #[cfg(not(feature = "fallback-console"))]
    {
        0
    }
};
