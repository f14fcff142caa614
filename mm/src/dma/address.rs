//! Addresses as devices use them: bus addresses, how wide they are, and where memory lies among them.
//!
//! ```text
//! memory   phys ├───────────────┤ bytes           what the device sees of memory: one window,
//!               │ bus − phys is constant          from `dma-ranges` of the bus it sits on
//! bus       bus ├───────────────┤
//!           0 ├─────────────┤ mask                what its address register holds
//! ```
//!
//! Bus addresses are 32 bits wide, as memory that the short-descriptor format maps lies below 4 GiB; a wider
//! mask reaches no more.

use core::fmt;

use crate::addr::{PHYS_LIMIT_32, PhysAddr, PhysRange};

/// An address on a device's bus: Linux's `dma_addr_t`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct DmaAddr(u32);

impl DmaAddr {
    /// The address `value`.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The address as a device's register takes it.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The address `bytes` higher; `None` past the end of the bus.
    #[must_use]
    pub const fn checked_add(self, bytes: u32) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Is it a multiple of `align`, a power of two?
    #[must_use]
    pub const fn is_aligned(self, align: u32) -> bool {
        self.0 & (align - 1) == 0
    }
}

impl fmt::Display for DmaAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for DmaAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which addresses a device can put on its bus: its highest one, all ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DmaMask(u64);

/// A mask that is not ones from bit 0 on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadMask {
    /// What it is.
    pub mask: u64,
}

impl fmt::Display for BadMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a DMA mask of {:#x}: only ones from bit 0 on make sense", self.mask)
    }
}

impl core::error::Error for BadMask {}

impl DmaMask {
    /// 32 bits: what a device has unless its driver says something else.
    pub const BITS_32: Self = Self(u32::MAX as u64);

    /// A mask as drivers write it. Linux's `DMA_BIT_MASK(n)` is the only sensible form.
    ///
    /// # Errors
    ///
    /// [`BadMask`] of 0, and of a number with a zero below a one.
    pub const fn new(mask: u64) -> Result<Self, BadMask> {
        if mask == 0 || mask & mask.wrapping_add(1) != 0 {
            return Err(BadMask { mask });
        }
        Ok(Self(mask))
    }

    /// The mask as a number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The highest bus address that it lets through.
    #[must_use]
    pub const fn last(self) -> DmaAddr {
        DmaAddr(if self.0 > u32::MAX as u64 { u32::MAX } else { self.0 as u32 })
    }
}

impl fmt::Display for DmaMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for DmaMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a bus shows its devices of memory: one row of `dma-ranges`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DmaWindow {
    bus: DmaAddr,
    first: u32,
    last: u32,
}

/// A window that can not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadWindow {
    /// It has no byte below 4 GiB.
    NoMemory {
        /// The memory.
        memory: PhysRange,
    },
    /// On the bus it begins above 4 GiB.
    BusAbove4G {
        /// Where it begins there.
        bus: u64,
    },
}

impl fmt::Display for BadWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory { memory } => {
                write!(f, "a DMA window of {memory}, which has no byte below 4 GiB")
            }
            Self::BusAbove4G { bus } => {
                write!(f, "a DMA window at bus address {bus:#x}: only those below 4 GiB work")
            }
        }
    }
}

impl core::error::Error for BadWindow {}

impl DmaWindow {
    /// All memory, at its own addresses: a bus without `dma-ranges`, or with an empty one.
    pub const WHOLE: Self = Self { bus: DmaAddr(0), first: 0, last: u32::MAX };

    /// `memory` begins at `bus`. What lies above 4 GiB on either side is cut off.
    ///
    /// # Errors
    ///
    /// [`BadWindow`] when nothing is left.
    pub fn new(bus: u64, memory: PhysRange) -> Result<Self, BadWindow> {
        let no_memory = BadWindow::NoMemory { memory };
        let below = PhysRange::new(PhysAddr::new(0), PHYS_LIMIT_32);
        let part = memory.intersection(&below).ok_or(no_memory)?;
        let above = BadWindow::BusAbove4G { bus };
        let start = u32::try_from(bus).map_err(|_| above)?;
        let most = PHYS_LIMIT_32.as_u64() - bus;
        let bytes = part.len().min(most);
        // Both fit: the part ends at 4 GiB at most, and has a byte.
        let first = part.start().as_u64() as u32;
        let last = (part.start().as_u64() + (bytes - 1)) as u32;
        Ok(Self { bus: DmaAddr(start), first, last })
    }

    /// The first physical address that devices see.
    #[must_use]
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// The last.
    #[must_use]
    pub const fn last(&self) -> u32 {
        self.last
    }

    /// What is added to a physical address, modulo 4 GiB, to get the bus address.
    #[inline(always)]
    #[must_use]
    pub const fn offset(&self) -> u32 {
        self.bus.0.wrapping_sub(self.first)
    }

    /// The last physical address that a device with this mask reaches; `None` if it reaches none.
    #[must_use]
    pub const fn last_reached(&self, mask: DmaMask) -> Option<u32> {
        match mask.last().0.checked_sub(self.bus.0) {
            None => None,
            Some(bytes) => match self.first.checked_add(bytes) {
                Some(last) if last < self.last => Some(last),
                _ => Some(self.last),
            },
        }
    }
}

impl fmt::Display for DmaWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}-{:#010x} at {}", self.first, self.last, self.bus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{GIB, MIB};

    fn range(start: u64, bytes: u64) -> PhysRange {
        PhysRange::from_len(PhysAddr::new(start), bytes).unwrap()
    }

    #[test]
    fn masks_are_ones_from_bit_0_on() {
        for bits in 1..=64 {
            let mask = u64::MAX >> (64 - bits);
            assert_eq!(DmaMask::new(mask).unwrap().as_u64(), mask);
            if bits > 1 {
                assert_eq!(DmaMask::new(mask - 1), Err(BadMask { mask: mask - 1 }));
            }
        }
        assert!(DmaMask::new(0).is_err());
        assert_eq!(DmaMask::new(u64::MAX).unwrap().last(), DmaAddr::new(u32::MAX));
        assert_eq!(DmaMask::new(0x3fff_ffff).unwrap().last(), DmaAddr::new(0x3fff_ffff));
    }

    #[test]
    fn a_mask_ends_on_the_bus_and_not_in_memory() {
        // The Raspberry Pi's: memory at 0 is at 3 GiB on the bus.
        let pi = DmaWindow::new(3 * GIB, range(0, GIB)).unwrap();
        assert_eq!(pi.offset(), 0xc000_0000);
        assert_eq!(pi.last_reached(DmaMask::BITS_32), Some(0x3fff_ffff));
        assert_eq!(pi.last_reached(DmaMask::new(0x3fff_ffff).unwrap()), None);
        // Memory at 1 GiB that is at 0 on the bus: 30 bits reach all of a GiB.
        let shifted = DmaWindow::new(0, range(GIB, 2 * GIB)).unwrap();
        assert_eq!(shifted.offset(), 0xc000_0000);
        let last = |bits: u32| shifted.last_reached(DmaMask::new((1 << bits) - 1).unwrap());
        assert_eq!(last(30), Some(0x7fff_ffff));
        assert_eq!(last(12), Some(0x4000_0fff));
        assert_eq!(last(32), Some(0xbfff_ffff));
        assert_eq!(DmaWindow::WHOLE.last_reached(DmaMask::BITS_32), Some(u32::MAX));
    }

    #[test]
    fn what_lies_above_4_gib_is_cut_off() {
        let cut = DmaWindow::new(0, range(3 * GIB, 4 * GIB)).unwrap();
        assert_eq!((cut.first(), cut.last()), (0xc000_0000, u32::MAX));
        let cut = DmaWindow::new(4 * GIB - MIB, range(0, GIB)).unwrap();
        assert_eq!((cut.first(), cut.last()), (0, MIB as u32 - 1));
        assert_eq!(
            DmaWindow::new(0, range(4 * GIB, GIB)).unwrap_err().to_string(),
            "a DMA window of [0x100000000-0x13fffffff], which has no byte below 4 GiB"
        );
        assert_eq!(
            DmaWindow::new(4 * GIB, range(0, GIB)),
            Err(BadWindow::BusAbove4G { bus: 4 * GIB })
        );
        assert_eq!(DmaWindow::new(0, range(0, 4 * GIB)), Ok(DmaWindow::WHOLE));
    }
}
