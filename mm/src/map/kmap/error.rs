//! What kmap refuses, and what is wrong with a kunmap. Nothing has changed then.

use core::fmt;

use crate::addr::{Pfn, VirtAddr};
use crate::zone::ShareError;

/// The frame was not mapped.
///
/// One word, so that the result of a kmap is two registers; [`why`](Self::why) takes it apart.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct KmapError(u32);

/// Why a frame was not mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhyNotMapped {
    /// No allocated block holds the frame.
    NotAllocated {
        /// The frame.
        pfn: Pfn,
    },
    /// The frame's block has as many references as can be counted.
    TooManyReferences {
        /// The frame.
        pfn: Pfn,
    },
    /// The frame's slot has as many users as can be counted: 2048.
    TooManyUsers {
        /// The frame.
        pfn: Pfn,
    },
    /// Every slot is in use, or being unmapped by mistake, and nobody who could give one back will run.
    AllPinned {
        /// The frame.
        pfn: Pfn,
    },
}

const KIND_BITS: u32 = 2;
/// The highest frame that an error tells; none above 2^20 can be mapped.
const MOST: u32 = u32::MAX >> KIND_BITS;
const _: () = assert!(size_of::<Result<VirtAddr, KmapError>>() == 8);

impl KmapError {
    const fn new(pfn: Pfn, kind: u32) -> Self {
        let pfn = if pfn.as_u32() < MOST { pfn.as_u32() } else { MOST };
        Self(pfn << KIND_BITS | kind)
    }

    /// The frame's block could not be held.
    pub(super) const fn not_held(pfn: Pfn, error: ShareError) -> Self {
        match error {
            ShareError::NotAllocated { .. } => Self::new(pfn, 0),
            ShareError::TooMany { .. } => Self::new(pfn, 1),
        }
    }

    /// The frame's slot has too many users.
    pub(super) const fn too_many_users(pfn: Pfn) -> Self {
        Self::new(pfn, 2)
    }

    /// There is no slot for the frame.
    pub(super) const fn all_pinned(pfn: Pfn) -> Self {
        Self::new(pfn, 3)
    }

    /// What it is.
    #[must_use]
    pub const fn why(self) -> WhyNotMapped {
        let pfn = Pfn::new(self.0 >> KIND_BITS);
        match self.0 & ((1 << KIND_BITS) - 1) {
            0 => WhyNotMapped::NotAllocated { pfn },
            1 => WhyNotMapped::TooManyReferences { pfn },
            2 => WhyNotMapped::TooManyUsers { pfn },
            _ => WhyNotMapped::AllPinned { pfn },
        }
    }
}

impl fmt::Display for KmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why() {
            WhyNotMapped::NotAllocated { pfn } => {
                write!(f, "pfn {pfn} is in no allocated block, and is not mapped")
            }
            WhyNotMapped::TooManyReferences { pfn } => {
                write!(f, "there are 65536 references to the block of pfn {pfn} already")
            }
            WhyNotMapped::TooManyUsers { pfn } => {
                write!(f, "there are 2048 users of the mapping of pfn {pfn} already")
            }
            WhyNotMapped::AllPinned { pfn } => {
                write!(f, "all kmap slots are in use, and there is none for pfn {pfn}")
            }
        }
    }
}

impl fmt::Debug for KmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why().fmt(f)
    }
}

impl core::error::Error for KmapError {}

/// A CPU has as many nested mappings as there can be: 15.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooDeep {
    /// The frame that was to be one more.
    pub pfn: Pfn,
}

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pfn {} would be mapped for this CPU alone in one level too many", self.pfn)
    }
}

impl core::error::Error for TooDeep {}

/// The mapping was not given up; the platform was told why ([`WrongUnmap`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotUnmapped {
    /// The address.
    pub virt: VirtAddr,
}

impl fmt::Display for NotUnmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mapping at {} was not given up", self.virt)
    }
}

impl core::error::Error for NotUnmapped {}

/// What was wrong with a kunmap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrongUnmap {
    /// The address is neither a slot's nor lowmem's.
    NoSlot {
        /// The address.
        virt: VirtAddr,
    },
    /// Nothing is mapped there.
    NotMapped {
        /// The address.
        virt: VirtAddr,
    },
    /// The frame that is still mapped there has no user.
    NoUser {
        /// The address.
        virt: VirtAddr,
        /// The frame.
        pfn: Pfn,
    },
    /// Mappings for one CPU end in the reverse order of their making, and this is not the last one.
    NotInnermost {
        /// The address.
        virt: VirtAddr,
        /// How many there are on its CPU.
        depth: u32,
    },
}

impl fmt::Display for WrongUnmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoSlot { virt } => write!(f, "{virt} is neither in a slot nor lowmem"),
            Self::NotMapped { virt } => write!(f, "nothing is mapped at {virt}"),
            Self::NoUser { virt, pfn } => write!(f, "pfn {pfn} at {virt} has no user"),
            Self::NotInnermost { virt, depth } => {
                write!(f, "{virt} is not the innermost of {depth} mappings")
            }
        }
    }
}

impl core::error::Error for WrongUnmap {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_the_word() {
        for pfn in [0, 0x40000, 0xf_ffff, MOST].map(Pfn::new) {
            let held = |error| KmapError::not_held(pfn, error).why();
            assert_eq!(held(ShareError::NotAllocated { pfn }), WhyNotMapped::NotAllocated { pfn });
            assert_eq!(held(ShareError::TooMany { pfn }), WhyNotMapped::TooManyReferences { pfn });
            let users = KmapError::too_many_users(pfn);
            assert_eq!(users.why(), WhyNotMapped::TooManyUsers { pfn });
            assert_eq!(KmapError::all_pinned(pfn).why(), WhyNotMapped::AllPinned { pfn });
        }
        let highest = KmapError::all_pinned(Pfn::new(u32::MAX));
        assert_eq!(highest.why(), WhyNotMapped::AllPinned { pfn: Pfn::new(MOST) });
    }
}
