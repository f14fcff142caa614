//! Other crates' allocators, on memory that ours gave: the same operations in the same boot.
//!
//! Each starts every operation anew, with all of its memory free. They are called as they are, with
//! no lock, so what they count is the algorithm alone; and once more behind the lock that a kernel
//! needs whose interrupt handlers allocate, [`IrqLock`], as `NAME+lock`. They know no GFP flags,
//! so they have figures beside `GFP_KERNEL` only.
//!
//! A peer for pages is a file: its subjects, and a function that measures them. Peers for bytes are in
//! `bytes`. One of each is no crate but the least that could be done, `floor`.
//!
//! [`IrqLock`]: arch_arm::sync::IrqLock

mod bitmap;
mod buddy_system;
pub mod bytes;
mod floor;

use arch_arm::pmu::InstructionCounter;
use mm::addr::{MIB, Order, PAGE_SIZE};
use mm::zone::PageRun;
use workload::{Flags, Operation, What};

use super::meter::Figures;
use super::subject;
use crate::monitor::Kernel;
use crate::platform::Hardware;

/// Bytes that the peers get, on a machine that has twice as much free.
const BYTES: u64 = 64 * MIB;

/// What the two floors are called.
const FLOOR: &str = "floor";

/// Pages in the linear map that nobody else uses.
#[derive(Clone, Copy)]
pub struct Memory {
    /// The address of the first.
    pub start: usize,
    /// How many bytes they are.
    pub bytes: usize,
}

/// What a peer is given to do.
struct Task<'a> {
    counter: InstructionCounter,
    operation: &'a Operation,
    memory: Memory,
    held: &'a mut [u32],
    see: &'a mut dyn FnMut(&'static str, Option<Figures>),
}

/// The memory that the peers work on, taken from our allocator for as long as this lives.
pub struct Peers {
    run: Option<PageRun<'static, 'static, Hardware>>,
    /// Its address in the linear map; 0 when there is none.
    start: usize,
}

impl Peers {
    /// Takes pages in a row, but leaves half of all memory to ours, which is measured beside.
    pub fn new(kernel: &Kernel) -> Self {
        let free = kernel.pages.figures().free() / 2 * u64::from(PAGE_SIZE);
        let run = subject::take(kernel.pages, (BYTES.min(free) / u64::from(PAGE_SIZE)) as u32);
        let linear = kernel.tables.linear();
        let start = run.as_ref().and_then(|run| linear.pointer(run.phys()));
        Self { run, start: start.map_or(0, |at| at as usize) }
    }

    /// The memory; `None` when there is none.
    ///
    /// It is nobody else's for as long as `self` lives, and then only if one at a time uses it.
    pub fn memory(&mut self) -> Option<Memory> {
        let bytes = self.run.as_ref().map_or(0, |run| run.phys().len()) as usize;
        (self.start != 0).then_some(Memory { start: self.start, bytes })
    }

    /// Measures `operation` on every peer that can do it.
    pub fn each(
        &mut self,
        counter: InstructionCounter,
        operation: &Operation,
        held: &mut [u32],
        see: &mut dyn FnMut(&'static str, Option<Figures>),
    ) {
        let Some(memory) = self.memory() else { return };
        let mut task = Task { counter, operation, memory, held, see };
        match operation.what {
            What::Pages { flags: Flags::Kernel, order } => {
                let Some(order) = Order::new(order) else { return };
                // SAFETY: 1. `new` took these blocks of lowmem from our allocator, which gives them to
                // nobody else; they lie in a row from `start`, and each peer is gone when its function
                // returns.
                unsafe { buddy_system::measure(&mut task, order) };
                bitmap::measure(&mut task, order);
                // SAFETY: 1. as above.
                unsafe { floor::measure(&mut task, order) };
            }
            What::Bytes { .. }
            | What::ConstBytes { .. }
            | What::Object { .. }
            | What::Objects { .. } => {
                // SAFETY: 1. as above.
                unsafe { bytes::measure(&mut task) };
            }
            _ => {}
        }
    }
}
