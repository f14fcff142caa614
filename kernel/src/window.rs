//! A window on any frame of memory: the way to what the linear map does not hold.
//!
//! A frame of HighMem has no address. Who wants it for a moment, to zero it, to poison it or to look
//! for who wrote into it, gets one here: [`with_page`] maps the frame at a page of the fixmap, runs a
//! closure on it, and unmaps it.
//!
//! ```text
//! mask ─▶ word: fault ─▶ frame ─▶ dsb, isb ─▶ the closure ─▶ word: fault ─▶ flush ─▶ unmask
//! ```
//!
//! It allocates nothing, takes no lock and waits for nobody, so it serves interrupt handlers, and the
//! allocator itself while it holds a lock. A frame of lowmem is handed out at its address in the linear
//! map, and nothing is masked.
//!
//! Invariants:
//!
//! - The window is this CPU's own, and interrupts are masked while something is mapped there. So it
//!   has one user at a time.
//! - Its word is written over a fault entry, or by one, and then the TLB is flushed before it is
//!   written again: break before make (*ARM DDI 0406C, B3.10.1*). The flush is for all CPUs. None but
//!   this one uses the address, but a walker may look ahead anywhere, and a frame must not stay in a
//!   TLB when it has become somebody else's, perhaps as uncached memory.
//! - The frame is mapped as the linear map would map it (T4 of `docs/model.md`). Data caches
//!   behave as physically tagged (*B3.11*), so none is cleaned: every other mapping finds the lines.

use core::ptr;

use arch_arm::barrier;
use arch_arm::interrupt::{self, MaskGuard};
use arch_arm::mmu::attributes::Attributes;
use arch_arm::tlb;
use mm::addr::{PAGE_SIZE, Pfn, PhysRange, VirtAddr, VirtRange};
use mm::map::fixmap::Slot;
use spin::Once;

use crate::boot::{KernelTables, LinearMap};
use crate::stop::halt;

/// Where frames are mapped: the outermost kmap-local slot of the one CPU that runs.
pub const PAGE: VirtRange = match Slot::kmap_local(0, 0) {
    Some(slot) => {
        let start = slot.address();
        VirtRange::new(start, VirtAddr::new(start.as_u32() + PAGE_SIZE))
    }
    None => panic!("the fixmap has no slot for the first CPU"),
};

/// What the second-level word of a mapped frame holds beside its address: as in the linear map.
const FRAME_BITS: u32 = Attributes::KERNEL_DATA.small_page_bits();
const FAULT: u32 = 0;

static WINDOW: Once<Window> = Once::new();

/// All that it takes to map a frame.
struct Window {
    linear: LinearMap,
    /// Where the second-level word for [`PAGE`] lies, in the linear map.
    word: VirtAddr,
}

/// From now on frames can be looked at. Called once, at boot, when `tables` are the live ones; a
/// second call changes nothing.
pub fn publish(tables: &KernelTables) {
    let linear = tables.linear();
    let step = tables.walker().translate(PAGE.start()).second;
    // Boot has made the fixmap's tables, and tables lie in lowmem.
    let Some(word) = step.and_then(|step| linear.phys_to_virt(step.entry)) else {
        halt(format_args!("the fixmap has no table for the page window at {}", PAGE.start()));
    };
    WINDOW.call_once(|| Window { linear, word });
}

/// Runs `f` on the frame `pfn`, at an address that is good for as long as `f` runs. Any context, once
/// boot has switched to the kernel's own tables.
///
/// The pointer is page-aligned, and readable and writable for [`PAGE_SIZE`] bytes. For a frame of
/// HighMem `f` runs with interrupts masked.
///
/// # Panics
///
/// When `f` calls this for a second frame of HighMem: there is one window.
///
/// # Safety
///
/// 1. `pfn` is memory that the page allocator was given: no device, and nothing that the device tree
///    keeps from being mapped.
/// 2. `f` does not use the pointer for more than the frame, and nobody does when `f` has returned.
/// 3. `f` does not let interrupts in, not even for a moment.
#[inline]
pub unsafe fn with_page<R>(pfn: Pfn, f: impl FnOnce(*mut u8) -> R) -> R {
    let window = window();
    if let Some(virt) = window.linear.phys_to_virt(pfn.start()) {
        return f(virt.as_u32() as *mut u8);
    }
    let open = Open::new(window, pfn);
    f(open.address())
}

/// Where the linear map holds all of `range`; `None` if it does not.
pub fn in_linear_map(range: PhysRange) -> Option<*mut u8> {
    window().linear.pointer(range)
}

fn window() -> &'static Window {
    match WINDOW.get() {
        Some(window) => window,
        None => panic!("page windows are used before boot has published them"),
    }
}

/// A frame is mapped in the window for as long as this lives.
struct Open<'w> {
    window: &'w Window,
    // Dropped after the frame has been unmapped.
    _masked: MaskGuard,
}

impl<'w> Open<'w> {
    fn new(window: &'w Window, pfn: Pfn) -> Self {
        let masked = interrupt::mask();
        let Some(frame) = pfn.start().as_u32() else {
            panic!("frame {pfn} lies above 4 GiB, where nothing can be mapped");
        };
        assert!(window.read() == FAULT, "frame {pfn} is wanted in a page window that is in use");
        window.write(frame | FRAME_BITS);
        // The walker sees the word before the first access is translated.
        barrier::dsb_ishst();
        barrier::isb();
        Self { window, _masked: masked }
    }

    fn address(&self) -> *mut u8 {
        PAGE.start().as_u32() as *mut u8
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.window.write(FAULT);
        tlb::flush_kernel_range(PAGE);
    }
}

impl Window {
    fn read(&self) -> u32 {
        // SAFETY: `publish` found the word in a live table, which stays where it is, in the linear map.
        unsafe { ptr::read_volatile(self.word.as_u32() as *const u32) }
    }

    /// Stores the window's word. Interrupts are masked.
    fn write(&self, word: u32) {
        // SAFETY: as in `read`. Nobody but an `Open` writes it, and there is one at a time.
        unsafe { ptr::write_volatile(self.word.as_u32() as *mut u32, word) };
    }
}
