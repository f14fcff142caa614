//! Suite `meminit`: the sizes and orders of Linux's `lib/test_meminit.c`. Memory is zeroed when `__GFP_ZERO`
//! asks for that, whoever dirtied it before, and what a constructor made stays as it is left. The host's
//! tests are the same; here it is the processor's `stm` that zeroes, in memory as it is mapped.
//!
//! What there is not is not tried: nothing is zeroed unasked (`init_on_alloc`), and there is no RCU.

use core::ptr::NonNull;

use arch_arm::clear::clear;
use mm::addr::{Order, VirtAddr};
use mm::object::SlabFlags;
use mm::zone::Gfp;

use super::Checks;
use super::ledger::Ledger;
use crate::monitor::Kernel;
use crate::slabs::{self, Cache, Slabs};

/// Also while requests for objects fail on purpose.
const KERNEL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN).union(Gfp::__GFP_NOFAIL);
const ZERO: Gfp = KERNEL.union(Gfp::__GFP_ZERO);
/// `kmalloc` of 2^0 to 2^22 bytes: all that there is.
const SHIFTS: core::ops::RangeInclusive<u32> = 0..=22;
/// Caches of 2^3 to 2^12 bytes, as in Linux, and more.
const SIZES: core::ops::RangeInclusive<u32> = 3..=16;
/// Bytes of a constructed object.
const READY: u32 = 200;
const GARBAGE: u8 = 0xaa;
const CONSTRUCTED: u8 = b'A';
/// Objects of one request.
const BULK: usize = 100;

/// Lengths that are tried of what zeroes: all words up to twice a turn of it, and a few.
const LENGTHS: core::ops::RangeInclusive<u32> = 0..=2 * 1024 + 64;
/// Bytes on either side that stay as they are.
const AROUND: u32 = 32;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let (pages, slabs) = (kernel.pages, kernel.slabs);
    if pages.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    slabs.shrink_all();
    let ledger = Ledger::open(pages);
    lengths(slabs, checks);
    for order in Order::all() {
        pages_of(kernel, order, checks);
    }
    for bytes in SHIFTS.map(|shift| 1 << shift).flat_map(|size| [size, size - size / 3]) {
        memory_of(slabs, bytes, checks);
    }
    for size in SIZES.map(|shift| 1 << shift).flat_map(|size| [size, size + 1]) {
        with_cache(slabs, size, None, checks, objects_of);
    }
    for size in [8, 64, 600, 4096] {
        with_cache(slabs, size, None, checks, many_of);
    }
    with_cache(slabs, READY, Some(construct), checks, constructed);
    slabs.shrink_all();
    let valid = slabs.validate();
    checks.that(valid.is_ok(), format_args!("{valid:?}"));
    ledger.check(checks, format_args!("at the end"));
}

/// What zeroes writes as many bytes as it is told, and none beside them.
fn lengths(slabs: &Slabs, checks: &mut Checks) {
    let bytes = LENGTHS.end() + 2 * AROUND;
    let object = match slabs::kmalloc(slabs, bytes, KERNEL).result() {
        Ok(object) => object,
        Err(error) => return missing(checks, bytes, &error),
    };
    for length in LENGTHS.step_by(4) {
        fill(object, bytes, GARBAGE);
        let start = VirtAddr::new(object.as_u32() + AROUND);
        let end = VirtAddr::new(start.as_u32() + length);
        // SAFETY: 1. words in the middle of the object taken above; 2. all of them multiples of 4.
        unsafe { clear(start.as_u32() as *mut u8, length as usize) };
        let is_right = is_filled(object, AROUND, GARBAGE)
            && is_filled(start, length, 0)
            && is_filled(end, AROUND, GARBAGE);
        checks.that(is_right, format_args!("{length} bytes: not just these are zeroed"));
    }
    // SAFETY: 1. taken above; 2. nobody looks at it any more.
    let given = unsafe { slabs::kfree(slabs, object) };
    checks.that(given.is_ok(), format_args!("{given:?}"));
}

/// `do_alloc_pages_order`: twice, so that the block is dirty the second time.
fn pages_of(kernel: &Kernel, order: Order, checks: &mut Checks) {
    for _ in 0..2 {
        let block = match kernel.pages.get_free_pages(ZERO, order) {
            Ok(block) => block,
            Err(error) => return missing(checks, order.bytes(), &error),
        };
        match kernel.tables.linear().page_address(block.pfn()) {
            Some(at) => {
                let is_zero = is_filled(at, order.bytes(), 0);
                checks.that(is_zero, format_args!("a block of order {order} is not zeroed"));
                fill(at, order.bytes(), GARBAGE);
            }
            None => checks.that(false, format_args!("{block:?} has no address")),
        }
    }
}

/// `do_kmalloc_size`: all that may be used is zeroed, not only what was asked for.
fn memory_of(slabs: &Slabs, bytes: u32, checks: &mut Checks) {
    for gfp in [KERNEL, ZERO] {
        let object = match slabs::kmalloc(slabs, bytes, gfp).result() {
            Ok(object) => object,
            Err(error) => return missing(checks, bytes, &error),
        };
        let usable = slabs.ksize(object).unwrap_or(0);
        checks.that(usable >= bytes, format_args!("{bytes} bytes: {usable} may be used"));
        if gfp == ZERO {
            let is_zero = is_filled(object, usable, 0);
            checks.that(is_zero, format_args!("kmalloc of {bytes} bytes is not zeroed"));
        }
        fill(object, usable, GARBAGE);
        // SAFETY: 1. taken above; 2. nobody looks at it any more.
        let given = unsafe { slabs::kfree(slabs, object) };
        checks.that(given.is_ok(), format_args!("{given:?}"));
    }
}

unsafe extern "C" fn construct(object: NonNull<u8>) {
    // SAFETY: the cache's objects have so many bytes.
    unsafe { object.write_bytes(CONSTRUCTED, READY as usize) };
}

/// Makes a cache, has `test` use it, and ends it.
fn with_cache(
    slabs: &Slabs,
    size: u32,
    constructor: Option<mm::object::Constructor>,
    checks: &mut Checks,
    test: fn(&Slabs, &Cache, &mut Checks),
) {
    match slabs.create("selftest", size, 1, SlabFlags::SLAB_NO_MERGE, constructor) {
        Ok(cache) => {
            test(slabs, cache, checks);
            // SAFETY: 1. created above; 2. nobody uses it any more.
            let destroyed = unsafe { slabs.destroy(cache) };
            checks.that(destroyed.is_ok(), format_args!("{size} bytes: {destroyed:?}"));
        }
        Err(error) => checks.that(false, format_args!("{size} bytes: {error}")),
    }
}

/// `do_kmem_cache_size`, without a constructor.
fn objects_of(slabs: &Slabs, cache: &Cache, checks: &mut Checks) {
    let size = cache.object_size();
    for gfp in [KERNEL, ZERO, KERNEL, ZERO] {
        let object = match slabs::take(slabs, cache, gfp).result() {
            Ok(object) => object,
            Err(error) => return missing(checks, size, &error),
        };
        if gfp == ZERO {
            let is_zero = is_filled(object, size, 0);
            checks.that(is_zero, format_args!("an object of {size} bytes is not zeroed"));
        }
        fill(object, size, GARBAGE);
        give(slabs, cache, object, checks);
    }
}

/// `do_kmem_cache_size_bulk`: twice, so that all are dirty the second time.
fn many_of(slabs: &Slabs, cache: &Cache, checks: &mut Checks) {
    let size = cache.object_size();
    for _ in 0..2 {
        let mut objects = [VirtAddr::new(0); BULK];
        if let Err(error) = slabs.take_objects(cache, ZERO, &mut objects) {
            return missing(checks, size, &error);
        }
        for object in objects {
            let is_zero = is_filled(object, size, 0);
            checks.that(is_zero, format_args!("one of many of {size} bytes is not zeroed"));
            fill(object, size, GARBAGE);
        }
        // SAFETY: 1. taken above; 2. nobody looks at them; 3. there is no constructor.
        let given = unsafe { slabs.free_objects(cache, &objects) };
        checks.that(given.is_ok(), format_args!("{given:?}"));
    }
}

/// `do_kmem_cache_size` with a constructor: its state persists, in use after use and while nobody has it.
fn constructed(slabs: &Slabs, cache: &Cache, checks: &mut Checks) {
    let size = cache.object_size();
    for _ in 0..10 {
        let object = match slabs::take(slabs, cache, KERNEL).result() {
            Ok(object) => object,
            Err(error) => return missing(checks, size, &error),
        };
        let is_ready = is_filled(object, size, CONSTRUCTED);
        checks.that(is_ready, format_args!("{object} is not as it was constructed"));
        fill(object, size, GARBAGE);
        fill(object, size, CONSTRUCTED);
        give(slabs, cache, object, checks);
        let is_ready = is_filled(object, size, CONSTRUCTED);
        checks.that(is_ready, format_args!("{object} is free, and not as it was left"));
    }
    let zeroed = slabs::take(slabs, cache, ZERO).result();
    checks.that(zeroed.is_err(), format_args!("what was constructed is zeroed: {zeroed:?}"));
}

fn give(slabs: &Slabs, cache: &Cache, object: VirtAddr, checks: &mut Checks) {
    // SAFETY: 1. the callers took it; 2. they look at it no more, but to see that nobody does; 3. it is as it
    // was constructed, if it was.
    let given = unsafe { slabs::give(slabs, cache, object) };
    checks.that(given.is_ok(), format_args!("{given:?}"));
}

fn missing(checks: &mut Checks, bytes: u32, error: &mm::zone::AllocError) {
    checks.that(false, format_args!("{bytes} bytes: {error}"));
}

fn fill(object: VirtAddr, bytes: u32, byte: u8) {
    // SAFETY: the callers' object, in the linear map.
    unsafe { (object.as_u32() as *mut u8).write_bytes(byte, bytes as usize) };
}

fn is_filled(object: VirtAddr, bytes: u32, byte: u8) -> bool {
    let start = object.as_u32();
    // SAFETY: the callers' object, in the linear map.
    let read = |at: u32| unsafe { (at as *const u8).read_volatile() };
    (start..start + bytes).all(|at| read(at) == byte)
}
