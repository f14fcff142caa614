//! `buddy_system_allocator`: a buddy whose lists run through the free blocks themselves. Giving back
//! looks for the neighbour along its list.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use arch_arm::sync::IrqLock;
use buddy_system_allocator::Heap;
use mm::addr::{Order, PAGE_SIZE};
use workload::Subject;

use super::super::pages::measure_subject;
use super::{Memory, Task};

/// What it is called.
pub const NAME: &str = "buddy_system_allocator";
/// What it is called behind the lock.
pub const LOCKED: &str = "buddy_system_allocator+lock";

/// With lists for blocks of up to 64 MiB.
pub type Buddy = Heap<27>;

/// A heap with this memory, all of it free.
///
/// # Safety
///
/// 1. The memory is nobody else's for as long as the heap is used.
pub unsafe fn heap(memory: Memory) -> Buddy {
    let mut buddy = Buddy::empty();
    // SAFETY: the memory is the heap's (1).
    unsafe { buddy.init(memory.start, memory.bytes) };
    buddy
}

/// Measures it bare, and behind a lock.
///
/// # Safety
///
/// 1. The task's memory is mapped, and nobody else's until this returns.
pub unsafe fn measure(task: &mut Task<'_>, order: Order) {
    let Ok(layout) =
        Layout::from_size_align(order.bytes() as usize, PAGE_SIZE as usize).map(black_box)
    else {
        return;
    };
    let memory = task.memory;
    // SAFETY: 1. the memory is this function's, and an earlier heap on it is not used any more.
    let buddy = || unsafe { heap(memory) };
    let (mut bare, counter, operation) = (buddy(), task.counter, task.operation);
    let subject = Bare { buddy: black_box(&mut bare), layout };
    (task.see)(NAME, measure_subject(subject, counter, operation, task.held));
    let locked = IrqLock::new(buddy());
    let subject = Locked { buddy: black_box(&locked), layout };
    (task.see)(LOCKED, measure_subject(subject, counter, operation, task.held));
}

struct Bare<'a> {
    buddy: &'a mut Buddy,
    layout: Layout,
}

impl Subject for Bare<'_> {
    type Block = u32;
    type Given<'a>
        = (&'a mut Buddy, Layout)
    where
        Self: 'a;
    type Got = Option<NonNull<u8>>;

    #[inline(always)]
    fn given(&mut self) -> (&mut Buddy, Layout) {
        (self.buddy, self.layout)
    }

    #[inline(always)]
    fn get((buddy, layout): (&mut Buddy, Layout)) -> Self::Got {
        alloc(buddy, layout)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.map(|block| block.as_ptr() as u32)
    }

    #[inline(always)]
    fn put((buddy, layout): (&mut Buddy, Layout), block: u32) {
        // SAFETY: `get` gave it, so it is not 0.
        let block = unsafe { NonNull::new_unchecked(block as *mut u8) };
        free(buddy, block, layout);
    }
}

struct Locked<'a> {
    buddy: &'a IrqLock<Buddy>,
    layout: Layout,
}

impl Subject for Locked<'_> {
    type Block = u32;
    type Given<'a>
        = (&'a IrqLock<Buddy>, Layout)
    where
        Self: 'a;
    type Got = Option<NonNull<u8>>;

    #[inline(always)]
    fn given(&mut self) -> (&IrqLock<Buddy>, Layout) {
        (self.buddy, self.layout)
    }

    #[inline(always)]
    fn get((buddy, layout): (&IrqLock<Buddy>, Layout)) -> Self::Got {
        locked_alloc(buddy, layout)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.map(|block| block.as_ptr() as u32)
    }

    #[inline(always)]
    fn put((buddy, layout): (&IrqLock<Buddy>, Layout), block: u32) {
        // SAFETY: `get` gave it, so it is not 0.
        let block = unsafe { NonNull::new_unchecked(block as *mut u8) };
        locked_free(buddy, block, layout);
    }
}

#[inline(never)]
fn alloc(buddy: &mut Buddy, layout: Layout) -> Option<NonNull<u8>> {
    buddy.alloc(layout).ok()
}

#[inline(never)]
fn free(buddy: &mut Buddy, block: NonNull<u8>, layout: Layout) {
    // SAFETY: the workload gives back, once, what this heap gave for the same layout.
    unsafe { buddy.dealloc(block, layout) };
}

#[inline(never)]
fn locked_alloc(buddy: &IrqLock<Buddy>, layout: Layout) -> Option<NonNull<u8>> {
    buddy.lock().alloc(layout).ok()
}

#[inline(never)]
fn locked_free(buddy: &IrqLock<Buddy>, block: NonNull<u8>, layout: Layout) {
    // SAFETY: as in `free`.
    unsafe { buddy.lock().dealloc(block, layout) };
}
