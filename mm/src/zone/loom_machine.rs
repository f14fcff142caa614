//! The machine of the models: CPUs that nothing interrupts, and memory that `loom` watches.
//!
//! Memory is a cell for each frame, in which nothing lies. `loom` knows who reads and writes there, and fails a model in
//! which one CPU's access to a page does not come before or after another's.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;

use loom::cell::UnsafeCell;
use loom::thread;

use super::page_alloc::PageAllocator;
use super::span::{ZoneKind, ZoneSpan};
use crate::addr::{Order, Pfn, PhysAddr};
use crate::frame::{FrameTable, Page, PageBlocks};
use crate::platform::{Answer, Platform, Report, Shortage};
use crate::sync::AtomicU8;

pub(crate) const CPUS: usize = 2;
/// The first frame: a block of any order that a model has can begin there.
pub(crate) const FIRST: Pfn = Pfn::new(64);

loom::thread_local! {
    /// Which CPU a thread is.
    static CPU: Cell<usize> = Cell::new(0);
}

/// Goes on as this CPU.
pub(crate) fn become_cpu(cpu: usize) {
    CPU.with(|own| own.set(cpu));
}

/// What a model makes of what its machine is asked and told.
pub(crate) trait Listener: Sync + 'static {
    /// Memory is about to be filled.
    fn fills(&self) {}

    /// Somebody is about to wait.
    fn waits(&self) {}

    /// What he is told.
    fn answer(&self) -> Answer {
        Answer::Retry
    }

    fn report(&self, report: &Report<'_>) {
        panic!("{report}");
    }
}

/// Waits, and takes no report.
impl Listener for () {}

/// CPUs and memory.
pub(crate) struct Machine<L> {
    memory: Vec<UnsafeCell<()>>,
    pub(crate) listener: L,
}

#[expect(unsafe_code, reason = "cells that are only watched")]
// SAFETY: no access ever touches the cells' values, which have no bytes.
unsafe impl<L: Sync> Sync for Machine<L> {}

impl<L> Machine<L> {
    fn cells(&self, pfn: Pfn, order: Order) -> &[UnsafeCell<()>] {
        let first = (pfn.as_u32() - FIRST.as_u32()) as usize;
        &self.memory[first..first + order.pages() as usize]
    }

    /// Reads the page.
    pub(crate) fn read(&self, pfn: Pfn) {
        self.cells(pfn, Order::ZERO)[0].with(|_| ());
    }

    /// Writes the block.
    pub(crate) fn write(&self, pfn: Pfn, order: Order) {
        self.cells(pfn, order).iter().for_each(|cell| cell.with_mut(|_| ()));
    }
}

impl<L: Listener> Platform for Machine<L> {
    type Masked = ();

    fn mask(&self) {}

    fn cpu(&self, (): &()) -> usize {
        CPU.with(Cell::get)
    }

    fn contended(&self) {}

    fn fill(&self, pfn: Pfn, order: Order, _: u8) {
        self.listener.fills();
        self.write(pfn, order);
    }

    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        None
    }

    fn call_site(&self) -> u32 {
        0
    }

    fn wait(&self, _: &Shortage) -> Answer {
        self.listener.waits();
        // What others have stored is seen after a yield, at the latest.
        thread::yield_now();
        self.listener.answer()
    }

    fn report(&self, report: &Report<'_>) {
        self.listener.report(report);
    }
}

/// A page allocator with one zone of `count` frames, all of them free.
pub(crate) fn pages<L: Listener>(
    zone: ZoneKind,
    count: u32,
    listener: L,
) -> PageAllocator<'static, Machine<L>, CPUS> {
    // Lost in each run, since `loom`'s threads want what lives for ever.
    let frames: Vec<Page> = (0..count).map(|_| Page::reserved()).collect();
    let table = FrameTable::new(FIRST, frames.leak(), vec![AtomicU8::new(0)].leak()).unwrap();
    let range = table.range();
    assert_eq!(PageBlocks::bytes_for(range), 1);
    let spans = ZoneKind::ALL.map(|kind| {
        if kind == zone { ZoneSpan { kind, range, present: count } } else { ZoneSpan::empty(kind) }
    });
    let memory = (0..count).map(|_| UnsafeCell::new(())).collect();
    let pages = PageAllocator::new(table, &spans, Machine { memory, listener }).unwrap();
    pages.release(range).unwrap();
    pages.start();
    pages
}
