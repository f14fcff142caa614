//! The object core, on a machine in an arena.
#![expect(clippy::unwrap_used, reason = "tests")]

mod mempool;
mod model;
mod wrong;
