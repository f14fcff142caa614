//! The benchmark: guest instructions for each operation, ours and other crates', in one boot.
//!
//! Only in builds with the feature `bench`, as the monitor's command `bench [NAME]`. What is done is
//! the crate [`workload`]'s; here is what it is done to.
//!
//! | file | idea |
//! |---|---|
//! | `meter` | two readings of the counter around one call |
//! | `subject` | our page allocator, as a subject of the workload |
//! | `pages`, `objects` | the operations on pages, and on smaller things |
//! | `frames` | those that map frames |
//! | `areas` | those that take addresses: `vmalloc`, `vmap`, `ioremap` |
//! | `dma` | those on memory that devices look at |
//! | `peers` | the other crates, on memory that our allocator gave |
//! | `waste` | bytes that nobody asked for, of objects of mixed sizes |
//!
//! For each operation and each that can do it one line is printed, which `cargo xtask bench` reads:
//!
//! ```text
//! bench: {"name":"page_o0_KERNEL","get":28.00,"put":29.00,"pair":57.00,"batch":1,"n":5000}
//! bench: {"name":"page_o0_KERNEL","peer":"bitmap-allocator","get":70.00,...}
//! ```
//!
//! An operation that ran out of memory has no such line; a peer that cannot do it is left out.

mod areas;
mod dma;
mod frames;
mod meter;
mod objects;
mod pages;
mod peers;
mod subject;
mod waste;

use arch_arm::pmu::InstructionCounter;
use spin::Mutex;
use workload::{MAX_HELD, OPERATIONS, Operation};

use crate::console::println;
use crate::monitor::Kernel;
use meter::Figures;

/// What can be measured: the operations, in the order of [`OPERATIONS`], and then [`WASTE`].
pub const NAMES: [&str; OPERATIONS.len() + 1] = {
    let mut names = [WASTE; OPERATIONS.len() + 1];
    let mut index = 0;
    while index < OPERATIONS.len() {
        names[index] = OPERATIONS[index].name;
        index += 1;
    }
    names
};

/// What the part is called that measures no operation.
const WASTE: &str = "waste";

/// What a shape holds. In `.bss`: the stack has no room for it, and memory that came from an
/// allocator would change what is measured.
static HELD: Mutex<[u32; MAX_HELD]> = Mutex::new([0; MAX_HELD]);

/// Why nothing was measured.
#[derive(Clone, Copy, Debug)]
pub enum Unmeasured {
    /// Nobody counts instructions.
    NoCounter,
    /// A benchmark is running.
    Busy,
}

impl core::fmt::Display for Unmeasured {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoCounter => "nobody counts instructions here: boot with --icount",
            Self::Busy => "a benchmark is running",
        })
    }
}

/// Measures what has this place in [`NAMES`], or all operations, and prints.
///
/// # Errors
///
/// [`Unmeasured`].
pub fn run(kernel: &Kernel, chosen: Option<usize>) -> Result<(), Unmeasured> {
    let counter = InstructionCounter::find().ok_or(Unmeasured::NoCounter)?;
    let mut held = HELD.try_lock().ok_or(Unmeasured::Busy)?;
    let wanted = |&(index, _): &(usize, &Operation)| chosen.is_none_or(|chosen| chosen == index);
    let mut peers = peers::Peers::new(kernel);
    if chosen == Some(OPERATIONS.len()) {
        waste::run(kernel, &mut peers);
        return Ok(());
    }
    for (_, operation) in OPERATIONS.iter().enumerate().filter(wanted) {
        give_back(kernel);
        report(operation, None, pages::measure(kernel, counter, operation, &mut *held));
        peers.each(counter, operation, &mut *held, &mut |peer, figures| {
            report(operation, Some(peer), figures);
        });
    }
    Ok(())
}

/// Gives back what the operation before has left with the CPU, so that each begins with the same memory,
/// whatever was measured before it.
fn give_back(kernel: &Kernel) {
    kernel.vmalloc.make_room();
    kernel.slabs.shrink_all();
    kernel.pages.drain();
}

/// Prints the line of one operation.
fn report(operation: &Operation, peer: Option<&str>, figures: Option<Figures>) {
    let name = operation.name;
    let Some(figures) = figures else {
        let who = peer.unwrap_or("ours");
        return println!("bench: {name}: {who} ran out of memory");
    };
    println!("bench: {}", Line { name, peer, figures, batch: operation.shape.held() });
}

/// A line that `cargo xtask bench` reads.
struct Line<'a> {
    name: &'a str,
    peer: Option<&'a str>,
    figures: Figures,
    batch: u32,
}

impl core::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { name, peer, figures, batch } = self;
        write!(f, "{{\"name\":\"{name}\",")?;
        if let Some(peer) = peer {
            write!(f, "\"peer\":\"{peer}\",")?;
        }
        let Figures { get, put, calls } = figures;
        let pair = figures.pair();
        write!(f, "\"get\":{get},\"put\":{put},\"pair\":{pair},\"batch\":{batch},\"n\":{calls}}}")
    }
}
