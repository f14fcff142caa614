//! The two functions that are called by name: `init_module` and `cleanup_module`.
//!
//! Invariant: what is found is a function's first instruction in the module's text, in memory that
//! is still there when it is called.

use core::fmt;

use mm::addr::VirtAddr;

use super::memory::Memory;
use crate::error::LoadError;
use crate::object::{Definition, Object};
use crate::plan::{Home, Part, Plan};

/// A function to be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub name: &'static str,
    /// Is it called when the init area is gone?
    in_core: InCore,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum InCore {
    Must,
    May,
}

/// Called once the module is loaded.
pub(super) const INIT: Entry = Entry { name: "init_module", in_core: InCore::May };
/// Called before it is unloaded.
pub(super) const EXIT: Entry = Entry { name: "cleanup_module", in_core: InCore::Must };

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

/// The address of an entry, with bit 0 as `BLX` wants it; `None` when the object has none.
pub(super) fn find<'f>(
    object: &Object<'f>,
    plan: &Plan<'f>,
    memory: &Memory<'_>,
    entry: Entry,
) -> Result<Option<VirtAddr>, LoadError<'f>> {
    let mut symbols = object.symbols().iter();
    let symbol = symbols.find(|symbol| {
        let is_global = !symbol.is_local && symbol.definition != Definition::Undefined;
        is_global && object.symbols().name(symbol) == entry.name
    });
    let Some(symbol) = symbol else { return Ok(None) };
    let fault = |fault| LoadError::Entry { name: entry.name, fault };
    let place = match symbol.definition {
        Definition::Section(section) if symbol.is_function => {
            let inside = object.section(section).is_some_and(|it| symbol.value < it.size);
            plan.place(section).filter(|place| inside && place.part == Part::Text)
        }
        _ => None,
    };
    let place = place.ok_or(fault(EntryFault::NoFunction))?;
    let address = memory.address(place).wrapping_add(symbol.value);
    let at = VirtAddr::new(address);
    let align = if symbol.is_thumb { 2 } else { 4 };
    if !at.is_aligned(align) {
        return Err(fault(EntryFault::Alignment(at)));
    }
    if place.home == Home::Init && entry.in_core == InCore::Must {
        return Err(fault(EntryFault::InInit(at)));
    }
    Ok(Some(VirtAddr::new(address | u32::from(symbol.is_thumb))))
}
