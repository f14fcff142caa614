//! Long ranges of memory that follow each other: the largest leaf that fits.
//!
//! ```text
//!   virt, phys: equal in their low 24 bits  → supersections of 16 MiB
//!               equal in their low 20 bits  → sections of 1 MiB
//!               else, and at both ends      → small pages, in tables that are held for them
//!
//!   head: pages │ sections │ supersections … │ sections │ pages: tail
//! ```
//!
//! Whole mebibytes are mostly free, so they are looked at in one loop and written in another: a few instructions
//! each. A mebibyte that already has a table, which boot made, is mapped by pages; then all are gone through one
//! by one.
//!
//! First-level words are written under the lock, in all roots: they are few. Pages are written before or after, with
//! interrupts as they were.

use mm::addr::{PAGE_SHIFT, PHYS_LIMIT_32, PfnRange, PhysRange, VirtAddr, VirtRange};
use mm::map::{NoTable, Prot};
use mm::zone::Gfp;

use super::super::descriptor::{SECTION_SHIFT, SECTION_SIZE};
use super::tables::Chain;
use super::words::{self, FAULT, SUPERSECTION, TABLE, TYPE};
use super::{LiveTables, Machine, Shared, at, mebibytes};

/// Bytes that a supersection maps.
const SUPERSECTION_SIZE: u32 = 16 * SECTION_SIZE;

/// Are so many bytes a section's or a supersection's, and aligned to it, where `starts` has all bits of their addresses?
#[inline(always)]
const fn is_block(starts: u32, bytes: u32) -> bool {
    (bytes == SECTION_SIZE || bytes == SUPERSECTION_SIZE) && starts & (bytes - 1) == 0
}

/// A range, cut into whole mebibytes and what is left at both ends.
#[derive(Clone, Copy)]
struct Cut {
    head: VirtRange,
    whole: VirtRange,
    /// Within one mebibyte.
    tail: Option<VirtRange>,
}

impl Cut {
    /// Cuts `range` at the borders of mebibytes; one that lies within a mebibyte is all head.
    #[inline(always)]
    fn new(range: VirtRange) -> Self {
        let (start, end) = (range.start(), range.end());
        let last = end.align_down(SECTION_SIZE);
        let first =
            VirtAddr::new(start.as_u32().wrapping_add(SECTION_SIZE - 1)).align_down(SECTION_SIZE);
        if first > last || first < start {
            return Self::pages(range);
        }
        Self {
            head: VirtRange::new(start, first),
            whole: VirtRange::new(first, last),
            tail: if last < end { Some(VirtRange::new(last, end)) } else { None },
        }
    }

    /// All of `range` is to be pages.
    const fn pages(range: VirtRange) -> Self {
        let nothing = VirtRange::new(range.end(), range.end());
        Self { head: range, whole: nothing, tail: None }
    }

    #[inline(always)]
    fn has_ends(&self) -> bool {
        !self.head.is_empty() || self.tail.is_some()
    }

    /// What is pages in any case, by mebibytes. Its `for_each` is quicker than a loop, which would ask each time which
    /// end it is at.
    #[inline(always)]
    fn ends(&self) -> impl Iterator<Item = VirtRange> + Clone + use<> {
        mebibytes(self.head).chain(self.tail)
    }
}

/// What is to be mapped where.
#[derive(Clone, Copy)]
struct Run {
    cut: Cut,
    /// Added to an address it gives the address of the memory behind it.
    to_phys: u32,
    prot: Prot,
}

impl Run {
    #[inline(always)]
    fn new(virt: VirtAddr, phys: PhysRange, prot: Prot) -> Self {
        debug_assert!(phys.end() <= PHYS_LIMIT_32, "{phys} is out of reach");
        let end = virt.as_u32().saturating_add(phys.len() as u32);
        let range = VirtRange::new(virt, VirtAddr::new(end));
        let to_phys = (phys.start().as_u64() as u32).wrapping_sub(virt.as_u32());
        let is_alike = to_phys & (SECTION_SIZE - 1) == 0;
        let cut = if is_alike { Cut::new(range) } else { Cut::pages(range) };
        Self { cut, to_phys, prot }
    }

    #[inline(always)]
    fn phys(&self, virt: VirtAddr) -> u32 {
        virt.as_u32().wrapping_add(self.to_phys)
    }
}

impl<M: Machine + Copy> LiveTables<M> {
    /// Maps `phys` at `virt`.
    pub(super) fn write_blocks(
        &self,
        virt: VirtAddr,
        phys: PhysRange,
        prot: Prot,
        gfp: Gfp,
    ) -> Result<(), NoTable> {
        let run = Run::new(virt, phys, prot);
        if run.cut.has_ends() || !self.write_if_free(run) {
            return self.write_any(run, gfp);
        }
        Ok(())
    }

    /// Maps `phys` if it is one block, and all free.
    #[inline(always)]
    pub(super) fn write_one_block(&self, virt: VirtAddr, phys: PhysRange, prot: Prot) -> bool {
        let (start, bytes) = (phys.start().as_u64() as u32, phys.len() as u32);
        if !is_block(virt.as_u32() | start, bytes) || phys.end() > PHYS_LIMIT_32 {
            return false;
        }
        let bits = words::section_bits(prot);
        let shared = self.shared.lock();
        let is_free = self.any_of_block(virt, bytes) == FAULT;
        if is_free {
            let large = if bytes == SUPERSECTION_SIZE { SUPERSECTION } else { 0 };
            self.fill_block(&shared, virt, bytes, start | bits | large);
        }
        is_free
    }

    /// Takes away what [`write_one_block`](Self::write_one_block) mapped in `range`.
    #[inline(always)]
    pub(super) fn clear_one_block(&self, range: VirtRange) -> bool {
        // Only sections do not have the lowest bit: see `clear_blocks`.
        let (virt, bytes) = (range.start(), range.len());
        if !is_block(virt.as_u32(), bytes) || self.any_of_block(virt, bytes) & TABLE != 0 {
            return false;
        }
        self.fill_block(&self.shared.lock(), virt, bytes, FAULT);
        true
    }

    /// What any first-level word of a block has set.
    #[inline(always)]
    fn any_of_block(&self, virt: VirtAddr, bytes: u32) -> u32 {
        let machine = self.machine;
        let first = self.root + (virt.as_u32() >> SECTION_SHIFT) * 4;
        if bytes == SECTION_SIZE {
            return machine.read(at(first));
        }
        (0..16).fold(0, |any, number| any | machine.read(at(first + number * 4)))
    }

    /// Writes the words of a block, all the same, in all roots.
    #[inline(always)]
    fn fill_block(&self, shared: &Shared, virt: VirtAddr, bytes: u32, word: u32) {
        let machine = self.machine;
        let offset = (virt.as_u32() >> SECTION_SHIFT) * 4;
        for root in shared.roots.iter() {
            let first = root + offset;
            if bytes == SECTION_SIZE {
                machine.write(at(first), word);
            } else {
                (0..16).for_each(|number| machine.write(at(first + number * 4), word));
            }
        }
    }

    /// Maps a run of nothing but whole mebibytes, if all are free.
    #[inline(always)]
    fn write_if_free(&self, run: Run) -> bool {
        let shared = self.shared.lock();
        let is_free = self.is_free(run.cut.whole);
        if is_free {
            self.write_whole(&shared, run);
        }
        is_free
    }

    /// Maps any run.
    #[inline(never)]
    fn write_any(&self, run: Run, gfp: Gfp) -> Result<(), NoTable> {
        let mut is_free = true;
        self.with_tables(run.cut.ends(), gfp, |shared, spare| {
            run.cut.ends().for_each(|piece| self.hold_one(shared, piece.start(), spare));
            is_free = self.is_free(run.cut.whole);
            if is_free {
                self.write_whole(shared, run);
            } else {
                self.write_one_by_one(shared, run, spare);
            }
        })?;
        run.cut.ends().for_each(|piece| self.write_piece(piece, run));
        if !is_free {
            for piece in mebibytes(run.cut.whole) {
                if self.first_level(piece.start()) & TYPE == TABLE {
                    self.write_piece(piece, run);
                }
            }
        }
        Ok(())
    }

    /// Has no whole mebibyte of `range` a section or a table?
    #[inline(always)]
    fn is_free(&self, range: VirtRange) -> bool {
        self.any_first_level(range) == FAULT
    }

    /// Are the first-level words of all whole mebibytes of `range` as `is` wants them?
    #[inline(always)]
    fn all_first_level(&self, range: VirtRange, is: impl Fn(u32) -> bool) -> bool {
        let machine = self.machine;
        let word = |virt: VirtAddr| self.root + (virt.as_u32() >> SECTION_SHIFT) * 4;
        (word(range.start())..word(range.end())).step_by(4).all(|entry| is(machine.read(at(entry))))
    }

    /// All first-level words of the whole mebibytes of `range`, bit by bit: what any of them has set. Four words a turn.
    #[inline(always)]
    fn any_first_level(&self, range: VirtRange) -> u32 {
        let machine = self.machine;
        let word = |virt: VirtAddr| self.root + (virt.as_u32() >> SECTION_SHIFT) * 4;
        let (mut entry, end) = (word(range.start()), word(range.end()));
        let mut any = 0;
        while end - entry >= 16 {
            let four = [0, 4, 8, 12].map(|next| machine.read(at(entry + next)));
            any |= four[0] | four[1] | four[2] | four[3];
            entry += 16;
        }
        while entry < end {
            any |= machine.read(at(entry));
            entry += 4;
        }
        any
    }

    /// Maps the whole mebibytes, which are free.
    #[inline(always)]
    fn write_whole(&self, shared: &Shared, run: Run) {
        let (mut virt, end) = (run.cut.whole.start(), run.cut.whole.end());
        let bits = words::section_bits(run.prot);
        let is_alike = run.to_phys & (SUPERSECTION_SIZE - 1) == 0;
        while virt < end {
            let left = end.as_u32() - virt.as_u32();
            let offset = virt.as_u32() & (SUPERSECTION_SIZE - 1);
            let (bytes, word, step) = if is_alike && offset == 0 && left >= SUPERSECTION_SIZE {
                (SUPERSECTION_SIZE, run.phys(virt) | SUPERSECTION | bits, 0)
            } else {
                let until = if is_alike { left.min(SUPERSECTION_SIZE - offset) } else { left };
                (until, run.phys(virt) | bits, SECTION_SIZE)
            };
            self.fill_first_level(&shared.roots, virt, bytes >> SECTION_SHIFT, word, step);
            virt = VirtAddr::new(virt.as_u32() + bytes);
        }
    }

    /// Maps the whole mebibytes, some of which have a table: those by pages, which are written later.
    #[cold]
    fn write_one_by_one(&self, shared: &mut Shared, run: Run, spare: &mut Chain) {
        for piece in mebibytes(run.cut.whole) {
            let virt = piece.start();
            if self.first_level(virt) == FAULT {
                let word = run.phys(virt) | words::section_bits(run.prot);
                self.set_first_level(&shared.roots, virt, word);
            } else {
                self.hold_one(shared, virt, spare);
            }
        }
    }

    /// Maps a part of a mebibyte, whose table is held.
    #[inline(always)]
    fn write_piece(&self, piece: VirtRange, run: Run) {
        let first = at(run.phys(piece.start())).pfn_down();
        let frames = PfnRange::new(first, first.saturating_add(piece.len() >> PAGE_SHIFT));
        self.write_run(piece.start(), frames, words::page_bits(run.prot));
    }

    /// Takes away what one call of [`write_blocks`](Self::write_blocks) mapped in `range`.
    pub(super) fn clear_blocks(&self, range: VirtRange) {
        // What was not alike is pages in whole mebibytes too.
        let cut = Cut::new(range);
        // Words of sections have the lowest bit only if PXN is set, which `Prot` never asks for.
        let is_sections = self.any_first_level(cut.whole) & TABLE == 0
            || self.all_first_level(cut.whole, |word| word & TYPE != TABLE);
        if is_sections && !cut.has_ends() {
            let shared = self.shared.lock();
            self.clear_whole(&shared, cut);
        } else {
            self.clear_any(range, if is_sections { cut } else { Cut::pages(range) });
        }
    }

    /// Takes away the sections and supersections.
    #[inline(always)]
    fn clear_whole(&self, shared: &Shared, cut: Cut) {
        let sections = cut.whole.len() >> SECTION_SHIFT;
        self.fill_first_level(&shared.roots, cut.whole.start(), sections, FAULT, 0);
    }

    /// Takes away whatever there is.
    #[inline(never)]
    fn clear_any(&self, range: VirtRange, cut: Cut) {
        cut.ends().for_each(|piece| {
            if self.first_level(piece.start()) & TYPE == TABLE {
                self.clear_pages(piece);
            }
        });
        let mut dead = Chain::default();
        let mut shared = self.shared.lock();
        cut.ends().for_each(|piece| {
            let virt = piece.start();
            if self.first_level(virt) & TYPE == TABLE {
                self.let_go_of_one(&mut shared, virt, &mut dead);
            } else {
                self.set_first_level(&shared.roots, virt, FAULT);
            }
        });
        self.clear_whole(&shared, cut);
        self.forget_tables(range, &dead);
        drop(shared);
        if !dead.is_empty() {
            dead.give(&self.machine);
        }
    }
}
