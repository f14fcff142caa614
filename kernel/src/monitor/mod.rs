//! The monitor: a prompt on the console, and commands that show what boot built.
//!
//! A command that fails prints one line that begins with `error: `; scripts look for it.

mod commands;
mod line;

use arch_arm::psci::Conduit;
use board::Machine;

use crate::boot::{KernelTables, Memory, Regions};
use crate::console::{print, println};
use crate::pages::Pages;

/// All that the kernel holds once it has booted.
pub struct Kernel {
    /// What the device tree says.
    pub machine: Machine<'static>,
    /// What is known of memory.
    pub memory: Memory,
    /// The live page tables.
    pub tables: KernelTables,
    /// Who hands out the addresses of the regions.
    pub regions: Regions,
    /// The zones.
    pub pages: &'static Pages,
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
    let mut buffer = line::Buffer::new();
    loop {
        print!("vmsplit> ");
        match buffer.read() {
            Ok(text) => {
                if let Err(error) = commands::run(&mut kernel, text) {
                    println!("error: {error}");
                }
            }
            Err(error) => println!("error: {error}"),
        }
    }
}
