//! A machine for tests of single questions: one zone of frames without memory, one CPU that nothing
//! interrupts, and a call site and reports that the test can set and read.
#![expect(clippy::unwrap_used, reason = "tests")]

use core::cell::{Cell, RefCell};

use super::page_alloc::PageAllocator;
use super::span::{ZoneKind, ZoneSpan};
use crate::addr::{Order, Pfn, PfnRange, PhysAddr};
use crate::frame::{FrameTable, Page, PageBlocks};
use crate::platform::{Answer, Platform, Report, Shortage};
use crate::sync::{AtomicU8, AtomicU32};

/// Frames of the machine. The first one is reserved.
pub(super) const PAGES: u32 = 8 * 1024;
const FIRST: Pfn = Pfn::new(0x40000);

std::thread_local! {
    static SITE: Cell<u32> = const { Cell::new(0) };
    static REPORTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The machine itself. What it remembers belongs to the test's thread.
pub(super) struct Tiny;

impl Tiny {
    /// Who calls the allocator from now on.
    pub(super) fn call_from(site: u32) {
        SITE.set(site);
    }

    /// What was reported since the last call.
    pub(super) fn reports() -> Vec<String> {
        REPORTS.take()
    }
}

impl Platform for Tiny {
    type Masked = ();

    fn mask(&self) {}

    fn cpu(&self, (): &()) -> usize {
        0
    }

    fn contended(&self) {
        panic!("a lock is held already");
    }

    fn fill(&self, _: Pfn, _: Order, _: u8) {}

    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        None
    }

    fn call_site(&self) -> u32 {
        SITE.get()
    }

    fn wait(&self, _: &Shortage) -> Answer {
        Answer::NobodyCanHelp
    }

    fn report(&self, report: &Report<'_>) {
        REPORTS.with_borrow_mut(|reports| reports.push(report.to_string()));
    }
}

/// What an allocator needs.
pub(super) struct Frames {
    pages: Vec<Page>,
    mobilities: Vec<AtomicU8>,
}

impl Frames {
    pub(super) fn new() -> Self {
        let frames = PfnRange::new(FIRST, FIRST.saturating_add(PAGES));
        let mobilities = (0..PageBlocks::bytes_for(frames)).map(|_| AtomicU8::new(0)).collect();
        Self { pages: (0..PAGES).map(|_| Page::RESERVED).collect(), mobilities }
    }

    pub(super) fn range(&self) -> PfnRange {
        PfnRange::new(FIRST, FIRST.saturating_add(PAGES))
    }

    /// The frame that the allocator does not get.
    pub(super) fn reserved(&self) -> Pfn {
        FIRST
    }

    /// An allocator that has all frames but the reserved one, and writes down who takes them if it is
    /// given a word for each.
    pub(super) fn allocator<'a>(
        &'a self,
        owners: Option<&'a [AtomicU32]>,
    ) -> PageAllocator<'a, Tiny> {
        let table = FrameTable::new(FIRST, &self.pages, &self.mobilities).unwrap();
        let range = self.range();
        let spans = ZoneKind::ALL.map(|kind| match kind {
            ZoneKind::Dma => ZoneSpan { kind, range, present: PAGES },
            _ => ZoneSpan::empty(kind),
        });
        let mut pages = PageAllocator::new(table, &spans, Tiny).unwrap();
        if let Some(owners) = owners {
            pages.track_owners(owners);
        }
        pages.release(PfnRange::new(FIRST.saturating_add(1), range.end())).unwrap();
        pages.start();
        pages
    }
}
