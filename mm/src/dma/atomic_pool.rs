//! The atomic pool: coherent memory for callers that can not wait, mapped uncached since boot.
//!
//! `coherent_pool=` says how much. It lies in one piece, at the top of the DMA region, so that large buffers find room
//! below. Pages are handed out first fit, aligned to their size; taking and giving back is a compare-and-swap, and
//! page tables are not touched.
//!
//! It does not grow: a request that finds no room fails, and says how much there is. [`PoolFigures::high_water`] tells
//! from the outside how much was ever needed.

use super::bits::AtomicBits;
use super::coherent::CoherentBuffer;
use super::device::{Device, Reach};
use super::error::CoherentError;
use super::figures::{PoolFigures, Usage};
use super::machine::DmaMachine;
use super::memory::DmaMemory;
use super::region::{From, MAX_PAGES, Record};
use crate::addr::{PAGE_SIZE, PhysAddr, PhysRange};
use crate::platform::Lowmem;
use crate::sync::{AtomicU32, Ordering::Relaxed};
use crate::zone::Gfp;

/// The pool: a row of pages at one place of the region and of memory.
pub(super) struct AtomicPool {
    /// Its first page's number in the region.
    first: u32,
    /// Its pages; 0 if there is none.
    pages: u32,
    /// The first physical address.
    phys: u32,
    /// How many of its first pages were ever used.
    high_water: AtomicU32,
    bits: AtomicBits<{ (MAX_PAGES / 32) as usize }>,
}

impl AtomicPool {
    /// No pool.
    pub(super) fn none() -> Self {
        let high_water = AtomicU32::new(0);
        Self { first: 0, pages: 0, phys: 0, high_water, bits: AtomicBits::none() }
    }

    fn memory(&self) -> PhysRange {
        let start = PhysAddr::new(self.phys.into());
        PhysRange::new(start, start.saturating_add(u64::from(self.pages * PAGE_SIZE)))
    }

    /// Gives back a buffer's pages.
    #[inline(always)]
    pub(super) fn release(&self, page: u32, pages: u32) {
        self.bits.release(page.wrapping_sub(self.first), pages);
    }

    fn usage(&self) -> Usage {
        let free = self.bits.free(self.pages);
        Usage {
            bytes: self.pages * PAGE_SIZE,
            in_use: (self.pages - free) * PAGE_SIZE,
            largest_free: self.bits.largest_free() * PAGE_SIZE,
        }
    }

    pub(super) fn figures(&self) -> Option<PoolFigures> {
        (self.pages > 0).then(|| PoolFigures {
            memory: self.memory(),
            usage: self.usage(),
            high_water: self.high_water.load(Relaxed) * PAGE_SIZE,
        })
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'_, '_, P, M, CPUS> {
    /// Makes the atomic pool, of whole pages of `reach`: that of the device which reaches least, or the DMA zone. Boot
    /// only, before the first coherent buffer; a second call changes nothing.
    ///
    /// # Errors
    ///
    /// [`CoherentError`] when there is no such memory, or more is wanted than the region has. There is no pool then, and
    /// callers that can not wait get nothing.
    pub fn make_atomic_pool(&mut self, bytes: u32, reach: PhysRange) -> Result<(), CoherentError> {
        let pages = bytes.div_ceil(PAGE_SIZE);
        if pages == 0 || self.pool.pages > 0 {
            return Ok(());
        }
        let Some(first) = self.region.claim_top(pages) else {
            return Err(self.no_addresses(bytes));
        };
        let run = match self.take_frames(pages, Reach::new(reach), Gfp::GFP_KERNEL) {
            Ok((run, _)) => run,
            Err(error) => {
                self.region.release(first, pages);
                return Err(error);
            }
        };
        self.map_uncached(self.region.part(first, pages), run);
        self.pool = AtomicPool {
            first,
            pages,
            phys: run.start().start().as_u64() as u32,
            high_water: AtomicU32::new(0),
            bits: AtomicBits::new(pages),
        };
        Ok(())
    }

    /// A buffer of the pool, zeroed; `None` if there is no room, no pool, or the device does not reach it.
    #[inline(always)]
    pub(super) fn take_from_pool(
        &self,
        device: &Device,
        bytes: u32,
        pages: u32,
    ) -> Option<CoherentBuffer> {
        let pool = &self.pool;
        if !device.holds_coherent(pool.phys, pool.pages * PAGE_SIZE) {
            return None;
        }
        // Where there is no pool, no device reaches what is none, and there are no pieces.
        let place = pool.bits.claim(pages)?;
        let end = place + pages;
        if end > pool.high_water.load(Relaxed) {
            pool.high_water.fetch_max(end, Relaxed);
        }
        let (page, phys) = (pool.first + place, pool.phys + place * PAGE_SIZE);
        let range = self.region.part(page, pages);
        self.machine.zero(range);
        self.region.set_record(page, Record::new(phys, pages, From::Pool));
        Some(CoherentBuffer { virt: range.start(), dma: device.dma(phys), bytes })
    }

    /// Why the pool has nothing.
    pub(super) fn why_not_from_pool(&self, device: &Device, bytes: u32) -> CoherentError {
        let pool = &self.pool;
        if pool.pages == 0 {
            return CoherentError::NoPool { bytes };
        }
        if !device.holds_coherent(pool.phys, pool.pages * PAGE_SIZE) {
            let reach = device.coherent_reach();
            return CoherentError::PoolOutOfReach { pool: pool.memory(), reach };
        }
        let Usage { bytes: all, in_use, largest_free } = pool.usage();
        CoherentError::PoolExhausted { bytes, pool: all, free: all - in_use, largest_free }
    }
}
