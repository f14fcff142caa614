//! The object core, on a machine in an arena.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cpus;
mod destroy;
mod failing;
mod guard;
mod heap;
mod life;
mod meminit;
mod mempool;
mod model;
mod model_cpus;
mod release;
mod sampled;
mod typed;
mod wrong;
