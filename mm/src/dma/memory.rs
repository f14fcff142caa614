//! All DMA memory of a machine: the region and what is mapped there, the pools, and the devices.
//!
//! ```text
//!              may wait? ──yes──▶ [region] addresses ─▶ HighMem, or [sections] ─▶ mapped uncached
//! alloc_coherent │
//!                └─no──▶ [atomic_pool] mapped uncached since boot
//!
//! map_single ─▶ in the linear map? in reach? ──yes──▶ maintain its lines
//!                                    └─no──▶ [bounce] copy, and maintain the copy's
//! ```
//!
//! Nothing here takes a lock, but for the list of devices and that of watched mappings: what is handed out is
//! claimed by a compare-and-swap. Under those two nothing foreign is called.

use arrayvec::ArrayVec;

use super::atomic_pool::AtomicPool;
use super::bounce::Bounce;
use super::debug::Watch;
use super::device::Device;
use super::error::DmaFault;
use super::figures::DmaFigures;
use super::live::Watching;
use super::machine::DmaMachine;
use super::region::Region;
use super::sections::Sections;
use crate::addr::{PHYS_LIMIT_32, PhysRange, VirtAddr, VirtRange};
use crate::map::linear::LinearMap;
use crate::map::{Mmu, NoTable};
use crate::object::SlabAllocator;
use crate::platform::{Lowmem, Report};
use crate::sync::Lock;
use crate::zone::{Gfp, PageAllocator};

/// How many devices can be attached at a time.
pub const MAX_DEVICES: usize = 64;

/// Those that are attached, by their numbers.
type Devices<'s> = ArrayVec<(u32, &'s Device), MAX_DEVICES>;

/// There is no place for one more device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyDevices;

impl core::fmt::Display for TooManyDevices {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "there are {MAX_DEVICES} devices that do DMA already")
    }
}

impl core::error::Error for TooManyDevices {}

/// The DMA memory of a machine `M` with `CPUS` CPUs.
///
/// What the quick paths look at comes first, where an offset fits an instruction.
#[repr(C)]
pub struct DmaMemory<'s, 'a, P, M, const CPUS: usize = 1> {
    /// The linear map, as words: its first address, its bytes below 4 GiB, and what is added to an address of it,
    /// modulo 4 GiB.
    page_offset: u32,
    lowmem_bytes: u32,
    to_phys: u32,
    pub(super) bounce: Bounce,
    pub(super) machine: &'s M,
    pub(super) pool: AtomicPool,
    pub(super) region: Region,
    pub(super) pages: &'s PageAllocator<'a, P, CPUS>,
    pub(super) slabs: &'s SlabAllocator<'s, 'a, P, CPUS>,
    pub(super) sections: Sections,
    pub(super) watch: Watch,
    devices: Lock<Devices<'s>>,
}

impl<'s, 'a, P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'s, 'a, P, M, CPUS> {
    /// DMA memory whose uncached addresses are `region`, without pools. Boot only. `linear` is where the pages of lowmem
    /// are mapped.
    ///
    /// # Errors
    ///
    /// [`NoTable`] when there is no memory for the region's tables, which are held for good.
    pub fn new(
        region: VirtRange,
        linear: LinearMap,
        pages: &'s PageAllocator<'a, P, CPUS>,
        slabs: &'s SlabAllocator<'s, 'a, P, CPUS>,
        machine: &'s M,
        watching: Watching,
    ) -> Result<Self, NoTable> {
        let region = Region::new(region);
        machine.tables().hold_tables(region.range(), Gfp::GFP_KERNEL)?;
        let low = PhysRange::new(linear.lowmem().start(), linear.lowmem().end().min(PHYS_LIMIT_32));
        let start = linear.phys_to_virt(low.start()).unwrap_or_default().as_u32();
        // All of it has addresses: fewer than 4 GiB.
        let bytes = u32::try_from(low.len()).unwrap_or(u32::MAX).min(u32::MAX - start);
        Ok(Self {
            page_offset: start,
            lowmem_bytes: bytes,
            to_phys: (low.start().as_u64() as u32).wrapping_sub(start),
            bounce: Bounce::none(),
            machine,
            pool: AtomicPool::none(),
            region,
            pages,
            slabs,
            sections: Sections::new(),
            watch: Watch::new(watching),
            devices: Lock::new(ArrayVec::new()),
        })
    }

    /// The physical address of `bytes` bytes at `virt`; `None` unless there is one at least, and all of them are in the
    /// linear map.
    #[inline(always)]
    pub(super) const fn linear_to_phys(&self, virt: VirtAddr, bytes: u32) -> Option<u32> {
        let offset = virt.as_u32().wrapping_sub(self.page_offset);
        if offset < self.lowmem_bytes && bytes.wrapping_sub(1) < self.lowmem_bytes - offset {
            Some(virt.as_u32().wrapping_add(self.to_phys))
        } else {
            None
        }
    }

    /// The reverse.
    #[inline(always)]
    pub(super) const fn phys_to_linear(&self, phys: u32, bytes: u32) -> Option<VirtAddr> {
        let virt = VirtAddr::new(phys.wrapping_sub(self.to_phys));
        match self.linear_to_phys(virt, bytes) {
            Some(_) => Some(virt),
            None => None,
        }
    }

    /// Lists a device in reports, and watches its mappings if that is wanted. Before its first mapping.
    ///
    /// # Errors
    ///
    /// [`TooManyDevices`] when there are [`MAX_DEVICES`]. It can be used all the same.
    pub fn attach(&self, device: &'s Device) -> Result<(), TooManyDevices> {
        let id = self.with_devices(|devices| {
            let is_free = |id: &u32| devices.iter().all(|(other, _)| other != id);
            let id = (1..=MAX_DEVICES as u32).find(is_free)?;
            devices.try_push((id, device)).ok().map(|()| id)
        });
        let id = id.ok_or(TooManyDevices)?;
        device.set_id(id);
        if self.watch.is_on() {
            device.watch();
        }
        Ok(())
    }

    /// A device goes: reports what it leaves behind, and forgets it.
    ///
    /// # Errors
    ///
    /// The first [`DmaFault`] that was reported: mappings, or coherent memory, which is lost.
    pub fn detach(&self, device: &'s Device) -> Result<(), DmaFault> {
        self.with_devices(|devices| {
            devices.retain(|(_, other)| !core::ptr::eq(*other, device));
        });
        let mut result = Ok(());
        if device.is_watched() {
            device.watch_no_more();
            result = self.forget_mappings(device);
        }
        let bytes = device.figures().coherent_bytes;
        if bytes > 0 {
            result = result.and(self.fault(device, DmaFault::CoherentLeft { bytes }));
        }
        device.set_id(0);
        result
    }

    /// The attached devices.
    pub fn devices(&self) -> impl Iterator<Item = &'s Device> {
        (0..MAX_DEVICES).map_while(|index| {
            self.with_devices(|devices| devices.get(index).map(|(_, device)| *device))
        })
    }

    /// The attached device with this number.
    pub fn device(&self, id: u32) -> Option<&'s Device> {
        self.with_devices(|devices| {
            devices.iter().find(|(other, _)| *other == id).map(|(_, device)| *device)
        })
    }

    /// Runs something short under the lock of the list.
    fn with_devices<R>(&self, run: impl FnOnce(&mut Devices<'s>) -> R) -> R {
        let platform = self.pages.platform();
        let _masked = platform.mask();
        let mut devices = self.devices.lock(|| platform.contended());
        run(&mut devices)
    }

    /// Somebody did something wrong with DMA memory of this device.
    #[cold]
    pub(super) fn fault(&self, device: &Device, fault: DmaFault) -> Result<(), DmaFault> {
        self.pages.platform().report(&Report::Dma { device: device.name(), fault });
        Err(fault)
    }

    /// The figures as they are now.
    #[must_use]
    pub fn figures(&self) -> DmaFigures {
        DmaFigures {
            region: self.region.range(),
            usage: self.region_usage(),
            sections: self.section_figures(),
            pool: self.pool.figures(),
            bounce: self.bounce.figures(),
            watched: self.watched(),
        }
    }
}
