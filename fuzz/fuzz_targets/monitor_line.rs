//! What is typed at the monitor's prompt: keys, the line, history, completion, and the commands
//! that come of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    monitor::exercise::exercise(bytes);
});
