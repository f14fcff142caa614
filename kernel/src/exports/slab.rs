//! Objects: `kmalloc` and its family, caches, and `kvmalloc`.
//!
//! The fast ways are the kernel's own out-of-line ones ([`crate::slabs`]), which this adds a NULL to.
//!
//! A cache that is shared with a like one (see [`SlabAllocator::create`](mm::object::SlabAllocator::create)) has one
//! address for all who created it. Its destruction looks for it among the living, so that a second one is reported; the
//! ways to objects do not, as Linux's.

use core::ffi::{c_char, c_void};
use core::ptr;

use mm::object::{Constructor, Name, SlabFlags};
use mm::zone::Gfp;

use super::c::{address, complain, complain_of, gfp, name, pointer};
use super::exports;
use super::string::{length, set_bytes};
use crate::report::call_site;
use crate::slabs::{self, Cache};
use crate::vmalloc;

exports![
    kmalloc,
    kzalloc,
    kmalloc_array,
    kcalloc,
    krealloc,
    kfree,
    kfree_sensitive,
    ksize,
    kstrdup,
    kstrndup,
    kmemdup,
    kmem_cache_create,
    kmem_cache_alloc,
    kmem_cache_zalloc,
    kmem_cache_free,
    kmem_cache_destroy,
    kmem_cache_shrink,
    kmem_cache_size,
    kvmalloc,
    kvzalloc,
    kvfree,
];

/// `void *kmalloc(size_t size, gfp_t flags)`: memory; NULL if there is none, `ZERO_SIZE_PTR` of 0 bytes. Context as
/// `flags` say.
pub(super) extern "C" fn kmalloc(size: u32, flags: u32) -> *mut c_void {
    let taken =
        slabs::get().and_then(|slabs| slabs::kmalloc(slabs, size, gfp(flags)).result().ok());
    pointer(taken)
}

/// `void *kzalloc(size_t size, gfp_t flags)`: as `kmalloc`, zeroed.
extern "C" fn kzalloc(size: u32, flags: u32) -> *mut c_void {
    kmalloc(size, flags | Gfp::__GFP_ZERO.bits())
}

/// `void *kmalloc_array(size_t n, size_t size, gfp_t flags)`: as `kmalloc`; NULL if the product overflows.
extern "C" fn kmalloc_array(count: u32, size: u32, flags: u32) -> *mut c_void {
    count.checked_mul(size).map_or(ptr::null_mut(), |bytes| kmalloc(bytes, flags))
}

/// `void *kcalloc(size_t n, size_t size, gfp_t flags)`: as `kmalloc_array`, zeroed.
extern "C" fn kcalloc(count: u32, size: u32, flags: u32) -> *mut c_void {
    kmalloc_array(count, size, flags | Gfp::__GFP_ZERO.bits())
}

/// `void *krealloc(const void *p, size_t new_size, gfp_t flags)`: another size, here or elsewhere; NULL if there is no
/// memory, and then the old is as it was. Of NULL a `kmalloc`, to 0 bytes a `kfree`.
///
/// # Safety
///
/// 1. `old` is NULL or the caller's, from `kmalloc` and its like; nobody uses it if the result is another address.
unsafe extern "C" fn krealloc(old: *const c_void, size: u32, flags: u32) -> *mut c_void {
    // SAFETY: 1. the caller's.
    let new = |slabs: &slabs::Slabs| unsafe { slabs.krealloc(address(old), size, gfp(flags)) }.ok();
    pointer(slabs::get().and_then(new))
}

/// `void kfree(const void *p)`: gives back memory of `kmalloc`, or an object of any cache. Nothing of NULL. Any context.
///
/// # Safety
///
/// 1. The memory is the caller's, and nobody uses it any more.
pub(super) unsafe extern "C" fn kfree(object: *const c_void) {
    if let Some(slabs) = slabs::get() {
        // What can go wrong has been reported.
        // SAFETY: 1, 2. the caller's.
        let _ = unsafe { slabs::kfree(slabs, address(object)) };
    }
}

/// `void kfree_sensitive(const void *p)`: as `kfree`, and what the memory held is overwritten with zeroes before.
///
/// # Safety
///
/// As of `kfree`.
unsafe extern "C" fn kfree_sensitive(object: *const c_void) {
    let bytes = ksize(object);
    // SAFETY: the object's bytes are the caller's.
    unsafe { set_bytes(object.cast_mut().cast(), 0, bytes) };
    // SAFETY: 1. the caller's.
    unsafe { kfree(object) };
}

/// `size_t ksize(const void *p)`: bytes that may be used there; 0 of NULL, and where nothing is allocated.
extern "C" fn ksize(object: *const c_void) -> u32 {
    slabs::get().and_then(|slabs| slabs.ksize(address(object))).unwrap_or(0)
}

/// `char *kstrdup(const char *s, gfp_t flags)`: a copy of a string; NULL of NULL, or without memory.
///
/// # Safety
///
/// 1. `text` is NULL, or a string that ends with a zero.
unsafe extern "C" fn kstrdup(text: *const c_char, flags: u32) -> *mut c_char {
    // SAFETY: 1. the caller's.
    unsafe { kstrndup(text, u32::MAX, flags) }
}

/// `char *kstrndup(const char *s, size_t max, gfp_t flags)`: as `kstrdup`, of at most `most` bytes and a zero.
///
/// # Safety
///
/// 1. `text` is NULL, or a string that ends with a zero or has `most` bytes.
unsafe extern "C" fn kstrndup(text: *const c_char, most: u32, flags: u32) -> *mut c_char {
    if text.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: 1. the caller's.
    let len = unsafe { length(text, most) };
    let copy = kmalloc(len.saturating_add(1), flags).cast::<c_char>();
    if !copy.is_null() {
        // SAFETY: both have so many bytes, and the new one a byte more; nobody else has it yet.
        unsafe {
            ptr::copy_nonoverlapping(text, copy, len as usize);
            copy.add(len as usize).write(0);
        }
    }
    copy
}

/// `void *kmemdup(const void *src, size_t len, gfp_t flags)`: a copy of bytes; NULL without memory.
///
/// # Safety
///
/// 1. There are `len` bytes at `from`.
unsafe extern "C" fn kmemdup(from: *const c_void, len: u32, flags: u32) -> *mut c_void {
    let copy = kmalloc(len, flags);
    if !copy.is_null() && len > 0 {
        // SAFETY: 1. the caller's; as many are at `copy`, and nobody else's.
        unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), copy.cast(), len as usize) };
    }
    copy
}

/// `struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align, slab_flags_t flags,
/// void (*ctor)(void *))`: a cache, or one that is alike; NULL if it can not be, which is said. May sleep.
///
/// The name is copied, as far as [`Name::MAX`] bytes go.
///
/// # Safety
///
/// 1. `constructor` is NULL, or writes no more than `size` bytes of the object that it is given, and is there for as long
///    as the cache.
unsafe extern "C" fn kmem_cache_create(
    text: *const c_char,
    size: u32,
    align: u32,
    flags: u32,
    constructor: Option<Constructor>,
) -> *const Cache {
    const SELF: &str = "kmem_cache_create";
    let Some(slabs) = slabs::get() else { return ptr::null() };
    let Some(name) = name::<{ Name::MAX }>(text) else {
        complain_of(SELF, text.cast(), "no name");
        return ptr::null();
    };
    match slabs.create(&name, size, align, SlabFlags::from_bits_retain(flags), constructor) {
        Ok(cache) => cache,
        Err(error) => {
            complain(SELF, format_args!("{name}: {error}"));
            ptr::null()
        }
    }
}

/// `void *kmem_cache_alloc(struct kmem_cache *s, gfp_t flags)`: an object; NULL if there is none. Context as `flags` say.
///
/// # Safety
///
/// 1. The cache is one that `kmem_cache_create` gave, and that was not destroyed since.
pub(super) unsafe extern "C" fn kmem_cache_alloc(cache: *const Cache, flags: u32) -> *mut c_void {
    // SAFETY: 1. the caller's.
    let Some(cache) = (unsafe { cache.as_ref() }) else { return ptr::null_mut() };
    let take = |slabs| slabs::take(slabs, cache, gfp(flags)).result().ok();
    pointer(slabs::get().and_then(take))
}

/// `void *kmem_cache_zalloc(struct kmem_cache *s, gfp_t flags)`: as `kmem_cache_alloc`, zeroed.
///
/// # Safety
///
/// As of `kmem_cache_alloc`.
unsafe extern "C" fn kmem_cache_zalloc(cache: *const Cache, flags: u32) -> *mut c_void {
    // SAFETY: 1. the caller's.
    unsafe { kmem_cache_alloc(cache, flags | Gfp::__GFP_ZERO.bits()) }
}

/// `void kmem_cache_free(struct kmem_cache *s, void *objp)`: gives back an object. Any context.
///
/// # Safety
///
/// 1. As duty 1 of `kmem_cache_alloc`.
/// 2. The object is the caller's, nobody uses it any more, and it is as the constructor, if there is one, left it.
pub(super) unsafe extern "C" fn kmem_cache_free(cache: *const Cache, object: *mut c_void) {
    // SAFETY: 1. the caller's.
    if let (Some(slabs), Some(cache)) = (slabs::get(), unsafe { cache.as_ref() }) {
        // What can go wrong has been reported.
        // SAFETY: 1. to 3. the caller's, 2.
        let _ = unsafe { slabs::give(slabs, cache, address(object)) };
    }
}

/// The cache at an address, if there is one.
fn known(function: &str, cache: *const Cache) -> Option<(&'static slabs::Slabs, &'static Cache)> {
    let slabs = slabs::get()?;
    let found = slabs.caches().find(|known| ptr::eq(*known, cache));
    if found.is_none() {
        complain_of(function, cache.cast(), "no cache");
    }
    Some((slabs, found?))
}

/// `void kmem_cache_destroy(struct kmem_cache *s)`: ends a cache, or its creator's share in it. Nothing of NULL. If
/// objects are left it stays, and that is reported with the first of them. May sleep.
///
/// # Safety
///
/// 1. The caller created the cache, and uses it no more.
unsafe extern "C" fn kmem_cache_destroy(cache: *const Cache) {
    if !cache.is_null()
        && let Some((slabs, cache)) = known("kmem_cache_destroy", cache)
    {
        // SAFETY: 1. to 3. the caller's, 1.
        let _ = unsafe { slabs.destroy(cache) };
    }
}

/// `int kmem_cache_shrink(struct kmem_cache *s)`: gives back slabs that have no object in use. Returns 0 if none is left
/// then, and 1 otherwise. May sleep.
extern "C" fn kmem_cache_shrink(cache: *const Cache) -> i32 {
    let Some((slabs, cache)) = known("kmem_cache_shrink", cache) else { return 0 };
    slabs.shrink(cache);
    i32::from(slabs.objects_out(cache) > 0)
}

/// `unsigned int kmem_cache_size(struct kmem_cache *s)`: bytes of an object.
extern "C" fn kmem_cache_size(cache: *const Cache) -> u32 {
    known("kmem_cache_size", cache).map_or(0, |(_, cache)| cache.object_size())
}

/// `void *kvmalloc(size_t size, gfp_t flags)`: an object, or an area where that is too much to ask; NULL if neither.
/// Context as `flags` say.
extern "C" fn kvmalloc(size: u32, flags: u32) -> *mut c_void {
    let take = |region: &vmalloc::Vmalloc| region.kvmalloc(size, gfp(flags), call_site()).ok();
    pointer(vmalloc::get().and_then(take))
}

/// `void *kvzalloc(size_t size, gfp_t flags)`: as `kvmalloc`, zeroed.
extern "C" fn kvzalloc(size: u32, flags: u32) -> *mut c_void {
    kvmalloc(size, flags | Gfp::__GFP_ZERO.bits())
}

/// `void kvfree(const void *addr)`: gives back what `kvmalloc`, `kmalloc` or `vmalloc` gave. Nothing of NULL.
///
/// # Safety
///
/// As of `kfree`.
unsafe extern "C" fn kvfree(at: *const c_void) {
    if let Some(region) = vmalloc::get() {
        // What can go wrong has been reported.
        // SAFETY: 1, 2. the caller's.
        let _ = unsafe { region.kvfree(address(at)) };
    }
}
