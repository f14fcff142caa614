//! What models share.
//!
//! A model that never meets the case it is about passes. So a test asks for the outcomes of all
//! runs and names those that must be among them.
//!
//! A model may make no choice but by `loom`'s types, runs at most five threads, and calls
//! [`loom::thread::yield_now`] in each turn of a wait.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Runs `model` once for every interleaving of its threads: all that it answered, each once.
///
/// The environment bounds the search (`LOOM_MAX_PREEMPTIONS` and others, see [`loom::model`]).
pub fn outcomes<T: Ord + Send + 'static>(
    model: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    // `std`'s lock: it is no part of the model.
    let all = Arc::new(Mutex::new(BTreeSet::new()));
    loom::model({
        let all = Arc::clone(&all);
        move || {
            let outcome = model();
            all.lock().unwrap().insert(outcome);
        }
    });
    std::mem::take(&mut *all.lock().unwrap())
}
