//! Whole trees through the public interface: QEMU's own, random ones, and a great many broken ones.
//!
//! [`mutate`] and [`exercise`] depend on nothing in here but [`map`] and [`boot`], so that a fuzz
//! target can include the four by path.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as its tests do")]

mod boot;
mod exercise;
mod map;
mod mutate;
mod mutation;
mod properties;
mod qemu;
mod sound;
mod written;
