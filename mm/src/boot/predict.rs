//! A layout without a boot: what the kernel would decide on a machine that is only described.
//!
//! The steps are the kernel's own, in its order. How large the image is matters only where `mem=` leaves it out.

use core::fmt;

use super::layout::{Layout, Settings};
use super::memblock::{Memblock, MemblockError};
use super::memory::{self, Given, PHYS_OFFSET_ALIGN, phys_offset_of_bank};
use super::relocate::IMAGE_OFFSET;
use super::split::Split;
use super::warning::Sink;
use crate::addr::{MIB, PhysAddr, PhysRange};

/// A machine and a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a, 'b> {
    /// The memory banks. The kernel is in the first.
    pub banks: &'b [PhysRange],
    /// Reservations that the kernel must not map.
    pub no_map: &'b [PhysRange],
    /// The kernel's split.
    pub split: Split,
    /// Where the linear map begins; `None`: the first bank's start, rounded down to 2 MiB.
    pub phys_offset: Option<PhysAddr>,
    /// The kernel command line.
    pub command_line: &'a str,
    /// Bytes of the image, whole 2 MiB: [`IMAGE_BYTES`], or twice as many for one that is not optimised.
    pub image_bytes: u64,
}

/// What an optimised image fills.
pub const IMAGE_BYTES: u64 = 2 * MIB;

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PredictError {
    /// No banks.
    NoBanks,
    /// Two banks share memory.
    Overlap(PhysRange, PhysRange),
    /// `PHYS_OFFSET` is no multiple of 2 MiB.
    Misaligned(PhysAddr),
    /// No usable memory between `PHYS_OFFSET` and the lowmem limit.
    NoLowmem,
    /// Too many banks and reservations for the arrays that were given.
    Memblock(MemblockError),
}

impl fmt::Display for PredictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBanks => f.write_str("there is no memory bank"),
            Self::Overlap(a, b) => write!(f, "memory banks {a} and {b} overlap"),
            Self::Misaligned(at) => write!(f, "PHYS_OFFSET {at} is not a multiple of 2 MiB"),
            Self::NoLowmem => f.write_str("no usable memory lies below the lowmem limit"),
            Self::Memblock(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PredictError {}

/// Answers `question`. `memblock`, empty at first, holds the machine's memory afterwards.
///
/// # Errors
///
/// See [`PredictError`].
pub fn predict<'a>(
    memblock: &mut Memblock<'_>,
    question: &Question<'a, '_>,
    warn: Sink<'_, 'a>,
) -> Result<Layout, PredictError> {
    let settings = describe(memblock, question, warn)?;
    for range in question.no_map {
        memblock.mark_nomap(range.covering_pages()).map_err(PredictError::Memblock)?;
    }
    Layout::decide(memblock, settings, warn).ok_or(PredictError::NoLowmem)
}

/// The first half of it: the machine's memory, of which nothing is reserved, and what decides its layout. The question's
/// `no_map` is left to the caller.
///
/// # Errors
///
/// See [`PredictError`].
pub fn describe<'a>(
    memblock: &mut Memblock<'_>,
    question: &Question<'a, '_>,
    warn: Sink<'_, 'a>,
) -> Result<Settings<'a>, PredictError> {
    let Question { banks, split, phys_offset, command_line, image_bytes, .. } = *question;
    let first = first_bank(banks)?;
    let phys_offset = phys_offset.unwrap_or_else(|| phys_offset_of_bank(first.start()));
    if !phys_offset.is_aligned(PHYS_OFFSET_ALIGN) {
        return Err(PredictError::Misaligned(phys_offset));
    }
    let place = phys_offset.saturating_add(IMAGE_OFFSET);
    let image = PhysRange::new(place, place.saturating_add(image_bytes));
    let given = Given { command_line, phys_offset, image };
    memory::describe(memblock, || banks.iter().copied(), given, warn)
        .map_err(PredictError::Memblock)?;
    Ok(Settings { split, phys_offset, command_line, board_dma_zone: None })
}

/// The bank that the kernel is in when nobody says otherwise, of banks that do not overlap.
///
/// # Errors
///
/// There is none, or two share memory.
pub fn first_bank(banks: &[PhysRange]) -> Result<PhysRange, PredictError> {
    for (index, bank) in banks.iter().enumerate() {
        if let Some(other) = banks.iter().skip(index + 1).find(|other| other.overlaps(bank)) {
            return Err(PredictError::Overlap(*bank, *other));
        }
    }
    banks.first().copied().ok_or(PredictError::NoBanks)
}
