//! Sections that leave the linear map and come back: for memory that must have no cacheable mapping for a while.
//!
//! Invariants: what was taken out is what may be put back, and comes back as it was: as sections of ordinary memory. A
//! call that fails has changed nothing.

use core::fmt;

use mm::addr::{VirtAddr, VirtRange};
use mm::map::Prot;

use super::super::descriptor::{SECTION_SHIFT, SECTION_SIZE};
use super::holders::Holders;
use super::words::{self, FAULT};
use super::{LiveTables, Machine, Shared, low, mebibytes};
use crate::tlb::sequence;

/// Why mebibytes were not taken out of the linear map, or not put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakeOutError {
    /// The range is not whole mebibytes of the linear map.
    NotMebibytes {
        /// The range.
        range: VirtRange,
    },
    /// It is not mapped by a section of ordinary memory: it is pages, has other rights, or is a hole.
    NotSection {
        /// The first address of the lowest such mebibyte.
        virt: VirtAddr,
    },
    /// It was not taken out.
    NotTakenOut {
        /// The first address of the lowest such mebibyte.
        virt: VirtAddr,
    },
}

impl fmt::Display for TakeOutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMebibytes { range } => {
                write!(f, "{range} is not whole mebibytes of the linear map")
            }
            Self::NotSection { virt } => {
                write!(f, "the mebibyte at {virt} is no section of ordinary memory")
            }
            Self::NotTakenOut { virt } => {
                write!(f, "the mebibyte at {virt} was not taken out of the linear map")
            }
        }
    }
}

impl core::error::Error for TakeOutError {}

impl<M: Machine + Copy> LiveTables<M> {
    /// Unmaps `range`, whole mebibytes of the linear map, in all address spaces. When it returns no CPU reaches
    /// the memory through them. What data caches hold of it is the caller's to clean, before.
    ///
    /// The caller owns all of the memory, and nothing that is in use lies there. Any context.
    ///
    /// # Errors
    ///
    /// [`TakeOutError::NotMebibytes`], [`TakeOutError::NotSection`]; nothing has changed then.
    pub fn take_out(&self, range: VirtRange) -> Result<(), TakeOutError> {
        self.check_mebibytes(range)?;
        let mut shared = self.shared.lock();
        for piece in mebibytes(range) {
            if self.first_level(piece.start()) != self.section(piece.start()) {
                return Err(TakeOutError::NotSection { virt: piece.start() });
            }
        }
        for piece in mebibytes(range) {
            self.set_first_level(&shared.roots, piece.start(), FAULT);
            *shared.holders(piece.start()) = Holders::TAKEN_OUT;
        }
        sequence::flush_blocks(&self.machine, range, SECTION_SHIFT);
        Ok(())
    }

    /// Maps `range`, whole mebibytes that were taken out, as they were. Other mappings of the memory, if they
    /// had another type, are gone, and all CPUs have forgotten them. Any context.
    ///
    /// # Errors
    ///
    /// [`TakeOutError::NotMebibytes`], [`TakeOutError::NotTakenOut`]; nothing has changed then.
    pub fn put_back(&self, range: VirtRange) -> Result<(), TakeOutError> {
        self.check_mebibytes(range)?;
        let mut shared = self.shared.lock();
        let not_out = |shared: &mut Shared, piece: &VirtRange| {
            *shared.holders(piece.start()) != Holders::TAKEN_OUT
        };
        if let Some(piece) = mebibytes(range).find(|piece| not_out(&mut shared, piece)) {
            return Err(TakeOutError::NotTakenOut { virt: piece.start() });
        }
        for piece in mebibytes(range) {
            let virt = piece.start();
            self.set_first_level(&shared.roots, virt, self.section(virt));
            *shared.holders(virt) = Holders::NONE;
        }
        self.machine.dsb_ishst();
        self.machine.isb();
        Ok(())
    }

    fn check_mebibytes(&self, range: VirtRange) -> Result<(), TakeOutError> {
        let is_whole =
            range.start().is_aligned(SECTION_SIZE) && range.end().is_aligned(SECTION_SIZE);
        match self.linear.phys(range) {
            Some(phys) if is_whole && phys.start().is_aligned(u64::from(SECTION_SIZE)) => Ok(()),
            _ => Err(TakeOutError::NotMebibytes { range }),
        }
    }

    /// The word of the section that the linear map has at `virt`, which [`check_mebibytes`](Self::check_mebibytes)
    /// has found in it.
    fn section(&self, virt: VirtAddr) -> u32 {
        let phys = self.linear.virt_to_phys(virt).map_or(0, low);
        phys | words::section_bits(Prot::KERNEL)
    }
}
