//! The operations that map frames, and what is done to pages through a mapping.
//!
//! Frames take turns: as many as the operation says are mapped one after another, so that with more than there are
//! slots each is mapped anew, and every 512th mapping pays for the flush of all. They are single pages, as callers
//! have them.

use core::hint::black_box;

use arch_arm::pmu::InstructionCounter;
use mm::addr::{Order, Pfn, VirtAddr};
use mm::map::kmap::{KmapError, TooDeep};
use mm::zone::{Gfp, PageRun};
use workload::{Memory, Operation, Subject, What};

use super::meter::Figures;
use super::pages::measure_subject;
use crate::kmap::{self, Local, Pkmap};
use crate::monitor::Kernel;
use crate::pages::Pages;
use crate::platform::Hardware;

/// Measures `operation`; `None` when there is no such memory.
pub fn measure(
    kernel: &Kernel,
    counter: InstructionCounter,
    operation: &Operation,
    held: &mut [u32],
) -> Option<Figures> {
    let (memory, frames) = match operation.what {
        What::Kmap { memory, frames } => (memory, frames),
        What::KmapLocal { memory } => (memory, 1),
        What::ClearPage => (Memory::HighMem, 1),
        What::CopyPage => (Memory::HighMem, 2),
        _ => return None,
    };
    let run = take(kernel.pages, memory, frames)?;
    let first = black_box(run.frames().start());
    let local = black_box(kmap::local());
    let figures = match operation.what {
        What::Kmap { .. } => {
            let pkmap = black_box(kmap::pkmap()?);
            let subject = Shared { pkmap, first, frames, held: operation.shape.held(), calls: 0 };
            let figures = measure_subject(subject, counter, operation, held);
            // The frames are to be free when the run is given up.
            pkmap.flush_unused();
            figures
        }
        What::KmapLocal { .. } => {
            measure_subject(ForOneCpu { local, pfn: first }, counter, operation, held)
        }
        What::ClearPage => measure_subject(Cleared { local, pfn: first }, counter, operation, held),
        _ => {
            let from = black_box(first.saturating_add(1));
            measure_subject(Copied { local, to: first, from }, counter, operation, held)
        }
    };
    drop(run);
    figures
}

/// Single pages that lie side by side.
fn take(
    pages: &'static Pages,
    memory: Memory,
    count: u32,
) -> Option<PageRun<'static, 'static, Hardware>> {
    let gfp = match memory {
        Memory::Lowmem => Gfp::GFP_KERNEL,
        Memory::HighMem => Gfp::GFP_HIGHUSER,
    };
    let order = Order::all().find(|order| order.pages() >= count)?;
    let block = pages.alloc_pages(gfp | Gfp::__GFP_NOWARN, order).ok()?;
    let linear = kmap::in_linear_map(block.phys()).is_some();
    if linear != (memory == Memory::Lowmem) {
        return None;
    }
    block.split().ok()
}

/// Mappings that everybody may use.
struct Shared {
    pkmap: &'static Pkmap,
    first: Pfn,
    frames: u32,
    held: u32,
    calls: u32,
}

impl Subject for Shared {
    type Block = u32;
    type Given<'a> = (&'static Pkmap, Pfn);
    type Got = Result<VirtAddr, KmapError>;

    /// As many calls map as unmap again, which have no use for the frame.
    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        let number = self.calls / (2 * self.held) * self.held + self.calls % self.held;
        self.calls = self.calls.wrapping_add(1);
        (self.pkmap, self.first.saturating_add(number % self.frames))
    }

    #[inline(always)]
    fn get((pkmap, pfn): Self::Given<'_>) -> Self::Got {
        kmap::kmap(pkmap, pfn)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((pkmap, _): Self::Given<'_>, block: u32) {
        let _ = black_box(kmap::kunmap(pkmap, VirtAddr::new(block)));
    }
}

/// Mappings for the one CPU.
struct ForOneCpu {
    local: &'static Local,
    pfn: Pfn,
}

impl Subject for ForOneCpu {
    type Block = u32;
    type Given<'a> = (&'static Local, Pfn);
    type Got = Result<VirtAddr, TooDeep>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.local, self.pfn)
    }

    #[inline(always)]
    fn get((local, pfn): Self::Given<'_>) -> Self::Got {
        kmap::kmap_local(local, pfn)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((local, _): Self::Given<'_>, block: u32) {
        let _ = black_box(kmap::kunmap_local(local, VirtAddr::new(block)));
    }
}

/// A page that is zeroed.
struct Cleared {
    local: &'static Local,
    pfn: Pfn,
}

impl Subject for Cleared {
    type Block = u32;
    type Given<'a> = (&'static Local, Pfn);
    type Got = ();

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.local, self.pfn)
    }

    #[inline(always)]
    fn get((local, pfn): Self::Given<'_>) {
        // SAFETY: 1, 2. the page allocator gave the frame to the benchmark.
        unsafe { kmap::clear_highpage(local, pfn) };
    }

    fn block((): ()) -> Option<u32> {
        Some(0)
    }

    #[inline(always)]
    fn put(_: Self::Given<'_>, _: u32) {}
}

/// A page that is copied.
struct Copied {
    local: &'static Local,
    to: Pfn,
    from: Pfn,
}

impl Subject for Copied {
    type Block = u32;
    type Given<'a> = (&'static Local, Pfn, Pfn);
    type Got = Result<(), TooDeep>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.local, self.to, self.from)
    }

    #[inline(always)]
    fn get((local, to, from): Self::Given<'_>) -> Self::Got {
        // SAFETY: 1, 2. the page allocator gave both frames to the benchmark.
        unsafe { kmap::copy_highpage(local, to, from) }
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.ok().map(|()| 0)
    }

    #[inline(always)]
    fn put(_: Self::Given<'_>, _: u32) {}
}
