//! A claim: how a range stands to those that are mapped or wait, found under the region's lock before anything is mapped.
//!
//! Invariant: a range is entered with its type in the round of the lock that has found nobody in its way, so no frame has
//! two types, not even in a TLB.

use super::error::IoremapError;
use super::index::Standing;
use super::look::{IoRange, describe};
use super::map::{IoMap, mapped_pages};
use super::record::IoId;
use crate::addr::{PAGE_SIZE, PfnRange, VirtAddr};
use crate::map::area::{AreaId, Words};
use crate::map::mmu::Mmu;
use crate::map::prot::MemoryType;
use crate::map::vmalloc::state::State;
use crate::platform::Lowmem;

/// What came of a claim.
pub(super) enum Claim {
    /// It is mapped: here.
    Shared(VirtAddr),
    /// Nobody maps it.
    Free,
    /// Nobody maps it, and this area, which has, waits.
    Waits(IoId, AreaId),
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'_, '_, '_, P, T, CPUS> {
    /// How a range stands to the others; if it is mapped already, there is one user more. What had another type, and was
    /// not flushed yet, is flushed.
    #[inline(always)]
    pub(super) fn claim(
        &self,
        state: &mut State,
        frames: PfnRange,
        memory: MemoryType,
    ) -> Result<Claim, IoremapError> {
        let words = self.region.words();
        let mut is_flushed = false;
        loop {
            match state.io.standing(&words, frames, memory) {
                Standing::Free => return Ok(Claim::Free),
                Standing::Waits(io, area) => return Ok(Claim::Waits(io, area)),
                Standing::Mapped(io, area) => {
                    io.share(&words);
                    let into = frames.start().as_u32() - io.start(&words);
                    let first =
                        mapped_pages(&words, io, area.end_word(&words).end()).start().as_u32();
                    return Ok(Claim::Shared(VirtAddr::new(first + into * PAGE_SIZE)));
                }
                Standing::Conflict(io) => return Err(conflict(&words, io, memory)),
                Standing::Stale(io) => {
                    // Rare, so it may pay for all. Its entries are gone: that was done before it began to wait.
                    if !is_flushed {
                        self.region.mmu.flush_all();
                        is_flushed = true;
                    }
                    state.io.forget(&words, io);
                }
            }
        }
    }
}

#[cold]
fn conflict(words: &impl Words, io: IoId, wanted: MemoryType) -> IoremapError {
    let IoRange { range, memory: has, caller, .. } = describe(words, io);
    IoremapError::Conflict { wanted, has, range, caller }
}
