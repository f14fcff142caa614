//! Threads on `mm`'s shared values, as fast as the host can run them.
//!
//! `loom` tries all orders, with few threads, few steps and a lock of its own; here are real threads
//! with the real ticket lock. The gate runs this file as an ordinary
//! test and once more under AddressSanitizer (`cargo xtask test --only sanitize`).

use mm::sync::{AtomicU32, Lock, Ordering};
use std::sync::Barrier;
use std::thread;

/// One more than the gate is sure to have CPUs: now and then a holder does not run.
const THREADS: u32 = 3;
const TURNS: u32 = 300_000;

/// Runs `work` in [`THREADS`] threads that set out together, each with its own number.
fn all_together(work: impl Fn(u32) + Sync) {
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(number);
            });
        }
    });
}

#[test]
fn two_counters_behind_a_lock_never_differ() {
    let lock = Lock::new((0_u32, 0_u32));
    all_together(|_| {
        for turn in 0..TURNS {
            // Both ways in, mixed.
            let mut pair = if turn % 2 == 0 {
                lock.lock(thread::yield_now)
            } else {
                loop {
                    match lock.try_lock() {
                        Some(guard) => break guard,
                        None => thread::yield_now(),
                    }
                }
            };
            assert_eq!(pair.0, pair.1);
            pair.0 += 1;
            std::hint::black_box(&mut *pair);
            pair.1 += 1;
        }
    });
    assert_eq!(*lock.lock(|| panic!("nobody is left")), (THREADS * TURNS, THREADS * TURNS));
}

#[test]
fn relaxed_words_that_a_lock_guards_lose_no_count() {
    let (lock, words) = (Lock::new(()), [const { AtomicU32::new(0) }; 4]);
    all_together(|_| {
        for _ in 0..TURNS {
            let _held = lock.lock(thread::yield_now);
            for word in &words {
                // Not one step: without the lock another count would get lost in between.
                word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
        }
    });
    assert_eq!(words.map(AtomicU32::into_inner), [THREADS * TURNS; 4]);
}

#[test]
fn blocks_of_the_heap_pass_from_hand_to_hand() {
    let pool: Lock<Vec<Box<u32>>> = Lock::new(Vec::new());
    all_together(|number| {
        let mut mine = Vec::new();
        for turn in 0..TURNS {
            if (turn + number) % 3 == 0 {
                mine.push(Box::new(1));
            }
            // It gives a block away, now and then takes one that another has left, and now and
            // then frees them all.
            if let Some(mut block) = mine.pop() {
                *block += 1;
                pool.lock(thread::yield_now).push(block);
            }
            if turn % 4 == 0 {
                mine.extend(pool.lock(thread::yield_now).pop());
            }
            if turn % 64 == 0 {
                let freed = std::mem::take(&mut *pool.lock(thread::yield_now));
                assert!(freed.iter().all(|block| **block > 1));
            }
        }
    });
    assert!(pool.lock(|| panic!("nobody is left")).iter().all(|block| **block > 1));
}
