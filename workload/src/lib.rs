//! What the benchmark does: the table of operations, and the three shapes in which they are done.
//!
//! The same code drives the booted kernel, which counts instructions, and the host, which measures
//! threads and counts what is left after a churn. So both do the same in the same order, and the
//! command that prints the figures knows the operations' names without booting.
//!
//! [`Operation`] is a row of the table; [`Subject`] hands out blocks and takes them back; [`Meter`]
//! stands around each single call; [`run`] does a [`Shape`] with the three. The sequence of a random
//! shape is the same on every run.
//!
//! [`mix`] is no operation, but requests of many sizes, to see what an allocator wastes.
//!
//! Names are those of the recorded Linux figures (`xtask/data/linux-6.1-perf.json`) wherever an
//! operation has its counterpart there.

#![no_std]

pub mod mix;
mod operations;
mod random;
mod shape;

pub use operations::{Flags, Memory, OPERATIONS, Operation, What, names};
pub use random::Random;
pub use shape::{MAX_HELD, Meter, Shape, Silent, Subject, run};

/// A subject had no block left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted;
