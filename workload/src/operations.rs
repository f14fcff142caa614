//! The table of operations. A new one is one row; what it asks of an allocator is a [`What`].

use crate::Shape;

/// One measured operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What it is called, everywhere.
    pub name: &'static str,
    /// What is taken and given back.
    pub what: What,
    /// In which order.
    pub shape: Shape,
    /// How many pairs are measured.
    pub pairs: u32,
}

/// What is taken and given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A block of 2^`order` pages.
    Pages {
        /// For which use.
        flags: Flags,
        /// The block's size.
        order: u8,
    },
    /// A page by its address in the linear map.
    Address,
    /// So many pages in one call.
    Bulk {
        /// How many.
        pages: usize,
    },
    /// So many bytes.
    Bytes {
        /// How many.
        size: u32,
        /// Zeroed?
        zeroed: bool,
    },
    /// A number of bytes that is known when the caller is compiled.
    ConstBytes {
        /// Which of the two there are: 64, or 1024.
        size: u32,
    },
    /// An object of a cache.
    Object {
        /// Its size in bytes.
        size: u32,
    },
    /// So many objects of a cache in one call.
    Objects {
        /// Their size in bytes.
        size: u32,
    },
    /// An element of a pool over a cache.
    PoolObject {
        /// Its size in bytes.
        size: u32,
    },
    /// An element of a pool of pages.
    PoolPage,
    /// A mapping of a frame that everybody may use.
    Kmap {
        /// Where the frames are.
        memory: Memory,
        /// How many frames take turns.
        frames: u32,
    },
    /// A mapping of a frame for one CPU.
    KmapLocal {
        /// Where the frame is.
        memory: Memory,
    },
    /// A page of HighMem is zeroed; nothing is given back.
    ClearPage,
    /// A page of HighMem is copied to another one; nothing is given back.
    CopyPage,
    /// An area of so many pages, with pages of its own.
    Vmalloc {
        /// How many.
        pages: u32,
    },
    /// An area for so many pages that somebody has.
    Vmap {
        /// How many.
        pages: u32,
    },
    /// A mapping of a device's memory, aligned to its size.
    Ioremap {
        /// How many bytes.
        bytes: u32,
    },
    /// Memory that CPUs and a device look at together. The device does not look into the caches.
    Coherent {
        /// How many bytes.
        bytes: u32,
        /// For which use.
        flags: Flags,
    },
    /// A buffer in lowmem that is a device's for a while, which reads it.
    Streaming {
        /// How many bytes.
        bytes: u32,
    },
}

/// Where a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Where every frame has an address.
    Lowmem,
    /// Where none has.
    HighMem,
}

impl What {
    /// Is it bytes, and not whole pages?
    #[must_use]
    pub const fn is_bytes(self) -> bool {
        matches!(
            self,
            Self::Bytes { .. }
                | Self::ConstBytes { .. }
                | Self::Object { .. }
                | Self::Objects { .. }
                | Self::PoolObject { .. }
        )
    }
}

/// The GFP flags of a request, by Linux's names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flags {
    /// `GFP_KERNEL`
    Kernel,
    /// `GFP_ATOMIC`
    Atomic,
    /// `GFP_NOWAIT`
    Nowait,
    /// `GFP_KERNEL | __GFP_DMA`
    Dma,
    /// `GFP_KERNEL | __GFP_HIGHMEM`
    Highmem,
    /// `GFP_HIGHUSER_MOVABLE`
    HighuserMovable,
    /// `GFP_KERNEL | __GFP_ZERO`
    Zero,
}

const fn pages(name: &'static str, flags: Flags, order: u8, shape: Shape, pairs: u32) -> Operation {
    Operation { name, what: What::Pages { flags, order }, shape, pairs }
}

const fn kmalloc(name: &'static str, size: u32, shape: Shape, pairs: u32) -> Operation {
    Operation { name, what: What::Bytes { size, zeroed: false }, shape, pairs }
}

const fn kzalloc(name: &'static str, size: u32, pairs: u32) -> Operation {
    Operation { name, what: What::Bytes { size, zeroed: true }, shape: Repeat, pairs }
}

const fn constant(name: &'static str, size: u32) -> Operation {
    Operation { name, what: What::ConstBytes { size }, shape: Repeat, pairs: 5000 }
}

const fn cache(name: &'static str, size: u32, shape: Shape, pairs: u32) -> Operation {
    Operation { name, what: What::Object { size }, shape, pairs }
}

const fn bulk(name: &'static str, size: u32) -> Operation {
    Operation { name, what: What::Objects { size }, shape: Repeat, pairs: 500 }
}

const fn kmap(name: &'static str, memory: Memory, frames: u32, shape: Shape) -> Operation {
    let pairs = if frames == 1 { 3000 } else { 4096 };
    Operation { name, what: What::Kmap { memory, frames }, shape, pairs }
}

const fn kmap_local(name: &'static str, memory: Memory) -> Operation {
    Operation { name, what: What::KmapLocal { memory }, shape: Repeat, pairs: 3000 }
}

const fn page(name: &'static str, what: What) -> Operation {
    Operation { name, what, shape: Repeat, pairs: 1000 }
}

const fn vmalloc(name: &'static str, pages: u32, shape: Shape, pairs: u32) -> Operation {
    Operation { name, what: What::Vmalloc { pages }, shape, pairs }
}

const fn ioremap(name: &'static str, bytes: u32, pairs: u32) -> Operation {
    Operation { name, what: What::Ioremap { bytes }, shape: Repeat, pairs }
}

const fn coherent(name: &'static str, bytes: u32, flags: Flags, pairs: u32) -> Operation {
    Operation { name, what: What::Coherent { bytes, flags }, shape: Repeat, pairs }
}

use Flags::{Atomic, Dma, Highmem, HighuserMovable, Kernel, Nowait, Zero};
use Memory::{HighMem, Lowmem};
use Shape::{Batch, Churn, Random, Repeat, Reverse, Scatter};

/// All operations, in the order in which they are measured. The pairs are as many as Linux's were.
pub const OPERATIONS: &[Operation] = &[
    pages("page_o0_KERNEL", Kernel, 0, Repeat, 5000),
    pages("page_o1_KERNEL", Kernel, 1, Repeat, 5000),
    pages("page_o2_KERNEL", Kernel, 2, Repeat, 5000),
    pages("page_o3_KERNEL", Kernel, 3, Repeat, 5000),
    pages("page_o4_KERNEL", Kernel, 4, Repeat, 1000),
    pages("page_o5_KERNEL", Kernel, 5, Repeat, 1000),
    pages("page_o9_KERNEL", Kernel, 9, Repeat, 200),
    pages("page_o10_KERNEL", Kernel, 10, Repeat, 200),
    pages("page_o0_ATOMIC", Atomic, 0, Repeat, 5000),
    pages("page_o0_NOWAIT", Nowait, 0, Repeat, 5000),
    pages("page_o0_DMA", Dma, 0, Repeat, 5000),
    pages("page_o0_HIGHMEM", Highmem, 0, Repeat, 5000),
    pages("page_o0_HIGHUSER_MOVABLE", HighuserMovable, 0, Repeat, 5000),
    pages("page_o0_ZERO", Zero, 0, Repeat, 3000),
    pages("page_o0_KERNEL_batch256", Kernel, 0, Batch(256), 7680),
    pages("page_o0_KERNEL_batch4096", Kernel, 0, Batch(4096), 20480),
    pages("page_o0_HIGHMEM_batch256", Highmem, 0, Batch(256), 7680),
    pages("page_o1_KERNEL_batch256", Kernel, 1, Batch(256), 7680),
    pages("page_o3_KERNEL_batch64", Kernel, 3, Batch(64), 1920),
    pages("page_o3_KERNEL_batch256", Kernel, 3, Batch(256), 2560),
    pages("page_o5_KERNEL_batch64", Kernel, 5, Batch(64), 1280),
    pages("page_o9_KERNEL_batch16", Kernel, 9, Batch(16), 320),
    pages("page_o10_KERNEL_batch8", Kernel, 10, Batch(8), 160),
    pages("page_o0_KERNEL_random1024", Kernel, 0, Random(1024), 10_000),
    pages("page_o0_HIGHMEM_random1024", Highmem, 0, Random(1024), 10_000),
    pages("page_o1_KERNEL_random1024", Kernel, 1, Random(1024), 10_000),
    pages("page_o3_KERNEL_random1024", Kernel, 3, Random(1024), 10_000),
    pages("page_o5_KERNEL_random256", Kernel, 5, Random(256), 5000),
    pages("page_o9_KERNEL_random16", Kernel, 9, Random(16), 1000),
    pages("page_o10_KERNEL_random8", Kernel, 10, Random(8), 1000),
    pages("page_o0_KERNEL_churn4096", Kernel, 0, Churn(4096), 10_000),
    pages("page_o3_KERNEL_churn1024", Kernel, 3, Churn(1024), 10_000),
    Operation { name: "page_bulk32", what: What::Bulk { pages: 32 }, shape: Repeat, pairs: 500 },
    Operation { name: "get_free_page", what: What::Address, shape: Repeat, pairs: 5000 },
    kmalloc("kmalloc_8", 8, Repeat, 5000),
    kmalloc("kmalloc_32", 32, Repeat, 5000),
    kmalloc("kmalloc_64", 64, Repeat, 5000),
    kmalloc("kmalloc_96", 96, Repeat, 5000),
    kmalloc("kmalloc_128", 128, Repeat, 5000),
    kmalloc("kmalloc_192", 192, Repeat, 5000),
    kmalloc("kmalloc_256", 256, Repeat, 5000),
    kmalloc("kmalloc_512", 512, Repeat, 5000),
    kmalloc("kmalloc_1024", 1024, Repeat, 5000),
    kmalloc("kmalloc_2048", 2048, Repeat, 5000),
    kmalloc("kmalloc_4096", 4096, Repeat, 1000),
    kmalloc("kmalloc_8192", 8192, Repeat, 1000),
    kmalloc("kmalloc_16384", 16384, Repeat, 1000),
    kmalloc("kmalloc_65536", 65536, Repeat, 1000),
    constant("kmalloc_const_64", 64),
    constant("kmalloc_const_1024", 1024),
    kmalloc("kmalloc_8_batch1024", 8, Batch(1024), 10240),
    kmalloc("kmalloc_32_batch1024", 32, Batch(1024), 10240),
    kmalloc("kmalloc_64_batch1024", 64, Batch(1024), 10240),
    kmalloc("kmalloc_96_batch1024", 96, Batch(1024), 10240),
    kmalloc("kmalloc_128_batch1024", 128, Batch(1024), 10240),
    kmalloc("kmalloc_192_batch1024", 192, Batch(1024), 10240),
    kmalloc("kmalloc_256_batch1024", 256, Batch(1024), 10240),
    kmalloc("kmalloc_512_batch1024", 512, Batch(1024), 10240),
    kmalloc("kmalloc_1024_batch1024", 1024, Batch(1024), 10240),
    kmalloc("kmalloc_2048_batch1024", 2048, Batch(1024), 4096),
    kmalloc("kmalloc_4096_batch1024", 4096, Batch(1024), 4096),
    kmalloc("kmalloc_8192_batch64", 8192, Batch(64), 256),
    kmalloc("kmalloc_16384_batch64", 16384, Batch(64), 256),
    kmalloc("kmalloc_65536_batch64", 65536, Batch(64), 256),
    kzalloc("kzalloc_64", 64, 5000),
    kzalloc("kzalloc_4096", 4096, 2000),
    cache("kmem_cache_24_b1", 24, Repeat, 5000),
    cache("kmem_cache_24_b64", 24, Batch(64), 6400),
    cache("kmem_cache_24_b1024", 24, Batch(1024), 10240),
    cache("kmem_cache_24_b1024_reverse_free", 24, Reverse(1024), 10240),
    cache("kmem_cache_24_b1024_scatter_free", 24, Scatter(1024), 10240),
    bulk("kmem_cache_24_bulk32", 24),
    cache("kmem_cache_64_b1", 64, Repeat, 5000),
    cache("kmem_cache_64_b64", 64, Batch(64), 6400),
    cache("kmem_cache_64_b1024", 64, Batch(1024), 10240),
    cache("kmem_cache_64_b1024_reverse_free", 64, Reverse(1024), 10240),
    cache("kmem_cache_64_b1024_scatter_free", 64, Scatter(1024), 10240),
    bulk("kmem_cache_64_bulk32", 64),
    cache("kmem_cache_200_b1", 200, Repeat, 5000),
    cache("kmem_cache_200_b64", 200, Batch(64), 6400),
    cache("kmem_cache_200_b1024", 200, Batch(1024), 10240),
    cache("kmem_cache_200_b1024_reverse_free", 200, Reverse(1024), 10240),
    cache("kmem_cache_200_b1024_scatter_free", 200, Scatter(1024), 10240),
    bulk("kmem_cache_200_bulk32", 200),
    cache("kmem_cache_1024_b1", 1024, Repeat, 5000),
    cache("kmem_cache_1024_b64", 1024, Batch(64), 6400),
    cache("kmem_cache_1024_b1024", 1024, Batch(1024), 10240),
    cache("kmem_cache_1024_b1024_reverse_free", 1024, Reverse(1024), 10240),
    cache("kmem_cache_1024_b1024_scatter_free", 1024, Scatter(1024), 10240),
    bulk("kmem_cache_1024_bulk32", 1024),
    Operation {
        name: "mempool_slab256",
        what: What::PoolObject { size: 256 },
        shape: Repeat,
        pairs: 5000,
    },
    Operation { name: "mempool_page", what: What::PoolPage, shape: Repeat, pairs: 5000 },
    kmap("kmap_same_page", HighMem, 1, Repeat),
    kmap("kmap_1024_pages_round", HighMem, 1024, Repeat),
    kmap("kmap_batch256", HighMem, 256, Batch(256)),
    kmap("kmap_batch256_of_1024", HighMem, 1024, Batch(256)),
    kmap("kmap_lowmem_page", Lowmem, 1, Repeat),
    kmap_local("kmap_local_page", HighMem),
    kmap_local("kmap_local_lowmem_page", Lowmem),
    page("clear_highpage", What::ClearPage),
    page("copy_highpage", What::CopyPage),
    vmalloc("vmalloc_1p", 1, Repeat, 1024),
    vmalloc("vmalloc_4p", 4, Repeat, 1024),
    vmalloc("vmalloc_16p", 16, Repeat, 1024),
    vmalloc("vmalloc_64p", 64, Repeat, 512),
    vmalloc("vmalloc_256p", 256, Repeat, 256),
    vmalloc("vmalloc_1p_batch256", 1, Batch(256), 2560),
    // A random one of so many is given back and taken anew: neither its place nor its record is at hand.
    vmalloc("vmalloc_1p_live10", 1, Random(10), 4096),
    vmalloc("vmalloc_1p_live100", 1, Random(100), 4096),
    vmalloc("vmalloc_1p_live1000", 1, Random(1000), 4096),
    vmalloc("vmalloc_1p_live15000", 1, Random(15_000), 4096),
    Operation { name: "vmap_16p", what: What::Vmap { pages: 16 }, shape: Repeat, pairs: 1000 },
    ioremap("ioremap_4K", 4 << 10, 1024),
    ioremap("ioremap_1M", 1 << 20, 1024),
    ioremap("ioremap_16M_aligned", 16 << 20, 1024),
    coherent("dma_alloc_coherent_4K", 4096, Kernel, 500),
    coherent("dma_alloc_coherent_4K_ATOMIC", 4096, Atomic, 500),
    coherent("dma_alloc_coherent_64K", 65536, Kernel, 200),
    Operation {
        name: "dma_map_single_4K_todev",
        what: What::Streaming { bytes: 4096 },
        shape: Repeat,
        pairs: 500,
    },
];

/// The operations' names, in the order of [`OPERATIONS`].
#[must_use]
pub const fn names() -> [&'static str; OPERATIONS.len()] {
    let mut names = [""; OPERATIONS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = OPERATIONS[index].name;
        index += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::MAX_HELD;
    use std::collections::BTreeSet;

    #[test]
    fn names_differ_and_every_shape_has_room() {
        let distinct: BTreeSet<_> = names().into_iter().collect();
        assert_eq!(distinct.len(), OPERATIONS.len());
        for operation in OPERATIONS {
            let held = operation.shape.held();
            assert!((1..=MAX_HELD).contains(&(held as usize)), "{}", operation.name);
            if let Batch(count) | Reverse(count) | Scatter(count) = operation.shape {
                assert_eq!(operation.pairs % count, 0, "{}", operation.name);
            }
        }
    }
}
