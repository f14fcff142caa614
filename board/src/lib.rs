//! The device tree and the devices it names.
//!
//! A boot loader hands the kernel a flattened device tree: bytes from outside, trusted for
//! nothing. [`dt::Tree::parse`] proves their shape, [`Machine::from_tree`] reads what they say, and
//! the [`Machine`] that comes out is a plain value: memory banks, reservations, the command line,
//! the CPUs and the few devices a kernel needs before it has drivers. Nothing in here knows what a
//! page table or a zone is, and nothing allocates.
//!
//! ```text
//! bytes ─▶ dt::Tree::parse ─▶ Tree ─▶ Machine::from_tree ─▶ Machine ─▶ the kernel
//!              Malformed                   dt::Error
//! ```
//!
//! A tree that is broken gives one of the two errors, whose text names the fault and where it is;
//! a kernel without a usable tree still has [`fallback`] to say so with.

#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]

pub mod dt;
#[cfg(feature = "fallback-console")]
pub mod fallback;
pub mod irq;
mod machine;
pub mod serial;

pub use machine::Machine;
