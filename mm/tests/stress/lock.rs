//! The lock, and words that it guards.

use mm::sync::{AtomicU32, Lock, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// One more than the gate is sure to have CPUs: now and then a holder does not run.
const THREADS: u32 = 3;
/// How long each test runs. A time and not a number of turns: what finds a fault is that threads
/// run at once, and on a busy machine a few turns may be over before the second thread has begun.
const TIME: Duration = Duration::from_millis(500);

/// Runs `turn`, with the number of the turn, in [`THREADS`] threads over and over until the time is
/// up. The number of all turns.
fn all_together(turn: impl Fn(u32) + Sync) -> u32 {
    let start = Barrier::new(THREADS as usize);
    let work = || {
        start.wait();
        let begin = Instant::now();
        let mut turns = 0;
        while turns % 256 != 0 || begin.elapsed() < TIME {
            turn(turns);
            turns += 1;
        }
        turns
    };
    thread::scope(|scope| {
        let threads = [(); THREADS as usize].map(|()| scope.spawn(work));
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn two_counters_behind_a_lock_never_differ() {
    let lock = Lock::new((0_u32, 0_u32));
    let turns = all_together(|turn| {
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
    });
    assert_eq!(*lock.lock(|| panic!("nobody is left")), (turns, turns));
}

#[test]
fn relaxed_words_that_a_lock_guards_lose_no_count() {
    let (lock, words) = (Lock::new(()), [const { AtomicU32::new(0) }; 4]);
    let turns = all_together(|_| {
        let _held = lock.lock(thread::yield_now);
        for word in &words {
            // Not one step: without the lock another count would get lost in between.
            word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    });
    assert_eq!(words.map(AtomicU32::into_inner), [turns; 4]);
}

#[test]
fn blocks_of_the_heap_pass_from_hand_to_hand() {
    let pool: Lock<Vec<Box<u32>>> = Lock::new(Vec::new());
    all_together(|turn| match turn % 64 {
        0 => drop(std::mem::take(&mut *pool.lock(thread::yield_now))),
        number if number % 3 == 0 => {
            let taken = pool.lock(thread::yield_now).pop();
            // Whoever took it out is the only one who has it.
            if let Some(mut block) = taken {
                *block += 1;
                pool.lock(thread::yield_now).push(block);
            }
        }
        _ => pool.lock(thread::yield_now).push(Box::new(turn)),
    });
}
