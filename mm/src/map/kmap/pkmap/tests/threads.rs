//! Several CPUs at once, as threads: each maps frames that the others map too, and one flushes.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::frame::{FrameTable, Page, PageBlocks};
use crate::sync::AtomicU8;
use crate::zone::ZoneSpan;

const CPUS: usize = 2;

thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

/// Threads for CPUs. Nothing interrupts.
struct Threads;

impl Platform for Threads {
    type Masked = ();
    fn mask(&self) {}
    fn cpu(&self, (): &()) -> usize {
        CPU.get()
    }
    fn contended(&self) {}
    fn fill(&self, _: Pfn, _: Order, _: u8) {}
    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        None
    }
    fn call_site(&self) -> u32 {
        0
    }
    fn wait(&self, _: &Shortage) -> Answer {
        std::thread::yield_now();
        Answer::Retry
    }
    fn report(&self, report: &Report<'_>) {
        panic!("{report}");
    }
}

/// A table that is looked at by many: an entry is what it is for as long as somebody uses it.
struct Shared {
    entries: Vec<Mutex<Option<Pfn>>>,
    is_flushed: Vec<AtomicBool>,
}

impl Shared {
    fn index(virt: VirtAddr) -> usize {
        ((virt.as_u32() - START) >> PAGE_SHIFT) as usize
    }
}

impl SlotTable for &Shared {
    fn map(&self, virt: VirtAddr, pfn: Pfn) -> crate::map::Fresh {
        let index = Shared::index(virt);
        assert!(self.is_flushed[index].swap(false, std::sync::atomic::Ordering::Relaxed));
        assert_eq!(self.entries[index].lock().unwrap().replace(pfn), None);
        crate::map::Fresh::owed()
    }
    fn publish(&self, fresh: crate::map::Fresh) {
        fresh.paid();
    }
    fn clear(&self, virt: VirtAddr) -> crate::map::Stale {
        assert!(self.entries[Shared::index(virt)].lock().unwrap().take().is_some());
        crate::map::Stale::owed(crate::map::slots::page_at(virt))
    }
    fn flush(&self, stale: crate::map::Stale) {
        let range = stale.paid();
        for index in
            Shared::index(range.start())..=Shared::index(VirtAddr::new(range.end().as_u32() - 1))
        {
            if self.entries[index].lock().unwrap().is_none() {
                self.is_flushed[index].store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn cpus_share_slots_and_one_flushes() {
    let frames: Vec<Page> = (0..END).map(|_| Page::RESERVED).collect();
    let range = crate::addr::PfnRange::new(Pfn::new(0), Pfn::new(END));
    let blocks: Vec<_> = (0..PageBlocks::bytes_for(range)).map(|_| AtomicU8::new(0)).collect();
    let spans = ZoneKind::ALL.map(|kind| match kind {
        ZoneKind::HighMem => {
            let range = crate::addr::PfnRange::new(Pfn::new(BORDER), Pfn::new(END));
            ZoneSpan { kind, range, present: range.len() }
        }
        _ => ZoneSpan::empty(kind),
    });
    let table = FrameTable::new(Pfn::new(0), &frames, &blocks).unwrap();
    let pages = PageAllocator::<_, CPUS>::new(table, &spans, Threads).unwrap();
    pages.release(crate::addr::PfnRange::new(Pfn::new(BORDER), Pfn::new(END))).unwrap();
    pages.start();
    let shared = Shared {
        entries: (0..SLOTS).map(|_| Mutex::new(None)).collect(),
        is_flushed: (0..SLOTS).map(|_| AtomicBool::new(true)).collect(),
    };
    let pkmap = Pkmap::new(&pages, &linear(), region(), &shared).unwrap();
    let blocks: Vec<_> = (0..900).map(|_| pages.alloc_page(Gfp::GFP_HIGHUSER).unwrap()).collect();
    let frames: Vec<_> = blocks.iter().map(PageBlock::pfn).collect();
    std::thread::scope(|scope| {
        for cpu in 0..CPUS {
            let (pkmap, frames, shared) = (&pkmap, &frames, &shared);
            scope.spawn(move || {
                CPU.set(cpu);
                let mut held = std::collections::VecDeque::new();
                let mut next = cpu as u32 + 1;
                for step in 0..5000_u32 {
                    next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let pfn = frames[(next >> 8) as usize % frames.len()];
                    let virt = pkmap.kmap_raw(pfn).unwrap();
                    held.push_back((pfn, virt));
                    // Each holds up to 100 frames, so there is always a slot.
                    if held.len() > 100 {
                        let (_, virt) = held.pop_front().unwrap();
                        pkmap.kunmap_raw(virt).unwrap();
                    }
                    let (pfn, virt) = held[step as usize % held.len()];
                    let entry = *shared.entries[Shared::index(virt)].lock().unwrap();
                    assert_eq!(entry, Some(pfn), "a frame in use was unmapped");
                    if cpu == 0 && step % 64 == 0 {
                        pkmap.flush_unused();
                    }
                }
                for (_, virt) in held {
                    pkmap.kunmap_raw(virt).unwrap();
                }
            });
        }
    });
    pkmap.flush_unused();
    let figures = pkmap.figures();
    assert_eq!((figures.used, figures.idle, figures.waiting), (0, 0, 0));
    drop(blocks);
    assert_eq!(pages.validate(), Ok(()));
}
