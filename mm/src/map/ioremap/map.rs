//! How device memory is mapped: shared, or at new addresses.
//!
//! The range is claimed first: with the region's lock held, it is looked up, and entered with the area that is going to
//! map it. From then on nobody can map it with another type. Only then are entries written. A small range whose size has
//! a spare area costs one round of the lock; for others the area and a record are taken before, since nothing is
//! allocated under the lock, and the look is made again.

use super::check::check;
use super::error::IoremapError;
use super::index::Standing;
use super::place::{Place, places};
use super::record::IoId;
use crate::addr::{
    PAGE_SHIFT, PAGE_SIZE, PHYS_LIMIT_32, Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange,
};
use crate::map::area::{AreaId, AreaKind, AreaState, NoHole, Words};
use crate::map::mmu::Mmu;
use crate::map::prot::{MemoryType, Prot, Rights};
use crate::map::vmalloc::state::{SMALL_PAGES, State};
use crate::map::vmalloc::{AreaSpec, MappedRegion, Reserved, VmallocError};
use crate::platform::Lowmem;
use crate::zone::Gfp;

/// Device memory in the vmalloc region.
pub struct IoMap<'r, 's, 'a, P, T, const CPUS: usize = 1> {
    pub(super) region: &'r MappedRegion<'s, 'a, P, T, CPUS>,
    ram: &'r [PhysRange],
}

/// A range of device memory that is mapped, or was, and waits for a flush.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoRange {
    /// Whole pages.
    pub range: PhysRange,
    /// The type.
    pub memory: MemoryType,
    /// How many users the mapping has; 0 if it waits.
    pub users: u32,
    /// The return address in who mapped it; 0 if it is not known, or boot.
    pub caller: u32,
}

/// What came of a claim.
enum Claim {
    /// It is mapped: here.
    Shared(VirtAddr),
    /// Nobody maps it.
    Free,
    /// Nobody maps it, and this area, which has, waits.
    Waits(IoId, AreaId),
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

/// What came of a claim by who has brought all that it takes.
enum Bound {
    Shared(VirtAddr),
    To(IoId),
}

/// Flags of all that is taken.
const GFP: Gfp = Gfp::GFP_KERNEL;

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

    /// Has the area of a range that waits map it again, as it did: the same words at the same addresses. `None` if that
    /// is not done in a few steps: then it is the caller's to map.
    #[inline(always)]
    fn revive(
        &self,
        state: &mut State,
        (io, area): (IoId, AreaId),
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Option<VirtAddr> {
        let words = self.region.words();
        let (read, start) = (area.end_word(&words), area.start(&words));
        state.revive(&words, io, (area, read), caller);
        let mmu = self.region.mmu;
        let fresh = if !read.is(AreaKind::Ioremap, AreaState::Waiting) {
            // Where the area has a lead, its start is no block's.
            mmu.map_block(start, frames.as_phys(), prot(memory))
        } else if frames.len() <= SMALL_PAGES {
            Some(mmu.map_run(start, frames, prot(memory)))
        } else {
            None
        };
        let Some(fresh) = fresh else {
            area.move_on(&words, read, AreaState::Making);
            return None;
        };
        mmu.publish(fresh);
        area.move_on(&words, read, AreaState::Live);
        Some(start)
    }

    /// Maps a large range again whose area is being made for it. If there is no memory for tables, it waits as before.
    #[inline(never)]
    fn map_large_again(&self, io: IoId, area: AreaId) -> Result<VirtAddr, IoremapError> {
        let words = self.region.words();
        let (start, frames) =
            (mapped_pages(&words, io, area.end_word(&words).end()).start(), io.frames(&words));
        let (mmu, prot) = (self.region.mmu, prot(io.memory(&words)));
        let mapped = match area.kind(&words) {
            AreaKind::IoBlocks => mmu.map_blocks(start, frames.as_phys(), prot, GFP),
            _ => Ok(mmu.map_run(start, frames, prot)),
        };
        match mapped {
            Ok(fresh) => {
                mmu.publish(fresh);
                area.set_state(&words, AreaState::Live);
                Ok(start)
            }
            Err(error) => {
                let read = area.end_word(&words);
                if self.region.with(|state| state.wait_io(&words, io, (area, read))) {
                    self.region.purge();
                }
                Err(IoremapError::NoTable(error))
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
                Claim::Free => self.claim_spare(state, frames, memory, caller),
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

    /// Has a spare area map a range that is free, if there is one of its size, and a record.
    #[inline(always)]
    fn claim_spare(
        &self,
        state: &mut State,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Quick {
        let words = self.region.words();
        let Some(io) = state.io.take_spare(&words) else { return Quick::NoArea };
        let is_small = frames.len() <= SMALL_PAGES;
        let area = match is_small {
            true => state.take_spare(&words, frames.len()),
            false => state.blocks.take(&words, frames),
        };
        let Some(area) = area else {
            state.io.give_spare(&words, io);
            return Quick::NoArea;
        };
        let phys = frames.start().start();
        let kind = if is_small { AreaKind::Ioremap } else { AreaKind::IoBlocks };
        area.describe(&words, kind, memory, caller, Some(phys));
        io.describe(&words, frames, memory);
        state.io.bind(&words, io, area, caller);
        Quick::Claimed(area)
    }

    /// How a range stands to the others; if it is mapped already, there is one user more. What had another type, and was
    /// not flushed yet, is flushed.
    #[inline(always)]
    fn claim(
        &self,
        state: &mut State,
        frames: PfnRange,
        memory: MemoryType,
    ) -> Result<Claim, IoremapError> {
        let words = self.region.words();
        let mut is_flushed = false;
        loop {
            match state.io.standing(&words, frames, memory) {
                Standing::Free => return Ok(Claim::Free),
                Standing::Waits(io, area) => return Ok(Claim::Waits(io, area)),
                Standing::Mapped(io, area) => {
                    io.share(&words);
                    let into = frames.start().as_u32() - io.start(&words);
                    let first =
                        mapped_pages(&words, io, area.end_word(&words).end()).start().as_u32();
                    return Ok(Claim::Shared(VirtAddr::new(first + into * PAGE_SIZE)));
                }
                Standing::Conflict(io) => return Err(conflict(&words, io, memory)),
                Standing::Stale(io) => {
                    // Rare, so it may pay for all. Its entries are gone: that was done before it began to wait.
                    if !is_flushed {
                        self.region.mmu.flush_all();
                        is_flushed = true;
                    }
                    state.io.forget(&words, io);
                }
            }
        }
    }

    /// Maps a block at a spare area that was just claimed.
    fn map_spare_block(
        &self,
        area: AreaId,
        frames: PfnRange,
        memory: MemoryType,
    ) -> Result<VirtAddr, IoremapError> {
        let reserved = Reserved::of(self.region, area);
        let start = reserved.range().start();
        match self.region.mmu.map_blocks(start, frames.as_phys(), prot(memory), GFP) {
            Ok(fresh) => {
                self.region.mmu.publish(fresh);
                Ok(reserved.finish())
            }
            Err(error) => {
                let words = self.region.words();
                let io = IoId::from_word(area.note(&words));
                self.region.with(|state| state.io.unbind(&words, io));
                Err(IoremapError::NoTable(error))
            }
        }
    }

    /// Maps a range with a new area.
    #[inline(never)]
    fn map_new(
        &self,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        let mapped = self.try_map_new(frames, memory, caller);
        if let Err(IoremapError::Region(error @ VmallocError::NoHole(_))) = &mapped {
            let bytes = u32::try_from(frames.as_phys().len()).unwrap_or(u32::MAX);
            let spec = AreaSpec::new(AreaKind::Ioremap, prot(memory), caller);
            self.region.tell(bytes, GFP, &spec, error);
        }
        mapped
    }

    fn try_map_new(
        &self,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<VirtAddr, IoremapError> {
        let words = self.region.words();
        let record = IoId::new(self.region.take_record(GFP)?.record());
        let keep = |io| self.region.with(|state| state.io.give_spare(&words, io));
        let (reserved, place) = match self.reserve(frames, memory, caller) {
            Ok(reserved) => reserved,
            Err(error) => {
                keep(record);
                return Err(error.into());
            }
        };
        let area = reserved.area();
        let bound = self.region.with(|state| -> Result<Bound, IoremapError> {
            match self.claim(state, frames, memory) {
                // That it waits by now is no matter: there will be two.
                Ok(Claim::Free | Claim::Waits(..)) => {}
                Ok(Claim::Shared(page)) => {
                    state.io.give_spare(&words, record);
                    return Ok(Bound::Shared(page));
                }
                Err(error) => {
                    state.io.give_spare(&words, record);
                    return Err(error);
                }
            }
            record.describe(&words, frames, memory);
            state.io.bind(&words, record, area, caller);
            Ok(Bound::To(record))
        })?;
        let io = match bound {
            Bound::To(io) => io,
            // Somebody was quicker.
            Bound::Shared(page) => return Ok(page),
        };
        let start = VirtAddr::new(reserved.range().start().as_u32() + place.lead * PAGE_SIZE);
        let mmu = self.region.mmu;
        let fresh = if place.has_blocks() {
            match mmu.map_blocks(start, frames.as_phys(), prot(memory), GFP) {
                Ok(fresh) => fresh,
                Err(error) => {
                    self.region.with(|state| state.io.unbind(&words, io));
                    return Err(IoremapError::NoTable(error));
                }
            }
        } else {
            mmu.map_run(start, frames, prot(memory))
        };
        mmu.publish(fresh);
        let _ = reserved.finish();
        Ok(start)
    }

    /// Takes addresses for a range, as well placed as there are.
    fn reserve(
        &self,
        frames: PfnRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<(Reserved<'r, 's, 'a, P, T, CPUS>, Place), VmallocError> {
        let needs_blocks = frames.as_phys().end() > PHYS_LIMIT_32;
        let mut failure = None;
        for place in places(frames) {
            if needs_blocks && place.align_shift < 24 {
                break;
            }
            let kind = if place.has_blocks() { AreaKind::IoBlocks } else { AreaKind::Ioremap };
            let lead = u64::from(place.lead) << PAGE_SHIFT;
            let phys = PhysAddr::new(frames.as_phys().start().as_u64() - lead);
            let spec = AreaSpec {
                align_shift: place.align_shift,
                phys: Some(phys),
                ..AreaSpec::new(kind, prot(memory), caller)
            };
            let bytes = u32::try_from(frames.as_phys().len() + lead).unwrap_or(u32::MAX);
            match self.region.reserve(bytes, GFP, &spec) {
                Ok(reserved) => return Ok((reserved, place)),
                Err(VmallocError::NoHole(error)) => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        // The check of its range has seen that what needs blocks holds some.
        let spec = AreaSpec::new(AreaKind::Ioremap, prot(memory), caller);
        let none = || NoHole { want: self.region.want(frames.len(), &spec) };
        Err(VmallocError::NoHole(failure.unwrap_or_else(none)))
    }

    /// Device memory that is mapped, or waits for a flush, by first pages: ranges from number `skip` on, as many as
    /// `into` holds. Returns how many those are. Any context.
    pub fn ranges(&self, skip: u32, into: &mut [Option<IoRange>]) -> usize {
        let words = self.region.words();
        self.region.with(|state| {
            let ranges = state.io.iter(&words).skip(skip as usize);
            let mut count = 0;
            for (place, io) in into.iter_mut().zip(ranges) {
                *place = Some(describe(&words, io));
                count += 1;
            }
            count
        })
    }
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'_, '_, '_, P, T, CPUS> {
    /// Checks the invariants of the index; for tests, and for whoever looks at a machine. Returns how many ranges
    /// are mapped or wait.
    ///
    /// # Errors
    ///
    /// A range that something is wrong with.
    pub fn validate(&self) -> Result<u32, IoRange> {
        let words = self.region.words();
        self.region.with(|state| state.io.validate(&words).map_err(|io| describe(&words, io)))
    }
}

fn describe(words: &impl Words, io: IoId) -> IoRange {
    let waits = io.area(words).is_none_or(|area| area.state(words) == AreaState::Waiting);
    IoRange {
        range: io.frames(words).as_phys(),
        memory: io.memory(words),
        users: if waits { 0 } else { io.references(words) },
        caller: io.caller(words),
    }
}

/// How memory of a type is mapped for drivers.
#[inline(always)]
const fn prot(memory: MemoryType) -> Prot {
    Prot { memory, rights: Rights::ReadWrite }
}

/// The addresses where the area that ends at `end` maps something: what lies before is its lead.
#[inline(always)]
pub(super) fn mapped_pages(words: &impl Words, io: IoId, end: VirtAddr) -> VirtRange {
    let bytes = (io.end(words) - io.start(words)) << PAGE_SHIFT;
    VirtRange::new(VirtAddr::new(end.as_u32() - bytes), end)
}

#[cold]
fn conflict(words: &impl Words, io: IoId, wanted: MemoryType) -> IoremapError {
    let IoRange { range, memory: has, caller, .. } = describe(words, io);
    IoremapError::Conflict { wanted, has, range, caller }
}
