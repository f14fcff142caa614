//! `vfree`: entries die, the area waits.
//!
//! Nothing is allocated: dead entries keep the frames, and the area's record goes on a list. Small areas are retired
//! under the lock, which is one round of it instead of two; larger ones without it, by who has made them his first.

use super::error::{AreaError, AreaFault};
use super::region::MappedRegion;
use super::state::SMALL_PAGES;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::area::{AreaId, AreaKind, AreaState};
use crate::map::mmu::Mmu;
use crate::platform::{Lowmem, Report};

/// How far a free has come under the lock.
enum Freed {
    /// The area waits; the batch may be full.
    Waits { is_full: bool },
    /// It is large, and the caller's now.
    Taken(AreaId),
    /// There is no such area.
    Wrong,
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'_, '_, P, T, CPUS> {
    /// Gives back what [`vmalloc`](Self::vmalloc) and its like made. Any context, and in a handler, where
    /// Linux puts it off. Nobody may use the addresses from now on.
    ///
    /// # Errors
    ///
    /// [`AreaError`] when no such area begins there. It was reported, and nothing has changed.
    #[inline]
    pub fn vfree(&self, virt: VirtAddr) -> Result<(), AreaError> {
        self.free(virt, AreaKind::Vmalloc)
    }

    /// Gives back what [`alloc`](Self::alloc) made of this kind.
    ///
    /// # Errors
    ///
    /// As [`vfree`](Self::vfree), also for an area of another kind, and for a stack, which is given back by its
    /// [`KernelStack`](super::KernelStack).
    #[inline]
    pub fn free(&self, virt: VirtAddr, kind: AreaKind) -> Result<(), AreaError> {
        let words = self.words();
        let freed = self.with(|state| {
            let Some(area) = state.find_start(&words, virt) else { return Freed::Wrong };
            let read = area.end_word(&words);
            if !read.is(kind, AreaState::Live) || !kind.is_plain() {
                return Freed::Wrong;
            }
            let range = VirtRange::new(virt, read.end());
            let pages = range.len() >> PAGE_SHIFT;
            if pages > SMALL_PAGES {
                area.move_on(&words, read, AreaState::Making);
                return Freed::Taken(area);
            }
            let _flushed_with_the_batch = self.mmu.retire(range).put_off();
            Freed::Waits { is_full: state.wait(&words, area, read, pages) }
        });
        match freed {
            Freed::Waits { is_full: false } => {}
            Freed::Waits { is_full: true } => _ = self.purge(),
            Freed::Taken(area) => {
                let _flushed_with_the_batch = self.mmu.retire(area.range(&words)).put_off();
                self.wait(area);
            }
            Freed::Wrong => return Err(self.wrong(virt, kind)),
        }
        Ok(())
    }

    /// Has an area wait that was unmapped, and is the caller's; flushes if the batch is full.
    pub(in crate::map) fn wait(&self, area: AreaId) {
        let words = self.words();
        let (read, pages) = (area.end_word(&words), area.range(&words).len() >> PAGE_SHIFT);
        if self.with(|state| state.wait(&words, area, read, pages)) {
            self.purge();
        }
    }

    /// As [`wait`](Self::wait), of an area that owns its pages, but for so many that have no frame.
    pub(super) fn wait_without(&self, area: AreaId, bare: u32) {
        let words = self.words();
        let (read, pages) = (area.end_word(&words), area.range(&words).len() >> PAGE_SHIFT);
        let is_full = self.with(|state| {
            let is_full = state.wait(&words, area, read, pages);
            state.waiting.owned -= bare;
            state.waiting.bare += bare;
            is_full
        });
        if is_full {
            self.purge();
        }
    }

    /// What is wrong with an address that was given back; reports it.
    #[cold]
    pub(super) fn wrong(&self, virt: VirtAddr, named: AreaKind) -> AreaError {
        let words = self.words();
        let found = self.with(|state| state.tree.find(&words, virt).map(|area| area.info(&words)));
        let fault = match found {
            _ if !self.region.contains(virt) => AreaFault::OutsideRegion,
            _ if !virt.is_aligned(PAGE_SIZE) => AreaFault::Unaligned,
            None => AreaFault::NoArea,
            Some(info) if info.range.start() != virt => {
                AreaFault::Inside { start: info.range.start() }
            }
            Some(info) if info.state != AreaState::Live => AreaFault::NotLive { state: info.state },
            Some(info) => AreaFault::OtherKind { kind: info.kind, named },
        };
        let error = AreaError { virt, fault };
        self.pages.platform().report(&Report::WrongArea { name: self.name, error });
        error
    }
}
