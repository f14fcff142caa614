//! ARMv7-A: what the processor offers a kernel, and the formats it reads.
//!
//! Two layers, kept apart:
//!
//! | layer | modules | runs |
//! |---|---|---|
//! | formats and logic | [`mmu`]; [`trap`] but for its stubs; the bit fields in [`cp15`]; [`probe::ex_table`], [`translate::decode`]; [`timer::Schedule`]; results in [`psci`]; [`sync`]; [`tlb::sequence`] | anywhere, tested on the host |
//! | instructions | the accesses in [`cp15`], [`barrier`], `banked`, those in [`tlb`], `cache`, `clear`, [`copy`], `entry`, [`interrupt`], the calls in [`psci`], [`timer`], `pmu`, `trap`'s vectors and stubs, the accesses in [`probe`], `user`, [`variadic`]'s stubs | on ARM only |
//!
//! The second layer is thin, and what it offers does not exist on other architectures: a host test
//! that called it would not compile. Three exceptions let portable code run in tests: barriers are
//! compiler fences there, interrupt masking masks nothing, and a page is copied as the compiler likes.
//!
//! The crate knows no board address and no policy, and keeps no state in statics of its own: the
//! kernel holds those. Of the kernel it wants what `entry` names, the linker script's bounds of the
//! exception table ([`probe::ex_table`]), and one function for every exception, `vmsplit_exception`
//! ([`trap::Handler`]), which offers exceptions to `user::leave` and `probe::fix_up`.

#![cfg_attr(not(test), no_std)]

#[cfg(target_arch = "arm")]
pub mod banked;
pub mod barrier;
#[cfg(target_arch = "arm")]
pub mod cache;
#[cfg(target_arch = "arm")]
pub mod clear;
pub mod copy;
pub mod cp15;
#[cfg(target_arch = "arm")]
pub mod entry;
pub mod interrupt;
pub mod mmu;
#[cfg(target_arch = "arm")]
pub mod pmu;
pub mod probe;
pub mod psci;
pub mod sync;
pub mod timer;
pub mod tlb;
pub mod translate;
pub mod trap;
#[cfg(target_arch = "arm")]
pub mod user;
pub mod variadic;

mod mva;
