//! Finding free memory, and taking it.
//!
//! Free is what the memory list holds and the reserved list does not, less the memory that is
//! NOMAP or managed by a driver. A search goes from the top down, as Linux does on ARM, or from the
//! bottom up; either way it is one pass over what both lists have between its bounds. An allocation
//! is a search and a reservation. It lies within one memory region, so its flags are uniform.
//!
//! The first page of the physical address space is never chosen, though RAM may start there: Linux
//! keeps it out of reach too, and whoever takes address 0 for a null pointer is not disappointed.
//! It stays free, and goes to the page allocator with the rest.
//!
//! Allocated bytes hold what they held before: this crate cannot touch memory, so zeroing is the
//! caller's. Linux's `memblock_alloc` and `memblock_alloc_raw` are therefore one function here.

use core::iter::Peekable;

use super::error::MemblockError;
use super::{Memblock, Region};
use crate::addr::{PAGE_SIZE, PhysAddr, PhysRange, align_up};

/// Where a search begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// At the highest address allowed. The place it finds is the highest that fits.
    TopDown,
    /// At the lowest address allowed. The place it finds is the lowest that fits.
    BottomUp,
}

/// Where an allocation has to end at the latest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// At [`Memblock::current_limit`]: memory that is mapped by now.
    Accessible,
    /// At this address (exclusive).
    At(PhysAddr),
}

impl<'s> Memblock<'s> {
    /// The free ranges, ascending: what may be allocated, and what the page allocator gets in the
    /// end. Neighbouring memory regions give neighbouring ranges. O(n) for all of them.
    pub fn free_ranges(&self) -> impl Iterator<Item = PhysRange> {
        free(self.memory.regions(), self.reserved.regions())
    }

    /// The free parts of `window`, ascending. O(log n) and what the window holds.
    fn free_in(&self, window: PhysRange) -> impl Iterator<Item = PhysRange> {
        free(self.memory.within(window), self.reserved.within(window))
            .filter_map(move |free| free.intersection(&window))
    }

    /// Finds `size` free bytes at a multiple of `align` within `min..max`, and does not reserve
    /// them. `max` holds as given, be it above [`current_limit`](Self::current_limit).
    ///
    /// # Errors
    /// [`ZeroSize`](MemblockError::ZeroSize), [`BadAlign`](MemblockError::BadAlign), or
    /// [`NoSpace`](MemblockError::NoSpace).
    pub fn find_in_range(
        &self,
        size: u64,
        align: u64,
        min: PhysAddr,
        max: Limit,
    ) -> Result<PhysRange, MemblockError> {
        if size == 0 {
            return Err(MemblockError::ZeroSize);
        }
        if !align.is_power_of_two() {
            return Err(MemblockError::BadAlign(align));
        }
        let max = match max {
            Limit::Accessible => self.current_limit,
            Limit::At(max) => max,
        };
        self.search(size, align, min, max, &[]).ok_or(MemblockError::NoSpace {
            size,
            align,
            min,
            max,
        })
    }

    /// Allocates `size` bytes at a multiple of `align`, below the current limit.
    ///
    /// # Errors
    /// As [`find_in_range`](Self::find_in_range) and [`reserve`](Self::reserve).
    pub fn alloc(&mut self, size: u64, align: u64) -> Result<PhysRange, MemblockError> {
        self.alloc_from(size, align, PhysAddr::new(0))
    }

    /// Allocates `size` bytes at a multiple of `align`, below the current limit and from `min` up;
    /// where that cannot be, below `min`. Linux's `memblock_alloc_from`.
    ///
    /// # Errors
    /// As [`find_in_range`](Self::find_in_range) and [`reserve`](Self::reserve).
    pub fn alloc_from(
        &mut self,
        size: u64,
        align: u64,
        min: PhysAddr,
    ) -> Result<PhysRange, MemblockError> {
        self.alloc_preferring(size, align, min, Limit::Accessible)
    }

    /// Allocates `size` bytes at a multiple of `align`, below both `max` and the current limit;
    /// from `min` up where that can be, else below `min`. Linux's `memblock_alloc_try_nid`.
    ///
    /// # Errors
    /// As [`find_in_range`](Self::find_in_range) and [`reserve`](Self::reserve).
    pub fn alloc_preferring(
        &mut self,
        size: u64,
        align: u64,
        min: PhysAddr,
        max: Limit,
    ) -> Result<PhysRange, MemblockError> {
        let max = match max {
            Limit::Accessible => Limit::Accessible,
            Limit::At(max) => Limit::At(max.min(self.current_limit)),
        };
        let found = match self.find_in_range(size, align, min, max) {
            Err(MemblockError::NoSpace { .. }) => {
                self.find_in_range(size, align, PhysAddr::new(0), max)?
            }
            found => found?,
        };
        self.reserve(found)?;
        Ok(found)
    }

    /// Allocates `size` bytes at a multiple of `align` within `min..max`, and nowhere else. `max`
    /// holds as given, be it above the current limit: the bytes may not be mapped. Linux's
    /// `memblock_phys_alloc_range`.
    ///
    /// # Errors
    /// As [`find_in_range`](Self::find_in_range) and [`reserve`](Self::reserve).
    pub fn alloc_range(
        &mut self,
        size: u64,
        align: u64,
        min: PhysAddr,
        max: Limit,
    ) -> Result<PhysRange, MemblockError> {
        let found = self.find_in_range(size, align, min, max)?;
        self.reserve(found)?;
        Ok(found)
    }

    /// The search itself: the first fit in the search's direction that keeps clear of `avoid`,
    /// which is ascending and disjoint.
    pub(super) fn search(
        &self,
        size: u64,
        align: u64,
        min: PhysAddr,
        max: PhysAddr,
        avoid: &[PhysRange],
    ) -> Option<PhysRange> {
        let first_page_end = PhysAddr::new(PAGE_SIZE.into());
        let window = PhysRange::new(min.max(first_page_end), max);
        let mut fits = Subtract::new(self.free_in(window), avoid.iter().copied())
            .filter_map(|free| fit(free, size, align, self.direction));
        match self.direction {
            Direction::BottomUp => fits.next(),
            // The ranges ascend, so the last that fits is the one that a search downwards finds.
            Direction::TopDown => fits.last(),
        }
    }
}

/// What is allocatable of `memory` and not `reserved`.
fn free<'a>(memory: &'a [Region], reserved: &'a [Region]) -> impl Iterator<Item = PhysRange> {
    let memory = memory.iter().filter(|region| region.is_allocatable());
    Subtract::new(memory.map(|region| region.range), reserved.iter().map(|region| region.range))
}

/// The place for `size` bytes at a multiple of `align` that lies furthest to one end of `free`.
fn fit(free: PhysRange, size: u64, align: u64, direction: Direction) -> Option<PhysRange> {
    let (start, end) = (free.start().as_u64(), free.end().as_u64());
    let place = match direction {
        Direction::BottomUp => align_up(start, align)?,
        Direction::TopDown => end.checked_sub(size)? & !(align - 1),
    };
    let place = PhysRange::from_len(PhysAddr::new(place), size)?;
    free.contains_range(&place).then_some(place)
}

/// The parts of some ranges that no hole covers. Ranges and holes each ascend and are disjoint.
struct Subtract<R, H: Iterator> {
    ranges: R,
    holes: Peekable<H>,
    /// What is left of the range that a hole has cut.
    rest: Option<PhysRange>,
}

impl<R, H: Iterator<Item = PhysRange>> Subtract<R, H> {
    fn new(ranges: R, holes: H) -> Self {
        Self { ranges, holes: holes.peekable(), rest: None }
    }
}

impl<R, H> Iterator for Subtract<R, H>
where
    R: Iterator<Item = PhysRange>,
    H: Iterator<Item = PhysRange>,
{
    type Item = PhysRange;

    fn next(&mut self) -> Option<PhysRange> {
        loop {
            let range = match self.rest.take() {
                Some(rest) => rest,
                None => self.ranges.next()?,
            };
            while self.holes.next_if(|hole| hole.end() <= range.start()).is_some() {}
            let Some(hole) = self.holes.peek().filter(|hole| hole.start() < range.end()) else {
                return Some(range);
            };
            if hole.end() < range.end() {
                self.rest = Some(PhysRange::new(hole.end(), range.end()));
            }
            if range.start() < hole.start() {
                return Some(PhysRange::new(range.start(), hole.start()));
            }
        }
    }
}
