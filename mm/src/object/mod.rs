//! Objects smaller than a page: caches over the page allocator. Decision record 0013 says why it is built
//! like this.
//!
//! | file | idea |
//! |---|---|
//! | [`geometry`] | how objects lie in a slab |
//! | `slab` | one slab's books, and what several CPUs do to them |
//! | `mailbox` | slabs to which other CPUs gave something |
//! | `hand_over`, `cache_slabs` | objects and slabs pass from CPU to CPU; what of a cache that is done to |
//! | `cpu_slab` | what one CPU takes from: the quick paths |
//! | [`cache`] | one kind of objects |
//! | [`allocator`] | all caches |
//! | `create`, [`destroy`] | a cache is made, and ends |
//! | `caches` | the list of all caches, and who walks it |
//! | `take`, `give` | the ways of an object when the current slab does not do |
//! | `hints` | where one that comes back is looked for first |
//! | [`typed`] | caches of values, whose boxes give themselves back |
//! | [`raw`], [`bulk`] | the forms for C, and many objects at once |
//! | `taken` | an object or an error, in one word |
//! | [`kmalloc`], [`family`] | memory by size, and what stands on it |
//! | [`heap`] | memory by layout, for the kernel's own collections |
//! | [`figures`], [`count`] | the figures of one moment, for reports |
//! | [`mempool`] | elements set aside for when memory is short |
//! | [`shrink`], [`validate`] | slabs that nobody needs; checks that all are accounted for |
//! | [`guard`], [`guarded`], [`leaks`] | debugging: red zones, poison, owners; what it finds; who holds what |
//! | [`failing`] | requests that fail on purpose |
//! | `sampled` | requests that are served from guarded pages |
//! | [`options`] | what boot parameters say |
//! | `slab_pages`, `records` | slabs come and go |
//! | `memory`, `list` | where addresses become references |

#[cfg(not(loom))]
pub mod allocator;
#[cfg(not(loom))]
pub mod bulk;
#[cfg(not(loom))]
pub mod cache;
#[cfg(not(loom))]
mod cache_slabs;
#[cfg(not(loom))]
mod caches;
#[cfg(not(loom))]
pub mod count;
#[cfg(not(loom))]
mod cpu_slab;
#[cfg(not(loom))]
mod create;
#[cfg(not(loom))]
pub mod destroy;
pub mod error;
#[cfg(not(loom))]
pub mod failing;
#[cfg(not(loom))]
pub mod family;
pub mod figures;
pub mod flags;
pub mod geometry;
#[cfg(not(loom))]
mod give;
#[cfg(not(loom))]
pub mod guard;
pub mod guarded;
#[cfg_attr(all(loom, not(test)), expect(dead_code, reason = "only its model is run"))]
mod hand_over;
#[cfg(not(loom))]
pub mod heap;
#[cfg(not(loom))]
mod hints;
#[cfg(not(loom))]
pub mod kmalloc;
#[cfg(not(loom))]
pub mod leaks;
#[cfg(not(loom))]
mod list;
#[cfg_attr(all(loom, not(test)), expect(dead_code, reason = "only its model is run"))]
mod mailbox;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
pub mod mempool;
pub mod name;
pub mod options;
#[cfg(not(loom))]
pub mod raw;
#[cfg(not(loom))]
mod records;
#[cfg(not(loom))]
mod sampled;
#[cfg(not(loom))]
pub mod shrink;
#[cfg_attr(loom, allow(dead_code, reason = "only the protocol between CPUs is modelled"))]
mod slab;
#[cfg(not(loom))]
mod slab_pages;
#[cfg(not(loom))]
mod take;
mod taken;
#[cfg(not(loom))]
pub mod typed;
#[cfg(not(loom))]
pub mod validate;

#[cfg(not(loom))]
pub use allocator::{CacheRef, SlabAllocator};
#[cfg(not(loom))]
pub use cache::{Constructor, Destructor, KmemCache};
pub use error::{Busy, CreateError, NotGiven, ObjectError};
pub use figures::{CacheFigures, Occupancy, SlabTotals};
pub use flags::SlabFlags;
#[cfg(not(loom))]
pub use mempool::{Elements, Mempool};
pub use name::Name;
pub use options::SlabOptions;
pub use taken::Taken;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
pub(crate) mod test_machine;
#[cfg(all(test, not(loom)))]
mod tests;
