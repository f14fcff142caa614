//! Modules: from the bytes of an ELF object to code that runs.
//!
//! Decision 15 draws the way. This crate knows the file's form, the arithmetic of relocations and what our own headers
//! put into an object; it takes memory and symbols from who calls it.
//!
//! Invariant: no bytes make it panic, read or write out of bounds, or take longer than in proportion to their number
//! (times its logarithm).

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod reloc;
