//! The monitor: a prompt on the console, and commands that show what boot built.
//!
//! What needs no machine, from the keyboard's bytes to a command and its arguments, is the
//! `monitor` crate. Here are the table of commands ([`table`]), a file for each family of functions
//! that it names, why they fail ([`failure`]), and the names that stand for addresses.
//!
//! A command that fails prints one line that begins with `error: `; scripts look for it, and for
//! the prompt at the start of a line.

mod access;
mod disks;
mod dma;
mod fail;
mod failure;
mod files;
mod kfence;
mod layout;
mod machine;
mod memory;
mod modules;
mod names;
mod objects;
mod pages;
mod power;
mod registers;
mod table;
mod tables;
mod vmalloc;

use alloc::vec::Vec;

use arch_arm::psci::Conduit;
use board::Machine;
use mm::boot::layout::Layout;
use monitor::editor::{Editor, Step, TooLong};

use crate::boot::{KernelTables, Memory, Regions};
use crate::console::{self, Out, println};
use crate::initrd::Initrd;
use crate::maps::Maps;
use crate::modules::registry::Registry;
use crate::pages::Pages;
use crate::slabs::Slabs;
use crate::virtio::block::Disk;
use crate::vmalloc::{Io, Modules, Vmalloc};
use failure::Failure;

pub use failure::typed;

const PROMPT: &str = "vmsplit> ";
/// Bytes of lines that are remembered.
const HISTORY: usize = 2048;

/// All that the kernel holds once it has booted.
pub struct Kernel {
    /// What the device tree says.
    pub machine: Machine<'static>,
    /// What is known of memory.
    pub memory: Memory,
    /// The layout that was decided.
    pub layout: Layout,
    /// The live page tables.
    pub tables: KernelTables,
    /// Who hands out the addresses of the regions.
    pub regions: Regions,
    /// The zones.
    pub pages: &'static Pages,
    /// The objects.
    pub slabs: &'static Slabs,
    /// What changes the live page tables.
    pub maps: &'static Maps,
    /// The vmalloc region.
    pub vmalloc: &'static Vmalloc,
    /// Device memory in it.
    pub io: &'static Io,
    /// Memory for modules.
    pub module_area: &'static Modules,
    /// The modules that are loaded.
    pub modules: Registry,
    /// The disks that were found.
    pub disks: Vec<Disk>,
    /// The initial RAM disk, if there is one that is kept.
    pub initrd: Option<Initrd>,
}

impl Kernel {
    /// How firmware is called, as the tree says; without a tree's word, nobody is.
    pub fn conduit(&self) -> Option<Conduit> {
        self.machine.psci.map(|psci| match psci.conduit {
            board::dt::Conduit::Hvc => Conduit::Hvc,
            board::dt::Conduit::Smc => Conduit::Smc,
        })
    }
}

/// Reads commands and runs them, for ever.
pub fn run(mut kernel: Kernel) -> ! {
    println!("Type help for the commands.");
    let mut editor = Editor::<HISTORY>::new(PROMPT);
    loop {
        // Scripts look for the prompt at the start of a line.
        console::end_line();
        // The console can not fail, here as in the commands.
        let _ = editor.start(&mut Out);
        match read_line(&mut editor, &kernel) {
            Step::Entered => execute(&mut kernel, editor.entered()),
            Step::TooLong => println!("error: {TooLong}"),
            Step::Typing | Step::Abandoned => {}
        }
    }
}

/// Lets somebody type until there is a line, or none.
fn read_line(editor: &mut Editor<HISTORY>, kernel: &Kernel) -> Step {
    let completer = table::COMMANDS.completer(kernel);
    loop {
        match editor.feed(console::wait_for_byte(), &completer, &mut Out) {
            Ok(Step::Typing) => {}
            Ok(step) => return step,
            Err(_) => return Step::Abandoned,
        }
    }
}

fn execute(kernel: &mut Kernel, line: &str) {
    match table::COMMANDS.parse(line, kernel) {
        Ok(Some(invocation)) => match invocation.run(kernel) {
            Ok(()) | Err(Failure::Told) => {}
            Err(failure) => println!("error: {failure}"),
        },
        Ok(None) => {}
        Err(error) => println!("error: {error}"),
    }
}
