//! Writes mappings where there was none.
//!
//! [`Mapper::map`] works in three passes over the first-level entries that the range touches:
//!
//! 1. look: is every address free, and does each table there is have the right domain?
//! 2. make the second-level tables that are missing;
//! 3. write the leaves.
//!
//! Whatever can fail has been tried before the third pass begins. So a call that returns an error has mapped nothing; at most
//! it has left some empty second-level tables behind, which map nothing either and which the next
//! call uses.
//!
//! Invariants:
//!
//! - A word is written only over a fault entry. The CPU keeps no faulting entry in its TLB, so no
//!   TLB maintenance is owed (ARM DDI 0406C, B3.10.1, *General TLB maintenance requirements*), and
//!   break-before-make never arises.
//! - A second-level table is empty and complete before the first-level entry that leads to it is
//!   written, so a CPU that walks meanwhile finds the old state or the new one.
//!
//! What the caller owes: a DSB (and an ISB) after the last of its calls and before the first use
//! of what they mapped, and the exclusion of other writers, which `&mut` memory asks for. May be
//! called with interrupts off; does not sleep.

use core::fmt;

use mm::addr::{PAGE_SIZE, PHYS_LIMIT_32, PhysAddr, VirtAddr, VirtRange};

use super::attributes::{Attributes, AttributesError, Domain};
use super::descriptor::{
    FirstLevelBits, L1Entry, L2Entry, RootBase, SECTION_SIZE, SectionBase, SmallPageBase,
    SoftwareBits, TableBase,
};
use super::walk::{TableRead, Walker};

/// Reads and writes words of page tables, and hands out second-level tables.
pub trait TableMemory: TableRead {
    /// Puts `word` at physical address `entry`, a multiple of 4, in one single-copy atomic store.
    fn write(&mut self, entry: PhysAddr, word: u32);

    /// A second-level table whose 256 words are 0; `None` when there is no memory for it. The
    /// zeroes must be visible to the table walkers of all CPUs before this returns (a DSB, and
    /// a cache clean where the walkers do not read the cache).
    fn alloc_table(&mut self) -> Option<TableBase>;
}

/// Which leaves [`Mapper::map`] may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Granule {
    /// Small pages only, so that any page can later be changed by itself.
    Pages,
    /// Sections wherever a free mebibyte of the range is aligned in virtual and physical space;
    /// small pages for the rest.
    Sections,
}

/// A writer of the tables under one first-level table.
pub struct Mapper<'m, M> {
    root: RootBase,
    memory: &'m mut M,
}

impl<'m, M: TableMemory> Mapper<'m, M> {
    /// Maps into the first-level table at `root`, which lies in `memory`.
    #[must_use]
    pub const fn new(root: RootBase, memory: &'m mut M) -> Self {
        Self { root, memory }
    }

    /// A reader of the same tables.
    #[must_use]
    pub const fn walker(&self) -> Walker<'_, M> {
        Walker::new(self.root, self.memory)
    }

    /// Maps `len_bytes` at `virt` to the memory at `phys`.
    ///
    /// All three are multiples of 4 KiB, and both ranges end at or below 4 GiB. A length of 0 maps
    /// nothing. Sections are used as `granule` says, but never in a mebibyte that already has
    /// a second-level table.
    ///
    /// # Errors
    ///
    /// See [`MapError`]. After an error none of the range is mapped.
    pub fn map(
        &mut self,
        virt: VirtAddr,
        phys: PhysAddr,
        len_bytes: u64,
        attributes: Attributes,
        granule: Granule,
    ) -> Result<(), MapError> {
        attributes.check().map_err(MapError::Attributes)?;
        let range = Pieces::new(virt, phys, len_bytes)?;
        for piece in range {
            self.check_free(&piece, attributes.domain)?;
        }
        for piece in range {
            if piece.section(granule).is_none() {
                self.ensure_table(piece.virt, attributes.domain)?;
            }
        }
        for piece in range {
            self.write_leaves(&piece, attributes, granule)?;
        }
        Ok(())
    }

    /// Makes a second-level table for every mebibyte that `range` touches and that has none.
    ///
    /// For the regions where single pages come and go (modules, pkmap, fixmap, DMA): with their
    /// tables made before the first address space is, every copy of the kernel's first-level
    /// entries has them from the start.
    ///
    /// # Errors
    ///
    /// [`MapError::AlreadyMapped`], [`MapError::DomainMismatch`] before anything is written;
    /// [`MapError::NoTable`] when the tables below the address it names have been made.
    pub fn prepare_tables(&mut self, range: VirtRange, domain: Domain) -> Result<(), MapError> {
        if range.is_empty() {
            return Ok(());
        }
        let first = range.start().align_down(SECTION_SIZE).as_u32();
        let slots = (first..range.end().as_u32())
            .step_by(SECTION_SIZE as usize)
            .map(|slot| VirtAddr::new(slot).max(range.start()));
        for virt in slots.clone() {
            self.table(virt, domain)?;
        }
        for virt in slots {
            self.ensure_table(virt, domain)?;
        }
        Ok(())
    }

    /// The second-level table for `virt`; `None` where there is neither a table nor a section.
    fn table(&self, virt: VirtAddr, domain: Domain) -> Result<Option<TableBase>, MapError> {
        match L1Entry::decode(self.memory.read(self.root.entry(virt))) {
            L1Entry::Fault => Ok(None),
            L1Entry::Table { base, domain: table, .. } if table == domain => Ok(Some(base)),
            L1Entry::Table { domain: table, .. } => {
                Err(MapError::DomainMismatch { virt, table, wanted: domain })
            }
            L1Entry::Section { .. } | L1Entry::Supersection { .. } => {
                Err(MapError::AlreadyMapped { virt })
            }
        }
    }

    fn ensure_table(&mut self, virt: VirtAddr, domain: Domain) -> Result<TableBase, MapError> {
        if let Some(table) = self.table(virt, domain)? {
            return Ok(table);
        }
        let base = self.memory.alloc_table().ok_or(MapError::NoTable { virt })?;
        let entry = L1Entry::Table { base, domain, bits: FirstLevelBits::default() };
        self.memory.write(self.root.entry(virt), entry.encode());
        Ok(base)
    }

    fn check_free(&self, piece: &Piece, domain: Domain) -> Result<(), MapError> {
        let Some(table) = self.table(piece.virt, domain)? else {
            return Ok(());
        };
        for (virt, _) in piece.pages() {
            if L2Entry::decode(self.memory.read(table.entry(virt))) != L2Entry::Fault {
                return Err(MapError::AlreadyMapped { virt });
            }
        }
        Ok(())
    }

    fn write_leaves(
        &mut self,
        piece: &Piece,
        attributes: Attributes,
        granule: Granule,
    ) -> Result<(), MapError> {
        let Attributes { leaf, domain } = attributes;
        let software = SoftwareBits::NONE;
        if let (None, Some(base)) = (self.table(piece.virt, domain)?, piece.section(granule)) {
            let bits = FirstLevelBits::default();
            let entry = L1Entry::Section { base, leaf, domain, bits, software };
            self.memory.write(self.root.entry(piece.virt), entry.encode());
            return Ok(());
        }
        let table = self.ensure_table(piece.virt, domain)?;
        for (virt, phys) in piece.pages() {
            let base = SmallPageBase::new(phys).ok_or(MapError::UnalignedPhys(phys))?;
            let entry = L2Entry::SmallPage { base, leaf, software };
            self.memory.write(table.entry(virt), entry.encode());
        }
        Ok(())
    }
}

/// The part of a range that one first-level entry covers.
struct Piece {
    virt: VirtAddr,
    phys: PhysAddr,
    len_bytes: u32,
}

impl Piece {
    /// The section that could map the piece.
    fn section(&self, granule: Granule) -> Option<SectionBase> {
        match granule {
            Granule::Sections if self.len_bytes == SECTION_SIZE => SectionBase::new(self.phys),
            _ => None,
        }
    }

    /// The pages of the piece and the frames behind them. No sum wraps: both ends were checked.
    fn pages(&self) -> impl Iterator<Item = (VirtAddr, PhysAddr)> + use<> {
        let (virt, phys) = (self.virt.as_u32(), self.phys);
        (0..self.len_bytes).step_by(PAGE_SIZE as usize).map(move |offset| {
            (VirtAddr::new(virt + offset), phys.saturating_add(u64::from(offset)))
        })
    }
}

/// A checked range, cut into [`Piece`]s. 64 bits: it may end at 4 GiB.
#[derive(Clone, Copy)]
struct Pieces {
    virt: u64,
    phys: PhysAddr,
    end: u64,
}

impl Pieces {
    fn new(virt: VirtAddr, phys: PhysAddr, len_bytes: u64) -> Result<Self, MapError> {
        if !virt.is_aligned(PAGE_SIZE) {
            return Err(MapError::UnalignedVirt(virt));
        }
        if !phys.is_aligned(u64::from(PAGE_SIZE)) {
            return Err(MapError::UnalignedPhys(phys));
        }
        if !len_bytes.is_multiple_of(u64::from(PAGE_SIZE)) {
            return Err(MapError::UnalignedLength(len_bytes));
        }
        let start = u64::from(virt.as_u32());
        let end = start.checked_add(len_bytes).filter(|end| *end <= 1 << 32);
        let end = end.ok_or(MapError::VirtTooLong { virt, len_bytes })?;
        match phys.checked_add(len_bytes) {
            Some(phys_end) if phys_end <= PHYS_LIMIT_32 => Ok(Self { virt: start, phys, end }),
            _ => Err(MapError::PhysTooHigh { phys, len_bytes }),
        }
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.virt >= self.end {
            return None;
        }
        let section = u64::from(SECTION_SIZE);
        let end = ((self.virt / section + 1) * section).min(self.end);
        let len_bytes = (end - self.virt) as u32;
        let piece = Piece { virt: VirtAddr::new(self.virt as u32), phys: self.phys, len_bytes };
        self.virt = end;
        self.phys = self.phys.saturating_add(u64::from(len_bytes));
        Some(piece)
    }
}

/// Why nothing was mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// The virtual address is not a multiple of 4 KiB.
    UnalignedVirt(VirtAddr),
    /// The physical address is not a multiple of 4 KiB.
    UnalignedPhys(PhysAddr),
    /// The length, in bytes, is not a multiple of 4 KiB.
    UnalignedLength(u64),
    /// The virtual range runs past the end of the address space.
    VirtTooLong {
        /// Where it starts.
        virt: VirtAddr,
        /// Its length.
        len_bytes: u64,
    },
    /// The physical range runs past 4 GiB, which neither pages nor sections can reach.
    PhysTooHigh {
        /// Where it starts.
        phys: PhysAddr,
        /// Its length.
        len_bytes: u64,
    },
    /// The attributes mean nothing, or nothing safe.
    Attributes(AttributesError),
    /// Something is mapped already.
    AlreadyMapped {
        /// The lowest address of the range that is.
        virt: VirtAddr,
    },
    /// The second-level table for the address has another domain, which all its pages share.
    DomainMismatch {
        /// The lowest such address of the range.
        virt: VirtAddr,
        /// The table's domain.
        table: Domain,
        /// The domain asked for.
        wanted: Domain,
    },
    /// There is no memory for a second-level table.
    NoTable {
        /// The first address that the table would have mapped.
        virt: VirtAddr,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnalignedVirt(virt) => {
                write!(f, "virtual address {virt} is not page aligned")
            }
            Self::UnalignedPhys(phys) => {
                write!(f, "physical address {phys} is not page aligned")
            }
            Self::UnalignedLength(len_bytes) => {
                write!(f, "length {len_bytes:#x} is not a multiple of the page size")
            }
            Self::VirtTooLong { virt, len_bytes } => {
                write!(f, "{len_bytes:#x} bytes at {virt} run past the end of the address space")
            }
            Self::PhysTooHigh { phys, len_bytes } => {
                write!(f, "{len_bytes:#x} bytes of memory at {phys} run past 4 GiB")
            }
            Self::Attributes(error) => error.fmt(f),
            Self::AlreadyMapped { virt } => write!(f, "{virt} is already mapped"),
            Self::DomainMismatch { virt, table, wanted } => {
                write!(f, "the table for {virt} is in domain {table}, not {wanted}")
            }
            Self::NoTable { virt } => {
                write!(f, "no memory for the second-level table of {virt}")
            }
        }
    }
}

impl core::error::Error for MapError {}

#[cfg(test)]
mod tests;
