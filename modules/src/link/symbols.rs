//! Where symbols are, now that there are addresses.
//!
//! Invariant: each symbol of others that something loaded uses has an address, or is weak.

use alloc::vec::Vec;

use super::Imports;
use super::memory::Memory;
use crate::error::LoadError;
use crate::object::{Definition, Object, Symbol};
use crate::plan::{Home, Part, Place, Plan};
use crate::reloc;

/// What a symbol turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// It is at an address.
    At(reloc::Symbol),
    /// It is of others: this address, whose bit 0 may say that there is a function in Thumb state.
    Import(u32),
    /// It is weak, and nobody has it.
    Nowhere,
}

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

    /// Where a symbol is.
    pub fn value(&self, plan: &Plan<'_>, memory: &Memory<'_>, symbol: &Symbol) -> Value {
        let at = |address, is_thumb| Value::At(reloc::Symbol { address, is_thumb });
        let place = match symbol.definition {
            Definition::Absolute => return at(symbol.value, symbol.is_thumb),
            Definition::Undefined => {
                let found = plan.imports.binary_search_by_key(&symbol.index, |it| it.symbol);
                let address = found.ok().and_then(|found| *self.addresses.get(found)?);
                return address.map_or(Value::Nowhere, Value::Import);
            }
            Definition::Common => {
                let at = plan.common(symbol.index);
                at.map(|at| Place { home: Home::Core, part: Part::Data, at })
            }
            Definition::Section(section) => plan.place(section),
        };
        // Relocations whose symbol is not loaded were refused, and others do not ask.
        let Some(place) = place else { return Value::Nowhere };
        let base = memory.address(place);
        match symbol.definition {
            Definition::Common => at(base, false),
            _ => at(base.wrapping_add(symbol.value), symbol.is_thumb),
        }
    }
}
