//! Lowmem without a linear alias: blocks of whole sections that were taken out of the linear map, and stay out while any
//! of their pages is used.
//!
//! An uncached page must have no cacheable mapping, or the CPU reads ahead through that one, and puts lines into
//! the caches that hide what a device writes. Lowmem has such a mapping, of sections of 1 MiB; to take out a page
//! would mean to split one. So whole blocks of 1, 2 or 4 MiB are taken out, and cut into pages here:
//!
//! ```text
//!            carve                        claim                release
//! allocator ───────▶ out, all pages free ───────▶ some are used ───────▶ out, all pages free
//!     ▲                                                                    │
//!     └──────────────────────── shrink, when memory is short ◀─────────────┘
//! ```
//!
//! A block comes from the page allocator, whole, so it never holds the image, a stack or a page table. Its pages may
//! still have lines in the caches, dirty ones too: they are dropped through the uncached mapping when a page gets
//! one, after which nothing can bring them back. So nothing is cleaned when a block is taken out.
//!
//! Invariants:
//!
//! - All bits of a block without a base are set. So nobody claims of it.
//! - Who has claimed a page of a block knows that its base stays. The base is read again after the claim.
//! - A block ends only by somebody who has claimed all of its pages.

use core::array;

use arrayvec::ArrayVec;

use super::bits::AtomicBits;
use super::device::Reach;
use super::error::CoherentError;
use super::figures::{SectionFigures, Usage};
use super::machine::DmaMachine;
use super::memory::DmaMemory;
use crate::addr::{MIB, Order, PAGE_SHIFT, PAGE_SIZE, Pfn, PfnRange};
use crate::platform::Lowmem;
use crate::sync::{AtomicU32, Ordering};
use crate::zone::shrink::Shrinker;
use crate::zone::{Gfp, PageAllocator};

/// How many blocks there can be: the DMA region has addresses for three sections, and devices of different reach
/// need blocks of their own.
pub const BLOCKS: usize = 8;
/// Pages of a section.
const SECTION_PAGES: u32 = (MIB >> PAGE_SHIFT) as u32;

/// A block: its physical address and its order as one word; 0 for none, or somebody is at it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Base(u32);

impl Base {
    const NONE: Self = Self(0);
    const BUSY: Self = Self(PAGE_SIZE - 1);

    const fn new(pfn: Pfn, order: Order) -> Self {
        Self(pfn.as_u32() << PAGE_SHIFT | order.as_u32())
    }

    /// The frames, if there is a block.
    fn frames(self) -> Option<PfnRange> {
        let order = Order::new((self.0 & (PAGE_SIZE - 1)).try_into().ok()?)?;
        let first = Pfn::new(self.0 >> PAGE_SHIFT);
        (order.pages() >= SECTION_PAGES)
            .then(|| PfnRange::new(first, first.saturating_add(order.pages())))
    }
}

struct Block {
    base: AtomicU32,
    bits: AtomicBits<{ (Order::MAX.pages() / 32) as usize }>,
}

impl Block {
    fn base(&self) -> Base {
        Base(self.base.load(Ordering::Acquire))
    }

    fn set_base(&self, base: Base) {
        self.base.store(base.0, Ordering::Release);
    }

    fn swap_base(&self, from: Base, to: Base) -> bool {
        self.base.compare_exchange(from.0, to.0, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Pages of this block that lie in `reach`.
    fn claim(&self, pages: u32, reach: Reach) -> Option<PfnRange> {
        let base = self.base();
        let frames = base.frames()?;
        if !reach.overlaps(frames) {
            return None;
        }
        let place = self.bits.claim(pages)?;
        let first = frames.start().saturating_add(place);
        let run = PfnRange::new(first, first.saturating_add(pages));
        if self.base() == base && reach.holds(run) {
            return Some(run);
        }
        self.bits.release(place, pages);
        None
    }
}

/// The blocks.
pub(super) struct Sections {
    blocks: [Block; BLOCKS],
}

impl Sections {
    pub(super) fn new() -> Self {
        let block = |_| Block { base: AtomicU32::new(Base::NONE.0), bits: AtomicBits::none() };
        Self { blocks: array::from_fn(block) }
    }

    /// Free pages of some block, side by side.
    pub(super) fn claim(&self, pages: u32, reach: Reach) -> Option<PfnRange> {
        self.blocks.iter().find_map(|block| block.claim(pages, reach))
    }

    /// Gives back claimed pages.
    pub(super) fn release(&self, run: PfnRange) {
        let of = |block: &&Block| {
            block.base().frames().is_some_and(|frames| frames.contains(run.start()))
        };
        if let Some(block) = self.blocks.iter().find(of) {
            let first = block.base().frames().map_or(run.start(), |frames| frames.start());
            block.bits.release(run.start().as_u32() - first.as_u32(), run.len());
        }
    }

    /// A place for one block more, which is the caller's to fill.
    fn take_place(&self) -> Option<&Block> {
        self.blocks.iter().find(|block| block.swap_base(Base::NONE, Base::BUSY))
    }

    /// Pages of blocks that are wholly free.
    fn spare_pages(&self) -> u32 {
        let frames = |block: &Block| block.base().frames().map_or(0, |frames| frames.len());
        let spare = |block: &&Block| block.bits.free(frames(block)) == frames(block);
        self.blocks.iter().filter(spare).map(frames).sum()
    }
}

impl<P: Lowmem, M: DmaMachine, const CPUS: usize> DmaMemory<'_, '_, P, M, CPUS> {
    /// Pages without a linear alias: of a block that is out, or of one more. `gfp` names the zone.
    pub(super) fn take_section_pages(
        &self,
        pages: u32,
        reach: Reach,
        gfp: Gfp,
    ) -> Result<PfnRange, CoherentError> {
        if let Some(run) = self.sections.claim(pages, reach) {
            return Ok(run);
        }
        let bytes = pages * PAGE_SIZE;
        let order = Order::for_pages(pages.max(SECTION_PAGES))
            .ok_or(CoherentError::TooLarge { bytes, most: Order::MAX.bytes() })?;
        let too_many = CoherentError::TooManySections { bytes, blocks: BLOCKS as u32 };
        let Some(place) = self.sections.take_place() else {
            // One that is wholly free, but too small or out of reach, makes room.
            self.shrink_sections(1);
            return match self.sections.take_place() {
                Some(place) => self.carve(place, order, pages, reach, gfp),
                None => Err(too_many),
            };
        };
        self.carve(place, order, pages, reach, gfp)
    }

    /// Takes a block out of the linear map, and the first pages of it.
    fn carve(
        &self,
        place: &Block,
        order: Order,
        pages: u32,
        reach: Reach,
        gfp: Gfp,
    ) -> Result<PfnRange, CoherentError> {
        match self.take_out(order, pages, reach, gfp) {
            Ok(frames) => {
                let end = frames.start().saturating_add(pages);
                place.bits.open(pages, frames.len());
                place.set_base(Base::new(frames.start(), order));
                Ok(PfnRange::new(frames.start(), end))
            }
            Err(error) => {
                place.set_base(Base::NONE);
                Err(error)
            }
        }
    }

    fn take_out(
        &self,
        order: Order,
        pages: u32,
        reach: Reach,
        gfp: Gfp,
    ) -> Result<PfnRange, CoherentError> {
        let no_memory = |error| CoherentError::NoMemory { bytes: pages * PAGE_SIZE, error };
        let block = self.pages.alloc_pages(gfp, order).map_err(no_memory)?;
        let run = PfnRange::new(block.pfn(), block.pfn().saturating_add(pages));
        if !reach.holds(run) {
            return Err(CoherentError::OutOfReach {
                memory: run.as_phys(),
                reach: reach.as_phys(),
            });
        }
        self.machine.take_out(block.phys()).map_err(CoherentError::NotTakenOut)?;
        let frames = block.frames();
        let _ = block.into_raw();
        Ok(frames)
    }

    /// Puts wholly free blocks back into the linear map and gives them to the page allocator, until so many pages
    /// are free. Says how many they are.
    pub(super) fn shrink_sections(&self, pages: u32) -> u32 {
        let mut freed = 0;
        for block in &self.sections.blocks {
            if freed >= pages {
                break;
            }
            let base = block.base();
            let Some(frames) = base.frames() else { continue };
            if !block.bits.claim_at(0, frames.len()) {
                continue;
            }
            // All of whatever block this is by now.
            if !block.swap_base(base, Base::BUSY) {
                block.bits.release(0, frames.len());
                continue;
            }
            self.machine.put_back(frames.as_phys());
            give_back(self.pages, frames);
            block.set_base(Base::NONE);
            freed += frames.len();
        }
        freed
    }

    /// The blocks that are out.
    pub(super) fn section_figures(&self) -> ArrayVec<SectionFigures, BLOCKS> {
        let figures = |block: &Block| {
            let frames = block.base().frames()?;
            let zone = self.pages.zones().iter().find(|zone| zone.span().contains(frames.start()));
            let free = block.bits.free(frames.len());
            Some(SectionFigures {
                memory: frames.as_phys(),
                zone: zone.map(|zone| zone.kind()),
                usage: Usage {
                    bytes: frames.len() * PAGE_SIZE,
                    in_use: (frames.len() - free) * PAGE_SIZE,
                    largest_free: block.bits.largest_free() * PAGE_SIZE,
                },
            })
        };
        self.sections.blocks.iter().filter_map(figures).collect()
    }
}

/// Gives back a block that was taken whole.
fn give_back<P: Lowmem, const CPUS: usize>(pages: &PageAllocator<'_, P, CPUS>, frames: PfnRange) {
    // What can go wrong is somebody else's mistake, and the allocator has reported it.
    let _ = pages.free_run(frames);
}

/// Blocks that are out though none of their pages is used.
impl<P: Lowmem + Sync, M: DmaMachine + Sync, const CPUS: usize> Shrinker
    for DmaMemory<'_, '_, P, M, CPUS>
{
    fn name(&self) -> &'static str {
        "dma sections"
    }

    fn count(&self) -> u32 {
        self.sections.spare_pages()
    }

    fn shrink(&self, pages: u32, _: Gfp) -> u32 {
        self.shrink_sections(pages)
    }
}
