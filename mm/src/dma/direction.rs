//! Which way a transfer goes, and so which maintenance its buffer needs.
//!
//! | | to device | from device | bidirectional |
//! |---|---|---|---|
//! | before the device has it | clean | invalidate | clean |
//! | after | | invalidate | invalidate |
//!
//! The second invalidation is for lines that CPUs read ahead while the device was writing.

use core::fmt;

/// Which way a transfer goes. Linux's `enum dma_data_direction`, whose `DMA_NONE` is no direction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Direction {
    /// The device reads the buffer: `DMA_TO_DEVICE`.
    ToDevice = 1,
    /// The device writes the buffer: `DMA_FROM_DEVICE`.
    FromDevice = 2,
    /// The device reads and writes: `DMA_BIDIRECTIONAL`.
    Bidirectional = 0,
}

impl Direction {
    /// Does the device write to the buffer?
    #[inline(always)]
    #[must_use]
    pub const fn device_writes(self) -> bool {
        !matches!(self, Self::ToDevice)
    }

    /// Does the device read what CPUs wrote?
    #[inline(always)]
    #[must_use]
    pub const fn device_reads(self) -> bool {
        !matches!(self, Self::FromDevice)
    }

    /// The direction with Linux's number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Bidirectional),
            1 => Some(Self::ToDevice),
            2 => Some(Self::FromDevice),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ToDevice => "to-device",
            Self::FromDevice => "from-device",
            Self::Bidirectional => "bidirectional",
        })
    }
}
