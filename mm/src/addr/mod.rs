//! Units: physical and virtual addresses, page frame numbers, orders and ranges.
//!
//! Every quantity that crosses a module boundary has one of these types, so that a page frame
//! number can never be taken for an address, nor a byte count for a page count. Physical addresses
//! are 64 bits wide: a device tree may describe memory above 4 GiB, and a 32-bit sum of two of its
//! cells would wrap silently. Virtual addresses are 32 bits wide, whatever the host's `usize` is,
//! so that the same arithmetic runs in the kernel and in host tests.
//!
//! `range` has half-open ranges of each, `order` the sizes of buddy blocks.

mod order;
mod range;

use core::fmt;

pub use order::Order;
pub use range::{PfnRange, PhysRange, VirtRange};

/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page and in a page frame: 4096, the small page of the short-descriptor format.
pub const PAGE_SIZE: u32 = 1 << PAGE_SHIFT;
/// One kibibyte, in bytes.
pub const KIB: u64 = 1 << 10;
/// One mebibyte, in bytes.
pub const MIB: u64 = 1 << 20;
/// One gibibyte, in bytes.
pub const GIB: u64 = 1 << 30;
/// The first physical address that the short-descriptor format cannot map as ordinary memory.
pub const PHYS_LIMIT_32: PhysAddr = PhysAddr::new(1 << 32);

/// Rounds `value` down to a multiple of `align`, which must be a power of two.
#[must_use]
pub const fn align_down(value: u64, align: u64) -> u64 {
    debug_assert!(align.is_power_of_two());
    value & !(align - 1)
}

/// Rounds `value` up to a multiple of `align`, which must be a power of two; `None` when the
/// result does not fit 64 bits.
#[must_use]
pub const fn align_up(value: u64, align: u64) -> Option<u64> {
    debug_assert!(align.is_power_of_two());
    match value.checked_add(align - 1) {
        Some(sum) => Some(sum & !(align - 1)),
        None => None,
    }
}

/// A physical address, in bytes. May lie above 4 GiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// The address `value`.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The address as an integer.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The address as a 32-bit register holds it; `None` at or above 4 GiB.
    #[must_use]
    pub const fn as_u32(self) -> Option<u32> {
        if self.0 <= u32::MAX as u64 { Some(self.0 as u32) } else { None }
    }

    /// The address `bytes` higher; `None` past the end of 64 bits.
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The address `bytes` higher, or the highest one.
    #[must_use]
    pub const fn saturating_add(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }

    /// Rounded down to a multiple of `align` (a power of two).
    #[must_use]
    pub const fn align_down(self, align: u64) -> Self {
        Self(align_down(self.0, align))
    }

    /// Rounded up to a multiple of `align` (a power of two), or the highest such multiple.
    #[must_use]
    pub const fn align_up(self, align: u64) -> Self {
        match align_up(self.0, align) {
            Some(value) => Self(value),
            None => Self(align_down(u64::MAX, align)),
        }
    }

    /// Is the address a multiple of `align` (a power of two)?
    #[must_use]
    pub const fn is_aligned(self, align: u64) -> bool {
        self.0 & (align - 1) == 0
    }

    /// The frame that holds this address.
    #[must_use]
    pub const fn pfn_down(self) -> Pfn {
        Pfn::saturating(self.0 >> PAGE_SHIFT)
    }

    /// The first frame that starts at or above this address.
    #[must_use]
    pub const fn pfn_up(self) -> Pfn {
        Pfn::saturating((self.0 >> PAGE_SHIFT) + (self.0 & (PAGE_SIZE as u64 - 1) != 0) as u64)
    }
}

/// A page frame number: a physical address divided by [`PAGE_SIZE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Pfn(u32);

impl Pfn {
    /// Frame number `value`.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    const fn saturating(value: u64) -> Self {
        if value > u32::MAX as u64 { Self(u32::MAX) } else { Self(value as u32) }
    }

    /// The number as an integer.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The physical address of the frame's first byte.
    #[must_use]
    pub const fn start(self) -> PhysAddr {
        PhysAddr((self.0 as u64) << PAGE_SHIFT)
    }

    /// The frame `pages` further up, or the last one there can be.
    #[must_use]
    pub const fn saturating_add(self, pages: u32) -> Self {
        Self(self.0.saturating_add(pages))
    }
}

/// A virtual address of the 32-bit machine, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct VirtAddr(u32);

impl VirtAddr {
    /// The address `value`.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The address as an integer.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The address `bytes` higher; `None` past the end of the address space.
    #[must_use]
    pub const fn checked_add(self, bytes: u32) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The address `bytes` lower; `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, bytes: u32) -> Option<Self> {
        match self.0.checked_sub(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Rounded down to a multiple of `align` (a power of two).
    #[must_use]
    pub const fn align_down(self, align: u32) -> Self {
        Self(self.0 & !(align - 1))
    }

    /// Is the address a multiple of `align` (a power of two)?
    #[must_use]
    pub const fn is_aligned(self, align: u32) -> bool {
        self.0 & (align - 1) == 0
    }
}

macro_rules! address_format {
    ($($name:ident: $display:literal),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $display, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    )*};
}

// Physical addresses print as Linux's %pa does on a 32-bit machine, and grow when they must.
address_format!(PhysAddr: "{:#010x}", VirtAddr: "{:#010x}", Pfn: "{:#07x}");

const _: () = assert!(size_of::<Pfn>() == 4 && size_of::<VirtAddr>() == 4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_gibibytes_is_a_number_like_any_other() {
        assert_eq!(PHYS_LIMIT_32.pfn_down(), Pfn::new(0x10_0000));
        assert_eq!(PHYS_LIMIT_32.as_u32(), None);
        assert_eq!(PhysAddr::new(u64::MAX).pfn_up(), Pfn::new(u32::MAX));
        assert_eq!(PhysAddr::new(u64::MAX).align_up(4096), PhysAddr::new(!0xfff));
    }
}
