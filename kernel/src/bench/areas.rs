//! The operations that take addresses: `vmalloc`, `vmap`, `ioremap`.
//!
//! What waits and what is spare is given up before and after each, so that every operation begins with the same tree of
//! areas. Flushes of batches are in the figures: they come to who fills a batch.

use core::hint::black_box;

use arch_arm::pmu::InstructionCounter;
use mm::addr::{Order, PAGE_SIZE, Pfn, PhysAddr, VirtAddr};
use mm::map::Prot;
use mm::map::ioremap::IoremapError;
use mm::map::vmalloc::VmallocError;
use mm::zone::Gfp;
use workload::{Operation, Subject, What};

use super::meter::Figures;
use super::pages::measure_subject;
use crate::monitor::Kernel;
use crate::vmalloc::{self, Io, Vmalloc};

/// Pages that `vmap` maps at once.
const FRAMES: usize = 16;
/// Named as the caller.
const CALLER: u32 = 0x10;

/// Measures `operation`; `None` when there is no room for it.
pub fn measure(
    kernel: &Kernel,
    counter: InstructionCounter,
    operation: &Operation,
    held: &mut [u32],
) -> Option<Figures> {
    let region = black_box(kernel.vmalloc);
    region.make_room();
    let figures = match operation.what {
        What::Vmalloc { pages } => {
            let bytes = black_box(pages * PAGE_SIZE);
            let gfp = black_box(Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN));
            measure_subject(Areas { region, bytes, gfp }, counter, operation, held)
        }
        What::Vmap { pages } if pages as usize == FRAMES => {
            let order = Order::all().find(|order| order.pages() == pages)?;
            let gfp = Gfp::GFP_KERNEL | Gfp::__GFP_HIGHMEM;
            let run = kernel.pages.alloc_pages(gfp, order).ok()?.split().ok()?;
            let first = run.frames().start();
            let frames = core::array::from_fn(|number| first.saturating_add(number as u32));
            let prot = black_box(Prot::KERNEL);
            let figures = measure_subject(Views { region, frames, prot }, counter, operation, held);
            drop(run);
            figures
        }
        What::Ioremap { bytes } => {
            let io = black_box(kernel.io);
            let phys = black_box(free_block(io, bytes)?);
            let bytes = black_box(bytes);
            measure_subject(Devices { io, phys, bytes }, counter, operation, held)
        }
        _ => None,
    };
    region.make_room();
    figures
}

/// So many bytes, aligned to as many, where neither memory is nor anything that is mapped. Nobody touches what may
/// be there.
fn free_block(io: &Io, bytes: u32) -> Option<PhysAddr> {
    let blocks = (0..u64::from(u32::MAX / bytes)).map(|n| PhysAddr::new(n * u64::from(bytes)));
    let mut free = blocks.filter(|block| {
        let mapped = io.ioremap(*block, bytes, CALLER);
        mapped.is_ok_and(|virt| vmalloc::iounmap(io, virt).is_ok())
    });
    free.next()
}

/// Areas with pages of their own.
struct Areas {
    region: &'static Vmalloc,
    bytes: u32,
    gfp: Gfp,
}

impl Subject for Areas {
    type Block = u32;
    type Given<'a> = (&'static Vmalloc, u32, Gfp);
    type Got = Result<VirtAddr, VmallocError>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.region, self.bytes, self.gfp)
    }

    #[inline(always)]
    fn get((region, bytes, gfp): Self::Given<'_>) -> Self::Got {
        vmalloc::vmalloc(region, bytes, gfp, CALLER)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((region, ..): Self::Given<'_>, block: u32) {
        let _ = black_box(vmalloc::vfree(region, VirtAddr::new(block)));
    }
}

/// The same pages, side by side.
struct Views {
    region: &'static Vmalloc,
    frames: [Pfn; FRAMES],
    prot: Prot,
}

impl Subject for Views {
    type Block = u32;
    type Given<'a> = (&'static Vmalloc, &'a [Pfn], Prot);
    type Got = Result<VirtAddr, VmallocError>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.region, black_box(&self.frames), self.prot)
    }

    #[inline(always)]
    fn get((region, frames, prot): Self::Given<'_>) -> Self::Got {
        vmalloc::vmap(region, frames, prot, CALLER)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((region, ..): Self::Given<'_>, block: u32) {
        let _ = black_box(vmalloc::vunmap(region, VirtAddr::new(block)));
    }
}

/// The same registers.
struct Devices {
    io: &'static Io,
    phys: PhysAddr,
    bytes: u32,
}

impl Subject for Devices {
    type Block = u32;
    type Given<'a> = (&'static Io, PhysAddr, u32);
    type Got = Result<VirtAddr, IoremapError>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.io, self.phys, self.bytes)
    }

    #[inline(always)]
    fn get((io, phys, bytes): Self::Given<'_>) -> Self::Got {
        vmalloc::ioremap(io, phys, bytes, CALLER)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((io, ..): Self::Given<'_>, block: u32) {
        let _ = black_box(vmalloc::iounmap(io, VirtAddr::new(block)));
    }
}
