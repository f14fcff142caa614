//! A list of regions: sorted, disjoint, and merged.
//!
//! Invariant: no region is empty; each starts at or above the end of the one before it; and where
//! two touch, their flags differ. So a list is the one shortest description of what it holds, and
//! an address is found in it by bisection.
//!
//! There is no NUMA node in a region: 32-bit ARM has one node.

use core::ops::Range;

use super::edit::{Count, Edit, InPlace, Pass};
use super::error::{ListKind, Violation};
use crate::addr::{PhysAddr, PhysRange};

bitflags::bitflags! {
    /// What is special about a region. The numbers are those that Linux prints.
    ///
    /// [`HOTPLUG`](Self::HOTPLUG) and [`MIRROR`](Self::MIRROR) are kept and shown, and change
    /// nothing: no 32-bit ARM board has memory of either kind.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Flags: u32 {
        /// The memory can be unplugged.
        const HOTPLUG = 0x1;
        /// The memory is mirrored.
        const MIRROR = 0x2;
        /// The memory exists but the kernel must not map it; it is never allocated.
        const NOMAP = 0x4;
        /// A driver brought the memory and manages it; it is never allocated from here.
        const DRIVER_MANAGED = 0x8;
    }
}

/// A range of physical addresses, byte-granular, with its flags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Region {
    /// The bytes of the region.
    pub range: PhysRange,
    /// What is special about them.
    pub flags: Flags,
}

impl Region {
    /// No bytes at all: what an array of regions is filled with at first.
    pub const EMPTY: Self =
        Self { range: PhysRange::new(PhysAddr::new(0), PhysAddr::new(0)), flags: Flags::empty() };

    /// Is the region ordinary memory that may be handed out, once it is not reserved?
    #[must_use]
    pub const fn is_allocatable(&self) -> bool {
        !self.flags.intersects(Flags::NOMAP.union(Flags::DRIVER_MANAGED))
    }

    /// The part of the region below `range`, which may be empty.
    pub(super) fn below(&self, range: &PhysRange) -> Self {
        let end = self.range.end().min(range.start());
        Self { range: PhysRange::new(self.range.start(), end), ..*self }
    }

    /// The part of the region above `range`, which may be empty.
    pub(super) fn above(&self, range: &PhysRange) -> Self {
        let start = self.range.start().max(range.end());
        Self { range: PhysRange::new(start, self.range.end()), ..*self }
    }

    /// Does `next` begin where this region ends, with the same flags?
    pub(super) fn joins(&self, next: &Self) -> bool {
        self.range.end() == next.range.start() && self.flags == next.flags
    }

    /// Makes the region end where `next` ends.
    pub(super) fn extend_to(&mut self, next: &Self) {
        self.range = PhysRange::new(self.range.start(), next.range.end());
    }

    /// The region cut to multiples of `align` (a power of two); empty when none of it is left.
    pub(super) fn trimmed(&self, align: u64) -> Self {
        // No multiple of `align` lies above the highest one: nothing is left there.
        let start = crate::addr::align_up(self.range.start().as_u64(), align)
            .map_or(self.range.end(), PhysAddr::new);
        Self { range: PhysRange::new(start, self.range.end().align_down(align)), ..*self }
    }
}

/// A sorted list of regions in an array that someone else provides.
#[derive(Debug)]
pub struct RegionList<'s> {
    slots: &'s mut [Region],
    len: usize,
    /// The memory that `slots` lies in, when memblock chose it; `None` for the first array.
    array: Option<PhysRange>,
}

impl<'s> RegionList<'s> {
    /// An empty list in `slots`, whose contents do not matter.
    pub(super) const fn new(slots: &'s mut [Region]) -> Self {
        Self { slots, len: 0, array: None }
    }

    /// The regions, ascending.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.slots[..self.len]
    }

    /// The number of regions that the list can hold before its array must grow.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The memory that the list itself lives in, when it has outgrown its first array.
    #[must_use]
    pub fn array(&self) -> Option<PhysRange> {
        self.array
    }

    /// The bytes in all regions together. O(n).
    #[must_use]
    pub fn total_size(&self) -> u64 {
        self.regions().iter().map(|region| region.range.len()).sum()
    }

    /// The region that holds `address`. O(log n).
    #[must_use]
    pub fn region_at(&self, address: PhysAddr) -> Option<&Region> {
        self.ending_above(address).first().filter(|region| region.range.contains(address))
    }

    /// Does the list hold any byte of `range`? Touching is not enough. O(log n).
    #[must_use]
    pub fn overlaps(&self, range: PhysRange) -> bool {
        let first = self.ending_above(range.start()).first();
        first.is_some_and(|region| region.range.intersection(&range).is_some())
    }

    /// Does the list hold every byte of `range`, be it in several regions? O(n).
    #[must_use]
    pub fn covers(&self, range: PhysRange) -> bool {
        let mut covered = range.start();
        for region in self.ending_above(range.start()) {
            if region.range.start() > covered {
                break;
            }
            covered = region.range.end();
        }
        covered >= range.end()
    }

    /// The regions that hold a byte of `range`; if it is empty, the one around it. O(log n).
    pub(super) fn within(&self, range: PhysRange) -> &[Region] {
        let regions = self.ending_above(range.start());
        &regions[..regions.partition_point(|region| region.range.start() < range.end())]
    }

    /// The regions that end above `address`.
    fn ending_above(&self, address: PhysAddr) -> &[Region] {
        let regions = self.regions();
        &regions[regions.partition_point(|region| region.range.end() <= address)..]
    }

    /// The regions that `edit` can change, as indices: those that its range overlaps or touches.
    /// None of the others joins what the edit leaves of these. O(log n).
    pub(super) fn window(&self, edit: Edit) -> Range<usize> {
        let (regions, range) = (self.regions(), edit.range());
        let start = regions.partition_point(|region| region.range.end() < range.start());
        start..regions.partition_point(|region| region.range.start() <= range.end()).max(start)
    }

    /// The slots that `edit` needs for `window` while it runs.
    fn slots_for_window(&self, edit: Edit, window: Range<usize>) -> usize {
        let len = window.len();
        let mut count = Count::new(&self.regions()[window]);
        edit.run(&mut count);
        count.peak().max(len)
    }

    /// The slots that [`apply`](Self::apply) needs for `edit`. O(log n) and what the edit overlaps.
    pub(super) fn slots_for(&self, edit: Edit) -> usize {
        let window = self.window(edit);
        self.len - window.len() + self.slots_for_window(edit, window)
    }

    /// Makes a change. The array must have the [slots for it](Self::slots_for). O(n): the regions
    /// above those that change are moved up, or down, as a whole.
    pub(super) fn apply(&mut self, edit: Edit) {
        let window = self.window(edit);
        let room = window.start..window.start + self.slots_for_window(edit, window.clone());
        let above = self.len - window.end;
        self.slots.copy_within(window.end..self.len, room.end);
        let mut pass = InPlace::new(&mut self.slots[room.clone()], window.len());
        edit.run(&mut pass);
        let end = window.start + pass.written();
        self.slots.copy_within(room.end..room.end + above, end);
        self.len = end + above;
    }

    /// Cuts every region to multiples of `align` (a power of two). O(n).
    pub(super) fn trim(&mut self, align: u64) {
        let mut pass = InPlace::new(self.slots, self.len);
        while let Some(region) = pass.take() {
            pass.push(region.trimmed(align));
        }
        self.len = pass.written();
    }

    /// Moves the regions to `slots`, an array at least as long as this one, which lies in `array`.
    /// The old array is not touched again.
    pub(super) fn move_to(&mut self, slots: &'s mut [Region], array: PhysRange) {
        slots[..self.len].copy_from_slice(self.regions());
        self.slots = slots;
        self.array = Some(array);
    }

    pub(super) fn validate(&self, list: ListKind) -> Result<(), Violation> {
        let regions = self.regions();
        if let Some(index) = regions.iter().position(|region| region.range.is_empty()) {
            return Err(Violation::EmptyRegion { list, index });
        }
        for (before, (index, region)) in regions.iter().zip(regions.iter().enumerate().skip(1)) {
            if region.range.start() < before.range.end() {
                return Err(Violation::OutOfOrder { list, index });
            }
            if before.joins(region) {
                return Err(Violation::NotMerged { list, index });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl RegionList<'_> {
    /// Puts regions in without looking at them, so that a test can break an invariant.
    pub(super) fn plant(&mut self, regions: &[Region]) {
        self.slots[..regions.len()].copy_from_slice(regions);
        self.len = regions.len();
    }
}
