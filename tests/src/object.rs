//! What of a module's object is looked at: sections, symbols, relocations.

use elf::ElfBytes;
use elf::ParseError;
use elf::abi::{SHF_ALLOC, SHN_UNDEF, SHT_NOBITS, STB_GLOBAL};
use elf::endian::LittleEndian;
use std::collections::{BTreeMap, BTreeSet};

/// A relocation: what kind, where, of which symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// `R_ARM_…` by its number.
    pub kind: u32,
    /// Bytes from the section's beginning.
    pub offset: u32,
    /// The symbol's name; a section's own symbol has that section's.
    pub symbol: String,
    /// What the symbol is away from its section's beginning.
    pub value: u32,
}

/// A relocatable object, read whole.
#[derive(Debug, Default)]
pub struct Object {
    /// The sections that have memory, by name, those of one name side by side. Empty where the file has no bytes.
    pub sections: BTreeMap<String, Vec<u8>>,
    /// What is to be relocated in a section that has memory.
    pub relocations: BTreeMap<String, Vec<Relocation>>,
    /// Symbols that somebody else must have.
    pub undefined: BTreeSet<String>,
    /// Global symbols of its own, with the name of their section.
    pub defined: BTreeMap<String, String>,
}

impl Object {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// It is none, or cut short.
    pub fn read(file: &[u8]) -> Result<Self, ParseError> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
        let mut object = Self::default();
        let (Some(headers), Some(names)) = elf.section_headers_with_strtab()? else {
            return Ok(object);
        };
        let mut section_names = Vec::new();
        for header in headers {
            let name = names.get(header.sh_name as usize)?.to_owned();
            if header.sh_flags & u64::from(SHF_ALLOC) != 0 {
                let bytes =
                    if header.sh_type == SHT_NOBITS { &[] } else { elf.section_data(&header)?.0 };
                object.sections.entry(name.clone()).or_default().extend(bytes);
            }
            section_names.push(name);
        }
        let Some((symbols, strings)) = elf.symbol_table()? else { return Ok(object) };
        let of_section = |index: u16| section_names.get(usize::from(index)).cloned();
        for symbol in symbols.iter().skip(1) {
            let name = strings.get(symbol.st_name as usize)?.to_owned();
            if symbol.st_shndx == SHN_UNDEF {
                object.undefined.insert(name);
            } else if symbol.st_bind() == STB_GLOBAL {
                let section = of_section(symbol.st_shndx).unwrap_or_default();
                object.defined.insert(name, section);
            }
        }
        for header in headers {
            if header.sh_type != elf::abi::SHT_REL {
                continue;
            }
            let Some(target) = of_section(u16::try_from(header.sh_info).unwrap_or(0)) else {
                continue;
            };
            if !object.sections.contains_key(&target) {
                continue;
            }
            for relocation in elf.section_data_as_rels(&header)? {
                let symbol = symbols.get(relocation.r_sym as usize)?;
                let mut name = strings.get(symbol.st_name as usize)?.to_owned();
                if name.is_empty() {
                    name = of_section(symbol.st_shndx).unwrap_or_default();
                }
                object.relocations.entry(target.clone()).or_default().push(Relocation {
                    kind: relocation.r_type,
                    offset: relocation.r_offset as u32,
                    symbol: name,
                    value: symbol.st_value as u32,
                });
            }
        }
        Ok(object)
    }

    /// The bytes of a section, none if there is no such section.
    #[must_use]
    pub fn section(&self, name: &str) -> &[u8] {
        self.sections.get(name).map_or(&[], Vec::as_slice)
    }

    /// A little-endian word of a section.
    #[must_use]
    pub fn word(&self, section: &str, offset: usize) -> Option<u32> {
        let bytes = self.section(section).get(offset..offset + 4)?;
        bytes.try_into().ok().map(u32::from_le_bytes)
    }

    /// The strings of `.modinfo`.
    #[must_use]
    pub fn info(&self) -> Vec<String> {
        let parts = self.section(".modinfo").split(|&byte| byte == 0);
        let texts = parts.filter(|part| !part.is_empty());
        texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }
}
