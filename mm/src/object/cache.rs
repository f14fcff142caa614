//! A cache: objects of one kind, and the slabs that they are cut from.

use core::ptr::NonNull;

use super::cpu_slab::CpuSlab;
use super::flags::SlabFlags;
use super::geometry::Geometry;
use super::name::Name;
use super::slab::Slab;
use crate::addr::{VirtAddr, VirtRange};
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU32, Lock};

/// Brings the memory of an object into the state in which it is handed out, once, when its slab is
/// made; who gives it back has brought it into that state again. By C's calling convention, so that C can have one.
pub type Constructor = unsafe extern "C" fn(object: NonNull<u8>);

/// Takes apart what a [`Constructor`] made, once, when the object's slab is given back.
///
/// Context: no lock is held; interrupts are as they were, or masked. It runs in whichever call lets the slab go:
/// one that gives back an object of it, on any CPU, a request that finds memory short, a tick, or the cache's
/// end. So it does not sleep, takes no lock that may be held where any of these is called, and leaves its own
/// cache alone.
pub type Destructor = unsafe extern "C" fn(object: NonNull<u8>);

/// Slabs that no CPU owns.
#[derive(Debug)]
pub(super) struct Shared {
    /// Those with free objects; of a guarded cache also those that are empty.
    pub(super) partial: AtomicU32,
    pub(super) partial_slabs: AtomicU32,
}

/// A cache of objects, for `CPUS` CPUs. Everything is done by the
/// [`SlabAllocator`](super::SlabAllocator) that it belongs to.
///
/// What the quick paths look at comes first.
#[repr(C)]
pub struct KmemCache<const CPUS: usize> {
    pub(super) cpu: [CpuSlab; CPUS],
    /// The allocator that it belongs to. The quick paths have no register for it.
    pub(super) home: AtomicPtr<()>,
    pub(super) geometry: Geometry,
    pub(super) reciprocal: u32,
    pub(super) min_partial: u32,
    pub(super) flags: SlabFlags,
    pub(super) is_kmalloc: bool,
    /// Each request is looked at: the cache is guarded, or requests may fail on purpose.
    pub(super) is_watched: AtomicBool,
    pub(super) constructor: Option<Constructor>,
    pub(super) destructor: Option<Destructor>,
    pub(super) name: Name,
    /// The largest object that one of the names this cache is known under has asked for.
    pub(super) object_size: AtomicU32,
    /// How many names it is known under.
    pub(super) names: AtomicU32,
    /// It is about to be destroyed: who keeps slabs of it gives them up.
    pub(super) is_dying: AtomicBool,
    pub(super) shared: Lock<Shared>,
    /// Slabs there are, and objects and pages in them.
    pub(super) slabs: AtomicU32,
    pub(super) objects: AtomicU32,
    pub(super) pages: AtomicU32,
    /// Neighbours on the list of caches.
    pub(super) next: AtomicU32,
    pub(super) prev: AtomicU32,
}

impl<const CPUS: usize> KmemCache<CPUS> {
    pub(super) fn new(
        name: Name,
        geometry: Geometry,
        flags: SlabFlags,
        constructor: Option<Constructor>,
    ) -> Self {
        let reciprocal = geometry.reciprocal();
        Self {
            cpu: core::array::from_fn(|_| CpuSlab::new(geometry.stride, reciprocal)),
            home: AtomicPtr::new(core::ptr::null_mut()),
            geometry,
            reciprocal,
            min_partial: geometry.min_partial(),
            flags,
            is_kmalloc: false,
            is_watched: AtomicBool::new(flags.intersects(SlabFlags::DEBUG)),
            constructor,
            destructor: None,
            name,
            object_size: AtomicU32::new(geometry.object_size),
            names: AtomicU32::new(1),
            is_dying: AtomicBool::new(false),
            shared: Lock::new(Shared {
                partial: AtomicU32::new(0),
                partial_slabs: AtomicU32::new(0),
            }),
            slabs: AtomicU32::new(0),
            objects: AtomicU32::new(0),
            pages: AtomicU32::new(0),
            next: AtomicU32::new(0),
            prev: AtomicU32::new(0),
        }
    }

    /// The name that it was made with.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// How its objects lie.
    #[must_use]
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What it was made with, and what it is watched with.
    #[must_use]
    pub const fn flags(&self) -> SlabFlags {
        self.flags
    }

    /// Does it have a constructor, or a destructor, whose code lies in `range`? It is called for as long as the cache is
    /// there.
    #[must_use]
    pub fn calls_into(&self, range: VirtRange) -> bool {
        let is_in = |address: usize| {
            u32::try_from(address).is_ok_and(|address| range.contains(VirtAddr::new(address)))
        };
        self.constructor.is_some_and(|function| is_in(function as usize))
            || self.destructor.is_some_and(|function| is_in(function as usize))
    }

    /// Bytes that the user of an object may use.
    #[must_use]
    pub fn object_size(&self) -> u32 {
        self.object_size.load(Relaxed)
    }

    /// Does every request take the way under the lock?
    pub(super) const fn is_guarded(&self) -> bool {
        self.flags.intersects(SlabFlags::DEBUG)
    }

    /// The address of the object that an address of a slab is inside of, or behind.
    pub(super) fn nearest(&self, slab: &Slab<'_>, object: VirtAddr) -> VirtAddr {
        let stride = self.geometry.stride;
        let first = slab.object(1, stride).as_u32();
        let before = object.as_u32().saturating_sub(first) / stride;
        slab.object((before + 1).min(slab.header.is.objects()), stride)
    }
}
