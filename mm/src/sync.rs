//! The atomics and the lock of this crate, so that `loom` can run its code as well.
//!
//! An ordinary build takes the atomics from `core` and [`Lock`] is `spin`'s ticket lock. Under
//! `--cfg loom` both come from `loom`, which runs a test once for every order in which its threads
//! can interleave, and lets a relaxed load find old values. Nothing else in this crate may name
//! `core::sync::atomic` or `spin`: what passes them by, `loom` does not see. It runs the code *above*
//! the lock; of the ticket lock itself, `mm/tests/stress.rs` is the test.
//!
//! `loom`'s atomics are larger, can not be made in a `const`, exist only inside a model and have no
//! `get_mut`. So a claim about sizes is made for other builds (`#[cfg(not(loom))]`), a table of them
//! is filled by a function, and a model has a machine of a few frames.
//!
//! Protocol: nobody waits for a [`Lock`] with interrupts on that a handler may also want. Masking is
//! the caller's affair, this module knows no CPU; what it offers is the *contended* hook of
//! [`Lock::lock`]. A machine with one CPU can never meet a lock that is held, unless an interrupt
//! handler wants what the code holds that it interrupted. There the hook panics and says so, where
//! otherwise the machine would stand still without a word.

use core::fmt;
use core::ops::{Deref, DerefMut};

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use spin::mutex::{TicketMutex as Mutex, TicketMutexGuard as MutexGuard};

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

/// A value that one CPU at a time reaches.
pub struct Lock<T> {
    mutex: Mutex<T>,
    /// Touched before a try and again while the lock is held. `loom` takes a mutex in one step and
    /// lets it go in none, so that without these two a holder would always be gone before another
    /// could find it there.
    #[cfg(loom)]
    step: AtomicBool,
}

impl<T> Lock<T> {
    /// A free lock around `value`.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { mutex: Mutex::new(value) }
    }

    /// A free lock around `value`.
    #[cfg(loom)]
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { mutex: Mutex::new(value), step: AtomicBool::new(false) }
    }

    /// Takes the lock. If another holds it, calls `contended` once and then waits for its turn.
    ///
    /// Those who wait are served in the order of their coming: each draws a ticket after its
    /// `contended` returns. The first try draws one only if the lock is free, and a lock that others
    /// wait for is never free, so it overtakes nobody.
    #[inline]
    pub fn lock(&self, contended: impl FnOnce()) -> LockGuard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.wait(contended),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait(&self, contended: impl FnOnce()) -> LockGuard<'_, T> {
        contended();
        let guard = self.mutex.lock();
        // `loom` has the signature of `std`; it never poisons.
        #[cfg(loom)]
        let guard = guard.unwrap_or_else(std::sync::PoisonError::into_inner);
        #[cfg(loom)]
        self.step.swap(true, Ordering::Relaxed);
        LockGuard { guard }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        #[cfg(loom)]
        self.step.swap(true, Ordering::Relaxed);
        let guard = self.mutex.try_lock();
        #[cfg(loom)]
        let guard = guard.ok();
        let guard = guard?;
        #[cfg(loom)]
        self.step.swap(true, Ordering::Relaxed);
        Some(LockGuard { guard })
    }

    /// The value, without taking the lock: nobody else can reach it.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        let value = self.mutex.get_mut();
        #[cfg(loom)]
        let value = value.unwrap_or_else(std::sync::PoisonError::into_inner);
        value
    }

    /// Where the value is, for one who reads it without the lock: the report of a crash whose holder
    /// was interrupted for good.
    #[cfg(not(loom))]
    #[must_use]
    pub fn as_ptr(&self) -> *const T {
        self.mutex.as_mut_ptr()
    }

    /// Where the value is; null while the lock is held. `loom` can not see who reads it there, so a
    /// model must not.
    #[cfg(loom)]
    #[must_use]
    pub fn as_ptr(&self) -> *const T {
        self.try_lock().map_or(std::ptr::null(), |guard| &raw const *guard)
    }
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => f.debug_tuple("Lock").field(&&*value).finish(),
            None => f.write_str("Lock(<locked>)"),
        }
    }
}

/// The way to the value of a lock that is held. Dropping it releases the lock.
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard<'a, T> {
    guard: MutexGuard<'a, T>,
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: fmt::Debug> fmt::Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
