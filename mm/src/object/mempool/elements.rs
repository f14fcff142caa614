//! What a pool is filled with, and the allocators that it comes from.
#![expect(unsafe_code, reason = "elements are given back by their address")]

use super::super::geometry::CACHE_LINE;
use super::super::kmalloc::{CLASSES, LARGE, MAX_CACHED};
use super::super::memory::Books;
use super::super::sampled::SAMPLED;
use super::super::slab::Slab;
use crate::addr::{Order, PAGE_SIZE, VirtAddr};
use crate::object::{CacheRef, KmemCache, NotGiven, SlabAllocator};
use crate::platform::Lowmem;
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;
use crate::zone::{AllocError, Gfp};

/// Where a pool's elements come from, and go. Linux's `mempool_alloc_t` and `mempool_free_t`.
///
/// The pool calls these functions without a lock held. It never looks at an element's memory.
pub trait Elements {
    /// A new element: an address of the linear map, that of no other element which is not given
    /// back. Context: as `gfp` says.
    ///
    /// # Errors
    ///
    /// [`AllocError`] when there is none. Only want of memory makes a request turn to the pool.
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError>;

    /// An element that is there at once, if there is one, and [`take`](Self::take) would give it
    /// whatever the flags. A pool asks here first. Any context.
    #[inline(always)]
    fn take_at_hand(&self) -> Option<VirtAddr> {
        None
    }

    /// Gives back an element. Any context.
    ///
    /// # Errors
    ///
    /// [`NotGiven`] when there is no such element. Nothing has changed then, and the fault has been
    /// reported.
    ///
    /// # Safety
    ///
    /// 1. The element came from [`take`](Self::take), and was not given back since.
    /// 2. Nobody reads or writes it from now on. That includes devices.
    /// 3. If the allocator wants it in a certain state, it is.
    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven>;

    /// Does the allocator keep in mind what is [`park`](Self::park)ed, and refuse to take that
    /// back? If not, the pool looks through all its elements at each free.
    #[inline(always)]
    fn parks(&self) -> bool {
        false
    }

    /// An element goes into the pool. Says `false`, and has changed nothing, if there is no such
    /// element, or if it is parked: [`give`](Self::give) is to say what is wrong. Any context.
    fn park(&self, element: VirtAddr) -> bool {
        let _ = element;
        true
    }

    /// A parked element leaves the pool. Any context.
    fn unpark(&self, element: VirtAddr) {
        let _ = element;
    }

    /// How many elements were taken and not given back, if that is counted.
    fn taken(&self) -> Option<u32> {
        None
    }
}

/// Objects of a cache.
pub struct SlabElements<'s, 'p, 'a, P, const CPUS: usize = 1> {
    slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
    cache: CacheRef<'s, CPUS>,
}

impl<'s, 'p, 'a, P: Lowmem, const CPUS: usize> SlabElements<'s, 'p, 'a, P, CPUS> {
    /// Objects of this cache.
    #[must_use]
    pub const fn new(slabs: &'s SlabAllocator<'p, 'a, P, CPUS>, cache: CacheRef<'s, CPUS>) -> Self {
        Self { slabs, cache }
    }
}

/// Aligned as the cache's objects.
impl<P: Lowmem, const CPUS: usize> Elements for SlabElements<'_, '_, '_, P, CPUS> {
    #[inline(always)]
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.slabs.take_object(self.cache, gfp)
    }

    #[inline(always)]
    fn take_at_hand(&self) -> Option<VirtAddr> {
        self.slabs.take_at_hand(self.cache)
    }

    #[inline(always)]
    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        // SAFETY: 1. to 3. are the caller's.
        unsafe { self.slabs.free_object(self.cache, element) }
    }

    #[inline(always)]
    fn parks(&self) -> bool {
        true
    }

    fn park(&self, element: VirtAddr) -> bool {
        self.slabs.park(element, |cache| core::ptr::eq(cache, self.cache))
    }

    fn unpark(&self, element: VirtAddr) {
        self.slabs.unpark(element);
    }
}

/// Memory of `kmalloc`, aligned as that aligns: to a cache line at least.
pub struct KmallocElements<'s, 'p, 'a, P, const CPUS: usize = 1> {
    slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
    size: u32,
    place: Gfp,
}

impl<'s, 'p, 'a, P: Lowmem, const CPUS: usize> KmallocElements<'s, 'p, 'a, P, CPUS> {
    /// Pieces of `size` bytes. `place` says where they lie, with flags such as `__GFP_DMA`; usually
    /// none.
    #[must_use]
    pub const fn new(slabs: &'s SlabAllocator<'p, 'a, P, CPUS>, size: u32, place: Gfp) -> Self {
        Self { slabs, size, place }
    }

    /// The order of pieces that come from the page allocator; `None` of all others.
    fn large_order(&self) -> Option<Order> {
        if self.size > MAX_CACHED { Order::for_bytes(self.size) } else { None }
    }

    fn is_ours(&self, cache: &KmemCache<CPUS>) -> bool {
        let class = CLASSES.into_iter().find(|class| *class >= self.size);
        cache.is_kmalloc && Some(cache.object_size()) == class
    }
}

/// Of no bytes there is no element: all would be at the same address.
impl<P: Lowmem, const CPUS: usize> Elements for KmallocElements<'_, '_, '_, P, CPUS> {
    #[inline]
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        if self.size == 0 {
            return Err(AllocError::too_large(0));
        }
        self.slabs.kmalloc(self.size, gfp | self.place)
    }

    #[inline]
    fn take_at_hand(&self) -> Option<VirtAddr> {
        if !self.place.is_empty() {
            return None;
        }
        let lines = self.size.wrapping_sub(1) / CACHE_LINE;
        let cache = self.slabs.by_size.get(lines as usize)?;
        self.slabs.take_at_hand(self.slabs.cache(cache.load(Relaxed)))
    }

    #[inline]
    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        // SAFETY: 1. and 2. are the caller's.
        unsafe { self.slabs.kfree(element) }
    }

    #[inline(always)]
    fn parks(&self) -> bool {
        true
    }

    fn park(&self, element: VirtAddr) -> bool {
        let Some(order) = self.large_order() else {
            return self.slabs.park(element, |cache| self.is_ours(cache));
        };
        self.slabs.page(element).is_some_and(|page| page.own() == LARGE)
            && self.slabs.park_pages(element, order)
    }

    fn unpark(&self, element: VirtAddr) {
        match self.large_order() {
            Some(order) => self.slabs.unpark_pages(element, order),
            None => self.slabs.unpark(element),
        }
    }
}

/// Blocks of pages of lowmem, by the addresses of their first bytes; aligned to their size.
///
/// A block to which somebody else has a reference is not set aside: then a free ends one reference,
/// and the last one frees the block.
pub struct PageElements<'s, 'p, 'a, P, const CPUS: usize = 1> {
    slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
    order: Order,
    place: Gfp,
}

impl<'s, 'p, 'a, P: Lowmem, const CPUS: usize> PageElements<'s, 'p, 'a, P, CPUS> {
    /// Blocks of this order. `place` says where they lie, with flags such as `__GFP_DMA`; usually
    /// none. Highmem has no addresses, and is refused when the pool is filled.
    #[must_use]
    pub const fn new(slabs: &'s SlabAllocator<'p, 'a, P, CPUS>, order: Order, place: Gfp) -> Self {
        Self { slabs, order, place }
    }
}

impl<P: Lowmem, const CPUS: usize> Elements for PageElements<'_, '_, '_, P, CPUS> {
    #[inline]
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        let gfp = gfp | self.place;
        gfp.check_addressable().map_err(AllocError::flags)?;
        let pfn = self.slabs.pages.alloc_raw(gfp, self.order)?;
        self.slabs.address(pfn, self.order)
    }

    #[inline(always)]
    fn take_at_hand(&self) -> Option<VirtAddr> {
        if !self.place.is_empty() {
            return None;
        }
        let pfn = self.slabs.pages.take_at_hand(Gfp::empty(), self.order)?;
        self.slabs.address(pfn, self.order).ok()
    }

    #[inline(always)]
    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        let Self { slabs, order, .. } = *self;
        if element.is_aligned(PAGE_SIZE) && slabs.page(element).is_some() {
            let freed = slabs.pages.free_block(slabs.pfn_of(element), order);
            return freed.map_err(|_| NotGiven { object: element });
        }
        slabs.no_page(element, order)
    }

    #[inline(always)]
    fn parks(&self) -> bool {
        true
    }

    fn park(&self, element: VirtAddr) -> bool {
        self.slabs.park_pages(element, self.order)
    }

    fn unpark(&self, element: VirtAddr) {
        self.slabs.unpark_pages(element, self.order);
    }
}

/// Elements that are counted: then a pool knows of each one that somebody has. Costs two atomic
/// additions for each element that is taken and given, which is why pools do without.
pub struct Counted<E> {
    elements: E,
    taken: AtomicU32,
}

impl<E: Elements> Counted<E> {
    /// These, counted from now on.
    #[must_use]
    pub const fn new(elements: E) -> Self {
        Self { elements, taken: AtomicU32::new(0) }
    }
}

impl<E: Elements> Elements for Counted<E> {
    #[inline(always)]
    fn take(&self, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        let element = self.elements.take(gfp)?;
        self.taken.fetch_add(1, Relaxed);
        Ok(element)
    }

    #[inline(always)]
    fn take_at_hand(&self) -> Option<VirtAddr> {
        let element = self.elements.take_at_hand()?;
        self.taken.fetch_add(1, Relaxed);
        Some(element)
    }

    #[inline(always)]
    unsafe fn give(&self, element: VirtAddr) -> Result<(), NotGiven> {
        // SAFETY: 1. to 3. are the caller's.
        unsafe { self.elements.give(element)? };
        self.taken.fetch_sub(1, Relaxed);
        Ok(())
    }

    #[inline(always)]
    fn parks(&self) -> bool {
        self.elements.parks()
    }

    fn park(&self, element: VirtAddr) -> bool {
        self.elements.park(element)
    }

    fn unpark(&self, element: VirtAddr) {
        self.elements.unpark(element);
    }

    fn taken(&self) -> Option<u32> {
        Some(self.taken.load(Relaxed))
    }
}

/// What pools want of the slabs.
impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// A free object of this CPU's current slab.
    #[inline(always)]
    fn take_at_hand(&self, cache: &KmemCache<CPUS>) -> Option<VirtAddr> {
        let masked = self.memory().mask();
        self.cpu_slab(cache, &masked).take()
    }

    /// Parks an allocated object of a cache that `is_ours`. Any context.
    fn park(&self, object: VirtAddr, is_ours: impl FnOnce(&KmemCache<CPUS>) -> bool) -> bool {
        if self.is_of_pool(object) {
            return self.park_sampled(object, is_ours);
        }
        let Some(slab) = self.slab_at(object) else { return false };
        is_ours(self.cache(slab.header.is.cache)) && slab.park(object)
    }

    /// Makes a parked object an allocated one.
    fn unpark(&self, object: VirtAddr) {
        if self.is_of_pool(object) {
            self.sampler.unpark(self.memory(), object);
        } else if let Some(slab) = self.slab_at(object) {
            slab.unpark(object);
        }
    }

    fn slab_at(&self, object: VirtAddr) -> Option<Slab<'_>> {
        let record = self.page(object)?.own();
        (record > SAMPLED).then(|| self.memory().slab(record))
    }

    /// Parks the allocated pages that begin at an address, if nobody else has a reference to them. Any
    /// context.
    fn park_pages(&self, block: VirtAddr, order: Order) -> bool {
        block.is_aligned(PAGE_SIZE)
            && self.page(block).is_some()
            && self.pages.park(self.pfn_of(block), order)
    }

    /// Says what is wrong with giving back pages at an address where none begin.
    #[cold]
    #[inline(never)]
    fn no_page(&self, element: VirtAddr, order: Order) -> Result<(), NotGiven> {
        // SAFETY: 1. there is no such block; 2. the allocator makes addresses with this map.
        let freed = unsafe { self.pages.free_pages(&self.linear, element, order) };
        freed.map_err(|_| NotGiven { object: element })
    }

    /// Makes parked pages allocated ones.
    fn unpark_pages(&self, block: VirtAddr, order: Order) {
        self.pages.unpark(self.pfn_of(block), order);
    }
}
