//! What of an ELF file is looked at: symbols, sections, the words of a function.

use std::collections::BTreeMap;
use std::fmt;

use elf::ElfBytes;
use elf::ParseError;
use elf::abi::{SHF_ALLOC, SHT_NOBITS, STT_FUNC, STT_NOTYPE, STT_OBJECT};
use elf::endian::LittleEndian;

/// An ELF file that cannot be compared.
#[derive(Debug)]
pub enum ImageError {
    /// Not a little-endian ELF file, or cut short.
    Parse(ParseError),
    /// It has no symbols or no sections.
    Missing(&'static str),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(error) => write!(f, "not a readable ELF file: {error}"),
            Self::Missing(what) => write!(f, "the ELF file has no {what}"),
        }
    }
}

impl std::error::Error for ImageError {}

impl From<ParseError> for ImageError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

/// A named stretch of addresses.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) start: u32,
    pub(super) size: u32,
    pub(super) is_function: bool,
}

#[derive(Debug)]
struct Section {
    name: String,
    start: u32,
    size: u32,
    bytes: Vec<u8>,
}

/// One image.
#[derive(Debug)]
pub struct Image {
    sections: Vec<Section>,
    /// Functions and objects with a size, by their address; of several at one address the first.
    named: BTreeMap<u32, Named>,
    /// All functions, those at one address included: the linker may fold equal ones.
    functions: BTreeMap<String, Vec<u32>>,
    /// Where a run of instructions begins (`true`), or of data.
    marks: BTreeMap<u32, bool>,
}

impl Image {
    /// Reads the ELF file.
    ///
    /// # Errors
    ///
    /// [`ImageError`].
    pub fn parse(file: &[u8]) -> Result<Self, ImageError> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
        let (headers, names) = elf.section_headers_with_strtab()?;
        let headers = headers.ok_or(ImageError::Missing("sections"))?;
        let names = names.ok_or(ImageError::Missing("names of sections"))?;
        let mut sections = Vec::new();
        for header in headers.iter().filter(|header| header.sh_flags & u64::from(SHF_ALLOC) != 0) {
            let bytes = match header.sh_type {
                SHT_NOBITS => Vec::new(),
                _ => elf.section_data(&header)?.0.to_vec(),
            };
            sections.push(Section {
                name: names.get(header.sh_name as usize)?.to_owned(),
                start: header.sh_addr as u32,
                size: header.sh_size as u32,
                bytes,
            });
        }
        let mut image = Self::new(sections);
        let (symbols, names) = elf.symbol_table()?.ok_or(ImageError::Missing("symbols"))?;
        for symbol in symbols.iter().filter(|symbol| !symbol.is_undefined()) {
            let name = names.get(symbol.st_name as usize)?;
            let (start, size) = (symbol.st_value as u32, symbol.st_size as u32);
            image.add(name, start, size, symbol.st_symtype());
        }
        Ok(image)
    }

    fn new(sections: Vec<Section>) -> Self {
        let (named, functions, marks) = Default::default();
        Self { sections, named, functions, marks }
    }

    /// An image made by hand: names, addresses and contents of its sections.
    #[cfg(test)]
    pub(super) fn of_sections(sections: &[(&str, u32, Vec<u8>)]) -> Self {
        let section = |(name, start, bytes): &(&str, u32, Vec<u8>)| Section {
            name: (*name).to_owned(),
            start: *start,
            size: bytes.len() as u32,
            bytes: bytes.clone(),
        };
        Self::new(sections.iter().map(section).collect())
    }

    /// Takes in a symbol.
    pub(super) fn add(&mut self, name: &str, start: u32, size: u32, kind: u8) {
        // Mapping symbols: instructions and data (ARM ELF, 5.5.5).
        if kind == STT_NOTYPE && (name == "$a" || name.starts_with("$a.")) {
            self.marks.insert(start, true);
        } else if kind == STT_NOTYPE && (name == "$d" || name.starts_with("$d.")) {
            self.marks.insert(start, false);
        }
        // What begins with `.L` is named by a counter, which says nothing.
        let is_function = kind == STT_FUNC;
        if size == 0 || name.starts_with(".L") || !(is_function || kind == STT_OBJECT) {
            return;
        }
        let name = format!("{:#}", rustc_demangle::demangle(name));
        if is_function {
            self.functions.entry(name.clone()).or_default().push(start);
        }
        self.named.entry(start).or_insert(Named { name, start, size, is_function });
    }

    /// The addresses of all functions called `name`.
    #[must_use]
    pub fn functions(&self, name: &str) -> Vec<u32> {
        let mut addresses = self.functions.get(name).cloned().unwrap_or_default();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// The function or object that has `address`.
    pub(super) fn named(&self, address: u32) -> Option<&Named> {
        let (_, named) = self.named.range(..=address).next_back()?;
        (address - named.start < named.size).then_some(named)
    }

    /// The section that has `address`.
    pub(super) fn section(&self, address: u32) -> Option<&str> {
        Some(&self.section_at(address)?.name)
    }

    fn section_at(&self, address: u32) -> Option<&Section> {
        self.sections.iter().find(|section| {
            address.checked_sub(section.start).is_some_and(|offset| offset < section.size)
        })
    }

    /// The words of the function at `start`, each with whether it is an instruction.
    pub(super) fn words(&self, start: u32) -> Option<Vec<(bool, u32)>> {
        let function = self.named.get(&start).filter(|named| named.is_function)?;
        let section = self.section_at(start)?;
        let first = (start - section.start) as usize;
        let bytes = section.bytes.get(first..first + function.size as usize)?;
        let word = |(index, bytes): (usize, &[u8])| {
            let address = start + 4 * index as u32;
            let is_code = self.marks.range(..=address).next_back().is_none_or(|(_, code)| *code);
            Some((is_code, u32::from_le_bytes(bytes.try_into().ok()?)))
        };
        bytes.chunks(4).enumerate().map(word).collect()
    }
}
