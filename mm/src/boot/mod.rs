//! Before there is an allocator: which memory there is, and where the kernel's regions go.
//!
//! ```text
//! banks, mem= ─▶ memory ─▶ memblock ─▶ layout (split, vmalloc_size, lowmem) ─▶ regions, zones
//!                  │                      │                                    │
//!                  └──── warning ◀────────┘                                    ▼
//!                                                                           explain
//! ```

pub mod dynamic;
pub mod edges;
pub mod explain;
pub mod initrd;
pub mod layout;
pub mod lowmem;
pub mod memblock;
pub mod memory;
pub mod predict;
pub mod relocate;
pub mod remedy;
pub mod split;
pub mod taken;
pub mod vmalloc_size;
pub mod warning;
