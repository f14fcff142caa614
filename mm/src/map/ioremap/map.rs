//! How device memory is mapped: shared, or at new addresses.
//!
//! The range is claimed first: with the region's lock held, it is looked up, and entered with the area that is going to
//! map it. From then on nobody can map it with another type. Only then are entries written. A small range whose size has
//! a spare area costs one round of the lock, and so does one that waits and is mapped again.

use super::check::check;
use super::claim::Claim;
use super::error::IoremapError;
use super::record::IoId;
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use crate::map::area::{AreaId, AreaState, Words};
use crate::map::mmu::Mmu;
use crate::map::prot::{MemoryType, Prot, Rights};
use crate::map::vmalloc::MappedRegion;
use crate::map::vmalloc::state::SMALL_PAGES;
use crate::platform::Lowmem;
use crate::zone::Gfp;

/// Device memory in the vmalloc region.
pub struct IoMap<'r, 's, 'a, P, T, const CPUS: usize = 1> {
    pub(super) region: &'r MappedRegion<'s, 'a, P, T, CPUS>,
    ram: &'r [PhysRange],
}

/// What came of a claim that wanted an area as well.
enum Quick {
    /// It is mapped, by another or by an area that waited: here.
    Shared(VirtAddr),
    Claimed(AreaId),
    /// A large range is the caller's to map again.
    Reviving(IoId, AreaId),
    NoArea,
}

/// Flags of all that is taken.
pub(super) const GFP: Gfp = Gfp::GFP_KERNEL;

impl<'r, 's, 'a, P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'r, 's, 'a, P, T, CPUS> {
    /// Device memory in `region`, none of which is mapped yet.
    ///
    /// `ram` is all memory that the kernel uses: ranges that share nothing, upwards. Memory that is not
    /// mapped (`no-map`) is not among them, and may be asked for as a device's. There is one such value for a region.
    #[must_use]
    pub fn new(region: &'r MappedRegion<'s, 'a, P, T, CPUS>, ram: &'r [PhysRange]) -> Self {
        debug_assert!(ram.is_sorted_by(|a, b| a.end() <= b.start()));
        Self { region, ram }
    }

    /// Maps `bytes` of registers at `phys` as Device memory, and returns where `phys` is. May sleep. `caller` is named in
    /// reports, and to whoever wants another type for the same memory.
    ///
    /// If a live mapping of the type holds the whole range, it is shared: whoever maps unmaps once,
    /// [`iounmap`](Self::iounmap), and the last one to do so ends it.
    ///
    /// # Errors
    ///
    /// [`IoremapError`]. That the region is full is reported as well.
    pub fn ioremap(
        &self,
        phys: PhysAddr,
        bytes: u32,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        self.map_as(phys, u64::from(bytes), MemoryType::Device, caller)
    }

    /// As [`ioremap`](Self::ioremap), for memory of a device whose writes may be gathered and reordered: Normal, not
    /// cached.
    ///
    /// # Errors
    ///
    /// As `ioremap`.
    pub fn ioremap_wc(
        &self,
        phys: PhysAddr,
        bytes: u32,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        self.map_as(phys, u64::from(bytes), MemoryType::WriteCombine, caller)
    }

    /// As [`ioremap`](Self::ioremap), for memory that only looks like a device's, such as memory that the tree keeps
    /// from the kernel: write-back.
    ///
    /// # Errors
    ///
    /// As `ioremap`.
    pub fn ioremap_cache(
        &self,
        phys: PhysAddr,
        bytes: u32,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        self.map_as(phys, u64::from(bytes), MemoryType::WriteBack, caller)
    }

    #[inline(always)]
    pub(super) fn map_as(
        &self,
        phys: PhysAddr,
        bytes: u64,
        memory: MemoryType,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        let page = match self.map_again(phys, bytes, memory, caller) {
            Some(page) => page,
            None => {
                let frames = check(phys, bytes, T::BLOCKS_END, self.ram)?;
                self.map_frames(frames, memory, caller)?
            }
        };
        // Below a page: the address of the first page has room for it.
        Ok(VirtAddr::new(page.as_u32() | phys.as_u64() as u32 & (PAGE_SIZE - 1)))
    }

    /// Maps what was mapped just so, and waits, if it is at hand. It has been checked then.
    #[inline(always)]
    fn map_again(
        &self,
        phys: PhysAddr,
        bytes: u64,
        memory: MemoryType,
        caller: u32,
    ) -> Option<VirtAddr> {
        let (first, bytes) = (u32::try_from(phys.as_u64()).ok()?, u32::try_from(bytes).ok()?);
        let last = first.checked_add(bytes.checked_sub(1)?)?;
        let (start, last) = (first >> PAGE_SHIFT, last >> PAGE_SHIFT);
        let frames = PfnRange::new(Pfn::new(start), Pfn::new(last + 1));
        let words = self.region.words();
        let mut entered = self.region.enter();
        let (io, area) = entered.state.io.find_waiting(&words, frames, memory)?;
        match self.revive(&mut entered.state, (io, area), frames, memory, caller) {
            Some(page) => Some(page),
            None => {
                drop(entered);
                // Without memory for its tables the long way says so.
                self.map_large_again(io, area).ok()
            }
        }
    }

    #[inline(never)]
    fn map_frames(
        &self,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        let words = self.region.words();
        let quick = self.region.with(|state| -> Result<Quick, IoremapError> {
            Ok(match self.claim(state, frames, memory)? {
                Claim::Shared(page) => Quick::Shared(page),
                Claim::Waits(io, area) => {
                    match self.revive(state, (io, area), frames, memory, caller) {
                        Some(page) => Quick::Shared(page),
                        None => Quick::Reviving(io, area),
                    }
                }
                Claim::Free => match self.claim_spare(state, frames, memory, caller) {
                    Some(area) => Quick::Claimed(area),
                    None => Quick::NoArea,
                },
            })
        })?;
        match quick {
            Quick::Shared(page) => Ok(page),
            Quick::Reviving(io, area) => self.map_large_again(io, area),
            Quick::Claimed(area) => {
                if frames.len() > SMALL_PAGES {
                    return self.map_spare_block(area, frames, memory);
                }
                let start = area.range(&words).start();
                let fresh = self.region.mmu.map_run(start, frames, prot(memory));
                self.region.mmu.publish(fresh);
                area.set_state(&words, AreaState::Live);
                Ok(start)
            }
            Quick::NoArea => self.map_new(frames, memory, caller),
        }
    }
}

/// How memory of a type is mapped for drivers.
#[inline(always)]
pub(super) const fn prot(memory: MemoryType) -> Prot {
    Prot { memory, rights: Rights::ReadWrite }
}

/// The addresses where the area that ends at `end` maps something: what lies before is its lead.
#[inline(always)]
pub(super) fn mapped_pages(words: &impl Words, io: IoId, end: VirtAddr) -> VirtRange {
    let bytes = (io.end(words) - io.start(words)) << PAGE_SHIFT;
    VirtRange::new(VirtAddr::new(end.as_u32() - bytes), end)
}
