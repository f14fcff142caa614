//! Page frames: their descriptors, the buddy allocator over them, and the per-CPU stacks before it.
//!
//! | file | idea |
//! |---|---|
//! | [`page`] | the 16 bytes kept for each frame |
//! | [`head`] | the first word of them: what begins there |
//! | [`table`] | the array of them |
//! | [`mobility`], [`page_block`] | which allocations go together, and which 4 MiB are whose |
//! | `list` | the free lists that run through descriptors |
//! | [`buddy`], `steal` | the allocator that owns such lists, and what it does when one is empty |
//! | [`counts`] | how much is free, for readers without the lock |
//! | [`stack`], `stack_word` | each CPU's free blocks, and the word that a stack of them is |
//! | `blocks` | a stack's blocks, when they are given back |
//! | [`validate`] | checks all of it |
//!
//! Nothing here knows what a zone means: a descriptor carries a [`ZoneId`], and the `zone` module
//! says which frames have which.
//!
//! Locking: a buddy and the heads of its free blocks are under its zone's lock, which the `zone` module
//! holds around every call. A CPU's stacks and the heads of the blocks in them are that CPU's, with
//! interrupts masked. An allocated block's head is its owner's.

pub(crate) mod blocks;
pub mod buddy;
pub mod counts;
pub mod error;
pub mod head;
mod list;
pub mod mobility;
pub mod page;
pub mod page_block;
pub mod stack;
pub(crate) mod stack_word;
mod steal;
pub mod table;
pub mod validate;

pub use buddy::Buddy;
pub use counts::Counts;
pub use error::{FreeError, ReleaseError};
pub use head::{Class, PageState, ZoneId};
pub use mobility::Mobility;
pub use page::Page;
pub use page_block::PageBlocks;
pub use table::{Block, FrameTable, FrameTableError};
pub use validate::Inconsistency;
