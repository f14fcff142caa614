//! `loom`'s atomics, with a step in front of each access.
//!
//! `loom` 0.7.3 by itself misses interleavings. It remembers the last access to an atomic, one for
//! all threads, and takes two loads to be independent. So a thread's own load hides that another
//! thread has loaded the same word before it, and a store that follows is never tried before that:
//!
//! ```text
//! thread 1: load x          0, and never 1, unless thread 2's load is taken out
//! thread 2: load x; store x = 1
//! ```
//!
//! (tokio-rs/loom, issues 166 and 392, both open.) That is what code does that looks at a flag and
//! then lowers it. The step is an exchange on a word beside the value: exchanges depend on each
//! other, all of them, and so the order of all accesses is tried. It costs a factor in the number of
//! runs; being relaxed, it makes nothing visible that was not. `loom_tests` has the case above.

use core::fmt;
use loom::sync::atomic;
pub use loom::sync::atomic::Ordering;

macro_rules! atomic {
    ($(#[$doc:meta])* $name:ident, $value:ty, $($fetch:ident)*) => {
        $(#[$doc])*
        pub struct $name {
            value: atomic::$name,
            step: atomic::AtomicBool,
        }

        // The names are `core`'s, and so is what they do.
        #[allow(missing_docs)]
        impl $name {
            #[track_caller]
            #[must_use]
            pub fn new(value: $value) -> Self {
                Self { value: atomic::$name::new(value), step: atomic::AtomicBool::new(false) }
            }

            fn ordered(&self) -> &atomic::$name {
                self.step.swap(true, Ordering::Relaxed);
                &self.value
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                self.ordered().load(order)
            }

            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                self.ordered().store(value, order);
            }

            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                self.ordered().swap(value, order)
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.ordered().compare_exchange(current, new, success, failure)
            }

            /// Fails as seldom as the strong one: `loom` knows no other.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }

            #[track_caller]
            pub fn fetch_update(
                &self,
                set_order: Ordering,
                fetch_order: Ordering,
                mut update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut before = self.load(fetch_order);
                while let Some(after) = update(before) {
                    match self.compare_exchange(before, after, set_order, fetch_order) {
                        Ok(before) => return Ok(before),
                        Err(other) => before = other,
                    }
                }
                Err(before)
            }

            $(
                #[track_caller]
                pub fn $fetch(&self, value: $value, order: Ordering) -> $value {
                    self.ordered().$fetch(value, order)
                }
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(<$value>::default())
            }
        }

        impl From<$value> for $name {
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.load(Ordering::Relaxed), f)
            }
        }
    };
}

atomic!(
    /// `core`'s, for `loom`.
    AtomicBool, bool, fetch_and fetch_or fetch_xor
);
atomic!(
    /// `core`'s, for `loom`.
    AtomicU8, u8, fetch_add fetch_sub fetch_and fetch_or fetch_xor fetch_max fetch_min
);
atomic!(
    /// `core`'s, for `loom`.
    AtomicU32, u32, fetch_add fetch_sub fetch_and fetch_or fetch_xor fetch_max fetch_min
);
