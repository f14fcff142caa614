//! The figures of caches at one moment, for reports.

use super::name::Name;

/// One cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheFigures {
    /// What it is called.
    pub name: Name,
    /// Objects that are allocated. On a machine with several CPUs the free ones in the slabs of the others
    /// count as allocated, as in Linux.
    pub active: u32,
    /// All objects.
    pub objects: u32,
    /// From one object to the next, in bytes.
    pub stride: u32,
    /// Objects in a slab of the usual size.
    pub objects_per_slab: u32,
    /// Pages of such a slab.
    pub pages_per_slab: u32,
    /// Slabs there are.
    pub slabs: u32,
}

/// Pages that all caches have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlabTotals {
    /// Of caches whose objects a shrinker can free.
    pub reclaimable: u32,
    /// Of the others, and those of the books.
    pub unreclaimable: u32,
}
