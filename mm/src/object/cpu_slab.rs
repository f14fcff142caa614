//! What one CPU takes objects of one cache from: the quick paths.
//!
//! All that they need of the current slab stands here: its list, and what makes a number of an address and
//! back. A CPU without a current slab has no entries and an empty list, which fails the tests that
//! are made anyway; so does a cache that must not be quick.
//!
//! Protocol: touched by its CPU alone, interrupts masked; only the mailbox is for others.
#![expect(unsafe_code, reason = "entries lie in memory that the page allocator gave")]

use core::ptr::{self, NonNull};

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
    /// How many partial slabs there are, and how many of them are empty.
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

    /// The entry of an object of the current slab. A load each time: the quick paths have no register to
    /// keep it in.
    ///
    /// # Safety
    ///
    /// 1. `number` is below `objects`.
    #[inline(always)]
    unsafe fn entry(&self, number: u32) -> &AtomicU32 {
        debug_assert!(number < self.objects.load(Relaxed));
        // SAFETY: `set` wrote both from a slice of the current slab's record, which lives until the slab is
        // given back, and that is not while it is current. So there are so many entries (1), which as
        // atomics may be shared.
        unsafe { &*self.entries.load(Relaxed).add(number as usize) }
    }

    /// The first free object of the current slab.
    #[inline(always)]
    pub(super) fn take(&self) -> Option<VirtAddr> {
        let number = self.head.load(Relaxed);
        if number == NONE {
            return None;
        }
        // SAFETY: 1. lists hold numbers of the slab's objects, and are not kept where anybody else writes.
        let entry = unsafe { self.entry(number) };
        self.head.store(entry.load(Relaxed), Relaxed);
        let offset = number.wrapping_mul(self.stride.load(Relaxed));
        let object = self.base.load(Relaxed).wrapping_add(offset);
        entry.store(object, Relaxed);
        Some(VirtAddr::new(object))
    }

    /// Makes an allocated object of the current slab free. Says `false`, and has changed nothing, if it is
    /// none.
    #[inline(always)]
    pub(super) fn give(&self, object: VirtAddr) -> bool {
        let offset = object.as_u32().wrapping_sub(self.base.load(Relaxed));
        let number = number(offset, self.reciprocal.load(Relaxed));
        if number >= self.objects.load(Relaxed) {
            return false;
        }
        // SAFETY: 1. it is.
        if unsafe { self.entry(number) }.load(Relaxed) != object.as_u32() {
            return false;
        }
        // SAFETY: 1. as above.
        let entry = unsafe { self.entry(number) };
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
