//! Regions on a machine without page tables: what they ask of an [`Mmu`] is kept in maps, and held against the rules.
#![expect(clippy::unwrap_used, reason = "tests")]

mod failing;
mod kvmalloc;
mod linux;
mod model;
mod realloc;
mod rules;
mod stacks;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, PfnRange, PhysRange, VirtAddr, VirtRange};
use crate::map::duty::{Fresh, Stale};
use crate::map::mmu::{Mapped, Mmu, NoTable};
use crate::map::prot::Prot;
use crate::map::test_region::{self, START, space, with_bench};
use crate::object::test_machine::Machine;
use crate::sync::watch;
use crate::zone::Gfp;

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const QUIET: Gfp = KERNEL.union(Gfp::__GFP_NOWARN);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    Valid(Pfn, Prot),
    Dead(Pfn),
}

#[derive(Default)]
struct Tables {
    /// By page number.
    entries: BTreeMap<u32, Entry>,
    /// What TLBs may hold of entries that were taken away, by page number.
    stale: BTreeMap<u32, Pfn>,
    /// By MiB: who holds the table.
    held: BTreeMap<u32, u32>,
    /// Ranges that were flushed since somebody asked, and all.
    flushes: Vec<Option<VirtRange>>,
}

/// Page tables whose TLBs never forget by themselves.
#[derive(Default)]
pub(in crate::map) struct Fake {
    tables: RefCell<Tables>,
    /// Tables that can be made before one can not; no limit if it is 0.
    pub(in crate::map) fails_at: Cell<u32>,
    pub(in crate::map) asked: Cell<u32>,
}

fn pages_of(range: VirtRange) -> std::ops::Range<u32> {
    assert!(range.start().is_aligned(PAGE_SIZE) && range.end().is_aligned(PAGE_SIZE));
    range.start().as_u32() >> PAGE_SHIFT..range.end().as_u32() >> PAGE_SHIFT
}

fn mebibytes(range: VirtRange) -> std::ops::RangeInclusive<u32> {
    range.start().as_u32() >> 20..=(range.end().as_u32() - 1) >> 20
}

fn virt(page: u32) -> VirtAddr {
    VirtAddr::new(page << PAGE_SHIFT)
}

impl Fake {
    /// Whatever may wait, or take a lock.
    fn not_under_a_lock(&self) {
        assert_eq!(watch::held(), 0, "under a lock");
    }

    pub(in crate::map) fn mapped(&self) -> usize {
        self.tables.borrow().entries.len()
    }

    pub(in crate::map) fn held(&self) -> u32 {
        self.tables.borrow().held.values().sum()
    }

    fn flushes(&self) -> Vec<Option<VirtRange>> {
        std::mem::take(&mut self.tables.borrow_mut().flushes)
    }

    fn take_away(&self, range: VirtRange, dies: impl Fn(Pfn) -> Option<Entry>) -> Stale {
        let mut tables = self.tables.borrow_mut();
        for page in pages_of(range) {
            assert!(tables.held.contains_key(&(page >> 8)), "{} has no table", virt(page));
            match tables.entries.remove(&page) {
                Some(Entry::Valid(pfn, _)) => {
                    tables.stale.insert(page, pfn);
                    if let Some(dead) = dies(pfn) {
                        tables.entries.insert(page, dead);
                    }
                }
                Some(dead @ Entry::Dead(_)) => panic!("{} is {dead:?} already", virt(page)),
                None => {}
            }
        }
        Stale::owed(range)
    }
}

impl Mmu for Fake {
    fn hold_tables(&self, range: VirtRange, _: Gfp) -> Result<(), NoTable> {
        self.not_under_a_lock();
        assert!(!range.is_empty());
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() == self.fails_at.get() {
            return Err(NoTable { virt: range.start() });
        }
        let mut tables = self.tables.borrow_mut();
        for mib in mebibytes(range) {
            *tables.held.entry(mib).or_default() += 1;
        }
        Ok(())
    }

    fn drop_tables(&self, range: VirtRange) {
        self.not_under_a_lock();
        assert!(!range.is_empty());
        let mut tables = self.tables.borrow_mut();
        let left: Vec<_> = tables.entries.range(pages_of(range)).collect();
        assert!(left.is_empty(), "{left:?} in {range}, whose tables nobody holds any more");
        for mib in mebibytes(range) {
            let holders = tables.held.get_mut(&mib).unwrap();
            *holders -= 1;
            if *holders == 0 {
                tables.held.remove(&mib);
            }
        }
    }

    fn map_pages(&self, start: VirtAddr, frames: &[Pfn], prot: Prot) -> Fresh {
        let mut tables = self.tables.borrow_mut();
        for (page, pfn) in (start.as_u32() >> PAGE_SHIFT..).zip(frames) {
            assert!(tables.held.contains_key(&(page >> 8)), "{} has no table", virt(page));
            assert!(!tables.stale.contains_key(&page), "{} again before a flush", virt(page));
            let known = tables.stale.iter().find(|(_, stale)| *stale == pfn);
            assert_eq!(known, None, "pfn {pfn} again before a flush");
            let before = tables.entries.insert(page, Entry::Valid(*pfn, prot));
            assert_eq!(before, None, "{} is mapped", virt(page));
        }
        Fresh::owed()
    }

    fn map_run(&self, start: VirtAddr, frames: PfnRange, prot: Prot) -> Fresh {
        self.map_pages(start, &frames.iter().collect::<Vec<_>>(), prot)
    }

    fn publish(&self, fresh: Fresh) {
        fresh.paid();
    }

    fn clear(&self, range: VirtRange) -> Stale {
        self.take_away(range, |_| None)
    }

    fn retire(&self, range: VirtRange) -> Stale {
        self.take_away(range, |pfn| Some(Entry::Dead(pfn)))
    }

    fn take_dead(&self, range: VirtRange, frames: &mut [Pfn]) -> (usize, VirtAddr) {
        let mut tables = self.tables.borrow_mut();
        let mut got = 0;
        for page in pages_of(range) {
            if got == frames.len() {
                return (got, virt(page));
            }
            if let Some(Entry::Dead(pfn)) = tables.entries.get(&page).copied() {
                assert!(!tables.stale.contains_key(&page), "{} before its flush", virt(page));
                tables.entries.remove(&page);
                frames[got] = pfn;
                got += 1;
            }
        }
        (got, range.end())
    }

    fn flush(&self, stale: Stale) {
        self.not_under_a_lock();
        let range = stale.paid();
        let mut tables = self.tables.borrow_mut();
        let pages = pages_of(range);
        tables.stale.retain(|page, _| !pages.contains(page));
        tables.flushes.push(Some(range));
    }

    fn flush_all(&self) {
        self.not_under_a_lock();
        let mut tables = self.tables.borrow_mut();
        tables.stale.clear();
        tables.flushes.push(None);
    }

    fn map_blocks(&self, _: VirtAddr, _: PhysRange, _: Prot, _: Gfp) -> Result<Fresh, NoTable> {
        unreachable!("not of vmalloc")
    }

    fn unmap_blocks(&self, _: VirtRange) -> Stale {
        unreachable!("not of vmalloc")
    }

    fn lookup(&self, virt: VirtAddr) -> Option<Mapped> {
        let page = virt.as_u32() >> PAGE_SHIFT;
        match self.tables.borrow().entries.get(&page)? {
            Entry::Valid(pfn, prot) => {
                let offset = u64::from(virt.as_u32() % PAGE_SIZE);
                Some(Mapped { phys: pfn.start().saturating_add(offset), prot: Some(*prot) })
            }
            Entry::Dead(_) => None,
        }
    }
}

pub(in crate::map) type Bench<'r, 'a> = test_region::Bench<'r, 'a, Fake>;

/// Runs a test with so many pages of memory, and a region. Afterwards all that the test gave back must be free.
fn with_region(pages: u32, region: VirtRange, test: impl FnOnce(&Bench<'_, '_>)) {
    with_bench(pages, region, |bench: &Bench<'_, '_>| {
        // Nothing that stays for good is missed afterwards.
        bench.region.vfree(bench.region.vmalloc(1, KERNEL, 0).unwrap()).unwrap();
        bench.keeps_books(|| {
            bench.mmu.flushes();
            test(bench);
            bench.is_as_new();
        });
    });
}

impl Bench<'_, '_> {
    /// The frames that are mapped in an area.
    fn frames(&self, start: VirtAddr, pages: u32) -> Vec<Pfn> {
        let at = |page: u32| start.checked_add(page * PAGE_SIZE).unwrap();
        (0..pages).map(|page| self.region.vmalloc_to_pfn(at(page)).unwrap()).collect()
    }

    /// Nothing is mapped, held or waiting, and the region is one gap.
    pub(in crate::map) fn is_as_new(&self) {
        self.region.make_room();
        self.region.validate().unwrap();
        let figures = self.region.figures();
        assert_eq!((figures.areas, figures.free), (0, self.region.region().len()));
        assert_eq!((figures.waiting, figures.waiting_areas, figures.spare), (0, 0, 0));
        assert_eq!((self.mmu.mapped(), self.mmu.held()), (0, 0));
        assert!(self.mmu.tables.borrow().stale.is_empty());
    }

    /// All frames that are mapped, each once.
    fn all_frames(&self) -> BTreeSet<Pfn> {
        let tables = self.mmu.tables.borrow();
        let frames: Vec<_> = tables
            .entries
            .values()
            .filter_map(|entry| match entry {
                Entry::Valid(pfn, _) => Some(*pfn),
                Entry::Dead(_) => None,
            })
            .collect();
        let set: BTreeSet<_> = frames.iter().copied().collect();
        assert_eq!(set.len(), frames.len(), "a frame is mapped twice");
        set
    }
}
