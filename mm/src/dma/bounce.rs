//! Bouncing: a buffer that the device does not reach is copied to one that it does.
//!
//! The pool is a run of lowmem, cut into slots of 2 KiB; a mapping has as many as it needs, side by side. Each slot
//! knows which memory it stands for, so that a part of a mapping can be synchronised.
//!
//! | | to device | from device | bidirectional |
//! |---|---|---|---|
//! | map | copy in, clean | copy in, clean | copy in, clean |
//! | sync_for_device | copy in, clean | | copy in, clean |
//! | sync_for_cpu, unmap | | invalidate, copy out | invalidate, copy out |
//!
//! A buffer that the device is to fill is copied in as well: the device may write less than all of it, and then what
//! comes out must be what the buffer held, and not what the slots held of somebody else's. Linux's `swiotlb` does the same.
//!
//! Context: any. There is no lock: slots are claimed by a compare-and-swap, and their records are their owner's.

use core::array;

use super::address::DmaAddr;
use super::bits::AtomicBits;
use super::device::{Device, Reach};
use super::direction::Direction;
use super::error::{BounceError, DmaFault, MapError};
use super::figures::{BounceFigures, Usage};
use super::machine::DmaMachine;
use super::memory::DmaMemory;
use super::streaming::{bytes_at, memory_at};
use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};
use crate::platform::Lowmem;
use crate::sync::{AtomicU32, Ordering::Relaxed};
use crate::zone::{Gfp, ZoneKind};

/// Bytes of a slot: `swiotlb`'s.
pub const SLOT: u32 = 2048;
/// Slots that a pool has at most.
pub const MAX_SLOTS: u32 = 256;
/// Slots of one mapping at most: 256 KiB, as `swiotlb`.
const MAPPING_SLOTS: u32 = 128;

/// Set in a length: a mapping begins at this slot.
const FIRST: u32 = 1 << 31;

/// What a slot stands for.
struct Slot {
    /// The physical address that its first byte stands for.
    origin: AtomicU32,
    /// The bytes of the mapping from here on, with [`FIRST`]; 0 of a free slot.
    bytes: AtomicU32,
}

/// The pool.
pub(super) struct Bounce {
    /// Its first physical address.
    phys: u32,
    /// Its bytes; 0 if there is none.
    bytes: u32,
    /// Its address in the linear map.
    virt: VirtAddr,
    bits: AtomicBits<{ (MAX_SLOTS / 32) as usize }>,
    slots: [Slot; MAX_SLOTS as usize],
}

/// A part of a bounced mapping.
#[derive(Clone, Copy)]
struct Part {
    /// The slot that it begins in.
    slot: u32,
    /// What it stands for.
    origin: u32,
    /// Where it is.
    range: VirtRange,
}

impl Bounce {
    /// No pool.
    pub(super) fn none() -> Self {
        let slot = |_| Slot { origin: AtomicU32::new(0), bytes: AtomicU32::new(0) };
        Self {
            phys: 0,
            bytes: 0,
            virt: VirtAddr::new(0),
            bits: AtomicBits::none(),
            slots: array::from_fn(slot),
        }
    }

    /// Does the pool hold this physical address?
    #[inline(always)]
    pub(super) const fn has(&self, phys: u32) -> bool {
        phys.wrapping_sub(self.phys) < self.bytes
    }

    fn range(&self, offset: u32, bytes: u32) -> VirtRange {
        bytes_at(VirtAddr::new(self.virt.as_u32() + offset), bytes)
    }

    /// The part at a physical address of the pool, if so many bytes of one mapping are there.
    fn part(&self, phys: u32, bytes: u32) -> Option<Part> {
        let offset = phys.wrapping_sub(self.phys);
        let (index, inside) = (offset / SLOT, offset % SLOT);
        let slot = self.slots.get(index as usize)?;
        let left = (slot.bytes.load(Relaxed) & !FIRST).checked_sub(inside)?;
        let origin = slot.origin.load(Relaxed) + inside;
        (bytes <= left).then(|| Part { slot: index, origin, range: self.range(offset, bytes) })
    }

    /// Does a mapping of just this length begin at this part?
    fn is_mapping(&self, part: &Part, bytes: u32) -> bool {
        let slot = &self.slots[part.slot as usize];
        part.range.start().is_aligned(SLOT) && slot.bytes.load(Relaxed) == bytes | FIRST
    }

    /// Slots for so many bytes at `origin`.
    fn claim(&self, origin: u32, bytes: u32) -> Option<u32> {
        let slots = bytes.div_ceil(SLOT);
        let start = self.bits.claim(slots)?;
        for (index, slot) in (0..slots).zip(self.slots.iter().skip(start as usize)) {
            let done = index * SLOT;
            slot.origin.store(origin + done, Relaxed);
            let first = if index == 0 { FIRST } else { 0 };
            slot.bytes.store((bytes - done) | first, Relaxed);
        }
        Some(self.phys + start * SLOT)
    }

    fn release(&self, first: u32, bytes: u32) {
        let slots = bytes.div_ceil(SLOT);
        for slot in self.slots.iter().skip(first as usize).take(slots as usize) {
            slot.bytes.store(0, Relaxed);
        }
        self.bits.release(first, slots);
    }

    fn usage(&self) -> Usage {
        let slots = self.bytes / SLOT;
        let free = self.bits.free(slots);
        Usage {
            bytes: self.bytes,
            in_use: (slots - free) * SLOT,
            largest_free: self.bits.largest_free() * SLOT,
        }
    }

    pub(super) fn figures(&self) -> Option<BounceFigures> {
        let memory = memory_at(self.phys, self.bytes);
        (self.bytes > 0).then(|| BounceFigures { memory, usage: self.usage() })
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'_, '_, P, M, CPUS> {
    /// Makes the bounce pool, of whole pages of `reach`: that of the device which reaches least, or the DMA zone. Boot
    /// only, before the first mapping; a second call changes nothing.
    ///
    /// # Errors
    ///
    /// [`BounceError`]; there is no pool then, and what a device does not reach is refused.
    pub fn make_bounce_pool(
        &mut self,
        bytes: u32,
        reach: crate::addr::PhysRange,
    ) -> Result<(), BounceError> {
        if bytes == 0 || self.bounce.bytes > 0 {
            return Ok(());
        }
        let most = MAX_SLOTS * SLOT;
        if bytes > most {
            return Err(BounceError::TooLarge { bytes, most });
        }
        let reach = Reach::new(reach);
        let lowmem_end = self.pages.zone(ZoneKind::Normal).span().end();
        let zone = if lowmem_end <= reach.end() { Gfp::empty() } else { Gfp::__GFP_DMA };
        let pages = bytes.div_ceil(PAGE_SIZE);
        let run = self
            .pages
            .alloc_contig(Gfp::GFP_KERNEL | zone, pages)
            .map_err(|error| BounceError::NoMemory { bytes, error })?;
        let (phys, bytes) = (run.phys().start().as_u64() as u32, pages * PAGE_SIZE);
        let virt = self.phys_to_linear(phys, bytes).filter(|_| reach.holds(run.frames()));
        let Some(virt) = virt else {
            let (memory, reach) = (run.phys(), reach.as_phys());
            return Err(BounceError::OutOfReach { memory, reach });
        };
        let _ = run.into_raw();
        let slots = bytes / SLOT;
        self.bounce = Bounce { phys, bytes, virt, bits: AtomicBits::new(slots), ..Bounce::none() };
        Ok(())
    }

    /// Maps a copy of a buffer that the device does not reach.
    #[cold]
    #[inline(never)]
    pub(super) fn map_bounced(
        &self,
        device: &Device,
        origin: u32,
        bytes: u32,
    ) -> Result<DmaAddr, MapError> {
        let pool = &self.bounce;
        let most = MAPPING_SLOTS * SLOT;
        if pool.bytes == 0 || !device.streams(pool.phys, pool.bytes) {
            let (memory, reach) = (memory_at(origin, bytes), device.streaming_reach());
            return Err(MapError::OutOfReach { memory, reach });
        }
        if bytes > most {
            return Err(MapError::TooLongToBounce { bytes, most });
        }
        let Some(phys) = pool.claim(origin, bytes) else {
            let Usage { bytes: all, in_use, largest_free } = pool.usage();
            let free = all - in_use;
            return Err(MapError::BounceExhausted { bytes, pool: all, free, largest_free });
        };
        let range = pool.range(phys - pool.phys, bytes);
        self.fill_slots(origin, range);
        self.show_slots(device, range);
        device.note_bounced();
        Ok(device.dma(phys))
    }

    /// Ends a bounced mapping.
    pub(super) fn unmap_bounced(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        let part = self.bounce.part(device.phys(dma), bytes);
        match part.filter(|part| self.bounce.is_mapping(part, bytes)) {
            Some(part) => {
                if direction.device_writes() {
                    self.empty_slots(device, part);
                }
                self.bounce.release(part.slot, bytes);
                Ok(())
            }
            None => self.fault(device, DmaFault::NotBounced { dma, bytes }),
        }
    }

    /// Copies out what the device wrote to a part of a mapping.
    pub(super) fn copy_out(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
    ) -> Result<(), DmaFault> {
        match self.bounce.part(device.phys(dma), bytes) {
            Some(part) => {
                self.empty_slots(device, part);
                Ok(())
            }
            None => self.fault(device, DmaFault::NotBounced { dma, bytes }),
        }
    }

    /// Copies what the CPU wrote to a part of a mapping where the device reads it.
    pub(super) fn copy_in(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        let Some(part) = self.bounce.part(device.phys(dma), bytes) else {
            return self.fault(device, DmaFault::NotBounced { dma, bytes });
        };
        // What the device is to write over is left alone: no CPU has written to the slots since they were cleaned.
        if direction.device_reads() {
            self.fill_slots(part.origin, part.range);
            self.show_slots(device, part.range);
        }
        Ok(())
    }

    fn fill_slots(&self, origin: u32, range: VirtRange) {
        let mut to = range.start().as_u32();
        self.for_each_piece(origin, range.len(), |piece| {
            self.machine.copy(piece.start(), VirtAddr::new(to), piece.len());
            to += piece.len();
        });
    }

    /// What was copied in is where the device sees it.
    fn show_slots(&self, device: &Device, range: VirtRange) {
        if !device.is_hardware_coherent() {
            self.machine.clean(range);
        }
    }

    fn empty_slots(&self, device: &Device, part: Part) {
        if !device.is_hardware_coherent() {
            self.machine.invalidate(part.range);
        }
        let mut from = part.range.start().as_u32();
        self.for_each_piece(part.origin, part.range.len(), |piece| {
            self.machine.copy(VirtAddr::new(from), piece.start(), piece.len());
            from += piece.len();
        });
    }
}
