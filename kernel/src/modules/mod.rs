//! Modules: code that comes in while the kernel runs.
//!
//! ```text
//! initrd ─▶ file ─▶ registry ─▶ memory        bytes with an address, a module of them, where it lies
//!                      │  │
//!              imports ◀┘  └▶ loaded          whose symbols it uses, what reports know of it
//! ```
//!
//! | file | idea |
//! |---|---|
//! | [`name`] | what a module is called |
//! | [`file`] | an object in the initrd, copied to where it has an address |
//! | [`arguments`] | the parameters it gets |
//! | [`registry`] | in, out, and who uses whom |
//! | [`imports`] | who has a symbol |
//! | [`memory`] | text, read-only data and data, and their rights |
//! | [`loaded`] | what reports know |
//! | [`insert`] | a file's name becomes a module |
//! | [`error`] | why not |
//!
//! What an object is, and how it is linked, the crate `modules` knows; decision 15 draws all of it.

pub mod arguments;
pub mod error;
pub mod file;
pub mod imports;
pub mod insert;
pub mod loaded;
pub mod memory;
pub mod name;
pub mod registry;
