//! Spare areas of one section or one supersection: the next range of such a block has an aligned place at once.
//!
//! Alignment is what is dear in a tree of areas: each change of the tree marks its path, and the next aligned search
//! computes the marks anew. So an area that just holds a block, and is aligned to it, stays after its flush, as small
//! areas do: up to a quarter of the region's addresses, until somebody finds no room.

use crate::addr::{PAGE_SHIFT, PfnRange};
use crate::map::area::{AreaId, AreaKind, AreaList, AreaState, GUARD_BYTES, Words};

/// log2 of the bytes of a section, and of a supersection.
const SHIFTS: [u32; 2] = [20, 24];
/// At most this part of the region is kept.
const REGION_PART: u32 = 4;

/// Areas that were flushed: nothing is mapped there, and no table is held.
#[derive(Debug)]
pub(in crate::map) struct SpareBlocks {
    lists: [AreaList; SHIFTS.len()],
    bytes: u32,
    most: u32,
}

/// Which block has just so many bytes, and this alignment.
#[inline(always)]
fn block(start: u32, bytes: u32) -> Option<usize> {
    SHIFTS.iter().position(|shift| bytes == 1 << shift && start & (bytes - 1) == 0)
}

impl SpareBlocks {
    /// None, of a region with so many bytes.
    pub(in crate::map) const fn new(region_bytes: u32) -> Self {
        Self {
            lists: [const { AreaList::new() }; SHIFTS.len()],
            bytes: 0,
            most: region_bytes / REGION_PART,
        }
    }

    /// Bytes of addresses, guard pages included.
    pub(in crate::map) const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// An area for just these frames, if they are a block; its state is the caller's to change.
    #[inline(always)]
    pub(super) fn take(&mut self, words: &impl Words, frames: PfnRange) -> Option<AreaId> {
        let start = frames.start().as_u32() << PAGE_SHIFT;
        let bytes = frames.len().checked_mul(1 << PAGE_SHIFT)?;
        self.take_from(words, block(start, bytes)?)
    }

    #[inline(always)]
    fn take_from(&mut self, words: &impl Words, index: usize) -> Option<AreaId> {
        let area = self.lists.get_mut(index)?.pop(words)?;
        self.bytes -= area.range(words).len() + GUARD_BYTES;
        Some(area)
    }

    /// Any of them.
    pub(in crate::map) fn take_any(&mut self, words: &impl Words) -> Option<AreaId> {
        (0..SHIFTS.len()).find_map(|index| self.take_from(words, index))
    }

    /// Keeps an area that was flushed, if it is a block and there is room.
    pub(in crate::map) fn keep(&mut self, words: &impl Words, area: AreaId) -> bool {
        let range = area.range(words);
        let bytes = range.len() + GUARD_BYTES;
        if area.kind(words) != AreaKind::IoBlocks || bytes > self.most - self.bytes {
            return false;
        }
        let Some(index) = block(range.start().as_u32(), range.len()) else { return false };
        area.set_state(words, AreaState::Spare);
        self.lists[index].push(words, area);
        self.bytes += bytes;
        true
    }
}
