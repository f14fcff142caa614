//! Objects become modules: those of gcc, those written for a test, and those that must not.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail as its tests do")]

mod builder;
mod faults;
mod hostile;
mod layout;
mod link_faults;
mod machine;
mod no_memory;
mod parameters;
mod samples;
mod veneers;
