//! Small pages: written, taken away, left dead, forgotten.
//!
//! These loops are what mapping costs. A table is found once for each mebibyte, in a handful of instructions, and a
//! page costs what its word costs. So nothing is decoded here, and the machine is a copy in registers: a store
//! might change anything behind a reference, and it would be read anew for each word.
//!
//! Invariant: no word is written outside a table that is linked. Who comes without having had the table held has broken
//! the contract of [`Mmu`](mm::map::Mmu), and is stopped: the alternative would be a write to a stranger's memory.

use mm::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};

use super::super::descriptor::{L2_ENTRIES, SECTION_SIZE};
use super::words::{self, FAULT, TABLE, TYPE};
use super::{LiveTables, Machine, at};

/// Somebody maps or unmaps where no table is held.
#[cold]
#[inline(never)]
fn not_held(virt: VirtAddr) -> ! {
    panic!("the page table of {virt} is written to, and nobody holds it");
}

/// How many pages there are from `virt` to the end of its mebibyte.
#[inline(always)]
fn room(virt: VirtAddr) -> u32 {
    L2_ENTRIES - (virt.as_u32() >> PAGE_SHIFT) % L2_ENTRIES
}

/// The address `pages` further up. The regions end below the last page, so only an end that nobody uses wraps.
#[inline(always)]
fn up(virt: VirtAddr, pages: u32) -> VirtAddr {
    VirtAddr::new(virt.as_u32().wrapping_add(pages << PAGE_SHIFT))
}

impl<M: Machine + Copy> LiveTables<M> {
    /// Where the word for `virt` lies, whose table is held.
    #[inline(always)]
    pub(super) fn word(&self, virt: VirtAddr) -> u32 {
        let first = self.first_level(virt);
        if first & TYPE != TABLE {
            not_held(virt);
        }
        words::table_of(first) + (virt.as_u32() >> PAGE_SHIFT) % L2_ENTRIES * 4
    }

    /// Calls `visit` with the first word, and the number, of the pages of `range` in each mebibyte.
    #[inline(always)]
    fn for_each_table(&self, range: VirtRange, mut visit: impl FnMut(u32, u32)) {
        let mut virt = range.start();
        let mut left = range.len() >> PAGE_SHIFT;
        while left > 0 {
            let pages = room(virt).min(left);
            visit(self.word(virt), pages);
            virt = up(virt, pages);
            left -= pages;
        }
    }

    /// Maps `frames`, one after another.
    #[inline(always)]
    pub(super) fn write_pages(&self, virt: VirtAddr, frames: &[Pfn], bits: u32) {
        let machine = self.machine;
        let (mut virt, mut left) = (virt, frames);
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(room(virt) as usize));
            let mut entry = self.word(virt);
            for pfn in now {
                debug_assert!(machine.read(at(entry)) == FAULT, "over an entry near {virt}");
                machine.write(at(entry), pfn.as_u32() << PAGE_SHIFT | bits);
                entry += 4;
            }
            virt = up(virt, now.len() as u32);
            left = later;
        }
    }

    /// Maps frames that follow each other.
    #[inline(always)]
    pub(super) fn write_run(&self, virt: VirtAddr, frames: PfnRange, bits: u32) {
        let machine = self.machine;
        let mut word = frames.start().as_u32() << PAGE_SHIFT | bits;
        if frames.len() == 1 {
            // Most registers of devices.
            let entry = self.word(virt);
            debug_assert!(machine.read(at(entry)) == FAULT, "over an entry near {virt}");
            return machine.write(at(entry), word);
        }
        let mut left = frames.len();
        let mut virt = virt;
        while left > 0 {
            let pages = room(virt).min(left);
            let first = self.word(virt);
            for entry in (first..first + pages * 4).step_by(4) {
                debug_assert!(machine.read(at(entry)) == FAULT, "over an entry near {virt}");
                machine.write(at(entry), word);
                word = word.wrapping_add(PAGE_SIZE);
            }
            virt = up(virt, pages);
            left -= pages;
        }
    }

    /// Makes faults of the valid entries of `range`.
    #[inline(always)]
    pub(super) fn clear_pages(&self, range: VirtRange) {
        let machine = self.machine;
        if range.len() == PAGE_SIZE {
            let entry = self.word(range.start());
            if machine.read(at(entry)) & TYPE != FAULT {
                machine.write(at(entry), FAULT);
            }
            return;
        }
        self.for_each_table(range, |first, pages| {
            for entry in (first..first + pages * 4).step_by(4) {
                if machine.read(at(entry)) & TYPE != FAULT {
                    machine.write(at(entry), FAULT);
                }
            }
        });
    }

    /// Makes dead entries of the valid ones of `range`; the others are stored as they are.
    #[inline(always)]
    pub(super) fn retire_pages(&self, range: VirtRange) {
        let machine = self.machine;
        self.for_each_table(range, |first, pages| {
            for entry in (first..first + pages * 4).step_by(4) {
                machine.write(at(entry), words::dead(machine.read(at(entry))));
            }
        });
    }

    /// Moves the frame out of a dead entry.
    #[inline(always)]
    pub(super) fn take_one_dead_page(&self, virt: VirtAddr) -> Option<Pfn> {
        let machine = self.machine;
        let entry = self.word(virt);
        let word = machine.read(at(entry));
        if !words::is_dead(word) {
            return None;
        }
        machine.write(at(entry), FAULT);
        Some(Pfn::new(word >> PAGE_SHIFT))
    }

    /// Moves frames out of dead entries until `frames` is full or `range` is through.
    #[inline(always)]
    pub(super) fn take_dead_pages(
        &self,
        range: VirtRange,
        frames: &mut [Pfn],
    ) -> (usize, VirtAddr) {
        let machine = self.machine;
        let mut virt = range.start();
        let mut taken = 0;
        loop {
            let left = range.end().as_u32().saturating_sub(virt.as_u32()) >> PAGE_SHIFT;
            let entries = room(virt).min(left);
            let free = frames.get_mut(taken..).unwrap_or_default();
            if entries == 0 || free.is_empty() {
                return (taken, virt);
            }
            let first = self.word(virt);
            let mut entry = first;
            // Mostly all are dead: the frames that there is room for are counted, and the entries with them.
            let (now, _) = free.split_at_mut(free.len().min(entries as usize));
            for frame in now {
                let word = machine.read(at(entry));
                if !words::is_dead(word) {
                    break;
                }
                machine.write(at(entry), FAULT);
                *frame = Pfn::new(word >> PAGE_SHIFT);
                entry += 4;
            }
            taken += ((entry - first) / 4) as usize;
            while entry < first + entries * 4 && !words::is_dead(machine.read(at(entry))) {
                entry += 4;
            }
            virt = up(virt, (entry - first) / 4);
        }
    }
}

const _: () = assert!(L2_ENTRIES << PAGE_SHIFT == SECTION_SIZE);
