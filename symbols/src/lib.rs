//! The kernel's symbol table: from an address to the function around it.
//!
//! The host makes the table from the linked kernel ([`write()`], feature `write`) and puts it into the
//! image; the kernel reads it where it lies ([`Table`]), in a report that may allocate nothing and
//! must survive a table that something has overwritten.
//!
//! ```text
//! 0    magic "vsplsym\x01"
//! 8    base address          every number is 32 bits, little-endian
//! 12   number of entries n
//! 16   bytes of the token texts t
//! 20   bytes of the names m
//! 24   n + 1 entries         offset from the base, offset into the names; the last is the end
//!      129 token offsets     16 bits each, into the token texts; the last is the end
//!      t bytes               token texts, ASCII
//!      m bytes               names
//! ```
//!
//! Entries are sorted by address and reach to the next one. An entry with an empty name is a hole
//! between functions. A name is a string of bytes: below 0x80 an ASCII character, from 0x80 on a token
//! that stands for its text. Names of Rust functions repeat each other so much that 128 tokens take
//! away more than half of them.
//!
//! Invariant: the reader never panics and always ends, whatever the bytes are.

#![cfg_attr(not(any(test, feature = "write")), no_std)]
#![deny(unsafe_code)]

mod table;
#[cfg(feature = "write")]
mod write;

pub use table::{Name, Symbol, Table, TableError};
#[cfg(feature = "write")]
pub use write::{Function, MAX_NAME_BYTES, WriteError, shorten, write};

/// How a table begins.
const MAGIC: [u8; 8] = *b"vsplsym\x01";
/// Bytes before the first entry.
const HEADER_BYTES: usize = 24;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 8;
/// The first byte of a name that is a token.
const FIRST_TOKEN: u8 = 0x80;
/// How many tokens there are.
const TOKENS: usize = 128;
