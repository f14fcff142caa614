//! A kernel command line: its parameters, its sizes, and the layouts of a few machines under it.

#![no_main]

#[path = "../../mm/tests/command_line/check.rs"]
mod check;
#[path = "../../mm/tests/command_line/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    exercise::exercise(&String::from_utf8_lossy(bytes));
});
