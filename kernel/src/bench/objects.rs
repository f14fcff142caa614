//! The operations on objects, done to our slab allocator.

use core::hint::black_box;

use arch_arm::pmu::InstructionCounter;
use mm::addr::{Order, VirtAddr};
use mm::object::mempool::{Elements, Mempool, NoElement};
use mm::object::{SlabFlags, Taken};
use mm::zone::Gfp;
use workload::{Flags, Operation, Subject, What};

use super::meter::Figures;
use super::pages::measure_subject;
use super::subject::gfp;
use crate::monitor::Kernel;
use crate::platform::Hardware;
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
        What::Objects { size } => {
            let flags = SlabFlags::SLAB_NO_MERGE;
            let cache = slabs.create("bench", size, 0, flags, None).ok()?;
            let gfp = black_box(gfp(Flags::Kernel));
            let mut objects = [VirtAddr::new(0); BULK];
            let objects = black_box(&mut objects[..]);
            measure_subject(Bulk { slabs, cache, gfp, objects }, counter, operation, held)
        }
        What::PoolObject { size } => {
            let flags = SlabFlags::SLAB_NO_MERGE;
            let cache = slabs.create("bench", size, 0, flags, None).ok()?;
            let pool = slabs.slab_pool(POOLED, cache).ok()?;
            let gfp = black_box(gfp(Flags::Kernel));
            measure_subject(Pool { pool: black_box(&pool), gfp }, counter, operation, held)
        }
        What::PoolPage => {
            let pool = slabs.page_pool(POOLED, Order::ZERO).ok()?;
            let gfp = black_box(gfp(Flags::Kernel));
            measure_subject(Pool { pool: black_box(&pool), gfp }, counter, operation, held)
        }
        _ => None,
    }
}

/// Elements that a pool has.
const POOLED: u32 = 16;
/// Objects of a bulk operation.
const BULK: usize = 32;

/// [`BULK`] objects in one call. It keeps them itself: its block says nothing.
struct Bulk<'a> {
    slabs: &'static Slabs,
    cache: &'static Cache,
    gfp: Gfp,
    objects: &'a mut [VirtAddr],
}

#[inline(never)]
fn take_bulk(slabs: &Slabs, cache: &Cache, gfp: Gfp, objects: &mut [VirtAddr]) -> bool {
    slabs.take_objects(cache, gfp, objects).is_ok()
}

#[inline(never)]
fn give_bulk(slabs: &Slabs, cache: &Cache, objects: &[VirtAddr]) -> bool {
    // SAFETY: 1. `take_bulk` took them; 2. nobody looks at them; 3. there is no constructor.
    unsafe { slabs.free_objects(cache, objects) }.is_ok()
}

impl Subject for Bulk<'_> {
    type Block = u32;
    type Given<'a>
        = (&'static Slabs, &'static Cache, Gfp, &'a mut [VirtAddr])
    where
        Self: 'a;
    type Got = bool;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.slabs, self.cache, self.gfp, self.objects)
    }

    #[inline(always)]
    fn get(
        (slabs, cache, gfp, objects): (&'static Slabs, &'static Cache, Gfp, &mut [VirtAddr]),
    ) -> bool {
        take_bulk(slabs, cache, gfp, objects)
    }

    fn block(got: bool) -> Option<u32> {
        got.then_some(0)
    }

    #[inline(always)]
    fn put(
        (slabs, cache, _, objects): (&'static Slabs, &'static Cache, Gfp, &mut [VirtAddr]),
        _: u32,
    ) {
        black_box(give_bulk(slabs, cache, objects));
    }
}

/// Elements of a pool.
struct Pool<'p, E: Elements> {
    pool: &'p Mempool<'p, 'static, 'static, Hardware, E>,
    gfp: Gfp,
}

#[inline(never)]
fn take_element<E: Elements>(
    pool: &Mempool<'_, 'static, 'static, Hardware, E>,
    gfp: Gfp,
) -> Result<VirtAddr, NoElement> {
    pool.alloc(gfp)
}

#[inline(never)]
fn give_element<E: Elements>(
    pool: &Mempool<'_, 'static, 'static, Hardware, E>,
    element: VirtAddr,
) -> bool {
    // SAFETY: 1. `take_element` took it; 2, 3. nobody looks at it.
    unsafe { pool.free(element) }.is_ok()
}

impl<E: Elements> Subject for Pool<'_, E> {
    type Block = u32;
    type Given<'a>
        = (&'a Mempool<'a, 'static, 'static, Hardware, E>, Gfp)
    where
        Self: 'a;
    type Got = Result<VirtAddr, NoElement>;

    #[inline(always)]
    fn given(&mut self) -> Self::Given<'_> {
        (self.pool, self.gfp)
    }

    #[inline(always)]
    fn get(
        (pool, gfp): (&Mempool<'_, 'static, 'static, Hardware, E>, Gfp),
    ) -> Result<VirtAddr, NoElement> {
        take_element(pool, gfp)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.ok().map(VirtAddr::as_u32)
    }

    #[inline(always)]
    fn put((pool, _): (&Mempool<'_, 'static, 'static, Hardware, E>, Gfp), block: u32) {
        black_box(give_element(pool, VirtAddr::new(block)));
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
