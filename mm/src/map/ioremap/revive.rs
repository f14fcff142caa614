//! What waits for a flush is mapped again as it was: the same words at the same addresses, so no TLB can know better.
//!
//! A small range and a single block are mapped under the lock, in the round that has found them. A large range is made
//! the caller's there, and mapped without it.

use super::error::IoremapError;
use super::map::{GFP, IoMap, mapped_pages, prot};
use super::record::IoId;
use crate::addr::{PfnRange, VirtAddr};
use crate::map::area::{AreaId, AreaKind, AreaState};
use crate::map::mmu::Mmu;
use crate::map::prot::MemoryType;
use crate::map::vmalloc::state::{SMALL_PAGES, State};
use crate::platform::Lowmem;

impl<P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'_, '_, '_, P, T, CPUS> {
    /// Has the area of a range that waits map it again, as it did: the same words at the same addresses. `None` if that
    /// is not done in a few steps: then it is the caller's to map.
    #[inline(always)]
    pub(super) fn revive(
        &self,
        state: &mut State,
        (io, area): (IoId, AreaId),
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Option<VirtAddr> {
        let words = self.region.words();
        let (read, start) = (area.end_word(&words), area.start(&words));
        state.revive(&words, io, (area, read), caller);
        let mmu = self.region.mmu;
        let fresh = if !read.is(AreaKind::Ioremap, AreaState::Waiting) {
            // Where the area has a lead, its start is no block's.
            mmu.map_block(start, frames.as_phys(), prot(memory))
        } else if frames.len() <= SMALL_PAGES {
            Some(mmu.map_run(start, frames, prot(memory)))
        } else {
            None
        };
        let Some(fresh) = fresh else {
            area.move_on(&words, read, AreaState::Making);
            return None;
        };
        mmu.publish(fresh);
        area.move_on(&words, read, AreaState::Live);
        Some(start)
    }

    /// Maps a large range again whose area is being made for it. If there is no memory for tables, it waits as before.
    #[inline(never)]
    pub(super) fn map_large_again(&self, io: IoId, area: AreaId) -> Result<VirtAddr, IoremapError> {
        let words = self.region.words();
        let (start, frames) =
            (mapped_pages(&words, io, area.end_word(&words).end()).start(), io.frames(&words));
        let (mmu, prot) = (self.region.mmu, prot(io.memory(&words)));
        let mapped = match area.kind(&words) {
            AreaKind::IoBlocks => mmu.map_blocks(start, frames.as_phys(), prot, GFP),
            _ => Ok(mmu.map_run(start, frames, prot)),
        };
        match mapped {
            Ok(fresh) => {
                mmu.publish(fresh);
                area.set_state(&words, AreaState::Live);
                Ok(start)
            }
            Err(error) => {
                let read = area.end_word(&words);
                if self.region.with(|state| state.wait_io(&words, io, (area, read))) {
                    self.region.purge();
                }
                Err(IoremapError::NoTable(error))
            }
        }
    }
}
