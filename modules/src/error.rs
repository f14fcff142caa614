//! Why an object does not become a module: one enum, each of whose texts names what is at fault.
//!
//! What is at fault is a section, a symbol, a relocation, a record or a parameter, and has the
//! values with it that it was refused for. Texts of the file are shown without control characters.

use core::fmt;

use mm::addr::VirtAddr;

use crate::bytes::Shown;
use crate::link::EntryFault;
use crate::object::{FileFault, RelocationFault, SectionFault, SymbolFault, VERMAGIC};
use crate::params::ValueFault;
use crate::plan::AreaFault;

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
