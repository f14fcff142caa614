//! The kernel's symbol table: made of the linked ELF's functions, and put into that same ELF.
//!
//! The linker script leaves room for it, the section `.symbols` between `__symbols_start` and
//! `__symbols_end`. The kernel reads the table there when it reports an exception or a panic.
//!
//! Invariant: nothing but the bytes of that section changes, so every address stays what it was when
//! the table was made.

use elf::abi::{SHF_EXECINSTR, STT_FUNC, STT_NOTYPE};
use elf::endian::AnyEndian;
use elf::section::SectionHeader;
use elf::symbol::Symbol;
use elf::{ElfBytes, ParseError};
use mm::addr::{VirtAddr, VirtRange};
use std::fmt;
use symbols::{Function, WriteError};

/// The section that is reserved for the table.
const SECTION: &str = ".symbols";

/// Why an ELF file gets no table.
#[derive(Debug)]
pub enum EmbedError {
    /// Not an ELF file, or cut short.
    Parse(ParseError),
    /// It has no symbols, or its section for the table lies beyond its end.
    Missing(&'static str),
    /// The table could not be made.
    Write(WriteError),
    /// The table is longer than its section; both in bytes.
    TooLong {
        /// Of the table.
        table: usize,
        /// Of the section.
        room: usize,
    },
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(error) => write!(f, "not a readable ELF file: {error}"),
            Self::Missing(what) => write!(f, "the ELF file has no {what}"),
            Self::Write(error) => error.fmt(f),
            Self::TooLong { table, room } => write!(
                f,
                "the symbol table has {table} bytes, its section {room}: \
                 raise SYMBOLS_BYTES in kernel/build.rs"
            ),
        }
    }
}

impl std::error::Error for EmbedError {}

impl From<ParseError> for EmbedError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

/// Makes the symbol table of the ELF file and puts it into its section. A file that has no such
/// section stays as it is.
pub fn embed(file: &mut [u8]) -> Result<(), EmbedError> {
    let (table, place) = {
        let elf = ElfBytes::<AnyEndian>::minimal_parse(file)?;
        let Some(section) = elf.section_header_by_name(SECTION)? else { return Ok(()) };
        let (start, len) = (section.sh_offset as usize, section.sh_size as usize);
        let table = symbols::write(&functions(&elf)?).map_err(EmbedError::Write)?;
        (table, start..start.saturating_add(len))
    };
    let room = file.get_mut(place).ok_or(EmbedError::Missing("room for section .symbols"))?;
    let too_long = EmbedError::TooLong { table: table.len(), room: room.len() };
    room.get_mut(..table.len()).ok_or(too_long)?.copy_from_slice(&table);
    Ok(())
}

/// The functions and labels of the executable sections; of several at one address the best first.
fn functions(elf: &ElfBytes<'_, AnyEndian>) -> Result<Vec<Function>, EmbedError> {
    let (symbols, names) = elf.symbol_table()?.ok_or(EmbedError::Missing("symbol table"))?;
    let sections = elf.section_headers().ok_or(EmbedError::Missing("sections"))?;
    let mut found = Vec::new();
    for symbol in symbols.iter().filter(|symbol| !symbol.is_undefined()) {
        let Ok(section) = sections.get(symbol.st_shndx.into()) else { continue };
        let Ok(name) = names.get(symbol.st_name as usize) else { continue };
        if let Some(rank) = rank(&symbol, &section, name) {
            let function = Function {
                range: range(&symbol, &section),
                name: format!("{:#}", rustc_demangle::demangle(name)),
            };
            found.push((rank, function));
        }
    }
    found.sort_by(|(a, one), (b, other)| {
        (a, one.name.len(), &one.name).cmp(&(b, other.name.len(), &other.name))
    });
    Ok(found.into_iter().map(|(_, function)| function).collect())
}

/// What a symbol is worth among several at one address, the least being the best; `None` for what
/// is no place in code.
fn rank(symbol: &Symbol, section: &SectionHeader, name: &str) -> Option<u8> {
    let end = section.sh_addr.saturating_add(section.sh_size);
    // `$a` and its like tell instructions from data; a `.L` label is its own file's business.
    let is_mark = name.is_empty() || name.starts_with('$') || name.starts_with(".L");
    if is_mark
        || section.sh_flags & u64::from(SHF_EXECINSTR) == 0
        || !(section.sh_addr..end).contains(&symbol.st_value)
    {
        return None;
    }
    match symbol.st_symtype() {
        STT_FUNC if symbol.st_size > 0 => Some(0),
        STT_FUNC => Some(1),
        // The linker script's own come last.
        STT_NOTYPE => Some(if name.starts_with("__") { 3 } else { 2 }),
        _ => None,
    }
}

fn range(symbol: &Symbol, section: &SectionHeader) -> VirtRange {
    // Bit 0 of a Thumb function's address is not part of it.
    let start = symbol.st_value & !1;
    let end = match symbol.st_size {
        0 => section.sh_addr + section.sh_size,
        size => symbol.st_value + size,
    };
    // All are 32-bit numbers in the file.
    VirtRange::new(VirtAddr::new(start as u32), VirtAddr::new(end as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbols::Table;

    const BASE: u32 = 0xc020_0000;

    /// A 32-bit ARM ELF file with `.text` of 0x100 bytes at [`BASE`], `.symbols` of `room` bytes, and
    /// these symbols: `(name, value, size, type)`.
    fn elf_file(room: u32, symbols: &[(&str, u32, u32, u8)]) -> Vec<u8> {
        let names = b"\0.text\0.symbols\0.symtab\0.strtab\0";
        let at = |name: &str| {
            let text = std::str::from_utf8(names).unwrap();
            text.find(&format!("\0{name}\0")).unwrap() as u32 + 1
        };
        let mut strings = names.to_vec();
        let mut table = vec![0; 16];
        for (name, value, size, kind) in symbols {
            for word in [strings.len() as u32, *value, *size] {
                table.extend(word.to_le_bytes());
            }
            table.extend([*kind, 0, 1, 0]);
            strings.extend(name.bytes().chain([0]));
        }
        let room_at = 52;
        let table_at = room_at + room;
        let strings_at = table_at + table.len() as u32;
        let headers_at = strings_at + strings.len() as u32;
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend([2, 0, 40, 0]);
        for word in [1, 0, 0, headers_at, 0x0500_0200] {
            file.extend(u32::to_le_bytes(word));
        }
        for half in [52_u16, 32, 0, 40, 5, 4] {
            file.extend(half.to_le_bytes());
        }
        file.resize(file.len() + room as usize, 0);
        file.extend(&table);
        file.extend(&strings);
        let (progbits, symtab, strtab, alloc, exec) = (1, 2, 3, 2, 4);
        let strings_len = strings.len() as u32;
        let table_len = table.len() as u32;
        for header in [
            [0; 10],
            [at(".text"), progbits, alloc | exec, BASE, room_at, 0x100, 0, 0, 4, 0],
            [at(".symbols"), progbits, alloc, BASE + 0x1000, room_at, room, 0, 0, 1, 0],
            [at(".symtab"), symtab, 0, 0, table_at, table_len, 4, 0, 4, 16],
            [at(".strtab"), strtab, 0, 0, strings_at, strings_len, 0, 0, 1, 0],
        ] {
            file.extend(header.into_iter().flat_map(u32::to_le_bytes));
        }
        file
    }

    const FUNC: u8 = STT_FUNC;
    const LABEL: u8 = STT_NOTYPE;
    const OBJECT: u8 = 1;

    const SYMBOLS: [(&str, u32, u32, u8); 9] = [
        ("__text_start", BASE, 0, LABEL),
        ("$a", BASE, 0, LABEL),
        ("_RNvCs4fqI2P2rA04_4main5start", BASE, 0x40, FUNC),
        (".Lloop", BASE + 0x10, 0, LABEL),
        ("constant", BASE + 0x44, 4, OBJECT),
        ("stub", BASE + 0x80, 0, LABEL),
        ("__text_end", BASE + 0x100, 0, LABEL),
        ("a_longer_name_for_last", BASE + 0xc1, 0x20, FUNC),
        ("last", BASE + 0xc1, 0x20, FUNC),
    ];

    #[test]
    fn functions_and_labels_get_into_the_section() {
        let mut file = elf_file(0x400, &SYMBOLS);
        let before = file.clone();
        embed(&mut file).unwrap();
        assert_eq!((&file[..52], &file[52 + 0x400..]), (&before[..52], &before[52 + 0x400..]));
        let table = Table::new(&file[52..52 + 0x400]).unwrap();
        let name = |offset: u32| {
            table.lookup(VirtAddr::new(BASE + offset)).map(|found| found.name.to_string())
        };
        assert_eq!(name(0).as_deref(), Some("main::start"));
        assert_eq!(name(0x3f).as_deref(), Some("main::start"));
        assert_eq!(name(0x60), None, "data, and nothing");
        assert_eq!(name(0x80).as_deref(), Some("stub"));
        assert_eq!(name(0xc0).as_deref(), Some("last"));
        assert_eq!(name(0x100), None);
    }

    #[test]
    fn a_table_that_does_not_fit_names_both_sizes() {
        let error = embed(&mut elf_file(0x80, &SYMBOLS)).unwrap_err().to_string();
        assert!(error.starts_with("the symbol table has 3"), "{error}");
        assert!(error.contains("bytes, its section 128: raise SYMBOLS_BYTES"), "{error}");
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_not_a_panic() {
        let file = elf_file(0x400, &SYMBOLS);
        for len in 0..file.len() {
            assert!(embed(&mut file[..len].to_vec()).is_err(), "cut to {len} bytes");
        }
        assert!(embed(&mut elf_file(0x400, &[])).is_ok());
    }

    #[test]
    fn a_file_without_room_for_a_table_stays_as_it_is() {
        let mut file = elf_file(0x400, &SYMBOLS);
        let at = file.windows(8).rposition(|name| name == b".symbols").unwrap();
        file[at..at + 8].copy_from_slice(b".nothing");
        let before = file.clone();
        embed(&mut file).unwrap();
        assert_eq!(file, before);
    }
}
