//! `ioremap`: registers and memory of devices, mapped in the vmalloc region.
//!
//! ```text
//!  drivers: Mmio<T> ◀─ map_registers       ┌─▶ index    what is mapped with which type, or may still be in a TLB
//!                          │               │            (under the region's lock)
//!  ioremap, _wc, _cache ─▶ IoMap ──────────┼─▶ MappedRegion   addresses, the batch that waits for a flush
//!  iounmap, IoMapping                      └─▶ Mmu      pages for small ranges, blocks for those that hold some
//! ```
//!
//! | file | idea |
//! |---|---|
//! | [`map`] | the value, and the way to a mapping |
//! | `claim` | is a range free, mapped, or waiting? |
//! | `revive` | what waits is mapped again as it was |
//! | `anew` | what nobody maps gets an area |
//! | [`unmap`] | the last user's mapping goes; addresses that are wrong |
//! | [`look`] | the ranges, for reports |
//! | [`guard`] | a mapping that ends with its owner, and typed registers |
//! | `owners` | that nobody else can end it |
//! | `place` | where in the region large leaves can map a range |
//! | `blocks` | spare areas of one large leaf |
//! | `check` | what is refused before anything is taken |
//! | `index` | which range has which type, until the flush |
//! | `tree` | ranges that meet a range |
//! | `record` | a range's words |
//! | [`error`] | why not |
//!
//! A range that waits for its flush is *revived* when it is mapped again with its type, at the same addresses and without a
//! flush: see `index` for why that is right. So a driver's pair of `ioremap` and `iounmap` is a look at a hint, a few words
//! and the entries.
//!
//! What differs from Linux: sections are used with several CPUs too, since every address space changes at once; a
//! range that a live mapping of its type holds is not mapped again; one that has another type is refused, and whoever
//! has it is named; and where an aligned hole is missing, a range gets smaller leaves and not an error.

#[cfg(not(loom))]
mod anew;
#[cfg(not(loom))]
mod blocks;
#[cfg(not(loom))]
mod check;
#[cfg(not(loom))]
mod claim;
pub mod error;
#[cfg(not(loom))]
pub mod guard;
#[cfg(not(loom))]
mod index;
#[cfg(not(loom))]
pub mod look;
#[cfg(not(loom))]
pub mod map;
#[cfg(not(loom))]
mod owners;
#[cfg(not(loom))]
mod place;
#[cfg(not(loom))]
mod record;
#[cfg(not(loom))]
mod revive;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(not(loom))]
mod tree;
#[cfg(not(loom))]
pub mod unmap;

#[cfg(not(loom))]
pub(in crate::map) use blocks::SpareBlocks;
pub use error::IoremapError;
#[cfg(not(loom))]
pub use guard::IoMapping;
#[cfg(not(loom))]
pub(in crate::map) use index::{IoBatch, IoIndex};
#[cfg(not(loom))]
pub use look::IoRange;
#[cfg(not(loom))]
pub use map::IoMap;
#[cfg(not(loom))]
pub(in crate::map) use record::IoId;
