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

/// How full the slabs of a cache are that have a free object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Occupancy {
    /// Slabs without an allocated object.
    pub empty: u32,
    /// Slabs with some, by how many tenths of their objects are allocated, rounded down.
    pub partial: [u32; 10],
    /// Slabs without a free object. On a machine with several CPUs also all those of the others.
    pub full: u32,
}

impl Occupancy {
    /// Counts a slab of which so many objects of `objects` are allocated.
    pub fn add(&mut self, allocated: u32, objects: u32) {
        if allocated == 0 {
            self.empty += 1;
        } else if let Some(place) = self.partial.get_mut((10 * allocated / objects.max(1)) as usize)
        {
            *place += 1;
        } else {
            self.full += 1;
        }
    }

    /// Slabs that have been counted.
    #[must_use]
    pub fn slabs(&self) -> u32 {
        self.empty + self.full + self.partial.iter().sum::<u32>()
    }
}
