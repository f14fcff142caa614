//! Regions that mappings are made in: who hands out their addresses, and the arithmetic of the one that
//! is mapped for good.

pub mod area;
pub mod fixmap;
pub mod linear;
