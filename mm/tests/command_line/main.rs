//! Command lines through the public interface: any bytes, and every line that a fuzzer found worth
//! keeping.
//!
//! [`exercise`] and [`check`] depend on nothing else in here, so that a fuzz target can include
//! them by path.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as its tests do")]

mod check;
mod corpus;
mod exercise;
mod properties;
