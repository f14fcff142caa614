//! Objects become modules: those of gcc, those written for a test, and those that must not.

mod builder;
mod faults;
mod layout;
mod machine;
mod no_memory;
mod parameters;
mod samples;
mod veneers;
