//! A cache is made, or shared with who has one like it.

use super::allocator::{CacheRef, SlabAllocator};
use super::cache::{Constructor, Destructor, KmemCache};
use super::error::CreateError;
use super::flags::SlabFlags;
use super::geometry::Geometry;
use super::memory::Books;
use super::name::Name;
use crate::addr::Order;
use crate::platform::Lowmem;
use crate::sync::Ordering::Relaxed;
use crate::zone::{AllocError, Gfp};

/// What somebody wants a cache to be.
#[derive(Clone, Copy)]
struct CacheSpec<'n> {
    name: &'n str,
    size: u32,
    align: u32,
    flags: SlabFlags,
    constructor: Option<Constructor>,
    destructor: Option<Destructor>,
    /// How large its slabs are, if not as Linux's rule says.
    order: Option<Order>,
}

impl<'n> CacheSpec<'n> {
    const fn new(name: &'n str, size: u32, align: u32, flags: SlabFlags) -> Self {
        Self { name, size, align, flags, constructor: None, destructor: None, order: None }
    }
}

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
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
        self.create_spec(&CacheSpec { constructor, ..CacheSpec::new(name, size, align, flags) })
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
        let spec = CacheSpec::new(name, size, align, flags);
        self.create_spec(&CacheSpec { constructor, destructor, ..spec })
    }

    /// As [`create`](Self::create), with slabs of `order`, for a cache that Linux does not have. It is shared
    /// with nobody.
    pub(super) fn create_in_slabs_of(
        &self,
        order: Order,
        name: &str,
        size: u32,
        align: u32,
    ) -> Result<CacheRef<'_, CPUS>, CreateError> {
        let spec = CacheSpec::new(name, size, align, SlabFlags::SLAB_NO_MERGE);
        self.create_spec(&CacheSpec { order: Some(order), ..spec })
    }

    fn create_spec(&self, spec: &CacheSpec<'_>) -> Result<CacheRef<'_, CPUS>, CreateError> {
        let made = self.try_create(spec);
        if let Err(error) = &made
            && spec.flags.contains(SlabFlags::SLAB_PANIC)
        {
            panic!("cache {}: {error}", spec.name);
        }
        made
    }

    fn try_create(&self, spec: &CacheSpec<'_>) -> Result<CacheRef<'_, CPUS>, CreateError> {
        let CacheSpec { size, align, flags, constructor, destructor, .. } = *spec;
        let name = Name::new(spec.name)?;
        let refused = flags.difference(SlabFlags::all())
            | flags.intersection(SlabFlags::SLAB_TYPESAFE_BY_RCU);
        if !refused.is_empty() {
            return Err(CreateError::Flags { flags: refused });
        }
        let (mut geometry, flags) = self.geometry(&name, size, align, flags)?;
        if let Some(order) = spec.order {
            // Debugging may have made the objects too large for it.
            geometry.order = order.max(geometry.min_order);
        }
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
        let place = self.take_object(self.root(), Gfp::GFP_KERNEL)?.as_u32();
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
        let is_alike = |cache: &KmemCache<CPUS>| {
            let Geometry { stride, align, .. } = cache.geometry;
            cache.constructor.is_none()
                && cache.destructor.is_none()
                && !cache.flags.intersects(SlabFlags::NEVER_MERGE)
                && same(cache.flags) == same(flags)
                && stride >= geometry.stride
                && stride - geometry.stride < 4
                && stride.is_multiple_of(geometry.align)
                && align.is_multiple_of(geometry.align)
                // Whose last name went is about to go itself.
                && !cache.is_dying.load(Relaxed)
        };
        let _masked = self.memory().mask();
        let caches = self.caches.lock(|| self.memory().contended());
        let cache = self.chain(caches.first).find(|cache| is_alike(cache))?;
        cache.names.fetch_add(1, Relaxed);
        cache.object_size.fetch_max(geometry.object_size, Relaxed);
        Some(cache)
    }
}
