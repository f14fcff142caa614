//! Other crates' allocators of bytes: beside `kmalloc`, `kzalloc` and the caches of objects.
//!
//! They free by address *and* layout, where ours is told an address alone and finds out the rest. The
//! alignment of each request is 8, the natural one, although `kmalloc` promises a cache line and more: most
//! of them search longer for a larger one, so this is in their favour. `kzalloc` zeroes as ours does, by
//! the same function, and after the lock has been released. Where the size of a request is known when the
//! caller is compiled, so is the layout.
//!
//! A peer is a [`Heap`]; the subjects, bare and behind the lock, are the same for all. `floor` is none of
//! them: it has objects of one size only.

mod buddy_system;
mod floor;
mod linked_list;
mod rlsf;
mod talc;

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;

use arch_arm::clear::clear;
use arch_arm::sync::IrqLock;
use workload::{Subject, What};

use super::super::pages::measure_subject;
use super::{Memory, Task};

pub use self::talc::Talc;
pub use buddy_system::BuddySystem;
pub use linked_list::LinkedList;
pub use rlsf::Rlsf;

/// What everything is aligned to.
pub const ALIGN: usize = 8;

/// An allocator of bytes.
pub trait Heap: Sized {
    /// What it is called.
    const NAME: &'static str;
    /// What it is called behind the lock.
    const LOCKED: &'static str;

    /// A heap with this memory, all of it free.
    ///
    /// # Safety
    ///
    /// 1. The memory is nobody else's for as long as the heap is used.
    unsafe fn new(memory: Memory) -> Self;

    /// Takes a block.
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Gives a block back.
    ///
    /// # Safety
    ///
    /// 1. This heap gave it for the same layout, and it was not given back since.
    unsafe fn dealloc(&mut self, block: NonNull<u8>, layout: Layout);

    /// Bytes that the user of a block of so many may use: what was asked for, and what it was rounded up
    /// by. What stands beside it, a header for one, does not count.
    fn usable(size: usize) -> usize;
}

/// Measures an operation on all that can do it.
///
/// # Safety
///
/// 1. The task's memory is mapped, and nobody else's until this returns.
pub(super) unsafe fn measure(task: &mut Task<'_>) {
    // SAFETY: 1. as the caller's.
    unsafe {
        each::<Talc>(task);
        each::<Rlsf>(task);
        each::<LinkedList>(task);
        each::<BuddySystem>(task);
        floor::measure(task);
    }
}

/// A request.
trait Request: Copy {
    /// Is the block zeroed?
    const ZEROED: bool;

    /// What is asked for.
    fn layout(self) -> Layout;
}

/// So many bytes.
#[derive(Clone, Copy)]
struct Plain(Layout);

/// So many bytes, zeroed.
#[derive(Clone, Copy)]
struct Zeroed(Layout);

/// A number of bytes that the compiler knows.
#[derive(Clone, Copy)]
struct Known<const SIZE: usize>;

impl Request for Plain {
    const ZEROED: bool = false;

    #[inline(always)]
    fn layout(self) -> Layout {
        self.0
    }
}

impl Request for Zeroed {
    const ZEROED: bool = true;

    #[inline(always)]
    fn layout(self) -> Layout {
        self.0
    }
}

impl<const SIZE: usize> Known<SIZE> {
    const LAYOUT: Layout = match layout(SIZE) {
        Some(layout) => layout,
        None => panic!("no layout"),
    };
}

impl<const SIZE: usize> Request for Known<SIZE> {
    const ZEROED: bool = false;

    #[inline(always)]
    fn layout(self) -> Layout {
        Self::LAYOUT
    }
}

/// So many bytes at the natural alignment.
pub const fn layout(size: usize) -> Option<Layout> {
    match Layout::from_size_align(size, ALIGN) {
        Ok(layout) => Some(layout),
        Err(_) => None,
    }
}

/// Measures one peer.
///
/// # Safety
///
/// 1. As [`measure`].
unsafe fn each<H: Heap>(task: &mut Task<'_>) {
    let told = |size: u32| layout(size as usize).map(black_box);
    // SAFETY: 1. as the caller's.
    unsafe {
        match task.operation.what {
            What::Bytes { size, zeroed: false } | What::Object { size } => {
                if let Some(layout) = told(size) {
                    measure_requests::<H, _>(task, Plain(layout));
                }
            }
            What::Bytes { size, zeroed: true } => {
                if let Some(layout) = told(size) {
                    measure_requests::<H, _>(task, Zeroed(layout));
                }
            }
            What::ConstBytes { size: 64 } => measure_requests::<H, _>(task, Known::<64>),
            What::ConstBytes { size: 1024 } => measure_requests::<H, _>(task, Known::<1024>),
            _ => {}
        }
    }
}

/// Measures one peer bare, and behind a lock.
///
/// # Safety
///
/// 1. As [`measure`].
#[inline(never)]
unsafe fn measure_requests<H: Heap, R: Request>(task: &mut Task<'_>, request: R) {
    let (counter, operation) = (task.counter, task.operation);
    // SAFETY: 1. the caller's, and until this returns ours.
    let mut bare = unsafe { H::new(task.memory) };
    let subject = Bare { heap: black_box(&mut bare), request };
    (task.see)(H::NAME, measure_subject(subject, counter, operation, task.held));
    drop(bare);
    // SAFETY: 1. as above; the heap before it is not used any more.
    let locked = IrqLock::new(unsafe { H::new(task.memory) });
    let subject = Locked::<H, R> { heap: black_box(&locked), request };
    (task.see)(H::LOCKED, measure_subject(subject, counter, operation, task.held));
}

struct Bare<'a, H, R> {
    heap: &'a mut H,
    request: R,
}

impl<H: Heap, R: Request> Subject for Bare<'_, H, R> {
    type Block = u32;
    type Given<'a>
        = (&'a mut H, R)
    where
        Self: 'a;
    type Got = Option<NonNull<u8>>;

    #[inline(always)]
    fn given(&mut self) -> (&mut H, R) {
        (self.heap, self.request)
    }

    #[inline(always)]
    fn get((heap, request): (&mut H, R)) -> Self::Got {
        alloc(heap, request)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.map(|block| block.as_ptr() as u32)
    }

    #[inline(always)]
    fn put((heap, request): (&mut H, R), block: u32) {
        // SAFETY: `get` gave it, so it is not 0.
        let block = unsafe { NonNull::new_unchecked(block as *mut u8) };
        free(heap, block, request);
    }
}

struct Locked<'a, H, R> {
    heap: &'a IrqLock<H>,
    request: R,
}

impl<H: Heap, R: Request> Subject for Locked<'_, H, R> {
    type Block = u32;
    type Given<'a>
        = (&'a IrqLock<H>, R)
    where
        Self: 'a;
    type Got = Option<NonNull<u8>>;

    #[inline(always)]
    fn given(&mut self) -> (&IrqLock<H>, R) {
        (self.heap, self.request)
    }

    #[inline(always)]
    fn get((heap, request): (&IrqLock<H>, R)) -> Self::Got {
        locked_alloc(heap, request)
    }

    fn block(got: Self::Got) -> Option<u32> {
        got.map(|block| block.as_ptr() as u32)
    }

    #[inline(always)]
    fn put((heap, request): (&IrqLock<H>, R), block: u32) {
        // SAFETY: `get` gave it, so it is not 0.
        let block = unsafe { NonNull::new_unchecked(block as *mut u8) };
        locked_free(heap, block, request);
    }
}

/// Does to a new block what the request says.
#[inline(always)]
fn prepare<R: Request>(block: NonNull<u8>, request: R) {
    if R::ZEROED {
        let bytes = request.layout().size().next_multiple_of(4);
        // SAFETY: 1. the block was just taken; 2. it begins at a multiple of 8, and no heap here cuts
        // words.
        unsafe { clear(block.as_ptr(), bytes) };
    }
}

#[inline(never)]
fn alloc<H: Heap, R: Request>(heap: &mut H, request: R) -> Option<NonNull<u8>> {
    let block = heap.alloc(request.layout())?;
    prepare(block, request);
    Some(block)
}

#[inline(never)]
fn free<H: Heap, R: Request>(heap: &mut H, block: NonNull<u8>, request: R) {
    // SAFETY: 1. the workload gives back, once, what this heap gave for the same request.
    unsafe { heap.dealloc(block, request.layout()) };
}

#[inline(never)]
fn locked_alloc<H: Heap, R: Request>(heap: &IrqLock<H>, request: R) -> Option<NonNull<u8>> {
    let block = heap.lock().alloc(request.layout())?;
    prepare(block, request);
    Some(block)
}

#[inline(never)]
fn locked_free<H: Heap, R: Request>(heap: &IrqLock<H>, block: NonNull<u8>, request: R) {
    // SAFETY: 1. as in `free`.
    unsafe { heap.lock().dealloc(block, request.layout()) };
}
