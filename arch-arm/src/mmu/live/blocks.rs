//! Long ranges of memory that follow each other: the largest leaf that fits.
//!
//! ```text
//!   virt, phys: equal in their low 24 bits  → supersections of 16 MiB where all 16 entries are free
//!               equal in their low 20 bits  → sections of 1 MiB
//!               else, and at both ends      → small pages, in tables that are held for them
//! ```
//!
//! A mebibyte that already has a table, which boot made or another area shares, is mapped by pages.
//!
//! Sections and supersections are written under the lock, in all roots: both kinds of words are few. Pages are
//! written before or after, with interrupts as they were.

use mm::addr::{PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::map::{NoTable, Prot};
use mm::zone::Gfp;

use super::super::descriptor::SECTION_SIZE;
use super::holders::Holders;
use super::tables::Chain;
use super::words::{self, FAULT, SUPERSECTION, TABLE, TYPE};
use super::{LiveTables, Machine, Shared, is_whole, mebibytes};

/// Bytes that a supersection maps.
const SUPERSECTION_SIZE: u32 = 16 * SECTION_SIZE;

/// A range and the memory behind it, which all of it lies below 4 GiB.
#[derive(Clone, Copy)]
struct Run {
    range: VirtRange,
    phys: u32,
}

impl Run {
    fn new(virt: VirtAddr, phys: PhysRange) -> Self {
        debug_assert!(phys.end() <= mm::addr::PHYS_LIMIT_32, "{phys} is out of reach");
        let end = virt.as_u32().saturating_add(phys.len() as u32);
        Self { range: VirtRange::new(virt, VirtAddr::new(end)), phys: phys.start().as_u64() as u32 }
    }

    /// The memory behind `virt`.
    fn phys(&self, virt: VirtAddr) -> u32 {
        self.phys.wrapping_add(virt.as_u32().wrapping_sub(self.range.start().as_u32()))
    }

    /// Do addresses and memory lie alike in blocks of `size`?
    fn is_alike(&self, size: u32) -> bool {
        (self.range.start().as_u32() ^ self.phys) & (size - 1) == 0
    }

    /// May the part of a mebibyte be a section?
    fn fits_section(&self, piece: VirtRange) -> bool {
        is_whole(piece) && self.is_alike(SECTION_SIZE)
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
        let run = Run::new(virt, phys);
        let wants = |_: &Shared, piece: VirtRange| {
            !run.fits_section(piece) && self.first_level(piece.start()) == FAULT
        };
        self.with_tables(run.range, gfp, wants, |shared, spare| {
            self.write_sections(shared, run, words::section_bits(prot), spare);
        })?;
        for piece in mebibytes(run.range) {
            if self.first_level(piece.start()) & TYPE == TABLE {
                let first = PhysAddr::new(u64::from(run.phys(piece.start()))).pfn_down();
                let pages = piece.len() >> mm::addr::PAGE_SHIFT;
                let frames = PfnRange::new(first, first.saturating_add(pages));
                self.write_run(piece.start(), frames, words::page_bits(prot));
            }
        }
        Ok(())
    }

    /// Writes the first-level words of `run`, and holds tables for what is left to pages.
    fn write_sections(&self, shared: &mut Shared, run: Run, bits: u32, spare: &mut Chain) {
        let mut supersection = 0..0;
        for piece in mebibytes(run.range) {
            let virt = piece.start();
            if self.first_level(virt) != FAULT || !run.fits_section(piece) {
                self.hold_one(shared, virt, spare);
                continue;
            }
            if self.starts_supersection(run, virt) {
                supersection = virt.as_u32()..virt.as_u32() + (SUPERSECTION_SIZE - 1);
            }
            let phys = run.phys(virt);
            let word = if supersection.contains(&virt.as_u32()) {
                phys & !(SUPERSECTION_SIZE - 1) | SUPERSECTION | bits
            } else {
                phys | bits
            };
            self.set_first_level(&shared.roots, virt, word);
        }
    }

    /// Do `run` and the table have 16 MiB for a supersection from `virt` on?
    fn starts_supersection(&self, run: Run, virt: VirtAddr) -> bool {
        let left = run.range.end().as_u32() - virt.as_u32();
        virt.is_aligned(SUPERSECTION_SIZE)
            && left >= SUPERSECTION_SIZE
            && run.is_alike(SUPERSECTION_SIZE)
            && (0..16)
                .all(|n| self.first_level(VirtAddr::new(virt.as_u32() + n * SECTION_SIZE)) == FAULT)
    }

    /// Takes away what one call of [`write_blocks`](Self::write_blocks) mapped in `range`.
    pub(super) fn clear_blocks(&self, range: VirtRange) {
        for piece in mebibytes(range) {
            if self.first_level(piece.start()) & TYPE == TABLE {
                self.clear_pages(piece);
            }
        }
        let mut dead = Chain::default();
        let mut shared = self.shared.lock();
        for piece in mebibytes(range) {
            let virt = piece.start();
            match self.first_level(virt) & TYPE {
                TABLE => self.let_go_of_one(&mut shared, virt, &mut dead),
                FAULT => {}
                _ => {
                    debug_assert!(*shared.holders(virt) == Holders::NONE && is_whole(piece));
                    self.set_first_level(&shared.roots, virt, FAULT);
                }
            }
        }
        self.forget_tables(range, &dead);
        drop(shared);
        dead.give(&self.machine);
    }
}
