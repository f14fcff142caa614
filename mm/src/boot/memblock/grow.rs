//! Growth: a list that is full moves to a longer array, in memory that memblock finds for itself.
//!
//! The first arrays are static. A longer one, of twice the length, takes whole pages of free
//! memory below the current limit, is reserved as any allocation is, and is freed when its list
//! outgrows it. Searching for it keeps clear of the very range whose change made the list full.
//!
//! Invariant: whatever can fail (the search, the storage) is done before anything changes, so a
//! refused operation leaves both lists as they were.

use super::edit::Edit;
use super::error::{ListKind, MemblockError};
use super::list::{Flags, Region};
use super::{Memblock, RegionList};
use crate::addr::{PAGE_SIZE, PhysAddr, PhysRange, align_up};

/// Gives the memory in which a grown region array lives.
///
/// What a [`Memblock`] promises, so that the implementation may turn physical memory into a slice:
///
/// 1. `range` is whole pages, below [`Memblock::current_limit`], of memory that was added, is not
///    NOMAP and is not reserved.
/// 2. If the array is taken, `range` is reserved before the operation ends, and for as long as the
///    array is in use nobody gets any of it: it is not allocated, and [`Memblock`] refuses to
///    reserve, free or remove it.
/// 3. When the array is outgrown, or the operation fails after all, the array is dropped before
///    `range` can be found again.
///
/// What memblock cannot know stays with whoever fills it: that the memory exists, is mapped up to
/// the current limit, and is used by nobody who has not reserved it.
pub trait RegionStorage<'s> {
    /// An array of `len` regions, of any content, in the bytes of `range`, which has room for
    /// them; `None` when that cannot be.
    fn array_at(&mut self, range: PhysRange, len: usize) -> Option<&'s mut [Region]>;
}

impl<'s> Memblock<'s> {
    /// Lets the lists grow from now on: the memory below the current limit is mapped, and all of
    /// it that is in use has been reserved. Linux's `memblock_allow_resize`.
    pub fn allow_growth(&mut self, storage: &'s mut dyn RegionStorage<'s>) {
        self.storage = Some(storage);
    }

    /// Changes the memory list.
    pub(super) fn change_memory(&mut self, edit: Edit) -> Result<(), MemblockError> {
        let needed = self.memory.slots_for(edit);
        if needed > self.memory.capacity() {
            let (array, slots) = self.longer_array(ListKind::Memory, needed, &[edit.range()])?;
            let mut avoid = [array, edit.range()];
            avoid.sort_unstable_by_key(PhysRange::start);
            self.change_reserved(reservation(array), self.memory.array(), &avoid)?;
            self.memory.move_to(slots, array);
        }
        self.memory.apply(edit);
        Ok(())
    }

    /// Changes the reserved list, and frees `outgrown`, an array that is about to be left. Should
    /// the list grow, its new array keeps clear of `avoid`, which is ascending and disjoint and
    /// holds the range of `edit`.
    pub(super) fn change_reserved(
        &mut self,
        edit: Edit,
        outgrown: Option<PhysRange>,
        avoid: &[PhysRange],
    ) -> Result<(), MemblockError> {
        // Taking a range out needs one slot more at most: when it cuts a region in two.
        let needed = self.reserved.slots_for(edit) + usize::from(outgrown.is_some());
        if needed > self.reserved.capacity() {
            // Two slots more: one for the array itself, one for taking out its predecessor.
            let (array, slots) = self.longer_array(ListKind::Reserved, needed + 2, avoid)?;
            let predecessor = self.reserved.array();
            self.reserved.move_to(slots, array);
            self.reserved.apply(reservation(array));
            if let Some(predecessor) = predecessor {
                self.reserved.apply(Edit::Remove(predecessor));
            }
        }
        self.reserved.apply(edit);
        if let Some(outgrown) = outgrown {
            self.reserved.apply(Edit::Remove(outgrown));
        }
        Ok(())
    }

    /// Obtains an array for `list`, at least twice as long as its present one and with `needed`
    /// slots or more, and the memory that it lies in. Nothing is reserved yet.
    fn longer_array(
        &mut self,
        list: ListKind,
        needed: usize,
        avoid: &[PhysRange],
    ) -> Result<(PhysRange, &'s mut [Region]), MemblockError> {
        let capacity = self.list(list).capacity();
        let mut len = capacity.max(1).saturating_mul(2);
        while len < needed {
            len = len.saturating_mul(2);
        }
        let page = u64::from(PAGE_SIZE);
        let bytes = (len as u64).saturating_mul(size_of::<Region>() as u64);
        let bytes = align_up(bytes, page).unwrap_or(u64::MAX);
        let place = self.search(bytes, page, PhysAddr::new(0), self.current_limit, avoid);

        let storage = self.storage.as_deref_mut().ok_or(MemblockError::Full { list, capacity })?;
        let range = place.ok_or(MemblockError::NoRoomForArray { list, bytes })?;
        let slots = storage
            .array_at(range, len)
            .filter(|slots| slots.len() >= len)
            .ok_or(MemblockError::StorageRefused { list, range })?;
        Ok((range, slots))
    }

    fn list(&self, list: ListKind) -> &RegionList<'s> {
        match list {
            ListKind::Memory => &self.memory,
            ListKind::Reserved => &self.reserved,
        }
    }
}

/// The edit that puts `range` into the reserved list.
pub(super) fn reservation(range: PhysRange) -> Edit {
    Edit::Add(Region { range, flags: Flags::empty() })
}
