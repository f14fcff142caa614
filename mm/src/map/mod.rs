//! Regions that mappings are made in: who hands out their addresses, who maps what there, and the arithmetic of the
//! one that is mapped for good. [Decision 14](../../../docs/decisions/0014-mappings.md) has the drawing.

pub mod area;
pub mod duty;
pub mod fixmap;
pub mod linear;
pub mod mmu;
pub mod prot;

pub use duty::{Fresh, Stale};
pub use mmu::{Mapped, Mmu, NoTable};
pub use prot::{MemoryType, Prot, Rights};
