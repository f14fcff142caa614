//! Other crates' allocators, on memory that ours gave: the same operations in the same boot.
//!
//! Each starts every operation anew, with all of its memory free. They are called as they are, with
//! no lock, so what they count is the algorithm alone; and once more behind the lock that a kernel
//! needs whose interrupt handlers allocate, [`IrqLock`], as `NAME+lock`. They know no GFP flags,
//! so they have figures beside `GFP_KERNEL` only.
//!
//! A peer is a file: its subjects, and a function that measures them. One is no crate but the least
//! that could be done, `floor`.
//!
//! [`IrqLock`]: arch_arm::sync::IrqLock

mod bitmap;
mod buddy_system;
mod floor;

use arch_arm::pmu::InstructionCounter;
use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn, PhysRange};
use workload::{Flags, Operation, What};

use super::meter::Figures;
use super::subject;
use crate::monitor::Kernel;

/// Blocks of the largest order that the peers get: 64 MiB.
const BLOCKS: usize = 16;
/// Blocks that are looked at for as many in a row.
const SEARCHED: usize = 64;

/// What a peer is given to do.
struct Task<'a> {
    counter: InstructionCounter,
    operation: &'a Operation,
    order: Order,
    /// The memory: pages in the linear map that nobody else uses.
    start: usize,
    bytes: usize,
    held: &'a mut [u32],
    see: &'a mut dyn FnMut(&'static str, Option<Figures>),
}

/// The memory that the peers work on, taken from our allocator until it is given back.
pub struct Peers {
    blocks: ArrayVec<Pfn, BLOCKS>,
    /// The blocks' address in the linear map, in which they lie in a row; 0 when there are none.
    start: usize,
}

impl Peers {
    /// Takes a row of blocks, but leaves half of all memory to ours, which is measured beside.
    pub fn new(kernel: &Kernel) -> Self {
        let limit = kernel.pages.lock().free_pages() / (2 * Order::MAX.pages());
        let mut found = ArrayVec::<Pfn, SEARCHED>::new();
        while found.len() < SEARCHED.min(limit as usize) && longest_row(&mut found).len() < BLOCKS {
            let Some(pfn) = subject::take(kernel.pages, Order::MAX) else { break };
            found.push(pfn);
        }
        let row = longest_row(&mut found);
        let first = row.first().copied();
        let last = row.get(..BLOCKS).unwrap_or(row).last().copied();
        let mut blocks = ArrayVec::new();
        for pfn in found {
            if Some(pfn) >= first && Some(pfn) <= last {
                blocks.push(pfn);
            } else {
                subject::give(kernel.pages, pfn, Order::MAX);
            }
        }
        let page = first.and_then(|pfn| PhysRange::from_len(pfn.start(), 1));
        let start = page.and_then(|page| kernel.tables.linear().pointer(page));
        Self { blocks, start: start.map_or(0, |at| at as usize) }
    }

    /// Gives the memory back.
    pub fn give_back(self, kernel: &Kernel) {
        for pfn in self.blocks {
            subject::give(kernel.pages, pfn, Order::MAX);
        }
    }

    /// Measures `operation` on every peer that can do it.
    pub fn each(
        &mut self,
        counter: InstructionCounter,
        operation: &Operation,
        held: &mut [u32],
        see: &mut dyn FnMut(&'static str, Option<Figures>),
    ) {
        let What::Pages { flags: Flags::Kernel, order } = operation.what else { return };
        let Some(order) = Order::new(order) else { return };
        if self.start == 0 {
            return;
        }
        let bytes = self.blocks.len() * Order::MAX.bytes() as usize;
        let start = self.start;
        let mut task = Task { counter, operation, order, start, bytes, held, see };
        // SAFETY: 1. `new` took these blocks of lowmem from our allocator, which gives them to nobody
        // else; they lie in a row from `start`, and each peer is gone when its function returns.
        unsafe { buddy_system::measure(&mut task) };
        bitmap::measure(&mut task);
        // SAFETY: 1. as above.
        unsafe { floor::measure(&mut task) };
    }
}

/// The longest run of blocks, each behind the one before it. Sorts them.
fn longest_row(blocks: &mut [Pfn]) -> &[Pfn] {
    blocks.sort_unstable();
    let step = Order::MAX.pages();
    let rows = blocks.chunk_by(|one, next| one.as_u32() + step == next.as_u32());
    rows.max_by_key(|row| row.len()).unwrap_or_default()
}
