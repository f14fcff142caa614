//! What a buddy refuses, and why.
//!
//! Finding out costs more than the check that failed, so it happens here, out of the way: the
//! allocator only compares one word, and asks `FrameTable::why_not_free` when that fails. An
//! error means that nothing has changed; the frame stays where it was, out of circulation.

use core::fmt;

use super::head::PageState;
use super::table::{Block, FrameTable};
use crate::addr::{Order, Pfn, PfnRange, VirtAddr};

/// A block that cannot be freed. Nothing has changed: what was allocated stays allocated, and
/// what is reserved stays reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreeError {
    /// No descriptor for this frame: it is not memory.
    NotCovered {
        /// The frame.
        pfn: Pfn,
    },
    /// No block of this order can begin at this frame.
    Misaligned {
        /// The frame.
        pfn: Pfn,
        /// The order given.
        order: Order,
    },
    /// The frame is free already, or lies in a pool.
    DoubleFree {
        /// The frame.
        pfn: Pfn,
        /// The block that it lies in.
        block: Block,
    },
    /// A block of another order was allocated here, or the frame lies inside one.
    WrongOrder {
        /// The frame.
        pfn: Pfn,
        /// The order given.
        order: Order,
        /// The allocated block.
        block: Block,
    },
    /// The frame never came from an allocator: it is reserved, or in a hole.
    Reserved {
        /// The frame.
        pfn: Pfn,
    },
    /// The block belongs to another zone.
    OtherZone {
        /// The frame.
        pfn: Pfn,
    },
    /// The block belongs to the slab allocator.
    Slab {
        /// The frame.
        pfn: Pfn,
        /// The block.
        block: Block,
    },
    /// The block is kept out of circulation.
    Bad {
        /// The frame.
        pfn: Pfn,
        /// The block.
        block: Block,
    },
    /// The address is not one of the linear map, so it is no page's.
    NotLinear {
        /// The address.
        virt: VirtAddr,
    },
    /// The address is inside a page, where no block begins.
    InsidePage {
        /// The address.
        virt: VirtAddr,
        /// The page's frame.
        pfn: Pfn,
    },
    /// The descriptor has been overwritten.
    Corrupt {
        /// The frame.
        pfn: Pfn,
        /// The corrupt block.
        block: Block,
    },
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCovered { pfn } => write!(f, "pfn {pfn} is not memory"),
            Self::Misaligned { pfn, order } => {
                write!(f, "pfn {pfn} is not aligned to a block of order {order}")
            }
            Self::DoubleFree { pfn, block } => {
                write!(f, "double free: pfn {pfn} is in {block}")
            }
            Self::WrongOrder { pfn, order, block } => {
                write!(f, "wrong free: pfn {pfn} with order {order} is in {block}")
            }
            Self::Reserved { pfn } => write!(f, "pfn {pfn} is reserved"),
            Self::OtherZone { pfn } => write!(f, "pfn {pfn} belongs to another zone"),
            Self::Slab { pfn, block } => write!(f, "wrong free: pfn {pfn} is in {block}"),
            Self::Bad { pfn, block } => write!(f, "pfn {pfn} is in {block}"),
            Self::NotLinear { virt } => write!(f, "{virt} is no address of the linear map"),
            Self::InsidePage { virt, pfn } => {
                write!(f, "{virt} is not the first byte of a page, but inside pfn {pfn}")
            }
            Self::Corrupt { pfn, block } => {
                write!(f, "pfn {pfn}: descriptor of the block at {} is {}", block.head, block.state)
            }
        }
    }
}

impl core::error::Error for FreeError {}

/// Frames that cannot be handed over. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReleaseError {
    /// The frame table does not reach over these frames.
    NotCovered {
        /// The frames.
        range: PfnRange,
    },
    /// A frame is in a block, free or allocated: it was handed over before.
    Owned {
        /// The first such frame.
        pfn: Pfn,
    },
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCovered { range } => {
                write!(f, "pfns {}..{} are not all memory", range.start(), range.end())
            }
            Self::Owned { pfn } => write!(f, "pfn {pfn} was handed over before"),
        }
    }
}

impl core::error::Error for ReleaseError {}

impl FrameTable<'_> {
    /// What is wrong with freeing a block of `order` at `pfn`. Only asked when something is.
    #[cold]
    pub(crate) fn why_not_free(&self, pfn: Pfn, order: Order) -> FreeError {
        if self.get(pfn).is_none() {
            return FreeError::NotCovered { pfn };
        }
        if pfn.as_u32() & (order.pages() - 1) != 0 {
            return FreeError::Misaligned { pfn, order };
        }
        let Some(block) = self.block_of(pfn) else {
            return FreeError::Reserved { pfn };
        };
        match block.state {
            PageState::NoHead => FreeError::Reserved { pfn },
            PageState::Free { .. } | PageState::Stacked { .. } | PageState::Parked { .. } => {
                FreeError::DoubleFree { pfn, block }
            }
            PageState::Allocated { order: real, .. } if block.head == pfn && real == order => {
                FreeError::OtherZone { pfn }
            }
            PageState::Allocated { .. } => FreeError::WrongOrder { pfn, order, block },
            PageState::Slab { .. } => FreeError::Slab { pfn, block },
            PageState::Bad { .. } => FreeError::Bad { pfn, block },
            PageState::Corrupt { .. } => FreeError::Corrupt { pfn, block },
        }
    }
}
