//! Whole trees through the public interface: QEMU's own, random ones, and a great many broken ones.
//!
//! [`mutate`] and [`exercise`] depend on nothing else in here, so that a fuzz target can include
//! them by path.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as its tests do")]

mod exercise;
mod mutate;
mod mutation;
mod properties;
mod qemu;
mod sound;
