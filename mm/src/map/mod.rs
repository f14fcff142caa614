//! Regions that mappings are made in: who hands out their addresses.

pub mod area;
pub mod fixmap;
