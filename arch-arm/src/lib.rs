//! ARMv7-A: what the processor offers a kernel, and the formats it reads.
//!
//! Two layers, kept apart:
//!
//! | layer | modules | runs |
//! |---|---|---|
//! | formats and logic | [`mmu`]; [`trap::fault_status`], [`trap::registers`]; the bit fields in [`cp15`]; results in [`psci`]; [`sync`] | anywhere, tested on the host |
//! | instructions | the accesses in [`cp15`], [`barrier`], `banked`, `tlb`, `cache`, `entry`, [`interrupt`], the calls in [`psci`], `trap::vectors` and its neighbours | on ARM only |
//!
//! The second layer is thin, and what it offers does not exist on other architectures: a host test
//! that called it would not compile. Two exceptions let portable code run in tests: barriers are
//! compiler fences there, and interrupt masking masks nothing.
//!
//! The crate knows no board address and no policy, and keeps no state in statics of its own: the
//! kernel holds those. Of the kernel it wants what `entry` names, and one function for every
//! exception, `vmsplit_exception` ([`trap::Handler`]).

#![cfg_attr(not(test), no_std)]

#[cfg(target_arch = "arm")]
pub mod banked;
pub mod barrier;
#[cfg(target_arch = "arm")]
pub mod cache;
pub mod cp15;
#[cfg(target_arch = "arm")]
pub mod entry;
pub mod interrupt;
pub mod mmu;
pub mod probe;
pub mod psci;
pub mod sync;
#[cfg(target_arch = "arm")]
pub mod tlb;
pub mod translate;
pub mod trap;
#[cfg(target_arch = "arm")]
pub mod user;

#[cfg(any(target_arch = "arm", test))]
mod mva;
