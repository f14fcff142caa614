//! Caches with debugging: every request looks at the object's surroundings, and leaves them as the next
//! one must find them.
//!
//! ```text
//!            left red zone │ object            │ red zone │ tracks      │ padding
//! allocated      cc cc     │ the user's        │ cc cc    │ who took    │ 5a 5a
//! free           bb bb     │ 6b 6b 6b … 6b a5  │ bb bb    │ who gave    │ 5a 5a
//! ```
//!
//! The values are Linux's, and so is the order of the checks. All of it happens under the cache's lock; what
//! is found is reported when that is released. A slab whose free object was written to is *isolated*: none of
//! its objects is handed out any more. Those that are free stay free, and who gives one back is refused.

use super::allocator::SlabAllocator;
use super::cache::{KmemCache, Shared};
use super::error::NotGiven;
use super::flags::SlabFlags;
use super::geometry::TRACK;
use super::guarded::{Fault, LiveObject, ObjectState, Overwritten, Track, Way};
use super::list;
use super::memory::Books;
use super::slab::{Is, NONE, Owner};
use crate::addr::VirtAddr;
use crate::platform::{Lowmem, Report};
use crate::sync::Ordering::Relaxed;
use crate::zone::{AllocError, Gfp};

/// Red zones of free and of allocated objects.
pub const RED_INACTIVE: u8 = 0xbb;
/// See [`RED_INACTIVE`].
pub const RED_ACTIVE: u8 = 0xcc;
/// What free objects hold.
pub const POISON_FREE: u8 = 0x6b;
/// Their last byte.
pub const POISON_END: u8 = 0xa5;
/// What nobody has, between objects and behind the last one.
pub const POISON_INUSE: u8 = 0x5a;

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// Takes an object of a guarded cache.
    pub(super) fn take_guarded(
        &self,
        cache: &KmemCache<CPUS>,
        gfp: Gfp,
    ) -> Result<VirtAddr, AllocError> {
        let site = self.memory().call_site();
        loop {
            let taken = {
                let masked = self.memory().mask();
                let cpu = self.memory().cpu(&masked) as u32;
                let shared = cache.shared.lock(|| self.memory().contended());
                self.take_checked(cache, &shared, Track { site, cpu, when: self.memory().now() })
            };
            match taken {
                Some(Ok(object)) => {
                    self.trace(cache, object, Way::Taken);
                    return Ok(object);
                }
                Some(Err(Bad { record, object, bytes })) => {
                    let fault = Fault::Overwritten { bytes, is_isolated: true };
                    self.report_fault(cache, record, object, fault);
                }
                None => {
                    let record = self.new_slab(cache, gfp)?;
                    self.prepare(cache, record);
                    let _masked = self.memory().mask();
                    let shared = cache.shared.lock(|| self.memory().contended());
                    let slab = self.memory().slab(record);
                    slab.set_owner(Owner::GUARDED);
                    slab.header.listed.store(1, Relaxed);
                    let pages = slab.header.is.order.pages();
                    self.spare_pages.fetch_add(pages, Relaxed);
                    list::push(self.memory(), &shared.partial, record);
                    shared.partial_slabs.store(shared.partial_slabs.load(Relaxed) + 1, Relaxed);
                }
            }
        }
    }

    /// The first free object, if its surroundings are as they were left. The cache's lock is held.
    fn take_checked(
        &self,
        cache: &KmemCache<CPUS>,
        shared: &Shared,
        track: Track,
    ) -> Option<Result<VirtAddr, Bad>> {
        let record = list::first(&shared.partial)?;
        let slab = self.memory().slab(record);
        let header = slab.header;
        if slab.head() == NONE {
            return None;
        }
        let object = slab.object(slab.head(), cache.geometry.stride);
        let overwritten = self.check_object(cache, object, RED_INACTIVE);
        match overwritten {
            Some(_) => slab.isolate(),
            None => _ = slab.take(cache.geometry.stride)?,
        }
        let out = header.left.load(Relaxed) + 1;
        if out == 1 {
            self.spare_pages.fetch_sub(header.is.order.pages(), Relaxed);
        }
        header.left.store(out, Relaxed);
        if slab.head() == NONE {
            list::remove(self.memory(), &shared.partial, record);
            shared.partial_slabs.store(shared.partial_slabs.load(Relaxed) - 1, Relaxed);
            header.listed.store(0, Relaxed);
            // However many come back, an isolated slab is not listed again.
            header.left.store(if overwritten.is_some() { u32::MAX } else { 1 }, Relaxed);
        }
        if let Some(bytes) = overwritten {
            return Some(Err(Bad { record, object, bytes }));
        }
        self.dress(cache, object, RED_ACTIVE);
        self.set_track(cache, object, Way::Taken, track);
        Some(Ok(object))
    }

    /// Gives back an object of a guarded cache, if it is one and its surroundings are as they were left.
    /// Interrupts are as the caller had them.
    pub(super) fn give_guarded(
        &self,
        cache: &KmemCache<CPUS>,
        record: u32,
        object: VirtAddr,
    ) -> Result<(), NotGiven> {
        let site = self.memory().call_site();
        let slab = self.memory().slab(record);
        let found = {
            let masked = self.memory().mask();
            let cpu = self.memory().cpu(&masked) as u32;
            let shared = cache.shared.lock(|| self.memory().contended());
            let fault = match slab.what(object, cache.geometry.stride) {
                Is::Allocated => self
                    .check_object(cache, object, RED_ACTIVE)
                    .map(|bytes| Fault::Overwritten { bytes, is_isolated: false }),
                Is::Free => Some(Fault::AlreadyFree),
                Is::InPool => Some(Fault::InPool),
                Is::NoObject => Some(Fault::NoObject { at: object }),
            };
            if let Some(fault) = fault {
                Err(fault)
            } else {
                let track = Track { site, cpu, when: self.memory().now() };
                self.set_track(cache, object, Way::Given, track);
                self.dress(cache, object, RED_INACTIVE);
                let given = slab.give(object);
                debug_assert!(given, "it was allocated");
                let unneeded =
                    slab.one_came_back().then(|| self.attend_shared(cache, &shared, record));
                Ok(unneeded.flatten())
            }
        };
        match found {
            Ok(None) => {}
            Ok(Some(unneeded)) => self.release_slab(cache, unneeded),
            Err(fault) => {
                self.report_fault(cache, record, cache.nearest(&slab, object), fault);
                return Err(NotGiven { object });
            }
        }
        self.trace(cache, object, Way::Given);
        Ok(())
    }

    /// A slab that no CPU owns needs a look: its first object came back, or its last. The lock is held. Returns
    /// the slab if nobody needs it any more: the caller's to give back without the lock.
    #[must_use = "the slab is on no list"]
    pub(super) fn attend_shared(
        &self,
        cache: &KmemCache<CPUS>,
        shared: &Shared,
        record: u32,
    ) -> Option<u32> {
        let header = self.memory().slab(record).header;
        let Shared { partial, partial_slabs } = shared;
        let pages = header.is.order.pages();
        if header.listed.load(Relaxed) == 0 {
            let out = header.is.objects() - 1;
            header.left.store(out, Relaxed);
            header.listed.store(1, Relaxed);
            list::push(self.memory(), partial, record);
            partial_slabs.store(partial_slabs.load(Relaxed) + 1, Relaxed);
            if out > 0 {
                return None;
            }
        }
        let spare = self.spare_pages.fetch_add(pages, Relaxed) + pages;
        let is_unneeded =
            partial_slabs.load(Relaxed) > cache.min_partial && spare > self.most_spare;
        is_unneeded.then(|| {
            self.unlink_empty(partial, partial_slabs, record);
            record
        })
    }

    /// Brings a new slab's objects, and what lies between them, into the state of free ones.
    fn prepare(&self, cache: &KmemCache<CPUS>, record: u32) {
        let slab = self.memory().slab(record);
        let header = slab.header;
        let geometry = &cache.geometry;
        let start = header.is.start.as_u32();
        let bytes = crate::addr::PAGE_SIZE * header.is.order.pages();
        let objects = header.is.objects();
        if cache.flags.contains(SlabFlags::SLAB_POISON) {
            for (number, _) in slab.objects() {
                let object = slab.object(number, geometry.stride).as_u32();
                let from = object + geometry.object_size;
                let end = object - geometry.left + geometry.stride;
                self.memory().fill_bytes(VirtAddr::new(from), end - from, POISON_INUSE);
            }
            let used = objects * geometry.stride;
            self.memory().fill_bytes(VirtAddr::new(start + used), bytes - used, POISON_INUSE);
        }
        for (number, _) in slab.objects() {
            let object = slab.object(number, geometry.stride);
            self.dress(cache, object, RED_INACTIVE);
            for way in [Way::Taken, Way::Given] {
                self.set_track(cache, object, way, Track::default());
            }
        }
    }

    /// Are free objects poisoned? Those that a constructor made are not.
    const fn is_poisoned(cache: &KmemCache<CPUS>) -> bool {
        cache.flags.contains(SlabFlags::SLAB_POISON) && cache.constructor.is_none()
    }

    /// Writes an object's red zones, and its poison.
    fn dress(&self, cache: &KmemCache<CPUS>, object: VirtAddr, red: u8) {
        let geometry = &cache.geometry;
        let at = object.as_u32();
        if cache.flags.contains(SlabFlags::SLAB_RED_ZONE) {
            self.memory().fill_bytes(VirtAddr::new(at - geometry.left), geometry.left, red);
            let end = at + geometry.object_size;
            self.memory().fill_bytes(VirtAddr::new(end), at + geometry.tracks - end, red);
        }
        if Self::is_poisoned(cache) {
            let last = geometry.object_size - 1;
            self.memory().fill_bytes(object, last, POISON_FREE);
            self.memory().fill_bytes(VirtAddr::new(at + last), 1, POISON_END);
        }
    }

    /// The first of an object's surroundings that is not as it was left with these red zones.
    fn check_object(
        &self,
        cache: &KmemCache<CPUS>,
        object: VirtAddr,
        red: u8,
    ) -> Option<Overwritten> {
        if !cache.flags.contains(SlabFlags::SLAB_CONSISTENCY_CHECKS) {
            return None;
        }
        let geometry = &cache.geometry;
        let at = object.as_u32();
        let (size, tracks) = (geometry.object_size, geometry.tracks);
        let padding = Self::padding(cache);
        let end = geometry.stride - geometry.left;
        let red_zones = cache.flags.contains(SlabFlags::SLAB_RED_ZONE);
        let poison = cache.flags.contains(SlabFlags::SLAB_POISON);
        let is_free = red == RED_INACTIVE && Self::is_poisoned(cache);
        let look = |applies: bool, what, from: u32, bytes, byte| {
            let bytes = if applies { bytes } else { 0 };
            self.memory()
                .overwritten(VirtAddr::new(from), bytes, byte)
                .map(|(from, last, found)| Overwritten { what, from, last, found, expected: byte })
        };
        look(red_zones, "Left Redzone", at - geometry.left, geometry.left, red)
            .or_else(|| look(red_zones, "Right Redzone", at + size, tracks - size, red))
            .or_else(|| {
                let padded = poison && !red_zones;
                look(padded, "Alignment padding", at + size, tracks - size, POISON_INUSE)
            })
            .or_else(|| look(is_free, "Poison", at, size - 1, POISON_FREE))
            .or_else(|| look(is_free, "End Poison", at + size - 1, 1, POISON_END))
            .or_else(|| look(poison, "Object padding", at + padding, end - padding, POISON_INUSE))
    }

    /// Where in the stride nobody has anything any more, counted from the object.
    fn padding(cache: &KmemCache<CPUS>) -> u32 {
        let has_tracks = cache.flags.contains(SlabFlags::SLAB_STORE_USER);
        cache.geometry.tracks + if has_tracks { 2 * TRACK } else { 0 }
    }

    fn set_track(&self, cache: &KmemCache<CPUS>, object: VirtAddr, way: Way, track: Track) {
        if cache.flags.contains(SlabFlags::SLAB_STORE_USER) {
            let words = [track.site, track.cpu, track.when, 0];
            self.memory().write_words(Self::track_at(cache, object, way), words);
        }
    }

    fn track(&self, cache: &KmemCache<CPUS>, object: VirtAddr, way: Way) -> Option<Track> {
        if !cache.flags.contains(SlabFlags::SLAB_STORE_USER) {
            return None;
        }
        let [site, cpu, when, _] = self.memory().read_words(Self::track_at(cache, object, way));
        (site != 0).then_some(Track { site, cpu, when })
    }

    fn track_at(cache: &KmemCache<CPUS>, object: VirtAddr, way: Way) -> VirtAddr {
        let offset = if way == Way::Taken { 0 } else { TRACK };
        VirtAddr::new(object.as_u32() + cache.geometry.tracks + offset)
    }

    /// What there is to say about an object.
    pub(super) fn object_state(
        &self,
        cache: &KmemCache<CPUS>,
        record: u32,
        object: VirtAddr,
    ) -> ObjectState {
        let slab = self.memory().slab(record);
        ObjectState {
            object,
            geometry: cache.geometry,
            padding: Self::padding(cache),
            slab: slab.header.is.start,
            objects: slab.header.is.objects(),
            used: self.allocated(cache, &slab),
            taken: self.track(cache, object, Way::Taken),
            given: self.track(cache, object, Way::Given),
            now: self.memory().now(),
        }
    }

    fn trace(&self, cache: &KmemCache<CPUS>, object: VirtAddr, way: Way) {
        if cache.flags.contains(SlabFlags::SLAB_TRACE) {
            self.memory().report(&Report::ObjectTrace { cache: &cache.name, object, way });
        }
    }

    #[cold]
    fn report_fault(&self, cache: &KmemCache<CPUS>, record: u32, object: VirtAddr, fault: Fault) {
        let state = self.object_state(cache, record, object);
        self.memory().report(&Report::ObjectFault { cache: &cache.name, fault, state });
        if let Fault::Overwritten { bytes: Overwritten { from, last, expected, .. }, .. } = fault {
            // Who frees it again is not told of the same bytes once more.
            self.memory().fill_bytes(from, last.as_u32() + 1 - from.as_u32(), expected);
        }
    }

    /// Each live object of a cache, by ascending address, with who took it.
    pub(super) fn live(&self, cache: &KmemCache<CPUS>) -> impl Iterator<Item = LiveObject> {
        let taken = move |object| {
            if self.is_of_pool(object) {
                self.sampler.taken_by(self.memory(), object)
            } else {
                self.track(cache, object, Way::Taken)
            }
        };
        self.live_objects(cache).map(move |object| LiveObject { object, taken: taken(object) })
    }

    /// Who took each live object of a cache that remembers (`U`), in no order.
    pub fn holders(&self, cache: &KmemCache<CPUS>) -> impl Iterator<Item = Track> {
        self.live(cache).filter_map(|live| live.taken)
    }
}

/// A free object that was written to.
struct Bad {
    record: u32,
    object: VirtAddr,
    bytes: Overwritten,
}
