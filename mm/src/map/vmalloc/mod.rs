//! `vmalloc` and its like: memory whose addresses follow each other and whose pages need not.
//!
//! One [`MappedRegion`] has the addresses of one region. It stands on four others, and calls none of them with its
//! lock held but the page tables, whose calls that write entries allocate nothing and wait for nobody:
//!
//! ```text
//!               ┌──────────────────┐   addresses    area::AreaTree, under the lock
//!  vmalloc ────▶│   MappedRegion   ├─▶ records      object::SlabAllocator
//!  vmap, stacks │                  ├─▶ frames       zone::PageAllocator
//!               └──────────────────┘   entries      map::Mmu
//! ```
//!
//! The life of an area, all of it in the tree:
//!
//! ```text
//!            place             publish             vfree: retire            flush
//! (no area) ───────▶ Making ───────────▶ Live ───────────────▶ Waiting ─────────────┐
//!     ▲                ▲                  │  vunmap: clear, flush                     │
//!     │                │                  └───────────────────────────────────────────┤
//!     │                └────────────────── Spare ◀── small, and room on its list ─────┤
//!     └─────────────────────────────────────────────────────── else: tables, tree ────┘
//! ```
//!
//! | file | idea |
//! |---|---|
//! | [`region`] | the value, and how an area is taken |
//! | `state` | what its lock protects: the tree, what waits, what is spare |
//! | [`reserved`] | addresses that somebody is about to map something at |
//! | [`alloc`] | `vmalloc`, `vzalloc`, `vmalloc_32` |
//! | `frames` | single pages, and blocks |
//! | [`free`] | `vfree`, and frees that are wrong |
//! | [`purge`] | the flush, and what comes free with it; the shrinker |
//! | [`vmap`] | pages of somebody else |
//! | [`stack`] | kernel stacks, with a guard page at either end |
//! | [`realloc`] | `vrealloc` |
//! | [`kvmalloc`] | an object, or else an area |
//! | [`look`] | what lies at an address, all areas, why there is no room |
//! | [`figures`], [`error`] | for reports; what is refused |
//! | `memory` | where addresses become references, and frames and records go back |
//!
//! Context: any, with interrupts on or off, if the flags do not allow to sleep; who frees may flush a batch: up to
//! 64 areas or 4 MiB.

#[cfg(not(loom))]
pub mod alloc;
pub mod error;
pub mod figures;
#[cfg(not(loom))]
mod frames;
#[cfg(not(loom))]
pub mod free;
#[cfg(not(loom))]
pub mod kvmalloc;
#[cfg(not(loom))]
pub mod look;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
pub mod purge;
#[cfg(not(loom))]
pub mod realloc;
#[cfg(not(loom))]
pub mod region;
#[cfg(not(loom))]
pub mod reserved;
#[cfg(not(loom))]
pub mod stack;
#[cfg(not(loom))]
pub(in crate::map) mod state;
#[cfg(all(test, not(loom)))]
pub(in crate::map) mod tests;
#[cfg(not(loom))]
pub mod vmap;

pub use error::{AreaError, AreaFault, VmallocError};
pub use figures::{RegionFigures, VmallocFigures, VmallocUse};
#[cfg(not(loom))]
pub use kvmalloc::{KvError, KvNotGiven};
#[cfg(not(loom))]
pub use region::{AreaSpec, MappedRegion};
#[cfg(not(loom))]
pub use reserved::Reserved;
#[cfg(not(loom))]
pub use stack::{KernelStack, STACK_PAGES};
