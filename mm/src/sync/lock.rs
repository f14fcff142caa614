//! The lock.
//!
//! Protocol: nobody waits for a [`Lock`] with interrupts on that a handler may also want. Masking is
//! the caller's affair, this module knows no CPU; what it offers is the *contended* hook of
//! [`Lock::lock`]. A machine with one CPU can never meet a lock that is held, unless an interrupt
//! handler wants what the code holds that it interrupted. There the hook panics and says so, where
//! otherwise the machine would stand still without a word.

use core::fmt;
use core::ops::{Deref, DerefMut};
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard, atomic::AtomicBool, atomic::Ordering};
#[cfg(not(loom))]
use spin::mutex::{TicketMutex as Mutex, TicketMutexGuard as MutexGuard};

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
    /// Those who wait are served in the order of their coming: each draws a ticket. On a machine with
    /// several CPUs `contended` may be called for a lock that is free when it returns, and one that is
    /// taken just after the look is waited for without the call.
    #[cfg(not(loom))]
    #[inline]
    pub fn lock(&self, contended: impl FnOnce()) -> LockGuard<'_, T> {
        // A look before the ticket is drawn costs less than a try after which one must be drawn.
        if self.mutex.is_locked() {
            contended();
        }
        LockGuard::new(self.mutex.lock())
    }

    /// As the ticket lock's.
    #[cfg(loom)]
    pub fn lock(&self, contended: impl FnOnce()) -> LockGuard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.wait(contended),
        }
    }

    #[cfg(loom)]
    fn wait(&self, contended: impl FnOnce()) -> LockGuard<'_, T> {
        contended();
        // `loom` has the signature of `std`; it never poisons.
        let guard = self.mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.step.swap(true, Ordering::Relaxed);
        LockGuard::new(guard)
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
        Some(LockGuard::new(guard))
    }

    /// The value, without taking the lock: nobody else can reach it.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        let value = self.mutex.get_mut();
        #[cfg(loom)]
        let value = value.unwrap_or_else(std::sync::PoisonError::into_inner);
        value
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
    #[cfg(all(test, not(loom)))]
    _held: watch::Held,
}

impl<'a, T> LockGuard<'a, T> {
    #[inline(always)]
    fn new(guard: MutexGuard<'a, T>) -> Self {
        Self {
            guard,
            #[cfg(all(test, not(loom)))]
            _held: watch::Held::new(),
        }
    }
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

/// For tests: how many locks a thread holds, and whether it may take one.
#[cfg(all(test, not(loom)))]
pub(crate) mod watch {
    use std::cell::Cell;

    thread_local! {
        static HELD: Cell<u32> = const { Cell::new(0) };
        static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
    }

    /// How many locks this thread holds.
    pub(crate) fn held() -> u32 {
        HELD.get()
    }

    /// May this thread take a lock from now on? A test's machine says no where interrupts are on.
    pub(crate) fn forbid(is_forbidden: bool) {
        FORBIDDEN.set(is_forbidden);
    }

    /// A lock that this thread holds.
    pub(super) struct Held;

    impl Held {
        pub(super) fn new() -> Self {
            assert!(!FORBIDDEN.get(), "a lock is taken with interrupts on");
            HELD.set(HELD.get() + 1);
            Self
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HELD.set(HELD.get() - 1);
        }
    }
}

/// What it promises to one thread. For several see `loom_tests` and `mm/tests/stress.rs`.
#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_free_lock_is_taken_without_the_hook() {
        static LOCK: Lock<u32> = Lock::new(1);
        *LOCK.lock(|| panic!("contended")) += 1;
        *LOCK.try_lock().unwrap() += 1;
        assert_eq!(*LOCK.lock(|| panic!("contended")), 3);
    }

    #[test]
    fn a_held_lock_calls_the_hook_once_and_before_it_waits() {
        let lock = Lock::new(1);
        let held = Cell::new(Some(lock.lock(|| panic!("contended"))));
        assert!(lock.try_lock().is_none());
        let turns = Cell::new(0);
        // The hook lets go of the lock: were it not called before the wait, this would stand still.
        let guard = lock.lock(|| {
            turns.set(turns.get() + 1);
            drop(held.take());
        });
        assert_eq!((*guard, turns.get()), (1, 1));
    }

    #[test]
    #[should_panic(expected = "a handler wants this lock")]
    fn a_hook_that_panics_ends_the_wait() {
        let lock = Lock::new(());
        let _held = lock.lock(|| ());
        let _never = lock.lock(|| panic!("a handler wants this lock"));
    }

    #[test]
    fn a_hook_that_panicked_has_drawn_no_ticket() {
        let lock = Lock::new(());
        let held = lock.lock(|| ());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(lock.lock(|| panic!()))))
            .unwrap_err();
        drop(held);
        assert!(lock.try_lock().is_some(), "a ticket that nobody gives back locks for ever");
    }

    #[test]
    fn the_sole_owner_needs_no_lock() {
        let mut lock = Lock::new(7);
        *lock.get_mut() += 1;
        assert_eq!(*lock.lock(|| panic!("contended")), 8);
    }

    #[test]
    fn debug_output_never_waits() {
        let lock = Lock::new(7);
        assert_eq!(format!("{lock:?}"), "Lock(7)");
        let guard = lock.lock(|| ());
        assert_eq!(format!("{lock:?} {guard:?}"), "Lock(<locked>) 7");
    }
}
