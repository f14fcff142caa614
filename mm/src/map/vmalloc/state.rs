//! What a region's lock protects: the tree, the areas that wait for a flush, and the spare ones.
//!
//! Invariants: an area is on the list that its state says, and on no other; the sums are those of the lists.

use crate::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::area::{AreaId, AreaList, AreaState, AreaTree, GUARD_BYTES, Words};
use crate::map::ioremap::{IoIndex, SpareBlocks};

/// The largest areas that are kept, in pages.
pub(in crate::map) const SMALL_PAGES: u32 = 16;
/// The most areas of a size that are kept: all of a batch.
const MOST_SPARE: u16 = 256;
/// A batch is full when so many areas wait,
const BATCH_AREAS: u32 = 256;
/// or so many bytes of addresses, or a part of the region.
const BATCH_BYTES: u32 = 4 << 20;
const REGION_PART: u32 = 16;

/// Areas that wait.
#[derive(Debug)]
pub(super) struct Batch {
    /// They.
    pub areas: AreaList,
    /// How many.
    pub count: u32,
    /// Bytes of their addresses, guard pages included.
    pub bytes: u32,
    /// Frames in their dead entries.
    pub frames: u32,
    low: u32,
    high: u32,
}

impl Batch {
    const EMPTY: Self =
        Self { areas: AreaList::new(), count: 0, bytes: 0, frames: 0, low: u32::MAX, high: 0 };

    /// All that the TLBs must forget, and what lies between.
    pub(super) const fn range(&self) -> VirtRange {
        VirtRange::new(VirtAddr::new(self.low), VirtAddr::new(self.high))
    }
}

/// All that the lock protects.
#[derive(Debug)]
pub(in crate::map) struct State {
    pub(in crate::map) tree: AreaTree,
    /// Device memory that is mapped, or waits.
    pub(in crate::map) io: IoIndex,
    /// Spare areas of whole sections and supersections.
    pub(in crate::map) blocks: SpareBlocks,
    pub(super) waiting: Batch,
    /// Bytes of addresses that somebody is flushing just now.
    pub(super) flushing: u32,
    spare: [AreaList; SMALL_PAGES as usize],
    spare_of: [u16; SMALL_PAGES as usize],
    spare_bytes: u32,
    batch_bytes: u32,
    most_spare_bytes: u32,
}

impl State {
    pub(super) fn new(tree: AreaTree) -> Self {
        let bytes = tree.region().len();
        let part = bytes / REGION_PART;
        Self {
            tree,
            io: IoIndex::new(),
            blocks: SpareBlocks::new(bytes),
            waiting: Batch::EMPTY,
            flushing: 0,
            spare: [const { AreaList::new() }; SMALL_PAGES as usize],
            spare_of: [0; SMALL_PAGES as usize],
            spare_bytes: 0,
            batch_bytes: part.min(BATCH_BYTES),
            most_spare_bytes: part,
        }
    }

    /// Bytes of addresses that come free with a flush.
    pub(super) const fn waiting_bytes(&self) -> u32 {
        self.waiting.bytes + self.flushing
    }

    /// Bytes of addresses of spare areas.
    pub(super) const fn spare_bytes(&self) -> u32 {
        self.spare_bytes + self.blocks.bytes()
    }

    /// An area of just this size, whose tables are held and whose entries are faults; its state is the caller's to
    /// change.
    #[inline(always)]
    pub(in crate::map) fn take_spare(&mut self, words: &impl Words, pages: u32) -> Option<AreaId> {
        let index = pages.wrapping_sub(1) as usize;
        let area = self.spare.get_mut(index)?.pop(words)?;
        self.spare_of[index] -= 1;
        self.spare_bytes -= pages * PAGE_SIZE + GUARD_BYTES;
        Some(area)
    }

    /// Any of them.
    pub(super) fn take_any_spare(&mut self, words: &impl Words) -> Option<AreaId> {
        let small = (1..=SMALL_PAGES).find_map(|pages| self.take_spare(words, pages));
        small.or_else(|| self.blocks.take_any(words))
    }

    /// Keeps an area that was flushed, if it is small, or a block, and there is room.
    #[inline(always)]
    pub(super) fn keep(&mut self, words: &impl Words, area: AreaId) -> bool {
        let range = area.range(words);
        let (index, bytes) =
            ((range.len() >> PAGE_SHIFT).wrapping_sub(1), range.len() + GUARD_BYTES);
        let Some(list) = self.spare.get_mut(index as usize) else {
            return self.blocks.keep(words, area);
        };
        let count = &mut self.spare_of[index as usize];
        let is_kept = *count < MOST_SPARE
            && self.spare_bytes + bytes <= self.most_spare_bytes
            && area.kind(words).holds_tables();
        if is_kept {
            area.set_state(words, AreaState::Spare);
            list.push(words, area);
            *count += 1;
            self.spare_bytes += bytes;
        }
        is_kept
    }

    /// Has an area wait, with so many frames in its dead entries. Says whether the batch is full.
    #[inline(always)]
    #[must_use = "a full batch is the caller's to flush"]
    pub(in crate::map) fn wait(&mut self, words: &impl Words, area: AreaId, frames: u32) -> bool {
        let range = area.range(words);
        area.set_state(words, AreaState::Waiting);
        let waiting = &mut self.waiting;
        waiting.areas.push(words, area);
        waiting.count += 1;
        waiting.bytes += range.len() + GUARD_BYTES;
        waiting.frames += frames;
        waiting.low = waiting.low.min(range.start().as_u32());
        waiting.high = waiting.high.max(range.end().as_u32());
        waiting.count >= BATCH_AREAS || waiting.bytes >= self.batch_bytes
    }

    /// Takes all that waits, for a flush.
    pub(super) fn take_waiting(&mut self) -> Option<Batch> {
        if self.waiting.areas.is_empty() {
            return None;
        }
        let batch = core::mem::replace(&mut self.waiting, Batch::EMPTY);
        self.flushing += batch.bytes;
        Some(batch)
    }
}
