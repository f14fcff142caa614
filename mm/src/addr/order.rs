//! The sizes that the buddy allocator deals in: powers of two of pages.

use core::fmt;

use super::{MIB, PAGE_SIZE};

/// The size of a buddy block as a power of two of pages, 0 to [`Order::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Order(u8);

impl Order {
    /// A single page.
    pub const ZERO: Self = Self(0);
    /// The largest block: 1024 pages, 4 MiB.
    pub const MAX: Self = Self(10);
    /// How many orders there are.
    pub const COUNT: usize = Self::MAX.0 as usize + 1;

    /// Order `value`; `None` above [`Order::MAX`].
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The exponent.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }

    /// The exponent as an array index, below [`Order::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Pages in a block of this order.
    #[must_use]
    pub const fn pages(self) -> u32 {
        1 << self.0
    }

    /// Bytes in a block of this order.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        PAGE_SIZE << self.0
    }

    /// The order above; `None` at the largest.
    #[must_use]
    pub const fn up(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// All orders, smallest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..=Self::MAX.0).map(Self)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Order({})", self.0)
    }
}

const _: () = assert!(Order::MAX.bytes() as u64 == 4 * MIB);
