//! The operations on objects, done to our slab allocator.

use core::hint::black_box;

use arch_arm::pmu::InstructionCounter;
use mm::addr::VirtAddr;
use mm::object::{SlabFlags, Taken};
use mm::zone::Gfp;
use workload::{Flags, Operation, Subject, What};

use super::meter::Figures;
use super::pages::measure_subject;
use super::subject::gfp;
use crate::monitor::Kernel;
use crate::slabs::{self, Cache, Slabs};

/// Measures `operation`; `None` when memory ran out.
pub fn measure(
    kernel: &Kernel,
    counter: InstructionCounter,
    operation: &Operation,
    held: &mut [u32],
) -> Option<Figures> {
    let slabs = black_box(kernel.slabs);
    match operation.what {
        What::Bytes { size, zeroed } => {
            let flags = if zeroed { Flags::Zero } else { Flags::Kernel };
            let (size, gfp) = black_box((size, gfp(flags)));
            measure_subject(Bytes { slabs, size, gfp }, counter, operation, held)
        }
        What::ConstBytes { size: 64 } => {
            measure_subject(ConstBytes::<64> { slabs }, counter, operation, held)
        }
        What::ConstBytes { .. } => {
            measure_subject(ConstBytes::<1024> { slabs }, counter, operation, held)
        }
        What::Object { size } => {
            let flags = SlabFlags::SLAB_NO_MERGE;
            let cache = slabs.create("bench", size, 0, flags, None).ok()?;
            let gfp = black_box(gfp(Flags::Kernel));
            measure_subject(Objects { slabs, cache, gfp }, counter, operation, held)
        }
        _ => None,
    }
}

/// So many bytes.
struct Bytes {
    slabs: &'static Slabs,
    size: u32,
    gfp: Gfp,
}

impl Subject for Bytes {
    type Block = u32;
    type Given<'a> = (&'static Slabs, u32, Gfp);
    type Got = Taken;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.slabs, self.size, self.gfp)
    }

    #[inline(always)]
    fn get((slabs, size, gfp): Self::Given<'_>) -> Self::Got {
        slabs::kmalloc(slabs, size, gfp)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.result().ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((slabs, ..): Self::Given<'_>, block: u32) {
        // SAFETY: 1. `get` took it; 2. nobody looks at it.
        let _ = unsafe { slabs::kfree(slabs, VirtAddr::new(block)) };
    }
}

/// A number of bytes that the compiler knows.
struct ConstBytes<const SIZE: u32> {
    slabs: &'static Slabs,
}

#[inline(never)]
fn kmalloc_const<const SIZE: u32>(slabs: &Slabs) -> Taken {
    slabs.kmalloc_raw(SIZE, Gfp::GFP_KERNEL)
}

impl<const SIZE: u32> Subject for ConstBytes<SIZE> {
    type Block = u32;
    type Given<'a> = &'static Slabs;
    type Got = Taken;

    #[inline(always)]
    fn given(&mut self) -> &'static Slabs {
        self.slabs
    }

    #[inline(always)]
    fn get(slabs: &'static Slabs) -> Self::Got {
        kmalloc_const::<SIZE>(slabs)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.result().ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put(slabs: &'static Slabs, block: u32) {
        // SAFETY: 1. `get` took it; 2. nobody looks at it.
        let _ = unsafe { slabs::kfree(slabs, VirtAddr::new(block)) };
    }
}

/// Objects of a cache.
struct Objects {
    slabs: &'static Slabs,
    cache: &'static Cache,
    gfp: Gfp,
}

impl Subject for Objects {
    type Block = u32;
    type Given<'a> = (&'static Slabs, &'static Cache, Gfp);
    type Got = Taken;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.slabs, self.cache, self.gfp)
    }

    #[inline(always)]
    fn get((slabs, cache, gfp): Self::Given<'_>) -> Self::Got {
        slabs::take(slabs, cache, gfp)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.result().ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((slabs, cache, _): Self::Given<'_>, block: u32) {
        // SAFETY: 1. `get` took it; 2. nobody looks at it; 3. there is no constructor.
        let _ = unsafe { slabs::give(slabs, cache, VirtAddr::new(block)) };
    }
}
