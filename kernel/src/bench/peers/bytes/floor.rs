//! The floor of objects: the least that keeps our promises for objects of one size.
//!
//! Interrupts masked; a list beside the objects, by numbers, so that nobody's write after a free breaks it;
//! and each free checked by the object's entry, which refuses an address of the middle of an object, of a
//! free one, and of none (decision record 0013). No size classes, no flags, no second slab, no second CPU,
//! and nowhere to look when the one slab is empty: what an allocator takes beyond this is what it does
//! beyond this.

use core::cell::Cell;
use core::hint::black_box;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

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
    let slab = Slab {
        head: Cell::new(0),
        entries: Cell::new(entries.cast()),
        base: Cell::new(base),
        stride: Cell::new(stride),
        base_again: Cell::new(base),
        reciprocal: Cell::new(reciprocal),
        objects: Cell::new(objects),
    };
    if !refuses(&slab) {
        return;
    }
    let (counter, operation) = (task.counter, task.operation);
    let slab = black_box(&slab);
    let figures = if zeroed {
        let subject = Zeroed { slab, size: black_box(size) };
        measure_subject(subject, counter, operation, task.held)
    } else {
        measure_subject(Objects { slab }, counter, operation, task.held)
    };
    (task.see)(FLOOR, figures);
}

/// Is it as it says, and no cheaper? What has been looked at here, its answer for one, is not left out by
/// the compiler.
fn refuses(slab: &Slab) -> bool {
    let object = take(slab);
    let foreign = [object + 4, object - 1, slab.base.get() - 4, 0].map(|other| give(slab, other));
    let is_given = give(slab, object);
    is_given && !give(slab, object) && foreign == [false; 4]
}

/// Objects in a row, and an entry for each: of an allocated one its address, of a free one the number of
/// the next. What is loaded together lies together, and in the order in which it is used, so that one
/// instruction loads it.
#[repr(C)]
struct Slab {
    /// The first free one's number.
    head: Cell<u32>,
    /// As many as there are objects, in the task's memory.
    entries: Cell<*const AtomicU32>,
    /// The first object's address.
    base: Cell<u32>,
    /// From one object to the next.
    stride: Cell<u32>,
    /// As `base`.
    base_again: Cell<u32>,
    /// What makes a number of an offset.
    reciprocal: Cell<u32>,
    /// How many there are.
    objects: Cell<u32>,
}

impl Slab {
    /// The entry of an object.
    ///
    /// # Safety
    ///
    /// 1. `number` is below `objects`.
    #[inline(always)]
    unsafe fn entry(&self, number: u32) -> &AtomicU32 {
        // SAFETY: there are so many (1).
        unsafe { &*self.entries.get().add(number as usize) }
    }

    /// The address of an object; 0 when there is none.
    #[inline(always)]
    fn take(&self) -> u32 {
        {
            let _no_others = interrupt::mask();
            let number = self.head.get();
            if number != NONE {
                // SAFETY: 1. nobody else writes what is on the list.
                let entry = unsafe { self.entry(number) };
                self.head.set(entry.load(Relaxed));
                let object = self.base.get().wrapping_add(number.wrapping_mul(self.stride.get()));
                entry.store(object, Relaxed);
                return object;
            }
        }
        empty()
    }

    /// Takes an object back. Says `false`, and has changed nothing, if it is no allocated one.
    #[inline(always)]
    fn give(&self, object: u32) -> bool {
        {
            let _no_others = interrupt::mask();
            let offset = u64::from(object.wrapping_sub(self.base_again.get()));
            let number = ((offset * u64::from(self.reciprocal.get())) >> 32) as u32;
            if number < self.objects.get() {
                // SAFETY: 1. it is.
                let entry = unsafe { self.entry(number) };
                if entry.load(Relaxed) == object {
                    entry.store(self.head.get(), Relaxed);
                    self.head.set(number);
                    return true;
                }
            }
        }
        refused()
    }
}

/// Says that an address is none of an allocated object.
#[cold]
#[inline(never)]
fn refused() -> bool {
    black_box(false)
}

/// What a slab without a free object answers. An allocator would go and look for another slab: out of line, so
/// that the quick way bears nothing of it.
#[cold]
#[inline(never)]
fn empty() -> u32 {
    black_box(0)
}

struct Objects<'a> {
    slab: &'a Slab,
}

impl Subject for Objects<'_> {
    type Block = u32;
    type Given<'a>
        = &'a Slab
    where
        Self: 'a;
    type Got = u32;

    #[inline(always)]
    fn given(&mut self) -> &Slab {
        self.slab
    }

    #[inline(always)]
    fn get(slab: &Slab) -> u32 {
        take(slab)
    }

    fn block(object: u32) -> Option<u32> {
        (object != 0).then_some(object)
    }

    #[inline(always)]
    fn put(slab: &Slab, object: u32) {
        give(slab, object);
    }
}

struct Zeroed<'a> {
    slab: &'a Slab,
    size: u32,
}

impl Subject for Zeroed<'_> {
    type Block = u32;
    type Given<'a>
        = (&'a Slab, u32)
    where
        Self: 'a;
    type Got = u32;

    #[inline(always)]
    fn given(&mut self) -> (&Slab, u32) {
        (self.slab, self.size)
    }

    #[inline(always)]
    fn get((slab, size): (&Slab, u32)) -> u32 {
        take_zeroed(slab, size)
    }

    fn block(object: u32) -> Option<u32> {
        (object != 0).then_some(object)
    }

    #[inline(always)]
    fn put((slab, _): (&Slab, u32), object: u32) {
        give(slab, object);
    }
}

#[inline(never)]
fn take(slab: &Slab) -> u32 {
    slab.take()
}

#[inline(never)]
fn take_zeroed(slab: &Slab, size: u32) -> u32 {
    let object = slab.take();
    if object != 0 {
        // SAFETY: 1. the object was just taken; 2. it begins at a multiple of 8 and has whole words.
        unsafe { clear(object as *mut u8, size.next_multiple_of(4) as usize) };
    }
    object
}

#[inline(never)]
fn give(slab: &Slab, object: u32) -> bool {
    slab.give(object)
}
