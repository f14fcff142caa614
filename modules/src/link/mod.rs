//! Linking: an object's bytes in their places, made to work there.
//!
//! Everything is written through the areas' bytes, which are mapped for writing wherever who calls
//! has them; addresses are those that the module will run at. Nothing is remembered anywhere else, so
//! a module that is refused half-way leaves only bytes that nobody runs.
//!
//! Invariant: when [`link`] succeeds, every byte of both areas has been written, each relocation is
//! resolved, and the addresses in [`Linked`] lie in the areas.

mod entry;
mod memory;
mod relocate;
mod symbols;

use alloc::vec::Vec;

use mm::addr::{VirtAddr, VirtRange};

use crate::error::LoadError;
use crate::object::{Definition, Object};
use crate::plan::{Extent, Home, Part, Place, Plan, push};
use crate::{exports, functions, params, unwind};

pub use entry::EntryFault;
pub(crate) use memory::Memory;

/// Where symbols come from that an object does not define.
pub trait Imports {
    /// The address of `name`; bit 0 is set for a function in Thumb state. `None` when nobody has it.
    ///
    /// Each name is asked for once. It may be any text.
    fn find(&mut self, name: &str) -> Option<VirtAddr>;
}

/// Memory for a part of a module.
#[derive(Debug)]
pub struct Area<'m> {
    /// The address that it runs at: a page's.
    pub base: VirtAddr,
    /// As many bytes as planned.
    pub bytes: &'m mut [u8],
}

/// A module that can be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linked {
    /// `init_module`; bit 0 is set if it is in Thumb state. May lie in either area.
    pub init: Option<VirtAddr>,
    /// `cleanup_module`, likewise; in the core.
    pub exit: Option<VirtAddr>,
    /// What it exports, in the core: for [`Exports`](exports::Exports).
    pub exports: VirtRange,
    /// The core's unwind index, sorted; `None` when the object has none.
    pub core_index: Option<VirtRange>,
    /// That of the init area.
    pub init_index: Option<VirtRange>,
    /// The table of functions, in the core: for [`functions::find`].
    pub functions: VirtRange,
    /// How many veneers were needed.
    pub veneers: u32,
}

/// Links `object` as `plan` says, into the memory for its core and, if that is not empty, its init
/// area. Every byte of both is written.
///
/// # Errors
///
/// [`LoadError`]: symbols that `imports` does not have, relocations that do not fit, records of the
/// module's own tables or parameters that are wrong, areas that are not as planned, no memory for the
/// loader's lists. What the areas hold is of no use then.
pub fn link<'f>(
    object: &Object<'f>,
    plan: &Plan<'f>,
    core: Area<'_>,
    init: Option<Area<'_>>,
    imports: &mut dyn Imports,
) -> Result<Linked, LoadError<'f>> {
    let mut memory = Memory::new(plan, core, init)?;
    memory.load(object, plan);
    let symbols = symbols::Resolved::new(object, plan, imports)?;
    let veneers = relocate::relocate(object, plan, &symbols, &mut memory)?;
    let core_index = finish_index(object, plan, &mut memory, Home::Core)?;
    let init_index = finish_index(object, plan, &mut memory, Home::Init)?;
    write_functions(object, plan, &mut memory)?;
    exports::finish(plan, &mut memory)?;
    params::set(plan, &mut memory)?;
    Ok(Linked {
        init: entry::find(object, plan, &memory, entry::INIT)?,
        exit: entry::find(object, plan, &memory, entry::EXIT)?,
        exports: range_of(&memory, plan.ksymtab),
        core_index,
        init_index,
        functions: range_of(&memory, plan.functions),
        veneers,
    })
}

/// The addresses of something in the core's read-only data.
fn range_of(memory: &Memory<'_>, extent: Extent) -> VirtRange {
    let start = memory.address(Place { home: Home::Core, part: Part::Rodata, at: extent.at });
    VirtRange::new(VirtAddr::new(start), VirtAddr::new(start.wrapping_add(extent.bytes)))
}

/// Sorts the unwind index of an area, and says where it is.
fn finish_index<'f>(
    object: &Object<'f>,
    plan: &Plan<'f>,
    memory: &mut Memory<'_>,
    home: Home,
) -> Result<Option<VirtRange>, LoadError<'f>> {
    let area = plan.area(home);
    if area.index_room == 0 {
        return Ok(None);
    }
    let text = memory.part(home, Part::Text).start;
    let code = text..text.wrapping_add(area.veneers_at);
    let around = unwind::Surroundings { code, area: memory.area(home) };
    let places = object.sections().iter().filter_map(|section| plan.place(section.index));
    let places = places.filter(|place| place.home == home && place.part == Part::Text);
    let starts = places.map(|place| text.wrapping_add(place.at));

    let place = Place { home, part: Part::Rodata, at: area.index.at };
    let at = memory.address(place);
    let index = memory.place_mut(place, area.index_room as usize).unwrap_or_default();
    let bytes = unwind::finish(index, at, area.index.bytes, &around, starts)?;
    Ok(Some(VirtRange::new(VirtAddr::new(at), VirtAddr::new(at.wrapping_add(bytes)))))
}

/// Writes the table of functions.
fn write_functions<'f>(
    object: &Object<'f>,
    plan: &Plan<'f>,
    memory: &mut Memory<'_>,
) -> Result<(), LoadError<'f>> {
    let mut rows = Vec::new();
    for symbol in plan.functions(object) {
        let Definition::Section(section) = symbol.definition else { continue };
        let (Some(section), Some(place)) = (object.section(section), plan.place(section)) else {
            continue;
        };
        let start = memory.address(place).wrapping_add(symbol.value);
        let rest = section.size.saturating_sub(symbol.value);
        // Assembly often says no size: up to the end, or to the next one's start.
        let size = if symbol.size == 0 { rest } else { symbol.size.min(rest) };
        push(&mut rows, (start, size, object.symbols().name(&symbol)))?;
    }
    // Of two names for one place the last one is found: rather the author's than ours.
    let is_authors = |name| name != entry::INIT.name && name != entry::EXIT.name;
    rows.sort_unstable_by_key(|(start, size, name)| (*start, is_authors(*name), *size, *name));
    let mut next = u32::MAX;
    for (start, size, _) in rows.iter_mut().rev() {
        // Aliases have one start, and share the end.
        if next != *start {
            *size = (*size).min(next - *start);
            next = *start;
        }
    }
    let place = Place { home: Home::Core, part: Part::Rodata, at: plan.functions.at };
    let table = memory.place_mut(place, plan.functions.bytes as usize).unwrap_or_default();
    functions::write(table, &rows).ok_or(LoadError::Memory)
}
