//! A section: its header, its name and its bytes.
//!
//! Invariant: a section's bytes lie in the file, and those of all sections together are no more than
//! the file's. So what takes time in proportion to the sections' bytes takes it in proportion to the
//! file's, and no two tables are the same bytes.

use alloc::vec::Vec;
use core::fmt;

use elf::abi;
use elf::endian::LittleEndian;
use elf::section::{SectionHeader, SectionHeaderTable};
use mm::addr::PAGE_SIZE;

use super::header::FileFault;
use crate::bytes::name_at;
use crate::error::LoadError;

/// Types of sections that hold addresses of constructors and destructors.
const CONSTRUCTORS: [u32; 3] = [abi::SHT_INIT_ARRAY, abi::SHT_FINI_ARRAY, abi::SHT_PREINIT_ARRAY];

/// A section of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'f> {
    pub index: u32,
    pub name: &'f str,
    /// `sh_type`.
    pub kind: u32,
    /// `sh_flags`.
    pub flags: u32,
    /// Bytes in memory; those in the file are as many, or none.
    pub size: u32,
    pub link: u32,
    pub info: u32,
    /// A power of two, at most a page's size, for a section that is loaded.
    pub align: u32,
    pub entry_bytes: u32,
    pub bytes: &'f [u8],
}

impl<'f> Section<'f> {
    /// Does the section get memory in the module? `.modinfo` does not: it is about the object.
    pub fn is_loaded(&self) -> bool {
        let is_about_others = [abi::SHT_NULL, abi::SHT_REL, abi::SHT_RELA, abi::SHT_SYMTAB];
        self.flags & abi::SHF_ALLOC != 0
            && !is_about_others.contains(&self.kind)
            && self.name != ".modinfo"
    }

    /// May the section be executed?
    pub const fn is_code(&self) -> bool {
        self.flags & abi::SHF_EXECINSTR != 0
    }

    /// May the section be written to?
    pub const fn is_writable(&self) -> bool {
        self.flags & abi::SHF_WRITE != 0
    }

    /// Does the file hold no bytes for it?
    pub const fn is_nobits(&self) -> bool {
        self.kind == abi::SHT_NOBITS
    }

    /// Is it a part of the index that unwinding begins with?
    pub const fn is_unwind_index(&self) -> bool {
        self.kind == abi::SHT_ARM_EXIDX
    }

    /// The error that the section has this fault.
    pub const fn fault(&self, fault: SectionFault) -> LoadError<'f> {
        LoadError::Section { name: self.name, index: self.index, fault }
    }

    /// Its entries are `wanted` bytes each, and there is a whole number of them.
    pub fn check_entries(&self, wanted: u32) -> Result<(), LoadError<'f>> {
        if self.entry_bytes != wanted {
            return Err(self.fault(SectionFault::EntryBytes { found: self.entry_bytes, wanted }));
        }
        self.check_whole(wanted)
    }

    /// It is a whole number of entries of `entry` bytes.
    pub fn check_whole(&self, entry: u32) -> Result<(), LoadError<'f>> {
        if !self.size.is_multiple_of(entry) {
            return Err(self.fault(SectionFault::Partial { size: self.size, entry }));
        }
        Ok(())
    }

    /// May a section that is loaded be so?
    fn check_loaded(&self) -> Result<(), LoadError<'f>> {
        let fault = if !self.align.is_power_of_two() {
            SectionFault::NoAlignment(self.align)
        } else if self.align > PAGE_SIZE {
            SectionFault::Alignment(self.align)
        } else if self.flags & abi::SHF_COMPRESSED != 0 {
            SectionFault::Compressed
        } else if self.flags & abi::SHF_TLS != 0 {
            SectionFault::ThreadLocal
        } else if self.is_writable() && self.is_code() {
            SectionFault::WritableCode
        } else if CONSTRUCTORS.contains(&self.kind) && self.size > 0 {
            SectionFault::Constructors
        } else {
            return Ok(());
        };
        Err(self.fault(fault))
    }
}

/// What is wrong with a section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SectionFault {
    /// Its name is no text in the section of names.
    Name {
        /// Offset of the name.
        offset: u32,
    },
    /// Its bytes are not in the file.
    Outside {
        /// Their offset.
        offset: u32,
        /// How many there are.
        size: u32,
        /// Bytes of the file.
        len: usize,
    },
    /// Its alignment is no power of two.
    NoAlignment(u32),
    /// Its alignment is larger than a page, which is all that an area has.
    Alignment(u32),
    /// It is loaded, and compressed.
    Compressed,
    /// It holds thread-local data.
    ThreadLocal,
    /// It is code that is written to; no memory has both rights (T3 of `docs/model.md`).
    WritableCode,
    /// It holds constructors or destructors, which nobody would run.
    Constructors,
    /// Its relocations have addends of their own, which ARM's have not (*IHI 0044*, 4.6).
    Addends,
    /// Its entries are not as long as the form says.
    EntryBytes {
        /// What the section says.
        found: u32,
        /// What the form says.
        wanted: u32,
    },
    /// It is no whole number of entries.
    Partial {
        /// Its bytes.
        size: u32,
        /// Those of an entry.
        entry: u32,
    },
    /// `sh_link` is not the section that it has to be.
    Link(u32),
    /// `sh_info` is not the section that it has to be.
    Info(u32),
    /// Another section relocates the same one.
    RelocatedTwice {
        /// Index of the one that is relocated.
        target: u32,
    },
    /// It is relocated, and has no bytes in the file.
    NoBytes,
    /// With it, its part of the area no longer has a 32-bit size.
    TooLarge(u32),
    /// It does not have the form of build attributes.
    Attributes {
        /// Where that is seen.
        offset: u32,
    },
    /// The object was built to use floating-point registers.
    FloatingPoint {
        /// The attribute that says so.
        tag: &'static str,
        /// Its value.
        value: u32,
    },
}

impl fmt::Display for SectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Name { offset } => write!(f, "offset {offset:#x} of its name holds no name"),
            Self::Outside { offset, size, len } => {
                write!(f, "{size:#x} bytes at offset {offset:#x} are not in a file of {len:#x}")
            }
            Self::NoAlignment(align) => write!(f, "alignment {align:#x} is no power of two"),
            Self::Alignment(align) => write!(f, "alignment {align:#x} is larger than a page"),
            Self::Compressed => f.write_str("is to be loaded, and is compressed"),
            Self::ThreadLocal => f.write_str("thread-local data is not supported"),
            Self::WritableCode => f.write_str("is both writable and executable"),
            Self::Constructors => f.write_str("constructors are not supported"),
            Self::Addends => f.write_str("relocations with addends (SHT_RELA) are not ARM's"),
            Self::EntryBytes { found, wanted } => {
                write!(f, "entries of {found} bytes, not of {wanted}")
            }
            Self::Partial { size, entry } => {
                write!(f, "{size:#x} bytes are no whole number of entries of {entry}")
            }
            Self::Link(section) => write!(f, "sh_link {section} is not the section it should be"),
            Self::Info(section) => write!(f, "sh_info {section} is not the section it should be"),
            Self::RelocatedTwice { target } => {
                write!(f, "section {target} has other relocations already")
            }
            Self::NoBytes => f.write_str("is relocated, and has no bytes in the file"),
            Self::TooLarge(size) => write!(f, "{size:#x} bytes more are too many for one area"),
            Self::Attributes { offset } => {
                write!(f, "malformed build attributes at offset {offset:#x}")
            }
            Self::FloatingPoint { tag, value } => {
                write!(f, "the object uses floating-point registers ({tag} is {value})")
            }
        }
    }
}

/// All sections of `file`, checked.
pub(super) fn read<'f>(
    file: &'f [u8],
    headers: SectionHeaderTable<'f, LittleEndian>,
    names_index: u16,
) -> Result<Vec<Section<'f>>, LoadError<'f>> {
    let len = file.len();
    let header = headers.get(names_index.into());
    let header = header.map_err(|_| LoadError::File(FileFault::Names(names_index)))?;
    let names = bytes_of(file, &header).map_err(|fault| LoadError::Section {
        name: "",
        index: names_index.into(),
        fault,
    })?;

    let mut sections = Vec::new();
    sections.try_reserve_exact(headers.len()).map_err(|_| LoadError::Memory)?;
    let mut total = 0;
    for (index, header) in headers.iter().enumerate() {
        let index = index as u32;
        let offset = header.sh_name;
        let name = name_at(names, offset).ok_or(LoadError::Section {
            name: "",
            index,
            fault: SectionFault::Name { offset },
        })?;
        let bytes =
            bytes_of(file, &header).map_err(|fault| LoadError::Section { name, index, fault })?;
        // Numbers of ELF32 have 32 bits.
        let section = Section {
            index,
            name,
            kind: header.sh_type,
            flags: header.sh_flags as u32,
            size: header.sh_size as u32,
            link: header.sh_link,
            info: header.sh_info,
            align: (header.sh_addralign as u32).max(1),
            entry_bytes: header.sh_entsize as u32,
            bytes,
        };
        if section.is_loaded() {
            section.check_loaded()?;
        }
        total += bytes.len() as u64;
        sections.push(section);
    }
    if total > len as u64 {
        return Err(LoadError::File(FileFault::Overlap { total, len }));
    }
    Ok(sections)
}

/// The bytes that a section has in the file.
fn bytes_of<'f>(file: &'f [u8], header: &SectionHeader) -> Result<&'f [u8], SectionFault> {
    if matches!(header.sh_type, abi::SHT_NOBITS | abi::SHT_NULL) {
        return Ok(&[]);
    }
    let (offset, size) = (header.sh_offset as u32, header.sh_size as u32);
    let bytes = file.get(offset as usize..).and_then(|rest| rest.get(..size as usize));
    bytes.ok_or(SectionFault::Outside { offset, size, len: file.len() })
}
