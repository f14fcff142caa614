//! A section becomes a table of 256 pages that mean the same, and such a table a section again.
//!
//! Both change one first-level word from one valid value to another. The mebibyte may be in use by the very code
//! that changes it: its stack may lie there, or the first-level table itself. So it is done by
//! [`Machine::replace_live`], which touches nothing that the word maps while it is broken.
//!
//! Invariants: the table of a split section is full from before it is linked until after it is unlinked; only the tables
//! of split sections are joined, and none that boot made or an area holds.

use core::fmt;

use mm::addr::{PAGE_SHIFT, PAGE_SIZE, PhysAddr, VirtAddr, VirtRange};
use mm::map::NoTable;
use mm::zone::Gfp;

use super::super::descriptor::{
    L1Entry, L2_ENTRIES, L2Entry, SECTION_SIZE, SectionBase, SmallPageBase, TableBase,
};
use super::holders::Holders;
use super::tables::Chain;
use super::{LiveTables, Machine, at, is_whole, low, mebibytes};

/// Why a range was not split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SplitError {
    /// It begins below the kernel's part of the address space.
    NotKernel {
        /// Where it begins.
        virt: VirtAddr,
    },
    /// There is no memory for the table of a section.
    NoTable(NoTable),
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKernel { virt } => write!(f, "{virt} is not the kernel's"),
            Self::NoTable(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SplitError {}

impl<M: Machine + Copy> LiveTables<M> {
    /// Splits each section that `range` has a byte of to pages with the same meaning; says how many they were. What
    /// is mapped otherwise, or not at all, stays as it is. The sections may be in use, by this CPU. Sleeps as `gfp`
    /// says.
    ///
    /// # Errors
    ///
    /// [`SplitError`]. The sections below the one named have been split then.
    pub fn split(&self, range: VirtRange, gfp: Gfp) -> Result<u32, SplitError> {
        if range.start() < self.kernel_start {
            return Err(SplitError::NotKernel { virt: range.start() });
        }
        let mut sections = 0;
        for piece in mebibytes(range) {
            sections += self.split_one(piece.start(), gfp).map_err(SplitError::NoTable)?;
        }
        Ok(sections)
    }

    /// Splits the section that maps `virt`; says whether it was one, as a number of sections.
    pub(super) fn split_one(&self, virt: VirtAddr, gfp: Gfp) -> Result<u32, NoTable> {
        let is_section =
            || matches!(L1Entry::decode(self.first_level(virt)), L1Entry::Section { .. });
        if !is_section() {
            return Ok(0);
        }
        let machine = self.machine;
        let Some(table) = machine.take_table(gfp) else { return Err(NoTable { virt }) };
        let mut spare = Chain::default();
        spare.push(&machine, low(table));
        let mut sections = 0;
        let mut shared = self.shared.lock();
        // Looked at again, under the lock.
        if let L1Entry::Section { base, leaf, domain, bits, software } =
            L1Entry::decode(self.first_level(virt))
            && let Some(table) = spare.pop(&machine).and_then(|table| TableBase::new(at(table)))
        {
            let first = low(base.address());
            for n in 0..L2_ENTRIES {
                let page = at(first + (n << PAGE_SHIFT));
                let Some(base) = SmallPageBase::new(page) else { continue };
                let word = L2Entry::SmallPage { base, leaf, software }.encode();
                machine.write(table.entry(VirtAddr::new(n << PAGE_SHIFT)), word);
            }
            // The barrier between the table and the word that leads to it is between break and make.
            let word = L1Entry::Table { base: table, domain, bits }.encode();
            self.replace_first_level(&shared.roots, virt, word);
            *shared.holders(virt) = Holders::SPLIT;
            sections = 1;
        }
        drop(shared);
        spare.give(&machine);
        Ok(sections)
    }

    /// Makes sections again of the mebibytes of `range` that were split, and whose pages all mean the same by now; says
    /// how many. Their tables are given back. What can not be joined stays as it is; mebibytes of which `range` has
    /// only a part are not looked at. Any context.
    pub fn join(&self, range: VirtRange) -> u32 {
        let whole = mebibytes(range).filter(|piece| is_whole(*piece));
        whole.map(|piece| u32::from(self.join_one(piece.start()))).sum()
    }

    fn join_one(&self, virt: VirtAddr) -> bool {
        let machine = self.machine;
        let mut dead = Chain::default();
        let mut shared = self.shared.lock();
        if *shared.holders(virt) == Holders::SPLIT
            && let Some((section, table)) = self.section_of_pages(virt)
        {
            self.replace_first_level(&shared.roots, virt, section);
            *shared.holders(virt) = Holders::NONE;
            // No walker reads it from here on.
            for n in 0..L2_ENTRIES {
                machine.write(table.entry(VirtAddr::new(n << PAGE_SHIFT)), 0);
            }
            dead.push(&machine, low(table.address()));
        }
        drop(shared);
        let joined = !dead.is_empty();
        dead.give(&machine);
        joined
    }

    /// The word of a section that means what the 256 pages at `virt` mean, and their table; `None` if there is no such
    /// section.
    fn section_of_pages(&self, virt: VirtAddr) -> Option<(u32, TableBase)> {
        let L1Entry::Table { base: table, domain, bits } = L1Entry::decode(self.first_level(virt))
        else {
            return None;
        };
        let word = |n: u32| self.machine.read(table.entry(VirtAddr::new(n << PAGE_SHIFT)));
        let first = word(0);
        let L2Entry::SmallPage { base, leaf, software } = L2Entry::decode(first) else {
            return None;
        };
        let base = SectionBase::new(PhysAddr::new(base.address().as_u64()))?;
        let all_follow = (1..L2_ENTRIES).all(|n| word(n) == first + n * PAGE_SIZE);
        let section = L1Entry::Section { base, leaf, domain, bits, software };
        all_follow.then_some((section.encode(), table))
    }
}

const _: () = assert!(L2_ENTRIES * PAGE_SIZE == SECTION_SIZE);
