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
//! other, all of them, and so the order of all accesses is tried. Being relaxed, it makes nothing visible
//! that was not. `loom_tests` has the case above.
//!
//! It costs a factor in the number of runs. So it is left out where it can not matter: before words that
//! no thread writes while orders are tried ([`steps`]), whose loads any order finds the same.

use core::fmt;
use loom::sync::atomic;
pub use loom::sync::atomic::Ordering;

use steps::Access;

/// Which words have a step before each access: those that some thread writes, in any run, while orders
/// are tried. Which these are is found out by running: whoever runs a model begins with none, and
/// begins again each time that a run has written to another one.
///
/// A word has the number of its making, the same in every run. Without [`begin`](steps::begin) all words
/// have steps.
pub(super) mod steps {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    /// How a word is accessed.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Access {
        Load,
        Write,
    }

    struct State {
        /// Words made in this run.
        made: usize,
        /// The words that have steps; `None` if that is all.
        written: Option<BTreeSet<usize>>,
        /// A word was written that has none.
        is_incomplete: bool,
        /// Orders are not tried now.
        is_quiet: bool,
    }

    // `std`'s: a model's threads all run in the one that runs the model.
    std::thread_local! {
        static STATE: RefCell<State> = const {
            RefCell::new(State { made: 0, written: None, is_incomplete: false, is_quiet: false })
        };
    }

    /// The number of a word that is made.
    pub fn number() -> usize {
        STATE.with_borrow_mut(|state| {
            state.made += 1;
            state.made
        })
    }

    /// Does this access need a step before it?
    pub fn is_needed(number: usize, access: Access) -> bool {
        STATE.with_borrow_mut(|state| {
            let Some(written) = &mut state.written else { return true };
            if state.is_quiet {
                return false;
            }
            if access == Access::Write && written.insert(number) {
                state.is_incomplete = true;
            }
            written.contains(&number)
        })
    }

    /// A model is about to be run, or, after `None`, no more.
    #[cfg(test)]
    pub fn begin(written: Option<BTreeSet<usize>>) {
        STATE.set(State { made: 0, written, is_incomplete: false, is_quiet: false });
    }

    /// The next run begins.
    #[cfg(test)]
    pub fn begin_run() {
        STATE.with_borrow_mut(|state| (state.made, state.is_quiet) = (0, false));
    }

    /// The words that need steps, if one of them has had none in this run.
    #[cfg(test)]
    pub fn incomplete() -> Option<BTreeSet<usize>> {
        STATE.with_borrow(|state| state.written.clone().filter(|_| state.is_incomplete))
    }

    /// From now on orders are not tried, or are.
    #[cfg(test)]
    pub fn set_quiet(is_quiet: bool) {
        STATE.with_borrow_mut(|state| state.is_quiet = is_quiet);
    }
}

macro_rules! atomic {
    ($(#[$doc:meta])* $name:ident, $value:ty, $($fetch:ident)*) => {
        $(#[$doc])*
        pub struct $name {
            value: atomic::$name,
            step: atomic::AtomicBool,
            number: usize,
        }

        // The names are `core`'s, and so is what they do.
        #[allow(missing_docs)]
        impl $name {
            #[track_caller]
            #[must_use]
            pub fn new(value: $value) -> Self {
                let (value, step) = (atomic::$name::new(value), atomic::AtomicBool::new(false));
                Self { value, step, number: steps::number() }
            }

            fn ordered(&self, access: Access) -> &atomic::$name {
                if steps::is_needed(self.number, access) {
                    self.step.swap(true, Ordering::Relaxed);
                }
                &self.value
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                self.ordered(Access::Load).load(order)
            }

            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                self.ordered(Access::Write).store(value, order);
            }

            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                self.ordered(Access::Write).swap(value, order)
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.ordered(Access::Write).compare_exchange(current, new, success, failure)
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
                    self.ordered(Access::Write).$fetch(value, order)
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
