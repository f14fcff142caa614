//! Bytes that nobody asked for: the same objects of mixed sizes, held with each allocator.
//!
//! ```text
//! bench: {"waste":"talc","when":"filled","asked":1500000,"usable":1530000,"held":1700000}
//! ```
//!
//! *Asked* is what was asked for; *usable* is that with what each block was rounded up by; *held* is all
//! that is gone: pages, and the allocator's own books. For ours those are the pages by which the page
//! allocator has fewer, records and slabs with free objects included, the allocator itself, all caches, and
//! the heap's table of them. A peer has been given all of its memory, so for it the pages are counted that any
//! byte of a block lies in, as if it gave all others back, which none does. That is in their favour.

use core::alloc::Layout;
use core::ptr::NonNull;

use mm::addr::{PAGE_SIZE, VirtAddr};
use mm::zone::Gfp;
use spin::Mutex;
use workload::mix::{self, Moment, Object};

use super::peers::bytes::{self, BuddySystem, LinkedList, Rlsf, Talc};
use super::peers::{Memory, Peers};
use crate::console::println;
use crate::heap::KernelHeap;
use crate::monitor::Kernel;
use crate::slabs::{Cache, Slabs};

/// The objects. The stack has no room for them.
static HELD: Mutex<[Object; mix::HELD]> = Mutex::new([Object { address: 0, size: 0 }; mix::HELD]);

/// An allocator that can say what it holds.
trait Wasteful: mix::Heap {
    /// Bytes that the users of all objects may use.
    fn usable(&self, object: Object) -> u64;

    /// Bytes that are gone.
    fn held(&mut self, objects: &[Object]) -> u64;
}

/// Measures ours, and each peer.
pub fn run(kernel: &Kernel, peers: &mut Peers) {
    let Some(mut held) = HELD.try_lock() else { return };
    let slabs = kernel.slabs;
    slabs.shrink_all();
    for (name, is_heap) in [("vmsplit kmalloc", false), ("vmsplit heap", true)] {
        let mut ours = Ours { kernel, is_heap, free_before: 0 };
        ours.free_before = ours.free();
        measure(name, &mut ours, &mut *held);
        slabs.shrink_all();
    }
    let Some(memory) = peers.memory() else { return };
    peer::<Talc>(memory, &mut *held);
    peer::<Rlsf>(memory, &mut *held);
    peer::<LinkedList>(memory, &mut *held);
    peer::<BuddySystem>(memory, &mut *held);
}

fn peer<H: bytes::Heap>(memory: Memory, held: &mut [Object]) {
    // SAFETY: 1. the memory of the peers, of whom this one is alone, and gone when this returns.
    let heap = unsafe { H::new(memory) };
    measure(H::NAME, &mut Peer { heap, memory }, held);
}

#[inline(never)]
fn measure(name: &str, heap: &mut impl Wasteful, held: &mut [Object]) {
    let done = mix::live(heap, held, |moment, heap, objects| {
        let when = match moment {
            Moment::Filled => "filled",
            Moment::Churned => "churned",
        };
        let asked: u64 = objects.iter().map(|object| u64::from(object.size)).sum();
        let usable: u64 = objects.iter().map(|&object| heap.usable(object)).sum();
        let held = heap.held(objects);
        println!(
            "bench: {{\"waste\":\"{name}\",\"when\":\"{when}\",\"asked\":{asked},\
             \"usable\":{usable},\"held\":{held}}}"
        );
    });
    if done.is_err() {
        println!("bench: waste: {name} ran out of memory");
    }
}

/// Our `kmalloc`, or the kernel's heap.
struct Ours<'a> {
    kernel: &'a Kernel,
    is_heap: bool,
    free_before: u64,
}

impl Ours<'_> {
    /// Free pages, those in the stacks included.
    fn free(&self) -> u64 {
        self.kernel.pages.drain();
        self.kernel.pages.figures().free()
    }
}

impl mix::Heap for Ours<'_> {
    fn take(&mut self, size: u32) -> Option<u32> {
        if self.is_heap {
            // SAFETY: no object has 0 bytes.
            let block = unsafe { alloc::alloc::alloc(layout(size)?) };
            return NonNull::new(block).map(|block| block.as_ptr() as u32);
        }
        self.kernel.slabs.kmalloc(size, Gfp::GFP_KERNEL).ok().map(VirtAddr::as_u32)
    }

    fn give(&mut self, object: Object) {
        if let Some(layout) = layout(object.size).filter(|_| self.is_heap) {
            // SAFETY: `take` took it for the same layout, and it comes back once.
            unsafe { alloc::alloc::dealloc(object.address as *mut u8, layout) };
            return;
        }
        // SAFETY: 1. `take` took it, and it comes back once; 2. nobody looks at it.
        let _ = unsafe { self.kernel.slabs.kfree(VirtAddr::new(object.address)) };
    }
}

impl Wasteful for Ours<'_> {
    fn usable(&self, object: Object) -> u64 {
        let usable = self.kernel.slabs.ksize(VirtAddr::new(object.address));
        usable.map_or(0, u64::from)
    }

    fn held(&mut self, _: &[Object]) -> u64 {
        // As the peers' pages in which no block lies count as given back.
        self.kernel.slabs.shrink_all();
        let pages = self.free_before.saturating_sub(self.free());
        let caches = self.kernel.slabs.caches().count() * size_of::<Cache>();
        let heap = if self.is_heap { size_of::<KernelHeap>() } else { 0 };
        pages * u64::from(PAGE_SIZE) + (size_of::<Slabs>() + caches + heap) as u64
    }
}

struct Peer<H> {
    heap: H,
    memory: Memory,
}

/// As many pages as a peer's memory has at most.
const PAGES: usize = 1 << 14;

/// What a peer is asked for.
fn layout(size: u32) -> Option<Layout> {
    bytes::layout(size as usize)
}

impl<H: bytes::Heap> mix::Heap for Peer<H> {
    fn take(&mut self, size: u32) -> Option<u32> {
        self.heap.alloc(layout(size)?).map(|block| block.as_ptr() as u32)
    }

    fn give(&mut self, object: Object) {
        let block = NonNull::new(object.address as *mut u8);
        if let (Some(block), Some(layout)) = (block, layout(object.size)) {
            // SAFETY: 1. `take` took it for the same layout, and it comes back once.
            unsafe { self.heap.dealloc(block, layout) };
        }
    }
}

impl<H: bytes::Heap> Wasteful for Peer<H> {
    fn usable(&self, object: Object) -> u64 {
        H::usable(object.size as usize) as u64
    }

    fn held(&mut self, objects: &[Object]) -> u64 {
        let mut touched = [0_u32; PAGES / 32];
        for object in objects {
            let first = object.address as usize - self.memory.start;
            let last = first + H::usable(object.size as usize) - 1;
            for page in first / PAGE_SIZE as usize..=last / PAGE_SIZE as usize {
                if let Some(word) = touched.get_mut(page / 32) {
                    *word |= 1 << (page % 32);
                }
            }
        }
        let pages: u32 = touched.iter().map(|word| word.count_ones()).sum();
        u64::from(pages) * u64::from(PAGE_SIZE) + size_of::<H>() as u64
    }
}
