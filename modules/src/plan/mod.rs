//! The plan: where everything of an object will lie, before there is memory for it.
//!
//! ```text
//!  core: text    │ sections │ veneers │          init: text   │ .init* sections │ veneers │
//!        rodata  │ sections │ __ksymtab │ __param │    rodata │ … │ index │
//!                │ index │ functions │                 data   │ … │
//!        data    │ sections │ common │ arguments │
//! ```
//!
//! Each part is whole pages, so that each can have its own rights. The tables of all sections of one
//! name lie side by side, and so does the unwind index, which is sorted when it is complete.
//!
//! Whether a branch needs a veneer is known only with the addresses. So there is room for one for
//! each different pair of symbol and addend that branches of one state name ([`crate::veneers`]).
//!
//! Invariant: what has a place lies within its part, at a multiple of its alignment, and nothing
//! else lies there. Sizes are sums that were checked.

mod layout;
mod sections;

use alloc::vec::Vec;

use crate::error::LoadError;
use crate::functions;
use crate::object::{Definition, Object, SymbolFault};
use crate::reloc::veneer::VENEER_ALIGN;
use crate::veneers::Veneers;

pub use layout::{AreaFault, Sizes};
pub(crate) use layout::{Home, Layout, Part, Place};

/// A table that is made of sections of one name: the bytes of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Table {
    pub name: &'static str,
    pub entry_bytes: u32,
}

/// What a module exports: an address and a name each.
pub(crate) const KSYMTAB: Table = Table { name: "__ksymtab", entry_bytes: 8 };
/// A module's parameters.
pub(crate) const PARAM: Table = Table { name: "__param", entry_bytes: 20 };

/// Where something of several entries lies in its part.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Extent {
    /// Offset in the part.
    pub at: u32,
    pub bytes: u32,
}

/// What an area holds beside sections.
#[derive(Debug, Default)]
pub(crate) struct AreaPlan {
    pub layout: Layout,
    pub veneers: Veneers,
    /// In text: the first veneer. Sections end here.
    pub veneers_at: u32,
    /// In read-only data: the unwind index as it is loaded, and the room that it may need with the
    /// ends of functions added.
    pub index: Extent,
    pub index_room: u32,
}

/// A symbol of others, and whether anything that is loaded uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Import {
    pub symbol: u32,
    pub is_used: bool,
}

/// Two layouts for one object.
#[derive(Debug)]
pub struct Plan<'f> {
    pub(crate) arguments: &'f str,
    /// By index of section.
    pub(crate) places: Vec<Option<Place>>,
    /// Common symbols and their offset in the core's data, by index of symbol.
    pub(crate) commons: Vec<(u32, u32)>,
    /// By index of symbol.
    pub(crate) imports: Vec<Import>,
    pub(crate) core: AreaPlan,
    pub(crate) init: AreaPlan,
    /// All in the core's read-only data.
    pub(crate) ksymtab: Extent,
    pub(crate) param: Extent,
    pub(crate) functions: Extent,
    /// In the core's data: where values of `charp` parameters are kept.
    pub(crate) values: Extent,
}

impl<'f> Plan<'f> {
    /// Where everything of `object` will lie, with these `arguments`: `name=value name2="va lue"`.
    ///
    /// # Errors
    ///
    /// [`LoadError`]: a relocation is wrong in itself, an area would be too large for 32 bits, or
    /// there is no memory for the loader's lists.
    pub fn of(object: &Object<'f>, arguments: &'f str) -> Result<Self, LoadError<'f>> {
        let mut plan = Self {
            arguments,
            places: Vec::new(),
            commons: Vec::new(),
            imports: Vec::new(),
            core: AreaPlan::default(),
            init: AreaPlan::default(),
            ksymtab: Extent::default(),
            param: Extent::default(),
            functions: Extent::default(),
            values: Extent::default(),
        };
        plan.place_sections(object)?;
        plan.see_symbols(object)?;
        plan.see_relocations(object)?;
        for home in [Home::Core, Home::Init] {
            let area = plan.area_mut(home);
            let bytes = area.veneers.sort();
            let at = bytes.and_then(|bytes| area.layout.push(Part::Text, bytes, VENEER_ALIGN));
            area.veneers_at = at.ok_or(too_large(home))?;
        }
        plan.place_functions(object)?;
        // A value and its NUL are never longer than `name=value`.
        let bytes = u32::try_from(arguments.len()).ok().and_then(|len| len.checked_add(1));
        let bytes = if arguments.is_empty() { Some(0) } else { bytes };
        let at = bytes.and_then(|bytes| plan.core.layout.push(Part::Data, bytes, 1));
        let (at, bytes) = at.zip(bytes).ok_or(too_large(Home::Core))?;
        plan.values = Extent { at, bytes };
        for home in [Home::Core, Home::Init] {
            plan.area(home).layout.check().ok_or(too_large(home))?;
        }
        Ok(plan)
    }

    /// What the core needs.
    #[must_use]
    pub const fn core(&self) -> Sizes {
        self.core.layout.sizes()
    }

    /// What initialisation needs beside it; empty when the object has no `.init` sections.
    #[must_use]
    pub const fn init(&self) -> Sizes {
        self.init.layout.sizes()
    }

    /// The plan of one of the two.
    pub(crate) const fn area(&self, home: Home) -> &AreaPlan {
        match home {
            Home::Core => &self.core,
            Home::Init => &self.init,
        }
    }

    const fn area_mut(&mut self, home: Home) -> &mut AreaPlan {
        match home {
            Home::Core => &mut self.core,
            Home::Init => &mut self.init,
        }
    }

    /// The place of the section of this index; `None` when it is not loaded.
    pub(crate) fn place(&self, section: u32) -> Option<Place> {
        self.places.get(section as usize).copied().flatten()
    }

    /// The offset of a common symbol in the core's data.
    pub(crate) fn common(&self, symbol: u32) -> Option<u32> {
        let found = self.commons.binary_search_by_key(&symbol, |(symbol, _)| *symbol);
        Some(self.commons.get(found.ok()?)?.1)
    }

    /// Gives common symbols room, and notes who wants something of others.
    fn see_symbols(&mut self, object: &Object<'f>) -> Result<(), LoadError<'f>> {
        for symbol in object.symbols().iter() {
            match symbol.definition {
                Definition::Common => {
                    let at = self.core.layout.push(Part::Data, symbol.size, symbol.value);
                    let name = object.symbols().name(&symbol);
                    let (index, fault) = (symbol.index, SymbolFault::TooLarge(symbol.size));
                    let at = at.ok_or(LoadError::Symbol { name, index, fault })?;
                    push(&mut self.commons, (index, at))?;
                }
                Definition::Undefined => {
                    push(&mut self.imports, Import { symbol: symbol.index, is_used: false })?;
                }
                Definition::Absolute | Definition::Section(_) => {}
            }
        }
        Ok(())
    }

    /// Looks at every relocation: what it wants of others, and whether it may want a veneer.
    fn see_relocations(&mut self, object: &Object<'f>) -> Result<(), LoadError<'f>> {
        object.each_relocation(|relocation| {
            let Some(symbol) = relocation.symbol.filter(|_| relocation.kind.bytes() > 0) else {
                return Ok(());
            };
            if symbol.definition == Definition::Undefined {
                let found = self.imports.binary_search_by_key(&symbol.index, |it| it.symbol);
                if let Some(import) = found.ok().and_then(|found| self.imports.get_mut(found)) {
                    import.is_used = true;
                }
            }
            let place = self.place(relocation.target.index);
            if let (Some(from), Some(place)) = (relocation.kind.branch_from(), place) {
                let addend = relocation.kind.addend(relocation.bytes());
                let veneers = &mut self.area_mut(place.home).veneers;
                veneers.want(symbol.index, addend, from).ok_or(LoadError::Memory)?;
            }
            Ok(())
        })
    }

    /// Makes room for the table of functions.
    fn place_functions(&mut self, object: &Object<'f>) -> Result<(), LoadError<'f>> {
        let names = self.functions(object).map(|symbol| object.symbols().name(&symbol));
        let bytes = functions::bytes_for(names);
        let at = bytes.and_then(|bytes| self.core.layout.push(Part::Rodata, bytes, 4));
        let (at, bytes) = at.zip(bytes).ok_or(too_large(Home::Core))?;
        self.functions = Extent { at, bytes };
        Ok(())
    }
}

/// The error that an area would be too large.
pub(crate) const fn too_large<'f>(home: Home) -> LoadError<'f> {
    LoadError::Area { area: home.name(), fault: AreaFault::TooLarge }
}

/// Appends to a list, if there is memory for it.
pub(crate) fn push<'f, T>(list: &mut Vec<T>, item: T) -> Result<(), LoadError<'f>> {
    list.try_reserve(1).map_err(|_| LoadError::Memory)?;
    list.push(item);
    Ok(())
}
