//! Coherent memory: buffers that CPUs and a device look at together, without maintenance.
//!
//! A CPU sees it uncached, through the DMA region. A buffer begins its life like this, and the order is the point:
//!
//! 1. frames without a cacheable mapping: of HighMem, or of a section that is out of the linear map;
//! 2. mapped uncached, and published;
//! 3. lines that the caches still hold of them, dirty ones too, are dropped through that mapping. Nothing can bring
//!    them back, since no other mapping exists;
//! 4. zeroed through that mapping, so in memory at once.
//!
//! A temporary cacheable mapping to zero the frames first would have the CPU read ahead through it until it is flushed,
//! after the lines were dropped.
//!
//! The end: unmapped; flushed; then the frames go back, and then the addresses.
//!
//! For a device that looks into the caches a buffer is a block of lowmem at its linear address.
//!
//! Context: a request whose flags do not let it wait is served from the [atomic pool](super::atomic_pool), in any
//! context. A free is for any context.

use core::fmt;
use core::mem::ManuallyDrop;

use super::address::DmaAddr;
use super::device::{Device, Reach};
use super::direction::Direction;
use super::error::{CoherentError, DmaFault};
use super::figures::Usage;
use super::live::Kind;
use super::machine::DmaMachine;
use super::memory::DmaMemory;
use super::region::{From, Record};
use crate::addr::{Order, PAGE_SHIFT, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use crate::map::{Mmu, Prot};
use crate::platform::Lowmem;
use crate::zone::{Gfp, ZoneKind};

/// A coherent buffer, by its addresses: what C keeps of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoherentBuffer {
    /// Where the CPU sees it: a page boundary, aligned to its size up to 1 MiB.
    pub virt: VirtAddr,
    /// Where the device does. Aligned like that, as far as the device's window is.
    pub dma: DmaAddr,
    /// Its length, as it was asked for.
    pub bytes: u32,
}

/// Flags of a request that are not for the page allocator: where the memory comes from is not the caller's choice.
const NOT_FOR_PAGES: Gfp = Gfp::__GFP_DMA
    .union(Gfp::__GFP_DMA32)
    .union(Gfp::__GFP_HIGHMEM)
    .union(Gfp::__GFP_MOVABLE)
    .union(Gfp::__GFP_RECLAIMABLE)
    .union(Gfp::__GFP_COMP)
    .union(Gfp::__GFP_ZERO);

impl<'s, 'a, P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'s, 'a, P, M, CPUS> {
    /// A zeroed buffer that gives itself back. Linux's `dma_alloc_coherent`.
    ///
    /// Its size is rounded up to pages. Any context if `gfp` has no `__GFP_DIRECT_RECLAIM`; otherwise one that may
    /// sleep. Flags that name a zone mean nothing: the device's mask says where memory may come from.
    ///
    /// # Errors
    ///
    /// [`CoherentError`]; nothing has changed then.
    pub fn alloc_coherent<'d>(
        &'d self,
        device: &'d Device,
        bytes: u32,
        gfp: Gfp,
    ) -> Result<Coherent<'d, 's, 'a, P, M, CPUS>, CoherentError> {
        let buffer = self.alloc_coherent_raw(device, bytes, gfp)?;
        Ok(Coherent { from: self, device, buffer })
    }

    /// As [`alloc_coherent`](Self::alloc_coherent), as addresses. The buffer is lost unless it is given back by
    /// [`free_coherent_raw`](Self::free_coherent_raw).
    ///
    /// # Errors
    ///
    /// As `alloc_coherent`.
    #[inline(always)]
    pub fn alloc_coherent_raw(
        &self,
        device: &Device,
        bytes: u32,
        gfp: Gfp,
    ) -> Result<CoherentBuffer, CoherentError> {
        let pages = bytes.wrapping_add(PAGE_SIZE - 1) / PAGE_SIZE;
        if pages > 0
            && !gfp.may_reclaim()
            && device.is_plain()
            && let Some(buffer) = self.take_from_pool(device, bytes, pages)
        {
            return Ok(buffer);
        }
        self.alloc_with_care(device, bytes, gfp)
    }

    #[inline(never)]
    fn alloc_with_care(
        &self,
        device: &Device,
        bytes: u32,
        gfp: Gfp,
    ) -> Result<CoherentBuffer, CoherentError> {
        let result = self.alloc_checked(device, bytes, gfp);
        match &result {
            Ok(buffer) if device.is_watched() => {
                let phys = device.phys(buffer.dma);
                let both = Direction::Bidirectional;
                self.watch_map(device, Kind::Coherent, phys, buffer.dma, bytes, both);
            }
            Ok(_) => {}
            Err(_) => device.note_refused(),
        }
        result
    }

    fn alloc_checked(
        &self,
        device: &Device,
        bytes: u32,
        gfp: Gfp,
    ) -> Result<CoherentBuffer, CoherentError> {
        if bytes == 0 {
            return Err(CoherentError::NoBytes);
        }
        let pages = bytes.div_ceil(PAGE_SIZE);
        if device.is_hardware_coherent() {
            return self.alloc_plain(device, bytes, pages, gfp);
        }
        if pages > self.region.pages() {
            let most = self.region.pages() * PAGE_SIZE;
            return Err(CoherentError::TooLarge { bytes, most });
        }
        if !gfp.may_reclaim() {
            let taken = self.take_from_pool(device, bytes, pages);
            return taken.ok_or_else(|| self.why_not_from_pool(device, bytes));
        }
        self.alloc_mapped(device, bytes, pages, gfp)
    }

    /// A buffer with a mapping of its own.
    fn alloc_mapped(
        &self,
        device: &Device,
        bytes: u32,
        pages: u32,
        gfp: Gfp,
    ) -> Result<CoherentBuffer, CoherentError> {
        let Some(page) = self.region.claim(pages) else {
            return Err(self.no_addresses(bytes));
        };
        let (run, from) = match self.take_frames(pages, Reach::new(device.coherent_reach()), gfp) {
            Ok(taken) => taken,
            Err(error) => {
                self.region.release(page, pages);
                return Err(error);
            }
        };
        let range = self.region.part(page, pages);
        self.map_uncached(range, run);
        self.machine.zero(range);
        // It is in reach, and that ends below 4 GiB.
        let phys = run.start().start().as_u64() as u32;
        self.region.set_record(page, Record::new(phys, pages, from));
        device.add_coherent(pages);
        Ok(CoherentBuffer { virt: range.start(), dma: device.dma(phys), bytes })
    }

    /// Frames in reach, side by side, that nothing maps, and where they came from.
    pub(super) fn take_frames(
        &self,
        pages: u32,
        reach: Reach,
        gfp: Gfp,
    ) -> Result<(PfnRange, From), CoherentError> {
        let gfp = gfp.difference(NOT_FOR_PAGES);
        if let Some(run) = self.take_high(pages, reach, gfp) {
            return Ok((run, From::HighMem));
        }
        // The highest zone that lies in reach as a whole; the page allocator goes on below it.
        let lowmem_end = self.pages.zone(ZoneKind::Normal).span().end();
        let zone = if lowmem_end <= reach.end() { Gfp::empty() } else { Gfp::__GFP_DMA };
        let run = self.take_section_pages(pages, reach, gfp | zone)?;
        Ok((run, From::Section))
    }

    /// A run of HighMem, if there is one in reach without much ado.
    fn take_high(&self, pages: u32, reach: Reach, gfp: Gfp) -> Option<PfnRange> {
        let high = self.pages.zone(ZoneKind::HighMem);
        if high.managed() == 0 || !reach.overlaps(high.span()) {
            return None;
        }
        let modest = Gfp::__GFP_HIGHMEM | Gfp::__GFP_NOWARN | Gfp::__GFP_NORETRY;
        let modest = gfp.difference(Gfp::__GFP_NOFAIL).union(modest);
        let run = self.pages.alloc_contig(modest, pages).ok()?;
        // The page allocator goes on in lowmem, where pages have cacheable mappings.
        let is_high = high.span().start() <= run.frames().start();
        (is_high && reach.holds(run.frames())).then(|| run.into_raw())
    }

    /// Maps frames that nothing maps at addresses that nothing is mapped at, and drops what caches hold of them.
    pub(super) fn map_uncached(&self, range: VirtRange, run: PfnRange) {
        let tables = self.machine.tables();
        let fresh = tables.map_run(range.start(), run, Prot::WRITE_COMBINE);
        tables.publish(fresh);
        self.machine.invalidate(range);
    }

    /// Ends what [`map_uncached`](Self::map_uncached) began. Out of line: inlined, its loops would have whoever calls it
    /// keep its own values on the stack.
    #[inline(never)]
    fn unmap_uncached(&self, range: VirtRange) {
        let tables = self.machine.tables();
        tables.flush(tables.clear(range));
    }

    /// A buffer for a device that looks into the caches: a block of lowmem.
    fn alloc_plain(
        &self,
        device: &Device,
        bytes: u32,
        pages: u32,
        gfp: Gfp,
    ) -> Result<CoherentBuffer, CoherentError> {
        let most = Order::MAX.bytes();
        let order = Order::for_pages(pages).ok_or(CoherentError::TooLarge { bytes, most })?;
        let reach = Reach::new(device.coherent_reach());
        let lowmem_end = self.pages.zone(ZoneKind::Normal).span().end();
        let zone = if lowmem_end <= reach.end() { Gfp::empty() } else { Gfp::__GFP_DMA };
        let gfp = gfp.difference(NOT_FOR_PAGES) | zone | Gfp::__GFP_ZERO;
        let no_memory = |error| CoherentError::NoMemory { bytes, error };
        let block = self.pages.alloc_pages(gfp, order).map_err(no_memory)?;
        let phys = block.pfn().start().as_u64() as u32;
        let virt = self.phys_to_linear(phys, bytes).filter(|_| reach.holds(block.frames()));
        let Some(virt) = virt else {
            let (memory, reach) = (block.phys(), reach.as_phys());
            return Err(CoherentError::OutOfReach { memory, reach });
        };
        let _ = block.into_raw();
        device.add_coherent(order.pages());
        Ok(CoherentBuffer { virt, dma: device.dma(phys), bytes })
    }

    /// Gives back a buffer, which must be one of this device.
    #[inline(always)]
    pub(super) fn free_coherent(
        &self,
        device: &Device,
        buffer: CoherentBuffer,
    ) -> Result<(), DmaFault> {
        let page = self.region.page_at(buffer.virt);
        let pages = buffer.bytes.wrapping_add(PAGE_SIZE - 1) / PAGE_SIZE;
        let phys = device.phys(buffer.dma);
        let record = Record::new(phys, pages, From::Pool);
        // One test for all of it.
        let odd = device.peculiarities() | Record::misfit(phys, pages);
        if odd == 0 && self.region.take_record(page, record) {
            self.pool.release(page, pages);
            return Ok(());
        }
        self.free_with_care(device, buffer)
    }

    #[inline(never)]
    fn free_with_care(&self, device: &Device, buffer: CoherentBuffer) -> Result<(), DmaFault> {
        let CoherentBuffer { dma, bytes, .. } = buffer;
        let freed = if device.is_hardware_coherent() {
            self.free_plain(device, buffer)
        } else {
            self.free_mapped(device, buffer)
        };
        match freed {
            Ok(()) if device.is_watched() => {
                self.watch_unmap(device, Kind::Coherent, dma, bytes, Direction::Bidirectional)
            }
            Ok(()) => Ok(()),
            Err(fault) => self.fault(device, fault),
        }
    }

    fn free_mapped(&self, device: &Device, buffer: CoherentBuffer) -> Result<(), DmaFault> {
        let CoherentBuffer { virt, dma, bytes } = buffer;
        let page = self.region.page_at(virt);
        let record = self.region.record(page);
        let no_buffer = DmaFault::NoBuffer { virt, bytes };
        let from = record.from().ok_or(no_buffer)?;
        let pages = record.pages();
        if bytes.div_ceil(PAGE_SIZE) != pages {
            return Err(DmaFault::WrongLength { virt, pages, bytes });
        }
        let is = device.dma(record.phys());
        if is != dma {
            return Err(DmaFault::WrongHandle { virt, is, said: dma });
        }
        if !self.region.take_record(page, record) {
            return Err(no_buffer);
        }
        if from == From::Pool {
            self.pool.release(page, pages);
            return Ok(());
        }
        self.unmap_uncached(self.region.part(page, pages));
        let run = PfnRange::new(record.pfn(), record.pfn().saturating_add(pages));
        if from == From::HighMem {
            // What can go wrong is somebody else's mistake, and the page allocator has reported it.
            let _ = self.pages.free_run(run);
        } else {
            self.sections.release(run);
        }
        self.region.release(page, pages);
        device.sub_coherent(pages);
        Ok(())
    }

    fn free_plain(&self, device: &Device, buffer: CoherentBuffer) -> Result<(), DmaFault> {
        let CoherentBuffer { virt, dma, bytes } = buffer;
        let no_buffer = DmaFault::NoBuffer { virt, bytes };
        let phys = self.linear_to_phys(virt, bytes).ok_or(no_buffer)?;
        let is = device.dma(phys);
        if is != dma {
            return Err(DmaFault::WrongHandle { virt, is, said: dma });
        }
        let order = Order::for_bytes(bytes).filter(|_| virt.is_aligned(PAGE_SIZE));
        let order = order.ok_or(no_buffer)?;
        // The page allocator knows whether such a block is out, and of which order.
        self.pages.free_block(Pfn::new(phys >> PAGE_SHIFT), order).map_err(|_| no_buffer)?;
        device.sub_coherent(order.pages());
        Ok(())
    }

    pub(super) fn no_addresses(&self, bytes: u32) -> CoherentError {
        let (free, largest) = self.region.free();
        CoherentError::NoAddresses {
            bytes,
            region: self.region.pages() * PAGE_SIZE,
            free: free * PAGE_SIZE,
            largest_free: largest * PAGE_SIZE,
        }
    }

    pub(super) fn region_usage(&self) -> Usage {
        let (free, largest) = self.region.free();
        Usage {
            bytes: self.region.pages() * PAGE_SIZE,
            in_use: (self.region.pages() - free) * PAGE_SIZE,
            largest_free: largest * PAGE_SIZE,
        }
    }
}

/// A coherent buffer that gives itself back: the ordinary way to have one.
///
/// The device must have been told to stop before it is dropped.
#[must_use = "the buffer is given back when it is dropped"]
pub struct Coherent<'d, 's, 'a, P: Lowmem, M: DmaMachine, const CPUS: usize = 1> {
    from: &'d DmaMemory<'s, 'a, P, M, CPUS>,
    device: &'d Device,
    buffer: CoherentBuffer,
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> Coherent<'_, '_, '_, P, M, CPUS> {
    /// Where the CPU sees it.
    #[must_use]
    pub const fn virt(&self) -> VirtAddr {
        self.buffer.virt
    }

    /// Where the device does.
    #[must_use]
    pub const fn dma(&self) -> DmaAddr {
        self.buffer.dma
    }

    /// Its length, as it was asked for.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.buffer.bytes
    }

    /// The addresses alone: the buffer stays allocated until
    /// [`free_coherent_raw`](DmaMemory::free_coherent_raw).
    #[must_use = "the buffer is lost unless somebody gives it back"]
    pub fn into_raw(self) -> CoherentBuffer {
        ManuallyDrop::new(self).buffer
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> Drop for Coherent<'_, '_, '_, P, M, CPUS> {
    fn drop(&mut self) {
        // What can go wrong has been reported.
        let _ = self.from.free_coherent(self.device, self.buffer);
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> fmt::Debug for Coherent<'_, '_, '_, P, M, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CoherentBuffer { virt, dma, bytes } = self.buffer;
        write!(f, "Coherent({bytes} bytes at {virt}, {dma})")
    }
}
