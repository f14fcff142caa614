//! Archives of cpio's newc form, read piece by piece: the archive need not lie in one piece, or have an address.
//!
//! Invariant: no bytes make it panic, read out of bounds, or run without end.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
