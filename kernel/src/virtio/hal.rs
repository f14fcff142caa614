//! What [`virtio_drivers`] asks of memory, answered by DMA memory.
//!
//! Its functions belong to no value, and are not told for which device they are called. So whoever calls the crate says
//! so first: [`with_device`] is a session of one device, one at a time.
//!
//! Rings are coherent memory. A buffer has been mapped by the driver *before* it calls the crate, and is named here with
//! its bus address ([`Session::share`]): the crate's `share` can not fail, and a mapping can, for want of room
//! to bounce. So `share` only looks it up, and `unshare` has nothing to do: the driver ends the mapping.
#![expect(unsafe_code, reason = "the crate's trait is unsafe to implement")]

use core::ptr::NonNull;

use arrayvec::ArrayVec;
use mm::addr::{PAGE_SIZE, VirtAddr};
use mm::dma::{CoherentBuffer, Device, DmaAddr};
use mm::zone::Gfp;
use spin::Mutex;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

use crate::dma;

/// The buffers of one request: its head, its data, and its status.
const BUFFERS: usize = 3;

/// A buffer that the device has.
#[derive(Clone, Copy)]
struct Shared {
    virt: VirtAddr,
    bytes: u32,
    dma: DmaAddr,
}

/// Which device the crate is called for, and what it has.
struct Current {
    device: Option<&'static Device>,
    shared: ArrayVec<Shared, BUFFERS>,
}

static CURRENT: Mutex<Current> =
    Mutex::new(Current { device: None, shared: ArrayVec::new_const() });
/// Held by the one session there is.
static TURN: Mutex<()> = Mutex::new(());

/// A session of one device.
pub struct Session(());

/// Runs `f`, which may call the crate for `device`.
pub fn with_device<R>(device: &'static Device, f: impl FnOnce(&Session) -> R) -> R {
    let turn = TURN.lock();
    CURRENT.lock().device = Some(device);
    let result = f(&Session(()));
    let mut current = CURRENT.lock();
    current.device = None;
    current.shared.clear();
    drop(current);
    drop(turn);
    result
}

impl Session {
    /// The device has `bytes` bytes at `virt` under this bus address, until the session ends.
    pub fn share(&self, virt: VirtAddr, bytes: u32, dma: DmaAddr) {
        // A request has as many as there is room for.
        let _ = CURRENT.lock().shared.try_push(Shared { virt, bytes, dma });
    }
}

/// DMA memory, for the crate.
pub struct DmaHal;

/// No address: the crate takes 0 for a failure, and does not look at the pointer then.
const FAILED: (PhysAddr, NonNull<u8>) = (0, NonNull::dangling());

// SAFETY: each function says why.
unsafe impl Hal for DmaHal {
    /// A coherent buffer begins at a page, is zeroed, and nobody else's.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let (Some(dma), Some(device)) = (dma::get(), CURRENT.lock().device) else { return FAILED };
        let bytes = u32::try_from(pages).unwrap_or(u32::MAX).saturating_mul(PAGE_SIZE);
        match dma::alloc_coherent(dma, device, bytes, Gfp::GFP_KERNEL) {
            Ok(buffer) => match NonNull::new(buffer.virt.as_u32() as *mut u8) {
                Some(pointer) => (u64::from(buffer.dma.as_u32()), pointer),
                None => FAILED,
            },
            Err(error) => {
                log::warn!("{}: {error}", device.name());
                FAILED
            }
        }
    }

    unsafe fn dma_dealloc(paddr: PhysAddr, vaddr: NonNull<u8>, pages: usize) -> i32 {
        let (Some(dma), Some(device)) = (dma::get(), CURRENT.lock().device) else { return -1 };
        let buffer = CoherentBuffer {
            virt: VirtAddr::new(vaddr.as_ptr() as u32),
            // Both are what `dma_alloc` said, which fits.
            dma: DmaAddr::new(paddr as u32),
            bytes: pages as u32 * PAGE_SIZE,
        };
        // SAFETY: 1. the caller says that `dma_alloc` gave it, for the device of this session; 2. and that nobody uses
        // it any more.
        match unsafe { dma::free_coherent(dma, device, buffer) } {
            Ok(()) => 0,
            Err(_) => -1,
        }
    }

    /// Only transports on a PCI bus ask for it, of which this kernel drives none.
    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::dangling()
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        let (start, bytes) = (buffer.cast::<u8>().as_ptr() as u32, buffer.len() as u32);
        let current = CURRENT.lock();
        let place = current.shared.iter().find_map(|shared| {
            let offset = start.checked_sub(shared.virt.as_u32())?;
            let is_inside = offset <= shared.bytes && bytes <= shared.bytes - offset;
            if is_inside { shared.dma.checked_add(offset) } else { None }
        });
        match place {
            Some(dma) => u64::from(dma.as_u32()),
            None => panic!("virtio: {bytes} bytes at {start:#x} were not mapped for the device"),
        }
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
