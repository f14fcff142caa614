//! Relocations: what in a section depends on where the module lies.
//!
//! A section of type `SHT_REL` lists those of one other section (*IHI 0044*, 4.6): an offset there,
//! a type, a symbol. What is added to the symbol is in the bytes that are relocated.
//!
//! Invariant: a [`Relocation`] is of a known type, lies within its section's bytes, and has a symbol
//! that exists and is loaded. No section has its relocations in two places.

use alloc::vec::Vec;
use core::fmt;

use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::parse::ParsingTable;
use elf::relocation::Rel;

use super::Object;
use super::section::{Section, SectionFault};
use super::symbol::{Definition, Symbol};
use crate::bytes::Shown;
use crate::error::LoadError;
use crate::reloc::{Kind, Misfit};

/// Bytes of a relocation without an addend (*ELF*, figure 1-20).
const RELOCATION_BYTES: u32 = 8;

/// A relocation of a section that is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation<'f> {
    /// The section that lists it.
    pub list: Section<'f>,
    /// Its index there.
    pub index: u32,
    /// The section that it changes.
    pub target: Section<'f>,
    /// Where it changes it.
    pub offset: u32,
    pub kind: Kind,
    /// `None` is the symbol of index 0, whose value is 0.
    pub symbol: Option<Symbol>,
    /// What the symbol is called in messages.
    pub label: &'f str,
}

impl<'f> Relocation<'f> {
    /// The bytes that it changes, as the file has them.
    pub fn bytes(&self) -> &'f [u8] {
        let start = self.offset as usize;
        self.target.bytes.get(start..start + self.kind.bytes()).unwrap_or_default()
    }

    /// The error that it has this fault.
    pub fn fault(&self, fault: RelocationFault<'f>) -> LoadError<'f> {
        LoadError::Relocation {
            section: self.list.name,
            index: self.index,
            kind: Some(self.kind.name()),
            symbol: self.label,
            fault,
        }
    }
}

/// What is wrong with a relocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelocationFault<'f> {
    /// The loader does not know the type.
    Type(u32),
    /// It does not lie within what it relocates.
    Outside {
        /// Where it is to be.
        offset: u32,
        /// The section that it relocates.
        target: &'f str,
        /// That section's bytes.
        size: u32,
    },
    /// Its place is not aligned as an instruction is.
    Alignment {
        /// Its offset.
        offset: u32,
        /// What it has to be a multiple of.
        align: u32,
    },
    /// There is no such symbol.
    Symbol {
        /// Index of the symbol.
        index: u32,
        /// How many there are.
        count: u32,
    },
    /// Its symbol is in a section that is not loaded.
    NotLoaded {
        /// That section.
        section: &'f str,
    },
    /// The value does not fit.
    Misfit(Misfit),
}

impl fmt::Display for RelocationFault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Type(kind) => write!(f, "unknown type {kind}"),
            Self::Outside { offset, target, size } => {
                let target = Shown(target);
                write!(f, "offset {offset:#x} is outside {target} of {size:#x} bytes")
            }
            Self::Alignment { offset, align } => {
                write!(f, "offset {offset:#x} is no multiple of {align}")
            }
            Self::Symbol { index, count } => write!(f, "symbol {index} of {count} does not exist"),
            Self::NotLoaded { section } => {
                write!(f, "its symbol is in {}, which is not loaded", Shown(section))
            }
            Self::Misfit(misfit) => misfit.fmt(f),
        }
    }
}

impl<'f> Object<'f> {
    /// Calls `see` with each relocation of a section that is loaded, until it refuses one.
    pub(crate) fn each_relocation(
        &self,
        mut see: impl FnMut(&Relocation<'f>) -> Result<(), LoadError<'f>>,
    ) -> Result<(), LoadError<'f>> {
        for list in self.sections.iter().filter(|section| section.kind == abi::SHT_REL) {
            let Some(target) = self.section(list.info).filter(|target| target.is_loaded()) else {
                continue;
            };
            let entries: ParsingTable<'f, LittleEndian, Rel> =
                ParsingTable::new(LittleEndian, Class::ELF32, list.bytes);
            for (index, entry) in entries.iter().enumerate() {
                see(&self.relocation(list, index as u32, target, entry)?)?;
            }
        }
        Ok(())
    }

    fn relocation(
        &self,
        list: &Section<'f>,
        index: u32,
        target: &Section<'f>,
        entry: Rel,
    ) -> Result<Relocation<'f>, LoadError<'f>> {
        let kind = Kind::from_elf(entry.r_type);
        let number = entry.r_sym;
        let symbol = self.symbols.get(number);
        let label = symbol.as_ref().map_or("", |symbol| self.label(symbol));
        let fault = |fault| LoadError::Relocation {
            section: list.name,
            index,
            kind: kind.map(Kind::name),
            symbol: label,
            fault,
        };
        let kind = kind.ok_or(fault(RelocationFault::Type(entry.r_type)))?;
        if symbol.is_none() && number != 0 {
            let count = self.symbols.len();
            return Err(fault(RelocationFault::Symbol { index: number, count }));
        }
        let symbol = symbol.filter(|_| number != 0);
        // Offsets of ELF32 have 32 bits.
        let offset = entry.r_offset as u32;
        let end = u64::from(offset) + kind.bytes() as u64;
        if end > target.bytes.len() as u64 {
            let (target, size) = (target.name, target.size);
            return Err(fault(RelocationFault::Outside { offset, target, size }));
        }
        // Each section is placed at a multiple of an instruction's size.
        if !offset.is_multiple_of(kind.align()) {
            return Err(fault(RelocationFault::Alignment { offset, align: kind.align() }));
        }
        if let Some(Definition::Section(section)) = symbol.map(|symbol| symbol.definition)
            && kind.bytes() > 0
            && let Some(section) = self.section(section).filter(|section| !section.is_loaded())
        {
            return Err(fault(RelocationFault::NotLoaded { section: section.name }));
        }
        Ok(Relocation { list: *list, index, target: *target, offset, kind, symbol, label })
    }

    /// Checks each section of relocations; not yet the relocations in it.
    pub(super) fn check_relocation_sections(&self) -> Result<(), LoadError<'f>> {
        let mut is_relocated = Vec::new();
        is_relocated.try_reserve_exact(self.sections.len()).map_err(|_| LoadError::Memory)?;
        is_relocated.resize(self.sections.len(), false);
        for list in &self.sections {
            let is_list = matches!(list.kind, abi::SHT_REL | abi::SHT_RELA);
            if !is_list {
                continue;
            }
            let (Some(target), Some(seen)) =
                (self.section(list.info), is_relocated.get_mut(list.info as usize))
            else {
                return Err(list.fault(SectionFault::Info(list.info)));
            };
            // What is not loaded, as debug information, is not relocated either.
            if !target.is_loaded() {
                continue;
            }
            if list.kind == abi::SHT_RELA {
                return Err(list.fault(SectionFault::Addends));
            }
            if list.link != self.symbol_table {
                return Err(list.fault(SectionFault::Link(list.link)));
            }
            list.check_entries(RELOCATION_BYTES)?;
            if core::mem::replace(seen, true) {
                return Err(list.fault(SectionFault::RelocatedTwice { target: list.info }));
            }
            if target.is_nobits() {
                return Err(target.fault(SectionFault::NoBytes));
            }
        }
        Ok(())
    }
}
