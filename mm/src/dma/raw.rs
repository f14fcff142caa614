//! Streaming mappings and coherent buffers by their addresses: for drivers, whose duties these are, and for C.
//!
//! To map a buffer for a device that writes drops its lines from the caches, and what CPUs wrote into them: who names
//! the wrong bytes loses somebody else's. So each call says what it relies on.
//!
//! Context: any. Sizes are bytes, and addresses need no alignment.
#![expect(unsafe_code, reason = "the duties of who hands memory to a device by its address")]

use super::address::DmaAddr;
use super::coherent::CoherentBuffer;
use super::device::Device;
use super::direction::Direction;
use super::error::{DmaFault, MapError};
use super::machine::DmaMachine;
use super::memory::DmaMemory;
use super::pool::{DmaPool, PoolBlock};
use super::streaming::Mapping;
use crate::addr::{Pfn, VirtAddr};
use crate::platform::Lowmem;

impl<'s, 'a, P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'s, 'a, P, M, CPUS> {
    /// Makes `bytes` bytes at `virt`, of the linear map, the device's. Linux's `dma_map_single`.
    ///
    /// # Errors
    ///
    /// [`MapError`]; nothing has changed then.
    ///
    /// # Safety
    ///
    /// 1. The bytes are the caller's, and nobody reads or writes them until the mapping ends, except between
    ///    `sync_for_cpu` and `sync_for_device`.
    /// 2. If the device writes, all of them count as written by it: what they held is lost.
    #[inline(always)]
    pub unsafe fn map_single<'d>(
        &'d self,
        device: &'d Device,
        virt: VirtAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<Mapping<'d, 's, 'a, P, M, CPUS>, MapError> {
        let dma = self.map_linear(device, virt, bytes, direction)?;
        Ok(Mapping { of: self, device, dma, bytes, direction })
    }

    /// As [`map_single`](Self::map_single), as a bus address. Ends with [`unmap_raw`](Self::unmap_raw).
    ///
    /// # Errors
    ///
    /// As `map_single`.
    ///
    /// # Safety
    ///
    /// As `map_single`.
    #[inline]
    pub unsafe fn map_single_raw(
        &self,
        device: &Device,
        virt: VirtAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<DmaAddr, MapError> {
        self.map_linear(device, virt, bytes, direction)
    }

    /// Makes `bytes` bytes from byte `offset` of the frame `first` on the device's; they may go on in the frames behind
    /// it, mapped or not. Linux's `dma_map_page`.
    ///
    /// # Errors
    ///
    /// [`MapError`]; nothing has changed then.
    ///
    /// # Safety
    ///
    /// As [`map_single`](Self::map_single).
    pub unsafe fn map_page<'d>(
        &'d self,
        device: &'d Device,
        first: Pfn,
        offset: u32,
        bytes: u32,
        direction: Direction,
    ) -> Result<Mapping<'d, 's, 'a, P, M, CPUS>, MapError> {
        let dma = self.map_frames(device, first, offset, bytes, direction)?;
        Ok(Mapping { of: self, device, dma, bytes, direction })
    }

    /// As [`map_page`](Self::map_page), as a bus address. Ends with [`unmap_raw`](Self::unmap_raw).
    ///
    /// # Errors
    ///
    /// As `map_page`.
    ///
    /// # Safety
    ///
    /// As `map_page`.
    pub unsafe fn map_page_raw(
        &self,
        device: &Device,
        first: Pfn,
        offset: u32,
        bytes: u32,
        direction: Direction,
    ) -> Result<DmaAddr, MapError> {
        self.map_frames(device, first, offset, bytes, direction)
    }

    /// Makes a buffer the CPU's again. Linux's `dma_unmap_single` and `dma_unmap_page`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`], which has been reported.
    ///
    /// # Safety
    ///
    /// 1. The mapping was made for this device by [`map_single_raw`](Self::map_single_raw),
    ///    [`map_page_raw`](Self::map_page_raw) or [`Mapping::into_raw`], with this length and direction, and was not
    ///    unmapped since.
    /// 2. The device has stopped using it.
    #[inline]
    pub unsafe fn unmap_raw(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        self.unmap(device, dma, bytes, direction)
    }

    /// The CPU may look at a part of a mapping, which begins at `dma`. Linux's `dma_sync_single_for_cpu`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`], which has been reported; nothing has changed then.
    ///
    /// # Safety
    ///
    /// 1. The part lies in a mapping that was made for this device with this direction, and lives.
    /// 2. The device does not write to the part now.
    pub unsafe fn sync_for_cpu_raw(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        self.give_to_cpu(device, dma, bytes, direction)
    }

    /// The device may have a part of a mapping again, which begins at `dma`. Linux's `dma_sync_single_for_device`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`], which has been reported; nothing has changed then.
    ///
    /// # Safety
    ///
    /// 1. The part lies in a mapping that was made for this device with this direction, and lives.
    /// 2. Duties 1 and 2 of [`map_single`](Self::map_single), for the part.
    pub unsafe fn sync_for_device_raw(
        &self,
        device: &Device,
        dma: DmaAddr,
        bytes: u32,
        direction: Direction,
    ) -> Result<(), DmaFault> {
        self.give_to_device(device, dma, bytes, direction)
    }

    /// Gives back a coherent buffer. Any context. Linux's `dma_free_coherent`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] when there is no such buffer, or it has another length or bus address. Nothing has changed then,
    /// and the fault has been reported.
    ///
    /// # Safety
    ///
    /// 1. The buffer came from [`alloc_coherent_raw`](Self::alloc_coherent_raw) or
    ///    [`Coherent::into_raw`](super::coherent::Coherent::into_raw), for this device, and was not given back since.
    /// 2. Nobody reads or writes it from now on. That includes the device.
    #[inline]
    pub unsafe fn free_coherent_raw(
        &self,
        device: &Device,
        buffer: CoherentBuffer,
    ) -> Result<(), DmaFault> {
        self.free_coherent(device, buffer)
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> DmaPool<'_, '_, '_, P, M, CPUS> {
    /// Gives back a block. Any context. Linux's `dma_pool_free`.
    ///
    /// # Errors
    ///
    /// [`DmaFault`] when there is no such block, or it is free. Nothing has changed then, and the fault has been
    /// reported.
    ///
    /// # Safety
    ///
    /// 1. The block is one of this pool's that the caller has, and was not given back since.
    /// 2. Nobody reads or writes it from now on. That includes the device.
    pub unsafe fn free(&self, block: PoolBlock) -> Result<(), DmaFault> {
        self.give_back(block)
    }
}
