//! Regions that mappings are made in: who hands out their addresses, who maps what there, and the arithmetic of the
//! one that is mapped for good. [Decision 14](../../../docs/decisions/0014-mappings.md) has the drawing.

pub mod area;
pub mod duty;
pub mod early;
pub mod fixmap;
pub mod ioremap;
pub mod kmap;
pub mod linear;
pub mod lowmem;
pub mod mmio;
pub mod mmu;
pub mod module_area;
pub mod prot;
pub mod slots;
#[cfg(all(test, not(loom)))]
mod test_region;
pub mod vmalloc;

pub use duty::{Fresh, Stale};
pub use mmio::Mmio;
pub use mmu::{Mapped, Mmu, NoTable};
pub use prot::{MemoryType, Prot, Rights};
pub use slots::{MmuSlots, SlotTable};
