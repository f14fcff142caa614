//! A module's format string, and arguments and strings of any bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    printk::exercise::exercise(bytes);
});
