//! `iounmap`: one user less; with the last one goes the mapping, and its addresses wait for the next batch's flush.
//!
//! Small ranges are unmapped under the lock, which is one round of it; large ones between two, by who has made
//! them his first.

use super::map::{IoMap, mapped_pages};
use super::record::IoId;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::area::{AreaId, AreaKind, AreaState, Words};
use crate::map::mmu::Mmu;
use crate::map::vmalloc::state::{SMALL_PAGES, State};
use crate::map::vmalloc::{AreaError, AreaFault};
use crate::platform::{Lowmem, Report};

/// How far an unmap has come under the lock.
enum Unmapped {
    /// Others use it, or it waits.
    Done,
    /// It waits, and the batch is full.
    Full,
    /// It is large, and the caller's now.
    Taken(AreaId, IoId, VirtRange),
    /// There is no such mapping.
    Wrong,
}

/// Has an area that was unmapped wait for a flush. Says whether the batch is full.
#[inline(always)]
fn wait(words: &impl Words, state: &mut State, area: AreaId) -> bool {
    let read = area.end_word(words);
    let pages = (read.end().as_u32() - area.start(words).as_u32()) >> PAGE_SHIFT;
    state.wait(words, area, read, pages)
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'_, '_, '_, P, T, CPUS> {
    /// Ends what one call of [`ioremap`](Self::ioremap) or its like began, by any address in the first page
    /// that it returned. Any context; a batch that is full is flushed.
    ///
    /// Of a mapping that has been shared, any address will do: nobody keeps who was told which.
    ///
    /// # Errors
    ///
    /// [`AreaError`] when nothing is mapped so there: also for a mapping that was unmapped before. It was reported,
    /// and nothing has changed.
    #[inline]
    pub fn iounmap(&self, virt: VirtAddr) -> Result<(), AreaError> {
        let words = self.region.words();
        match self.region.with(|state| self.let_go(state, virt)) {
            Unmapped::Done => {}
            Unmapped::Full => _ = self.region.purge(),
            Unmapped::Taken(area, io, range) => {
                let stale = match area.kind(&words) {
                    AreaKind::IoBlocks => self.region.mmu.unmap_blocks(range),
                    _ => self.region.mmu.clear(range),
                };
                let _flushed_with_the_batch = stale.put_off();
                let is_full = self.region.with(|state| {
                    state.io.retire(&words, io, area);
                    wait(&words, state, area)
                });
                if is_full {
                    self.region.purge();
                }
            }
            Unmapped::Wrong => return Err(self.wrong(virt)),
        }
        Ok(())
    }

    #[inline(always)]
    fn let_go(&self, state: &mut State, virt: VirtAddr) -> Unmapped {
        let words = self.region.words();
        let Some(area) = state.tree.find(&words, virt) else { return Unmapped::Wrong };
        let kind = area.kind(&words);
        let is_ours = kind.is_ioremap() || kind == AreaKind::Boot;
        if !is_ours || area.state(&words) != AreaState::Live || area.note(&words) == 0 {
            return Unmapped::Wrong;
        }
        let io = IoId::from_word(area.note(&words));
        let range = mapped_pages(&words, io, area);
        let page = virt.align_down(PAGE_SIZE);
        let is_known = page == range.start() || io.was_shared(&words) && range.contains(page);
        // Boot's own use does not end.
        if !is_known || kind == AreaKind::Boot && io.references(&words) == 1 {
            return Unmapped::Wrong;
        }
        if io.let_go(&words) > 0 {
            return Unmapped::Done;
        }
        if kind == AreaKind::IoBlocks || range.len() > SMALL_PAGES << PAGE_SHIFT {
            area.set_state(&words, AreaState::Making);
            return Unmapped::Taken(area, io, range);
        }
        let _flushed_with_the_batch = self.region.mmu.clear(range).put_off();
        state.io.retire(&words, io, area);
        if wait(&words, state, area) { Unmapped::Full } else { Unmapped::Done }
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
            Some(info) => AreaFault::Inside { start: info.range.start() },
        };
        let error = AreaError { virt, fault };
        region.pages.platform().report(&Report::WrongArea { name: region.name(), error });
        error
    }
}
