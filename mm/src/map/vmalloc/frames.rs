//! An area's frames come and go: single ones, and blocks.
//!
//! An area takes blocks of 32, 16 and 8 pages as long as they are easy to have, without a reserve and without reclaim,
//! and single pages for the rest: a block costs little more than a page. It stays a block: the descriptor of its
//! first frame says so when the frames come out of dead entries, and the block goes back whole. Whoever cuts an area in
//! the middle of one makes it single pages before.

use super::alloc::{CHUNK, for_pages};
use super::error::VmallocError;
use super::region::MappedRegion;
use crate::addr::{Order, PAGE_SIZE, Pfn, PfnRange, VirtAddr, VirtRange};
use crate::map::mmu::Mmu;
use crate::map::prot::Prot;
use crate::platform::Lowmem;
use crate::zone::Gfp;

/// The largest blocks that an area takes, and the smallest.
const LARGEST: u32 = 5;
const SMALLEST: u32 = 3;

/// What blocks are not worth: a wait, a reserve, a promise.
const EFFORT: Gfp = Gfp::__GFP_DIRECT_RECLAIM
    .union(Gfp::__GFP_HIGH)
    .union(Gfp::__GFP_MEMALLOC)
    .union(Gfp::__GFP_RETRY_MAYFAIL)
    .union(Gfp::__GFP_NOFAIL);

/// Frames that are about to go back.
pub(super) struct Frames {
    list: [Pfn; CHUNK],
    full: usize,
    /// Frames of a block that has gone back already.
    skip: u32,
    /// How many went back.
    pub(super) freed: u32,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { list: [Pfn::default(); CHUNK], full: 0, skip: 0, freed: 0 }
    }
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> MappedRegion<'_, '_, P, T, CPUS> {
    /// Maps new pages from an address on, whose tables are held, and publishes them. What was mapped of them when
    /// they ran out stays mapped.
    #[inline(always)]
    pub(super) fn fill(
        &self,
        start: VirtAddr,
        pages: u32,
        gfp: Gfp,
        prot: Prot,
    ) -> Result<(), VmallocError> {
        let gfp = for_pages(gfp);
        if pages == 1 {
            let pfn = self
                .pages
                .alloc_raw(gfp, Order::ZERO)
                .map_err(|error| VmallocError::NoPages { error, got: 0, wanted: 1 })?;
            let fresh = self.mmu.map_pages(start, &[pfn], prot);
            self.mmu.publish(fresh);
            return Ok(());
        }
        self.fill_many(start, pages, gfp, prot)
    }

    #[inline(never)]
    fn fill_many(
        &self,
        start: VirtAddr,
        wanted: u32,
        gfp: Gfp,
        prot: Prot,
    ) -> Result<(), VmallocError> {
        let at = |page: u32| VirtAddr::new(start.as_u32() + page * PAGE_SIZE);
        let mut got = 0;
        let easy = gfp.difference(EFFORT).union(Gfp::__GFP_NORETRY);
        let mut order = LARGEST;
        while order >= SMALLEST {
            let block = Order::new(order as u8).filter(|order| order.pages() <= wanted - got);
            let taken =
                block.and_then(|order| Some((order, self.pages.alloc_raw(easy, order).ok()?)));
            let Some((block, pfn)) = taken else {
                order -= 1;
                continue;
            };
            let frames = PfnRange::new(pfn, pfn.saturating_add(block.pages()));
            let fresh = self.mmu.map_run(at(got), frames, prot);
            self.mmu.publish(fresh);
            got += block.pages();
        }
        if got == wanted {
            return Ok(());
        }
        let mut frames = [Pfn::default(); CHUNK];
        while got < wanted {
            let room = CHUNK.min((wanted - got) as usize);
            let count = self
                .pages
                .alloc_bulk_raw(gfp, &mut frames[..room])
                .map_err(|error| VmallocError::NoPages { error, got, wanted })?;
            let fresh = self.mmu.map_pages(at(got), frames.get(..count).unwrap_or(&[]), prot);
            self.mmu.publish(fresh);
            got += count as u32;
        }
        Ok(())
    }

    /// Takes the frames out of dead entries whose flush has been made, and gives them back, or keeps the last few in
    /// `frames`.
    #[inline(always)]
    pub(super) fn take_frames(&self, range: VirtRange, frames: &mut Frames) {
        let mut rest = range;
        let has_blocks = range.len() >= PAGE_SIZE << SMALLEST;
        while !rest.is_empty() {
            let Some(room) = frames.list.get_mut(frames.full..) else { return };
            let (got, next) = self.mmu.take_dead(rest, room);
            rest = VirtRange::new(next, rest.end());
            if has_blocks {
                self.give_blocks(frames, got);
            } else {
                frames.full += got;
            }
            if frames.full >= CHUNK {
                self.give_rest(frames);
            }
        }
        frames.skip = 0;
    }

    /// Gives back one frame, or keeps it in `frames`.
    #[inline(always)]
    pub(super) fn put_frame(&self, frames: &mut Frames, pfn: Pfn) {
        if let Some(place) = frames.list.get_mut(frames.full) {
            *place = pfn;
            frames.full += 1;
        }
        if frames.full >= CHUNK {
            self.give_rest(frames);
        }
    }

    /// Of the last `got` frames gives back those in blocks.
    #[inline(never)]
    fn give_blocks(&self, frames: &mut Frames, got: usize) {
        let table = self.pages.frames();
        let (mut kept, end) = (frames.full, (frames.full + got).min(CHUNK));
        let mut index = frames.full;
        while index < end {
            if frames.skip > 0 {
                let skipped = (frames.skip as usize).min(end - index);
                frames.skip -= skipped as u32;
                index += skipped;
                continue;
            }
            let pfn = frames.list[index];
            let is_single = table.get(pfn).is_none_or(|page| page.head().is_sole(Order::ZERO));
            let order = if is_single { None } else { self.order_of(pfn) };
            match order {
                Some(order) if order != Order::ZERO => {
                    self.give_block(pfn, order);
                    frames.skip = order.pages();
                    frames.freed += order.pages();
                }
                _ => {
                    frames.list[kept] = pfn;
                    kept += 1;
                    index += 1;
                }
            }
        }
        frames.full = kept;
    }

    /// Gives back what is left.
    #[inline]
    pub(super) fn give_rest(&self, frames: &mut Frames) {
        self.give_frames(frames.list.get(..frames.full).unwrap_or(&[]));
        frames.freed += frames.full as u32;
        frames.full = 0;
    }

    /// The order of the allocated block that begins with a frame.
    fn order_of(&self, pfn: Pfn) -> Option<Order> {
        self.pages.frames().get(pfn)?.state().order()
    }

    /// Sees to it that no block lies on both sides of an address inside an area.
    pub(super) fn split_at(&self, area: VirtRange, border: VirtAddr) {
        for back in 1..1 << LARGEST {
            let Some(virt) = border.checked_sub(back * PAGE_SIZE) else { return };
            if !area.contains(virt) {
                return;
            }
            let Some(mapped) = self.mmu.lookup(virt) else { return };
            let pfn = mapped.phys.pfn_down();
            // Frames inside a block say nothing of it.
            if let Some(order) = self.order_of(pfn) {
                if order.pages() > back {
                    self.split_block(pfn, order);
                }
                return;
            }
        }
    }
}
