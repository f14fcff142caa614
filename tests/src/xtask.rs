//! Running `cargo xtask` as a user does.

use std::env;
use std::process::{Command, Output, Stdio};

/// Runs `cargo xtask`, or the binary that `VMSPLIT_XTASK` names, without a terminal, and waits.
///
/// # Panics
///
/// When it can not be started.
#[must_use]
#[expect(clippy::expect_used, reason = "a test's own set-up")]
pub fn xtask(arguments: &[String]) -> Output {
    let mut command = match env::var_os("VMSPLIT_XTASK") {
        Some(binary) => Command::new(binary),
        None => {
            let mut cargo = Command::new("cargo");
            cargo.arg("xtask");
            cargo
        }
    };
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("xtask can be started")
}
