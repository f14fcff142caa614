//! Modules: from the bytes of an ELF object to code that runs.
//!
//! Decision 15 draws the way. This crate knows the file's form, the arithmetic of relocations and what our own headers
//! put into an object; it takes memory and symbols from who calls it:
//!
//! ```text
//!  Object::parse   the file: header, sections, symbols, attributes, vermagic      borrowed, nothing copied
//!       │
//!  Plan::of        two layouts, core and init, and every relocation looked at     so that memory is taken last
//!       │            ──▶ sizes, for who allocates
//!  link            bytes in place, relocations, veneers, index, tables, parameters
//!       │            ◀── areas of memory, Imports
//!  Linked          where init and exit are, what is exported, what back-traces read
//! ```
//!
//! `reloc` is the arithmetic. [`exports`] and [`functions`] are the tables that a loaded module carries, and their readers.
//!
//! Invariant: no bytes make it panic, read or write out of bounds, or take longer than in proportion to their number
//! (times its logarithm) and to the memory that the plan asked for.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod bytes;
mod error;
#[cfg(any(test, feature = "exercise"))]
pub mod exercise;
pub mod exports;
pub mod functions;
mod link;
mod object;
mod params;
mod plan;
pub mod reloc;
mod unwind;
mod veneers;

pub use error::{LoadError, RecordFault};
pub use link::{Area, EntryFault, Imports, Linked, link};
pub use object::{FileFault, Info, Object, RelocationFault, SectionFault, SymbolFault, VERMAGIC};
pub use params::ValueFault;
pub use plan::{AreaFault, Plan, Sizes};
