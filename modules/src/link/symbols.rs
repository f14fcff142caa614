//! Where symbols are, now that there are addresses.
//!
//! Invariant: each symbol of others that something loaded uses has an address, or is weak.

use alloc::vec::Vec;

use super::Imports;
use super::memory::Memory;
use crate::error::LoadError;
use crate::object::{Definition, Object, Symbol};
use crate::plan::{Home, Part, Place, Plan};
use crate::reloc::{self, Kind};

/// The symbols of others.
pub(crate) struct Resolved {
    /// By index of symbol, as the plan's imports; `None` for one that nobody has.
    addresses: Vec<Option<u32>>,
}

impl Resolved {
    /// Asks `imports` for each symbol that is used.
    pub fn new<'f>(
        object: &Object<'f>,
        plan: &Plan<'f>,
        imports: &mut dyn Imports,
    ) -> Result<Self, LoadError<'f>> {
        let mut addresses = Vec::new();
        addresses.try_reserve_exact(plan.imports.len()).map_err(|_| LoadError::Memory)?;
        let mut missing: Option<(&'f str, u32)> = None;
        for import in &plan.imports {
            let symbol = object.symbols().get(import.symbol).filter(|_| import.is_used);
            let address = symbol.and_then(|symbol| {
                let name = object.symbols().name(&symbol);
                let found = imports.find(name);
                if found.is_none() && !symbol.is_weak {
                    let (first, count) = missing.unwrap_or((name, 0));
                    missing = Some((first, count + 1));
                }
                found
            });
            addresses.push(address.map(|address| address.as_u32()));
        }
        match missing {
            Some((first, count)) => Err(LoadError::Undefined { first, count }),
            None => Ok(Self { addresses }),
        }
    }

    /// Where a symbol is, for a relocation of this `kind`. `None` for a weak one that nobody has.
    pub fn symbol(
        &self,
        plan: &Plan<'_>,
        memory: &Memory<'_>,
        symbol: &Symbol,
        kind: Kind,
    ) -> Option<reloc::Symbol> {
        let place = match symbol.definition {
            Definition::Absolute => return Some(of_module(symbol, symbol.value, kind)),
            Definition::Undefined => {
                let found = plan.imports.binary_search_by_key(&symbol.index, |it| it.symbol);
                let address = (*self.addresses.get(found.ok()?)?)?;
                return Some(of_others(address, kind));
            }
            Definition::Common => {
                let at = plan.common(symbol.index);
                at.map(|at| Place { home: Home::Core, part: Part::Data, at })
            }
            Definition::Section(section) => plan.place(section),
        };
        // Relocations whose symbol is not loaded were refused, and others do not ask.
        let base = memory.address(place?);
        // A common symbol's value is its alignment.
        let is_common = symbol.definition == Definition::Common;
        let offset = if is_common { 0 } else { symbol.value };
        Some(of_module(symbol, base.wrapping_add(offset), kind))
    }
}

/// A symbol that the object defines.
const fn of_module(symbol: &Symbol, address: u32, kind: Kind) -> reloc::Symbol {
    if symbol.is_function {
        reloc::Symbol { address, is_thumb: symbol.is_thumb }
    } else {
        reloc::Symbol::label(address, kind)
    }
}

/// A symbol of others, whose address has bit 0 set if it is a function in Thumb state, or a variable
/// at an odd address. The address as it is serves both as a value; only branches know that it is a
/// function's.
const fn of_others(address: u32, kind: Kind) -> reloc::Symbol {
    if kind.state_of_branch().is_some() {
        reloc::Symbol::function(address)
    } else {
        reloc::Symbol { address, is_thumb: false }
    }
}
