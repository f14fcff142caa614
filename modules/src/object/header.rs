//! The file's header: is this an object for the machine that runs here?
//!
//! Invariant: what comes of it is a section header table that lies in the file as a whole.

use core::fmt;

use elf::abi;
use elf::endian::{AnyEndian, LittleEndian};
use elf::file::{Class, ELF32_EHDR_TAILSIZE, FileHeader, parse_ident};
use elf::section::SectionHeaderTable;

/// Bytes of a section header (*ELF*, figure 1-8).
const SECTION_HEADER_BYTES: u16 = 40;
/// `ET_REL`, `EM_ARM`: what a module is.
const WANTED: (u16, u16) = (abi::ET_REL, abi::EM_ARM);

/// Why a file is no object of this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileFault {
    /// It ends within the header.
    Short {
        /// Its bytes.
        len: usize,
    },
    /// It does not begin as ELF files do.
    NotElf,
    /// It is for 64-bit machines.
    Not32Bit,
    /// It is big-endian.
    BigEndian,
    /// It is no relocatable object, but a program or a library.
    Type(u16),
    /// It is for another machine.
    Machine(u16),
    /// It follows another version of the EABI.
    Eabi(u32),
    /// Its functions take floating-point arguments in registers.
    HardFloat {
        /// `e_flags`.
        flags: u32,
    },
    /// It has no section headers, or too many to be counted in the header.
    NoSections,
    /// Section headers are not as long as the form says.
    EntryBytes(u16),
    /// The section headers are not in the file.
    Sections {
        /// Their offset.
        offset: u32,
        /// How many there are.
        count: u16,
        /// Bytes of the file.
        len: usize,
    },
    /// The section of section names does not exist.
    Names(u16),
    /// Sections share bytes of the file.
    Overlap {
        /// Bytes of all sections.
        total: u64,
        /// Bytes of the file.
        len: usize,
    },
    /// There is no symbol table.
    NoSymbols,
    /// There are several symbol tables.
    SymbolTables,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { len } => write!(f, "{len} bytes are fewer than an ELF header"),
            Self::NotElf => f.write_str("not an ELF file"),
            Self::Not32Bit => f.write_str("not ELF for a 32-bit machine"),
            Self::BigEndian => f.write_str("not little-endian"),
            Self::Type(kind) => write!(f, "ELF type {kind} is no relocatable object (1)"),
            Self::Machine(machine) => write!(f, "machine {machine} is not ARM (40)"),
            Self::Eabi(version) => write!(f, "EABI version {version}, not 5"),
            Self::HardFloat { flags } => {
                write!(f, "e_flags {flags:#x}: built for a hard-float ABI")
            }
            Self::NoSections => f.write_str("no section headers, or more than 65279"),
            Self::EntryBytes(bytes) => {
                write!(f, "section headers of {bytes} bytes, not of {SECTION_HEADER_BYTES}")
            }
            Self::Sections { offset, count, len } => write!(
                f,
                "{count} section headers at offset {offset:#x} are not in a file of {len:#x} bytes"
            ),
            Self::Names(index) => write!(f, "section {index} of section names does not exist"),
            Self::Overlap { total, len } => {
                write!(f, "sections of {total:#x} bytes in all share a file of {len:#x} bytes")
            }
            Self::NoSymbols => f.write_str("no symbol table"),
            Self::SymbolTables => f.write_str("more than one symbol table"),
        }
    }
}

/// The section headers of `file`, and the index of the section that holds their names.
pub(super) fn section_headers(
    file: &[u8],
) -> Result<(SectionHeaderTable<'_, LittleEndian>, u16), FileFault> {
    let len = file.len();
    let short = FileFault::Short { len };
    let ident = file.get(..abi::EI_NIDENT).ok_or(short)?;
    let ident = parse_ident::<AnyEndian>(ident).map_err(|_| FileFault::NotElf)?;
    if ident.1 != Class::ELF32 {
        return Err(FileFault::Not32Bit);
    }
    if ident.0 != AnyEndian::Little {
        return Err(FileFault::BigEndian);
    }
    let tail = file.get(abi::EI_NIDENT..abi::EI_NIDENT + ELF32_EHDR_TAILSIZE).ok_or(short)?;
    let header = FileHeader::parse_tail(ident, tail).map_err(|_| short)?;
    if header.e_type != WANTED.0 {
        return Err(FileFault::Type(header.e_type));
    }
    if header.e_machine != WANTED.1 {
        return Err(FileFault::Machine(header.e_machine));
    }
    let flags = header.e_flags;
    if flags & abi::EF_ARM_EABIMASK != abi::EF_ARM_EABI_VER5 {
        return Err(FileFault::Eabi(flags >> 24));
    }
    if flags & abi::EF_ARM_ABI_FLOAT_HARD != 0 {
        return Err(FileFault::HardFloat { flags });
    }
    let count = header.e_shnum;
    if count == 0 || header.e_shstrndx >= abi::SHN_LORESERVE {
        return Err(FileFault::NoSections);
    }
    if header.e_shentsize != SECTION_HEADER_BYTES {
        return Err(FileFault::EntryBytes(header.e_shentsize));
    }
    // An offset of ELF32 has 32 bits.
    let offset = header.e_shoff as u32;
    let bytes = usize::from(count) * usize::from(SECTION_HEADER_BYTES);
    let table = file.get(offset as usize..).and_then(|rest| rest.get(..bytes));
    let table = table.ok_or(FileFault::Sections { offset, count, len })?;
    if header.e_shstrndx >= count {
        return Err(FileFault::Names(header.e_shstrndx));
    }
    Ok((SectionHeaderTable::new(LittleEndian, Class::ELF32, table), header.e_shstrndx))
}
