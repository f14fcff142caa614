//! The pkmap over the real page allocator, and a table whose TLBs go stale.

mod basic;
mod handlers;
mod model;
mod threads;

use super::super::error::WhyNotMapped;
use super::super::test_slots::TestSlots;
use super::*;
use crate::addr::{PAGE_SIZE, PhysAddr, PhysRange};
use crate::frame::PageState;
use crate::zone::test_machine::{Memory, TestMachine, Told};
use crate::zone::{PageBlock, ZoneKind};

/// Frames below this one are lowmem, the others HighMem.
const BORDER: u32 = 0x1000;
const END: u32 = 0x3000;
const START: u32 = 0xbfe0_0000;
const PAGE_OFFSET: u32 = 0xc000_0000;

type Pages<'a, const CPUS: usize> = PageAllocator<'a, TestMachine<'a>, CPUS>;
type Map<'p, 'a, const CPUS: usize> = Pkmap<'p, 'a, TestMachine<'a>, TestSlots, CPUS>;

fn region() -> VirtRange {
    VirtRange::new(VirtAddr::new(START), VirtAddr::new(PAGE_OFFSET))
}

fn linear() -> LinearMap {
    let lowmem = PhysRange::new(PhysAddr::new(0), Pfn::new(BORDER).start());
    LinearMap::new(VirtAddr::new(PAGE_OFFSET), lowmem)
}

/// A machine of two zones, with a pkmap.
fn with_pkmap<const CPUS: usize>(
    f: impl for<'p, 'a> FnOnce(&'p Map<'p, 'a, CPUS>, &'p Pages<'a, CPUS>, &TestSlots),
) {
    let memory = Memory::new(0, END);
    let pages = memory.allocator::<CPUS>([0, 0, BORDER, END]);
    pages.release(crate::addr::PfnRange::new(Pfn::new(1), Pfn::new(END))).unwrap();
    pages.start();
    let table = TestSlots::default();
    let pkmap = Pkmap::new(&pages, &linear(), region(), table.clone()).unwrap();
    f(&pkmap, &pages, &table);
    pkmap.flush_unused();
    check(&pkmap, &table);
    assert_eq!(pages.validate(), Ok(()));
}

/// A machine that is not taken apart, for tests whose handlers know it.
fn forever() -> (&'static Map<'static, 'static, 1>, &'static Pages<'static, 1>, TestSlots) {
    let memory: &'static Memory = Box::leak(Box::new(Memory::new(0, END)));
    let pages: &'static Pages<'static, 1> =
        Box::leak(Box::new(memory.allocator::<1>([0, 0, BORDER, END])));
    pages.release(crate::addr::PfnRange::new(Pfn::new(1), Pfn::new(END))).unwrap();
    pages.start();
    let table = TestSlots::default();
    let pkmap = Pkmap::new(pages, &linear(), region(), table.clone()).unwrap();
    (Box::leak(Box::new(pkmap)), pages, table)
}

/// The books, the words and the table agree.
fn check<const CPUS: usize>(pkmap: &Map<'_, '_, CPUS>, table: &TestSlots) {
    let figures = pkmap.figures();
    assert_eq!((figures.used + figures.idle) as usize, table.mapped());
    assert_eq!(figures.waiting, 0, "frames wait that nobody will give up");
    let frames: std::collections::BTreeSet<_> = pkmap.slots().map(|slot| slot.pfn).collect();
    assert_eq!(frames.len(), table.mapped(), "a frame has two slots");
    for slot in pkmap.slots() {
        assert_eq!(table.read(slot.virt), slot.pfn);
        assert!(matches!(
            pkmap.pages.frames().block_of(slot.pfn).map(|block| block.state),
            Some(PageState::Allocated { .. })
        ));
    }
}

fn high<'p, 'a, const CPUS: usize>(
    pages: &'p Pages<'a, CPUS>,
) -> PageBlock<'p, 'a, TestMachine<'a>, CPUS> {
    let block = pages.alloc_page(Gfp::GFP_HIGHUSER).unwrap();
    assert!(block.pfn().as_u32() >= BORDER);
    block
}

fn highs<'p, 'a, const CPUS: usize>(
    pages: &'p Pages<'a, CPUS>,
    count: usize,
) -> Vec<PageBlock<'p, 'a, TestMachine<'a>, CPUS>> {
    (0..count).map(|_| high(pages)).collect()
}

fn slot(number: u32) -> VirtAddr {
    VirtAddr::new(START + number * PAGE_SIZE)
}

fn is_free<const CPUS: usize>(pages: &Pages<'_, CPUS>, pfn: Pfn) -> bool {
    let state = pages.frames().block_of(pfn).map(|block| block.state);
    matches!(state, Some(PageState::Free { .. } | PageState::Stacked { .. }))
}
