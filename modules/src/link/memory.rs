//! The memory of a module while it is filled: two areas, each at its address.
//!
//! Invariant: an address that a module's bytes claim is looked up here before anything is read or
//! written there, and only what the plan lies at is found.

use core::ops::Range;

use mm::addr::{PAGE_SIZE, VirtAddr};

use super::Area;
use crate::bytes::name_at;
use crate::error::LoadError;
use crate::object::Object;
use crate::plan::{AreaFault, Home, Layout, Part, Place, Plan};

/// One area.
struct Loaded<'m> {
    base: u32,
    bytes: &'m mut [u8],
    layout: Layout,
}

/// Both.
pub(crate) struct Memory<'m> {
    core: Loaded<'m>,
    init: Loaded<'m>,
}

impl<'m> Loaded<'m> {
    fn new<'f>(area: Area<'m>, home: Home, plan: &Plan<'f>) -> Result<Self, LoadError<'f>> {
        let layout = plan.area(home).layout;
        let planned = layout.sizes().bytes();
        let given = area.bytes.len();
        let fault = if !area.base.is_aligned(PAGE_SIZE) {
            AreaFault::Base(area.base)
        } else if given != planned as usize || area.base.checked_add(planned).is_none() {
            AreaFault::Bytes { given, planned }
        } else {
            return Ok(Self { base: area.base.as_u32(), bytes: area.bytes, layout });
        };
        Err(LoadError::Area { area: home.name(), fault })
    }

    fn part(&self, part: Part) -> Range<u32> {
        let sizes = self.layout.sizes();
        let bytes = [sizes.text, sizes.rodata, sizes.data][part as usize];
        let start = self.base + self.layout.start(part);
        start..start + bytes
    }

    /// Offset of `len` bytes at an address within `range`, which is in the area.
    fn offset(&self, range: Range<u32>, address: u32, len: u32) -> Option<usize> {
        let end = address.checked_add(len)?;
        let is_inside = range.start <= address && end <= range.end;
        is_inside.then(|| (address - self.base) as usize)
    }

    fn all(&self) -> Range<u32> {
        self.base..self.base + self.bytes.len() as u32
    }
}

impl<'m> Memory<'m> {
    /// The areas, if they are as planned. They are not yet written to.
    pub fn new<'f>(
        plan: &Plan<'f>,
        core: Area<'m>,
        init: Option<Area<'m>>,
    ) -> Result<Self, LoadError<'f>> {
        let none = || Area { base: VirtAddr::new(0), bytes: &mut [] };
        Ok(Self {
            core: Loaded::new(core, Home::Core, plan)?,
            init: Loaded::new(init.unwrap_or_else(none), Home::Init, plan)?,
        })
    }

    const fn home(&self, home: Home) -> &Loaded<'m> {
        match home {
            Home::Core => &self.core,
            Home::Init => &self.init,
        }
    }

    const fn home_mut(&mut self, home: Home) -> &mut Loaded<'m> {
        match home {
            Home::Core => &mut self.core,
            Home::Init => &mut self.init,
        }
    }

    /// Puts each section in its place, and zeros everywhere else.
    pub fn load(&mut self, object: &Object<'_>, plan: &Plan<'_>) {
        self.core.bytes.fill(0);
        self.init.bytes.fill(0);
        for section in object.sections() {
            let Some(place) = plan.place(section.index) else { continue };
            if let Some(bytes) = self.place_mut(place, section.bytes.len()) {
                bytes.copy_from_slice(section.bytes);
            }
        }
    }

    /// The address of a place.
    pub fn address(&self, place: Place) -> u32 {
        let area = self.home(place.home);
        // Both sums are offsets in the area, whose end is an address.
        area.base.wrapping_add(area.layout.start(place.part)).wrapping_add(place.at)
    }

    /// `len` bytes at a place.
    pub fn place_mut(&mut self, place: Place, len: usize) -> Option<&mut [u8]> {
        let area = self.home_mut(place.home);
        let start = area.layout.start(place.part).checked_add(place.at)? as usize;
        area.bytes.get_mut(start..)?.get_mut(..len)
    }

    /// The addresses of a whole area.
    pub fn area(&self, home: Home) -> Range<u32> {
        self.home(home).all()
    }

    /// The addresses of a part.
    pub fn part(&self, home: Home, part: Part) -> Range<u32> {
        self.home(home).part(part)
    }

    /// `len` bytes at an address of the module.
    pub fn bytes(&self, address: u32, len: u32) -> Option<&[u8]> {
        [&self.core, &self.init].into_iter().find_map(|area| {
            let start = area.offset(area.all(), address, len)?;
            area.bytes.get(start..)?.get(..len as usize)
        })
    }

    /// `len` bytes at an address in the module's data.
    pub fn data_mut(&mut self, address: u32, len: u32) -> Option<&mut [u8]> {
        [&mut self.core, &mut self.init].into_iter().find_map(|area| {
            let start = area.offset(area.part(Part::Data), address, len)?;
            area.bytes.get_mut(start..)?.get_mut(..len as usize)
        })
    }

    /// The name at an address of the module, up to its NUL.
    pub fn name(&self, address: u32) -> Option<&str> {
        [&self.core, &self.init].into_iter().find_map(|area| {
            let start = area.offset(area.all(), address, 1)?;
            name_at(area.bytes, u32::try_from(start).ok()?)
        })
    }
}
