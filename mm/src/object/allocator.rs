//! The slab allocator: all caches, over one page allocator.
//!
//! ```text
//! alloc ─▶ this CPU's current slab ─┬─▶ an object
//!                                   └ no free object, or flags that need care:
//!          [take] ─▶ mailbox ─▶ this CPU's partial slabs ─▶ shared ones ─▶ a new slab
//!
//! free  ─▶ this CPU's current slab ─┬─▶ done
//!                                   └ none of its objects:
//!          [give] ─▶ page descriptor ─▶ record: whose slab? ─▶ its list, or remote
//! ```
//!
//! Context: as of the page allocator. Slabs are made and given back without a lock held; taking and giving
//! an object masks interrupts for a few dozen instructions. Lock order: a cache's, then that of the
//! records; never two caches'.

use core::mem::MaybeUninit;

use super::cache::{Constructor, Destructor, KmemCache};
use super::error::CreateError;
use super::flags::SlabFlags;
use super::geometry::Geometry;
use super::hints::Hints;
use super::kmalloc::{CLASSES, Kind, SIZES};
use super::memory::Books;
use super::name::Name;
use super::options::SlabOptions;
use super::records::Records;
use super::slab::Constants;
use crate::addr::{Order, PAGE_SIZE, Pfn, VirtAddr};
use crate::fault::Fault;
use crate::frame::Page;
use crate::map::linear::LinearMap;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, Lock};
use crate::zone::{AllocError, Gfp, PageAllocator};

/// Of lowmem, the part that empty slabs may keep.
const SPARE_PART: u32 = 64;

/// All caches there are.
#[derive(Debug)]
pub(super) struct Caches {
    /// The newest; 0 before there is one.
    pub(super) first: AtomicU32,
    pub(super) count: u32,
}

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
            caches: Lock::new(Caches { first: AtomicU32::new(0), count: 0 }),
            classes: Default::default(),
            nothing: 0,
            cache_hints: Hints::new(),
            slab_hints: core::array::from_fn(|_| Hints::new()),
            fault: Fault::off(),
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
        let index = pfn.as_u32().wrapping_sub(self.first_pfn.as_u32());
        if index < self.lowmem.len() as u32 {
            return Ok(VirtAddr::new((self.first_page + index) * PAGE_SIZE));
        }
        self.free_pages(pfn, order);
        Err(AllocError::flags(crate::zone::GfpError::NoAddress))
    }

    /// The frame of a page of the linear map.
    #[inline(always)]
    pub(super) fn pfn_of(&self, virt: VirtAddr) -> Pfn {
        self.first_pfn.saturating_add((virt.as_u32() / PAGE_SIZE).wrapping_sub(self.first_page))
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

    /// Makes a cache of objects of `size` bytes, aligned to `align` (0: as the size demands). Linux's
    /// `kmem_cache_create`.
    ///
    /// A cache that is alike in all that matters is used instead, if there is one and `flags` do not forbid
    /// it: then the name is not seen anywhere. May sleep.
    ///
    /// # Errors
    ///
    /// [`CreateError`].
    ///
    /// # Panics
    ///
    /// Instead of an error, if `flags` have `SLAB_PANIC`.
    pub fn create(
        &self,
        name: &str,
        size: u32,
        align: u32,
        flags: SlabFlags,
        constructor: Option<Constructor>,
    ) -> Result<CacheRef<'_, CPUS>, CreateError> {
        self.create_with(name, size, align, flags, constructor, None)
    }

    /// As [`create`](Self::create), with a destructor: Linux's interface until 2.6.23.
    ///
    /// # Errors
    ///
    /// [`CreateError`].
    ///
    /// # Panics
    ///
    /// As `create`.
    pub fn create_with(
        &self,
        name: &str,
        size: u32,
        align: u32,
        flags: SlabFlags,
        constructor: Option<Constructor>,
        destructor: Option<Destructor>,
    ) -> Result<CacheRef<'_, CPUS>, CreateError> {
        let made = self.try_create(name, size, align, flags, constructor, destructor);
        if let Err(error) = &made
            && flags.contains(SlabFlags::SLAB_PANIC)
        {
            panic!("cache {name}: {error}");
        }
        made
    }

    fn try_create(
        &self,
        name: &str,
        size: u32,
        align: u32,
        flags: SlabFlags,
        constructor: Option<Constructor>,
        destructor: Option<Destructor>,
    ) -> Result<CacheRef<'_, CPUS>, CreateError> {
        let name = Name::new(name)?;
        let refused = flags.difference(SlabFlags::all())
            | flags.intersection(SlabFlags::SLAB_TYPESAFE_BY_RCU);
        if !refused.is_empty() {
            return Err(CreateError::Flags { flags: refused });
        }
        let (geometry, flags) = self.geometry(&name, size, align, flags)?;
        let may_merge = constructor.is_none() && destructor.is_none();
        if may_merge && let Some(alike) = self.alike(&geometry, flags) {
            return Ok(alike);
        }
        let mut cache = KmemCache::new(name, geometry, flags, constructor);
        cache.destructor = destructor;
        self.insert(cache).map_err(CreateError::NoMemory)
    }

    /// How the objects of a cache lie, and its flags, with what the options add for its name.
    pub(super) fn geometry(
        &self,
        name: &Name,
        size: u32,
        align: u32,
        flags: SlabFlags,
    ) -> Result<(Geometry, SlabFlags), CreateError> {
        let new = |flags| Geometry::new(size, align, flags, CPUS as u32);
        let plain = new(flags).map_err(CreateError::Geometry)?;
        let (debug, only_if_free) = self.options.debug_flags(name.as_str());
        if debug.is_empty() {
            return Ok((plain, flags));
        }
        // Objects that are too large for it are not debugged.
        match new(flags | debug) {
            Ok(larger) if !only_if_free || larger.min_order == plain.min_order => {
                Ok((larger, flags | debug))
            }
            _ => Ok((plain, flags)),
        }
    }

    /// Puts a cache into memory, and on the list.
    pub(super) fn insert(&self, cache: KmemCache<CPUS>) -> Result<CacheRef<'_, CPUS>, AllocError> {
        cache.home.store(core::ptr::from_ref(self).cast_mut().cast(), Relaxed);
        let place = self.take_object(self.cache(self.root), Gfp::GFP_KERNEL)?.as_u32();
        self.memory().write_cache(place, cache);
        self.list(place);
        let cache = self.cache(place);
        self.watch(cache);
        Ok(cache)
    }

    /// A cache whose slabs a new one can share, which has a name more then.
    fn alike(&self, geometry: &Geometry, flags: SlabFlags) -> Option<CacheRef<'_, CPUS>> {
        if self.options.nomerge || flags.intersects(SlabFlags::NEVER_MERGE) {
            return None;
        }
        let same = |flags: SlabFlags| flags.intersection(SlabFlags::MERGE_SAME);
        let _masked = self.memory().mask();
        let caches = self.caches.lock(|| self.memory().contended());
        let mut next = caches.first.load(Relaxed);
        while next != 0 {
            let cache = self.cache(next);
            let Geometry { stride, align, .. } = cache.geometry;
            // Who destroys one has said so under this lock.
            let is_alike = !cache.is_dying.load(Relaxed)
                && cache.constructor.is_none()
                && cache.destructor.is_none()
                && !cache.flags.intersects(SlabFlags::NEVER_MERGE)
                && same(cache.flags) == same(flags)
                && stride >= geometry.stride
                && stride - geometry.stride < 4
                && stride.is_multiple_of(geometry.align)
                && align.is_multiple_of(geometry.align);
            if is_alike {
                cache.names.fetch_add(1, Relaxed);
                cache.object_size.fetch_max(geometry.object_size, Relaxed);
                return Some(cache);
            }
            next = cache.next.load(Relaxed);
        }
        None
    }

    fn list(&self, at: u32) {
        let _masked = self.memory().mask();
        let mut caches = self.caches.lock(|| self.memory().contended());
        let first = caches.first.load(Relaxed);
        let cache = self.cache(at);
        cache.next.store(first, Relaxed);
        cache.prev.store(0, Relaxed);
        if first != 0 {
            self.cache(first).prev.store(at, Relaxed);
        }
        caches.first.store(at, Relaxed);
        caches.count += 1;
    }

    pub(super) fn unlist(&self, at: u32) {
        let _masked = self.memory().mask();
        let mut caches = self.caches.lock(|| self.memory().contended());
        let (next, prev) = {
            let cache = self.cache(at);
            (cache.next.load(Relaxed), cache.prev.load(Relaxed))
        };
        if next != 0 {
            self.cache(next).prev.store(prev, Relaxed);
        }
        if prev != 0 {
            self.cache(prev).next.store(next, Relaxed);
        } else {
            caches.first.store(next, Relaxed);
        }
        caches.count -= 1;
    }

    /// The cache of caches.
    pub(super) fn root(&self) -> CacheRef<'_, CPUS> {
        self.cache(self.root)
    }
}
