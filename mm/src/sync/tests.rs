//! What [`Lock`] promises to one thread. For several see `loom_tests` and `mm/tests/stress.rs`.

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
fn the_value_is_where_the_pointer_says() {
    let mut lock = Lock::new(7);
    *lock.get_mut() += 1;
    let address = lock.as_ptr();
    let guard = lock.lock(|| ());
    assert_eq!(address, &raw const *guard);
    assert_eq!(lock.as_ptr(), address, "also while it is held");
}

#[test]
fn debug_output_never_waits() {
    let lock = Lock::new(7);
    assert_eq!(format!("{lock:?}"), "Lock(7)");
    let guard = lock.lock(|| ());
    assert_eq!(format!("{lock:?} {guard:?}"), "Lock(<locked>) 7");
}
