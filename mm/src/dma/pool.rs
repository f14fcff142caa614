//! `DmaPool`: small blocks of coherent memory, such as the descriptors of a controller. Linux's `dma_pool`.
//!
//! A page of coherent memory is cut into blocks. None crosses a multiple of the boundary, which controllers have that
//! can not carry into the upper bits of an address:
//!
//! ```text
//! page │ block │ block │ block │  │ block │ block │ block │  │
//!      0                          boundary                   2 × boundary
//! ```
//!
//! Which blocks are free is written down in ordinary memory, a bit each: a device that runs wild breaks no list, and a
//! free of what is no block, or is free, is found out and changes nothing. Pages stay until the pool ends.
//!
//! A block is given back by [`DmaPool::free`], which is with the other calls that name memory by its address, in
//! [`raw`](super::raw).
//!
//! Context: any if `gfp` has no `__GFP_DIRECT_RECLAIM`; a free is for any context. One lock, under which nothing
//! foreign is called.

use core::fmt;
use core::mem;

use super::address::DmaAddr;
use super::coherent::CoherentBuffer;
use super::device::Device;
use super::error::{CoherentError, DmaFault};
use super::machine::DmaMachine;
use super::memory::DmaMemory;
use super::streaming::bytes_at;
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::platform::{Lowmem, Report};
use crate::sync::{AtomicU32, Lock, Ordering::Relaxed};
use crate::zone::Gfp;

/// The smallest block, and the smallest alignment, in bytes.
const LEAST: u32 = 8;
/// Words of bits for the blocks of a page.
const WORDS: usize = (PAGE_SIZE / LEAST / 32) as usize;
const BUCKETS: usize = 16;

/// The words of a page's books.
const NEXT: usize = 0;
const NEXT_PARTIAL: usize = 1;
const VIRT: usize = 2;
const DMA: usize = 3;
const USED: usize = 4;
const BITS: usize = 5;
const PAGE: usize = BITS + WORDS;

/// Sizes that make no pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadPool {
    /// Blocks of no byte, or larger than the DMA region.
    Size {
        /// The size.
        bytes: u32,
    },
    /// An alignment that is no power of two, or more than a page.
    Align {
        /// The alignment.
        align: u32,
    },
    /// A boundary that is no power of two, or smaller than a block.
    Boundary {
        /// The boundary.
        boundary: u32,
        /// The size of a block.
        bytes: u32,
    },
}

impl fmt::Display for BadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { bytes } => write!(f, "a DMA pool of blocks of {bytes} bytes"),
            Self::Align { align } => write!(
                f,
                "a DMA pool with an alignment of {align}: a power of two up to {PAGE_SIZE} was expected"
            ),
            Self::Boundary { boundary, bytes } => write!(
                f,
                "a DMA pool with a boundary of {boundary} for blocks of {bytes} bytes: a power of two that \
                 is no less was expected"
            ),
        }
    }
}

impl core::error::Error for BadPool {}

/// How blocks lie in their pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shape {
    /// Bytes from one block to the next.
    stride: u32,
    /// Bytes of a page of the pool: one page of memory, or as many as a block needs.
    page: u32,
    /// No block crosses a multiple of it; `page` at most.
    boundary: u32,
    /// Blocks between two multiples of it.
    in_boundary: u32,
    /// Blocks of a page.
    blocks: u32,
}

impl Shape {
    fn new(bytes: u32, align: u32, boundary: Option<u32>) -> Result<Self, BadPool> {
        let align = if align == 0 { LEAST } else { align.max(LEAST) };
        if !align.is_power_of_two() || align > PAGE_SIZE {
            return Err(BadPool::Align { align });
        }
        let stride = bytes
            .checked_next_multiple_of(align)
            .filter(|stride| *stride > 0 && *stride <= super::region::MAX_PAGES * PAGE_SIZE);
        let stride = stride.ok_or(BadPool::Size { bytes })?;
        let page = stride.next_multiple_of(PAGE_SIZE);
        let boundary = match boundary {
            None => page,
            Some(boundary) if !boundary.is_power_of_two() || boundary < stride => {
                return Err(BadPool::Boundary { boundary, bytes });
            }
            Some(boundary) => boundary.min(page),
        };
        let in_boundary = boundary / stride;
        // A page of several is one block: it begins at a multiple of its size's next power of two, or of 1 MiB.
        let blocks = if page > PAGE_SIZE { 1 } else { page / boundary * in_boundary };
        Ok(Self { stride, page, boundary, in_boundary, blocks })
    }

    /// Where a block begins in its page.
    const fn offset(&self, block: u32) -> u32 {
        block / self.in_boundary * self.boundary + block % self.in_boundary * self.stride
    }

    /// The block that begins there.
    const fn block_at(&self, offset: u32) -> Option<u32> {
        let (window, inside) = (offset / self.boundary, offset % self.boundary);
        let block = inside / self.stride;
        if inside % self.stride == 0 && block < self.in_boundary {
            let number = window * self.in_boundary + block;
            if number < self.blocks { Some(number) } else { None }
        } else {
            None
        }
    }
}

/// A block of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolBlock {
    /// Where the CPU sees it.
    pub virt: VirtAddr,
    /// Where the device does.
    pub dma: DmaAddr,
}

/// The pages, by the addresses of their books; 0 is none.
struct Pages {
    /// All of them, by their addresses.
    buckets: [u32; BUCKETS],
    /// Those with a free block.
    partial: u32,
    used: u32,
    pages: u32,
}

/// Blocks of coherent memory of one size, for one device.
pub struct DmaPool<'d, 's, 'a, P: Lowmem, M: DmaMachine, const CPUS: usize = 1> {
    memory: &'d DmaMemory<'s, 'a, P, M, CPUS>,
    device: &'d Device,
    name: &'d str,
    shape: Shape,
    pages: Lock<Pages>,
}

/// The bucket of a page.
const fn bucket(virt: u32) -> usize {
    (virt / PAGE_SIZE) as usize % BUCKETS
}

impl<'d, 's, 'a, P: Lowmem, M: DmaMachine, const CPUS: usize> DmaPool<'d, 's, 'a, P, M, CPUS> {
    /// A pool without a page yet. Blocks of `bytes` bytes, 8 at least, begin at multiples of `align`, 8 at least (0 for
    /// that), and none crosses a multiple of `boundary`, if there is one. Linux's `dma_pool_create`.
    ///
    /// # Errors
    ///
    /// [`BadPool`].
    pub fn new(
        memory: &'d DmaMemory<'s, 'a, P, M, CPUS>,
        device: &'d Device,
        name: &'d str,
        bytes: u32,
        align: u32,
        boundary: Option<u32>,
    ) -> Result<Self, BadPool> {
        let shape = Shape::new(bytes, align, boundary)?;
        let pages = Pages { buckets: [0; BUCKETS], partial: 0, used: 0, pages: 0 };
        Ok(Self { memory, device, name, shape, pages: Lock::new(pages) })
    }

    /// A block, which holds whatever it held, unless `gfp` has `__GFP_ZERO`. Linux's `dma_pool_alloc`.
    ///
    /// # Errors
    ///
    /// [`CoherentError`] when all blocks are out, and there is no memory for one more page.
    pub fn alloc(&self, gfp: Gfp) -> Result<PoolBlock, CoherentError> {
        loop {
            if let Some(block) = self.with_pages(|pages| self.take(pages)) {
                if gfp.wants_zero() {
                    self.memory.machine.zero(bytes_at(block.virt, self.shape.stride));
                }
                return Ok(block);
            }
            self.add_page(gfp)?;
        }
    }

    /// A zeroed block. Linux's `dma_pool_zalloc`.
    ///
    /// # Errors
    ///
    /// As [`alloc`](Self::alloc).
    pub fn zalloc(&self, gfp: Gfp) -> Result<PoolBlock, CoherentError> {
        self.alloc(gfp | Gfp::__GFP_ZERO)
    }

    /// Gives back a block.
    pub(super) fn give_back(&self, block: PoolBlock) -> Result<(), DmaFault> {
        let result = self.with_pages(|pages| self.give(pages, block));
        result.or_else(|fault| self.fault(fault))
    }

    /// How many blocks are out, and how many pages the pool has.
    pub fn usage(&self) -> (u32, u32) {
        self.with_pages(|pages| (pages.used, pages.pages))
    }

    /// Ends the pool. Linux's `dma_pool_destroy`.
    ///
    /// # Errors
    ///
    /// [`DmaFault::PoolBusy`] when blocks are out: their pages are lost, and it has been reported.
    pub fn destroy(self) -> Result<(), DmaFault> {
        self.end()
    }

    fn words(&self, at: u32) -> &[AtomicU32; PAGE] {
        self.memory.words::<PAGE>(at)
    }

    fn with_pages<R>(&self, act: impl FnOnce(&mut Pages) -> R) -> R {
        let platform = self.memory.pages.platform();
        let _masked = platform.mask();
        let mut pages = self.pages.lock(|| platform.contended());
        act(&mut pages)
    }

    #[cold]
    fn fault(&self, fault: DmaFault) -> Result<(), DmaFault> {
        self.memory.pages.platform().report(&Report::Dma { device: self.name, fault });
        Err(fault)
    }

    fn take(&self, pages: &mut Pages) -> Option<PoolBlock> {
        let at = pages.partial;
        if at == 0 {
            return None;
        }
        let words = self.words(at);
        let get = |word: usize| words[word].load(Relaxed);
        let (index, taken) =
            (BITS..PAGE).map(|index| (index, get(index))).find(|(_, word)| *word != u32::MAX)?;
        let bit = taken.trailing_ones();
        words[index].store(taken | 1 << bit, Relaxed);
        let used = get(USED) + 1;
        words[USED].store(used, Relaxed);
        pages.used += 1;
        if used == self.shape.blocks {
            pages.partial = get(NEXT_PARTIAL);
        }
        let offset = self.shape.offset((index - BITS) as u32 * 32 + bit);
        let virt = VirtAddr::new(get(VIRT) + offset);
        Some(PoolBlock { virt, dma: DmaAddr::new(get(DMA).wrapping_add(offset)) })
    }

    fn give(&self, pages: &mut Pages, block: PoolBlock) -> Result<(), DmaFault> {
        let PoolBlock { virt, dma } = block;
        let no_block = DmaFault::NoBlock { virt, dma };
        // A block of several pages begins where its page does.
        let start = virt.as_u32() & !(PAGE_SIZE - 1);
        let mut at = pages.buckets[bucket(start)];
        while at != 0 && self.words(at)[VIRT].load(Relaxed) != start {
            at = self.words(at)[NEXT].load(Relaxed);
        }
        if at == 0 {
            return Err(no_block);
        }
        let words = self.words(at);
        let offset = virt.as_u32() - start;
        let number = self.shape.block_at(offset).ok_or(no_block)?;
        if words[DMA].load(Relaxed).wrapping_add(offset) != dma.as_u32() {
            return Err(no_block);
        }
        let (word, bit) = (&words[BITS + (number / 32) as usize], 1 << (number % 32));
        let taken = word.load(Relaxed);
        if taken & bit == 0 {
            return Err(DmaFault::FreeBlock { virt });
        }
        word.store(taken & !bit, Relaxed);
        let used = words[USED].load(Relaxed);
        words[USED].store(used - 1, Relaxed);
        pages.used -= 1;
        if used == self.shape.blocks {
            words[NEXT_PARTIAL].store(pages.partial, Relaxed);
            pages.partial = at;
        }
        Ok(())
    }

    fn add_page(&self, gfp: Gfp) -> Result<(), CoherentError> {
        let plain = gfp.difference(Gfp::__GFP_ZERO);
        let bytes = self.shape.page;
        let at = self
            .memory
            .make_words::<PAGE>(plain)
            .map_err(|error| CoherentError::NoMemory { bytes, error })?;
        let buffer = match self.memory.alloc_coherent_raw(self.device, bytes, plain) {
            Ok(buffer) => buffer,
            Err(error) => {
                self.memory.drop_words(at);
                return Err(error);
            }
        };
        let words = self.words(at);
        words[VIRT].store(buffer.virt.as_u32(), Relaxed);
        words[DMA].store(buffer.dma.as_u32(), Relaxed);
        for (index, word) in words[BITS..].iter().enumerate() {
            // The bits of blocks that there are not are set.
            let blocks = self.shape.blocks.saturating_sub(index as u32 * 32);
            word.store(u32::MAX.checked_shl(blocks).unwrap_or(0), Relaxed);
        }
        self.with_pages(|pages| {
            let first = &mut pages.buckets[bucket(buffer.virt.as_u32())];
            words[NEXT].store(mem::replace(first, at), Relaxed);
            words[NEXT_PARTIAL].store(mem::replace(&mut pages.partial, at), Relaxed);
            pages.pages += 1;
        });
        Ok(())
    }

    fn end(&self) -> Result<(), DmaFault> {
        let blocks = self.usage().0;
        while let Some(at) = self.with_pages(|pages| {
            let first = pages.buckets.iter_mut().find(|first| **first != 0)?;
            let next = self.words(*first)[NEXT].load(Relaxed);
            Some(mem::replace(first, next))
        }) {
            let get = |word: usize| self.words(at)[word].load(Relaxed);
            let buffer = CoherentBuffer {
                virt: VirtAddr::new(get(VIRT)),
                dma: DmaAddr::new(get(DMA)),
                bytes: self.shape.page,
            };
            if get(USED) == 0 {
                // What can go wrong has been reported.
                let _ = self.memory.free_coherent(self.device, buffer);
            }
            self.memory.drop_words(at);
        }
        self.with_pages(|pages| (pages.used, pages.pages, pages.partial) = (0, 0, 0));
        if blocks == 0 { Ok(()) } else { self.fault(DmaFault::PoolBusy { blocks }) }
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> Drop for DmaPool<'_, '_, '_, P, M, CPUS> {
    fn drop(&mut self) {
        // What can go wrong has been reported.
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_block_crosses_a_boundary(
            bytes in 1_u32..5000, align_shift in 0_u32..13, boundary in proptest::option::of(3_u32..16),
        ) {
            let (align, boundary) = (1 << align_shift, boundary.map(|shift| 1 << shift));
            let Ok(shape) = Shape::new(bytes, align, boundary) else {
                // Only for this reason.
                let stride = bytes.next_multiple_of(align.max(LEAST));
                prop_assert!(boundary.is_some_and(|boundary| boundary < stride));
                return Ok(());
            };
            prop_assert!(shape.blocks > 0 && shape.blocks as usize <= WORDS * 32);
            let mut end = 0;
            for block in 0..shape.blocks {
                let start = shape.offset(block);
                prop_assert!(start >= end && start.is_multiple_of(align));
                end = start + bytes;
                prop_assert!(end <= shape.page);
                if let Some(boundary) = boundary {
                    prop_assert_eq!(start / boundary, (end - 1) / boundary);
                }
                prop_assert_eq!(shape.block_at(start), Some(block));
                prop_assert_eq!(shape.block_at(start + 1), None);
            }
            // No block more would fit.
            let starts = (0..shape.page).filter(|at| shape.block_at(*at).is_some());
            prop_assert_eq!(starts.count() as u32, shape.blocks);
        }
    }

    #[test]
    fn sizes_that_make_no_pool() {
        assert_eq!(Shape::new(0, 0, None), Err(BadPool::Size { bytes: 0 }));
        assert_eq!(Shape::new(u32::MAX, 0, None), Err(BadPool::Size { bytes: u32::MAX }));
        assert_eq!(Shape::new(8, 24, None), Err(BadPool::Align { align: 24 }));
        assert_eq!(Shape::new(8, 8192, None), Err(BadPool::Align { align: 8192 }));
        for boundary in [0, 64, 100, 96] {
            let error = BadPool::Boundary { boundary, bytes: 65 };
            assert_eq!(Shape::new(65, 0, Some(boundary)), Err(error));
        }
        assert_eq!(Shape::new(1, 0, None).unwrap().blocks, 512);
        assert_eq!(Shape::new(5000, 0, None).unwrap().blocks, 1);
    }
}
