//! The kernel's own heap: memory by layout, for `alloc::` collections.
//!
//! What is allocated here never goes to a device, so it need not begin at a cache line: there are classes of 8,
//! 16, 32, 48 and 96 bytes. And above 256 there is a class half-way between each two of `kmalloc`'s, whose
//! caches all others are. Who gives back says the layout, so that the cache is known without looking.
//!
//! | class | aligned to |
//! |---|---|
//! | a power of two | itself, at most a page |
//! | 48, 96, 192, 384 … 6144 | a third of itself |
#![expect(unsafe_code, reason = "the duties of who gives back memory by its address")]

use core::alloc::Layout;

use super::allocator::{CacheRef, SlabAllocator};
use super::error::{CreateError, NotGiven};
use super::flags::SlabFlags;
use super::kmalloc::{CLASSES, MAX_CACHED};
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::platform::Lowmem;
use crate::zone::{AllocError, Gfp};

/// The classes that the heap has for itself.
pub const OWN: [u32; 10] = [8, 16, 32, 48, 96, 384, 768, 1536, 3072, 6144];
const NAMES: [&str; OWN.len()] = [
    "heap-8",
    "heap-16",
    "heap-32",
    "heap-48",
    "heap-96",
    "heap-384",
    "heap-768",
    "heap-1536",
    "heap-3072",
    "heap-6144",
];
/// Up to this size the class is looked up by each 8 bytes.
const LOOKED_UP: usize = 256;

/// The heap.
pub struct Heap<'s, 'p, 'a, P: Lowmem, const CPUS: usize = 1> {
    slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
    /// For each number of 8 bytes the cache.
    by_size: [CacheRef<'s, CPUS>; LOOKED_UP / 8],
    /// The larger ones, two for each power of two: 384, 512, 768 … 8192.
    large: [CacheRef<'s, CPUS>; 10],
}

/// What a class of this size is aligned to.
const fn align_of_class(size: u32) -> u32 {
    let align = 1 << size.trailing_zeros();
    if align < PAGE_SIZE { align } else { PAGE_SIZE }
}

/// Bytes that a layout takes of a class: so many that the class with room for them is aligned enough.
#[inline(always)]
fn bytes_for(layout: Layout) -> usize {
    // Of a class that is no power of two, an alignment above that of its size's half can not be had.
    if layout.align() <= 8 {
        layout.size()
    } else {
        layout.size().max(layout.align()).next_multiple_of(layout.align()).next_power_of_two()
    }
}

impl<'s, 'p, 'a, P: Lowmem, const CPUS: usize> Heap<'s, 'p, 'a, P, CPUS> {
    /// A heap with caches of its own for what `kmalloc` has none. May sleep.
    ///
    /// # Errors
    ///
    /// [`CreateError`].
    pub fn new(slabs: &'s SlabAllocator<'p, 'a, P, CPUS>) -> Result<Self, CreateError> {
        let mut classes: [CacheRef<'s, CPUS>; OWN.len() + CLASSES.len()] =
            [slabs.kmalloc_cache(0); OWN.len() + CLASSES.len()];
        let mut sizes = [0; OWN.len() + CLASSES.len()];
        let own = OWN.iter().map(|size| (*size, None));
        let shared = CLASSES.iter().enumerate().map(|(class, size)| (*size, Some(class)));
        for ((place, size_place), (size, class)) in
            classes.iter_mut().zip(&mut sizes).zip(own.chain(shared))
        {
            *place = match class {
                Some(class) => slabs.kmalloc_cache(class),
                None => {
                    let index = OWN.iter().position(|own| *own == size).unwrap_or_default();
                    let flags = SlabFlags::SLAB_NO_MERGE;
                    slabs.create(NAMES[index], size, align_of_class(size), flags, None)?
                }
            };
            *size_place = size;
        }
        let smallest = |bytes: u32| {
            let fits = |(size, _): &(&u32, &CacheRef<'s, CPUS>)| **size >= bytes;
            let found = sizes.iter().zip(&classes).filter(fits).min_by_key(|(size, _)| **size);
            found.map_or(slabs.kmalloc_cache(CLASSES.len() - 1), |(_, cache)| *cache)
        };
        Ok(Self {
            slabs,
            by_size: core::array::from_fn(|index| smallest(8 * (index as u32 + 1))),
            large: core::array::from_fn(|index| {
                let half = (256 << (index / 2)) / 2;
                smallest(half * if index % 2 == 0 { 3 } else { 4 })
            }),
        })
    }

    /// The cache for so many bytes, which are not 0.
    #[inline(always)]
    fn cache(&self, bytes: usize) -> Option<CacheRef<'s, CPUS>> {
        let last = bytes - 1;
        match self.by_size.get(last / 8) {
            Some(cache) => Some(cache),
            None if bytes <= MAX_CACHED as usize => {
                // 257 to 384 bytes are the first, 385 to 512 the second.
                let power = last.ilog2();
                let half = last >> (power - 1) & 1;
                self.large.get(2 * (power as usize - 8) + half).copied()
            }
            None => None,
        }
    }

    /// Takes memory of this layout, which has bytes. Any context if `gfp` has no
    /// `__GFP_DIRECT_RECLAIM`.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; [`too_large`](AllocError::too_large) if size or alignment is above 4 MiB.
    pub fn alloc(&self, layout: Layout, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        let bytes = bytes_for(layout);
        match self.cache(bytes) {
            Some(cache) if layout.align() <= PAGE_SIZE as usize => {
                self.slabs.take_object(cache, gfp)
            }
            _ => {
                // Pages are aligned to their number.
                let size = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.slabs.kmalloc(size.max(MAX_CACHED + 1), gfp)
            }
        }
    }

    /// Gives back memory of this layout.
    ///
    /// # Errors
    ///
    /// [`NotGiven`] when there is none. Nothing has changed then, and the fault has been reported.
    ///
    /// # Safety
    ///
    /// 1. The memory came from [`alloc`](Self::alloc) with the same layout, and was not given back since.
    /// 2. Nobody reads or writes it from now on.
    pub unsafe fn free(&self, object: VirtAddr, layout: Layout) -> Result<(), NotGiven> {
        match self.cache(bytes_for(layout)) {
            Some(cache) if layout.align() <= PAGE_SIZE as usize => {
                self.slabs.give_object(cache, object)
            }
            // SAFETY: 1, 2. the caller's.
            _ => unsafe { self.slabs.kfree(object) },
        }
    }
}
