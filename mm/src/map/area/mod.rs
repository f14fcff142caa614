//! Areas: pieces of a region's address space, and the gaps between them.
//!
//! ```text
//! region  │ gap │ area │guard│ gap │ area │guard│ area │guard│      gap      │
//!           └── belongs to ──┘                                              └─▶ the sentinel
//! ```
//!
//! | file | idea |
//! |---|---|
//! | [`record`] | an area's 64 bytes |
//! | [`tree`] | the areas by address: placed, removed, found |
//! | `balance` | the tree stays as low as an AVL tree, and each subtree knows its largest gap |
//! | `search` | the lowest gap that fits |
//! | [`aligned`] | what fits at an alignment, renewed when somebody asks |
//! | [`hints`] | where an area is looked for first |
//! | [`holes`] | the gaps, for reports |
//! | [`holders`] | who has the addresses |
//! | [`list`] | areas that wait, or are kept |
//! | [`failure`] | what to tell when nothing fits |
//! | [`validate`] | checks that all of it agrees |
//!
//! Records lie wherever their owner keeps them, and are reached by address through [`Words`]: in the kernel they are
//! objects of a slab cache. Nothing here allocates, so giving addresses back can not fail.
//!
//! Context: none of it locks. Whoever has a tree keeps it under a lock, and calls nothing foreign there.

pub mod aligned;
mod balance;
pub mod failure;
pub mod hints;
pub mod holders;
pub mod holes;
pub mod list;
pub mod record;
mod search;
#[cfg(all(test, not(loom)))]
mod tests;
pub mod tree;
pub mod validate;

pub use failure::{Failure, RegionName, Remedy};
pub use hints::AreaHints;
pub use holders::{Holder, Holders};
pub use holes::Hole;
pub use list::AreaList;
pub use record::{AreaId, AreaInfo, AreaKind, AreaState, EndWord, RECORD_BYTES};
pub use tree::{AreaTree, GUARD_BYTES, NoHole, Want};
pub use validate::Damage;

use crate::sync::AtomicU32;

/// Memory that records lie in, by address.
pub trait Words {
    /// The word at `at`, a multiple of 4 inside the record of an area that somebody made.
    fn word(&self, at: u32) -> &AtomicU32;
}
