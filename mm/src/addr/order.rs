//! The sizes that the buddy allocator deals in: powers of two of pages.

use core::fmt;

use super::{MIB, PAGE_SIZE};

/// The size of a buddy block as a power of two of pages, 0 to [`Order::MAX`].
///
/// The compiler knows that there are eleven values, and that the number is a whole register.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Order(Exponent);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u32)]
enum Exponent {
    #[default]
    E0,
    E1,
    E2,
    E3,
    E4,
    E5,
    E6,
    E7,
    E8,
    E9,
    E10,
}

impl Order {
    /// A single page.
    pub const ZERO: Self = Self(Exponent::E0);
    /// The largest block: 1024 pages, 4 MiB.
    pub const MAX: Self = Self(Exponent::E10);
    /// The largest order that is no trouble to find, by Linux's word. Above it a request gives up early,
    /// and blocks go past the per-CPU stacks.
    pub const COSTLY: Self = Self(Exponent::E3);
    /// How many orders there are.
    pub const COUNT: usize = Self::MAX.index() + 1;

    /// Order `value`; `None` above [`Order::MAX`].
    #[inline]
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        // Numbers and names agree, so this is a comparison.
        Some(Self(match value {
            0 => Exponent::E0,
            1 => Exponent::E1,
            2 => Exponent::E2,
            3 => Exponent::E3,
            4 => Exponent::E4,
            5 => Exponent::E5,
            6 => Exponent::E6,
            7 => Exponent::E7,
            8 => Exponent::E8,
            9 => Exponent::E9,
            10 => Exponent::E10,
            _ => return None,
        }))
    }

    /// The exponent.
    #[inline(always)]
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0 as u32
    }

    /// The exponent.
    #[inline]
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0 as u8
    }

    /// The exponent as an array index, below [`Order::COUNT`].
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Pages in a block of this order.
    #[inline]
    #[must_use]
    pub const fn pages(self) -> u32 {
        1 << self.as_u32()
    }

    /// Bytes in a block of this order.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        PAGE_SIZE << self.as_u32()
    }

    /// The order above; `None` at the largest.
    #[inline]
    #[must_use]
    pub const fn up(self) -> Option<Self> {
        Self::new(self.as_u8() + 1)
    }

    /// The order below; `None` at the smallest.
    #[inline]
    #[must_use]
    pub const fn down(self) -> Option<Self> {
        match self.as_u8().checked_sub(1) {
            Some(below) => Self::new(below),
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
        Self::new(pages.next_power_of_two().trailing_zeros() as u8)
    }

    /// The smallest order whose blocks have at least so many bytes; `None` above the largest, and for no byte at
    /// all.
    #[inline]
    #[must_use]
    pub const fn for_bytes(bytes: u32) -> Option<Self> {
        if bytes == 0 || bytes > Self::MAX.bytes() {
            return None;
        }
        let last_page = (bytes - 1) / PAGE_SIZE;
        Self::new((u32::BITS - last_page.leading_zeros()) as u8)
    }

    /// The largest order whose blocks have at most so many pages; the smallest for no page.
    #[must_use]
    pub const fn within_pages(pages: u32) -> Self {
        let Some(log) = pages.checked_ilog2() else { return Self::ZERO };
        match Self::new(log as u8) {
            Some(order) => order,
            None => Self::MAX,
        }
    }

    /// All orders, smallest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (0..=Self::MAX.as_u8()).filter_map(Self::new)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_u32())
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Order({})", self.as_u32())
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
            if let Some(bytes) = pages.checked_mul(PAGE_SIZE) {
                assert_eq!(Order::for_bytes(bytes).map(Order::as_u8), at_least, "{bytes}");
                let one_less = bytes.checked_sub(1).and_then(Order::for_bytes);
                assert_eq!(one_less, Order::for_pages(pages).filter(|_| pages > 0), "{bytes} - 1");
                let one_more = Order::for_pages(pages + 1);
                assert_eq!(Order::for_bytes(bytes + 1), one_more, "{bytes} + 1");
            }
        }
    }
}
