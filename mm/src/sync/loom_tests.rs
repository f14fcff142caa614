//! [`Lock`] in every interleaving of two or three threads.

use super::*;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

#[test]
fn threads_exclude_each_other() {
    loom::model(|| {
        // The second counter is an atomic beside the lock, read and written by relaxed steps: only
        // the lock can keep two threads from losing a count, and can make the other's count seen.
        let shared = Arc::new((Lock::new(0_u32), AtomicU32::new(0)));
        let count = |shared: &(Lock<u32>, AtomicU32)| {
            let mut inside = shared.0.lock(|| ());
            let beside = shared.1.load(Ordering::Relaxed);
            assert_eq!(*inside, beside);
            *inside += 1;
            shared.1.store(beside + 1, Ordering::Relaxed);
        };
        let threads = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || count(&shared))
        });
        count(&shared);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*shared.0.lock(|| panic!("nobody is left")), 3);
        assert_eq!(shared.1.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn the_hook_is_called_at_most_once_and_only_while_another_holds_the_lock() {
    // Outside the model: they count runs of it.
    let (contended, free) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    loom::model({
        let (contended, free) = (Arc::clone(&contended), Arc::clone(&free));
        move || {
            let lock = Arc::new(Lock::new(0_u32));
            let holder = {
                let lock = Arc::clone(&lock);
                thread::spawn(move || *lock.lock(|| ()) += 1)
            };
            let mut calls = 0;
            *lock.lock(|| calls += 1) += 1;
            (if calls == 0 { &free } else { &contended }).fetch_add(1, Ordering::Relaxed);
            holder.join().unwrap();
            assert_eq!(*lock.lock(|| panic!("nobody is left")), 2);
        }
    });
    let (contended, free) = (contended.load(Ordering::Relaxed), free.load(Ordering::Relaxed));
    assert!(contended > 0 && free > 0, "contended {contended}, free {free}");
}

#[test]
fn a_try_fails_only_while_another_holds_the_lock() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(0_u32));
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.try_lock().map(|mut value| *value += 1).is_some())
        };
        let mine = lock.try_lock().map(|mut value| *value += 1).is_some();
        let others = other.join().unwrap();
        assert!(mine || others, "the first to try finds it free");
        let expected = u32::from(mine) + u32::from(others);
        assert_eq!(*lock.try_lock().expect("nobody is left"), expected);
    });
}
