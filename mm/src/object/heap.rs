//! The kernel's own heap: memory by layout, for `alloc::` collections.
//!
//! What is allocated here never goes to a device, so it need not begin at a cache line: there are classes of 8,
//! 16, 32, 48 and 96 bytes. Some classes have the caches of `kmalloc`; all others have a cache of their own.
//! Who gives back says the layout, so that the cache is known without looking.
//!
//! Most of what a heap wastes are large free objects that somebody keeps by having another one of the slab. So
//! the heap's slabs are as small as can be, and its larger classes equal parts of them. What needs more than a
//! third of two pages has pages of its own, which go back at once.
//!
//! | bytes | a class is |
//! |---|---|
//! | 256, 336, 408, 512, 680, 816 | a 16th, 12th, 10th, 8th, 6th, 5th of a page |
//! | 1024, 1360, 2048 | a quarter, a third, a half of a page |
//! | 1632, 2728 | a fifth, a third of two pages |
//! | more | pages, a power of two of them |
//!
//! A class of a power of two bytes is aligned to itself, as pages are to their number; any other to 8 bytes.
#![expect(unsafe_code, reason = "the duties of who gives back memory by its address")]

use core::alloc::Layout;

use super::allocator::{CacheRef, SlabAllocator};
use super::error::{CreateError, NotGiven};
use super::geometry::MIN_ALIGN;
use crate::addr::{Order, VirtAddr};
use crate::platform::Lowmem;
use crate::zone::{AllocError, Gfp};

/// Objects of one size.
struct Class {
    size: u32,
    /// The name of the heap's own cache, and how many pages a slab of it has. If none, it is `kmalloc`'s.
    own: Option<(&'static str, u32)>,
}

const fn own(size: u32, name: &'static str) -> Class {
    Class { size, own: Some((name, 1)) }
}

const fn in_two_pages(size: u32, name: &'static str) -> Class {
    Class { size, own: Some((name, 2)) }
}

const fn shared(size: u32) -> Class {
    Class { size, own: None }
}

/// All classes, the smallest first.
const CLASSES: [Class; 19] = [
    own(8, "heap-8"),
    own(16, "heap-16"),
    own(32, "heap-32"),
    own(48, "heap-48"),
    shared(64),
    own(96, "heap-96"),
    shared(128),
    shared(192),
    shared(256),
    own(336, "heap-336"),
    own(408, "heap-408"),
    shared(512),
    own(680, "heap-680"),
    own(816, "heap-816"),
    own(1024, "heap-1024"),
    own(1360, "heap-1360"),
    in_two_pages(1632, "heap-1632"),
    own(2048, "heap-2048"),
    in_two_pages(2728, "heap-2728"),
];
/// The largest class; more comes from the page allocator.
pub const LARGEST: u32 = CLASSES[CLASSES.len() - 1].size;

/// Classes are multiples of the least alignment, each larger than the one before. Every power of two is one, since
/// a layout with an alignment is given the next.
const _: () = {
    let (mut index, mut below, mut power) = (0, 0, MIN_ALIGN);
    while index < CLASSES.len() {
        let size = CLASSES[index].size;
        assert!(size > below && size.is_multiple_of(MIN_ALIGN) && size <= power);
        if size == power {
            power *= 2;
        }
        below = size;
        index += 1;
    }
};

/// The heap.
pub struct Heap<'s, 'p, 'a, P: Lowmem, const CPUS: usize = 1> {
    slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
    /// For each number of 8 bytes the cache.
    by_size: [CacheRef<'s, CPUS>; (LARGEST / MIN_ALIGN) as usize],
}

/// What a class of this size is aligned to.
const fn align_of_class(size: u32) -> u32 {
    if size.is_power_of_two() { size } else { MIN_ALIGN }
}

/// Bytes that a layout takes of a class: so many that the class with room for them is aligned enough, as are the
/// pages if there is none.
#[inline(always)]
fn bytes_for(layout: Layout) -> usize {
    if layout.align() <= MIN_ALIGN as usize {
        layout.size()
    } else {
        layout.size().max(layout.align()).next_power_of_two()
    }
}

impl<'s, 'p, 'a, P: Lowmem, const CPUS: usize> Heap<'s, 'p, 'a, P, CPUS> {
    /// A heap with caches of its own for what `kmalloc` has none. May sleep.
    ///
    /// # Errors
    ///
    /// [`CreateError`].
    pub fn new(slabs: &'s SlabAllocator<'p, 'a, P, CPUS>) -> Result<Self, CreateError> {
        let mut by_size = [slabs.kmalloc_cache(LARGEST); _];
        for Class { size, own } in CLASSES.iter().rev() {
            let cache = match own {
                Some((name, pages)) => {
                    let order = Order::within_pages(*pages);
                    slabs.create_in_slabs_of(order, name, *size, align_of_class(*size))?
                }
                None => slabs.kmalloc_cache(*size),
            };
            // The smaller ones come next, and take their part of it.
            by_size[..(size / MIN_ALIGN) as usize].fill(cache);
        }
        Ok(Self { slabs, by_size })
    }

    /// The cache for so many bytes, which are not 0; none if pages are for them.
    #[inline(always)]
    fn cache(&self, bytes: usize) -> Option<CacheRef<'s, CPUS>> {
        self.by_size.get((bytes - 1) / MIN_ALIGN as usize).copied()
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
            Some(cache) => self.slabs.take_object(cache, gfp),
            None => self.alloc_pages(bytes, gfp),
        }
    }

    /// Out of line: objects do not pay for the registers that it needs.
    #[inline(never)]
    fn alloc_pages(&self, bytes: usize, gfp: Gfp) -> Result<VirtAddr, AllocError> {
        self.slabs.take_large(u32::try_from(bytes).unwrap_or(u32::MAX), gfp)
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
            Some(cache) => self.slabs.give_object(cache, object),
            None => self.slabs.kfree_with_care(object),
        }
    }
}
