//! A section: its header, its name and its bytes.
//!
//! Invariant: a section's bytes lie in the file, and those of all sections together are no more than
//! the file's. So what takes time in proportion to the sections' bytes takes it in proportion to the
//! file's, and no two tables are the same bytes.

use alloc::vec::Vec;

use elf::abi;
use elf::endian::LittleEndian;
use elf::section::{SectionHeader, SectionHeaderTable};
use mm::addr::PAGE_SIZE;

use super::header::FileFault;
use crate::bytes::name_at;
use crate::error::{LoadError, SectionFault};

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
