//! An emulated ARMv7 machine, for host tests of code that writes live page tables and maintains caches.
#![deny(unsafe_code)]

mod abort;
mod adversary;
mod attributes;
mod cache;
mod calls;
mod cpu;
mod drop_calls;
mod hash;
mod machine;
mod memory;
mod setup;
mod state;
mod store_buffer;
mod tables;
mod tlb;
mod violation;
pub mod walk;

pub use abort::{Abort, Status, Wanted};
pub use adversary::Adversary;
pub use attributes::{Access, Attributes, MemoryType, NMRR, PRRR};
pub use cache::{LINE_BYTES, LineOp};
pub use calls::{Call, Dsb, Op, Scope};
pub use cpu::Cpu;
pub use drop_calls::every_dropped_call_is_noticed;
pub use machine::Machine;
pub use setup::{LINEAR_SECTION, Setup, TABLE};
pub use tlb::Entries;
pub use violation::{Holder, Kind, OnViolation, Violation};
