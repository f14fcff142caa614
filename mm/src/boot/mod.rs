//! Before there is an allocator: which memory there is, and where the kernel's regions go.

pub mod layout;
pub mod memblock;
