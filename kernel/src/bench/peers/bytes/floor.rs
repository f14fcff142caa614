//! The floor of objects: the least that keeps our promises for objects of one size.
//!
//! Interrupts masked; a list beside the objects, by numbers, so that nobody's write after a free breaks it;
//! and each free checked by the object's entry, which refuses an address of the middle of an object, of a
//! free one, and of none (decision record 0013). No size classes, no flags, no second slab, no second CPU,
//! and nowhere to look when the one slab is empty: what an allocator takes beyond this is what it does
//! beyond this.

use core::hint::black_box;

use arch_arm::clear::clear;
use arch_arm::interrupt;
use mm::addr::PAGE_SIZE;
use workload::{Subject, What};

use super::super::super::pages::measure_subject;
use super::super::{FLOOR, Task};

/// The number of no object: the end of the list.
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
    let entries = task.memory.start as *mut u32;
    for number in 0..objects {
        let next = if number + 1 < objects { number + 1 } else { NONE };
        // SAFETY: the memory is this function's (1), and large enough.
        unsafe { entries.add(number as usize).write(next) };
    }
    let base = task.memory.start as u32 + books;
    let reciprocal = (1_u64 << 32).div_ceil(u64::from(stride)) as u32;
    let mut slab = Slab { head: 0, entries, base, stride, base_again: base, reciprocal, objects };
    // Somebody may want to know whether an object was taken back.
    black_box(give as fn(&mut Slab, u32) -> bool);
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
/// the next. What is loaded together lies together.
#[repr(C)]
struct Slab {
    /// The first object's address.
    base: u32,
    /// What makes a number of an offset.
    reciprocal: u32,
    /// How many there are.
    objects: u32,
    /// As many as there are objects, in the task's memory.
    entries: *mut u32,
    /// The first free one's number.
    head: u32,
    /// From one object to the next.
    stride: u32,
    /// As `base`.
    base_again: u32,
}

impl Slab {
    /// The address of an object; 0 when there is none.
    #[inline(always)]
    fn take(&mut self) -> u32 {
        let _no_others = interrupt::mask();
        let Self { head, entries, base_again, stride, .. } = *self;
        if head == NONE {
            return 0;
        }
        let object = base_again.wrapping_add(head.wrapping_mul(stride));
        // SAFETY: the number of an object: nobody else writes what is on the list.
        let next = unsafe { entries.add(head as usize).replace(object) };
        self.head = next;
        object
    }

    /// Takes an object back. Says `false`, and has changed nothing, if it is no allocated one.
    #[inline(always)]
    fn give(&mut self, object: u32) -> bool {
        let _no_others = interrupt::mask();
        let Self { base, reciprocal, objects, entries, .. } = *self;
        let offset = u64::from(object.wrapping_sub(base));
        let number = ((offset * u64::from(reciprocal)) >> 32) as u32;
        if number >= objects {
            return false;
        }
        // SAFETY: the number of an object.
        let entry = unsafe { entries.add(number as usize) };
        // SAFETY: the entry is the slab's.
        unsafe {
            if entry.read() != object {
                return false;
            }
            entry.write(self.head);
        }
        self.head = number;
        true
    }
}

struct Objects<'a> {
    slab: &'a mut Slab,
}

impl Subject for Objects<'_> {
    type Block = u32;
    type Given<'a>
        = &'a mut Slab
    where
        Self: 'a;
    type Got = u32;

    #[inline(always)]
    fn given(&mut self) -> &mut Slab {
        self.slab
    }

    #[inline(always)]
    fn get(slab: &mut Slab) -> u32 {
        take(slab)
    }

    fn block(object: u32) -> Option<u32> {
        (object != 0).then_some(object)
    }

    #[inline(always)]
    fn put(slab: &mut Slab, object: u32) {
        give(slab, object);
    }
}

struct Zeroed<'a> {
    slab: &'a mut Slab,
    size: u32,
}

impl Subject for Zeroed<'_> {
    type Block = u32;
    type Given<'a>
        = (&'a mut Slab, u32)
    where
        Self: 'a;
    type Got = u32;

    #[inline(always)]
    fn given(&mut self) -> (&mut Slab, u32) {
        (self.slab, self.size)
    }

    #[inline(always)]
    fn get((slab, size): (&mut Slab, u32)) -> u32 {
        take_zeroed(slab, size)
    }

    fn block(object: u32) -> Option<u32> {
        (object != 0).then_some(object)
    }

    #[inline(always)]
    fn put((slab, _): (&mut Slab, u32), object: u32) {
        give(slab, object);
    }
}

#[inline(never)]
fn take(slab: &mut Slab) -> u32 {
    slab.take()
}

#[inline(never)]
fn take_zeroed(slab: &mut Slab, size: u32) -> u32 {
    let object = slab.take();
    if object != 0 {
        // SAFETY: 1. the object was just taken; 2. it begins at a multiple of 8 and has whole words.
        unsafe { clear(object as *mut u8, size.next_multiple_of(4) as usize) };
    }
    object
}

#[inline(never)]
fn give(slab: &mut Slab, object: u32) -> bool {
    slab.give(object)
}
