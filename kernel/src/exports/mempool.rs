//! Pools of elements: `mempool_create` with C's functions, which may be the module's own.
//!
//! ```text
//! mempool_create(n, mempool_alloc_slab,  mempool_free_slab,  cache)  ─▶ Source::Slab     parked in the slab's books
//! mempool_create(n, mempool_kmalloc,     mempool_kfree,      size)   ─▶ Source::Kmalloc  the same
//! mempool_create(n, mempool_alloc_pages, mempool_free_pages, order)  ─▶ Source::Pages    parked in descriptors
//! mempool_create(n, alloc_fn,            free_fn,            data)   ─▶ Source::Foreign  the pool looks for doubles
//! ```
//!
//! The first three are known by their functions' addresses, which a module can only have from the table of exports. So a
//! second free of one of their elements is found wherever it lies, as [`mm::object::mempool`] says.
//!
//! A `mempool_t` lies in memory of `kmalloc`, where nobody moves it. All elements are counted, so that the end of a pool
//! says how many are missing.

use core::ffi::c_void;
use core::ptr;

use mm::addr::{Order, VirtAddr};
use mm::object::NotGiven;
use mm::object::mempool::PoolError;
use mm::object::mempool::{
    Counted, Elements, KmallocElements, Mempool, NoElement, PageElements, SlabElements,
};
use mm::zone::{AllocError, Gfp, ZoneKind};

use super::c::{self, EINVAL, ENOMEM, address, complain, gfp, pointer};
use super::exports;
use super::page::{__free_pages, alloc_pages, descriptor, frame};
use super::slab::{kfree, kmalloc, kmem_cache_alloc, kmem_cache_free};
use crate::kmap;
use crate::platform::Hardware;
use crate::slabs;

exports![
    mempool_create,
    mempool_alloc,
    mempool_free,
    mempool_destroy,
    mempool_resize,
    mempool_alloc_slab,
    mempool_free_slab,
    mempool_kmalloc,
    mempool_kfree,
    mempool_alloc_pages,
    mempool_free_pages,
];

/// `mempool_alloc_t`: `void *(gfp_t flags, void *pool_data)`.
type Alloc = unsafe extern "C" fn(flags: u32, data: *mut c_void) -> *mut c_void;
/// `mempool_free_t`: `void (void *element, void *pool_data)`.
type Free = unsafe extern "C" fn(element: *mut c_void, data: *mut c_void);

/// Where a pool's elements come from.
enum Source {
    Slab(SlabElements<'static, 'static, 'static, Hardware>),
    Kmalloc(KmallocElements<'static, 'static, 'static, Hardware>),
    /// By their descriptors, as C has them.
    Pages(PageElements<'static, 'static, 'static, Hardware>),
    Foreign(Foreign),
}

/// Functions that came from elsewhere. Only the pool calls them, without a lock held.
struct Foreign {
    alloc: Alloc,
    free: Free,
    data: *mut c_void,
}

impl Source {
    /// What these functions and this word mean; `None` of what can be no pool.
    ///
    /// # Safety
    ///
    /// 1. Duties 1 and 2 of `mempool_create`.
    unsafe fn new(
        slabs: &'static slabs::Slabs,
        alloc: Alloc,
        free: Free,
        data: *mut c_void,
    ) -> Option<Self> {
        let is = |known_alloc: Alloc, known_free: Free| {
            alloc as *const () == known_alloc as *const ()
                && free as *const () == known_free as *const ()
        };
        if is(mempool_alloc_slab, mempool_free_slab) {
            // SAFETY: 1. the caller's.
            let cache = unsafe { data.cast::<slabs::Cache>().as_ref() }?;
            Some(Self::Slab(SlabElements::new(slabs, cache)))
        } else if is(mempool_kmalloc, mempool_kfree) {
            Some(Self::Kmalloc(KmallocElements::new(slabs, data as u32, Gfp::empty())))
        } else if is(mempool_alloc_pages, mempool_free_pages) {
            Some(Self::Pages(PageElements::new(slabs, c::order(data as u32)?, Gfp::empty())))
        } else {
            Some(Self::Foreign(Foreign { alloc, free, data }))
        }
    }
}

/// The address of the page with this descriptor; one that is no page's if it is none.
fn page_at(descriptor: VirtAddr) -> VirtAddr {
    let pfn = frame(pointer(Some(descriptor)));
    pfn.zip(kmap::linear()).and_then(|(pfn, linear)| linear.page_address(pfn)).unwrap_or(descriptor)
}

/// The descriptor of the page at this address, which is one of lowmem.
fn descriptor_at(page: VirtAddr) -> VirtAddr {
    let pfn = kmap::linear().and_then(|linear| linear.virt_to_page(page));
    address(pfn.map_or(ptr::null(), |pfn| descriptor(pfn).cast_const()))
}

impl Elements for Source {
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        match self {
            Self::Slab(objects) => objects.take(gfp),
            Self::Kmalloc(memory) => memory.take(gfp),
            Self::Pages(pages) => pages.take(gfp).map(descriptor_at),
            Self::Foreign(Foreign { alloc, data, .. }) => {
                // SAFETY: duty 2 of `mempool_create`.
                let element = unsafe { alloc(gfp.bits(), *data) };
                if element.is_null() {
                    return Err(AllocError::no_memory(Order::ZERO, ZoneKind::Normal));
                }
                Ok(address(element))
            }
        }
    }

    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        match self {
            // SAFETY: 1. to 3. are the caller's, here as below.
            Self::Slab(objects) => unsafe { objects.give(element) },
            // SAFETY: see above.
            Self::Kmalloc(memory) => unsafe { memory.give(element) },
            // SAFETY: see above.
            Self::Pages(pages) => unsafe { pages.give(page_at(element)) },
            Self::Foreign(Foreign { free, data, .. }) => {
                // SAFETY: duty 2 of `mempool_create`.
                unsafe { free(pointer(Some(element)), *data) };
                Ok(())
            }
        }
    }

    fn parks(&self) -> bool {
        !matches!(self, Self::Foreign(_))
    }

    fn park(&self, element: VirtAddr) -> bool {
        match self {
            Self::Slab(objects) => objects.park(element),
            Self::Kmalloc(memory) => memory.park(element),
            Self::Pages(pages) => pages.park(page_at(element)),
            Self::Foreign(_) => true,
        }
    }

    fn unpark(&self, element: VirtAddr) {
        match self {
            Self::Slab(objects) => objects.unpark(element),
            Self::Kmalloc(memory) => memory.unpark(element),
            Self::Pages(pages) => pages.unpark(page_at(element)),
            Self::Foreign(_) => {}
        }
    }
}

/// `mempool_t`.
type Pool = Mempool<'static, 'static, 'static, Hardware, Counted<Source>>;

/// `mempool_t *mempool_create(int min_nr, mempool_alloc_t *alloc_fn, mempool_free_t *free_fn, void *pool_data)`: a pool
/// with so many elements in it; NULL without memory, and of a pool of none. May sleep.
///
/// # Safety
///
/// 1. With `mempool_alloc_slab`, `data` is a cache that outlives the pool.
/// 2. Other functions may be called with `data` from any context in which the pool is used, for as long as it is there;
///    what `alloc` returns, no two elements have, and `free` takes each back.
unsafe extern "C" fn mempool_create(
    min_nr: i32,
    alloc: Option<Alloc>,
    free: Option<Free>,
    data: *mut c_void,
) -> *mut Pool {
    let (Some(slabs), Some(alloc), Some(free)) = (slabs::get(), alloc, free) else {
        return ptr::null_mut();
    };
    // SAFETY: 1. the caller's.
    let Some(source) = (unsafe { Source::new(slabs, alloc, free, data) }) else {
        return ptr::null_mut();
    };
    let place = kmalloc(size_of::<Pool>() as u32, Gfp::GFP_KERNEL.bits()).cast::<Pool>();
    if place.is_null() {
        return place;
    }
    match Pool::new(slabs, u32::try_from(min_nr).unwrap_or(0), Counted::new(source)) {
        Ok(pool) => {
            // SAFETY: memory for one, aligned to a cache line.
            unsafe { place.write(pool) };
            place
        }
        Err(_) => {
            // SAFETY: 1. taken above.
            unsafe { kfree(place.cast()) };
            ptr::null_mut()
        }
    }
}
const _: () = assert!(align_of::<Pool>() <= 64);

/// `void *mempool_alloc(mempool_t *pool, gfp_t flags)`: an element; NULL if the pool is empty and nobody can help, and
/// if the flags are not for a pool, which is said. Context as `flags` say.
///
/// # Safety
///
/// 1. The pool was created, and not destroyed since.
unsafe extern "C" fn mempool_alloc(pool: *const Pool, flags: u32) -> *mut c_void {
    // SAFETY: 1. the caller's.
    let Some(pool) = (unsafe { pool.as_ref() }) else { return ptr::null_mut() };
    match pool.alloc(gfp(flags)) {
        Ok(element) => pointer(Some(element)),
        Err(NoElement::Empty | NoElement::NobodyCanHelp) => ptr::null_mut(),
        Err(error) => {
            complain("mempool_alloc", format_args!("{error}"));
            ptr::null_mut()
        }
    }
}

/// `void mempool_free(void *element, mempool_t *pool)`: gives an element back. Nothing of NULL. Any context.
///
/// # Safety
///
/// 1. As of `mempool_alloc`.
/// 2. The element is the caller's, of this pool, and nobody uses it any more.
unsafe extern "C" fn mempool_free(element: *mut c_void, pool: *const Pool) {
    // SAFETY: 1. the caller's.
    if let (false, Some(pool)) = (element.is_null(), unsafe { pool.as_ref() }) {
        // What can go wrong has been reported.
        // SAFETY: 1. to 3. the caller's, 2.
        let _ = unsafe { pool.free(address(element)) };
    }
}

/// `void mempool_destroy(mempool_t *pool)`: ends a pool, and says if elements are missing. Nothing of NULL.
///
/// # Safety
///
/// 1. As of `mempool_alloc`, and nobody uses the pool any more.
unsafe extern "C" fn mempool_destroy(pool: *mut Pool) {
    if pool.is_null() {
        return;
    }
    // SAFETY: 1. there is one, and nobody reads it again.
    let ended = unsafe { pool.read() }.destroy();
    if let Err(error) = ended {
        complain("mempool_destroy", format_args!("{error}"));
    }
    // SAFETY: 1. `mempool_create` took it.
    unsafe { kfree(pool.cast()) };
}

/// `int mempool_resize(mempool_t *pool, int new_min_nr)`: sets aside more elements, or fewer; 0, or `-ENOMEM`, or
/// `-EINVAL` of no element. May sleep.
///
/// # Safety
///
/// As of `mempool_alloc`.
unsafe extern "C" fn mempool_resize(pool: *const Pool, min_nr: i32) -> i32 {
    // SAFETY: 1. the caller's.
    let Some(pool) = (unsafe { pool.as_ref() }) else { return -EINVAL };
    match pool.resize(u32::try_from(min_nr).unwrap_or(0)) {
        Ok(()) => 0,
        Err(PoolError::NoElements) => -EINVAL,
        Err(_) => -ENOMEM,
    }
}

/// `void *mempool_alloc_slab(gfp_t flags, void *pool_data)`: an object of the cache `data`.
///
/// # Safety
///
/// As of `kmem_cache_alloc`.
unsafe extern "C" fn mempool_alloc_slab(flags: u32, data: *mut c_void) -> *mut c_void {
    // SAFETY: 1. the caller's.
    unsafe { kmem_cache_alloc(data.cast(), flags) }
}

/// `void mempool_free_slab(void *element, void *pool_data)`: the reverse.
///
/// # Safety
///
/// As of `kmem_cache_free`.
unsafe extern "C" fn mempool_free_slab(element: *mut c_void, data: *mut c_void) {
    // SAFETY: 1, 2. the caller's.
    unsafe { kmem_cache_free(data.cast(), element) };
}

/// `void *mempool_kmalloc(gfp_t flags, void *pool_data)`: as many bytes as `data` says.
unsafe extern "C" fn mempool_kmalloc(flags: u32, data: *mut c_void) -> *mut c_void {
    kmalloc(data as u32, flags)
}

/// `void mempool_kfree(void *element, void *pool_data)`: the reverse.
///
/// # Safety
///
/// As of `kfree`.
unsafe extern "C" fn mempool_kfree(element: *mut c_void, _: *mut c_void) {
    // SAFETY: 1. the caller's.
    unsafe { kfree(element) };
}

/// `void *mempool_alloc_pages(gfp_t flags, void *pool_data)`: a block of the order that `data` says, as `struct page *`.
unsafe extern "C" fn mempool_alloc_pages(flags: u32, data: *mut c_void) -> *mut c_void {
    alloc_pages(flags, data as u32).cast()
}

/// `void mempool_free_pages(void *element, void *pool_data)`: the reverse.
///
/// # Safety
///
/// As of `__free_pages`.
unsafe extern "C" fn mempool_free_pages(element: *mut c_void, data: *mut c_void) {
    // SAFETY: 1. the caller's.
    unsafe { __free_pages(element.cast(), data as u32) };
}
