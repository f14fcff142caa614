//! Second-level tables come with the first who needs them, and go with the last.
//!
//! Memory for tables is taken without the lock and linked under it. What was taken meanwhile by another, so that
//! it is not needed after all, goes back. Tables on their way in and out are a chain through their first
//! words: so any number of them needs no memory of its own. A link is an address of a table, whose low bits are 0: should
//! a walker look, it finds a fault.
//!
//! Invariants: T2 of `docs/model.md`, here with a barrier between the table and the word that leads to it. On the way
//! out: the word goes from all roots, all CPUs forget it, and both before another table may be linked there.

use mm::addr::VirtRange;
use mm::map::NoTable;
use mm::zone::Gfp;

use super::super::descriptor::SECTION_SHIFT;
use super::holders::Left;
use super::words::{self, FAULT, TABLE, TYPE};
use super::{LiveTables, Machine, Shared, at, low, mebibytes};
use crate::tlb::sequence;
use mm::addr::VirtAddr;

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
    /// Runs `link` under the lock, with memory for a table for each mebibyte of `range` that `wants` one.
    ///
    /// `wants` is asked under the lock, more than once, and so is `link`, once and last.
    pub(super) fn with_tables(
        &self,
        range: VirtRange,
        gfp: Gfp,
        wants: impl Fn(&Shared, VirtRange) -> bool,
        link: impl FnOnce(&mut Shared, &mut Chain),
    ) -> Result<(), NoTable> {
        let machine = self.machine;
        let mut spare = Chain::default();
        let outcome = 'linked: loop {
            let missing = {
                let mut shared = self.shared.lock();
                let missing =
                    mebibytes(range).filter(|piece| wants(&shared, *piece)).count() as u32;
                if missing <= spare.len {
                    link(&mut shared, &mut spare);
                    break Ok(());
                }
                missing
            };
            while spare.len < missing {
                let Some(table) = machine.take_table(gfp) else {
                    let shared = self.shared.lock();
                    let mut wanting = mebibytes(range).filter(|piece| wants(&shared, *piece));
                    let first = wanting.nth(spare.len as usize).unwrap_or(range);
                    break 'linked Err(NoTable { virt: first.start() });
                };
                spare.push(&machine, low(table));
            }
        };
        spare.give(&machine);
        outcome
    }

    /// Makes the tables of `range` that are missing, and holds all of them.
    pub(super) fn hold(&self, range: VirtRange, gfp: Gfp) -> Result<(), NoTable> {
        let wants = |_: &Shared, piece: VirtRange| self.first_level(piece.start()) == FAULT;
        self.with_tables(range, gfp, wants, |shared, spare| {
            mebibytes(range).for_each(|piece| self.hold_one(shared, piece.start(), spare));
        })
    }

    /// Holds the table of the mebibyte at `virt`, which is linked first if there is none.
    pub(super) fn hold_one(&self, shared: &mut Shared, virt: VirtAddr, spare: &mut Chain) {
        let word = self.first_level(virt);
        if word & TYPE != TABLE {
            // With a section there, or with fewer tables than were counted, both under this lock, the
            // books are wrong.
            let table = spare.pop(&self.machine).filter(|_| word == FAULT);
            let Some(table) = table else { is_mapped(virt) };
            // The table's words before the word that leads to it; and that one before anybody's page is said
            // to be mapped, who finds the table and waits for the stores to its own words only.
            self.machine.dsb_ishst();
            self.set_first_level(&shared.roots, virt, words::table_word(table));
            self.machine.dsb_ishst();
        }
        shared.holders(virt).hold();
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
