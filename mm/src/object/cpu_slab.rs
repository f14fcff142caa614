//! What one CPU takes objects of one cache from: the quick paths.
//!
//! All that they need of the current slab stands here: its list, and what makes a number of an address and
//! back. A CPU without a current slab has no entries and an empty list, which fails the tests that
//! are made anyway; so does a cache that must not be quick.
//!
//! Protocol: touched by its CPU alone, interrupts masked; only the mailbox is for others.
#![expect(unsafe_code, reason = "entries lie in memory that the page allocator gave")]

use core::cell::Cell;
use core::ptr;

use super::slab::{Back, Claimed, NONE, number};
use crate::addr::VirtAddr;
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

/// The current slab, and the partial ones behind it.
///
/// Cells and not atomics, and in groups: so the compiler loads each group with one instruction.
#[repr(C, align(64))]
pub(super) struct CpuSlab {
    head: Cell<u32>,
    entries: Cell<*const AtomicU32>,
    origin: Cell<u32>,
    stride: Cell<u32>,
    /// The same as `origin`, beside what giving needs with it.
    origin_again: Cell<u32>,
    reciprocal: Cell<u32>,
    /// How many entries; 0 without a slab.
    len: Cell<u32>,
    /// The address of the current slab's record; 0 without one.
    current: Cell<u32>,
    /// The first partial slab's record; 0 for none.
    pub(super) partial: AtomicU32,
    /// How many partial slabs there are.
    pub(super) partial_slabs: AtomicU32,
    /// Slabs of this CPU to which others gave something back; anybody may push.
    pub(super) mailbox: AtomicU32,
}

// SAFETY: by the protocol the cells are one CPU's, which does not interrupt itself there; `entries` points
// to atomics, which may be shared.
unsafe impl Sync for CpuSlab {}
// SAFETY: nothing in it is a thread's own.
unsafe impl Send for CpuSlab {}

/// A slab on its way to be a CPU's current one.
pub(super) struct Fresh<'s> {
    pub(super) head: u32,
    pub(super) entries: &'s [AtomicU32],
    pub(super) origin: u32,
    pub(super) record: u32,
}

impl CpuSlab {
    /// Without a slab.
    pub(super) fn new(stride: u32, reciprocal: u32) -> Self {
        Self {
            head: Cell::new(NONE),
            entries: Cell::new(ptr::null()),
            origin: Cell::new(0),
            stride: Cell::new(stride),
            origin_again: Cell::new(0),
            len: Cell::new(0),
            reciprocal: Cell::new(reciprocal),
            current: Cell::new(0),
            partial: AtomicU32::new(0),
            partial_slabs: AtomicU32::new(0),
            mailbox: AtomicU32::new(0),
        }
    }

    /// The entry of an object of the current slab.
    ///
    /// # Safety
    ///
    /// 1. `number` is below `len`.
    #[inline(always)]
    unsafe fn entry(&self, number: u32) -> &AtomicU32 {
        debug_assert!(number < self.len.get());
        // SAFETY: `set` wrote both from a slice of the current slab's record, which lives until the slab is
        // given back, and that is not while it is current. So there are so many entries (1).
        unsafe { &*self.entries.get().add(number as usize) }
    }

    /// The first free object of the current slab.
    #[inline(always)]
    pub(super) fn take(&self) -> Option<VirtAddr> {
        let number = self.head.get();
        if number == NONE {
            return None;
        }
        // SAFETY: 1. lists hold numbers of the slab's objects, and are not kept where anybody else writes.
        let entry = unsafe { self.entry(number) };
        self.head.set(entry.load(Relaxed));
        let object = self.origin.get().wrapping_add(number.wrapping_mul(self.stride.get()));
        entry.store(object, Relaxed);
        Some(VirtAddr::new(object))
    }

    /// Makes an allocated object of the current slab free. Says `false`, and has changed nothing, if it is
    /// none.
    #[inline(always)]
    pub(super) fn give(&self, object: VirtAddr) -> bool {
        let offset = object.as_u32().wrapping_sub(self.origin_again.get());
        let number = number(offset, self.reciprocal.get());
        if number >= self.len.get() {
            return false;
        }
        // SAFETY: 1. it is.
        let entry = unsafe { self.entry(number) };
        if entry.load(Relaxed) != object.as_u32() {
            return false;
        }
        entry.store(self.head.get(), Relaxed);
        self.head.set(number);
        true
    }

    /// Takes as many free objects of the current slab as `objects` has places for, or as there are, and says
    /// how many.
    #[inline(never)]
    pub(super) fn take_many(&self, objects: &mut [VirtAddr]) -> usize {
        let mut number = self.head.get();
        if number == NONE {
            // There may be no slab, and no entries.
            return 0;
        }
        let (entries, origin, stride) = (self.entries.get(), self.origin.get(), self.stride.get());
        // SAFETY: 1. as in `take`; of entry 0, where every list ends, it is true as well.
        let entry = |number: u32| unsafe { &*entries.add(number as usize) };
        let object = |number: u32| origin.wrapping_add(number.wrapping_mul(stride));
        let mut taken = 0;
        // A list ends at entry 0, which leads to itself: so a look at the last of four is enough.
        for four in objects.as_chunks_mut::<4>().0 {
            let first = number;
            let second = entry(first).load(Relaxed);
            let third = entry(second).load(Relaxed);
            let fourth = entry(third).load(Relaxed);
            if fourth == NONE {
                break;
            }
            number = entry(fourth).load(Relaxed);
            *four = [first, second, third, fourth].map(|number| {
                entry(number).store(object(number), Relaxed);
                VirtAddr::new(object(number))
            });
            taken += 4;
        }
        while number != NONE
            && let Some(place) = objects.get_mut(taken)
        {
            let next = entry(number).load(Relaxed);
            entry(number).store(object(number), Relaxed);
            *place = VirtAddr::new(object(number));
            number = next;
            taken += 1;
        }
        self.head.set(number);
        taken
    }

    /// Makes allocated objects of the current slab free, from the front, up to the first that is none, and
    /// says how many.
    #[inline(never)]
    pub(super) fn give_many(&self, objects: &[VirtAddr]) -> usize {
        let mut head = self.head.get();
        let (entries, origin) = (self.entries.get(), self.origin_again.get());
        let (reciprocal, len) = (self.reciprocal.get(), self.len.get());
        let mut give = |object: VirtAddr| {
            let number = number(object.as_u32().wrapping_sub(origin), reciprocal);
            if number >= len {
                return false;
            }
            // SAFETY: as in `give`.
            let entry = unsafe { &*entries.add(number as usize) };
            if entry.load(Relaxed) != object.as_u32() {
                return false;
            }
            entry.store(head, Relaxed);
            head = number;
            true
        };
        let mut given = 0;
        // Each is looked at by itself, since one may be there twice.
        'given: for eight in objects.as_chunks::<8>().0 {
            for (before, object) in eight.iter().enumerate() {
                if !give(*object) {
                    given += before;
                    break 'given;
                }
            }
            given += 8;
        }
        while let Some(object) = objects.get(given)
            && give(*object)
        {
            given += 1;
        }
        self.head.set(head);
        given
    }

    /// Makes an object of the current slab free. Says `false`, and has changed nothing, if there is nothing to
    /// give.
    pub(super) fn give_back(&self, back: Back) -> bool {
        match back {
            Back::Allocated(object) => self.give(object),
            Back::Claimed(claimed) => self.give_claimed(&claimed),
        }
    }

    fn give_claimed(&self, claimed: &Claimed) -> bool {
        let number = claimed.number();
        if number >= self.len.get() {
            return false;
        }
        // SAFETY: 1. it is.
        let entry = unsafe { self.entry(number) };
        entry.store(self.head.get(), Relaxed);
        self.head.set(number);
        true
    }

    /// Makes a slab the current one; there is none now.
    pub(super) fn set(&self, fresh: &Fresh<'_>) {
        debug_assert_eq!(self.current.get(), 0);
        self.head.set(fresh.head);
        self.entries.set(fresh.entries.as_ptr());
        self.len.set(fresh.entries.len() as u32);
        self.origin.set(fresh.origin);
        self.origin_again.set(fresh.origin);
        self.current.set(fresh.record);
    }

    /// Gives up the current slab: the address of its record, and its list.
    pub(super) fn clear(&self) -> Option<(u32, u32)> {
        let record = self.current.replace(0);
        if record == 0 {
            return None;
        }
        self.len.set(0);
        Some((record, self.head.replace(NONE)))
    }

    /// The current slab's record.
    pub(super) fn current(&self) -> Option<u32> {
        Some(self.current.get()).filter(|record| *record != 0)
    }

    /// The current slab's list.
    pub(super) fn head(&self) -> u32 {
        self.head.get()
    }
}
