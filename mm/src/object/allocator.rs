//! The slab allocator: all caches, over one page allocator.
//!
//! ```text
//! alloc ─▶ this CPU's current slab ─┬─▶ an object
//!                                   └ no free object, or flags that need care:
//!          [take] ─▶ mailbox ─▶ this CPU's partial slabs ─▶ shared ones ─▶ a new slab
//!
//! free  ─▶ this CPU's current slab ─┬─▶ done
//!                                   └ none of its objects:
//!          [hints] a slab of this CPU ─┬─▶ done
//!                                      └ none of its objects:
//!          [give] ─▶ page descriptor ─▶ record: whose slab? ─▶ its list, or remote
//! ```
//!
//! Context: as of the page allocator. Slabs are made and given back without a lock held, also those that were
//! found under one; taking and giving an object masks interrupts for a few dozen instructions, or, when a slab
//! goes with it, until that is given back. Lock order: a cache's, then that of the
//! records; never two caches'.

use core::mem::MaybeUninit;

use super::cache::KmemCache;
use super::caches::Caches;
use super::error::CreateError;
use super::flags::SlabFlags;
use super::geometry::Geometry;
use super::hints::Hints;
use super::kmalloc::{CLASSES, Kind, SIZES};
use super::memory::Books;
use super::name::Name;
use super::options::SlabOptions;
use super::records::Records;
use super::sampled::Turns;
use super::slab::Constants;
use crate::addr::{Order, PAGE_SIZE, Pfn, VirtAddr};
use crate::fault::Fault;
use crate::frame::Page;
use crate::kfence::Sampler;
use crate::map::linear::LinearMap;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, Lock};
use crate::zone::{AllocError, Gfp, PageAllocator};

/// Of lowmem, the part that empty slabs may keep.
const SPARE_PART: u32 = 64;

/// The caches of a machine with `CPUS` CPUs.
///
/// What the quick paths look at comes first, where an offset fits an instruction. It stays where it was made:
/// its caches know its address.
#[repr(C)]
pub struct SlabAllocator<'p, 'a, P, const CPUS: usize = 1> {
    /// For each number of cache lines the `kmalloc` cache: their addresses.
    pub(super) by_size: [AtomicU32; SIZES],
    /// The descriptors of lowmem, from the page at `first_page` on.
    lowmem: &'a [Page],
    /// The number of the linear map's first page, counted from address 0.
    first_page: u32,
    /// Its frame.
    first_pfn: Pfn,
    /// The cache of caches: the only one that is no object of it.
    root: u32,
    pub(super) pages: &'p PageAllocator<'a, P, CPUS>,
    pub(super) linear: LinearMap,
    /// What the pages of boot's books are asked for in addition. They stay for good, and the smallest free blocks,
    /// which are all movable then, lie around the image: there they break no large block.
    pub(super) early: AtomicU32,
    pub(super) options: SlabOptions<'a>,
    /// Pages of slabs all of whose objects are free, and that are kept: as many as these at most, unless a
    /// cache's own minimum is more.
    pub(super) spare_pages: AtomicU32,
    pub(super) most_spare: u32,
    pub(super) records: Lock<Records>,
    pub(super) caches: Lock<Caches>,
    /// The `kmalloc` caches of each kind and class: their addresses.
    pub(super) classes: [[u32; CLASSES.len()]; Kind::ALL.len()],
    /// The record of the slab of no objects.
    pub(super) nothing: u32,
    /// For a page, a `kmalloc` cache.
    pub(super) cache_hints: Hints,
    /// For each CPU, and for a page, a slab.
    pub(super) slab_hints: [Hints; CPUS],
    /// Requests that fail on purpose.
    pub(super) fault: Fault,
    /// Requests that are served from guarded pages.
    pub(super) sampler: Sampler,
    /// For each CPU, what it has done for that.
    pub(super) turns: [Turns; CPUS],
}

/// A cache that is known to its allocator.
pub type CacheRef<'s, const CPUS: usize = 1> = &'s KmemCache<CPUS>;

impl<'p, 'a, P: Lowmem, const CPUS: usize> SlabAllocator<'p, 'a, P, CPUS> {
    /// Makes an allocator in `place`, where it stays, with the cache of caches and those of `kmalloc`.
    /// `linear` is where the pages of lowmem are mapped, `options` what boot parameters say.
    ///
    /// # Errors
    ///
    /// [`CreateError`] when there is no memory for them.
    pub fn new_in<'s>(
        place: &'s mut MaybeUninit<Self>,
        pages: &'p PageAllocator<'a, P, CPUS>,
        linear: LinearMap,
        options: SlabOptions<'a>,
    ) -> Result<&'s Self, CreateError> {
        // Either may begin or end where the other does not.
        let frames = linear.lowmem().whole_frames().intersection(&pages.frames().range());
        let lowmem = pages.frames().pages(frames);
        let first_page =
            linear.page_address(frames.start()).map_or(0, |virt| virt.as_u32() / PAGE_SIZE);
        let this = place.write(Self {
            lowmem,
            first_page,
            first_pfn: frames.start(),
            spare_pages: AtomicU32::new(0),
            most_spare: lowmem.len() as u32 / SPARE_PART,
            by_size: core::array::from_fn(|_| AtomicU32::new(0)),
            root: 0,
            pages,
            linear,
            early: AtomicU32::new(Gfp::__GFP_MOVABLE.bits()),
            options,
            records: Lock::new(Records::new()),
            caches: Lock::new(Caches::new()),
            classes: Default::default(),
            nothing: 0,
            cache_hints: Hints::new(),
            slab_hints: core::array::from_fn(|_| Hints::new()),
            fault: Fault::off(),
            sampler: Sampler::off(),
            turns: core::array::from_fn(|_| Turns::new()),
        });
        this.make_nothing()?;
        this.make_root()?;
        this.make_kmalloc_caches()?;
        this.early.store(0, Relaxed);
        Ok(this)
    }

    /// Makes the cache of caches: the only one that is no object of it.
    fn make_root(&mut self) -> Result<(), CreateError> {
        let size = size_of::<KmemCache<CPUS>>() as u32;
        let flags = SlabFlags::SLAB_HWCACHE_ALIGN | SlabFlags::SLAB_NO_MERGE;
        let geometry = Geometry::new(size, 0, flags, CPUS as u32).map_err(CreateError::Geometry)?;
        let name = Name::new("kmem_cache")?;
        let order = geometry.min_order;
        let pfn = self
            .pages
            .alloc_raw(Gfp::GFP_KERNEL | self.early(), order)
            .map_err(CreateError::NoMemory)?;
        self.root = self.address(pfn, order).map_err(CreateError::NoMemory)?.as_u32();
        self.pages.make_slab(pfn, order);
        let cache = KmemCache::<CPUS>::new(name, geometry, flags, None);
        cache.home.store(core::ptr::from_ref(self).cast_mut().cast(), Relaxed);
        self.memory().write_cache(self.root, cache);
        self.list(self.root);
        Ok(())
    }

    /// Makes the slab of no objects, and has each hint of a slab name it.
    fn make_nothing(&mut self) -> Result<(), CreateError> {
        let record =
            self.take_record(0, Gfp::GFP_KERNEL | self.early()).map_err(CreateError::NoMemory)?;
        self.memory().make_record(record, Constants::NOTHING);
        self.nothing = record;
        self.slab_hints.iter().for_each(|hints| hints.fill(record));
        Ok(())
    }

    /// What pages are asked for in addition, for what stays for good.
    pub(super) fn early(&self) -> Gfp {
        Gfp::from_bits_retain(self.early.load(Relaxed))
    }

    /// Runs something at boot that makes what stays for good: its pages are taken from the gaps around the image,
    /// so that they break no large block. Boot only.
    pub fn for_good<R>(&self, make: impl FnOnce() -> R) -> R {
        self.early.store(Gfp::__GFP_MOVABLE.bits(), Relaxed);
        let made = make();
        self.early.store(0, Relaxed);
        made
    }

    /// The machine beneath.
    #[inline(always)]
    pub(super) fn memory(&self) -> &'p P {
        self.pages.platform()
    }

    /// The address of a block of pages that was just allocated; gives it back if it has none.
    #[inline]
    pub(super) fn address(&self, pfn: Pfn, order: Order) -> Result<VirtAddr, AllocError> {
        match self.lowmem_page(pfn) {
            Some((virt, _)) => Ok(virt),
            None => Err(self.no_address(pfn, order)),
        }
    }

    /// The address of a page of lowmem, and its descriptor.
    #[inline(always)]
    pub(super) fn lowmem_page(&self, pfn: Pfn) -> Option<(VirtAddr, &'a Page)> {
        let index = pfn.as_u32().wrapping_sub(self.first_pfn.as_u32());
        let page = self.lowmem.get(index as usize)?;
        Some((VirtAddr::new((self.first_page + index) * PAGE_SIZE), page))
    }

    /// Gives back a block of pages that have no address.
    #[cold]
    #[inline(never)]
    pub(super) fn no_address(&self, pfn: Pfn, order: Order) -> AllocError {
        self.free_pages(pfn, order);
        AllocError::flags(crate::zone::GfpError::NoAddress)
    }

    /// The frame of a page of the linear map.
    #[inline(always)]
    pub(super) fn pfn_of(&self, virt: VirtAddr) -> Pfn {
        // Of a page of lowmem this is below the last frame.
        let page = virt.as_u32() / PAGE_SIZE;
        Pfn::new(self.first_pfn.as_u32().wrapping_add(page.wrapping_sub(self.first_page)))
    }

    /// Gives back pages that this allocator took.
    pub(super) fn free_pages(&self, pfn: Pfn, order: Order) {
        // What can go wrong is somebody else's mistake, and the page allocator has reported it.
        let _ = self.pages.free_block(pfn, order);
    }

    /// The descriptor of the page at an address; `None` outside the linear map.
    #[inline(always)]
    pub(super) fn page(&self, virt: VirtAddr) -> Option<&'a Page> {
        let index = (virt.as_u32() / PAGE_SIZE).wrapping_sub(self.first_page);
        self.lowmem.get(index as usize)
    }

    /// The pages of lowmem, each with its descriptor.
    pub(super) fn lowmem_pages(&self) -> impl Iterator<Item = (VirtAddr, &'a Page)> {
        let first = self.first_page;
        let virt = move |index: usize| VirtAddr::new((first + index as u32) * PAGE_SIZE);
        self.lowmem.iter().enumerate().map(move |(index, page)| (virt(index), page))
    }

    /// The cache with this address.
    #[inline(always)]
    pub(super) fn cache(&self, at: u32) -> &KmemCache<CPUS> {
        self.memory().cache(at)
    }

    /// The address of a cache, which records name it by.
    #[inline(always)]
    pub(super) fn address_of(&self, cache: &KmemCache<CPUS>) -> u32 {
        self.memory().address(core::ptr::from_ref(cache).cast()).as_u32()
    }

    /// The cache of caches.
    pub(super) fn root(&self) -> CacheRef<'_, CPUS> {
        self.cache(self.root)
    }
}
