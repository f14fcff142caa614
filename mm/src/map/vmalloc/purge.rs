//! The flush, and what comes free with it.
//!
//! Who flushes takes all that waits off the list first, so that it is nobody else's; then come, without the lock:
//! one flush for all, the frames out of the dead entries, and the areas, back to the lists of their size or out of
//! the tree. So addresses and frames are reused after the flush only.
//!
//! While another CPU flushes, a search may find no room though there is some soon. It is not waited for; the report
//! counts those bytes as waiting.

use super::frames::Frames;
use super::region::MappedRegion;
use super::state::Batch;
use crate::addr::{PAGE_SIZE, VirtRange};
use crate::map::area::{AreaId, AreaKind, AreaList, AreaState};
use crate::map::duty::Stale;
use crate::map::mmu::Mmu;
use crate::platform::Lowmem;
use crate::zone::Gfp;
use crate::zone::shrink::Shrinker;

/// A range of more pages costs more to flush than everything.
const RANGE_PAGES: u32 = 64;
/// Of more areas nobody asks how far they are apart.
const RANGE_AREAS: u32 = 8;
/// How many areas go to their lists under one round of the lock.
const RECYCLED: usize = 32;
/// How many records of device memory are kept: as many as areas wait.
const MOST_SPARE_RECORDS: u32 = 256;

impl<P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'_, '_, P, T, CPUS> {
    /// Flushes all that waits, so that its addresses and frames are free, and says how many frames came free. Any
    /// context. Linux's `vm_unmap_aliases`.
    #[inline(never)]
    pub fn purge(&self) -> u32 {
        let words = self.words();
        let Some(mut batch) = self.with(|state| state.take_waiting()) else { return 0 };
        self.flush_batch(&batch);
        let bytes = batch.bytes();
        let mut frames = Frames::new();
        let mut flushed = AreaList::new();
        let (mut singles, mut last_single, mut count) = (AreaList::new(), None, 0);
        while let Some(area) = batch.areas.pop(&words) {
            let (read, start) = (area.end_word(&words), area.start(&words));
            let is_owner = read.owns_pages();
            if is_owner && read.end().as_u32() - start.as_u32() == PAGE_SIZE {
                // Most areas are like this, and go to their list all at once.
                if let Some(pfn) = self.mmu.take_dead_one(start) {
                    self.put_frame(&mut frames, pfn);
                }
                area.move_on(&words, read, AreaState::Spare);
                singles.push(&words, area);
                last_single = last_single.or(Some(area));
                count += 1;
                continue;
            }
            if is_owner {
                self.take_frames(VirtRange::new(start, read.end()), &mut frames);
            }
            flushed.push(&words, area);
        }
        while let Some(area) = batch.io.pop(&words) {
            flushed.push(&words, area);
        }
        self.give_rest(&mut frames);
        self.recycle(flushed);
        let (left, has_surplus) = self.with(|state| {
            state.flushing -= bytes;
            let left = state.keep_singles(&words, singles, last_single, count);
            (left, state.io.has_surplus(MOST_SPARE_RECORDS))
        });
        self.recycle(left);
        if has_surplus {
            self.give_io_records(MOST_SPARE_RECORDS);
        }
        frames.freed
    }

    /// Has the TLBs forget all that waits: everything, unless it is a small range.
    fn flush_batch(&self, batch: &Batch) {
        if batch.count <= RANGE_AREAS {
            let range = batch.range(&self.words());
            if range.len() <= RANGE_PAGES * PAGE_SIZE {
                return self.mmu.flush(Stale::owed(range));
            }
        }
        self.mmu.flush_all();
    }

    /// Gives up all that waits and all that is spare, so that every free address is in the tree's gaps. Any
    /// context.
    #[cold]
    pub fn make_room(&self) -> u32 {
        let freed = self.purge();
        let words = self.words();
        while let Some(area) = self.with(|state| state.take_any_spare(&words)) {
            self.release(area);
        }
        self.give_io_records(0);
        freed
    }

    /// Gives back records of device memory, until no more than so many are spare.
    fn give_io_records(&self, most: u32) {
        let words = self.words();
        while let Some(record) = self.with(|state| state.io.take_surplus(&words, most)) {
            self.give_record(record);
        }
    }

    /// Areas that are the caller's, with nothing mapped and nothing stale: to the lists of their size, or out of the
    /// tree.
    pub(super) fn recycle(&self, mut areas: AreaList) {
        let words = self.words();
        while !areas.is_empty() {
            let mut large = AreaList::new();
            self.with(|state| {
                for _ in 0..RECYCLED {
                    let Some(area) = areas.pop(&words) else { break };
                    let read = area.end_word(&words);
                    if read.is(AreaKind::Ioremap, AreaState::Waiting)
                        || read.is(AreaKind::IoBlocks, AreaState::Waiting)
                    {
                        state.io.flushed(&words, area);
                    }
                    if !state.keep(&words, area) {
                        large.push(&words, area);
                    }
                }
            });
            while let Some(area) = large.pop(&words) {
                self.release(area);
            }
        }
    }

    /// As [`recycle`](Self::recycle), of one area that did not wait.
    #[inline]
    pub(super) fn keep_or_release(&self, area: AreaId) {
        if !self.with(|state| state.keep(&self.words(), area)) {
            self.release(area);
        }
    }

    /// Lets go of an area's tables and addresses.
    #[inline(never)]
    fn release(&self, area: AreaId) {
        let words = self.words();
        if area.kind(&words).holds_tables() {
            self.mmu.drop_tables(area.range(&words));
        }
        self.forget(area);
    }
}

/// Frames that wait for a flush are free in all but name.
impl<P: Lowmem + Sync, T: Mmu + Sync, const CPUS: usize> Shrinker
    for MappedRegion<'_, '_, P, T, CPUS>
{
    fn name(&self) -> &'static str {
        "vmalloc"
    }

    fn count(&self) -> u32 {
        self.with(|state| state.waiting.frames())
    }

    /// All of them, and what spare areas hold: tables and records.
    fn shrink(&self, _: u32, _: Gfp) -> u32 {
        self.make_room()
    }
}
