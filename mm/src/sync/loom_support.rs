//! What models share.
//!
//! A model that never meets the case it is about passes. So a test asks for the outcomes of all
//! runs and names those that must be among them.
//!
//! A model may make no choice but by `loom`'s types, runs at most four threads (`loom` has a fifth,
//! which waits for the first), and calls [`loom::thread::yield_now`] in each turn of a wait.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use loom::model::Builder;
use loom::thread;

use super::loom_atomic::steps;

/// Steps of a run after which `loom` takes it for one that will not end. Its own figure, 1000, is
/// less than a page allocator has atomics.
const MAX_STEPS: usize = 50_000;
/// The stack of a model's first thread, in words. `loom`'s own has a sixteenth of it, and a page
/// allocator that is moved there overflows it.
const STACK: usize = 0x1_0000;

/// Runs `model` once for every interleaving of its threads: all that it answered, each once.
///
/// The environment bounds the search (`LOOM_MAX_PREEMPTIONS` and others, see [`Builder`]).
/// Says on standard output how many runs that were, for whoever wonders where the time has gone.
pub fn outcomes<T: Ord + Send + 'static>(
    model: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    outcomes_within(usize::MAX, model)
}

/// As [`outcomes`], with at most so many preemptions, also if the environment allows more: for a model
/// that has too many steps.
pub fn outcomes_within<T: Ord + Send + 'static>(
    preemptions: usize,
    model: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    let mut builder = Builder::new();
    builder.max_branches = builder.max_branches.max(MAX_STEPS);
    let bound = builder.preemption_bound.map_or(preemptions, |bound| bound.min(preemptions));
    builder.preemption_bound = Some(bound).filter(|bound| *bound < usize::MAX);
    let model = Arc::new(model);
    let mut written = BTreeSet::new();
    loop {
        match outcomes_stepping(&builder, &model, written) {
            Ok(outcomes) => return outcomes,
            Err(more) => written = more,
        }
    }
}

/// A run has written to a word that has no steps.
struct Incomplete(BTreeSet<usize>);

/// As [`outcomes`], with steps before these words only; more of them, if they are too few.
fn outcomes_stepping<T: Ord + Send + 'static>(
    builder: &Builder,
    model: &Arc<impl Fn() -> T + Send + Sync + 'static>,
    written: BTreeSet<usize>,
) -> Result<BTreeSet<T>, BTreeSet<usize>> {
    // `std`'s lock and count: they are no part of the model.
    let all = Arc::new(Mutex::new(BTreeSet::new()));
    let runs = Arc::new(AtomicUsize::new(0));
    let run = {
        let (model, all, runs) = (Arc::clone(model), Arc::clone(&all), Arc::clone(&runs));
        move || {
            steps::begin_run();
            runs.fetch_add(1, Ordering::Relaxed);
            let model = Arc::clone(&model);
            let first = thread::Builder::new().stack_size(STACK).spawn(move || model());
            let outcome = first.unwrap().join().unwrap();
            if let Some(more) = steps::incomplete() {
                // Ends the search.
                panic::resume_unwind(Box::new(Incomplete(more)));
            }
            all.lock().unwrap().insert(outcome);
        }
    };
    steps::begin(Some(written));
    let result = panic::catch_unwind(AssertUnwindSafe(|| builder.check(run)));
    steps::begin(None);
    match result.map_err(|payload| payload.downcast::<Incomplete>()) {
        Ok(()) => {}
        Err(Ok(incomplete)) => return Err(incomplete.0),
        Err(Err(panic)) => panic::resume_unwind(panic),
    }
    println!("{} runs", runs.load(Ordering::Relaxed));
    Ok(std::mem::take(&mut *all.lock().unwrap()))
}

/// Does something that is no part of what is tried: one thread is alone, or as good as.
pub fn quietly<T>(act: impl FnOnce() -> T) -> T {
    loom::stop_exploring();
    steps::set_quiet(true);
    let answer = act();
    steps::set_quiet(false);
    loom::explore();
    answer
}
