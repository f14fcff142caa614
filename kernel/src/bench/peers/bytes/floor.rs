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

/// The number of no object: the end of the list. Its entry is always this.
const NONE: u32 = 0;
/// Objects of a bulk operation.
const BULK: u32 = 32;

/// Measures it.
///
/// # Safety
///
/// 1. The task's memory is mapped, and nobody else's until this returns.
pub unsafe fn measure(task: &mut Task<'_>) {
    let (size, zeroed) = match task.operation.what {
        What::Bytes { size, zeroed } => (size, zeroed),
        What::ConstBytes { size } | What::Object { size } | What::Objects { size } => (size, false),
        _ => return,
    };
    let is_bulk = matches!(task.operation.what, What::Objects { .. });
    let stride = size.next_multiple_of(8);
    let objects = if is_bulk { BULK } else { task.operation.shape.held() };
    let books = (4 * (objects + 1)).next_multiple_of(PAGE_SIZE);
    if u64::from(books) + u64::from(objects) * u64::from(stride) > task.memory.bytes as u64 {
        return;
    }
    let entries = task.memory.start as *mut u32;
    for number in 0..=objects {
        let next = if number == NONE || number == objects { NONE } else { number + 1 };
        // SAFETY: the memory is this function's (1), and large enough.
        unsafe { entries.add(number as usize).write(next) };
    }
    // Where object 0 would be.
    let origin = task.memory.start as u32 + books - stride;
    let reciprocal = (1_u64 << 32).div_ceil(u64::from(stride)) as u32;
    let slab = Slab {
        head: Cell::new(1),
        entries: Cell::new(entries.cast()),
        origin: Cell::new(origin),
        stride: Cell::new(stride),
        origin_again: Cell::new(origin),
        reciprocal: Cell::new(reciprocal),
        len: Cell::new(objects + 1),
    };
    if !refuses(&slab) {
        return;
    }
    let (counter, operation) = (task.counter, task.operation);
    let slab = black_box(&slab);
    let figures = if is_bulk {
        let mut objects = [0; BULK as usize];
        let subject = Bulk { slab, objects: black_box(&mut objects) };
        measure_subject(subject, counter, operation, task.held)
    } else if zeroed {
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
    let foreign = [object + 4, object - 1, slab.origin.get(), 0].map(|other| give(slab, other));
    let mut bulk = [object; 8];
    let is_given = give_many(slab, &bulk) == 1;
    let is_taken = take_many(slab, &mut bulk) > 0 && give_many(slab, &bulk) == 8;
    is_given && !give(slab, object) && foreign == [false; 4] && (is_taken || slab.len.get() <= 8)
}

/// Objects in a row, and an entry for each: of an allocated one its address, of a free one the number of
/// the next. What is loaded together lies together, and in the order in which it is used, so that one
/// instruction loads it.
#[repr(C)]
struct Slab {
    /// The first free one's number.
    head: Cell<u32>,
    /// One more than there are objects, in the task's memory. The first is no object's.
    entries: Cell<*const AtomicU32>,
    /// The first object's address, less a stride.
    origin: Cell<u32>,
    /// From one object to the next.
    stride: Cell<u32>,
    /// As `origin`.
    origin_again: Cell<u32>,
    /// What makes a number of an offset.
    reciprocal: Cell<u32>,
    /// How many entries there are.
    len: Cell<u32>,
}

impl Slab {
    /// The entry of an object.
    ///
    /// # Safety
    ///
    /// 1. `number` is below `len`.
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
                let object = self.origin.get().wrapping_add(number.wrapping_mul(self.stride.get()));
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
            let number =
                number(object.wrapping_sub(self.origin_again.get()), self.reciprocal.get());
            if number < self.len.get() {
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

    /// Takes as many objects as there are places, or free ones. Says how many. Interrupts are masked, and this is
    /// out of line: then everything stays in registers.
    #[inline(never)]
    fn take_many(&self, objects: &mut [u32]) -> usize {
        let (origin, stride) = (self.origin.get(), self.stride.get());
        let object = |number: u32| origin.wrapping_add(number.wrapping_mul(stride));
        // SAFETY: 1. nobody else writes what is on the list, and its end leads to itself.
        let entry = |number: u32| unsafe { self.entry(number) };
        let mut number = self.head.get();
        let mut taken = 0;
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
                object(number)
            });
            taken += 4;
        }
        self.head.set(number);
        taken
    }

    /// Takes objects back, up to the first that is no allocated one. Says how many. As `take_many`.
    #[inline(never)]
    fn give_many(&self, objects: &[u32]) -> usize {
        let (origin, reciprocal, len) =
            (self.origin_again.get(), self.reciprocal.get(), self.len.get());
        let mut head = self.head.get();
        let mut give = |object: u32| {
            let number = number(object.wrapping_sub(origin), reciprocal);
            if number >= len {
                return false;
            }
            // SAFETY: 1. it is.
            let entry = unsafe { self.entry(number) };
            if entry.load(Relaxed) != object {
                return false;
            }
            entry.store(head, Relaxed);
            head = number;
            true
        };
        let mut given = 0;
        'given: for eight in objects.as_chunks::<8>().0 {
            for (before, object) in eight.iter().enumerate() {
                if !give(*object) {
                    given += before;
                    break 'given;
                }
            }
            given += 8;
        }
        self.head.set(head);
        given
    }
}

/// The number of the object at an offset.
#[inline(always)]
const fn number(offset: u32, reciprocal: u32) -> u32 {
    ((offset as u64 * reciprocal as u64) >> 32) as u32
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

/// [`BULK`] objects in one call, which the subject keeps itself: its block says nothing.
struct Bulk<'a> {
    slab: &'a Slab,
    objects: &'a mut [u32],
}

impl Subject for Bulk<'_> {
    type Block = u32;
    type Given<'a>
        = (&'a Slab, &'a mut [u32])
    where
        Self: 'a;
    type Got = usize;

    #[inline(always)]
    fn given(&mut self) -> (&Slab, &mut [u32]) {
        (self.slab, self.objects)
    }

    #[inline(always)]
    fn get((slab, objects): (&Slab, &mut [u32])) -> usize {
        take_many(slab, objects)
    }

    fn block(taken: usize) -> Option<u32> {
        (taken == BULK as usize).then_some(0)
    }

    #[inline(always)]
    fn put((slab, objects): (&Slab, &mut [u32]), _: u32) {
        give_many(slab, objects);
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
fn take_many(slab: &Slab, objects: &mut [u32]) -> usize {
    let _no_others = interrupt::mask();
    slab.take_many(objects)
}

#[inline(never)]
fn give_many(slab: &Slab, objects: &[u32]) -> usize {
    let _no_others = interrupt::mask();
    slab.give_many(objects)
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
