//! The host commands, run as a user runs them, on hosts made of scripts.
#![allow(clippy::unwrap_used)]

mod bench;
mod host;
mod module;
mod report;
mod run;
mod steps;
mod sweep;
mod toolchain;
