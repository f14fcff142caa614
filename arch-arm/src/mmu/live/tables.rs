//! Second-level tables come with the first who needs them, and go with the last.
//!
//! Memory for tables is taken without the lock and linked under it. What was taken meanwhile by another, so that
//! it is not needed after all, goes back. Tables on their way in and out are a chain through their first
//! words: so any number of them needs no memory of its own. A link is an address of a table, whose low bits are 0: should
//! a walker look, it finds a fault.
//!
//! Invariants: T2 of `docs/model.md`, here with a barrier between the table and the word that leads to it. On the way
//! out: the word goes from all roots, all CPUs forget it, and both before another table may be linked there.

use mm::addr::{VirtAddr, VirtRange};
use mm::map::NoTable;
use mm::zone::Gfp;

use super::super::descriptor::SECTION_SHIFT;
use super::holders::Left;
use super::words::{self, FAULT, TABLE, TYPE};
use super::{LiveTables, Machine, Shared, at, low, mebibytes};
use crate::tlb::sequence;

/// Tables that no first-level entry leads to.
#[derive(Default)]
pub(super) struct Chain {
    first: u32,
    len: u32,
}

impl Chain {
    pub(super) fn push(&mut self, machine: &impl Machine, table: u32) {
        machine.write(at(table), self.first);
        self.first = table;
        self.len += 1;
    }

    /// A table, all zeroes again.
    pub(super) fn pop(&mut self, machine: &impl Machine) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        let table = self.first;
        self.first = machine.read(at(table));
        machine.write(at(table), 0);
        Some(table)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives all of them back. No lock is held.
    pub(super) fn give(mut self, machine: &impl Machine) {
        while let Some(table) = self.pop(machine) {
            machine.give_table(at(table));
        }
    }
}

/// Somebody wants a table where a section is mapped, which belongs to somebody else.
#[cold]
fn is_mapped(virt: VirtAddr) -> ! {
    panic!("a page table is wanted for {virt}, which a section maps");
}

impl<M: Machine + Copy> LiveTables<M> {
    /// Runs `link` under the lock, once, with memory for a table for each of `pieces`, parts of mebibytes, where nothing
    /// is mapped yet.
    #[inline(always)]
    pub(super) fn with_tables(
        &self,
        pieces: impl Iterator<Item = VirtRange> + Clone,
        gfp: Gfp,
        link: impl FnOnce(&mut Shared, &mut Chain),
    ) -> Result<(), NoTable> {
        let wanting = || pieces.clone().filter(|piece| self.first_level(piece.start()) == FAULT);
        let mut spare = Chain::default();
        loop {
            let mut shared = self.shared.lock();
            if wanting().count() as u32 <= spare.len {
                link(&mut shared, &mut spare);
                break;
            }
            drop(shared);
            self.take_tables(wanting(), gfp, &mut spare)?;
        }
        if !spare.is_empty() {
            spare.give(&self.machine);
        }
        Ok(())
    }

    /// Takes memory for as many tables as there are pieces that want one. No lock is held: how many they are may
    /// have changed since.
    #[cold]
    fn take_tables(
        &self,
        wanting: impl Iterator<Item = VirtRange>,
        gfp: Gfp,
        spare: &mut Chain,
    ) -> Result<(), NoTable> {
        for piece in wanting.skip(spare.len as usize) {
            let Some(table) = self.machine.take_table(gfp) else {
                core::mem::take(spare).give(&self.machine);
                return Err(NoTable { virt: piece.start() });
            };
            spare.push(&self.machine, low(table));
        }
        Ok(())
    }

    /// Makes the tables of `range` that are missing, and holds all of them.
    pub(super) fn hold(&self, range: VirtRange, gfp: Gfp) -> Result<(), NoTable> {
        self.with_tables(mebibytes(range), gfp, |shared, spare| {
            mebibytes(range).for_each(|piece| self.hold_one(shared, piece.start(), spare));
        })
    }

    /// Holds the table of the mebibyte at `virt`, which is linked first if there is none.
    #[inline(always)]
    pub(super) fn hold_one(&self, shared: &mut Shared, virt: VirtAddr, spare: &mut Chain) {
        let word = self.first_level(virt);
        if word & TYPE != TABLE {
            self.link(shared, virt, word, spare);
        }
        shared.holders(virt).hold();
    }

    /// Links a table where `word` is. The lock is held.
    #[cold]
    fn link(&self, shared: &mut Shared, virt: VirtAddr, word: u32, spare: &mut Chain) {
        // With a section there, or with fewer tables than were counted, both under this lock, the books are
        // wrong.
        let table = if word == FAULT { spare.pop(&self.machine) } else { None };
        let Some(table) = table else { is_mapped(virt) };
        // The table's words before the word that leads to it; and that one before anybody's page is said to be
        // mapped, who finds the table and waits for the stores to its own words only.
        self.machine.dsb_ishst();
        self.set_first_level(&shared.roots, virt, words::table_word(table));
        self.machine.dsb_ishst();
        // Another CPU may map a page here, and this one use it, with nothing in between but the address.
        self.machine.isb();
    }

    /// Lets go of the tables of `range`; those that nobody holds any more are unlinked, forgotten, and given back.
    pub(super) fn let_go(&self, range: VirtRange) {
        let mut dead = Chain::default();
        let mut shared = self.shared.lock();
        for piece in mebibytes(range) {
            self.let_go_of_one(&mut shared, piece.start(), &mut dead);
        }
        self.forget_tables(range, &dead);
        drop(shared);
        dead.give(&self.machine);
    }

    /// Lets go of the table of the mebibyte at `virt`. The flush that [`forget_tables`](Self::forget_tables) makes
    /// is owed under the same lock.
    pub(super) fn let_go_of_one(&self, shared: &mut Shared, virt: VirtAddr, dead: &mut Chain) {
        if shared.holders(virt).let_go() == Left::Nobody {
            let table = words::table_of(self.first_level(virt));
            self.set_first_level(&shared.roots, virt, FAULT);
            dead.push(&self.machine, table);
        }
    }

    /// Has walkers forget the words that led to the tables in `dead`, which lay in `range`. Walkers remember a
    /// first-level entry until an address behind it is named, so one for each mebibyte is enough
    /// (*ARM DDI 0406C, B3.10.1*).
    pub(super) fn forget_tables(&self, range: VirtRange, dead: &Chain) {
        if dead.len > 0 {
            sequence::flush_blocks(&self.machine, range, SECTION_SHIFT);
        }
    }
}
