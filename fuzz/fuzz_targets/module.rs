//! An object that is to become a module: read, laid out, linked and looked at.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // That it is refused is an answer; the function panics where a promise is broken.
    let _ = modules::exercise::exercise(bytes);
});
