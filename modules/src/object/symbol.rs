//! The symbol table: what has a name, and where it is.
//!
//! Invariant: each symbol has a name that is text, and a section that exists. One that is defined in
//! a section that is loaded lies there, or at its end.

use core::fmt;

use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::symbol::SymbolTable;
use mm::addr::PAGE_SIZE;

use super::section::Section;
use crate::bytes::name_at;
use crate::error::LoadError;

/// Bytes of a symbol (*ELF*, figure 1-15).
pub(super) const SYMBOL_BYTES: u32 = 16;

/// Where a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Definition {
    /// In another module, or in the kernel.
    Undefined,
    /// At an address that is a number.
    Absolute,
    /// In data that nobody has given room yet: a C variable without a value, from `-fcommon`.
    Common,
    /// In the section of this index.
    Section(u32),
}

/// A symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol {
    pub index: u32,
    pub definition: Definition,
    /// Offset in its section, without the bit that says Thumb; alignment of a common symbol.
    pub value: u32,
    /// Bytes; 0 when nobody knows.
    pub size: u32,
    pub is_function: bool,
    /// Is it a function in Thumb state? (*IHI 0044*, 4.5.3: bit 0 of the value.)
    pub is_thumb: bool,
    pub is_weak: bool,
    pub is_local: bool,
    name_at: u32,
}

/// What is wrong with a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolFault {
    /// Its name is no text in the section of names.
    Name {
        /// Offset of the name.
        offset: u32,
    },
    /// There is no such section.
    Section(u16),
    /// It lies outside its section.
    Outside {
        /// Its offset there.
        value: u32,
        /// The section's bytes.
        size: u32,
    },
    /// A common symbol's alignment is no power of two, or larger than a page.
    Alignment(u32),
    /// With it, data no longer has a 32-bit size.
    TooLarge(u32),
}

impl fmt::Display for SymbolFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Name { offset } => write!(f, "offset {offset:#x} of its name holds no name"),
            Self::Section(section) => write!(f, "is in section {section:#x}, which does not exist"),
            Self::Outside { value, size } => {
                write!(f, "offset {value:#x} is outside a section of {size:#x} bytes")
            }
            Self::Alignment(align) => {
                write!(f, "alignment {align:#x} is no power of two up to a page")
            }
            Self::TooLarge(size) => write!(f, "{size:#x} bytes more are too many for one area"),
        }
    }
}

/// The symbols of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbols<'f> {
    table: &'f [u8],
    strings: &'f [u8],
}

impl<'f> Symbols<'f> {
    /// The symbols in `table`, with names in `strings`.
    pub const fn new(table: &'f [u8], strings: &'f [u8]) -> Self {
        Self { table, strings }
    }

    fn table(&self) -> SymbolTable<'f, LittleEndian> {
        SymbolTable::new(LittleEndian, Class::ELF32, self.table)
    }

    /// How many there are; the first one, of index 0, is none.
    pub fn len(&self) -> u32 {
        self.table().len() as u32
    }

    /// The symbol of this index; `None` when there is none.
    pub fn get(&self, index: u32) -> Option<Symbol> {
        let symbol = self.table().get(index as usize).ok()?;
        let definition = match symbol.st_shndx {
            abi::SHN_UNDEF => Definition::Undefined,
            abi::SHN_ABS => Definition::Absolute,
            abi::SHN_COMMON => Definition::Common,
            section => Definition::Section(section.into()),
        };
        // Numbers of ELF32 have 32 bits.
        let value = symbol.st_value as u32;
        let is_function = symbol.st_symtype() == abi::STT_FUNC;
        let is_thumb = is_function && value & 1 != 0;
        Some(Symbol {
            index,
            definition,
            value: value - u32::from(is_thumb),
            size: symbol.st_size as u32,
            is_function,
            is_thumb,
            is_weak: symbol.st_bind() == abi::STB_WEAK,
            is_local: symbol.st_bind() == abi::STB_LOCAL,
            name_at: symbol.st_name,
        })
    }

    /// All symbols, but not the one of index 0.
    pub fn iter(&self) -> impl Iterator<Item = Symbol> + use<'f> {
        let symbols = *self;
        (1..symbols.len()).map_while(move |index| symbols.get(index))
    }

    /// What the symbol is called; empty when it has no name.
    pub fn name(&self, symbol: &Symbol) -> &'f str {
        // `check` saw to it that there is one.
        name_at(self.strings, symbol.name_at).unwrap_or_default()
    }

    /// Checks all symbols against the sections.
    pub(super) fn check(&self, sections: &[Section<'f>]) -> Result<(), LoadError<'f>> {
        for symbol in self.iter() {
            let at = |name, fault| Err(LoadError::Symbol { name, index: symbol.index, fault });
            let Some(name) = name_at(self.strings, symbol.name_at) else {
                return at("", SymbolFault::Name { offset: symbol.name_at });
            };
            match symbol.definition {
                Definition::Undefined | Definition::Absolute => {}
                Definition::Common
                    if !symbol.value.is_power_of_two() || symbol.value > PAGE_SIZE =>
                {
                    return at(name, SymbolFault::Alignment(symbol.value));
                }
                Definition::Common => {}
                Definition::Section(section) => match sections.get(section as usize) {
                    None => return at(name, SymbolFault::Section(section as u16)),
                    Some(section) if section.is_loaded() && symbol.value > section.size => {
                        let (value, size) = (symbol.value, section.size);
                        return at(name, SymbolFault::Outside { value, size });
                    }
                    Some(_) => {}
                },
            }
        }
        Ok(())
    }
}
