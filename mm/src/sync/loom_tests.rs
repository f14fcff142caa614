//! [`Lock`] and the atomics in every interleaving of two or three threads.

use super::loom_support::outcomes;
use super::*;
use loom::thread;
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn a_load_in_front_of_a_store_hides_no_interleaving() {
    let answers = outcomes(|| {
        let word = Arc::new(AtomicU32::new(0));
        let other = {
            let word = Arc::clone(&word);
            thread::spawn(move || {
                let before = word.load(Ordering::Relaxed);
                word.store(before + 1, Ordering::Relaxed);
            })
        };
        let seen = word.load(Ordering::Relaxed);
        other.join().unwrap();
        seen
    });
    assert_eq!(answers, BTreeSet::from([0, 1]));
}

#[test]
fn a_word_that_few_orders_write_is_seen_before_and_after() {
    let answers = outcomes(|| {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let other = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                // In the first run the flag is not up yet: nothing writes to the second word.
                if words[0].load(Ordering::Relaxed) == 1 {
                    let before = words[1].load(Ordering::Relaxed);
                    words[1].store(before + 1, Ordering::Relaxed);
                }
            })
        };
        words[0].store(1, Ordering::Relaxed);
        let seen = words[1].load(Ordering::Relaxed);
        other.join().unwrap();
        (seen, words[1].load(Ordering::Relaxed))
    });
    assert_eq!(answers, BTreeSet::from([(0, 0), (0, 1), (1, 1)]));
}

#[test]
fn a_relaxed_load_may_find_the_old_value() {
    let answers = outcomes(|| {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let other = {
            let words = Arc::clone(&words);
            thread::spawn(move || words.each_ref().map(|word| word.store(1, Ordering::Relaxed)))
        };
        // The second first: who sees its 1 need not see the 1 of the first.
        let second = words[1].load(Ordering::Relaxed);
        let first = words[0].load(Ordering::Relaxed);
        other.join().unwrap();
        (first, second)
    });
    assert_eq!(answers, BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1)]));
}

#[test]
fn release_and_acquire_order_what_lies_before_them() {
    let answers = outcomes(|| {
        let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let other = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                words[0].store(1, Ordering::Relaxed);
                words[1].store(1, Ordering::Release);
            })
        };
        let second = words[1].load(Ordering::Acquire);
        let first = words[0].load(Ordering::Relaxed);
        other.join().unwrap();
        (first, second)
    });
    assert_eq!(
        answers,
        BTreeSet::from([(0, 0), (1, 0), (1, 1)]),
        "never the 1 without what it says"
    );
}

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
fn the_hook_is_called_once_by_whoever_finds_the_lock_held() {
    let calls = outcomes(|| {
        let lock = Arc::new(Lock::new(0_u32));
        let taker = |lock: &Lock<u32>| {
            let mut calls = 0;
            *lock.lock(|| calls += 1) += 1;
            calls
        };
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || taker(&lock))
        };
        let calls = (taker(&lock), other.join().unwrap());
        assert_eq!(*lock.lock(|| panic!("nobody is left")), 2);
        calls
    });
    assert_eq!(calls, BTreeSet::from([(0, 0), (0, 1), (1, 0)]), "never both: one was first");
}

#[test]
fn a_try_fails_only_while_another_holds_the_lock() {
    let taken = outcomes(|| {
        let lock = Arc::new(Lock::new(0_u32));
        let taker = |lock: &Lock<u32>| lock.try_lock().map(|mut value| *value += 1).is_some();
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || taker(&lock))
        };
        let taken = (taker(&lock), other.join().unwrap());
        let expected = u32::from(taken.0) + u32::from(taken.1);
        assert_eq!(*lock.try_lock().expect("nobody is left"), expected);
        taken
    });
    let expected = BTreeSet::from([(false, true), (true, false), (true, true)]);
    assert_eq!(taken, expected, "never neither: the first to try finds it free");
}
