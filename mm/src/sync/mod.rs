//! The atomics and the lock of this crate, so that `loom` can run its code as well.
//!
//! An ordinary build takes the atomics from `core`, and [`Lock`] is `spin`'s ticket lock. Under
//! `--cfg loom` both come from `loom`, which runs a test once for every order in which its threads
//! can interleave, and lets a relaxed load find old values. Nothing else in this crate may name
//! `core::sync::atomic` or `spin`: what passes this module by, `loom` does not see. It runs the code
//! *above* the lock; the test of the ticket lock itself is `mm/tests/stress.rs`.
//!
//! `loom`'s atomics are larger, can not be made in a `const`, exist only inside a model and have no
//! `get_mut`. So a claim about sizes is made for other builds (`#[cfg(not(loom))]`), a table of them
//! is filled by a function, and a model has a machine of a few frames.

mod lock;
#[cfg(loom)]
mod loom_atomic;
#[cfg(all(test, loom))]
pub mod loom_support;
#[cfg(all(test, loom))]
mod loom_tests;

// The compiler alone is told: between threads it orders nothing, and in a model it is nothing.
pub use core::sync::atomic::compiler_fence;
#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, Ordering};
#[cfg(all(test, not(loom)))]
pub(crate) use lock::watch;
pub use lock::{Lock, LockGuard};
#[cfg(loom)]
pub use loom_atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
