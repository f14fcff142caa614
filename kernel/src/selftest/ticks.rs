//! No tick is lost, however busy the kernel is.
//!
//! For some seconds of counter time the kernel takes and frees pages, writes and checks them, and
//! takes the console's locks, all with interrupts coming in between. Afterwards the ticks are the
//! elapsed time, each tick had its interrupt, and what was in memory is still there: an interrupt
//! that spoiled a register would have written elsewhere.
//!
//! Whether a tick is *merged* into the next one is the kernel's doing only where nobody else stops
//! the clock's CPU. A QEMU that the host sets aside for 4 ms merges ticks, too, unless time follows
//! the instructions executed (`--icount`). Then, as on hardware, those are counted, and merged ticks
//! are a failure; otherwise they are shown.

use arch_arm::interrupt;
use arch_arm::pmu::InstructionCounter;
use arrayvec::ArrayVec;
use mm::addr::{Order, PAGE_SIZE, Pfn, PhysRange};
use mm::zone::Gfp;

use super::Checks;
use crate::console::{self, println};
use crate::interrupts::{self, tick};
use crate::monitor::Kernel;
use crate::pages;

/// The most blocks that the load holds.
const MAX_BLOCKS: usize = 64;
/// The largest order that it asks for.
const MAX_ORDER: u8 = 3;
/// Words of a block that are written and checked.
const WORDS: usize = PAGE_SIZE as usize / 4;

/// The suite: a second of it.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    run_for(kernel, 1, checks);
}

/// The same for so many seconds.
pub fn run_for(kernel: &mut Kernel, seconds: u32, checks: &mut Checks) {
    let Some(clock) = tick::clock() else {
        return checks.skip("no tick");
    };
    let frequency = u64::from(clock.frequency.get());
    let now = || {
        let _one_moment = interrupt::mask();
        (clock.timer.count(), tick::figures(), interrupts::count(clock.interrupt))
    };
    let free_before = free_pages(kernel);
    let mut load = Load { blocks: ArrayVec::new(), random: 1, taken: 0 };

    let (start, before, interrupts_before) = now();
    let end = start + u64::from(seconds) * frequency;
    while clock.timer.count() < end {
        load.step(kernel, checks);
    }
    let (end, after, interrupts_after) = now();

    while !load.blocks.is_empty() {
        load.free(kernel, checks);
    }
    checks.equal(free_pages(kernel), free_before, format_args!("free pages"));
    let ticks = after.ticks - before.ticks;
    let merged = after.late - before.late;
    let interrupts = interrupts_after.wrapping_sub(interrupts_before);
    let periods = (end - start) * u64::from(tick::HZ.get()) / frequency;
    checks.that(
        ticks.abs_diff(periods) <= 1,
        format_args!("{ticks} ticks in the time of {periods} periods"),
    );
    checks.equal(
        u64::from(interrupts),
        ticks - merged,
        format_args!("interrupts of {ticks} ticks"),
    );
    if InstructionCounter::find().is_some() {
        checks.equal(merged, 0, format_args!("merged ticks"));
    }
    checks.that(load.taken > 0, format_args!("there was no load"));
    println!(
        "ticks: {seconds} s, {} blocks of pages taken: {ticks} ticks, {interrupts} interrupts, \
         {merged} merged; {} bytes wait on the console",
        load.taken,
        console::waiting_bytes(),
    );
}

fn free_pages(kernel: &Kernel) -> u64 {
    kernel.pages.drain();
    kernel.pages.figures().free()
}

/// Something to do.
struct Load {
    blocks: ArrayVec<(Pfn, Order), MAX_BLOCKS>,
    random: u32,
    taken: u64,
}

impl Load {
    /// Takes or frees a block, and asks the console how it is, under its locks.
    fn step(&mut self, kernel: &mut Kernel, checks: &mut Checks) {
        // The generator of ISO C's example; its upper bits are good enough to stir things up.
        self.random = self.random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        if self.blocks.is_full() || (self.random >> 16).is_multiple_of(3) && !self.blocks.is_empty()
        {
            self.free(kernel, checks);
        } else {
            self.take(kernel);
        }
        // Two of the console's locks.
        let _ = (console::losses(), console::waiting_bytes());
    }

    fn take(&mut self, kernel: &mut Kernel) {
        let order = Order::new((self.random >> 24) as u8 % (MAX_ORDER + 1)).unwrap_or_default();
        // A kernel without this much memory has load enough.
        let taken = pages::alloc(kernel.pages, Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN, order);
        let Ok(pfn) = taken else { return };
        for (index, word) in words(kernel, pfn).enumerate() {
            // SAFETY: a word of a page that was allocated to this test just now.
            unsafe { word.write_volatile(pattern(pfn, index)) };
        }
        self.blocks.push((pfn, order));
        self.taken += 1;
    }

    /// Frees the block that a random number picks, if what was written to it is still there.
    fn free(&mut self, kernel: &mut Kernel, checks: &mut Checks) {
        let (pfn, order) = self.blocks.swap_remove(self.random as usize % self.blocks.len());
        let wrong = words(kernel, pfn).enumerate().find(|(index, word)| {
            // SAFETY: as in `take`; it is freed below.
            unsafe { word.read_volatile() != pattern(pfn, *index) }
        });
        if let Some((index, _)) = wrong {
            checks.that(false, format_args!("word {index} of page {pfn} has changed"));
        }
        // SAFETY: 1. and 2. the block is this test's, and its pages have been read for the last time.
        let freed = unsafe { pages::free(kernel.pages, pfn, order) };
        if let Err(error) = freed {
            checks.that(false, format_args!("{error}"));
        }
    }
}

/// The words of the first page of a block, in the linear map.
fn words(kernel: &Kernel, pfn: Pfn) -> impl Iterator<Item = *mut u32> + use<> {
    let start = pfn.start();
    let page = PhysRange::new(start, start.saturating_add(PAGE_SIZE.into()));
    let first = kernel.tables.linear().pointer(page).map(<*mut u8>::cast::<u32>);
    (0..WORDS).filter_map(move |index| Some(first?.wrapping_add(index)))
}

fn pattern(pfn: Pfn, index: usize) -> u32 {
    pfn.as_u32().rotate_left(12) ^ index as u32
}
