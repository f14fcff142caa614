//! Disks: sectors are read and written, one request at a time, through a buffer of the disk's own.
//!
//! The data goes through ordinary, cacheable memory that is mapped for the device for each request: pages of HighMem
//! if there are any, which have no address but one of `vmap`, and so the streaming mappings of all kinds are at work
//! here. Head and status of a request are coherent memory.
//!
//! A device that does not answer in time keeps its buffers for ever: it may still write to them. The disk is out of
//! use from then on.
#![expect(unsafe_code, reason = "a device's buffer becomes a slice again")]

use core::fmt;
use core::hint::spin_loop;
use core::mem;
use core::slice;

use arch_arm::barrier;
use arrayvec::ArrayVec;
use mm::addr::{Order, PAGE_SIZE, Pfn, VirtAddr};
use mm::dma::{Coherent, CoherentError, Device, Direction, MapError};
use mm::map::Prot;
use mm::map::vmalloc::VmallocError;
use mm::zone::{AllocError, Gfp, PageBlock};
use virtio_drivers::device::blk::{BlkReq, BlkResp, SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::transport::mmio::MmioTransport;

use super::BOOT;
use super::hal::{self, DmaHal};
use super::transport::Ordered;
use crate::dma::{Dma, DmaHardware};
use crate::interrupts::tick;
use crate::kmap;
use crate::pages::Pages;
use crate::platform::Hardware;
use crate::vmalloc::Vmalloc;

/// Bytes of a sector: of any disk, whatever its blocks are.
pub const SECTOR: u32 = SECTOR_SIZE as u32;
/// The block that a disk's buffer is: 64 KiB.
const BUFFER_ORDER: Order = match Order::new(4) {
    Some(order) => order,
    None => Order::ZERO,
};
/// Sectors of one request at most.
pub const MOST: u32 = BUFFER_ORDER.bytes() / SECTOR;
/// Sectors that have a number: a word. Of a larger disk those behind are out of reach.
const NUMBERED: u64 = 1 << u32::BITS;
/// A device that has not answered for so long does not.
const SECONDS: u64 = 10;
/// So many looks where there is no clock.
const LOOKS: u32 = 1 << 28;
/// Where the status of a request is in its page, behind the head.
const STATUS: u32 = 64;

type Transport = Ordered<MmioTransport<'static>>;

/// Why a disk can not be used, or a request failed.
#[derive(Clone, Copy, Debug)]
pub enum DiskError {
    /// The device said no, or does not speak as it should.
    Device(virtio_drivers::Error),
    /// There is no coherent memory for requests.
    NoCoherent(CoherentError),
    /// There is no memory for the buffer.
    NoBuffer(AllocError),
    /// There are no addresses for the buffer.
    NoAddresses(VmallocError),
    /// The buffer can not be mapped for the device.
    NotMapped(MapError),
    /// Sectors that the disk does not have.
    BeyondEnd {
        /// The first.
        sector: u32,
        /// How many.
        count: u32,
        /// What it has.
        capacity: u64,
    },
    /// Sectors that the disk has, and that have no number here: a word counts 2 TiB of them.
    BeyondWord {
        /// The first.
        sector: u32,
        /// How many.
        count: u32,
    },
    /// More sectors than one request has, or none.
    Count {
        /// How many.
        count: u32,
    },
    /// It can only be read.
    ReadOnly,
    /// It did not answer.
    TimeOut,
    /// It did not answer an earlier request.
    Gone,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "the device: {error}"),
            Self::NoCoherent(error) => error.fmt(f),
            Self::NoBuffer(error) => error.fmt(f),
            Self::NoAddresses(error) => error.fmt(f),
            Self::NotMapped(error) => error.fmt(f),
            Self::BeyondEnd { sector, count, capacity } => {
                write!(f, "{count} sectors from {sector} on: the disk has {capacity}")
            }
            Self::BeyondWord { sector, count } => {
                write!(f, "{count} sectors from {sector} on: those from 2^32 on are out of reach")
            }
            Self::Count { count } => write!(f, "{count} sectors: a request has 1 to {MOST}"),
            Self::ReadOnly => f.write_str("the disk is read-only"),
            Self::TimeOut => write!(f, "no answer for {SECONDS} s: the disk is out of use"),
            Self::Gone => f.write_str("the disk is out of use: it did not answer"),
        }
    }
}

/// Pages, and where they are seen.
struct Buffer {
    /// What is unmapped in the end, before the pages go.
    vmapped: Option<&'static Vmalloc>,
    virt: VirtAddr,
    block: PageBlock<'static, 'static, Hardware>,
}

impl Buffer {
    /// A block, of HighMem if there is some.
    fn new(pages: &'static Pages, vmalloc: &'static Vmalloc) -> Result<Self, DiskError> {
        let block =
            pages.alloc_pages(Gfp::GFP_HIGHUSER, BUFFER_ORDER).map_err(DiskError::NoBuffer)?;
        if let Some(at) = kmap::in_linear_map(block.phys()) {
            return Ok(Self { vmapped: None, virt: VirtAddr::new(at as u32), block });
        }
        let frames: ArrayVec<Pfn, { BUFFER_ORDER.pages() as usize }> =
            block.frames().iter().collect();
        let virt = vmalloc.vmap(&frames, Prot::KERNEL, Gfp::GFP_KERNEL, BOOT);
        let virt = virt.map_err(DiskError::NoAddresses)?;
        Ok(Self { vmapped: Some(vmalloc), virt, block })
    }

    const fn first(&self) -> Pfn {
        self.block.pfn()
    }

    /// The first `bytes` bytes.
    ///
    /// # Safety
    ///
    /// 1. No device has them.
    unsafe fn bytes(&mut self, bytes: u32) -> &mut [u8] {
        let bytes = bytes.min(BUFFER_ORDER.bytes()) as usize;
        // SAFETY: the pages are mapped there, this value's alone, and no device's (1).
        unsafe { slice::from_raw_parts_mut(self.virt.as_u32() as *mut u8, bytes) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(vmalloc) = self.vmapped {
            // What can go wrong has been reported.
            let _ = vmalloc.vunmap(self.virt);
        }
    }
}

/// Head and status of a request.
type Head = Coherent<'static, 'static, 'static, Hardware, DmaHardware>;

/// A disk.
pub struct Disk {
    device: &'static Device,
    dma: &'static Dma,
    /// `None` in the end.
    driver: Option<VirtIOBlk<DmaHal, Transport>>,
    /// `None` when a request has not been answered: the device has them, for good.
    memory: Option<(Buffer, Head)>,
    capacity: u64,
}

impl Disk {
    /// The disk behind `transport`.
    ///
    /// # Errors
    ///
    /// [`DiskError`]: there is no memory, or the device does not do as it should.
    pub fn new(
        transport: Transport,
        device: &'static Device,
        dma: &'static Dma,
        pages: &'static Pages,
        vmalloc: &'static Vmalloc,
    ) -> Result<Self, DiskError> {
        let head = dma.alloc_coherent(device, PAGE_SIZE, Gfp::GFP_KERNEL);
        let head = head.map_err(DiskError::NoCoherent)?;
        let buffer = Buffer::new(pages, vmalloc)?;
        let driver = hal::with_device(device, |_| VirtIOBlk::new(transport));
        let driver = driver.map_err(DiskError::Device)?;
        let capacity = driver.capacity();
        Ok(Self { device, dma, driver: Some(driver), memory: Some((buffer, head)), capacity })
    }

    /// Its sectors.
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Reads `count` sectors from `sector` on, and shows them to `f`.
    ///
    /// # Errors
    ///
    /// [`DiskError`].
    pub fn read<R>(
        &mut self,
        sector: u32,
        count: u32,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, DiskError> {
        self.request(sector, count, Direction::FromDevice)?;
        let (buffer, _) = self.memory.as_mut().ok_or(DiskError::Gone)?;
        // SAFETY: 1. the request is over, and its mapping.
        Ok(f(unsafe { buffer.bytes(count * SECTOR) }))
    }

    /// Writes `count` sectors from `sector` on, which `f` fills in.
    ///
    /// # Errors
    ///
    /// [`DiskError`].
    pub fn write(
        &mut self,
        sector: u32,
        count: u32,
        f: impl FnOnce(&mut [u8]),
    ) -> Result<(), DiskError> {
        self.check(sector, count)?;
        let (buffer, _) = self.memory.as_mut().ok_or(DiskError::Gone)?;
        // SAFETY: 1. no request is under way.
        f(unsafe { buffer.bytes(count * SECTOR) });
        self.request(sector, count, Direction::ToDevice)
    }

    fn check(&self, sector: u32, count: u32) -> Result<(), DiskError> {
        if count == 0 || count > MOST {
            return Err(DiskError::Count { count });
        }
        self.check_range(sector, count)
    }

    /// Does the disk have these sectors, and has each of them a number?
    ///
    /// # Errors
    ///
    /// [`DiskError::BeyondEnd`], [`DiskError::BeyondWord`].
    pub fn check_range(&self, sector: u32, count: u32) -> Result<(), DiskError> {
        let capacity = self.capacity;
        let end = u64::from(sector) + u64::from(count);
        if end > capacity {
            return Err(DiskError::BeyondEnd { sector, count, capacity });
        }
        if end > NUMBERED {
            return Err(DiskError::BeyondWord { sector, count });
        }
        Ok(())
    }

    /// Has the device fill the start of the buffer, or write it to the disk.
    fn request(&mut self, sector: u32, count: u32, way: Direction) -> Result<(), DiskError> {
        self.check(sector, count)?;
        let driver = self.driver.as_mut().ok_or(DiskError::Gone)?;
        let (buffer, head) = self.memory.as_mut().ok_or(DiskError::Gone)?;
        if way == Direction::ToDevice && driver.readonly() {
            return Err(DiskError::ReadOnly);
        }
        let (virt, bytes) = (buffer.virt, count * SECTOR);
        // SAFETY: 1. the buffer is this disk's, and it looks at it when the mapping has ended; 2. what was there is of
        // no use.
        let mapping = unsafe { self.dma.map_page(self.device, buffer.first(), 0, bytes, way) };
        let mapping = mapping.map_err(DiskError::NotMapped)?;
        let (at, dma) = (head.virt().as_u32(), mapping.dma());
        // SAFETY: a page of coherent memory is there, which only this function uses, and the device between `start` and
        // the answer; both begin at multiples of 64, are smaller than that, and hold no padding that matters.
        let (request, status) = unsafe {
            let request = at as *mut BlkReq;
            let status = (at + STATUS) as *mut BlkResp;
            request.write(BlkReq::default());
            status.write(BlkResp::default());
            (&mut *request, &mut *status)
        };
        // SAFETY: 1. for the crate, which hands it on to `Hal::share`: it looks at the address alone.
        let data = unsafe { buffer.bytes(bytes) };
        let answered = hal::with_device(self.device, |session| {
            session.share(head.virt(), PAGE_SIZE, head.dma());
            session.share(virt, bytes, dma);
            // SAFETY: nobody looks at the three before the request is over: they are this function's.
            let token = unsafe {
                match way {
                    Direction::ToDevice => {
                        driver.write_blocks_nb(sector as usize, request, data, status)
                    }
                    _ => driver.read_blocks_nb(sector as usize, request, data, status),
                }
            };
            let token = token.map_err(DiskError::Device)?;
            if !wait_until(|| driver.peek_used() == Some(token)) {
                return Err(DiskError::TimeOut);
            }
            // What the device wrote before its answer is seen after it.
            barrier::dsb_sy();
            // SAFETY: the same three, and the device has answered.
            let result = unsafe {
                match way {
                    Direction::ToDevice => {
                        driver.complete_write_blocks(token, request, data, status)
                    }
                    _ => driver.complete_read_blocks(token, request, data, status),
                }
            };
            result.map_err(DiskError::Device)
        });
        if let Err(DiskError::TimeOut) = answered {
            mem::forget(mapping);
            // The device may still use all of it.
            mem::forget((self.driver.take(), self.memory.take()));
        }
        answered
    }
}

/// Waits until `is_done`; not for ever.
fn wait_until(mut is_done: impl FnMut() -> bool) -> bool {
    let clock = tick::clock();
    let deadline = clock.map(|clock| {
        let wait = u64::from(clock.frequency.get()).saturating_mul(SECONDS);
        (clock.timer, clock.timer.count().saturating_add(wait))
    });
    for look in 0.. {
        if is_done() {
            return true;
        }
        let is_late = match deadline {
            Some((timer, deadline)) => timer.count() > deadline,
            None => look > LOOKS,
        };
        if is_late {
            return false;
        }
        spin_loop();
    }
    false
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Its rings are coherent memory of the device.
        hal::with_device(self.device, |_| drop(self.driver.take()));
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, sectors) = (self.device.name(), self.capacity);
        let kib = sectors / (1024 / u64::from(SECTOR));
        write!(f, "{name}: {sectors} sectors, {kib} KiB")?;
        if self.driver.as_ref().is_some_and(VirtIOBlk::readonly) {
            f.write_str(", read-only")?;
        }
        if self.memory.is_none() {
            f.write_str(", out of use")?;
        }
        Ok(())
    }
}
