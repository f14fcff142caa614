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
use crate::map::area::{AreaId, AreaList, AreaState};
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
        while let Some(area) = batch.areas.pop(&words) {
            let read = area.end_word(&words);
            if read.owns_pages() {
                self.take_frames(VirtRange::new(area.start(&words), read.end()), &mut frames);
            }
            flushed.push(&words, area);
        }
        self.give_rest(&mut frames);
        self.recycle(flushed);
        self.with(|state| state.flushing -= bytes);
        self.give_io_records(MOST_SPARE_RECORDS);
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
                    if area.kind(&words).is_ioremap() && area.state(&words) == AreaState::Waiting {
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

    /// Lets go of an area's tables and addresses.
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
