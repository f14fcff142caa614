//! A range that nobody maps gets an area: a spare one of its size, or a new one.
//!
//! A spare area is bound in the round of the lock that has found the range free. A new one, and a record, are taken
//! before, since nothing is allocated under the lock; the look is made again then, and who was quicker is
//! joined.

use super::claim::Claim;
use super::error::IoremapError;
use super::map::{GFP, IoMap, prot};
use super::place::{Place, places};
use super::record::IoId;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, PHYS_LIMIT_32, PfnRange, PhysAddr, VirtAddr};
use crate::map::area::{AreaId, AreaKind, NoHole};
use crate::map::mmu::Mmu;
use crate::map::prot::MemoryType;
use crate::map::vmalloc::state::{SMALL_PAGES, State};
use crate::map::vmalloc::{AreaSpec, Reserved, VmallocError};
use crate::platform::Lowmem;

/// What came of a claim by who has brought all that it takes.
enum Bound {
    Shared(VirtAddr),
    To(IoId),
}

impl<'r, 's, 'a, P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'r, 's, 'a, P, T, CPUS> {
    /// Has a spare area map a range that is free, if there is one of its size, and a record.
    #[inline(always)]
    pub(super) fn claim_spare(
        &self,
        state: &mut State,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Option<AreaId> {
        let words = self.region.words();
        let io = state.io.take_spare(&words)?;
        let is_small = frames.len() <= SMALL_PAGES;
        let area = match is_small {
            true => state.take_spare(&words, frames.len()),
            false => state.blocks.take(&words, frames),
        };
        let Some(area) = area else {
            state.io.give_spare(&words, io);
            return None;
        };
        let phys = frames.start().start();
        let kind = if is_small { AreaKind::Ioremap } else { AreaKind::IoBlocks };
        area.describe(&words, kind, memory, caller, Some(phys));
        io.describe(&words, frames, memory);
        state.io.bind(&words, io, area, caller);
        Some(area)
    }

    /// Maps a block at a spare area that was just claimed.
    pub(super) fn map_spare_block(
        &self,
        area: AreaId,
        frames: PfnRange,
        memory: MemoryType,
    ) -> Result<VirtAddr, IoremapError> {
        let reserved = Reserved::of(self.region, area);
        let start = reserved.range().start();
        match self.region.mmu.map_blocks(start, frames.as_phys(), prot(memory), GFP) {
            Ok(fresh) => {
                self.region.mmu.publish(fresh);
                Ok(reserved.finish())
            }
            Err(error) => {
                let words = self.region.words();
                let io = IoId::from_word(area.note(&words));
                self.region.with(|state| state.io.unbind(&words, io));
                Err(IoremapError::NoTable(error))
            }
        }
    }

    /// Maps a range with a new area.
    #[inline(never)]
    pub(super) fn map_new(
        &self,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        let mapped = self.try_map_new(frames, memory, caller);
        if let Err(IoremapError::Region(error @ VmallocError::NoHole(_))) = &mapped {
            let bytes = u32::try_from(frames.as_phys().len()).unwrap_or(u32::MAX);
            let spec = AreaSpec::new(AreaKind::Ioremap, prot(memory), caller);
            self.region.tell(bytes, GFP, &spec, error);
        }
        mapped
    }

    fn try_map_new(
        &self,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        let words = self.region.words();
        let record = IoId::new(self.region.take_record(GFP)?.record());
        let keep = |io| self.region.with(|state| state.io.give_spare(&words, io));
        let (reserved, place) = match self.reserve(frames, memory, caller) {
            Ok(reserved) => reserved,
            Err(error) => {
                keep(record);
                return Err(error.into());
            }
        };
        let area = reserved.area();
        let bound = self.region.with(|state| -> Result<Bound, IoremapError> {
            match self.claim(state, frames, memory) {
                // That it waits by now is no matter: there will be two.
                Ok(Claim::Free | Claim::Waits(..)) => {}
                Ok(Claim::Shared(page)) => {
                    state.io.give_spare(&words, record);
                    return Ok(Bound::Shared(page));
                }
                Err(error) => {
                    state.io.give_spare(&words, record);
                    return Err(error);
                }
            }
            record.describe(&words, frames, memory);
            state.io.bind(&words, record, area, caller);
            Ok(Bound::To(record))
        })?;
        let io = match bound {
            Bound::To(io) => io,
            // Somebody was quicker.
            Bound::Shared(page) => return Ok(page),
        };
        let start = VirtAddr::new(reserved.range().start().as_u32() + place.lead * PAGE_SIZE);
        let mmu = self.region.mmu;
        let fresh = if place.has_blocks() {
            match mmu.map_blocks(start, frames.as_phys(), prot(memory), GFP) {
                Ok(fresh) => fresh,
                Err(error) => {
                    self.region.with(|state| state.io.unbind(&words, io));
                    return Err(IoremapError::NoTable(error));
                }
            }
        } else {
            mmu.map_run(start, frames, prot(memory))
        };
        mmu.publish(fresh);
        let _ = reserved.finish();
        Ok(start)
    }

    /// Takes addresses for a range, as well placed as there are.
    fn reserve(
        &self,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<(Reserved<'r, 's, 'a, P, T, CPUS>, Place), VmallocError> {
        let needs_blocks = frames.as_phys().end() > PHYS_LIMIT_32;
        let mut failure = None;
        for place in places(frames) {
            if needs_blocks && place.align_shift < 24 {
                break;
            }
            let kind = if place.has_blocks() { AreaKind::IoBlocks } else { AreaKind::Ioremap };
            let lead = u64::from(place.lead) << PAGE_SHIFT;
            let phys = PhysAddr::new(frames.as_phys().start().as_u64() - lead);
            let spec = AreaSpec {
                align_shift: place.align_shift,
                phys: Some(phys),
                ..AreaSpec::new(kind, prot(memory), caller)
            };
            let bytes = u32::try_from(frames.as_phys().len() + lead).unwrap_or(u32::MAX);
            match self.region.reserve(bytes, GFP, &spec) {
                Ok(reserved) => return Ok((reserved, place)),
                Err(VmallocError::NoHole(error)) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        // The check of its range has seen that what needs blocks holds some.
        let spec = AreaSpec::new(AreaKind::Ioremap, prot(memory), caller);
        let none = || NoHole { want: self.region.want(frames.len(), &spec) };
        Err(VmallocError::NoHole(failure.unwrap_or_else(none)))
    }
}
