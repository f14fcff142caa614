//! Every maintenance call of a scenario is left out once: each must be missed by somebody.
//!
//! A scenario is code under test with checks around it, on a machine of its own. It notices by a panic: a failed
//! check, an abort that it unwraps, or a violation. What can be left out unnoticed is either not needed, or not
//! tested.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::adversary::Adversary;
use crate::calls::Call;
use crate::machine::Machine;
use crate::setup::Setup;

/// Runs `scenario` on a machine of its own under each adversary.
///
/// # Panics
///
/// As the scenario does, and at a violation.
pub fn under_every_adversary(setup: &Setup, scenario: impl Fn(&Machine)) {
    for adversary in Adversary::ALL {
        scenario(&setup.build(adversary));
    }
}

/// Runs `scenario` with all calls under each adversary; and then, for each call, without it under each adversary
/// until one run notices. Returns the calls that no run missed.
///
/// The scenario must make the same calls in each run, up to the one that is left out.
///
/// # Panics
///
/// As the scenario does, if it fails with all calls made; and if it makes other calls under another adversary.
#[must_use]
pub fn every_dropped_call_is_noticed(setup: &Setup, scenario: impl Fn(&Machine)) -> Vec<Call> {
    let run = |adversary, dropped: Option<usize>| {
        let machine = setup.build(adversary);
        if let Some(number) = dropped {
            machine.drop_call(number);
        }
        scenario(&machine);
        machine.calls()
    };
    let calls = run(Adversary::Lazy, None);
    for adversary in Adversary::ALL {
        let made = run(adversary, None);
        let same = made.len() == calls.len()
            && made.iter().zip(&calls).all(|(a, b)| (a.op, a.cpu) == (b.op, b.cpu));
        assert!(same, "under {adversary:?} the scenario makes other calls");
    }
    let is_noticed = |number: usize| {
        Adversary::ALL
            .into_iter()
            .any(|adversary| quietly(|| run(adversary, Some(number))).is_err())
    };
    calls.into_iter().filter(|call| !is_noticed(call.number)).collect()
}

thread_local! {
    /// Is a panic of this thread what is hoped for?
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs what is to panic, without a message and a back-trace for each.
fn quietly<R>(run: impl FnOnce() -> R) -> std::thread::Result<R> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(before);
    result
}
