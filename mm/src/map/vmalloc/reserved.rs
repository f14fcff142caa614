//! Addresses that somebody has taken to map something at, or to take it away again: a guard.
//!
//! Dropped, it gives the addresses back at once, so nothing may be mapped there then, and nothing stale: who has
//! mapped something [`finish`](Reserved::finish)es, and who has unmapped it lets it
//! [`wait`](Reserved::wait) for a flush.

use core::mem;

use super::error::{AreaError, VmallocError};
use super::region::{AreaSpec, MappedRegion};
use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use crate::map::area::{AreaId, AreaInfo, AreaKind, AreaState};
use crate::map::duty::Stale;
use crate::map::mmu::Mmu;
use crate::platform::Lowmem;
use crate::zone::Gfp;

/// Addresses that are the caller's alone, tables included if the kind [holds them](AreaKind::holds_tables).
#[must_use = "the addresses are given back when it is dropped"]
pub struct Reserved<'r, 's, 'a, P: Lowmem, T: Mmu, const CPUS: usize> {
    home: &'r MappedRegion<'s, 'a, P, T, CPUS>,
    area: AreaId,
}

impl<'s, 'a, P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'s, 'a, P, T, CPUS> {
    /// Takes addresses for `bytes`, rounded up to pages. Context as `gfp` says.
    ///
    /// # Errors
    ///
    /// [`VmallocError`]; a region that is full is not reported: who asks tells, with [`failure`](Self::failure).
    pub(in crate::map) fn reserve(
        &self,
        bytes: u32,
        gfp: Gfp,
        spec: &AreaSpec,
    ) -> Result<Reserved<'_, 's, 'a, P, T, CPUS>, VmallocError> {
        let area = self.take_area(bytes.div_ceil(PAGE_SIZE), gfp, spec)?;
        Ok(Reserved { home: self, area })
    }

    /// Takes back the area of this kind that begins at an address, and is live: from now on it is nobody else's, and
    /// can not be given back twice. Any context.
    ///
    /// # Errors
    ///
    /// [`AreaError`], which has been reported.
    pub fn take_back(
        &self,
        virt: VirtAddr,
        kind: AreaKind,
    ) -> Result<Reserved<'_, 's, 'a, P, T, CPUS>, AreaError> {
        let words = self.words();
        let area = self.with(|state| {
            let area = state.find_start(&words, virt)?;
            let read = area.end_word(&words);
            // Those of `ioremap` are not for others to take.
            (!kind.is_ioremap() && read.is(kind, AreaState::Live)).then(|| {
                area.move_on(&words, read, AreaState::Making);
                area
            })
        });
        match area {
            Some(area) => Ok(Reserved { home: self, area }),
            None => Err(self.wrong(virt, kind)),
        }
    }
}

impl<'r, 's, 'a, P: Lowmem, T: Mmu, const CPUS: usize> Reserved<'r, 's, 'a, P, T, CPUS> {
    /// The guard of an area that was spare, and is being made: the caller's alone.
    pub(in crate::map) const fn of(
        home: &'r MappedRegion<'s, 'a, P, T, CPUS>,
        area: AreaId,
    ) -> Self {
        Self { home, area }
    }

    /// The addresses, whole pages; the guard page is behind them.
    #[must_use]
    pub fn range(&self) -> VirtRange {
        self.area.range(&self.home.words())
    }

    /// What is known of it.
    #[must_use]
    pub fn info(&self) -> AreaInfo {
        self.area.info(&self.home.words())
    }

    /// What was to be mapped is, and published: from now on the area is live. Returns its first address.
    pub fn finish(self) -> VirtAddr {
        let start = self.range().start();
        self.area.set_state(&self.home.words(), AreaState::Live);
        mem::forget(self);
        start
    }

    /// What was mapped has been taken away, and the flush is put off: the addresses come back, and what frames are in
    /// dead entries, when a batch is flushed.
    pub fn wait(self, stale: Stale) {
        let _flushed_with_the_batch = stale.put_off();
        self.home.wait(self.area);
        mem::forget(self);
    }

    /// As [`wait`](Self::wait), of an area that has no frame for some of its pages.
    pub(super) fn wait_without(self, bare: u32, stale: Stale) {
        let _flushed_with_the_batch = stale.put_off();
        self.home.wait_without(self.area, bare);
        mem::forget(self);
    }

    pub(in crate::map) const fn area(&self) -> AreaId {
        self.area
    }
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> Drop for Reserved<'_, '_, '_, P, T, CPUS> {
    fn drop(&mut self) {
        self.home.keep_or_release(self.area);
    }
}
