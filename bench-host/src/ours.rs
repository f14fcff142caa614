//! Our page allocator: the one file here that knows its interface. A thread is a CPU.

use anyhow::Result;
use mm::addr::{Order, Pfn, PfnRange, PhysAddr};
use mm::frame::{FrameTable, Page, PageBlocks};
use mm::platform::{Answer, Platform, Report, Shortage};
use mm::sync::AtomicU8;
use mm::zone::{Gfp, PageAllocator, ZoneKind, ZoneSpan};
use std::cell::Cell;
use std::thread;

use crate::store::Store;

/// As many CPUs as there are threads at most.
const CPUS: usize = 4;

thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

/// Threads for CPUs, without interrupts, and without memory behind the frames.
pub struct Threads;

impl Platform for Threads {
    type Masked = ();

    fn mask(&self) {}

    fn cpu(&self, (): &()) -> usize {
        CPU.get()
    }

    /// A CPU that holds a lock runs; a thread may have been put aside meanwhile.
    fn contended(&self) {
        thread::yield_now();
    }

    fn fill(&self, _: Pfn, _: Order, _: u8) {}

    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        None
    }

    fn call_site(&self) -> u32 {
        0
    }

    fn wait(&self, _: &Shortage) -> Answer {
        Answer::NobodyCanHelp
    }

    fn report(&self, _: &Report<'_>) {}
}

/// One zone, Normal.
pub struct Ours(PageAllocator<'static, Threads, CPUS>);

impl Ours {
    /// With so many pages, all free.
    pub fn new(pages: u32) -> Result<Self> {
        let range = |start, end| PfnRange::new(Pfn::new(start), Pfn::new(end));
        let descriptors: Vec<_> = (0..pages).map(|_| Page::RESERVED).collect();
        let blocks = PageBlocks::bytes_for(range(0, pages));
        let blocks: Vec<_> = (0..blocks).map(|_| AtomicU8::new(0)).collect();
        let frames = FrameTable::new(Pfn::new(0), descriptors.leak(), blocks.leak())?;
        let span = |kind, range: PfnRange| ZoneSpan { kind, range, present: range.len() };
        let spans = [
            span(ZoneKind::Dma, range(0, 0)),
            span(ZoneKind::Normal, range(0, pages)),
            span(ZoneKind::HighMem, range(pages, pages)),
        ];
        let allocator = PageAllocator::new(frames, &spans, Threads)?;
        allocator.release(range(0, pages))?;
        allocator.start();
        Ok(Self(allocator))
    }
}

impl Store for Ours {
    const NAME: &'static str = "vmsplit";

    fn enter(&self, cpu: usize) {
        CPU.set(cpu);
        self.0.tick();
    }

    #[inline(never)]
    fn get(&self, order: u8, movable: bool) -> Option<u32> {
        let order = Order::new(order)?;
        let mut gfp = Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN;
        gfp.set(Gfp::__GFP_MOVABLE, movable);
        let taken = self.0.alloc_raw(gfp, order);
        // Then from the reserve, since the others keep none.
        taken.or_else(|_| self.0.alloc_raw(gfp | Gfp::__GFP_MEMALLOC, order)).ok().map(Pfn::as_u32)
    }

    #[inline(never)]
    fn put(&self, page: u32, order: u8) {
        let Some(order) = Order::new(order) else { return };
        // SAFETY: 1. `get` took it, and the workload gives it back once; 2. there is no memory.
        if let Err(error) = unsafe { self.0.free_raw(Pfn::new(page), order) } {
            unreachable!("{error}");
        }
    }
}
