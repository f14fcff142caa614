//! A static that is taken once: how a `&'static mut` comes out of `.bss` without `static mut`.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Memory that the first taker owns for ever.
pub struct TakeCell<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `take` gives the one reference to a single caller, on whichever CPU that is.
unsafe impl<T: Send> Sync for TakeCell<T> {}

impl<T> TakeCell<T> {
    /// Holds `value` until it is taken.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value, the first time; `None` ever after.
    #[expect(clippy::mut_from_ref, reason = "only the first caller gets the reference")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the swap lets one caller through, so no other reference exists.
        Some(unsafe { &mut *self.value.get() })
    }
}
