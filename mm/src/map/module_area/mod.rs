//! Memory for modules: an area near the kernel's text, or else one far away.
//!
//! ```text
//! PAGE_OFFSET - 16 MiB          PAGE_OFFSET                                   VMALLOC_END
//!  │ modules                │ pkmap │ the kernel, lowmem │   │ vmalloc          │
//!  └─ first: every branch reaches the kernel                 └─ when that is full: through veneers
//! ```
//!
//! An area is [`AreaKind::Module`](super::area::AreaKind::Module) in either region, mapped for reading and writing, and never executable before
//! somebody has changed its rights. Only a region that has no room has a request go on to the other one: where
//! memory is short, it is short for both.
//!
//! Invariant: of a request that fails somebody is told once, of all regions that were asked (Linux blames the vmalloc
//! region alone, whichever was full). An area that was given back faults at once, on all CPUs: what is left in a TLB
//! of code that is gone could be called (Linux's `VM_FLUSH_RESET_PERMS`).
//!
//! Context: any, with interrupts on or off, if the flags do not allow to sleep.

#[cfg(not(loom))]
mod alloc;
mod error;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(not(loom))]
pub use alloc::ModuleArea;
pub use error::{FullRegions, ModuleAreaError};
