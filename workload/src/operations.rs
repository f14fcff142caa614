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

use Flags::{Atomic, Dma, Highmem, HighuserMovable, Kernel, Nowait, Zero};
use Shape::{Batch, Churn, Random, Repeat};

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
            if let Shape::Batch(count) = operation.shape {
                assert_eq!(operation.pairs % count, 0, "{}", operation.name);
            }
        }
    }
}
