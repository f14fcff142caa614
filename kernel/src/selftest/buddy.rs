//! Suite `buddy`: the live page allocator against a record of who has what.
//!
//! Blocks of random orders are taken from random zones and given back in random order. Every page of
//! a block that the linear map shows is stamped with its own number, and must still hold it when the
//! block is given back: two owners of one page would overwrite each other. At the end everything is
//! free again as it was. The sequence is the same on every run.

use arrayvec::ArrayVec;
use mm::addr::{Order, Pfn, PhysRange};
use mm::zone::{Gfp, ZoneKind};

use super::Checks;
use crate::boot::LinearMap;
use crate::monitor::Kernel;
use crate::pages;

/// Takes and gives of one run.
const STEPS: u32 = 4000;
/// Blocks held at once.
const HELD: usize = 200;
/// Largest order taken: the page array of a small machine leaves few larger blocks.
const MAX_ORDER: u32 = 8;

/// Runs the suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let linear = kernel.tables.linear();
    kernel.pages.drain();
    let before = kernel.pages.zones().each_ref().map(free_blocks);
    let mut held: ArrayVec<(Pfn, Order), HELD> = ArrayVec::new();
    let mut random = Random(0x2545_f491);
    for _ in 0..STEPS {
        let gives = held.is_full() || (!held.is_empty() && random.below(2) == 0);
        if gives {
            let (pfn, order) = held.swap_remove(random.below(held.len() as u32) as usize);
            give(kernel, linear, pfn, order, checks);
            continue;
        }
        let Some(order) = Order::new(random.below(MAX_ORDER + 1) as u8) else { continue };
        let zone = ZoneKind::ALL[random.below(ZoneKind::COUNT as u32) as usize];
        let taken = kernel.pages.alloc_raw_in(zone, Gfp::GFP_KERNEL, order);
        if let Ok(pfn) = taken {
            checks.that(
                pfn.as_u32().is_multiple_of(order.pages()),
                format_args!("a block of order {order} starts at pfn {pfn}"),
            );
            stamp(linear, pfn, order);
            held.push((pfn, order));
        }
    }
    let valid = kernel.pages.validate();
    checks.that(valid.is_ok(), format_args!("with {} blocks held: {valid:?}", held.len()));
    for (pfn, order) in held {
        give(kernel, linear, pfn, order, checks);
    }
    kernel.pages.drain();
    let after = kernel.pages.zones().each_ref().map(free_blocks);
    checks.that(after == before, format_args!("free blocks before {before:?}, after {after:?}"));
    let valid = kernel.pages.validate();
    checks.that(valid.is_ok(), format_args!("with all blocks back: {valid:?}"));
}

fn free_blocks(zone: &mm::zone::Zone) -> [u32; Order::COUNT] {
    let mut blocks = [0; Order::COUNT];
    for (place, order) in blocks.iter_mut().zip(Order::all()) {
        *place = zone.counts().all_blocks()[order.index()].iter().sum();
    }
    blocks
}

/// Writes into each page of a lowmem block which page it is.
fn stamp(linear: LinearMap, pfn: Pfn, order: Order) {
    for (number, word) in words(linear, pfn, order) {
        // SAFETY: the block was allocated just now, so nobody else uses its pages; `words` gives
        // aligned words of them in the linear map.
        unsafe { word.write_volatile(number) };
    }
}

/// Gives a block back after a look at its stamps.
fn give(kernel: &mut Kernel, linear: LinearMap, pfn: Pfn, order: Order, checks: &mut Checks) {
    for (number, word) in words(linear, pfn, order) {
        // SAFETY: as in `stamp`; the block is still ours.
        let found = unsafe { word.read_volatile() };
        checks.that(
            found == number,
            format_args!("pfn {number} holds {found:#010x}: somebody else wrote into it"),
        );
    }
    // SAFETY: 1. the block is this test's; 2. its stamps have been read for the last time.
    let freed = unsafe { pages::free(kernel.pages, pfn, order) };
    checks.that(freed.is_ok(), format_args!("free of pfn {pfn}, order {order}: {freed:?}"));
}

/// The pages of a block with the first word of each; none of a HighMem block, which has no address.
fn words(linear: LinearMap, pfn: Pfn, order: Order) -> impl Iterator<Item = (u32, *mut u32)> {
    let first = pfn.as_u32();
    (first..first + order.pages()).filter_map(move |number| {
        let start = Pfn::new(number).start();
        let word = linear.pointer(PhysRange::from_len(start, 4)?)?;
        Some((number, word.cast()))
    })
}

/// Marsaglia's xorshift, 32 bits.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }
}
