//! Device memory on a machine without page tables: what is asked of an [`Mmu`] is kept in maps, and held against the
//! rules. Above all: no frame has two types, counting what TLBs may still hold.
#![expect(clippy::unwrap_used, reason = "tests")]

mod failing;
mod model;
mod owners;
mod rules;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;

use super::map::IoMap;
use super::*;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use crate::map::duty::{Fresh, Stale};
use crate::map::mmu::{Mapped, Mmu, NoTable};
use crate::map::prot::{MemoryType, Prot, Rights};
use crate::map::test_region::{self, START, space, with_bench};
use crate::object::test_machine::Machine;
use crate::sync::watch;
use crate::zone::Gfp;

/// Frames of a section, and of a supersection.
const SECTION: u32 = 0x100;
const SUPER: u32 = 0x1000;

/// What TLBs and entries say of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    pfn: u32,
    memory: MemoryType,
    /// Frames of the leaf that it is part of.
    leaf: u32,
}

#[derive(Default)]
struct Tables {
    /// By page number.
    entries: BTreeMap<u32, Entry>,
    /// What TLBs may hold of entries that were taken away, by page number.
    stale: BTreeMap<u32, Entry>,
    /// Both of them, by frame and page.
    by_frame: BTreeMap<(u32, u32), MemoryType>,
    /// By MiB: who holds the table.
    held: BTreeMap<u32, u32>,
    /// By page number: frames of the large leaves that begin there.
    leaves: BTreeMap<u32, u32>,
    flushes: u32,
}

/// Page tables whose TLBs never forget by themselves.
#[derive(Default)]
struct Fake {
    tables: RefCell<Tables>,
    /// The request for tables that fails; none if it is 0.
    fails_at: Cell<u32>,
    asked: Cell<u32>,
}

fn pages_of(range: VirtRange) -> std::ops::Range<u32> {
    assert!(range.start().is_aligned(PAGE_SIZE) && range.end().is_aligned(PAGE_SIZE));
    range.start().as_u32() >> PAGE_SHIFT..range.end().as_u32() >> PAGE_SHIFT
}

/// The pieces of `pages` that lie in one MiB each.
fn pieces(pages: std::ops::Range<u32>) -> impl Iterator<Item = std::ops::Range<u32>> {
    let ends = pages.clone();
    let mibs = pages.start / SECTION..pages.end.div_ceil(SECTION);
    mibs.map(move |mib| (mib * SECTION).max(ends.start)..((mib + 1) * SECTION).min(ends.end))
}

impl Tables {
    fn is_held(&self, page: u32) -> bool {
        self.held.contains_key(&(page / SECTION))
    }

    fn hold(&mut self, page: u32) {
        assert!(!self.entries.contains_key(&page) || self.is_held(page), "a table over a section");
        *self.held.entry(page / SECTION).or_default() += 1;
    }

    fn let_go(&mut self, page: u32) {
        let holders = self.held.get_mut(&(page / SECTION)).unwrap();
        *holders -= 1;
        if *holders == 0 {
            self.held.remove(&(page / SECTION));
        }
    }

    fn map(&mut self, page: u32, entry: Entry) {
        // What a TLB still holds says the same: a page comes back before the flush only as what it was.
        if let Some(old) = self.stale.remove(&page) {
            assert_eq!(old, entry, "page {page:#x} is something else before a flush");
            assert_eq!(self.by_frame.remove(&(old.pfn, page)), Some(old.memory));
        }
        let frame = (entry.pfn, 0)..=(entry.pfn, u32::MAX);
        let mut others = self.by_frame.range(frame).filter(|(_, memory)| **memory != entry.memory);
        assert_eq!(others.next(), None, "two types for a frame: {entry:?}");
        self.by_frame.insert((entry.pfn, page), entry.memory);
        assert_eq!(self.entries.insert(page, entry), None, "page {page:#x} is mapped");
    }

    fn forget(&mut self, range: Option<std::ops::Range<u32>>) {
        self.flushes += 1;
        let by_frame = &mut self.by_frame;
        self.stale.retain(|page, entry| {
            let is_kept = range.as_ref().is_some_and(|pages| !pages.contains(page));
            if !is_kept {
                by_frame.remove(&(entry.pfn, *page));
            }
            is_kept
        });
    }

    fn take_away(&mut self, pages: std::ops::Range<u32>) {
        for page in pages {
            if let Some(entry) = self.entries.remove(&page) {
                self.stale.insert(page, entry);
            }
        }
    }
}

impl Fake {
    /// Whatever may wait, or take a lock.
    fn ask(&self, range: VirtRange) -> Result<(), NoTable> {
        assert_eq!(watch::held(), 0, "under a lock");
        assert!(!range.is_empty());
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() == self.fails_at.get() {
            return Err(NoTable { virt: range.start() });
        }
        Ok(())
    }

    /// How many large leaves map so many frames.
    fn leaves(&self, frames: u32) -> usize {
        self.tables.borrow().leaves.values().filter(|leaf| **leaf == frames).count()
    }

    fn flushes(&self) -> u32 {
        std::mem::take(&mut self.tables.borrow_mut().flushes)
    }
}

fn entry(pfn: u32, prot: Prot) -> Entry {
    assert_eq!(prot.rights, Rights::ReadWrite);
    Entry { pfn, memory: prot.memory, leaf: 1 }
}

impl Mmu for Fake {
    const BLOCKS_END: PhysAddr = PhysAddr::new(1 << 40);

    fn hold_tables(&self, range: VirtRange, _: Gfp) -> Result<(), NoTable> {
        self.ask(range)?;
        pieces(pages_of(range)).for_each(|piece| self.tables.borrow_mut().hold(piece.start));
        Ok(())
    }

    fn drop_tables(&self, range: VirtRange) {
        assert_eq!(watch::held(), 0, "under a lock");
        let mut tables = self.tables.borrow_mut();
        assert_eq!(tables.entries.range(pages_of(range)).next(), None, "{range} is mapped");
        pieces(pages_of(range)).for_each(|piece| tables.let_go(piece.start));
    }

    fn map_pages(&self, _: VirtAddr, _: &[Pfn], _: Prot) -> Fresh {
        unreachable!("device memory is runs")
    }

    fn map_run(&self, start: VirtAddr, frames: PfnRange, prot: Prot) -> Fresh {
        let mut tables = self.tables.borrow_mut();
        assert!(frames.end().as_u32() <= 1 << 20, "a page maps nothing above 4 GiB");
        for (page, pfn) in (start.as_u32() >> PAGE_SHIFT..).zip(frames.iter()) {
            assert!(tables.is_held(page), "page {page:#x} has no table");
            tables.map(page, entry(pfn.as_u32(), prot));
        }
        Fresh::owed()
    }

    fn publish(&self, fresh: Fresh) {
        fresh.paid();
    }

    fn clear(&self, range: VirtRange) -> Stale {
        let mut tables = self.tables.borrow_mut();
        assert!(pages_of(range).all(|page| tables.is_held(page)));
        tables.take_away(pages_of(range));
        Stale::owed(range)
    }

    fn retire(&self, _: VirtRange) -> Stale {
        unreachable!("frames of a device are nobody's")
    }

    fn take_dead(&self, _: VirtRange, _: &mut [Pfn]) -> (usize, VirtAddr) {
        unreachable!("frames of a device are nobody's")
    }

    fn flush(&self, stale: Stale) {
        let pages = pages_of(stale.paid());
        self.tables.borrow_mut().forget(Some(pages));
    }

    fn flush_all(&self) {
        self.tables.borrow_mut().forget(None);
    }

    fn map_blocks(
        &self,
        start: VirtAddr,
        phys: PhysRange,
        prot: Prot,
        _: Gfp,
    ) -> Result<Fresh, NoTable> {
        let bytes = phys.len() as u32;
        let range = VirtRange::new(start, start.checked_add(bytes).unwrap());
        self.ask(range)?;
        let pfn = |page: u32| phys.start().pfn_down().as_u32() + (page - pages_of(range).start);
        let is_alike = |page: u32, frames: u32| {
            page.is_multiple_of(frames) && pfn(page).is_multiple_of(frames)
        };
        let mut tables = self.tables.borrow_mut();
        let mut is_super = 0..0;
        for piece in pieces(pages_of(range)) {
            let first = piece.start;
            let mut leaf = SECTION;
            if is_alike(first, SUPER) && first + SUPER <= pages_of(range).end {
                is_super = first..first + SUPER;
                tables.leaves.insert(first, SUPER);
            } else if piece.len() as u32 == SECTION && is_alike(first, SECTION) {
                if !is_super.contains(&first) {
                    tables.leaves.insert(first, SECTION);
                }
            } else {
                tables.hold(first);
                leaf = 1;
            }
            if is_super.contains(&first) {
                leaf = SUPER;
            }
            let is_high = pfn(first) >= 1 << 20;
            assert!(!is_high || is_super.contains(&first), "above 4 GiB without a supersection");
            for page in piece {
                tables.map(page, Entry { leaf, ..entry(pfn(page), prot) });
            }
        }
        Ok(Fresh::owed())
    }

    fn map_block(&self, start: VirtAddr, phys: PhysRange, prot: Prot) -> Option<Fresh> {
        let (page, first) = (start.as_u32() >> PAGE_SHIFT, phys.start().pfn_down().as_u32());
        let frames = (phys.len() >> PAGE_SHIFT) as u32;
        let is_block = (frames == SECTION || frames == SUPER) && (page | first) % frames == 0;
        if !is_block {
            return None;
        }
        let mut tables = self.tables.borrow_mut();
        tables.leaves.insert(page, frames);
        for number in 0..frames {
            let entry = Entry { leaf: frames, ..entry(first + number, prot) };
            tables.map(page + number, entry);
        }
        Some(Fresh::owed())
    }

    fn unmap_block(&self, range: VirtRange) -> Option<Stale> {
        let mut tables = self.tables.borrow_mut();
        let is_block = tables
            .leaves
            .get(&pages_of(range).start)
            .is_some_and(|frames| *frames == pages_of(range).len() as u32);
        if !is_block {
            return None;
        }
        tables.leaves.remove(&pages_of(range).start);
        tables.take_away(pages_of(range));
        Some(Stale::owed(range))
    }

    fn unmap_blocks(&self, range: VirtRange) -> Stale {
        assert_eq!(watch::held(), 0, "under a lock");
        let mut tables = self.tables.borrow_mut();
        for piece in pieces(pages_of(range)) {
            if tables.is_held(piece.start) {
                tables.let_go(piece.start);
            }
        }
        tables.leaves.retain(|page, _| !pages_of(range).contains(page));
        tables.take_away(pages_of(range));
        Stale::owed(range)
    }

    fn lookup(&self, virt: VirtAddr) -> Option<Mapped> {
        let tables = self.tables.borrow();
        let found = tables.entries.get(&(virt.as_u32() >> PAGE_SHIFT))?;
        let offset = u64::from(virt.as_u32() % PAGE_SIZE);
        let phys = Pfn::new(found.pfn).start().saturating_add(offset);
        Some(Mapped { phys, prot: Some(Prot { memory: found.memory, rights: Rights::ReadWrite }) })
    }
}

fn bytes(start: u64, end: u64) -> PhysRange {
    PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
}

/// Memory of the kernel's: the arena's is somewhere in it.
const RAM: u64 = 0x4000_0000;

/// A machine and its device memory.
struct Bench<'r, 'a> {
    machine: &'r test_region::Bench<'r, 'a, Fake>,
    io: &'r IoMap<'r, 'r, 'a, Machine, Fake>,
}

impl<'r, 'a> Deref for Bench<'r, 'a> {
    type Target = test_region::Bench<'r, 'a, Fake>;

    fn deref(&self) -> &Self::Target {
        self.machine
    }
}

/// Runs a test with a region. Afterwards all that the test mapped must be unmapped.
fn with_io(region: VirtRange, test: impl FnOnce(&Bench<'_, '_>)) {
    with_bench(1024, region, |machine: &test_region::Bench<'_, '_, Fake>| {
        let ram = [bytes(RAM, RAM + (64 << 20)), bytes(0x5000_0000, 0x5800_0000)];
        let bench = Bench { machine, io: &IoMap::new(machine.region, &ram) };
        machine.keeps_books(|| {
            machine.mmu.flushes();
            test(&bench);
            bench.is_as_new();
        });
    });
}

impl Bench<'_, '_> {
    /// Nothing is mapped, held or waiting.
    fn is_as_new(&self) {
        self.region.make_room();
        self.region.validate().unwrap();
        assert_eq!(self.io.validate(), Ok(0));
        assert_eq!(self.region.figures().areas, 0);
        let tables = self.mmu.tables.borrow();
        assert_eq!((tables.held.len(), tables.stale.len(), tables.leaves.len()), (0, 0, 0));
    }

    /// The ranges that are mapped or wait, as first frame, frame behind, type and users.
    fn ranges(&self) -> Vec<(u32, u32, MemoryType, u32)> {
        let mut all = Vec::new();
        let mut some = [None; 3];
        loop {
            let count = self.io.ranges(all.len() as u32, &mut some);
            if count == 0 {
                return all;
            }
            for range in some.iter().take(count).flatten() {
                let frames = range.range.whole_frames();
                let (start, end) = (frames.start().as_u32(), frames.end().as_u32());
                all.push((start, end, range.memory, range.users));
            }
        }
    }

    fn phys(&self, virt: VirtAddr) -> Option<u64> {
        self.mmu.lookup(virt).map(|mapped| mapped.phys.as_u64())
    }
}
