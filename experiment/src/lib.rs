//! An experiment on the layout: a machine and a kernel's settings in, an answer out.
//!
//! ```text
//! Machine ────────┐
//!                 ├─▶ predict ─▶ Answer ─┬─▶ compare   what differs between two answers
//! Configuration ──┘     mm's own         ├─▶ agree     whether a boot is what was predicted
//!                       functions        ├─▶ picture   the address space and RAM, to scale
//!                       a boot ─▶ Answer └─▶ results   rows of a sweep, in a file
//! ```
//!
//! Nothing in here knows a rule of the layout. A prediction is a boot [rehearsed](rehearse) by [`mm::boot`]'s own
//! functions, and is written by the very functions by which a booted kernel prints `layout --json` and `explain --json`;
//! an [`Answer`](answer::Answer) is that text, read. So an answer is of one shape wherever it comes from, and two can be
//! compared field by field.
//!
//! It runs on the host, and in a browser as WebAssembly: it needs an allocator and nothing else.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod address;
pub mod agree;
pub mod answer;
pub mod compare;
pub mod configuration;
pub mod figures;
pub mod machine;
pub mod picture;
pub mod predict;
pub mod rehearse;
pub mod results;
