//! Whole trees through the public interface: QEMU's own, random ones, and a great many broken ones.
//!
//! [`mutate`] and [`exercise`] depend on nothing in here but [`map`], [`boot`] and [`check`], so
//! that a fuzz target can include the five by path.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as its tests do")]

mod boot;
#[path = "../../../mm/tests/command_line/check.rs"]
mod check;
mod corpus;
mod exercise;
mod map;
mod mutate;
mod mutation;
mod properties;
mod qemu;
mod sound;
mod written;
