//! Zones: which frames a device, the kernel or a user page may have.
//!
//! A zone is a span of frames with a buddy of its own. [`span`] says which frames are in which
//! zone, [`page_alloc`] puts the zones over one frame table and is what the rest of the kernel
//! allocates from, [`watermark`] computes how much each zone keeps back, and [`validate`] checks
//! that every page is accounted for.

pub mod error;
pub mod page_alloc;
pub mod span;
pub mod validate;
pub mod watermark;

pub use error::{OutOfPages, ReleaseError, SpanError};
pub use page_alloc::{PageAllocator, Zone};
pub use span::{ZoneKind, ZoneSpan};
pub use validate::Inconsistency;
