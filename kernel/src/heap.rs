//! The kernel's heap: where `alloc::` collections get their memory.
//!
//! Whoever reaches the kernel from outside must not be able to make it ask for memory that it can not do
//! without: their sizes go through the `try_` forms. A request of a collection that has no such form ends in a
//! panic when memory is short.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use arch_arm::interrupt;
use mm::addr::VirtAddr;
use mm::object::heap::Heap;
use mm::zone::Gfp;
use spin::Once;

use crate::platform::Hardware;

/// The heap of this machine.
pub type KernelHeap = Heap<'static, 'static, 'static, Hardware>;

static HEAP: Once<KernelHeap> = Once::new();

/// Makes `heap` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish(heap: KernelHeap) {
    HEAP.call_once(|| heap);
}

/// The language's way to the heap. Before boot has made it, it gives nothing.
struct Global;

#[global_allocator]
static GLOBAL: Global = Global;

/// Who keeps interrupts out may not wait.
fn gfp() -> Gfp {
    if interrupt::are_masked() { Gfp::GFP_ATOMIC } else { Gfp::GFP_KERNEL }
}

// SAFETY: the heap gives memory of the layout that is asked for to nobody else; what it says of memory that is
// given back wrongly is a report, and nothing changes.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let object = HEAP.get().and_then(|heap| heap.alloc(layout, gfp()).ok());
        object.map_or(ptr::null_mut(), |object| object.as_u32() as *mut u8)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let zeroed = gfp() | Gfp::__GFP_ZERO;
        let object = HEAP.get().and_then(|heap| heap.alloc(layout, zeroed).ok());
        object.map_or(ptr::null_mut(), |object| object.as_u32() as *mut u8)
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        if let Some(heap) = HEAP.get() {
            // SAFETY: 1. it came from `alloc` with this layout; 2. the caller's.
            let _ = unsafe { heap.free(VirtAddr::new(object as u32), layout) };
        }
    }
}
