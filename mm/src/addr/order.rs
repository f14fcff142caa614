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
    /// The largest order that is no trouble to find, by Linux's word. Above it a request gives up early,
    /// and blocks go past the per-CPU stacks.
    pub const COSTLY: Self = Self(3);
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

    /// The order below; `None` at the smallest.
    #[must_use]
    pub const fn down(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The smallest order whose blocks have at least so many pages; `None` above the largest, and for
    /// no page at all.
    #[must_use]
    pub const fn for_pages(pages: u32) -> Option<Self> {
        if pages == 0 || pages > Self::MAX.pages() {
            return None;
        }
        Some(Self(pages.next_power_of_two().trailing_zeros() as u8))
    }

    /// The largest order whose blocks have at most so many pages; the smallest for no page.
    #[must_use]
    pub const fn within_pages(pages: u32) -> Self {
        match pages.checked_ilog2() {
            Some(log) if log < Self::MAX.0 as u32 => Self(log as u8),
            Some(_) => Self::MAX,
            None => Self::ZERO,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_for_and_within_so_many_pages() {
        for (pages, at_least, at_most) in [
            (0, None, 0),
            (1, Some(0), 0),
            (2, Some(1), 1),
            (3, Some(2), 1),
            (1023, Some(10), 9),
            (1024, Some(10), 10),
            (1025, None, 10),
            (u32::MAX, None, 10),
        ] {
            assert_eq!(Order::for_pages(pages).map(Order::as_u8), at_least, "{pages}");
            assert_eq!(Order::within_pages(pages).as_u8(), at_most, "{pages}");
        }
    }
}
