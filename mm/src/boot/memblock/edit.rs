//! Edits: every change to a region list, written as one pass from the lowest region to the highest
//! of those that the change overlaps or touches.
//!
//! An edit takes the old regions one by one and pushes the new ones in ascending order. Pushing
//! drops what is empty and joins what touches with equal flags, so the three invariants of a list
//! (sorted, disjoint, merged) follow from the order of the pushes alone.
//!
//! Each edit runs twice. First over a [`Count`], which changes nothing and tells how many slots the
//! pass needs; then, when there is room, over an [`InPlace`]. So an edit never stops half way.

use super::list::{Flags, Region};
use crate::addr::PhysRange;

/// A change to a region list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// Puts a region in. Where there is one already, that one stays as it is.
    Add(Region),
    /// Takes a range out, cutting the regions at its ends.
    Remove(PhysRange),
    /// Changes the flags of what the list holds of a range, cutting the regions at its ends.
    Flags { range: PhysRange, set: Flags, clear: Flags },
}

impl Edit {
    /// The range that the edit is about.
    pub(super) fn range(&self) -> PhysRange {
        match *self {
            Self::Add(Region { range, .. }) | Self::Remove(range) | Self::Flags { range, .. } => {
                range
            }
        }
    }

    /// Runs the edit over all regions of `pass`.
    pub(super) fn run(self, pass: &mut impl Pass) {
        match self {
            Self::Add(new) => {
                let mut rest = new;
                while let Some(old) = pass.take() {
                    pass.push(rest.below(&old.range));
                    pass.push(old);
                    rest = rest.above(&old.range);
                }
                pass.push(rest);
            }
            Self::Remove(range) => {
                while let Some(old) = pass.take() {
                    pass.push(old.below(&range));
                    pass.push(old.above(&range));
                }
            }
            Self::Flags { range, set, clear } => {
                while let Some(old) = pass.take() {
                    pass.push(old.below(&range));
                    if let Some(inside) = old.range.intersection(&range) {
                        pass.push(Region { range: inside, flags: (old.flags | set) - clear });
                    }
                    pass.push(old.above(&range));
                }
            }
        }
    }
}

/// One pass over a list.
pub(super) trait Pass {
    /// The next of the old regions.
    fn take(&mut self) -> Option<Region>;
    /// Appends a region to the new ones. It must not start below the end of the last.
    fn push(&mut self, region: Region);
}

/// A pass that changes nothing and counts the slots that an [`InPlace`] pass needs.
pub(super) struct Count<'a> {
    unread: &'a [Region],
    last: Option<Region>,
    written: usize,
    peak: usize,
}

impl<'a> Count<'a> {
    pub(super) fn new(regions: &'a [Region]) -> Self {
        Self { unread: regions, last: None, written: 0, peak: 0 }
    }

    /// The most regions, written and not yet read, that there were at any moment.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }
}

impl Pass for Count<'_> {
    fn take(&mut self) -> Option<Region> {
        let (first, unread) = self.unread.split_first()?;
        self.unread = unread;
        Some(*first)
    }

    fn push(&mut self, region: Region) {
        if region.range.is_empty() {
            return;
        }
        match &mut self.last {
            Some(last) if last.joins(&region) => last.extend_to(&region),
            _ => {
                self.last = Some(region);
                self.written += 1;
            }
        }
        self.peak = self.peak.max(self.written + self.unread.len());
    }
}

/// A pass that rewrites an array.
///
/// The old regions stand at the end of the array, the new ones grow from its start:
///
/// ```text
///   new regions     room        old regions not yet read
/// ├─────────────┤             ├──────────────────────────┤
/// 0          written         next                 slots.len()
/// ```
pub(super) struct InPlace<'a> {
    slots: &'a mut [Region],
    written: usize,
    next: usize,
}

impl<'a> InPlace<'a> {
    /// Starts a pass over the first `len` regions of `slots`.
    pub(super) fn new(slots: &'a mut [Region], len: usize) -> Self {
        let next = slots.len() - len;
        slots.copy_within(..len, next);
        Self { slots, written: 0, next }
    }

    /// How many regions the array holds now.
    pub(super) fn written(&self) -> usize {
        self.written
    }
}

impl Pass for InPlace<'_> {
    fn take(&mut self) -> Option<Region> {
        let region = *self.slots.get(self.next)?;
        self.next += 1;
        Some(region)
    }

    fn push(&mut self, region: Region) {
        if region.range.is_empty() {
            return;
        }
        match self.slots[..self.written].last_mut() {
            Some(last) if last.joins(&region) => last.extend_to(&region),
            _ => {
                // The room was counted before the pass began.
                debug_assert!(self.written < self.next, "an edit without room");
                self.slots[self.written] = region;
                self.written += 1;
            }
        }
    }
}
