//! Objects, caches and pools, as C has them.

use core::ffi::{CStr, c_char, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mm::object::SlabFlags;

use super::super::Checks;
use super::{GFP_KERNEL, GFP_ZERO, functions, holds, is_filled, virt};
use crate::monitor::Kernel;

/// `ZERO_SIZE_PTR`.
const ZERO_SIZE: *mut u8 = 16 as *mut u8;
const EINVAL: i32 = 22;

functions! {
    /// `<linux/slab.h>`.
    Slab {
        kmalloc: fn(usize, u32) -> *mut u8;
        kzalloc: fn(usize, u32) -> *mut u8;
        kcalloc: fn(usize, usize, u32) -> *mut u8;
        krealloc: fn(*const u8, usize, u32) -> *mut u8;
        kfree: fn(*const u8);
        kfree_sensitive: fn(*const u8);
        ksize: fn(*const u8) -> usize;
        kvmalloc: fn(usize, u32) -> *mut u8;
        kvfree: fn(*const u8);
    }
}

functions! {
    /// The caches of `<linux/slab.h>`.
    Caches {
        kmem_cache_create:
            fn(*const c_char, u32, u32, u32, Option<unsafe extern "C" fn(*mut c_void)>) -> *mut c_void;
        kmem_cache_alloc: fn(*mut c_void, u32) -> *mut u8;
        kmem_cache_free: fn(*mut c_void, *mut u8);
        kmem_cache_destroy: fn(*mut c_void);
        kmem_cache_shrink: fn(*mut c_void) -> i32;
        kmem_cache_size: fn(*mut c_void) -> u32;
    }
}

type Alloc = unsafe extern "C" fn(u32, *mut c_void) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void, *mut c_void);

functions! {
    /// `<linux/mempool.h>`.
    Pools {
        mempool_create: fn(i32, Alloc, Free, *mut c_void) -> *mut c_void;
        mempool_destroy: fn(*mut c_void);
        mempool_resize: fn(*mut c_void, i32) -> i32;
        mempool_alloc: fn(*mut c_void, u32) -> *mut c_void;
        mempool_free: fn(*mut c_void, *mut c_void);
        mempool_alloc_slab: fn(u32, *mut c_void) -> *mut c_void;
        mempool_free_slab: fn(*mut c_void, *mut c_void);
        mempool_kmalloc: fn(u32, *mut c_void) -> *mut c_void;
        mempool_kfree: fn(*mut c_void, *mut c_void);
        mempool_alloc_pages: fn(u32, *mut c_void) -> *mut c_void;
        mempool_free_pages: fn(*mut c_void, *mut c_void);
        page_address: fn(*const c_void) -> *mut u8;
    }
}

pub fn run(kernel: &Kernel, checks: &mut Checks) {
    let (slab, caches, pools) = (Slab::find(checks), Caches::find(checks), Pools::find(checks));
    let (Some(slab), Some(caches), Some(pools)) = (slab, caches, pools) else { return };
    by_size(kernel, &slab, checks);
    caches_of_ones_own(kernel, &caches, checks);
    pools_of_all_kinds(kernel, &caches, &pools, checks);
    foreign_pool(&pools, checks);
}

fn by_size(kernel: &Kernel, c: &Slab, checks: &mut Checks) {
    for bytes in [1, 8, 100, 1024, 5000, 20_000] {
        // SAFETY: what is taken is used within its size, and given back once.
        unsafe {
            let object = (c.kmalloc)(bytes, GFP_KERNEL);
            checks.that(!object.is_null(), format_args!("kmalloc({bytes})"));
            if object.is_null() {
                continue;
            }
            checks
                .that(holds(object, bytes as u32), format_args!("kmalloc({bytes}) at {object:p}"));
            let size = (c.ksize)(object);
            let known = kernel.slabs.ksize(virt(object));
            checks.equal(Some(size as u32), known, format_args!("ksize of {bytes}"));
            // Whether it moves or not, what it held stays.
            object.write_bytes(0xa7, bytes);
            let larger = (c.krealloc)(object, size + 1, GFP_KERNEL);
            checks.that(!larger.is_null() && larger != object, format_args!("krealloc of {bytes}"));
            let object = if larger.is_null() { object } else { larger };
            checks.that(is_filled(object, bytes as u32, 0xa7), format_args!("krealloc of {bytes}"));
            (c.kfree)(object);
            let zeroed = (c.kzalloc)(bytes, GFP_KERNEL);
            let is_zero = !zeroed.is_null() && is_filled(zeroed, bytes as u32, 0);
            checks.that(is_zero, format_args!("kzalloc({bytes})"));
            (c.kfree)(zeroed);
        }
    }
    // SAFETY: NULL, ZERO_SIZE_PTR and what is taken are all that is given back.
    unsafe {
        checks.equal((c.kmalloc)(0, GFP_KERNEL), ZERO_SIZE, format_args!("kmalloc(0)"));
        checks.equal((c.ksize)(ZERO_SIZE), 0, format_args!("ksize of it"));
        [ptr::null(), ZERO_SIZE.cast_const()].iter().for_each(|nothing| (c.kfree)(*nothing));
        (c.kfree_sensitive)(ptr::null());
        let overflow = (c.kcalloc)(0x1_0001, 0x1_0000, GFP_KERNEL);
        checks.that(overflow.is_null(), format_args!("kcalloc of more than 4 GiB"));
        let too_large = (c.kmalloc)(5 << 20, GFP_KERNEL);
        checks.that(too_large.is_null(), format_args!("kmalloc of 5 MiB"));
        let fresh = (c.krealloc)(ptr::null(), 100, GFP_KERNEL);
        checks.that(!fresh.is_null(), format_args!("krealloc of NULL"));
        checks.equal((c.krealloc)(fresh, 0, GFP_KERNEL), ZERO_SIZE, format_args!("krealloc to 0"));
        let array = (c.kcalloc)(7, 9, GFP_KERNEL);
        checks.that(!array.is_null() && is_filled(array, 63, 0), format_args!("kcalloc(7, 9)"));
        (c.kfree)(array);
        wiped(kernel, c, checks);
        for bytes in [100, 3 << 20] {
            let memory = (c.kvmalloc)(bytes, GFP_KERNEL);
            if !memory.is_null() {
                checks.that(holds(memory, 100), format_args!("kvmalloc({bytes})"));
            }
            checks.that(!memory.is_null(), format_args!("kvmalloc({bytes})"));
            (c.kvfree)(memory);
        }
        (c.kvfree)(ptr::null());
    }
}

/// What is given back as a secret is zeroes afterwards. Nobody else takes the object meanwhile; where free objects hold
/// something else, or are not to be read, there is nothing to see.
fn wiped(kernel: &Kernel, c: &Slab, checks: &mut Checks) {
    let is_watched = kernel.slabs.caches().any(|cache| cache.flags().intersects(SlabFlags::DEBUG));
    // SAFETY: it is used within its size, and given back once; what is read then is lowmem.
    unsafe {
        let secret = (c.kmalloc)(63, GFP_KERNEL);
        let is_plain = !secret.is_null() && (c.ksize)(secret) == 64 && !is_watched;
        if is_plain {
            secret.write_bytes(0xee, 63);
        }
        (c.kfree_sensitive)(secret);
        checks.that(!is_plain || is_filled(secret, 63, 0), format_args!("kfree_sensitive"));
    }
}

/// Objects that were constructed.
static MADE: AtomicU32 = AtomicU32::new(0);
const BYTES: u32 = 56;
const READY: u8 = 0x3c;

unsafe extern "C" fn construct(object: *mut c_void) {
    MADE.fetch_add(1, Relaxed);
    // SAFETY: the cache's objects have so many bytes.
    unsafe { object.cast::<u8>().write_bytes(READY, BYTES as usize) };
}

fn caches_of_ones_own(kernel: &Kernel, c: &Caches, checks: &mut Checks) {
    const NAME: &CStr = c"a-name-that-is-longer-than-names-of-caches-are";
    MADE.store(0, Relaxed);
    // SAFETY: the cache is used while it is there, its objects are given back once, as the constructor left them.
    unsafe {
        let cache = (c.kmem_cache_create)(NAME.as_ptr(), BYTES, 0, 0, Some(construct));
        checks.that(!cache.is_null(), format_args!("kmem_cache_create"));
        if cache.is_null() {
            return;
        }
        let named = "a-name-that-is-longer-than-names";
        let is_there = kernel.slabs.caches().any(|cache| cache.name().as_str() == named);
        checks.that(is_there, format_args!("no cache is called {named}"));
        checks.equal((c.kmem_cache_size)(cache), BYTES, format_args!("kmem_cache_size"));
        let objects = [(); 20].map(|()| (c.kmem_cache_alloc)(cache, GFP_KERNEL));
        for object in objects {
            let is_ready = !object.is_null() && is_filled(object, BYTES, READY);
            checks.that(is_ready, format_args!("{object:p} was not constructed"));
        }
        checks.that(MADE.load(Relaxed) >= 20, format_args!("constructor calls"));
        checks.equal((c.kmem_cache_shrink)(cache), 1, format_args!("kmem_cache_shrink in use"));
        let zeroed = (c.kmem_cache_alloc)(cache, GFP_KERNEL | GFP_ZERO);
        checks.that(zeroed.is_null(), format_args!("a constructed object was zeroed"));
        // It stays, and says why.
        (c.kmem_cache_destroy)(cache);
        objects.iter().filter(|object| !object.is_null()).for_each(|object| {
            (c.kmem_cache_free)(cache, *object);
        });
        checks.equal((c.kmem_cache_shrink)(cache), 0, format_args!("kmem_cache_shrink"));
        (c.kmem_cache_destroy)(cache);
        // A second time: there is no such cache, which is said.
        (c.kmem_cache_destroy)(cache);
        (c.kmem_cache_destroy)(ptr::null_mut());
        // Names that can not be read, flags that there are not.
        for (name, flags) in [(ptr::null(), 0), (8 as *const c_char, 0), (c"x".as_ptr(), 1 << 31)] {
            let cache = (c.kmem_cache_create)(name, 8, 0, flags, None);
            checks.that(cache.is_null(), format_args!("a cache of the name at {name:p}"));
        }
    }
}

/// One way to fill a pool.
struct Kind {
    name: &'static str,
    alloc: Alloc,
    free: Free,
    data: *mut c_void,
}

/// Each of the kernel's own three kinds: elements that can be used, a reserve, and a second free that is found.
fn pools_of_all_kinds(kernel: &Kernel, caches: &Caches, c: &Pools, checks: &mut Checks) {
    // SAFETY: the cache is there until the pools have ended.
    let cache =
        unsafe { (caches.kmem_cache_create)(c"selftest-pool".as_ptr(), 72, 0, 0x100_0000, None) };
    checks.that(!cache.is_null(), format_args!("a cache for a pool"));
    if cache.is_null() {
        return;
    }
    for kind in [
        Kind { name: "slab", alloc: c.mempool_alloc_slab, free: c.mempool_free_slab, data: cache },
        Kind { name: "kmalloc", alloc: c.mempool_kmalloc, free: c.mempool_kfree, data: 300 as _ },
        Kind { name: "large", alloc: c.mempool_kmalloc, free: c.mempool_kfree, data: 20_000 as _ },
        Kind {
            name: "page",
            alloc: c.mempool_alloc_pages,
            free: c.mempool_free_pages,
            data: 1 as _,
        },
    ] {
        pool(c, &kind, checks);
        kernel.slabs.shrink_all();
    }
    // SAFETY: the pools have ended.
    unsafe { (caches.kmem_cache_destroy)(cache) };
}

fn pool(c: &Pools, kind: &Kind, checks: &mut Checks) {
    let name = kind.name;
    // SAFETY: elements are used within their size, and given back; what is given back twice must be refused.
    unsafe {
        let pool = (c.mempool_create)(4, kind.alloc, kind.free, kind.data);
        checks.that(!pool.is_null(), format_args!("a {name} pool"));
        if pool.is_null() {
            return;
        }
        let elements = [(); 6].map(|()| (c.mempool_alloc)(pool, GFP_KERNEL));
        for (number, element) in elements.iter().enumerate() {
            let is_new = !elements[..number].contains(element) && !element.is_null();
            checks.that(is_new, format_args!("{name} element {number} at {element:p}"));
            let memory =
                if name == "page" { (c.page_address)(*element) } else { element.cast::<u8>() };
            if is_new {
                checks.that(holds(memory, 72), format_args!("{name} element {number}"));
            }
        }
        let with_zero = (c.mempool_alloc)(pool, GFP_KERNEL | GFP_ZERO);
        checks.that(with_zero.is_null(), format_args!("a zeroed {name} element"));
        elements.iter().for_each(|element| (c.mempool_free)(*element, pool));
        (c.mempool_free)(ptr::null_mut(), pool);
        // Said, and nothing more.
        (c.mempool_free)(elements[0], pool);
        checks.equal((c.mempool_resize)(pool, 9), 0, format_args!("a larger {name} pool"));
        checks.equal((c.mempool_resize)(pool, 1), 0, format_args!("a smaller {name} pool"));
        checks.equal((c.mempool_resize)(pool, 0), -EINVAL, format_args!("a {name} pool of none"));
        (c.mempool_destroy)(pool);
        (c.mempool_destroy)(ptr::null_mut());
        let none = (c.mempool_create)(0, kind.alloc, kind.free, kind.data);
        checks.that(none.is_null(), format_args!("a {name} pool of no element"));
    }
}

/// What the module's own functions hand out: places of an array, by a counter; NULL when the tap is shut.
struct Tap {
    places: [u32; 8],
    next: AtomicU32,
    back: AtomicU32,
    is_shut: AtomicU32,
}

unsafe extern "C" fn tap(_: u32, data: *mut c_void) -> *mut c_void {
    // SAFETY: the pool was made with one, which lives as long.
    let tap = unsafe { &*data.cast::<Tap>() };
    if tap.is_shut.load(Relaxed) != 0 {
        return ptr::null_mut();
    }
    let next = tap.next.fetch_add(1, Relaxed) as usize;
    tap.places.get(next).map_or(ptr::null_mut(), |place| ptr::from_ref(place).cast_mut().cast())
}

unsafe extern "C" fn drain(_: *mut c_void, data: *mut c_void) {
    // SAFETY: as in `tap`.
    unsafe { &*data.cast::<Tap>() }.back.fetch_add(1, Relaxed);
}

/// A pool over functions of the module's own: the reserve serves when they have nothing.
fn foreign_pool(c: &Pools, checks: &mut Checks) {
    let zero = || AtomicU32::new(0);
    let source = Tap { places: [0; 8], next: zero(), back: zero(), is_shut: zero() };
    let data = ptr::from_ref(&source).cast_mut().cast::<c_void>();
    // SAFETY: the source lives longer than the pool, and nobody looks at its elements.
    unsafe {
        let pool = (c.mempool_create)(3, tap, drain, data);
        checks.that(!pool.is_null(), format_args!("a pool of one's own functions"));
        if pool.is_null() {
            return;
        }
        checks.equal(source.next.load(Relaxed), 3, format_args!("elements in reserve"));
        source.is_shut.store(1, Relaxed);
        let elements = [(); 4].map(|()| (c.mempool_alloc)(pool, GFP_KERNEL));
        let there = elements.iter().filter(|element| !element.is_null()).count();
        checks.equal(there, 3, format_args!("elements of the reserve"));
        for element in elements {
            (c.mempool_free)(element, pool);
        }
        // The pool has it already, which is said.
        (c.mempool_free)(elements[0], pool);
        checks.equal(source.back.load(Relaxed), 0, format_args!("elements that came back"));
        source.is_shut.store(0, Relaxed);
        let one = (c.mempool_alloc)(pool, GFP_KERNEL);
        (c.mempool_free)(one, pool);
        checks.equal(source.back.load(Relaxed), 1, format_args!("elements of a full pool"));
        // One is missing, which is said.
        let kept = (c.mempool_alloc)(pool, GFP_KERNEL);
        checks.that(!kept.is_null(), format_args!("an element that is kept"));
        (c.mempool_destroy)(pool);
        checks.equal(source.back.load(Relaxed), 4, format_args!("elements at the pool's end"));
    }
}
