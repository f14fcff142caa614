//! An initrd: every entry, every file found by its name, opened and read.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    newc::exercise::exercise(bytes);
});
