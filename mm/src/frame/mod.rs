//! Page frames: their descriptors, and the buddy allocator over them.
//!
//! [`page`] is the 16 bytes kept for each frame, [`table`] the array of them, `list` the free
//! lists that run through them, [`buddy`] the allocator that owns such lists, and [`validate`]
//! checks all of it. Nothing here
//! knows what a zone means: a descriptor carries a [`page::ZoneId`], and the `zone` module says
//! which frames have which.
//!
//! Locking: none of these types locks. Whoever shares a [`table::FrameTable`] and its buddies
//! between contexts puts one lock around both.

pub mod buddy;
pub mod error;
mod list;
pub mod page;
pub mod table;
pub mod validate;

pub use buddy::Buddy;
pub use error::{FreeError, ReleaseError};
pub use page::{Page, PageState, ZoneId};
pub use table::{Block, FrameTable, FrameTableError};
pub use validate::Inconsistency;
