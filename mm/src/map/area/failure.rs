//! What to tell when a region has no room: which one, what is free in it and how, who has the rest, and what helps.
//!
//! Linux says one thing whatever the cause: to use a larger `vmalloc=`. That does not help when the region is the
//! modules' or DMA's, which have a fixed size, and there are other ways when addresses only wait for a flush.

use core::fmt;

use arrayvec::ArrayVec;

use super::holders::{Holder, TOP_HOLDERS};
use super::tree::{GUARD_BYTES, Want};
use crate::addr::{KIB, MIB, PAGE_SHIFT, VirtRange};

/// Which region.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RegionName {
    /// `vmalloc`, `vmap`, `ioremap` and stacks: as large as `vmalloc=` says.
    Vmalloc,
    /// Code and data of modules, near the kernel's.
    Modules,
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vmalloc => "vmalloc",
            Self::Modules => "modules",
        })
    }
}

/// What would make room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remedy {
    /// A larger vmalloc region: `vmalloc=` with at least so many bytes, whole MiB.
    Vmalloc {
        /// Those.
        bytes: u32,
    },
    /// The region's size is fixed, whatever `vmalloc=` says.
    FixedRegion,
    /// The caller asked for a part of the region, and that is full.
    PartOfRegion,
    /// No region is so large, or has such an alignment.
    Nothing,
}

/// A region that had no room, when it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Which.
    pub name: RegionName,
    /// Its addresses.
    pub region: VirtRange,
    /// What was asked for.
    pub want: Want,
    /// Bytes in gaps.
    pub free: u32,
    /// The largest area, in bytes, that would have fitted at a page.
    pub largest: u32,
    /// The largest area, in bytes, that would have fitted at the alignment.
    pub largest_aligned: u32,
    /// Bytes that wait for a flush.
    pub waiting: u32,
    /// Who has most, by caller.
    pub holders: ArrayVec<Holder, TOP_HOLDERS>,
}

/// Larger than this no vmalloc region is: all but 1 GiB of user space, and lowmem for the kernel.
const LARGEST_REGION: u64 = 3 << 30;

impl Failure {
    /// What would make room.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        let Want { bytes, align_shift, within } = self.want;
        if align_shift >= u32::BITS || bytes == 0 {
            return Remedy::Nothing;
        }
        if self.name != RegionName::Vmalloc {
            return Remedy::FixedRegion;
        }
        if within != self.region {
            return Remedy::PartOfRegion;
        }
        // The region grows downwards, by one gap: at its worst, an aligned start is this far in.
        let slack = (1_u64 << align_shift.max(PAGE_SHIFT)) - (1 << PAGE_SHIFT);
        let more = u64::from(bytes) + u64::from(GUARD_BYTES) + slack;
        let needed = (u64::from(self.region.len()) + more).next_multiple_of(MIB);
        match u32::try_from(needed) {
            Ok(bytes) if needed <= LARGEST_REGION => Remedy::Vmalloc { bytes },
            _ => Remedy::Nothing,
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vmalloc { bytes } => {
                write!(f, "vmalloc={}M would make room", u64::from(*bytes) / MIB)
            }
            Self::FixedRegion => {
                f.write_str("a larger vmalloc= will not help: it is another region")
            }
            Self::PartOfRegion => {
                f.write_str("a larger vmalloc= will not help: a part of the region was asked for")
            }
            Self::Nothing => {
                f.write_str("a larger vmalloc= will not help: no region can hold this")
            }
        }
    }
}

impl Failure {
    /// Writes what there is to tell, without an end of line. `site` writes a call site, with its name if it has one.
    ///
    /// # Errors
    ///
    /// When `f` does.
    pub fn write(
        &self,
        f: &mut dyn fmt::Write,
        site: &dyn Fn(&mut dyn fmt::Write, u32) -> fmt::Result,
    ) -> fmt::Result {
        self.write_state(f, site)?;
        write!(f, "\n  {}", self.remedy())
    }

    /// As [`write`](Self::write), but for what would make room.
    ///
    /// # Errors
    ///
    /// When `f` does.
    pub fn write_state(
        &self,
        f: &mut dyn fmt::Write,
        site: &dyn Fn(&mut dyn fmt::Write, u32) -> fmt::Result,
    ) -> fmt::Result {
        let kib = |bytes: u32| u64::from(bytes) / KIB;
        let Self { name, region, want, free, largest, largest_aligned, waiting, holders } = self;
        let Want { bytes, align_shift, within } = *want;
        write!(
            f,
            "{name}: no room for {bytes} bytes at a multiple of 2^{align_shift} in {region}"
        )?;
        if within != *region {
            write!(f, ", there in {within}")?;
        }
        write!(f, "\n  free: {} kB", kib(*free))?;
        write!(f, ", the largest area {} kB", kib(*largest))?;
        write!(f, ", at that alignment {} kB", kib(*largest_aligned))?;
        write!(f, "\n  waiting for a flush: {} kB", kib(*waiting))?;
        for Holder { caller, bytes, areas } in holders {
            f.write_str("\n  held by ")?;
            match *caller {
                0 => f.write_str("boot, or somebody who is not known")?,
                caller => site(f, caller)?,
            }
            write!(f, ": {} kB in {areas} areas", kib(*bytes))?;
        }
        Ok(())
    }
}

/// Without names.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &|f, caller| write!(f, "{caller:#010x}"))
    }
}
