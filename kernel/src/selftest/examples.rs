//! Suite `examples`: the first modules that books on Linux drivers have one write, against this kernel.
//!
//! Each takes something in steps, uses it, and gives it back in reverse. When a step fails, what the steps
//! before it took goes back at once: each example is also run with its first, second, … request failing.
//!
//! Those of a pool that is made are reported, which is no sign of a fault.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use arrayvec::ArrayVec;
use mm::addr::{Order, VirtAddr};
use mm::fault::FailConfig;
use mm::object::mempool::{Counted, SlabElements};
use mm::object::typed::{Cache as ValueCache, Construct, ReadyCache};
use mm::object::{Mempool, SlabFlags};
use mm::zone::Gfp;

use super::Checks;
use super::ledger::Ledger;
use crate::monitor::Kernel;
use crate::slabs;

const KERNEL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN);
/// Written into memory, and read back.
const GREETING: &[u8] = b"Hello from memory of the kernel\0";
const FAREWELL: &[u8] = b"and from two pages that lie in a row\0";
/// Requests for pages that an example may make.
const MOST: u32 = 100;

/// A step that got nothing. What there was before it has been given back.
struct Unwound;

type Example = fn(&Kernel, &mut Checks) -> Result<(), Unwound>;

const EXAMPLES: [(&str, Example); 6] = [
    ("a cache with a constructor", constructed),
    ("a cache with a destructor", destructed),
    ("a cache of values", values),
    ("values that are constructed", ready_values),
    ("kmalloc and two pages", kmalloc_and_pages),
    ("a mempool", mempool),
];

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let (pages, slabs) = (kernel.pages, kernel.slabs);
    if pages.injects_failures() || slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    slabs.shrink_all();
    let ledger = Ledger::open(pages);
    for (name, example) in EXAMPLES {
        let done = example(kernel, checks);
        checks.that(done.is_ok(), format_args!("{name}: there is no memory"));
        for n in 1..=MOST {
            // No slab is left from before, so that each step needs pages.
            slabs.shrink_all();
            pages.drain();
            pages.inject_failures(FailConfig::nth(n));
            let done = example(kernel, checks);
            let failed = pages.injected_failures() > 0;
            pages.inject_failures(FailConfig::OFF);
            slabs.shrink_all();
            ledger.check(checks, format_args!("{name}, request {n}"));
            if !failed {
                checks.that(done.is_ok() && n > 1, format_args!("{name}: {n} requests"));
                break;
            }
        }
        let caches = |cache: &&slabs::Cache| cache.name().as_str().starts_with("example");
        let left = slabs.caches().filter(caches).count();
        checks.equal(left, 0, format_args!("{name}: caches that are left"));
    }
    in_need(kernel, checks);
    slabs.shrink_all();
    let valid = slabs.validate();
    checks.that(valid.is_ok(), format_args!("{valid:?}"));
    ledger.check(checks, format_args!("after a pool in need"));
}

/// Objects that were constructed, and not destructed since.
static MADE: AtomicU32 = AtomicU32::new(0);
const BYTES: u32 = 48;
const READY: u8 = 0x5e;

unsafe extern "C" fn construct(object: NonNull<u8>) {
    MADE.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the caches' objects have so many bytes.
    unsafe { object.write_bytes(READY, BYTES as usize) };
}

unsafe extern "C" fn destruct(_: NonNull<u8>) {
    MADE.fetch_sub(1, Ordering::Relaxed);
}

/// Creates a cache, takes, uses and gives back, destroys.
fn constructed(kernel: &Kernel, checks: &mut Checks) -> Result<(), Unwound> {
    let slabs = kernel.slabs;
    let flags = SlabFlags::SLAB_HWCACHE_ALIGN;
    let cache = slabs.create("example", BYTES, 0, flags, Some(construct)).or(Err(Unwound))?;
    let used = use_objects(slabs, cache, checks);
    // SAFETY: 1. created above; 2. nobody uses it any more.
    let destroyed = unsafe { slabs.destroy(cache) };
    checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
    used
}

/// The same in the older form: what is constructed is taken apart when its slab goes.
fn destructed(kernel: &Kernel, checks: &mut Checks) -> Result<(), Unwound> {
    let slabs = kernel.slabs;
    MADE.store(0, Ordering::Relaxed);
    let (flags, make, end) = (SlabFlags::empty(), Some(construct as _), Some(destruct as _));
    let cache = slabs.create_with("example", BYTES, 0, flags, make, end).or(Err(Unwound))?;
    let used = use_objects(slabs, cache, checks);
    // SAFETY: 1. created above; 2. nobody uses it any more.
    let destroyed = unsafe { slabs.destroy(cache) };
    checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
    let left = MADE.load(Ordering::Relaxed);
    checks.equal(left, 0, format_args!("objects that were not destructed"));
    used
}

/// Takes a few objects, which are ready; writes to each, makes it ready again, and gives it back.
fn use_objects(
    slabs: &slabs::Slabs,
    cache: &slabs::Cache,
    checks: &mut Checks,
) -> Result<(), Unwound> {
    let mut taken = ArrayVec::<VirtAddr, 100>::new();
    let mut result = Ok(());
    while !taken.is_full() && result.is_ok() {
        match slabs::take(slabs, cache, KERNEL).result() {
            Ok(object) => taken.push(object),
            Err(_) => result = Err(Unwound),
        }
    }
    while let Some(object) = taken.pop() {
        // SAFETY: the object is ours, and has so many bytes.
        let bytes = unsafe { bytes_of(object, BYTES) };
        let is_ready = bytes.iter().all(|byte| *byte == READY);
        checks.that(is_ready, format_args!("{object} is not as it was constructed"));
        bytes[..8].copy_from_slice(&GREETING[..8]);
        bytes.fill(READY);
        // SAFETY: 1, 2. taken above, and forgotten; 3. it is ready.
        let given = unsafe { slabs::give(slabs, cache, object) };
        checks.that(given.is_ok(), format_args!("{given:?}"));
    }
    result
}

/// The same with types: boxes give themselves back, also when a step fails.
fn values(kernel: &Kernel, checks: &mut Checks) -> Result<(), Unwound> {
    let cache = ValueCache::<(u32, [u8; 20]), _>::new(kernel.slabs, "example", SlabFlags::empty())
        .or(Err(Unwound))?;
    let one = cache.alloc(KERNEL, (1, [7; 20])).or(Err(Unwound))?;
    let mut two = cache.alloc(KERNEL, (2, [8; 20])).or(Err(Unwound))?;
    two.0 += one.0;
    checks.equal((one.0, two.0), (1, 3), format_args!("values in objects"));
    drop((one, two));
    let destroyed = cache.destroy();
    checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
    Ok(())
}

/// A value that is expensive to make.
struct Prepared([u32; 30]);

impl Construct for Prepared {
    fn construct() -> Self {
        Self(core::array::from_fn(|index| index as u32))
    }
}

fn ready_values(kernel: &Kernel, checks: &mut Checks) -> Result<(), Unwound> {
    let cache = ReadyCache::<Prepared, _>::new(kernel.slabs, "example", SlabFlags::empty())
        .or(Err(Unwound))?;
    for _ in 0..3 {
        let value = cache.take(KERNEL).or(Err(Unwound))?;
        checks.equal(value.0[29], 29, format_args!("a value that was constructed"));
    }
    let destroyed = cache.destroy();
    checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
    Ok(())
}

/// `kmalloc(1024)` and `__get_free_pages(order 1)`, with a text in each.
fn kmalloc_and_pages(kernel: &Kernel, checks: &mut Checks) -> Result<(), Unwound> {
    let slabs = kernel.slabs;
    let memory = slabs::kmalloc(slabs, 1024, KERNEL).result().or(Err(Unwound))?;
    let order = Order::new(1).unwrap_or_default();
    let Ok(pages) = kernel.pages.get_free_pages(KERNEL, order) else {
        // SAFETY: 1. taken above; 2. nobody has looked at it.
        let given = unsafe { slabs::kfree(slabs, memory) };
        checks.that(given.is_ok(), format_args!("{given:?}"));
        return Err(Unwound);
    };
    match kernel.tables.linear().page_address(pages.pfn()) {
        Some(virt) => {
            // SAFETY: both are ours, and have so many bytes.
            let (memory, pages) =
                unsafe { (bytes_of(memory, 1024), bytes_of(virt, order.bytes())) };
            memory[..GREETING.len()].copy_from_slice(GREETING);
            // Across the border of the two pages.
            let start = pages.len() / 2 - 5;
            pages[start..start + FAREWELL.len()].copy_from_slice(FAREWELL);
            checks.that(memory.starts_with(GREETING), format_args!("the text in kmalloc's memory"));
            checks.that(pages[start..].starts_with(FAREWELL), format_args!("the text in pages"));
        }
        None => checks.that(false, format_args!("{pages:?} has no address")),
    }
    let pfn = pages.into_raw();
    // SAFETY: 1. the block was ours; 2. nobody looks at it any more.
    let given = unsafe { crate::pages::free(kernel.pages, pfn, order) };
    checks.that(given.is_ok(), format_args!("{given:?}"));
    // SAFETY: as above.
    let given = unsafe { slabs::kfree(slabs, memory) };
    checks.that(given.is_ok(), format_args!("{given:?}"));
    Ok(())
}

/// A pool of objects of a cache, which serves while nothing else does.
fn mempool(kernel: &Kernel, checks: &mut Checks) -> Result<(), Unwound> {
    const MIN_NR: u32 = 4;
    let slabs = kernel.slabs;
    // A slab for each object or two: there is soon none.
    let flags = SlabFlags::SLAB_NO_MERGE;
    let cache = slabs.create("example", 8192, 0, flags, None).or(Err(Unwound))?;
    let elements = Counted::new(SlabElements::new(slabs, cache));
    let used = match Mempool::new(slabs, MIN_NR, elements) {
        Ok(pool) => {
            let mut held = ArrayVec::<VirtAddr, 64>::new();
            while !held.is_full()
                && let Ok(element) = pool.alloc(Gfp::GFP_ATOMIC)
            {
                held.push(element);
            }
            checks.that(held.len() as u32 >= MIN_NR, format_args!("{} elements", held.len()));
            while let Some(element) = held.pop() {
                // SAFETY: 1. taken above, and forgotten; 2. nobody looks at it; 3. no constructor.
                let given = unsafe { pool.free(element) };
                checks.that(given.is_ok(), format_args!("{given:?}"));
            }
            let full = (pool.curr_nr(), pool.outstanding());
            checks.equal(full, (MIN_NR, 0), format_args!("elements in the pool, and out"));
            let ended = pool.destroy();
            checks.that(ended.is_ok(), format_args!("{ended:?}"));
            Ok(())
        }
        Err(_) => Err(Unwound),
    };
    // SAFETY: 1. created above; 2. nobody uses it any more.
    let destroyed = unsafe { slabs.destroy(cache) };
    checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
    used
}

/// What a pool is for: while every other request fails, it gives as many as it has set aside, and as often
/// as one comes back, one more.
fn in_need(kernel: &Kernel, checks: &mut Checks) {
    const MIN_NR: u32 = 3;
    let order = Order::new(1).unwrap_or_default();
    let pool = match kernel.slabs.page_pool(MIN_NR, order) {
        Ok(pool) => pool,
        Err(error) => return checks.that(false, format_args!("{error}")),
    };
    kernel.pages.drain();
    kernel.pages.inject_failures(FailConfig::one_in(1));
    let mut held = ArrayVec::<_, 8>::new();
    while !held.is_full()
        && let Ok(element) = pool.alloc_owned(Gfp::GFP_ATOMIC)
    {
        held.push(element);
    }
    checks.equal(held.len() as u32, MIN_NR, format_args!("elements, where there is nothing else"));
    for _ in 0..100 {
        held.pop();
        match pool.alloc_owned(KERNEL) {
            Ok(element) => held.push(element),
            Err(error) => checks.that(false, format_args!("one came back, yet: {error}")),
        }
    }
    kernel.pages.inject_failures(FailConfig::OFF);
    drop(held);
    let ended = pool.destroy();
    checks.that(ended.is_ok(), format_args!("{ended:?}"));
}

/// The bytes of an object.
///
/// # Safety
///
/// They are the caller's alone, in the linear map, for as long as it uses the result.
unsafe fn bytes_of<'a>(object: VirtAddr, bytes: u32) -> &'a mut [u8] {
    // SAFETY: the caller's.
    unsafe { core::slice::from_raw_parts_mut(object.as_u32() as *mut u8, bytes as usize) }
}
