//! A machine for the tests of this module: words, and what TLBs and walkers may still remember of those before.
//!
//! Each valid word that is overwritten is remembered as *stale*, and gets through four stages: written, seen by walkers
//! (a DSB), named by a TLB operation, forgotten (another DSB). The machine panics where the architecture would be
//! silent:
//!
//! - a valid word over another valid one, unless they differ in rights only;
//! - a valid word over a fault while what was there before is not forgotten;
//! - a first-level word that leads to a table with words that walkers do not see yet;
//! - a table that comes back while a root leads to it, a stale word may, or a word of it is not 0.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use mm::addr::{PhysAddr, VirtAddr};
use mm::zone::Gfp;

use super::super::descriptor::{L1Entry, L2Entry};
use super::{Alone, Machine, replace_step_by_step};
use crate::tlb::Operations;

/// Rights of a small page, and of a section: AP\[2:0\] and XN.
const PAGE_RIGHTS: u32 = 1 << 9 | 3 << 4 | 1;
const SECTION_RIGHTS: u32 = 1 << 15 | 3 << 10 | 1 << 4;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Stage {
    Written,
    Seen,
    Named,
}

#[derive(Clone, Copy, Debug)]
struct Stale {
    word: u32,
    virt: u32,
    stage: Stage,
}

#[derive(Default)]
struct State {
    words: BTreeMap<u32, u32>,
    stale: BTreeMap<u32, Stale>,
    roots: BTreeSet<u32>,
    /// The mebibyte that each linked table maps.
    linked: BTreeMap<u32, u32>,
    tables: BTreeSet<u32>,
    /// Tables with words that walkers do not see.
    unseen: BTreeSet<u32>,
    log: Vec<String>,
}

/// The machine.
#[derive(Default)]
pub(super) struct Emulated {
    state: RefCell<State>,
    /// How many tables can still be taken before one take fails; `None`: as many as one likes.
    pub(super) fail_after: Cell<Option<u32>>,
}

impl Emulated {
    /// The kernel's first-level table.
    pub(super) const ROOT: u32 = 0x4000_4000;
    const TABLES: u32 = 0x5000_0000;

    pub(super) fn new() -> Self {
        let machine = Self::default();
        machine.add_root(Self::ROOT);
        machine
    }

    /// A first-level table full of rubbish, but for user space.
    pub(super) fn add_root(&self, root: u32) {
        let mut state = self.state.borrow_mut();
        state.roots.insert(root);
        for index in 0..4096 {
            state.words.insert(root + index * 4, 0);
        }
    }

    /// All roots have the same words for the kernel, the upper half: what a CPU finds that goes on, whatever its root.
    fn are_roots_alike(&self, when: &str) {
        let state = self.state.borrow();
        for &root in &state.roots {
            for offset in (0x2000..0x4000).step_by(4) {
                let words = [root, Self::ROOT].map(|root| state.words.get(&(root + offset)));
                assert_eq!(words[0], words[1], "root {root:#x}, offset {offset:#x}, {when}");
            }
        }
    }

    pub(super) fn remove_root(&self, root: u32) {
        let mut state = self.state.borrow_mut();
        assert!(state.roots.remove(&root));
        state.stale.retain(|entry, _| !(root..root + 0x4000).contains(entry));
    }

    /// Sets a word, whatever the rules say: what boot left.
    pub(super) fn poke(&self, entry: u32, word: u32) {
        let mut state = self.state.borrow_mut();
        state.words.insert(entry, word);
        if word & 3 == 1 && (Self::ROOT..Self::ROOT + 0x4000).contains(&entry) {
            state.linked.insert(word & !0x3ff, ((entry - Self::ROOT) / 4) << 20);
        }
    }

    pub(super) fn peek(&self, entry: u32) -> u32 {
        *self.state.borrow().words.get(&entry).unwrap_or_else(|| panic!("no word at {entry:#x}"))
    }

    /// A table that boot made.
    pub(super) fn boot_table(&self, virt: u32) -> u32 {
        let table = 0x4f00_0000 + (virt >> 20) * 0x400;
        for n in 0..256 {
            self.poke(table + n * 4, 0);
        }
        self.poke(Self::ROOT + (virt >> 20) * 4, table | 1);
        table
    }

    /// Tables that were taken and not given back.
    pub(super) fn tables(&self) -> usize {
        self.state.borrow().tables.len()
    }

    /// Is there anything that a TLB may remember, in `range`?
    pub(super) fn is_stale(&self, start: u32, end: u32) -> bool {
        self.state.borrow().stale.values().any(|stale| (start..end).contains(&stale.virt))
    }

    /// What was done since the last call, in order.
    pub(super) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.borrow_mut().log)
    }

    fn note(&self, what: String) {
        self.state.borrow_mut().log.push(what);
    }
}

impl State {
    fn root_of(&self, entry: u32) -> Option<u32> {
        self.roots.iter().copied().find(|root| (*root..root + 0x4000).contains(&entry))
    }

    /// The first address that `entry` is for; `None` for a word that no root leads to.
    fn virt_of(&self, entry: u32) -> Option<u32> {
        match self.root_of(entry) {
            Some(root) => Some(((entry - root) / 4) << 20),
            None => {
                self.linked.get(&(entry & !0x3ff)).map(|virt| virt + (entry & 0x3ff) / 4 * 4096)
            }
        }
    }

    fn write(&mut self, entry: u32, word: u32) {
        let old = *self.words.get(&entry).unwrap_or_else(|| panic!("no word at {entry:#x}"));
        let is_first = self.root_of(entry).is_some();
        if !is_first && !self.linked.contains_key(&(entry & !0x3ff)) {
            self.unseen.insert(entry & !0x3ff);
        }
        if let Some(virt) = self.virt_of(entry) {
            self.check(entry, virt, old, word, is_first);
        }
        self.words.insert(entry, word);
        if is_first {
            self.link(entry, old, word);
        }
    }

    fn check(&mut self, entry: u32, virt: u32, old: u32, word: u32, is_first: bool) {
        let (was, is) = (old & 3 != 0, word & 3 != 0);
        if old == word {
            return;
        }
        let rights = if is_first { SECTION_RIGHTS } else { PAGE_RIGHTS };
        let is_leaf = !is_first || (old & 3 != 1 && word & 3 != 1);
        if was && is {
            let same = is_leaf && (old ^ word) & !rights == 0;
            assert!(same, "{virt:#x}: {word:#010x} over {old:#010x}, which was valid");
        }
        if is && let Some(stale) = self.stale.get(&entry) {
            panic!("{virt:#x}: {word:#010x} while {stale:x?} is remembered");
        }
        if was {
            self.stale.insert(entry, Stale { word: old, virt, stage: Stage::Written });
        }
        if is && is_first && word & 3 == 1 {
            assert!(!self.unseen.contains(&(word & !0x3ff)), "{virt:#x}: a table in the making");
        }
    }

    /// Keeps `linked` as the roots are.
    fn link(&mut self, entry: u32, old: u32, word: u32) {
        let virt = self.virt_of(entry).unwrap();
        let mut words = self.roots.iter().map(|root| self.words[&(root + (virt >> 20) * 4)]);
        if old & 3 == 1 && words.all(|other| other & !0x3ff != old & !0x3ff) {
            self.linked.remove(&(old & !0x3ff));
        }
        if word & 3 == 1 {
            self.linked.insert(word & !0x3ff, virt);
        }
    }

    fn promote(&mut self, from: Stage, to: Stage) {
        for stale in self.stale.values_mut().filter(|stale| stale.stage == from) {
            stale.stage = to;
        }
    }

    fn name(&mut self, virt: Option<u32>) {
        for (entry, stale) in &mut self.stale {
            let size =
                if self.roots.iter().any(|r| (*r..r + 0x4000).contains(entry)) { 20 } else { 12 };
            let hit = virt.is_none_or(|virt| virt >> size == stale.virt >> size);
            if hit && stale.stage == Stage::Seen {
                stale.stage = Stage::Named;
            }
        }
    }
}

impl Operations for Emulated {
    fn dsb_ishst(&self) {
        self.note("dsb ishst".into());
        let mut state = self.state.borrow_mut();
        state.promote(Stage::Written, Stage::Seen);
        state.unseen.clear();
    }

    fn dsb_ish(&self) {
        self.note("dsb ish".into());
        let mut state = self.state.borrow_mut();
        state.stale.retain(|_, stale| stale.stage != Stage::Named);
        state.promote(Stage::Written, Stage::Seen);
        state.unseen.clear();
    }

    fn isb(&self) {
        self.note("isb".into());
    }

    fn tlbi_mva(&self, virt: VirtAddr) {
        self.note(format!("tlbi {virt}"));
        self.state.borrow_mut().name(Some(virt.as_u32()));
    }

    fn tlbi_all(&self) {
        self.note("tlbi all".into());
        self.state.borrow_mut().name(None);
    }
}

impl Machine for Emulated {
    fn read(&self, entry: PhysAddr) -> u32 {
        self.peek(entry.as_u32().unwrap())
    }

    fn write(&self, entry: PhysAddr, word: u32) {
        self.note(format!("{entry} = {word:#010x}"));
        self.state.borrow_mut().write(entry.as_u32().unwrap(), word);
    }

    fn take_table(&self, _: Gfp) -> Option<PhysAddr> {
        match self.fail_after.get() {
            Some(0) => return None,
            Some(n) => self.fail_after.set(Some(n - 1)),
            None => {}
        }
        let mut state = self.state.borrow_mut();
        // The lowest that is free: what was given back is used again at once.
        let free = (Self::TABLES..).step_by(0x400).find(|table| !state.tables.contains(table));
        let table = free.unwrap();
        state.tables.insert(table);
        state.words.extend((0..256).map(|n| (table + n * 4, 0)));
        Some(PhysAddr::new(u64::from(table)))
    }

    fn give_table(&self, table: PhysAddr) {
        let table = table.as_u32().unwrap();
        let mut state = self.state.borrow_mut();
        assert!(state.tables.remove(&table), "{table:#x} was not taken");
        assert!(!state.linked.contains_key(&table), "{table:#x} is linked");
        let mut stale = state.stale.values();
        assert!(stale.all(|stale| stale.word & !0x3fe != table | 1), "{table:#x} is remembered");
        for n in 0..256 {
            assert_eq!(state.words.remove(&(table + n * 4)), Some(0), "{table:#x}, word {n}");
        }
    }

    fn current_root(&self) -> PhysAddr {
        // Not the kernel's own, if there is another: what must not make a difference.
        PhysAddr::new(u64::from(*self.state.borrow().roots.last().unwrap()))
    }

    fn alone(&self, run: impl FnOnce(&Alone)) {
        self.are_roots_alike("when the others are stopped");
        run(&Alone::promised());
        self.are_roots_alike("when the others go on");
    }

    fn replace_live(&self, _: &Alone, entry: PhysAddr, virt: VirtAddr, new: u32) {
        assert_ne!(self.read(entry) & 3, 0, "{virt} is no live word");
        replace_step_by_step(self, entry, virt, new);
    }
}

/// The frame and low bits of what maps each page from `start` on, as the root at `root` has it.
pub(super) fn pages(
    machine: &Emulated,
    root: u32,
    start: u32,
    end: u32,
) -> BTreeMap<u32, (u32, u32)> {
    let mut pages = BTreeMap::new();
    for mib in (start >> 20)..(end >> 20) {
        let word = machine.peek(root + mib * 4);
        let leaf = match L1Entry::decode(word) {
            L1Entry::Fault => continue,
            L1Entry::Table { .. } => None,
            L1Entry::Section { base, leaf, .. } => Some((base.address().as_u64() as u32, leaf)),
            L1Entry::Supersection { base, leaf, .. } => {
                Some((base.address().as_u64() as u32 + ((mib % 16) << 20), leaf))
            }
        };
        for n in 0..256 {
            let (base, leaf) = match leaf {
                Some((base, leaf)) => (base + n * 4096, leaf),
                None => match L2Entry::decode(machine.peek((word & !0x3ff) + n * 4)) {
                    L2Entry::SmallPage { base, leaf, .. } => (base.address().as_u64() as u32, leaf),
                    L2Entry::Fault => continue,
                    large @ L2Entry::LargePage { .. } => panic!("{large:?}"),
                },
            };
            let attributes = super::super::attributes::Attributes {
                leaf,
                ..super::super::attributes::Attributes::KERNEL_DATA
            };
            pages.insert((mib << 20) + n * 4096, (base, attributes.small_page_bits()));
        }
    }
    pages
}
