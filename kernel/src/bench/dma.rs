//! The operations on memory that devices look at. The device does not look into the caches, so that they are maintained.
#![expect(unsafe_code, reason = "a benchmark's own buffers go to a device that there is not")]

use core::hint::black_box;

use arch_arm::pmu::InstructionCounter;
use mm::addr::{Order, VirtAddr};
use mm::dma::{
    Coherency, CoherentBuffer, CoherentError, Device, Direction, DmaAddr, DmaWindow, MapError,
};
use mm::zone::Gfp;
use workload::{Operation, Subject, What};

use super::meter::Figures;
use super::pages::measure_subject;
use super::subject::gfp;
use crate::dma::{self, Dma};
use crate::kmap;
use crate::monitor::Kernel;

/// Measures `operation`; `None` when there is no such memory.
pub fn measure(
    kernel: &Kernel,
    counter: InstructionCounter,
    operation: &Operation,
) -> Option<Figures> {
    let dma = black_box(dma::get()?);
    let device = Device::new("bench", DmaWindow::WHOLE, Coherency::Software);
    let device = black_box(device);
    match operation.what {
        What::Coherent { bytes, flags } => {
            let (bytes, gfp) = black_box((bytes, gfp(flags)));
            let mut held = [NO_BUFFER; 1];
            measure_subject(Both { dma, device, bytes, gfp }, counter, operation, &mut held)
        }
        What::Streaming { bytes } => {
            let block = kernel.pages.alloc_pages(Gfp::GFP_KERNEL, Order::for_bytes(bytes)?).ok()?;
            let virt = VirtAddr::new(kmap::in_linear_map(block.phys())? as u32);
            let (virt, bytes) = black_box((virt, bytes));
            let mut held = [DmaAddr::new(0); 1];
            measure_subject(ForDevice { dma, device, virt, bytes }, counter, operation, &mut held)
        }
        _ => None,
    }
}

const NO_BUFFER: CoherentBuffer =
    CoherentBuffer { virt: VirtAddr::new(0), dma: DmaAddr::new(0), bytes: 0 };

/// Memory that CPUs and the device look at together.
struct Both {
    dma: &'static Dma,
    device: Device,
    bytes: u32,
    gfp: Gfp,
}

impl Subject for Both {
    type Block = CoherentBuffer;
    type Given<'a> = (&'static Dma, &'a Device, u32, Gfp);
    type Got = Result<CoherentBuffer, CoherentError>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.dma, &self.device, self.bytes, self.gfp)
    }

    #[inline(always)]
    fn get((dma, device, bytes, gfp): Self::Given<'_>) -> Self::Got {
        dma::alloc_coherent(dma, device, bytes, gfp)
    }

    fn block(got: Self::Got) -> Option<CoherentBuffer> {
        got.ok()
    }

    #[inline(always)]
    fn put((dma, device, ..): Self::Given<'_>, block: CoherentBuffer) {
        // SAFETY: 1. `get` took it for the device; 2. nobody looks at it.
        let _ = black_box(unsafe { dma::free_coherent(dma, device, block) });
    }
}

/// A buffer that is the device's for a while, which reads it.
struct ForDevice {
    dma: &'static Dma,
    device: Device,
    virt: VirtAddr,
    bytes: u32,
}

impl Subject for ForDevice {
    type Block = DmaAddr;
    type Given<'a> = (&'static Dma, &'a Device, VirtAddr, u32);
    type Got = Result<DmaAddr, MapError>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.dma, &self.device, self.virt, self.bytes)
    }

    #[inline(always)]
    fn get((dma, device, virt, bytes): Self::Given<'_>) -> Self::Got {
        // SAFETY: 1. the page is the benchmark's, which does not look at it; 2. the device only reads.
        unsafe { dma::map_single(dma, device, virt, bytes, Direction::ToDevice) }
    }

    fn block(got: Self::Got) -> Option<DmaAddr> {
        got.ok()
    }

    #[inline(always)]
    fn put((dma, device, _, bytes): Self::Given<'_>, block: DmaAddr) {
        // SAFETY: 1. `get` made it; 2. there is no device.
        let _ =
            black_box(unsafe { dma::unmap_single(dma, device, block, bytes, Direction::ToDevice) });
    }
}
