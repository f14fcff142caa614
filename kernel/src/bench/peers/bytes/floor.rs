//! The floor of objects: the least that keeps our promises for objects of one size.
//!
//! Interrupts masked; a list beside the objects, by numbers, so that nobody's write after a free breaks it;
//! and each free checked by the object's entry, which refuses an address of the middle of an object, of a
//! free one, and of none (decision record 0013). No size classes, no flags, no second slab, no second CPU,
//! and nowhere to look when the one slab is empty: what an allocator takes beyond this is what it does
//! beyond this.

use core::hint::black_box;
use core::slice;

use arch_arm::clear::clear;
use arch_arm::interrupt;
use mm::addr::PAGE_SIZE;
use workload::{Subject, What};

use super::super::super::pages::measure_subject;
use super::super::{FLOOR, Task};

/// The number of no object. No slab has so many, so one comparison finds the end of the list and holds the
/// bound of the entries.
const NONE: u32 = u32::MAX;

/// Measures it.
///
/// # Safety
///
/// 1. The task's memory is mapped, and nobody else's until this returns.
pub unsafe fn measure(task: &mut Task<'_>) {
    let (size, zeroed) = match task.operation.what {
        What::Bytes { size, zeroed } => (size, zeroed),
        What::ConstBytes { size } | What::Object { size } => (size, false),
        _ => return,
    };
    let stride = size.next_multiple_of(8);
    let objects = task.operation.shape.held();
    let books = (4 * objects).next_multiple_of(PAGE_SIZE);
    if u64::from(books) + u64::from(objects) * u64::from(stride) > task.memory.bytes as u64 {
        return;
    }
    let start = task.memory.start;
    // SAFETY: the memory is this function's (1); it begins with a page, and is large enough.
    let entries = unsafe { slice::from_raw_parts_mut(start as *mut u32, objects as usize) };
    for (next, entry) in (1..).zip(entries.iter_mut()) {
        *entry = if next < objects { next } else { NONE };
    }
    let mut slab = Slab {
        head: 0,
        base: start as u32 + books,
        stride,
        reciprocal: (1_u64 << 32).div_ceil(u64::from(stride)) as u32,
        entries,
    };
    let (counter, operation) = (task.counter, task.operation);
    let slab = black_box(&mut slab);
    let figures = if zeroed {
        let subject = Zeroed { slab, size: black_box(size) };
        measure_subject(subject, counter, operation, task.held)
    } else {
        measure_subject(Objects { slab }, counter, operation, task.held)
    };
    (task.see)(FLOOR, figures);
}

/// Objects in a row, and an entry for each: of an allocated one its address, of a free one the number of
/// the next.
struct Slab<'a> {
    /// The first free one's number.
    head: u32,
    /// The first object's address.
    base: u32,
    /// From one object to the next.
    stride: u32,
    /// What makes a number of an offset.
    reciprocal: u32,
    entries: &'a mut [u32],
}

impl Slab<'_> {
    /// The address of an object; 0 when there is none.
    #[inline(always)]
    fn take(&mut self) -> u32 {
        let _no_others = interrupt::mask();
        let number = self.head;
        let Some(entry) = self.entries.get_mut(number as usize) else { return 0 };
        let object = self.base.wrapping_add(number.wrapping_mul(self.stride));
        self.head = *entry;
        *entry = object;
        object
    }

    /// Takes an object back. Says `false`, and has changed nothing, if it is no allocated one.
    #[inline(always)]
    fn give(&mut self, object: u32) -> bool {
        let _no_others = interrupt::mask();
        let offset = object.wrapping_sub(self.base);
        let number = (u64::from(offset) * u64::from(self.reciprocal)) >> 32;
        let Some(entry) = self.entries.get_mut(number as usize) else { return false };
        if *entry != object {
            return false;
        }
        *entry = self.head;
        self.head = number as u32;
        true
    }
}

struct Objects<'a, 's> {
    slab: &'a mut Slab<'s>,
}

impl<'s> Subject for Objects<'_, 's> {
    type Block = u32;
    type Given<'a>
        = &'a mut Slab<'s>
    where
        Self: 'a;
    type Got = u32;

    #[inline(always)]
    fn given(&mut self) -> &mut Slab<'s> {
        self.slab
    }

    #[inline(always)]
    fn get(slab: &mut Slab<'s>) -> u32 {
        take(slab)
    }

    fn block(object: u32) -> Option<u32> {
        (object != 0).then_some(object)
    }

    #[inline(always)]
    fn put(slab: &mut Slab<'s>, object: u32) {
        // The caller looks at the answer, or it would not be made.
        black_box(give(slab, object));
    }
}

struct Zeroed<'a, 's> {
    slab: &'a mut Slab<'s>,
    size: u32,
}

impl<'s> Subject for Zeroed<'_, 's> {
    type Block = u32;
    type Given<'a>
        = (&'a mut Slab<'s>, u32)
    where
        Self: 'a;
    type Got = u32;

    #[inline(always)]
    fn given(&mut self) -> (&mut Slab<'s>, u32) {
        (self.slab, self.size)
    }

    #[inline(always)]
    fn get((slab, size): (&mut Slab<'s>, u32)) -> u32 {
        take_zeroed(slab, size)
    }

    fn block(object: u32) -> Option<u32> {
        (object != 0).then_some(object)
    }

    #[inline(always)]
    fn put((slab, _): (&mut Slab<'s>, u32), object: u32) {
        black_box(give(slab, object));
    }
}

#[inline(never)]
fn take(slab: &mut Slab<'_>) -> u32 {
    slab.take()
}

#[inline(never)]
fn take_zeroed(slab: &mut Slab<'_>, size: u32) -> u32 {
    let object = slab.take();
    if object != 0 {
        // SAFETY: 1. the object was just taken; 2. it begins at a multiple of 8 and has whole words.
        unsafe { clear(object as *mut u8, size.next_multiple_of(4) as usize) };
    }
    object
}

#[inline(never)]
fn give(slab: &mut Slab<'_>, object: u32) -> bool {
    slab.give(object)
}
