//! What one CPU takes objects of one cache from: the quick paths.
//!
//! All that they need of the current slab stands here: its list, and what makes a number of an address and
//! back. A CPU without a current slab has no entries and an empty list, which fails the tests that
//! are made anyway; so does a cache that must not be quick.
//!
//! Protocol: touched by its CPU alone, interrupts masked; only the mailbox is for others.
#![expect(unsafe_code, reason = "entries lie in memory that the page allocator gave")]

use core::ptr::{self, NonNull};
use core::slice;

use super::slab::{NONE, number};
use crate::addr::VirtAddr;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicPtr, AtomicU32};

/// The current slab, and the partial ones behind it.
#[repr(C, align(64))]
pub(super) struct CpuSlab {
    head: AtomicU32,
    objects: AtomicU32,
    entries: AtomicPtr<AtomicU32>,
    base: AtomicU32,
    stride: AtomicU32,
    reciprocal: AtomicU32,
    /// The address of the current slab's record; 0 without one.
    pub(super) current: AtomicU32,
    /// The first partial slab's record; 0 for none.
    pub(super) partial: AtomicU32,
    /// How many partial slabs there are.
    pub(super) partial_slabs: AtomicU32,
    /// Slabs of this CPU to which others gave something back; anybody may push.
    pub(super) mailbox: AtomicU32,
}

/// A slab on its way to be a CPU's current one.
pub(super) struct Fresh<'s> {
    pub(super) head: u32,
    pub(super) entries: &'s [AtomicU32],
    pub(super) base: VirtAddr,
    pub(super) record: u32,
}

impl CpuSlab {
    /// Without a slab.
    pub(super) fn new(stride: u32, reciprocal: u32) -> Self {
        Self {
            head: AtomicU32::new(NONE),
            objects: AtomicU32::new(0),
            entries: AtomicPtr::new(NonNull::dangling().as_ptr()),
            base: AtomicU32::new(0),
            stride: AtomicU32::new(stride),
            reciprocal: AtomicU32::new(reciprocal),
            current: AtomicU32::new(0),
            partial: AtomicU32::new(0),
            partial_slabs: AtomicU32::new(0),
            mailbox: AtomicU32::new(0),
        }
    }

    #[inline(always)]
    fn entries(&self) -> &[AtomicU32] {
        let objects = self.objects.load(Relaxed) as usize;
        // SAFETY: the pair was written by `set`, from a slice of the current slab's record, which lives until
        // the slab is given back, and that is not while it is current; or it is dangling and 0. Atomics
        // may be shared.
        unsafe { slice::from_raw_parts(self.entries.load(Relaxed), objects) }
    }

    /// The first free object of the current slab.
    #[inline(always)]
    pub(super) fn take(&self) -> Option<VirtAddr> {
        let number = self.head.load(Relaxed);
        // An empty list ends here as well.
        let entry = self.entries().get(number as usize)?;
        let offset = number.wrapping_mul(self.stride.load(Relaxed));
        let object = self.base.load(Relaxed).wrapping_add(offset);
        self.head.store(entry.load(Relaxed), Relaxed);
        entry.store(object, Relaxed);
        Some(VirtAddr::new(object))
    }

    /// Makes an allocated object of the current slab free. Says `false`, and has changed nothing, if it is
    /// none.
    #[inline(always)]
    pub(super) fn give(&self, object: VirtAddr) -> bool {
        let offset = object.as_u32().wrapping_sub(self.base.load(Relaxed));
        let number = number(offset, self.reciprocal.load(Relaxed));
        let Some(entry) = self.entries().get(number as usize) else { return false };
        if entry.load(Relaxed) != object.as_u32() {
            return false;
        }
        entry.store(self.head.load(Relaxed), Relaxed);
        self.head.store(number, Relaxed);
        true
    }

    /// Makes a slab the current one; there is none now.
    pub(super) fn set(&self, fresh: &Fresh<'_>) {
        debug_assert_eq!(self.current.load(Relaxed), 0);
        self.head.store(fresh.head, Relaxed);
        self.entries.store(ptr::from_ref(fresh.entries).cast_mut().cast(), Relaxed);
        self.objects.store(fresh.entries.len() as u32, Relaxed);
        self.base.store(fresh.base.as_u32(), Relaxed);
        self.current.store(fresh.record, Relaxed);
    }

    /// Gives up the current slab: the address of its record, and its list.
    pub(super) fn clear(&self) -> Option<(u32, u32)> {
        let record = self.current.load(Relaxed);
        if record == 0 {
            return None;
        }
        let head = self.head.load(Relaxed);
        self.current.store(0, Relaxed);
        self.objects.store(0, Relaxed);
        self.head.store(NONE, Relaxed);
        Some((record, head))
    }

    /// The current slab's list.
    pub(super) fn head(&self) -> u32 {
        self.head.load(Relaxed)
    }
}
