//! Which part of which area a section goes to.
//!
//! | section | area | part |
//! |---|---|---|
//! | executable | | text |
//! | read only | | read-only data |
//! | writable, or without bytes | | data |
//! | name begins with `.init`, `.ARM.extab.init` | init | |
//! | `.ARM.exidx*` | that of its code (`sh_link`) | read-only data, all together |
//! | `__ksymtab`, `__param` | core | read-only data, all together |
//! | any other | core | |

use elf::abi;

use super::{Extent, Home, KSYMTAB, PARAM, Part, Place, Plan, Table, too_large};
use crate::error::LoadError;
use crate::object::{Definition, Object, Section, SectionFault, Symbol};
use crate::unwind;

/// How names of sections begin that are not needed when initialisation is over.
const INIT: [&str; 2] = [".init", ".ARM.extab.init"];

/// All sections are aligned to this at least, so that instructions are.
const MIN_ALIGN: u32 = 4;

impl<'f> Plan<'f> {
    /// Places each section that is loaded.
    pub(super) fn place_sections(&mut self, object: &Object<'f>) -> Result<(), LoadError<'f>> {
        let sections = object.sections();
        self.places.try_reserve_exact(sections.len()).map_err(|_| LoadError::Memory)?;
        self.places.resize(sections.len(), None);

        let loaded = || sections.iter().filter(|section| section.is_loaded());
        for section in loaded().filter(|it| table_of(it).is_none() && !it.is_unwind_index()) {
            self.place_at_end(section, home_of(section), part_of(section))?;
        }
        for table in [KSYMTAB, PARAM] {
            let at = self.core.layout.push(Part::Rodata, 0, MIN_ALIGN);
            let at = at.ok_or(too_large(Home::Core))?;
            for section in loaded().filter(|section| table_of(section) == Some(table)) {
                section.check_whole(table.entry_bytes)?;
                self.place_at_end(section, Home::Core, Part::Rodata)?;
            }
            let bytes = self.core.layout.used(Part::Rodata).saturating_sub(at);
            let extent = Extent { at, bytes };
            if table == KSYMTAB { self.ksymtab = extent } else { self.param = extent }
        }
        for home in [Home::Core, Home::Init] {
            self.place_index(object, home)?;
        }
        Ok(())
    }

    /// Places the sections of the unwind index for the code of one area, and makes room for the
    /// entries that are added to it.
    fn place_index(&mut self, object: &Object<'f>, home: Home) -> Result<(), LoadError<'f>> {
        let at = self.area_mut(home).layout.push(Part::Rodata, 0, MIN_ALIGN);
        let at = at.ok_or(too_large(home))?;
        for section in object.sections() {
            if !section.is_loaded() || !section.is_unwind_index() {
                continue;
            }
            let code = object.section(section.link);
            let code = code.filter(|code| code.is_loaded() && code.is_code());
            let code = code.ok_or(section.fault(SectionFault::Link(section.link)))?;
            if home_of(code) == home {
                section.check_whole(unwind::ENTRY_BYTES)?;
                self.place_at_end(section, home, Part::Rodata)?;
            }
        }
        let bytes = self.area(home).layout.used(Part::Rodata).saturating_sub(at);
        if bytes == 0 {
            return Ok(());
        }
        // One for each section of code, and one where they end.
        let code = object.sections().iter().filter(|section| section.is_loaded());
        let code = code.filter(|section| section.is_code() && home_of(section) == home).count();
        let more = u32::try_from(code + 1).ok().and_then(|more| more.checked_mul(8));
        let area = self.area_mut(home);
        let more = more.filter(|more| area.layout.push(Part::Rodata, *more, 1).is_some());
        area.index = Extent { at, bytes };
        let room = more.and_then(|more| bytes.checked_add(more));
        area.index_room = room.ok_or(too_large(home))?;
        Ok(())
    }

    fn place_at_end(
        &mut self,
        section: &Section<'f>,
        home: Home,
        part: Part,
    ) -> Result<(), LoadError<'f>> {
        // What is put together to a table has no gaps.
        let is_entries = section.is_unwind_index() || table_of(section).is_some();
        let align = if is_entries { MIN_ALIGN } else { section.align.max(MIN_ALIGN) };
        let at = self.area_mut(home).layout.push(part, section.size, align);
        let at = at.ok_or(section.fault(SectionFault::TooLarge(section.size)))?;
        if let Some(place) = self.places.get_mut(section.index as usize) {
            *place = Some(Place { home, part, at });
        }
        Ok(())
    }

    /// The functions that are loaded.
    pub(crate) fn functions(&self, object: &Object<'f>) -> impl Iterator<Item = Symbol> {
        object.symbols().iter().filter(|symbol| symbol.is_function).filter(|symbol| {
            let Definition::Section(section) = symbol.definition else { return false };
            self.place(section).is_some_and(|place| place.part == Part::Text)
        })
    }
}

/// The area that a section goes to, of those that their name tells.
fn home_of(section: &Section<'_>) -> Home {
    let is_init = INIT.iter().any(|prefix| section.name.starts_with(prefix));
    if is_init { Home::Init } else { Home::Core }
}

fn part_of(section: &Section<'_>) -> Part {
    if section.is_code() {
        Part::Text
    } else if section.is_writable() || section.is_nobits() {
        Part::Data
    } else {
        Part::Rodata
    }
}

fn table_of(section: &Section<'_>) -> Option<Table> {
    let tables = [KSYMTAB, PARAM].into_iter();
    tables.filter(|_| section.kind == abi::SHT_PROGBITS).find(|table| table.name == section.name)
}
