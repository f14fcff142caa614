//! A device tree from the boot loader: read, and taken into use up to the layout of each split.

#![no_main]

#[allow(dead_code, reason = "the tests want one split at a time")]
#[path = "../../board/tests/trees/boot.rs"]
mod boot;
#[path = "../../mm/tests/command_line/check.rs"]
mod check;
#[path = "../../board/tests/trees/exercise.rs"]
mod exercise;
#[path = "../../board/tests/trees/map.rs"]
mod map;
#[allow(dead_code, reason = "the tests want one kind of change at a time")]
#[path = "../../board/tests/trees/mutate.rs"]
mod mutate;

use boot::Splits;
use exercise::exercise;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mutate::{Rng, mutate};

fuzz_target!(|bytes: &[u8]| {
    // A fault is an answer; the function panics where a promise is broken.
    let _ = exercise(&mut bytes.to_vec(), Splits::All);
});

// Mostly changes that know what a tree is made of; the fuzzer's own find what those leave out, and
// use the dictionary.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut rng = Rng(seed.into());
    if rng.below(4) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut blob = data[..size].to_vec();
    for _ in 0..1 + rng.below(3) {
        mutate(&mut blob, &mut rng);
    }
    let size = blob.len().min(max_size);
    data[..size].copy_from_slice(&blob[..size]);
    size
});
