//! What would change it: other settings, tried.
//!
//! Nothing here is guessed. [`Trials`] describe the machine's memory anew with the kernel's own rules
//! ([`memory::describe`]); each decides a layout of it ([`Layout::of`]) and counts. The first trial
//! is of the settings as they are: if it is not what booted, no other is made.
//!
//! A larger `vmalloc=` never gives more lowmem, so the largest that still does something is found by
//! bisection. Trials are made one by one, as they are asked for, because a kernel's stack is small.

use core::fmt;

use super::{Inventory, Situation};
use crate::addr::{MIB, PAGE_SIZE, PhysAddr, PhysRange};
use crate::boot::layout::{Layout, Request};
use crate::boot::memblock::{Flags, Memblock, MemblockError, Region};
use crate::boot::memory::{self, Given, phys_offset_of_bank};
use crate::boot::relocate::IMAGE_OFFSET;
use crate::boot::split::Split;
use crate::boot::vmalloc_size::{self, MIN_BYTES, max_bytes};
use crate::zone::ZoneKind;

/// What a trial found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The settings that were tried.
    pub request: Request,
    /// The layout they give.
    pub layout: Layout,
    /// Bytes of RAM in the linear map, what boot takes of it included.
    pub lowmem: u64,
    /// Bytes of RAM above lowmem that are used.
    pub highmem: u64,
    /// Bytes of RAM above lowmem that are not used, for want of HighMem.
    pub lost: u64,
    /// Bytes of RAM below the end of lowmem in the page that it ends in, if it ends inside one. They
    /// are in the linear map; the page is HighMem's, or lost.
    pub limit_page: u64,
}

impl Outcome {
    fn of(memblock: &Memblock<'_>, request: Request) -> Option<Self> {
        let layout = Layout::of(memblock, &request)?;
        let above = PhysRange::new(layout.lowmem_end, PhysAddr::new(u64::MAX));
        let end = layout.lowmem_end;
        let limit_page = PhysRange::new(end.align_down(u64::from(PAGE_SIZE)), end);
        let bytes_in = |range: &PhysRange| -> u64 {
            let parts = memblock.mapped_memory().filter_map(|block| block.intersection(range));
            parts.map(|part| part.len()).sum()
        };
        let (above, limit_page) = (bytes_in(&above), bytes_in(&limit_page));
        let mapped: u64 = memblock.mapped_memory().map(|block| block.len()).sum();
        let (highmem, lost) = if layout.highmem { (above, 0) } else { (0, above) };
        Some(Self { request, layout, lowmem: mapped - above, highmem, lost, limit_page })
    }

    /// Bytes of RAM that are used.
    #[must_use]
    pub const fn used(&self) -> u64 {
        let lost_page = if self.layout.highmem { 0 } else { self.limit_page };
        self.lowmem + self.highmem - lost_page
    }

    /// Bytes of RAM above lowmem, used or not.
    #[must_use]
    pub const fn above_lowmem(&self) -> u64 {
        self.highmem + self.lost
    }

    /// Bytes of RAM in pages that are HighMem, or would be if there were any: what `nohighmem`
    /// loses.
    #[must_use]
    pub const fn highmem_pages(&self) -> u64 {
        self.above_lowmem() + self.limit_page
    }

    /// Frames that are present in a zone, as bytes.
    #[must_use]
    pub fn zone_bytes(&self, kind: ZoneKind) -> u64 {
        u64::from(self.layout.zones[kind.index()].present) * u64::from(PAGE_SIZE)
    }
}

/// Why nothing could be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrialError {
    /// Too many banks for the array that was given.
    Memblock(MemblockError),
    /// The settings as they are do not give the layout as it is. Never seen; it would mean that
    /// memory was described otherwise than by the rules.
    NotAsBooted,
}

impl fmt::Display for TrialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memblock(error) => error.fmt(f),
            Self::NotAsBooted => f.write_str("the rules do not give the layout that booted"),
        }
    }
}

impl core::error::Error for TrialError {}

/// How large `vmalloc=` may be for something to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LargestVmalloc {
    /// It holds up to this many bytes, and no further; or the largest request there can be.
    Bytes(u32),
    /// Not even with the least, 16 MiB.
    Never,
}

impl LargestVmalloc {
    /// The largest value in whole MiB, which is at least 16.
    #[must_use]
    pub const fn mib(self) -> Option<u32> {
        match self {
            Self::Bytes(bytes) => Some(bytes >> 20),
            Self::Never => None,
        }
    }
}

/// The kernel in another bank.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OtherBank {
    /// The bank to load the kernel into.
    pub bank: PhysRange,
    /// What that gives.
    pub outcome: Outcome,
    /// Bytes of RAM that would still lie below `PHYS_OFFSET`.
    pub below: u64,
}

/// The machine's memory, described once, under which settings can be tried.
pub struct Trials<'r> {
    memblock: Memblock<'r>,
    now: Outcome,
}

impl Trials<'_> {
    /// The settings as they are.
    #[must_use]
    pub const fn now(&self) -> &Outcome {
        &self.now
    }

    fn of(&self, request: Request) -> Option<Outcome> {
        Outcome::of(&self.memblock, request)
    }

    /// May all of `range` be mapped, as lowmem or as HighMem?
    #[must_use]
    pub fn maps(&self, range: PhysRange) -> bool {
        let parts = self.memblock.mapped_memory().filter_map(|block| block.intersection(&range));
        parts.map(|part| part.len()).sum::<u64>() == range.len()
    }

    /// How large `vmalloc=` may be for all RAM to be lowmem.
    #[must_use]
    pub fn all_lowmem(&self) -> LargestVmalloc {
        let top = self.memblock.mapped_memory().last().unwrap_or_default().end();
        self.largest_vmalloc(|layout| top <= layout.lowmem_end)
    }

    /// How large `vmalloc=` may be for all of `range` to be lowmem.
    #[must_use]
    pub fn largest_vmalloc_for(&self, range: PhysRange) -> LargestVmalloc {
        self.largest_vmalloc(|layout| range.end() <= layout.lowmem_end)
    }

    /// The largest `vmalloc=` with which `holds`, which must hold for every smaller one too.
    fn largest_vmalloc(&self, holds: impl Fn(&Layout) -> bool) -> LargestVmalloc {
        let fits = |vmalloc_bytes| {
            let request = Request { vmalloc_bytes, ..self.now.request };
            Layout::of(&self.memblock, &request).is_some_and(|layout| holds(&layout))
        };
        if !fits(MIN_BYTES) {
            return LargestVmalloc::Never;
        }
        let (mut good, mut end) = (MIN_BYTES, max_bytes(self.now.request.split) + 1);
        while end - good > 1 {
            let middle = good + (end - good) / 2;
            if fits(middle) { good = middle } else { end = middle }
        }
        LargestVmalloc::Bytes(good)
    }

    /// RAM that is above lowmem with the least `vmalloc=`, in bytes.
    #[must_use]
    pub fn above_at_least(&self) -> u64 {
        let least = self.of(Request { vmalloc_bytes: MIN_BYTES, ..self.now.request });
        least.map_or(0, |outcome| outcome.above_lowmem())
    }

    /// Another split, with the same `command_line`, whose `vmalloc=` it may clamp otherwise. `None`
    /// when it gives no lowmem, which can not be where the kernel itself is RAM.
    #[must_use]
    pub fn split(&self, split: Split, command_line: &str) -> Option<Outcome> {
        let vmalloc_bytes = vmalloc_size::from_command_line(command_line, split, &mut |_| ());
        self.of(Request { split, vmalloc_bytes, ..self.now.request })
    }

    /// HighMem if there is none, no HighMem if there is.
    #[must_use]
    pub fn other_highmem(&self) -> Option<Outcome> {
        self.of(Request { highmem: !self.now.request.highmem, ..self.now.request })
    }

    /// A `dma_zone=` in bytes, whole MiB, that makes all lowmem DMA; `None` if it is.
    #[must_use]
    pub fn all_dma(&self) -> Option<(u64, Outcome)> {
        let Outcome { request, layout, .. } = &self.now;
        if self.now.zone_bytes(ZoneKind::Normal) == 0 {
            return None;
        }
        let lowmem = layout.lowmem_end.as_u64() - layout.phys_offset.as_u64();
        let bytes = lowmem.next_multiple_of(MIB);
        let outcome = self.of(Request { dma_bytes: Some(bytes), ..*request });
        outcome.filter(|o| o.zone_bytes(ZoneKind::Normal) == 0).map(|outcome| (bytes, outcome))
    }

    /// A `vmalloc=` in bytes, a whole number of pages, that does not end lowmem inside a page; if
    /// the present one does.
    #[must_use]
    pub fn whole_page(&self) -> Option<(u32, Outcome)> {
        let page = u64::from(PAGE_SIZE);
        if self.now.layout.lowmem_end.is_aligned(page) {
            return None;
        }
        let bytes = self.now.request.vmalloc_bytes & !(PAGE_SIZE - 1);
        let outcome = self.of(Request { vmalloc_bytes: bytes, ..self.now.request });
        outcome.filter(|o| o.layout.lowmem_end.is_aligned(page)).map(|outcome| (bytes, outcome))
    }
}

impl<I: Inventory> Situation<'_, '_, I> {
    /// Prepares trials of this machine. `scratch` is overwritten. It must hold a region for each
    /// bank, each `mem=` and each reservation, two more for each that is not to be mapped, and a
    /// few to spare.
    ///
    /// # Errors
    ///
    /// See [`TrialError`].
    pub fn trials<'r>(&self, scratch: &'r mut [Region]) -> Result<Trials<'r>, TrialError> {
        let memblock = self.described(scratch, self.given())?;
        let now = Outcome::of(&memblock, self.request());
        let now = now.filter(|outcome| outcome.layout == *self.layout);
        Ok(Trials { memblock, now: now.ok_or(TrialError::NotAsBooted)? })
    }

    /// This machine without the `mem=` parameters; `None` if there are none that count.
    ///
    /// # Errors
    ///
    /// See [`TrialError`].
    pub fn without_mem(&self, scratch: &mut [Region]) -> Result<Option<Outcome>, TrialError> {
        if !self.mem_given() {
            return Ok(None);
        }
        let memblock = self.described(scratch, Given { command_line: "", ..self.given() })?;
        Ok(Outcome::of(&memblock, self.request()))
    }

    /// The kernel in the lowest bank that has room for it; `None` unless that makes more RAM usable
    /// than `now`.
    ///
    /// # Errors
    ///
    /// See [`TrialError`].
    pub fn lower_bank(
        &self,
        now: &Outcome,
        scratch: &mut [Region],
    ) -> Result<Option<OtherBank>, TrialError> {
        let image_in = |bank: PhysRange| {
            let start = phys_offset_of_bank(bank.start()).saturating_add(IMAGE_OFFSET);
            PhysRange::new(start, start.saturating_add(self.loaded.image.len()))
        };
        let below = |bank: &PhysRange| bank.end() <= self.layout.phys_offset;
        let candidates = self.inventory.banks().filter(below);
        let roomy = candidates.filter(|bank| bank.contains_range(&image_in(*bank)));
        let Some(bank) = roomy.min_by_key(PhysRange::start) else { return Ok(None) };
        let phys_offset = phys_offset_of_bank(bank.start());
        let given = Given { phys_offset, image: image_in(bank), ..self.given() };
        let memblock = self.described(scratch, given)?;
        let request = Request { phys_offset, ..self.request() };
        let outcome = Outcome::of(&memblock, request).filter(|other| other.used() > now.used());
        let lost = PhysRange::new(PhysAddr::default(), phys_offset);
        let still = self.inventory.banks().filter_map(|bank| bank.intersection(&lost));
        let below = still.map(|part| part.len()).sum();
        Ok(outcome.map(|outcome| OtherBank { bank, outcome, below }))
    }

    /// The machine's memory, described as boot does it.
    fn described<'r>(
        &self,
        scratch: &'r mut [Region],
        given: Given<'_>,
    ) -> Result<Memblock<'r>, TrialError> {
        let holders = self.inventory.reservations().count();
        // One region for each, and room to cut another in two.
        let most = scratch.len().saturating_sub(holders + 2);
        let (memory, reserved) = scratch.split_at_mut(most);
        let mut memblock = Memblock::new(memory, reserved);
        memory::describe(&mut memblock, || self.inventory.banks(), given, &mut |_| ())
            .map_err(TrialError::Memblock)?;
        for one in self.inventory.reservations() {
            memory::set_aside(&mut memblock, one.range, one.no_map)
                .map_err(TrialError::Memblock)?;
        }
        // What memblock knows and nobody is known to have asked for.
        let known = self.memblock.memory().regions().iter();
        for region in known.filter(|region| region.flags.contains(Flags::NOMAP)) {
            memblock.mark_nomap(region.range).map_err(TrialError::Memblock)?;
        }
        Ok(memblock)
    }
}
