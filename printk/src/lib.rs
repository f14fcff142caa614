//! C's format strings, as `printk` and its like read them.
//!
//! Invariant: no format and no arguments make it panic, or run without end.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
