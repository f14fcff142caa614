//! What a region's lock protects: the tree, the areas that wait for a flush, and the spare ones.
//!
//! Invariants: an area is on the list that its state says, and on no other; the sums are those of the lists. Device memory
//! waits on a list of its own, which one can be taken off: see `ioremap`'s `index`.

use crate::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::area::{
    AreaHints, AreaId, AreaList, AreaState, AreaTree, EndWord, GUARD_BYTES, Words,
};
use crate::map::ioremap::{IoBatch, IoId, IoIndex, SpareBlocks};

/// The largest areas that are kept, in pages.
pub(in crate::map) const SMALL_PAGES: u32 = 16;
/// The most areas of a size that are kept.
const MOST_SPARE: u16 = 256;
/// A batch is full when so many areas wait: as many single frames as the page allocator's stacks take back without
/// asking a zone,
const BATCH_AREAS: u32 = 64;
/// or so many bytes of frames, or a part of the region.
const BATCH_BYTES: u32 = 4 << 20;
const REGION_PART: u32 = 16;
/// Where no frames come free, so large a part of the region may wait: whoever finds no room has it flushed. So a mapping
/// of 16 MiB, which is as much as the part above of a usual region, can wait to be revived.
const BARE_REGION_PART: u32 = 4;

/// Areas that wait.
#[derive(Debug)]
pub(super) struct Batch {
    /// Those that are not device memory's,
    pub areas: AreaList,
    /// and those that are.
    pub io: IoBatch,
    /// How many.
    pub count: u32,
    /// Pages of their addresses, without guard pages, whose frames come free,
    pub owned: u32,
    /// and of those where none does.
    pub bare: u32,
}

impl Batch {
    const EMPTY: Self =
        Self { areas: AreaList::new(), io: IoBatch::EMPTY, count: 0, owned: 0, bare: 0 };

    /// Bytes of their addresses, guard pages included.
    pub(super) const fn bytes(&self) -> u32 {
        (self.owned + self.bare) * PAGE_SIZE + self.count * GUARD_BYTES
    }

    /// Frames in their dead entries.
    pub(super) const fn frames(&self) -> u32 {
        self.owned
    }

    /// All that the TLBs must forget, and what lies between. Looks at each area.
    pub(super) fn range(&self, words: &impl Words) -> VirtRange {
        let (mut low, mut high) = (VirtAddr::new(u32::MAX), VirtAddr::new(0));
        for area in self.areas.iter(words).chain(self.io.areas(words)) {
            let range = area.range(words);
            low = low.min(range.start());
            high = high.max(range.end());
        }
        VirtRange::new(low, high)
    }
}

/// All that the lock protects.
#[derive(Debug)]
pub(in crate::map) struct State {
    /// Device memory that is mapped, or waits.
    pub(in crate::map) io: IoIndex,
    /// Spare areas of whole sections and supersections.
    pub(in crate::map) blocks: SpareBlocks,
    pub(super) waiting: Batch,
    batch_owned: u32,
    batch_bare: u32,
    spare_bytes: u32,
    most_spare_bytes: u32,
    /// Bytes of addresses that somebody is flushing just now.
    pub(super) flushing: u32,
    pub(in crate::map) tree: AreaTree,
    spare_of: [u16; SMALL_PAGES as usize],
    spare: [AreaList; SMALL_PAGES as usize],
    hints: AreaHints,
}

impl State {
    pub(super) fn new(tree: AreaTree) -> Self {
        let bytes = tree.region().len();
        let part = bytes / REGION_PART;
        Self {
            io: IoIndex::new(),
            blocks: SpareBlocks::new(bytes),
            waiting: Batch::EMPTY,
            batch_owned: part.min(BATCH_BYTES) >> PAGE_SHIFT,
            batch_bare: (bytes / BARE_REGION_PART) >> PAGE_SHIFT,
            spare_bytes: 0,
            most_spare_bytes: part,
            flushing: 0,
            tree,
            spare_of: [0; SMALL_PAGES as usize],
            spare: [const { AreaList::new() }; SMALL_PAGES as usize],
            hints: AreaHints::new(),
        }
    }

    /// Bytes of addresses that come free with a flush.
    pub(super) const fn waiting_bytes(&self) -> u32 {
        self.waiting.bytes() + self.flushing
    }

    /// Bytes of addresses of spare areas.
    pub(super) const fn spare_bytes(&self) -> u32 {
        self.spare_bytes + self.blocks.bytes()
    }

    /// The area that starts at an address.
    #[inline(always)]
    pub(super) fn find_start(&self, words: &impl Words, virt: VirtAddr) -> Option<AreaId> {
        match self.hints.find(words, virt) {
            None => self.tree.find_start(words, virt),
            found => found,
        }
    }

    /// The area that an address lies in, which is mostly its first page's. Next time it is found at once.
    #[inline(always)]
    pub(in crate::map) fn find(&mut self, words: &impl Words, virt: VirtAddr) -> Option<AreaId> {
        match self.hints.find(words, virt.align_down(PAGE_SIZE)) {
            None => {
                let area = self.tree.find(words, virt)?;
                self.hints.note(words, area);
                Some(area)
            }
            found => found,
        }
    }

    /// Takes an area out of the tree.
    pub(super) fn remove(&mut self, words: &impl Words, area: AreaId) {
        self.hints.forget(words, area);
        self.tree.remove(words, area);
    }

    /// An area of just this size, whose tables are held and whose entries are faults; its state is the caller's to
    /// change.
    #[inline(always)]
    pub(in crate::map) fn take_spare(&mut self, words: &impl Words, pages: u32) -> Option<AreaId> {
        let index = pages.wrapping_sub(1) as usize;
        let area = self.spare.get_mut(index)?.pop(words)?;
        self.spare_of[index] -= 1;
        self.spare_bytes -= pages * PAGE_SIZE + GUARD_BYTES;
        self.hints.note(words, area);
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
        let read = area.end_word(words);
        let len = read.end().as_u32() - area.start(words).as_u32();
        let (index, bytes) = ((len >> PAGE_SHIFT).wrapping_sub(1), len + GUARD_BYTES);
        let (Some(list), Some(count)) =
            (self.spare.get_mut(index as usize), self.spare_of.get_mut(index as usize))
        else {
            return self.blocks.keep(words, area);
        };
        let spare_bytes = self.spare_bytes + bytes;
        let is_kept =
            *count < MOST_SPARE && spare_bytes <= self.most_spare_bytes && read.holds_tables();
        if is_kept {
            area.move_on(words, read, AreaState::Spare);
            list.push(words, area);
            *count += 1;
            self.spare_bytes = spare_bytes;
        }
        is_kept
    }

    /// Keeps areas of one page that were flushed, hold their tables, and have been made [spare](AreaState::Spare) by
    /// their state: so many, the last one of the list included. Returns them all if there is no room.
    pub(super) fn keep_singles(
        &mut self,
        words: &impl Words,
        areas: AreaList,
        last: Option<AreaId>,
        count: u16,
    ) -> AreaList {
        let Some(last) = last else { return areas };
        let spare_bytes = self.spare_bytes + u32::from(count) * (PAGE_SIZE + GUARD_BYTES);
        let [list, ..] = &mut self.spare;
        let [kept, ..] = &mut self.spare_of;
        if *kept + count > MOST_SPARE || spare_bytes > self.most_spare_bytes {
            return areas;
        }
        list.put_before(words, areas, last);
        *kept += count;
        self.spare_bytes = spare_bytes;
        AreaList::new()
    }

    /// Has an area wait, of so many pages, which `read` was read of. Says whether the batch is full.
    #[inline(always)]
    #[must_use = "a full batch is the caller's to flush"]
    pub(in crate::map) fn wait(
        &mut self,
        words: &impl Words,
        area: AreaId,
        read: EndWord,
        pages: u32,
    ) -> bool {
        area.move_on(words, read, AreaState::Waiting);
        self.waiting.areas.push(words, area);
        let waiting = &mut self.waiting;
        waiting.count += 1;
        let is_large = if read.owns_pages() {
            waiting.owned += pages;
            waiting.owned >= self.batch_owned
        } else {
            waiting.bare += pages;
            waiting.bare >= self.batch_bare
        };
        is_large || waiting.count >= BATCH_AREAS
    }

    /// As [`wait`](Self::wait), of an area of device memory.
    #[inline(always)]
    #[must_use = "a full batch is the caller's to flush"]
    pub(in crate::map) fn wait_io(
        &mut self,
        words: &impl Words,
        io: IoId,
        (area, read): (AreaId, EndWord),
    ) -> bool {
        area.move_on(words, read, AreaState::Waiting);
        self.io.wait(words, io);
        let waiting = &mut self.waiting;
        waiting.count += 1;
        waiting.bare += (read.end().as_u32() - area.start(words).as_u32()) >> PAGE_SHIFT;
        waiting.count >= BATCH_AREAS || waiting.bare >= self.batch_bare
    }

    /// Device memory that waits, with the batch that is not taken yet, is about to be mapped as it was. The area's state is
    /// the caller's to change.
    #[inline(always)]
    pub(in crate::map) fn revive(
        &mut self,
        words: &impl Words,
        io: IoId,
        (area, read): (AreaId, EndWord),
        caller: u32,
    ) {
        self.io.revive(words, io, caller);
        area.set_caller(words, caller);
        let pages = (read.end().as_u32() - area.start(words).as_u32()) >> PAGE_SHIFT;
        self.waiting.count -= 1;
        self.waiting.bare -= pages;
    }

    /// Takes all that waits, for a flush.
    pub(super) fn take_waiting(&mut self) -> Option<Batch> {
        if self.waiting.count == 0 {
            return None;
        }
        let mut batch = core::mem::replace(&mut self.waiting, Batch::EMPTY);
        batch.io = self.io.take_waiting();
        self.flushing += batch.bytes();
        Some(batch)
    }
}
