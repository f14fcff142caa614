//! An object: a file's sections, symbols and relocations, checked and borrowed.
//!
//! [`Object::parse`] looks at everything that can be looked at without memory for the module:
//! header, sections, build attributes, the kernel that it was built for, symbols. What the loader
//! does afterwards has only relocations and the module's own tables left to doubt.
//!
//! Invariant: an `Object` is one for this machine and for this kernel.

mod attributes;
mod header;
mod info;
mod relocation;
mod section;
mod symbol;

use alloc::vec::Vec;

use elf::abi;

use crate::error::LoadError;

pub use header::FileFault;
pub use info::Info;
pub(crate) use relocation::Relocation;
pub use relocation::RelocationFault;
pub(crate) use section::Section;
pub use section::SectionFault;
pub use symbol::SymbolFault;
pub(crate) use symbol::{Definition, Symbol, Symbols};

/// What `vermagic` of a module's `.modinfo` has to be, as our headers write it: the kernel, the
/// version of the structures that C and the kernel share, and the machine.
pub const VERMAGIC: &str = "vmsplit 1 ARMv7";

/// Routines that unwind tables only name, so that a linker takes them in (*IHI 0038*, 6.2): by
/// relocations of type `R_ARM_NONE`. The kernel unwinds without them.
const UNWIND_ROUTINES: [&str; 3] =
    ["__aeabi_unwind_cpp_pr0", "__aeabi_unwind_cpp_pr1", "__aeabi_unwind_cpp_pr2"];

/// A relocatable object for this kernel.
#[derive(Debug)]
pub struct Object<'f> {
    sections: Vec<Section<'f>>,
    symbols: Symbols<'f>,
    symbol_table: u32,
}

impl<'f> Object<'f> {
    /// The object in the bytes of `file`.
    ///
    /// # Errors
    ///
    /// [`LoadError`]: the file is no ELF32 object for little-endian ARM of EABI version 5, is made
    /// for floating-point registers or for another kernel, or contradicts itself. Relocations are
    /// looked at by [`Plan::of`](crate::Plan::of).
    pub fn parse(file: &'f [u8]) -> Result<Self, LoadError<'f>> {
        let (headers, names) = header::section_headers(file).map_err(LoadError::File)?;
        let sections = section::read(file, headers, names)?;
        let mut tables = sections.iter().filter(|section| section.kind == abi::SHT_SYMTAB);
        let table = *tables.next().ok_or(LoadError::File(FileFault::NoSymbols))?;
        if tables.next().is_some() {
            return Err(LoadError::File(FileFault::SymbolTables));
        }
        table.check_entries(symbol::SYMBOL_BYTES)?;
        let strings = sections.get(table.link as usize);
        let strings = strings.filter(|section| section.kind == abi::SHT_STRTAB);
        let strings = strings.ok_or(table.fault(SectionFault::Link(table.link)))?.bytes;

        let symbols = Symbols::new(table.bytes, strings);
        let object = Self { sections, symbols, symbol_table: table.index };
        object.check_attributes()?;
        object.check_vermagic()?;
        object.symbols.check(&object.sections)?;
        object.check_relocation_sections()?;
        Ok(object)
    }

    /// What `.modinfo` says, in its order: tags and values.
    pub fn info(&self) -> Info<'_, 'f> {
        Info::new(&self.sections)
    }

    /// The names of the symbols that the object wants of others, in the order of its symbol table.
    pub fn imports(&self) -> impl Iterator<Item = &'f str> + use<'_, 'f> {
        let undefined = self.symbols.iter();
        undefined
            .filter(|symbol| symbol.definition == Definition::Undefined)
            .map(|symbol| self.symbols.name(&symbol))
            .filter(|name| !UNWIND_ROUTINES.contains(name))
    }

    /// All sections.
    pub(crate) fn sections(&self) -> &[Section<'f>] {
        &self.sections
    }

    /// The section of this index.
    pub(crate) fn section(&self, index: u32) -> Option<&Section<'f>> {
        self.sections.get(index as usize)
    }

    /// All symbols.
    pub(crate) const fn symbols(&self) -> &Symbols<'f> {
        &self.symbols
    }

    /// What to call a symbol in a message: a section's symbol has the section's name.
    pub(crate) fn label(&self, symbol: &Symbol) -> &'f str {
        match (self.symbols.name(symbol), symbol.definition) {
            ("", Definition::Section(index)) => self.section(index).map_or("", |found| found.name),
            (name, _) => name,
        }
    }

    fn check_attributes(&self) -> Result<(), LoadError<'f>> {
        let sections = self.sections.iter();
        sections.filter(|section| section.kind == abi::SHT_ARM_ATTRIBUTES).try_for_each(|section| {
            attributes::check(section.bytes).map_err(|fault| section.fault(fault))
        })
    }

    fn check_vermagic(&self) -> Result<(), LoadError<'f>> {
        let vermagic = self.info().find(|(tag, _)| *tag == "vermagic").map(|(_, value)| value);
        if vermagic == Some(VERMAGIC) { Ok(()) } else { Err(LoadError::OtherKernel { vermagic }) }
    }
}
