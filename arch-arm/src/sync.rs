//! The lock for data that interrupt handlers share with the rest of the kernel.
//!
//! [`IrqLock`] is `spin`'s ticket lock, fair among CPUs, with this CPU's interrupts masked around
//! it. Otherwise a handler that wants a lock which its own CPU holds would wait for ever.
//!
//! Protocol: mask, then take; release, then restore. In between the holder does not sleep, does not
//! wait for another CPU's interrupt handler, and does not take the same lock again. One CPU runs, so
//! a lock that is found held would never be free, and whoever wants it panics. Locks are released in
//! the reverse order of their taking; debug builds check it.
//!
//! The code that reports a fault may have interrupted the holder. It uses [`IrqLock::try_lock`] and
//! has another way when that fails.
//!
//! On real hardware the exclusive accesses inside need Normal memory, hence the MMU and the data
//! cache on (*ARM DDI 0406C, A3.4.5*). Before that no lock may be taken.

use crate::interrupt::{self, MaskGuard};
use core::fmt;
use core::ops::{Deref, DerefMut};
use spin::mutex::{TicketMutex, TicketMutexGuard};

/// A value that one CPU at a time reaches, with its interrupts masked.
pub struct IrqLock<T: ?Sized> {
    mutex: TicketMutex<T>,
}

impl<T> IrqLock<T> {
    /// A free lock around `value`.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { mutex: TicketMutex::new(value) }
    }

    /// Where the value is, for one who reads it without the lock: the report of a crash whose holder
    /// was interrupted for good.
    #[must_use]
    pub fn as_ptr(&self) -> *const T {
        self.mutex.as_mut_ptr()
    }
}

impl<T: ?Sized> IrqLock<T> {
    /// Masks interrupts, waits for the lock and takes it. Any context that does not hold it.
    #[inline(always)]
    pub fn lock(&self) -> IrqLockGuard<'_, T> {
        let mask = interrupt::mask();
        // A look before the ticket is drawn costs less than a try.
        if self.mutex.is_locked() {
            Self::is_held();
        }
        IrqLockGuard { value: self.mutex.lock(), _mask: mask }
    }

    /// The lock is held, and about to be waited for.
    ///
    /// # Panics
    ///
    /// On the target: its one CPU has interrupted the holder, or is the holder.
    #[cold]
    fn is_held() {
        if cfg!(target_arch = "arm") {
            panic!("a lock is wanted by the code that holds it, or that interrupted its holder");
        }
    }

    /// Takes the lock if it is free; otherwise leaves interrupts as they were. Any context.
    #[inline]
    pub fn try_lock(&self) -> Option<IrqLockGuard<'_, T>> {
        let mask = interrupt::mask();
        self.mutex.try_lock().map(|value| IrqLockGuard { value, _mask: mask })
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for IrqLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => f.debug_tuple("IrqLock").field(&&*value).finish(),
            None => f.write_str("IrqLock(<locked>)"),
        }
    }
}

/// The way to the value of a lock that is held. Dropping it releases the lock, then restores the
/// interrupt mask.
#[must_use = "the lock is released when the guard is dropped"]
pub struct IrqLockGuard<'a, T: ?Sized> {
    // Fields drop in this order: first the lock, then the mask.
    value: TicketMutexGuard<'a, T>,
    _mask: MaskGuard,
}

impl<T: ?Sized> Deref for IrqLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for IrqLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for IrqLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(any(target_arch = "arm", test))]
impl<T: ?Sized> Drop for IrqLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        debug_assert!(
            // The build with the deliberate fault has to get as far as the test that finds it.
            cfg!(feature = "test-unmasked-lock") || interrupt::are_masked(),
            "lock released with interrupts on: a lock taken earlier was released before this one"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::are_masked;
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;

    #[test]
    fn threads_exclude_each_other() {
        let lock = Arc::new(IrqLock::new((0_u64, 0_u64)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let lock = Arc::clone(&lock);
                std::thread::spawn(move || {
                    for _ in 0..2_000 {
                        let mut pair = lock.lock();
                        assert_eq!(pair.0, pair.1);
                        pair.0 += 1;
                        std::hint::black_box(&mut *pair);
                        pair.1 += 1;
                    }
                    assert!(!are_masked());
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*lock.lock(), (8_000, 8_000));
    }

    #[test]
    fn masked_while_held_and_as_before_afterwards() {
        let (outer, inner) = (IrqLock::new(1), IrqLock::new(2));
        let held = outer.lock();
        {
            let _both = inner.lock();
            assert!(are_masked());
        }
        assert!(are_masked(), "the outer lock is still held");
        drop(held);
        assert!(!are_masked());
    }

    #[test]
    fn an_interrupt_never_finds_its_own_cpu_holding_the_lock() {
        let lock = Rc::new(IrqLock::new(0));
        let interrupts = Rc::new(Cell::new(0));
        interrupt::cpu::on_interrupt({
            let (lock, interrupts) = (Rc::clone(&lock), Rc::clone(&interrupts));
            move || {
                let mut value = lock.try_lock().expect("the interrupted code holds the lock");
                *value += 1;
                interrupts.set(interrupts.get() + 1);
            }
        });
        *lock.lock() += 10;
        assert_eq!(interrupts.get(), 2, "once before the mask, once after");
        *lock.try_lock().unwrap() += 10;
        assert_eq!(interrupts.get(), 4);
        assert_eq!(*lock.lock(), 25);
    }

    #[test]
    fn try_lock_that_fails_leaves_the_mask_alone() {
        let lock = Arc::new(IrqLock::new(()));
        let held = lock.lock();
        let other_cpu = {
            let lock = Arc::clone(&lock);
            std::thread::spawn(move || (lock.try_lock().is_none(), are_masked()))
        };
        assert_eq!(other_cpu.join().unwrap(), (true, false));
        assert!(lock.try_lock().is_none());
        assert!(are_masked());
        assert_eq!(format!("{lock:?}"), "IrqLock(<locked>)");
        drop(held);
        assert_eq!(format!("{lock:?}"), "IrqLock(())");
    }

    #[test]
    #[should_panic(expected = "a lock taken earlier was released before this one")]
    fn release_out_of_order_is_caught() {
        let (first, second) = (IrqLock::new(()), IrqLock::new(()));
        let outer = first.lock();
        let _inner = second.lock();
        drop(outer);
    }
}
