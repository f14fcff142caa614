//! Objects smaller than a page: caches over the page allocator. Decision record 0013 says why it is built
//! like this.
//!
//! | file | idea |
//! |---|---|
//! | [`geometry`] | how objects lie in a slab |
//! | `slab` | one slab's books, and what several CPUs do to them |
//! | `mailbox` | slabs to which other CPUs gave something |
//! | `cpu_slab` | what one CPU takes from: the quick paths |
//! | [`cache`] | one kind of objects |
//! | [`allocator`] | all caches |
//! | `take`, `give` | the ways of an object when the current slab does not do |
//! | [`kmalloc`] | memory by size |
//! | [`shrink`], [`validate`] | slabs that nobody needs; checks that all are accounted for |
//! | `slab_pages`, `records` | slabs come and go |
//! | `memory`, `list` | where addresses become references |

#[cfg(not(loom))]
pub mod allocator;
#[cfg(not(loom))]
pub mod cache;
#[cfg(not(loom))]
mod cpu_slab;
pub mod error;
pub mod flags;
pub mod geometry;
#[cfg(not(loom))]
mod give;
#[cfg(not(loom))]
pub mod kmalloc;
#[cfg(not(loom))]
mod list;
#[cfg_attr(all(loom, not(test)), expect(dead_code, reason = "only its model is run"))]
mod mailbox;
#[cfg(not(loom))]
mod memory;
pub mod name;
#[cfg(not(loom))]
pub mod raw;
#[cfg(not(loom))]
mod records;
#[cfg(not(loom))]
pub mod shrink;
#[cfg_attr(all(loom, not(test)), expect(dead_code, reason = "only its model is run"))]
mod slab;
#[cfg(not(loom))]
mod slab_pages;
#[cfg(not(loom))]
mod take;
mod taken;
#[cfg(not(loom))]
pub mod validate;

#[cfg(not(loom))]
pub use allocator::{CacheRef, SlabAllocator};
#[cfg(not(loom))]
pub use cache::{Constructor, KmemCache};
pub use error::{Busy, CreateError, NotGiven, ObjectError};
pub use flags::SlabFlags;
pub use name::Name;
pub use taken::Taken;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod test_machine;
#[cfg(all(test, not(loom)))]
mod tests;
