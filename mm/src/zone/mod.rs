//! Zones: which frames a device, the kernel or a user page may have, and the page allocator over them.
//!
//! | file | idea |
//! |---|---|
//! | [`span`] | which frames are in which zone |
//! | [`gfp`] | what a request says about itself |
//! | [`page_alloc`] | the allocator: zones and per-CPU stacks over one frame table; the quick paths |
//! | `take`, `give` | the ways from and to the zones, when a stack does not do |
//! | `slow_path` | when every zone is short |
//! | [`shrink`] | who can free memory then |
//! | `request`, `state` | a request taken apart; one zone at work |
//! | [`block`], [`bulk`], [`range`], [`raw`] | owned blocks, many at once, sizes that are no power of two, and the forms for C |
//! | [`watermark`] | how much each zone keeps back |
//! | [`debug`], [`fault`] | poison, owners, made-up failures |
//! | [`figures`] | the figures of one moment, for reports |
//! | [`owner`] | one page with all that is known of it, and who holds what |
//! | [`validate`] | checks that every page is accounted for |

pub mod block;
pub mod bulk;
pub mod debug;
pub mod error;
pub mod fault;
pub mod figures;
pub mod gfp;
mod give;
pub mod owner;
pub mod page_alloc;
pub mod range;
pub mod raw;
mod request;
pub mod shrink;
mod slow_path;
pub mod span;
pub mod state;
mod take;
#[cfg(test)]
#[cfg(not(loom))]
mod test_machine;
#[cfg(all(test, not(loom)))]
mod tiny_machine;
pub mod validate;
pub mod watermark;

pub use block::PageBlock;
pub use error::{AllocError, NotFreed, ReleaseError, SpanError, TooManyReferences, Why};
pub use figures::{MAX_CPUS, MemoryFigures, PerCpuFigures, ZoneFigures};
pub use gfp::{Gfp, GfpError, ParseGfpError};
pub use page_alloc::PageAllocator;
pub use range::PageRun;
pub use span::{ZoneKind, ZoneSpan};
pub use state::Zone;
pub use validate::Inconsistency;
