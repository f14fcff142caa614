//! `bitmap-allocator`: a tree of words of bits, one bit for each page. A row of pages is looked for
//! from the first page on.

use core::hint::black_box;

use arch_arm::sync::IrqLock;
use bitmap_allocator::{BitAlloc, BitAlloc64K};
use mm::addr::{Order, PAGE_SIZE};
use spin::Mutex;
use workload::Subject;

use super::super::pages::measure_subject;
use super::Task;

const NAME: &str = "bitmap-allocator";
const LOCKED: &str = "bitmap-allocator+lock";

/// Bits for 256 MiB; too large for the stack. This lock is for the benchmark as a whole.
static BITMAP: Mutex<BitAlloc64K> = Mutex::new(BitAlloc64K::DEFAULT);
/// And this one is measured.
static LOCKED_BITMAP: IrqLock<BitAlloc64K> = IrqLock::new(BitAlloc64K::DEFAULT);

/// Measures it bare, and behind a lock.
pub fn measure(task: &mut Task<'_>, order: Order) {
    let Some(mut bitmap) = BITMAP.try_lock() else { return };
    let order = black_box(u32::from(order.as_u8()));
    let (counter, operation) = (task.counter, task.operation);
    fill(&mut bitmap, task.memory.bytes);
    let subject = Bare { bitmap: black_box(&mut *bitmap), order };
    (task.see)(NAME, measure_subject(subject, counter, operation, task.held));
    fill(&mut LOCKED_BITMAP.lock(), task.memory.bytes);
    let subject = Locked { bitmap: black_box(&LOCKED_BITMAP), order };
    (task.see)(LOCKED, measure_subject(subject, counter, operation, task.held));
}

/// Makes exactly the pages of `bytes` bytes free.
fn fill(bitmap: &mut BitAlloc64K, bytes: usize) {
    bitmap.remove(0..BitAlloc64K::CAP);
    bitmap.insert(0..BitAlloc64K::CAP.min(bytes / PAGE_SIZE as usize));
}

struct Bare<'a> {
    bitmap: &'a mut BitAlloc64K,
    order: u32,
}

impl Subject for Bare<'_> {
    type Block = u32;
    type Given<'a>
        = (&'a mut BitAlloc64K, u32)
    where
        Self: 'a;
    type Got = Option<usize>;

    #[inline(always)]
    fn given(&mut self) -> (&mut BitAlloc64K, u32) {
        (self.bitmap, self.order)
    }

    #[inline(always)]
    fn get((bitmap, order): (&mut BitAlloc64K, u32)) -> Self::Got {
        alloc(bitmap, order)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.map(|page| page as u32)
    }

    #[inline(always)]
    fn put((bitmap, order): (&mut BitAlloc64K, u32), block: u32) {
        free(bitmap, block as usize, order);
    }
}

struct Locked<'a> {
    bitmap: &'a IrqLock<BitAlloc64K>,
    order: u32,
}

impl Subject for Locked<'_> {
    type Block = u32;
    type Given<'a>
        = (&'a IrqLock<BitAlloc64K>, u32)
    where
        Self: 'a;
    type Got = Option<usize>;

    #[inline(always)]
    fn given(&mut self) -> (&IrqLock<BitAlloc64K>, u32) {
        (self.bitmap, self.order)
    }

    #[inline(always)]
    fn get((bitmap, order): (&IrqLock<BitAlloc64K>, u32)) -> Self::Got {
        locked_alloc(bitmap, order)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.map(|page| page as u32)
    }

    #[inline(always)]
    fn put((bitmap, order): (&IrqLock<BitAlloc64K>, u32), block: u32) {
        locked_free(bitmap, block as usize, order);
    }
}

/// A single page by the call that is made for it, more by the one for a row of pages.
#[inline(always)]
fn take(bitmap: &mut BitAlloc64K, order: u32) -> Option<usize> {
    match order {
        0 => bitmap.alloc(),
        _ => bitmap.alloc_contiguous(None, 1 << order, order as usize),
    }
}

#[inline(always)]
fn give(bitmap: &mut BitAlloc64K, page: usize, order: u32) -> bool {
    match order {
        0 => bitmap.dealloc(page),
        _ => bitmap.dealloc_contiguous(page, 1 << order),
    }
}

#[inline(never)]
fn alloc(bitmap: &mut BitAlloc64K, order: u32) -> Option<usize> {
    take(bitmap, order)
}

#[inline(never)]
fn free(bitmap: &mut BitAlloc64K, page: usize, order: u32) -> bool {
    give(bitmap, page, order)
}

#[inline(never)]
fn locked_alloc(bitmap: &IrqLock<BitAlloc64K>, order: u32) -> Option<usize> {
    take(&mut bitmap.lock(), order)
}

#[inline(never)]
fn locked_free(bitmap: &IrqLock<BitAlloc64K>, page: usize, order: u32) -> bool {
    give(&mut bitmap.lock(), page, order)
}
