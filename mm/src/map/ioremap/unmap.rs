//! `iounmap`: one user less; with the last one goes the mapping, and its addresses wait for the next batch's flush.
//!
//! Small ranges and single blocks are unmapped under the lock, which is one round of it; others between two, by who has
//! made them his first.

use super::map::{IoMap, mapped_pages};
use super::record::IoId;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::area::{AreaId, AreaKind, AreaState, EndWord, Words};
use crate::map::duty::Stale;
use crate::map::mmu::Mmu;
use crate::map::vmalloc::state::{SMALL_PAGES, State};
use crate::map::vmalloc::{AreaError, AreaFault};
use crate::platform::{Lowmem, Report};

/// How far an unmap has come under the lock.
pub(super) enum Unmapped {
    /// Others use it, or it waits.
    Done,
    /// It waits, and the batch is full.
    Full,
    /// It is large, and the caller's now.
    Taken(AreaId, IoId, VirtRange),
    /// There is no such mapping.
    Wrong,
}

/// Ends the use of a mapping that has, or had, several users; says how many are left. `None` if it has not had several,
/// and so nobody knows an address in the middle of it; or if all users that there are own their use.
#[cold]
#[inline(never)]
fn let_one_go(words: &impl Words, io: IoId, is_inside: bool) -> Option<u32> {
    // Owners go by themselves.
    if !is_inside || !io.was_shared(words) || io.references(words) == io.owners(words) {
        return None;
    }
    Some(io.let_go(words))
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'_, '_, '_, P, T, CPUS> {
    /// Ends what one call of [`ioremap`](Self::ioremap) or its like began, by any address in the first page
    /// that it returned. Any context; a batch that is full is flushed.
    ///
    /// Of a mapping that has been shared, any address will do: nobody keeps who was told which. So whoever unmaps once too
    /// often ends the use of another who keeps addresses; but never that of an owner (`owners`).
    ///
    /// # Errors
    ///
    /// [`AreaError`] when nothing is mapped so there, also for a mapping that was unmapped before; and when all its users
    /// are owners. It was reported, and nothing has changed.
    #[inline(always)]
    pub fn iounmap(&self, virt: VirtAddr) -> Result<(), AreaError> {
        let mut entered = self.region.enter();
        match self.let_go(&mut entered.state, virt) {
            Unmapped::Done => Ok(()),
            other => {
                drop(entered);
                self.end(other, virt)
            }
        }
    }

    /// What is left to do without the lock.
    #[inline(never)]
    pub(super) fn end(&self, unmapped: Unmapped, virt: VirtAddr) -> Result<(), AreaError> {
        let words = self.region.words();
        let is_full = match unmapped {
            Unmapped::Done => false,
            Unmapped::Full => true,
            Unmapped::Taken(area, io, range) => {
                let stale = match area.kind(&words) {
                    AreaKind::IoBlocks => self.region.mmu.unmap_blocks(range),
                    _ => self.region.mmu.clear(range),
                };
                let _flushed_with_the_batch = stale.put_off();
                let read = area.end_word(&words);
                self.region.with(|state| state.wait_io(&words, io, (area, read)))
            }
            Unmapped::Wrong => return Err(self.wrong(virt)),
        };
        if is_full {
            self.region.purge();
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn let_go(&self, state: &mut State, virt: VirtAddr) -> Unmapped {
        let words = self.region.words();
        let Some(area) = state.find(&words, virt) else { return Unmapped::Wrong };
        let read = area.end_word(&words);
        if read.is(AreaKind::Ioremap, AreaState::Live) {
            self.let_go_of(state, virt, (area, read), |range| {
                let is_small = range.len() <= SMALL_PAGES << PAGE_SHIFT;
                is_small.then(|| self.region.mmu.clear(range))
            })
        } else if read.is(AreaKind::IoBlocks, AreaState::Live) {
            self.let_go_of(state, virt, (area, read), |range| self.region.mmu.unmap_block(range))
        } else {
            Unmapped::Wrong
        }
    }

    /// As [`let_go`](Self::let_go), of a live area, by what takes its mapping away if that is a few steps.
    #[inline(always)]
    fn let_go_of(
        &self,
        state: &mut State,
        virt: VirtAddr,
        (area, read): (AreaId, EndWord),
        take_away: impl FnOnce(VirtRange) -> Option<Stale>,
    ) -> Unmapped {
        let words = self.region.words();
        // Whatever is live was bound before.
        let io = IoId::from_word(area.note(&words));
        let range = mapped_pages(&words, io, read.end());
        if virt.align_down(PAGE_SIZE) != range.start() || !io.is_sole(&words) {
            match let_one_go(&words, io, range.contains(virt)) {
                Some(0) => {}
                Some(_) => return Unmapped::Done,
                None => return Unmapped::Wrong,
            }
        }
        let Some(stale) = take_away(range) else {
            area.move_on(&words, read, AreaState::Making);
            return Unmapped::Taken(area, io, range);
        };
        let _flushed_with_the_batch = stale.put_off();
        if state.wait_io(&words, io, (area, read)) { Unmapped::Full } else { Unmapped::Done }
    }

    /// What is wrong with an address that was given back; reports it.
    #[cold]
    fn wrong(&self, virt: VirtAddr) -> AreaError {
        let region = self.region;
        let fault = match region.area_at(virt) {
            _ if !region.region().contains(virt) => AreaFault::OutsideRegion,
            None => AreaFault::NoArea,
            Some(info) if !info.kind.is_ioremap() => {
                AreaFault::OtherKind { kind: info.kind, named: AreaKind::Ioremap }
            }
            Some(info) if info.state != AreaState::Live => AreaFault::NotLive { state: info.state },
            Some(_) if self.is_owners_alone(virt) => AreaFault::Owned,
            Some(info) => AreaFault::Inside { start: info.range.start() },
        };
        let error = AreaError { virt, fault };
        region.pages.platform().report(&Report::WrongArea { name: region.name(), error });
        error
    }
}
