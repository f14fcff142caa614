//! Modules: their memory, and what reports know of those that are loaded.

pub mod loaded;
pub mod memory;
