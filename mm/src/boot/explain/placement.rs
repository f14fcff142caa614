//! Where a boot loader put things, seen from this layout, and where they would be safe.
//!
//! A device tree or an initrd near the top of RAM is the usual victim of a larger `vmalloc=`:
//! lowmem shrinks, and what was loaded there is suddenly HighMem, or in RAM that is not used.

use super::{Inventory, Situation};
use crate::addr::{MIB, PAGE_SIZE, PHYS_LIMIT_32, PhysAddr, PhysRange};
use crate::boot::relocate::IMAGE_OFFSET;

/// Lowmem under every split and whatever `vmalloc=` says, in bytes from `PHYS_OFFSET`.
pub const ALWAYS_LOWMEM: u64 = 32 * MIB;

/// Where a range lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In the linear map: the kernel reads it as it is.
    Lowmem,
    /// Above lowmem: it takes mappings to read it.
    HighMem,
    /// Across the end of lowmem.
    Across,
    /// In RAM that the kernel does not use or must not map, at least in part.
    Unused,
    /// Outside the tree's RAM, at least in part.
    OutsideRam,
}

impl<I: Inventory> Situation<'_, '_, I> {
    /// Where `range` lies.
    #[must_use]
    pub fn place_of(&self, range: PhysRange) -> Place {
        let bytes_in = |blocks: &mut dyn Iterator<Item = PhysRange>| {
            let parts = blocks.filter_map(|block| block.intersection(&range));
            parts.map(|part| part.len()).sum::<u64>()
        };
        let dropped = self.dropped.is_some_and(|dropped| dropped.overlaps(&range));
        if !dropped && bytes_in(&mut self.memblock.mapped_memory()) == range.len() {
            let end = self.layout.lowmem_end;
            return match (range.start() < end, range.end() > end) {
                (true, false) => Place::Lowmem,
                (true, true) => Place::Across,
                (false, _) => Place::HighMem,
            };
        }
        if bytes_in(&mut self.inventory.banks()) == range.len() {
            Place::Unused
        } else {
            Place::OutsideRam
        }
    }

    /// Where the image belongs: [`IMAGE_OFFSET`] above `PHYS_OFFSET`.
    #[must_use]
    pub fn image_place(&self) -> PhysRange {
        let start = self.layout.phys_offset.saturating_add(IMAGE_OFFSET);
        PhysRange::new(start, start.saturating_add(self.loaded.image.len()))
    }

    /// The physical addresses of the linear map, holes included.
    #[must_use]
    pub fn lowmem(&self) -> PhysRange {
        PhysRange::new(self.layout.phys_offset, self.layout.lowmem_end)
    }

    /// The largest range of whole pages in `within` that may be mapped, and is neither the image's
    /// place nor reserved by the tree: whatever a boot loader puts there is in nobody's way. Of two
    /// equally large, the lower; `None` when there is none.
    #[must_use]
    pub fn safe_range(&self, within: PhysRange) -> Option<PhysRange> {
        let mut best: Option<PhysRange> = None;
        for block in self.memblock.mapped_memory() {
            let Some(block) = block.intersection(&within) else { continue };
            let mut at = block.start();
            while at < block.end() {
                let (free, next) = self.next_safe(PhysRange::new(at, block.end()));
                let free = free.whole_frames().as_phys();
                if free.len() > best.map_or(0, |best| best.len()) {
                    best = Some(free);
                }
                at = next;
            }
        }
        best
    }

    /// What is safe at the start of `rest`, which may be nothing, and where to look next.
    fn next_safe(&self, rest: PhysRange) -> (PhysRange, PhysAddr) {
        let of_tree = self.inventory.reservations().filter(|one| one.owner.is_of_tree());
        let obstacles = of_tree.map(|one| one.range).chain([self.image_place()]);
        let first = obstacles
            .filter_map(|obstacle| obstacle.intersection(&rest))
            .min_by_key(|obstacle| (obstacle.start(), core::cmp::Reverse(obstacle.end())));
        match first {
            None => (rest, rest.end()),
            Some(obstacle) => (PhysRange::new(rest.start(), obstacle.start()), obstacle.end()),
        }
    }

    /// The start of the linear map, which is lowmem whatever `vmalloc=` says.
    #[must_use]
    pub fn always_lowmem(&self) -> PhysRange {
        let start = self.layout.phys_offset;
        let end = start.saturating_add(ALWAYS_LOWMEM);
        PhysRange::new(start, end.min(self.layout.lowmem_end))
    }

    /// The tree's bank that the kernel is in.
    #[must_use]
    pub fn kernel_bank(&self) -> Option<PhysRange> {
        self.inventory.banks().find(|bank| bank.contains_range(&self.loaded.image))
    }

    /// The first and the last page, by their addresses, at which all of the image lies in the
    /// [kernel's bank](Self::kernel_bank) and below 4 GiB; `None` when there is none.
    #[must_use]
    pub fn image_starts(&self) -> Option<(PhysAddr, PhysAddr)> {
        let (bank, page) = (self.kernel_bank()?, u64::from(PAGE_SIZE));
        let first = PhysAddr::new(bank.start().as_u64().checked_next_multiple_of(page)?);
        let end = bank.end().min(PHYS_LIMIT_32).as_u64();
        let last = PhysAddr::new(end.checked_sub(self.loaded.image.len())?).align_down(page);
        (first <= last).then_some((first, last))
    }
}
