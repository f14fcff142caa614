//! Archives of cpio's newc form, read piece by piece: the archive need not lie in one piece, or have an address.
//!
//! It is the form that Linux's initramfs has ("070701"; with sums of the files, "070702"):
//!
//! ```text
//!           4-aligned                4-aligned        4-aligned
//!           ▼                        ▼                ▼
//!           │ header, 110 │ name NUL │ data           │ header … │ "TRAILER!!!" │ zeros │ header …
//! ```
//!
//! Every number is eight hexadecimal digits. An entry named `TRAILER!!!` ends one archive; others may follow, behind
//! zeros, and are read as if they were one. [`Archive`] walks over the entries ([`Entry`]), finds one by its name, and
//! opens it ([`File`]). What it reads comes from a [`Source`], a few hundred bytes at a time.
//!
//! | as Linux reads them | |
//! |---|---|
//! | zeros | any number between two entries, and at the end; what follows is 4-aligned |
//! | no trailer | an archive may just end after an entry |
//! | one name twice | the later entry replaces the earlier |
//! | hard links | the files of one archive with the same inode share the data of the last that has some |
//! | other forms, compression | refused here, by name: nobody unpacks them |
//!
//! Invariant: no bytes make it panic, read out of bounds, or run without end. Each step is at least a header further.

#![cfg_attr(not(any(test, feature = "exercise")), no_std)]
#![forbid(unsafe_code)]

mod archive;
mod entry;
mod error;
#[cfg(any(test, feature = "exercise"))]
pub mod exercise;
mod file;
mod header;
mod name;
mod source;

pub use archive::{Archive, Entries};
pub use entry::{Entry, Kind};
pub use error::{ArchiveError, Foreign, Part};
pub use file::File;
pub use name::{MAX_SHOWN_BYTES, Name};
pub use source::{OutOfBounds, Source};
