//! Memory by size: `kmalloc` and its family.
//!
//! | bytes | from |
//! |---|---|
//! | 0 | nowhere: [`ZERO_SIZE`], which may be given back |
//! | 1 to 8192 | the caches of 64, 128, 192, 256, 512 … 8192 bytes |
//! | up to 4 MiB | the page allocator, a power of two of pages |
//!
//! The smallest class is a cache line, and every object begins at one, since the memory may be handed to a
//! device that does not see the caches: nobody else's bytes may be in a line that is written back or
//! invalidated for it. There are three caches of each size: for ordinary objects, for those that a shrinker
//! frees (`__GFP_RECLAIMABLE`), and for devices that reach only the DMA zone (`__GFP_DMA`, which wins).
#![expect(unsafe_code, reason = "the duties of who gives back memory by its address")]

use core::fmt::Write;

use arrayvec::ArrayString;

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::error::{CreateError, NotGiven, ObjectError};
use super::flags::SlabFlags;
use super::geometry::CACHE_LINE;
use super::memory::Books;
use super::name::Name;
use super::sampled::SAMPLED;
use super::take::NOT_QUICK;
use super::taken::Taken;
use crate::addr::{Order, PAGE_SIZE, VirtAddr};
use crate::frame::{Page, PageState};
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::zone::{AllocError, Gfp};

/// What `kmalloc` of 0 bytes is: no address of anything, but one that may be given back. Linux's
/// `ZERO_SIZE_PTR`.
pub const ZERO_SIZE: VirtAddr = VirtAddr::new(16);
/// The largest object of a cache; more comes from the page allocator.
pub const MAX_CACHED: u32 = 8192;
/// The sizes that there are caches of.
pub const CLASSES: [u32; 9] = [64, 128, 192, 256, 512, 1024, 2048, 4096, 8192];
/// Entries of the table of sizes: one for each line that a request may need.
pub(super) const SIZES: usize = (MAX_CACHED / CACHE_LINE) as usize;
/// In word 3 of the first page's descriptor: `kmalloc` or the heap took the block. Records have other addresses.
pub(super) const LARGE: u32 = 1;

/// The three kinds of caches, in the order in which they win.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Dma,
    Reclaimable,
    Normal,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Normal, Self::Reclaimable, Self::Dma];

    const fn of(gfp: Gfp) -> Self {
        if gfp.contains(Gfp::__GFP_DMA) {
            Self::Dma
        } else if gfp.contains(Gfp::__GFP_RECLAIMABLE) {
            Self::Reclaimable
        } else {
            Self::Normal
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Dma => "dma-kmalloc-",
            Self::Reclaimable => "kmalloc-rcl-",
            Self::Normal => "kmalloc-",
        }
    }

    const fn flags(self) -> SlabFlags {
        match self {
            Self::Dma => SlabFlags::SLAB_CACHE_DMA,
            Self::Reclaimable => SlabFlags::SLAB_RECLAIM_ACCOUNT,
            Self::Normal => SlabFlags::empty(),
        }
    }
}

/// The place in [`CLASSES`] of the smallest class for so many bytes, at most [`MAX_CACHED`].
const fn class(bytes: u32) -> usize {
    let mut class = 0;
    while CLASSES[class] < bytes {
        class += 1;
    }
    class
}

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Makes the caches of all classes. For `new`.
    pub(super) fn make_kmalloc_caches(&mut self) -> Result<(), CreateError> {
        for kind in Kind::ALL {
            for (class, size) in CLASSES.into_iter().enumerate() {
                let mut name = ArrayString::<{ Name::MAX }>::new();
                // It fits.
                let _ = match size {
                    ..1024 => write!(name, "{}{size}", kind.prefix()),
                    _ => write!(name, "{}{}k", kind.prefix(), size / 1024),
                };
                let name = Name::new(&name)?;
                let align = if size.is_power_of_two() { size.min(PAGE_SIZE) } else { CACHE_LINE };
                let flags = kind.flags() | SlabFlags::SLAB_NO_MERGE;
                let (geometry, flags) = self.geometry(&name, size, align, flags)?;
                let mut cache = KmemCache::<CPUS>::new(name, geometry, flags, None);
                cache.is_kmalloc = true;
                let at = self.address_of(self.insert(cache).map_err(CreateError::NoMemory)?);
                self.classes[kind as usize][class] = at;
            }
        }
        for (index, cache) in self.by_size.iter().enumerate() {
            let most = (index as u32 + 1) * CACHE_LINE;
            cache.store(self.classes[Kind::Normal as usize][class(most)], Relaxed);
        }
        self.cache_hints.fill(self.classes[Kind::Normal as usize][0]);
        Ok(())
    }

    /// The cache of ordinary memory for so many bytes, at most [`MAX_CACHED`].
    pub(super) fn kmalloc_cache(&self, size: u32) -> &KmemCache<CPUS> {
        self.cache(self.classes[Kind::Normal as usize][class(size)])
    }

    /// Takes `size` bytes, from a cache line on, a power of two at a multiple of itself (up to a page).
    /// They hold whatever they held, unless the flags say `__GFP_ZERO`. Linux's `kmalloc`.
    ///
    /// Any context if `gfp` has no `__GFP_DIRECT_RECLAIM`; otherwise one that may sleep.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: the flags contradict each other (as far as [`take_object`](Self::take_object) looks at
    /// them) or want a page without an address, more than 4 MiB are asked for, or there is no memory and nobody
    /// can help.
    #[inline(always)]
    pub fn kmalloc(&self, size: u32, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.kmalloc_raw(size, gfp).result()
    }

    /// As [`kmalloc`](Self::kmalloc), in one word.
    #[inline(always)]
    pub fn kmalloc_raw(&self, size: u32, gfp: Gfp) -> Taken {
        let last = size.wrapping_sub(1);
        // Of 0 bytes, the last one is far beyond.
        if let Some(cache) = self.by_size.get((last / CACHE_LINE) as usize)
            && !gfp.intersects(NOT_QUICK)
        {
            let cache = self.cache(cache.load(Relaxed));
            let masked = self.memory().mask();
            if let Some(object) = self.cpu_slab(cache, &masked).take() {
                return Taken::object(object);
            }
            drop(masked);
            return Self::take_sized(cache, gfp, size);
        }
        self.kmalloc_with_care(size, gfp)
    }

    #[inline(never)]
    fn kmalloc_with_care(&self, size: u32, gfp: Gfp) -> Taken {
        if size > MAX_CACHED {
            return self.take_large(size, gfp).into();
        }
        if let Some(cache) = self.by_size.get((size.wrapping_sub(1) / CACHE_LINE) as usize)
            && let Some(object) = self.take_zeroed(self.cache(cache.load(Relaxed)), gfp)
        {
            return Taken::object(object);
        }
        if let Err(error) = gfp.check_addressable() {
            return Taken::error(AllocError::flags(error));
        }
        if size == 0 {
            return Taken::object(ZERO_SIZE);
        }
        let cache = self.cache(self.classes[Kind::of(gfp) as usize][class(size)]);
        Self::take_sized(cache, gfp.difference(Gfp::__GFP_RECLAIMABLE), size)
    }

    /// Takes pages for `size` bytes, whatever the size. [`kfree`](Self::kfree) knows them.
    #[inline(always)]
    pub(super) fn take_large(&self, size: u32, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        if gfp.contains(Gfp::__GFP_HIGHMEM) {
            gfp.check_addressable().map_err(AllocError::flags)?;
        }
        let Some(order) = Order::for_bytes(size) else {
            return Err(AllocError::too_large(size.div_ceil(PAGE_SIZE)));
        };
        let pfn = self.pages.alloc_raw(gfp, order)?;
        let Some((virt, page)) = self.lowmem_page(pfn) else {
            return Err(self.no_address(pfn, order));
        };
        page.set_own(LARGE);
        Ok(virt)
    }

    /// Zeroed memory. Linux's `kzalloc`.
    ///
    /// # Errors
    ///
    /// As [`kmalloc`](Self::kmalloc).
    pub fn kzalloc(&self, size: u32, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.kmalloc(size, gfp | Gfp::__GFP_ZERO)
    }

    /// Gives back memory of [`kmalloc`](Self::kmalloc); of [`ZERO_SIZE`] and of address 0 there is nothing to
    /// give back. An object of any other cache is taken as well. Linux's `kfree`.
    ///
    /// # Errors
    ///
    /// [`NotGiven`] when there is no such memory. Nothing has changed then, and the fault has been reported.
    ///
    /// # Safety
    ///
    /// 1. The memory is the caller's, and was not given back since.
    /// 2. Nobody reads or writes it from now on. That includes devices.
    #[inline(always)]
    pub unsafe fn kfree(&self, object: VirtAddr) -> Result<(), NotGiven> {
        let cache = self.cache(self.cache_hints.of(object).load(Relaxed));
        let masked = self.memory().mask();
        if self.cpu_slab(cache, &masked).give(object)
            || self.give_hinted(None, object, self.memory().cpu(&masked))
        {
            return Ok(());
        }
        drop(masked);
        Self::of(cache).kfree_with_care(object)
    }

    /// As [`kfree`](Self::kfree), of what is probably no object of a current slab.
    #[inline(never)]
    pub(super) fn kfree_with_care(&self, object: VirtAddr) -> Result<(), NotGiven> {
        match self.page(object) {
            Some(page) if page.own() == LARGE => self.free_large(page, object),
            Some(page) if self.give_own(page, None, object) => Ok(()),
            Some(page) => self.give_elsewhere(page, None, object),
            None if object == ZERO_SIZE || object.as_u32() == 0 => Ok(()),
            None => self.refuse(object, ObjectError::NotLinear { object }),
        }
    }

    /// Gives back what a large `kmalloc` took.
    #[inline]
    fn free_large(&self, page: &Page, object: VirtAddr) -> Result<(), NotGiven> {
        if object.is_aligned(PAGE_SIZE) {
            page.set_own(0);
            if self.pages.free_quickly(page) {
                return Ok(());
            }
            page.set_own(LARGE);
        }
        self.free_large_with_care(page, object)
    }

    /// As `free_large`, when that is not quick, or wrong.
    #[cold]
    #[inline(never)]
    fn free_large_with_care(&self, page: &Page, object: VirtAddr) -> Result<(), NotGiven> {
        let pfn = self.pfn_of(object);
        let order = match page.state() {
            PageState::Allocated { order, .. } => order,
            PageState::Parked { .. } => return self.refuse(object, ObjectError::InPool { object }),
            state => return self.refuse(object, ObjectError::NoSlab { object, pfn, state }),
        };
        if !object.is_aligned(PAGE_SIZE) {
            return self.refuse(object, ObjectError::NotLargeStart { object, pfn });
        }
        page.set_own(0);
        self.free_pages(pfn, order);
        Ok(())
    }

    /// Bytes that may be used at an address that [`kmalloc`](Self::kmalloc) gave: as many as its class has, or, in a
    /// guarded page, as were asked for. `None` if there is nothing allocated. Linux's `ksize`.
    #[must_use]
    pub fn ksize(&self, object: VirtAddr) -> Option<u32> {
        if object == ZERO_SIZE || object.as_u32() == 0 {
            return Some(0);
        }
        let page = self.page(object)?;
        match (page.own(), page.state()) {
            (0, _) => None,
            (LARGE, PageState::Allocated { order, .. }) if object.is_aligned(PAGE_SIZE) => {
                Some(order.bytes())
            }
            (LARGE, _) => None,
            (SAMPLED, _) => self.sampler.size_of(self.memory(), object),
            (record, _) => {
                let slab = self.memory().slab(record);
                let cache = self.cache(slab.header.is.cache);
                let is = slab.what(object, cache.geometry.stride);
                (is == super::slab::Is::Allocated).then(|| cache.object_size())
            }
        }
    }
}
