//! Page frames: their descriptors, and the buddy allocator over them.

pub mod buddy;
pub mod page;
