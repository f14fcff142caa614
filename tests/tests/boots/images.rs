//! The files of a build, for boots without `xtask run`.

use std::path::{Path, PathBuf};

use crate::run::{finished, xtask};

/// The images of `split`, debug: ELF and raw.
pub fn images(split: &str) -> (PathBuf, PathBuf) {
    built(&["--vmsplit", split])
}

/// The images that `xtask build` makes with these options: ELF and raw.
pub fn built(options: &[&str]) -> (PathBuf, PathBuf) {
    let arguments: Vec<_> = ["build"].iter().chain(options).map(ToString::to_string).collect();
    let built = xtask(&arguments);
    finished(&built).expect_status(0);
    let text = String::from_utf8_lossy(&built.stdout).into_owned();
    let path = |end: &str| {
        let word = text.split_whitespace().find(|word| word.ends_with(end));
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(word.unwrap())
    };
    (path(".elf"), path(".bin"))
}
