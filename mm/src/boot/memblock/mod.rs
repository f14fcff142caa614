//! Memblock: every physical range of the machine, before there is an allocator.
//!
//! Two lists say it all. *memory* holds what the machine has; *reserved* holds what is taken: the
//! kernel's image, the device tree, whatever has been allocated here. Free is the one less the
//! other. Whatever is still free at the end of boot goes to the page allocator.
//!
//! ```text
//! memory    ├───────────────────────────┤    ├──────NOMAP──────┼────────────┤
//! reserved     ├─────┤          ├───────┤                         ├──┤
//! free      ├──┤     ├──────────┤                              ├──┤  ├──────┤
//! ```
//!
//! Ranges are in bytes and need no alignment. A range that ends at 4 GiB ends there: Linux with
//! 32-bit physical addresses cuts it at `0xffffffff` and so loses the last page. The last range
//! there can be ends at [`u64::MAX`]; a caller caps `start + size` with
//! [`PhysAddr::saturating_add`]. An empty range is no error and changes nothing.
//!
//! | file | what |
//! |---|---|
//! | `list` | a sorted list of regions, and its invariants |
//! | `edit` | every change to a list, as one pass |
//! | `grow` | how a full list moves to a longer array |
//! | `search` | finding free memory, and taking it |
//! | `error` | what is refused |
//!
//! Invariants, checked by [`Memblock::validate`]: both lists are sorted, disjoint and merged, and
//! a list that has outgrown its first array lives in memory that is mapped and reserved. An
//! operation that returns an error has changed nothing.
//!
//! Context: one CPU, before interrupts; nothing here sleeps or locks. Every operation is O(n) in
//! the number of regions.

mod edit;
mod error;
mod grow;
mod list;
mod search;
#[cfg(test)]
mod tests;

pub use error::{ListKind, MemblockError, Violation};
pub use grow::RegionStorage;
pub use list::{Flags, Region, RegionList};
pub use search::{Direction, Limit};

use crate::addr::{PhysAddr, PhysRange};
use edit::Edit;
use grow::reservation;

/// How many regions each of the first two arrays should hold, as in Linux.
pub const INIT_REGIONS: usize = 128;

/// The physical memory of a machine: what there is and what is taken.
pub struct Memblock<'s> {
    memory: RegionList<'s>,
    reserved: RegionList<'s>,
    current_limit: PhysAddr,
    direction: Direction,
    storage: Option<&'s mut dyn RegionStorage<'s>>,
}

impl<'s> Memblock<'s> {
    /// A machine without memory. The two arrays are usually static, of [`INIT_REGIONS`] each; what
    /// they hold does not matter. Allocation goes from the top down and has no limit.
    #[must_use]
    pub const fn new(memory: &'s mut [Region], reserved: &'s mut [Region]) -> Self {
        Self {
            memory: RegionList::new(memory),
            reserved: RegionList::new(reserved),
            current_limit: PhysAddr::new(u64::MAX),
            direction: Direction::TopDown,
            storage: None,
        }
    }

    /// Adds memory. What was added before keeps its flags, also where `range` overlaps it.
    ///
    /// # Errors
    /// When the list is full and cannot grow: [`Full`](MemblockError::Full),
    /// [`NoRoomForArray`](MemblockError::NoRoomForArray) or
    /// [`StorageRefused`](MemblockError::StorageRefused).
    pub fn add(&mut self, range: PhysRange, flags: Flags) -> Result<(), MemblockError> {
        self.change_memory(Edit::Add(Region { range, flags }))
    }

    /// Removes memory, as if it had never been added. Reservations stay.
    ///
    /// # Errors
    /// As [`add`](Self::add), and [`ArrayInUse`](MemblockError::ArrayInUse).
    pub fn remove(&mut self, range: PhysRange) -> Result<(), MemblockError> {
        self.check_arrays(range)?;
        self.change_memory(Edit::Remove(range))
    }

    /// Takes a range, whether or not it is memory and whether or not some of it is taken already.
    ///
    /// # Errors
    /// As [`add`](Self::add), and [`ArrayInUse`](MemblockError::ArrayInUse).
    pub fn reserve(&mut self, range: PhysRange) -> Result<(), MemblockError> {
        self.check_arrays(range)?;
        self.change_reserved(reservation(range), None, &[range])
    }

    /// Gives a range back; what was not taken stays free.
    ///
    /// # Errors
    /// As [`add`](Self::add), for a reservation that is cut in two takes one region more, and
    /// [`ArrayInUse`](MemblockError::ArrayInUse).
    pub fn free(&mut self, range: PhysRange) -> Result<(), MemblockError> {
        self.check_arrays(range)?;
        self.change_reserved(Edit::Remove(range), None, &[range])
    }

    /// Marks memory as not to be mapped: `no-map` reservations of the device tree, and the head of
    /// a first bank that does not start on a section boundary.
    ///
    /// # Errors
    /// As [`add`](Self::add), and [`ArrayInUse`](MemblockError::ArrayInUse).
    pub fn mark_nomap(&mut self, range: PhysRange) -> Result<(), MemblockError> {
        self.check_arrays(range)?;
        self.change_memory(Edit::Flags { range, set: Flags::NOMAP, clear: Flags::empty() })
    }

    /// Takes [`mark_nomap`](Self::mark_nomap) back.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn clear_nomap(&mut self, range: PhysRange) -> Result<(), MemblockError> {
        self.change_memory(Edit::Flags { range, set: Flags::empty(), clear: Flags::NOMAP })
    }

    /// Cuts every memory region to multiples of `align`; a region without any disappears.
    ///
    /// # Errors
    /// [`BadAlign`](MemblockError::BadAlign) when `align` is not a power of two, and
    /// [`ArrayInUse`](MemblockError::ArrayInUse) when a cut would go through a region array.
    pub fn trim_memory(&mut self, align: u64) -> Result<(), MemblockError> {
        if !align.is_power_of_two() {
            return Err(MemblockError::BadAlign(align));
        }
        for region in self.memory.regions() {
            let kept = region.trimmed(align).range;
            self.check_arrays(region.below(&kept).range)?;
            self.check_arrays(region.above(&kept).range)?;
        }
        self.memory.trim(align);
        Ok(())
    }

    /// Refuses a range that overlaps the memory which one of the lists lives in.
    fn check_arrays(&self, range: PhysRange) -> Result<(), MemblockError> {
        let arrays = [self.memory.array(), self.reserved.array()];
        match arrays.into_iter().flatten().find(|array| array.intersection(&range).is_some()) {
            Some(array) => Err(MemblockError::ArrayInUse { range, array }),
            None => Ok(()),
        }
    }

    /// The memory of the machine, NOMAP memory included.
    #[must_use]
    pub fn memory(&self) -> &RegionList<'s> {
        &self.memory
    }

    /// What is taken.
    #[must_use]
    pub fn reserved(&self) -> &RegionList<'s> {
        &self.reserved
    }

    /// The memory that the kernel maps, ascending: all that is not NOMAP.
    pub fn mapped_memory(&self) -> impl Iterator<Item = PhysRange> {
        let mapped = self.memory.regions().iter().filter(|r| !r.flags.contains(Flags::NOMAP));
        mapped.map(|region| region.range)
    }

    /// Is there memory at `address`, mapped or not?
    #[must_use]
    pub fn is_memory(&self, address: PhysAddr) -> bool {
        self.memory.region_at(address).is_some()
    }

    /// Is there memory at `address` that the kernel maps?
    #[must_use]
    pub fn is_map_memory(&self, address: PhysAddr) -> bool {
        self.memory.region_at(address).is_some_and(|r| !r.flags.contains(Flags::NOMAP))
    }

    /// Is `address` taken?
    #[must_use]
    pub fn is_reserved(&self, address: PhysAddr) -> bool {
        self.reserved.region_at(address).is_some()
    }

    /// The lowest address of memory, NOMAP memory included; `None` without memory.
    #[must_use]
    pub fn start_of_dram(&self) -> Option<PhysAddr> {
        self.memory.regions().first().map(|region| region.range.start())
    }

    /// The end (exclusive) of the highest memory; `None` without memory.
    #[must_use]
    pub fn end_of_dram(&self) -> Option<PhysAddr> {
        self.memory.regions().last().map(|region| region.range.end())
    }

    /// Bytes of memory, NOMAP memory included.
    #[must_use]
    pub fn phys_mem_size(&self) -> u64 {
        self.memory.total_size()
    }

    /// Bytes taken, be they memory or not.
    #[must_use]
    pub fn reserved_size(&self) -> u64 {
        self.reserved.total_size()
    }

    /// The end (exclusive) of the memory that allocations may have unless they say otherwise.
    #[must_use]
    pub fn current_limit(&self) -> PhysAddr {
        self.current_limit
    }

    /// Sets the end (exclusive) of the memory that allocations may have: what is mapped by now.
    pub fn set_current_limit(&mut self, limit: PhysAddr) {
        self.current_limit = limit;
    }

    /// The end of free memory at which a search begins.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Chooses the end of free memory at which searches begin from now on.
    pub fn set_direction(&mut self, direction: Direction) {
        self.direction = direction;
    }

    /// Checks every invariant; for tests and for the kernel's self-test. O(n).
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn validate(&self) -> Result<(), Violation> {
        self.memory.validate(ListKind::Memory)?;
        self.reserved.validate(ListKind::Reserved)?;
        for (list, array) in
            [(ListKind::Memory, self.memory.array()), (ListKind::Reserved, self.reserved.array())]
        {
            let Some(array) = array else { continue };
            let mapped = self.mapped_memory().any(|memory| memory.contains_range(&array));
            if !mapped || !self.reserved.covers(array) {
                return Err(Violation::ArrayUnprotected { list, array });
            }
        }
        Ok(())
    }
}
