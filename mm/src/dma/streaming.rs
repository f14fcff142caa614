//! Streaming mappings: a buffer of ordinary, cacheable memory is a device's for a while.
//!
//! ```text
//! the CPU's ──map──▶ the device's ──unmap─────────▶ the CPU's
//!     ▲                  │  ▲
//!     └──sync_for_cpu────┘  └──sync_for_device── the CPU's, for a look in between
//! ```
//!
//! [`Direction`] has the table of what is done when. Nothing is allocated and nothing written down: a mapping is its
//! bus address, so a pair costs the maintenance of its lines. A buffer that the device does not reach is copied to one
//! that it does ([bounce](super::bounce)); frames of HighMem are maintained page by page.
//!
//! A line that a buffer holds only in part is written out before it is dropped, so its other bytes stay. But what a
//! CPU writes there while the device writes its part may be lost on either side: buffers that a device writes should
//! begin and end at a line, as `kmalloc`'s do.
//!
//! Context: any.

use core::fmt;
use core::mem::ManuallyDrop;

use super::address::DmaAddr;
use super::device::Device;
use super::direction::Direction;
use super::error::{DmaFault, MapError, NotInMapping};
use super::live::Kind;
use super::machine::DmaMachine;
use super::memory::DmaMemory;
use crate::addr::{
    PAGE_SHIFT, PAGE_SIZE, PHYS_LIMIT_32, Pfn, PhysAddr, PhysRange, VirtAddr, VirtRange,
};
use crate::platform::Lowmem;

/// So many bytes at `virt`, which do not wrap.
pub(super) const fn bytes_at(virt: VirtAddr, bytes: u32) -> VirtRange {
    VirtRange::new(virt, VirtAddr::new(virt.as_u32().wrapping_add(bytes)))
}

/// So many bytes at a physical address below 4 GiB.
pub(super) fn memory_at(phys: u32, bytes: u32) -> PhysRange {
    let start = PhysAddr::new(phys.into());
    PhysRange::new(start, start.saturating_add(bytes.into()))
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'_, '_, P, M, CPUS> {
    /// Makes a buffer of the linear map a device's.
    #[inline(always)]
    pub(super) fn map_linear(
        &self,
        device: &Device,
        virt: VirtAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<DmaAddr, MapError> {
        if let Some(phys) = self.linear_to_phys(virt, bytes)
            && device.streams(phys, bytes)
            && device.is_plain()
        {
            self.give_lines(bytes_at(virt, bytes), direction);
            return Ok(device.dma(phys));
        }
        self.map_linear_with_care(device, virt, bytes, direction)
    }

    #[inline(never)]
    fn map_linear_with_care(
        &self,
        device: &Device,
        virt: VirtAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<DmaAddr, MapError> {
        let result = match self.linear_to_phys(virt, bytes) {
            Some(phys) => self.map_phys(device, Kind::Single, phys, bytes, direction),
            None if bytes == 0 => Err(MapError::NoBytes),
            None => Err(MapError::NotLinear { virt, bytes }),
        };
        result.inspect_err(|_| device.note_refused())
    }

    /// Makes part of a row of frames a device's.
    pub(super) fn map_frames(
        &self,
        device: &Device,
        first: Pfn,
        offset: u32,
        bytes: u32,
        direction: Direction,
    ) -> Result<DmaAddr, MapError> {
        let start = first.start().saturating_add(offset.into());
        let memory = PhysRange::new(start, start.saturating_add(bytes.into()));
        let result = match start.as_u32() {
            _ if bytes == 0 => Err(MapError::NoBytes),
            Some(phys) if memory.end() <= PHYS_LIMIT_32 && self.is_memory(memory) => {
                self.map_phys(device, Kind::Page, phys, bytes, direction)
            }
            _ => Err(MapError::NotMemory { memory }),
        };
        result.inspect_err(|_| device.note_refused())
    }

    /// Is each frame of it memory that the page allocator knows?
    fn is_memory(&self, memory: PhysRange) -> bool {
        let frames = memory.covering_pages().whole_frames();
        frames.iter().all(|pfn| self.pages.frames().get(pfn).is_some())
    }

    fn map_phys(
        &self,
        device: &Device,
        kind: Kind,
        phys: u32,
        bytes: u32,
        direction: Direction,
    ) -> Result<DmaAddr, MapError> {
        let dma = if device.streams(phys, bytes) {
            if !device.is_hardware_coherent() {
                self.for_each_piece(phys, bytes, |piece| self.give_lines(piece, direction));
            }
            device.dma(phys)
        } else {
            self.map_bounced(device, phys, bytes)?
        };
        if device.is_watched() {
            self.watch_map(device, kind, phys, dma, bytes, direction);
        }
        Ok(dma)
    }

    /// A buffer is the CPU's again, for good.
    #[inline(always)]
    pub(super) fn unmap(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        let phys = device.phys(dma);
        if device.is_plain() && !self.bounce.has(phys) {
            if direction.device_writes() {
                self.take_back(phys, bytes);
            }
            return Ok(());
        }
        self.unmap_with_care(device, dma, bytes, direction)
    }

    #[inline(never)]
    fn unmap_with_care(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        let phys = device.phys(dma);
        let watched = if device.is_watched() {
            self.watch_unmap(device, Kind::Single, dma, bytes, direction)
        } else {
            Ok(())
        };
        if matches!(watched, Err(DmaFault::NotMapped { .. })) {
            return watched;
        }
        if self.bounce.has(phys) {
            return self.unmap_bounced(device, dma, bytes, direction).and(watched);
        }
        if direction.device_writes() && !device.is_hardware_coherent() {
            self.take_back(phys, bytes);
        }
        watched
    }

    /// The CPU looks at what the device wrote; the mapping stays.
    pub(super) fn give_to_cpu(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        let phys = device.phys(dma);
        self.watch_sync(device, dma, bytes, direction)?;
        if !direction.device_writes() {
            return Ok(());
        }
        if self.bounce.has(phys) {
            return self.copy_out(device, dma, bytes);
        }
        if !device.is_hardware_coherent() {
            self.take_back(phys, bytes);
        }
        Ok(())
    }

    /// The device sees what the CPU wrote; the mapping stays.
    pub(super) fn give_to_device(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        let phys = device.phys(dma);
        self.watch_sync(device, dma, bytes, direction)?;
        if self.bounce.has(phys) {
            return self.copy_in(device, dma, bytes, direction);
        }
        if !device.is_hardware_coherent() {
            self.for_each_piece(phys, bytes, |piece| self.give_lines(piece, direction));
        }
        Ok(())
    }

    /// Before the device has them: what CPUs wrote is in memory, or no line is left that could be written over what
    /// the device writes.
    #[inline(always)]
    pub(super) fn give_lines(&self, range: VirtRange, direction: Direction) {
        match direction {
            Direction::FromDevice => self.machine.invalidate(range),
            Direction::ToDevice | Direction::Bidirectional => self.machine.clean(range),
        }
    }

    /// After the device had them: no line is left that was read while it wrote.
    fn take_back(&self, phys: u32, bytes: u32) {
        self.for_each_piece(phys, bytes, |piece| self.machine.invalidate(piece));
    }

    /// Runs `f` on each piece of memory that has addresses in a row: all of it, if it is in the linear map; else page
    /// by page. It stops where memory ends.
    #[inline]
    pub(super) fn for_each_piece(&self, phys: u32, bytes: u32, mut f: impl FnMut(VirtRange)) {
        if let Some(virt) = self.phys_to_linear(phys, bytes) {
            return f(bytes_at(virt, bytes));
        }
        self.for_each_page(phys, bytes, &mut f);
    }

    #[inline(never)]
    fn for_each_page(&self, phys: u32, bytes: u32, f: &mut dyn FnMut(VirtRange)) {
        let (mut phys, mut left) = (phys, bytes);
        while left > 0 {
            let inside = phys % PAGE_SIZE;
            let len = left.min(PAGE_SIZE - inside);
            if let Some(virt) = self.phys_to_linear(phys, len) {
                f(bytes_at(virt, len));
            } else {
                let pfn = Pfn::new(phys >> PAGE_SHIFT);
                if self.pages.frames().get(pfn).is_none() {
                    return;
                }
                self.machine.with_page(pfn, |page| {
                    f(bytes_at(VirtAddr::new(page.as_u32() + inside), len));
                });
            }
            left -= len;
            phys = phys.wrapping_add(len);
        }
    }
}

/// A buffer that is a device's, until it is unmapped: at the latest when this is dropped.
///
/// The device must have been told to stop before that.
#[must_use = "the buffer is unmapped when it is dropped"]
pub struct Mapping<'d, 's, 'a, P: Lowmem, M: DmaMachine, const CPUS: usize = 1> {
    pub(super) of: &'d DmaMemory<'s, 'a, P, M, CPUS>,
    pub(super) device: &'d Device,
    pub(super) dma: DmaAddr,
    pub(super) bytes: u32,
    pub(super) direction: Direction,
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> Mapping<'_, '_, '_, P, M, CPUS> {
    /// What the device is told.
    #[must_use]
    pub const fn dma(&self) -> DmaAddr {
        self.dma
    }

    /// How long it is.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Which way the transfer goes.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The device has stopped: the buffer is the CPU's again. Linux's `dma_unmap_single`.
    #[inline(always)]
    pub fn unmap(self) {
        drop(self);
    }

    /// The CPU may look at `bytes` bytes from `offset` on. Linux's `dma_sync_single_for_cpu`.
    ///
    /// # Errors
    ///
    /// [`NotInMapping`] when they are not all in the mapping; nothing has changed then.
    pub fn sync_for_cpu(&self, offset: u32, bytes: u32) -> Result<(), NotInMapping> {
        let dma = self.part(offset, bytes)?;
        // What can go wrong has been reported.
        let _ = self.of.give_to_cpu(self.device, dma, bytes, self.direction);
        Ok(())
    }

    /// The device may have `bytes` bytes from `offset` on again. Linux's `dma_sync_single_for_device`.
    ///
    /// # Errors
    ///
    /// As [`sync_for_cpu`](Self::sync_for_cpu).
    pub fn sync_for_device(&self, offset: u32, bytes: u32) -> Result<(), NotInMapping> {
        let dma = self.part(offset, bytes)?;
        // What can go wrong has been reported.
        let _ = self.of.give_to_device(self.device, dma, bytes, self.direction);
        Ok(())
    }

    fn part(&self, offset: u32, bytes: u32) -> Result<DmaAddr, NotInMapping> {
        let is_inside = offset <= self.bytes && bytes <= self.bytes - offset;
        let part = if is_inside { self.dma.checked_add(offset) } else { None };
        part.ok_or(NotInMapping { offset, bytes, mapped: self.bytes })
    }

    /// The bus address alone: the buffer stays mapped until
    /// [`unmap_raw`](DmaMemory::unmap_raw).
    #[must_use = "the buffer stays mapped unless somebody unmaps it"]
    pub fn into_raw(self) -> DmaAddr {
        ManuallyDrop::new(self).dma
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> Drop for Mapping<'_, '_, '_, P, M, CPUS> {
    #[inline(always)]
    fn drop(&mut self) {
        // What can go wrong has been reported.
        let _ = self.of.unmap(self.device, self.dma, self.bytes, self.direction);
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> fmt::Debug for Mapping<'_, '_, '_, P, M, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dma, bytes, direction, .. } = self;
        write!(f, "Mapping({bytes} bytes at {dma}, {direction})")
    }
}
