//! The part of a monitor that needs no machine: from the bytes of a keyboard to a command and its
//! arguments.
//!
//! ```text
//! bytes ─▶ keys ─▶ editor ─▶ a line ─▶ words ─▶ command: a row of the table, and typed arguments
//!                  │    │                         │
//!             history  completion ◀───────────────┘ the table and the names it knows
//! ```
//!
//! | module | idea |
//! |---|---|
//! | [`keys`] | bytes become keys: UTF-8 put together, escape sequences told apart |
//! | [`mod@line`] | the text being typed and the cursor in it, by what the eye takes for a character |
//! | [`editor`] | keys change the line, and the terminal is made to show it |
//! | [`history`] | the lines typed before |
//! | [`completion`] | what Tab adds, and what it lists |
//! | [`words`] | a line's words, quotes and numbers |
//! | [`argument`] | the arguments that a command declares, and those it was given |
//! | [`command`] | the table of commands, and the way from a line to one of them |
//! | [`error`] | why a line is no command |
//! | [`nearest`] | which known name somebody meant who typed an unknown one |
//! | [`dump`] | memory as rows of hexadecimal and text |
//! | [`plain`] | is it text, what comes in pieces? |
//!
//! Everything is a value of fixed size; nothing allocates, waits or knows a device. The owner feeds
//! bytes in and lends a [`core::fmt::Write`] for what the terminal must be sent. A line feed in
//! that output means the start of the next line; the owner adds the carriage return where its line
//! needs one.
//!
//! Invariant: no input panics, whatever bytes come. [`editor`] and [`command`] are held against
//! models in tests, and `exercise` (feature of that name) runs the whole way from arbitrary bytes.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod argument;
pub mod command;
pub mod completion;
pub mod dump;
pub mod editor;
pub mod error;
#[cfg(any(test, feature = "exercise"))]
pub mod exercise;
pub mod history;
pub mod keys;
pub mod line;
pub mod nearest;
pub mod plain;
pub mod words;
