//! Memory that runs out: at each allocation in turn, the loader gives up and says so.

#![expect(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use modules::{LoadError, Object, Plan};

use crate::machine::Kernel;
use crate::samples::{KERNEL, STATES, object};

thread_local! {
    /// How many allocations succeed on this thread before all others fail.
    static LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
}

struct Failing;

// SAFETY: every block is the system allocator's, or null.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = LEFT.try_with(Cell::get).unwrap_or(u32::MAX);
        if left == 0 {
            return core::ptr::null_mut();
        }
        if left != u32::MAX {
            LEFT.set(left - 1);
        }
        // SAFETY: the caller keeps the contract of the function of the same name.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the system allocator's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Runs `with` while only the first `count` allocations succeed.
fn limited<T>(count: u32, with: impl FnOnce() -> T) -> T {
    LEFT.set(count);
    let result = with();
    LEFT.set(u32::MAX);
    result
}

#[test]
fn the_loader_gives_up_at_every_allocation() {
    for state in STATES {
        let file = object(state);
        let parsed = Object::parse(&file).unwrap();
        let planned = Plan::of(&parsed, "number=1").unwrap();
        let mut core = vec![0; planned.core().bytes() as usize];
        let mut init = vec![0; planned.init().bytes() as usize];
        let mut failed = [0; 3];

        let memory = Err(LoadError::Memory);
        while limited(failed[0], || Object::parse(&file).map(|_| ())) == memory {
            failed[0] += 1;
        }
        while limited(failed[1], || Plan::of(&parsed, "number=1").map(|_| ())) == memory {
            failed[1] += 1;
        }
        loop {
            let core = area(crate::machine::CORE, &mut core);
            let init = area(crate::machine::INIT, &mut init);
            let mut kernel = Silent(Kernel::with(&KERNEL));
            let linked = limited(failed[2], || {
                modules::link(&parsed, &planned, core, Some(init), &mut kernel)
            });
            match linked {
                Err(error) => assert_eq!(error, LoadError::Memory),
                Ok(_) => break,
            }
            failed[2] += 1;
        }
        // Each stage has lists, and no stage succeeded without.
        assert!(failed.iter().all(|count| *count >= 2), "{failed:?}");
    }
}

fn area(base: u32, bytes: &mut [u8]) -> modules::Area<'_> {
    modules::Area { base: mm::addr::VirtAddr::new(base), bytes }
}

/// Symbols without notes of who asked, which would take memory.
struct Silent(Kernel);

impl modules::Imports for Silent {
    fn find(&mut self, name: &str) -> Option<mm::addr::VirtAddr> {
        self.0.symbols.get(name).copied().map(mm::addr::VirtAddr::new)
    }
}
