//! Why an object does not become a module: one enum, each of whose texts names what is at fault.
//!
//! What is at fault is a section, a symbol, a relocation, a record or a parameter, and has the
//! values with it that it was refused for. Texts of the file are shown without control characters.

use core::fmt;

use mm::addr::VirtAddr;

use crate::bytes::Shown;
use crate::object::{FileFault, VERMAGIC};
use crate::params::ValueFault;
use crate::reloc::Misfit;

/// Why an object is not loaded. Nothing is left behind: the loader holds no memory but its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError<'f> {
    /// There is no memory for the loader's own lists.
    Memory,
    /// The file is none that this kernel loads, whatever it holds.
    File(FileFault),
    /// It was built for another kernel, or for none.
    OtherKernel {
        /// `vermagic` of its `.modinfo`.
        vermagic: Option<&'f str>,
    },
    /// A section.
    Section {
        /// Its name; empty when it has none.
        name: &'f str,
        /// Its index.
        index: u32,
        /// What is wrong.
        fault: SectionFault,
    },
    /// A symbol.
    Symbol {
        /// Its name; empty when it has none.
        name: &'f str,
        /// Its index.
        index: u32,
        /// What is wrong.
        fault: SymbolFault,
    },
    /// A relocation.
    Relocation {
        /// The section that holds it.
        section: &'f str,
        /// Its index there.
        index: u32,
        /// Its type, if that is known.
        kind: Option<&'static str>,
        /// Its symbol, or the section that the symbol stands for.
        symbol: &'f str,
        /// What is wrong.
        fault: RelocationFault<'f>,
    },
    /// Symbols that nobody has.
    Undefined {
        /// The first of them.
        first: &'f str,
        /// How many there are.
        count: u32,
    },
    /// `init_module` or `cleanup_module`.
    Entry {
        /// Which one.
        name: &'static str,
        /// What is wrong.
        fault: EntryFault,
    },
    /// A record of one of the tables that the module's headers wrote.
    Record {
        /// The table's section.
        table: &'static str,
        /// The record's index.
        index: u32,
        /// What is wrong.
        fault: RecordFault,
    },
    /// A parameter that was given.
    Parameter {
        /// As it was given.
        name: &'f str,
        /// What is wrong.
        fault: ValueFault,
    },
    /// An area of memory: what the object needs, or what was given.
    Area {
        /// Which area.
        area: &'static str,
        /// What is wrong.
        fault: AreaFault,
    },
}

impl fmt::Display for LoadError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Memory => f.write_str("no memory for the loader's lists"),
            Self::File(fault) => fault.fmt(f),
            Self::OtherKernel { vermagic: Some(vermagic) } => {
                let vermagic = Shown(vermagic);
                write!(f, "built for another kernel: vermagic `{vermagic}`, not `{VERMAGIC}`")
            }
            Self::OtherKernel { vermagic: None } => {
                f.write_str("no module of this kernel: .modinfo has no vermagic")
            }
            Self::Section { name: "", index, fault } => write!(f, "section {index}: {fault}"),
            Self::Section { name, fault, .. } => write!(f, "section {}: {fault}", Shown(name)),
            Self::Symbol { name: "", index, fault } => write!(f, "symbol {index}: {fault}"),
            Self::Symbol { name, fault, .. } => write!(f, "symbol `{}`: {fault}", Shown(name)),
            Self::Relocation { section, index, kind, symbol, fault } => {
                write!(f, "section {}, relocation {index}", Shown(section))?;
                match (kind, symbol) {
                    (None, "") => {}
                    (None, symbol) => write!(f, " (symbol `{}`)", Shown(symbol))?,
                    (Some(kind), "") => write!(f, " ({kind})")?,
                    (Some(kind), symbol) => write!(f, " ({kind}, symbol `{}`)", Shown(symbol))?,
                }
                write!(f, ": {fault}")
            }
            Self::Undefined { first, count: 1 } => write!(f, "unknown symbol `{}`", Shown(first)),
            Self::Undefined { first, count } => {
                write!(f, "unknown symbol `{}`, and {} more", Shown(first), count.saturating_sub(1))
            }
            Self::Entry { name, fault } => write!(f, "{name}: {fault}"),
            Self::Record { table, index, fault } => {
                write!(f, "section {table}, record {index}: {fault}")
            }
            Self::Parameter { name, fault } => write!(f, "parameter `{}`: {fault}", Shown(name)),
            Self::Area { area, fault } => write!(f, "the {area} area: {fault}"),
        }
    }
}

impl core::error::Error for LoadError<'_> {}

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

/// What is wrong with `init_module` or `cleanup_module`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryFault {
    /// It is no function, or is not in the module's text.
    NoFunction,
    /// It is an ARM function, and lies at no multiple of four.
    Alignment(VirtAddr),
    /// It is in memory that is given back before it is called.
    InInit(VirtAddr),
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFunction => f.write_str("is no function in the module's text"),
            Self::Alignment(at) => write!(f, "{at} is no place for an instruction"),
            Self::InInit(at) => write!(f, "{at} is in memory that is gone after initialisation"),
        }
    }
}

/// What is wrong with a record of `__param`, `__ksymtab` or `.ARM.exidx`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordFault {
    /// There is no name in the module's memory where the record points to.
    Name(VirtAddr),
    /// There is no such type.
    Type(u32),
    /// So many bytes are no variable of the type.
    Size {
        /// The record's type.
        kind: u32,
        /// Its bytes.
        size: u32,
    },
    /// What it points to is not in the module's data.
    Outside {
        /// Where it points to.
        at: VirtAddr,
        /// So many bytes should be there.
        size: u32,
    },
    /// An earlier record has the same name.
    Twice(VirtAddr),
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(at) => write!(f, "there is no name at {at}"),
            Self::Type(kind) => write!(f, "unknown type {kind:#x}"),
            Self::Size { kind, size } => {
                write!(f, "{size} bytes are no variable of type {kind:#x}")
            }
            Self::Outside { at, size } => {
                write!(f, "{size} bytes at {at} are not in the module's own memory")
            }
            Self::Twice(at) => write!(f, "another one has the name at {at}, too"),
        }
    }
}

/// What is wrong with an area of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AreaFault {
    /// No address space has room for what the object has it hold.
    TooLarge,
    /// It does not begin at a page.
    Base(VirtAddr),
    /// It is not as long as was planned, or ends past the last address.
    Bytes {
        /// Bytes given.
        given: usize,
        /// Bytes planned.
        planned: u32,
    },
}

impl fmt::Display for AreaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("would be larger than the address space"),
            Self::Base(base) => write!(f, "{base} is no page's address"),
            Self::Bytes { given, planned } => {
                write!(f, "{given:#x} bytes were given, and {planned:#x} are needed")
            }
        }
    }
}
