//! Memory that devices look at: what they can reach, and how CPUs and devices come to see the same bytes.
//!
//! | file | idea |
//! |---|---|
//! | [`cache`], [`machine`] | what is asked of the machine |
//! | [`address`], [`device`], [`direction`] | bus addresses, masks, windows; a device; which way a transfer goes |
//! | [`memory`] | all of it in one value |
//! | [`coherent`] | buffers that both sides look at, uncached |
//! | `region`, `sections` | their addresses; lowmem without a linear alias |
//! | [`atomic_pool`] | coherent memory for who can not wait |
//! | [`pool`] | small blocks of it |
//! | [`streaming`], [`bounce`] | buffers that are a device's for a while; copies of those that it does not reach |
//! | [`raw`] | all that by addresses |
//! | [`debug`], [`live`] | who has mapped what, and who does it wrongly |
//! | [`error`], [`figures`], [`options`] | what goes wrong; what reports show; boot parameters |
//! | `bits`, `words` | rows of pieces; books in `kmalloc` memory |
//!
//! Invariants, and who keeps them:
//!
//! - **D1** While a frame has an uncached mapping it has no cacheable one. *Kept by* `coherent` and `sections`.
//! - **D2** No cache holds a line of a frame when its uncached mapping is first used. *Kept by*
//!   `DmaMemory::map_uncached`.
//! - **D3** Frames and addresses of a coherent buffer are nobody else's before the flush. *Kept by* `free_mapped`.
//! - **D4** A device is never told of memory that it does not reach. *Kept by* `Device::streams` and `Reach`.
//! - **D5** What a device wrote is what the CPU reads after the mapping has ended, whatever was read ahead
//!   meanwhile. *Kept by* `streaming` and `bounce`.

pub mod address;
#[cfg(not(loom))]
pub mod atomic_pool;
#[cfg_attr(all(loom, not(test)), expect(dead_code, reason = "only its model is run"))]
mod bits;
#[cfg(not(loom))]
pub mod bounce;
pub mod cache;
#[cfg(not(loom))]
pub mod coherent;
#[cfg(not(loom))]
pub mod debug;
#[cfg(not(loom))]
pub mod device;
pub mod direction;
pub mod error;
#[cfg(not(loom))]
pub mod figures;
pub mod live;
pub mod machine;
#[cfg(not(loom))]
pub mod memory;
#[cfg(not(loom))]
pub mod options;
#[cfg(not(loom))]
pub mod pool;
#[cfg(not(loom))]
pub mod raw;
#[cfg(not(loom))]
mod region;
#[cfg(not(loom))]
mod sections;
#[cfg(not(loom))]
pub mod streaming;
#[cfg(not(loom))]
mod words;

pub use address::{BadMask, BadWindow, DmaAddr, DmaMask, DmaWindow};
#[cfg(not(loom))]
pub use bounce::{MAX_SLOTS, SLOT};
pub use cache::DataCache;
#[cfg(not(loom))]
pub use coherent::{Coherent, CoherentBuffer};
#[cfg(not(loom))]
pub use device::{Coherency, Device};
pub use direction::Direction;
pub use error::{BounceError, CoherentError, DmaFault, MapError, NotInMapping};
pub use live::{LiveMapping, Watching};
pub use machine::{DmaMachine, HighPage, KernelMemory, LinearSections, NotTakenOut};
#[cfg(not(loom))]
pub use memory::DmaMemory;
#[cfg(not(loom))]
pub use options::DmaOptions;
#[cfg(not(loom))]
pub use pool::{DmaPool, PoolBlock};
#[cfg(not(loom))]
pub use region::MAX_PAGES;
#[cfg(not(loom))]
pub use sections::BLOCKS;
#[cfg(not(loom))]
pub use streaming::Mapping;

#[cfg(all(test, not(loom)))]
mod tests;
