//! What mappings ask of page tables: one trait, which the architecture's crate implements.
//!
//! Addresses and sizes are whole pages here, of regions that the caller owns: an area that it took, a slot of the
//! fixmap. So no two callers ever write the same entry, and the calls that write page entries take no lock. What is
//! shared (first-level entries, and who holds which table) is the implementation's to serialise.
//!
//! The life of a page entry:
//!
//! ```text
//!              map_*                    publish                retire                 flush, take_dead
//! fault (0) ───────────▶ valid ···▶ (may be used) ───▶ dead: a fault that names ─────▶ fault (0)
//!                          │                           its frame
//!                          └─────────────────────────▶ fault (0) ···▶ flush
//!                                     clear
//! ```
//!
//! Context of every call, unless it says otherwise: any, with interrupts on or off; it does not sleep.

use core::fmt;

use super::duty::{Fresh, Stale};
use super::prot::Prot;
use crate::addr::{
    PAGE_SIZE, PHYS_LIMIT_32, Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange,
};
use crate::zone::Gfp;

/// There is no memory for a second-level table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoTable {
    /// The first address that it would have served.
    pub virt: VirtAddr,
}

impl fmt::Display for NoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for the page table of {}", self.virt)
    }
}

impl core::error::Error for NoTable {}

/// What is mapped at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// The physical address under it.
    pub phys: PhysAddr,
    /// How it is mapped; `None` if in a way that [`Prot`] has no name for.
    pub prot: Option<Prot>,
}

/// The kernel's live page tables.
///
/// Small pages go where their table is held: [`hold_tables`](Self::hold_tables) first, and then
/// [`map_pages`](Self::map_pages), [`map_run`](Self::map_run). A table that nobody holds any more is freed, so
/// [`drop_tables`](Self::drop_tables) comes when the addresses are given up.
/// [`map_blocks`](Self::map_blocks) uses larger leaves, and looks after tables by itself.
pub trait Mmu {
    /// The end of the physical memory that [`map_blocks`](Self::map_blocks) can map. What lies above 4 GiB it maps by
    /// whole supersections only, which have bits 39:32 of the address (*ARM DDI 0406C, B3.5.1*). The default is that of
    /// tables that do not use those bits: not every CPU has them.
    const BLOCKS_END: PhysAddr = PHYS_LIMIT_32;

    /// Makes the second-level tables under `range` that are missing, and holds all of them. Sleeps as `gfp` says.
    ///
    /// # Errors
    ///
    /// [`NoTable`]; none of them is held then.
    fn hold_tables(&self, range: VirtRange, gfp: Gfp) -> Result<(), NoTable>;

    /// Lets go of the tables under `range`, which were held. Nothing is mapped there through them, and nothing dead
    /// is left. Tables that nobody else holds are unlinked from every address space, flushed and freed.
    fn drop_tables(&self, range: VirtRange);

    /// Maps `frames`, one after another, from `virt` on. The entries are faults (0), and their tables are held.
    fn map_pages(&self, virt: VirtAddr, frames: &[Pfn], prot: Prot) -> Fresh;

    /// As [`map_pages`](Self::map_pages), frames that follow each other.
    fn map_run(&self, virt: VirtAddr, frames: PfnRange, prot: Prot) -> Fresh;

    /// Makes what was mapped ready to be used, by all CPUs.
    fn publish(&self, fresh: Fresh);

    /// Takes away every page entry of `range`, whose tables are held; entries that are faults stay.
    fn clear(&self, range: VirtRange) -> Stale;

    /// As [`clear`](Self::clear), but leaves each entry dead: it faults, and still names its frame.
    fn retire(&self, range: VirtRange) -> Stale;

    /// Takes the frames out of the dead entries of `range`, in the order of their addresses: as many as `frames` holds, and says
    /// how many, and where to go on. The flush for what was retired there has been made.
    fn take_dead(&self, range: VirtRange, frames: &mut [Pfn]) -> (usize, VirtAddr);

    /// As [`take_dead`](Self::take_dead), of the one entry for `virt`; `None` if it is not dead.
    #[inline]
    fn take_dead_one(&self, virt: VirtAddr) -> Option<Pfn> {
        let mut frame = [Pfn::default()];
        let range = VirtRange::new(virt, VirtAddr::new(virt.as_u32() + PAGE_SIZE));
        let (taken, _) = self.take_dead(range, &mut frame);
        (taken == 1).then_some(frame[0])
    }

    /// Has all TLBs of all CPUs forget the addresses. Afterwards addresses and frames may be used anew.
    fn flush(&self, stale: Stale);

    /// Has all TLBs forget everything: pays for whatever was put off before the call.
    fn flush_all(&self);

    /// Maps `phys`, whole pages, at `virt`: supersections and sections where both sides are aligned and all of a
    /// block is wanted, small pages for the rest. Nothing is mapped there. Sleeps as `gfp` says.
    ///
    /// # Errors
    ///
    /// [`NoTable`]; nothing is mapped then.
    fn map_blocks(
        &self,
        virt: VirtAddr,
        phys: PhysRange,
        prot: Prot,
        gfp: Gfp,
    ) -> Result<Fresh, NoTable>;

    /// As [`map_blocks`](Self::map_blocks), if all of `phys` is one block, where nothing is mapped and no table stands in
    /// its way; `None` if not, and nothing has changed. It allocates nothing and waits for nobody, so it may be called
    /// with a lock held.
    #[inline]
    fn map_block(&self, virt: VirtAddr, phys: PhysRange, prot: Prot) -> Option<Fresh> {
        let _ = (virt, phys, prot);
        None
    }

    /// As [`unmap_blocks`](Self::unmap_blocks), if all of `range` is one block; `None` if not, and nothing has changed.
    /// May be called as [`map_block`](Self::map_block).
    #[inline]
    fn unmap_block(&self, range: VirtRange) -> Option<Stale> {
        let _ = range;
        None
    }

    /// Takes away what [`map_blocks`](Self::map_blocks) mapped in `range`, all of one call of it. Its tables are given
    /// up with it, unless others hold them.
    fn unmap_blocks(&self, range: VirtRange) -> Stale;

    /// What is mapped at `virt`, by pages or by larger leaves; `None` if nothing is.
    fn lookup(&self, virt: VirtAddr) -> Option<Mapped>;
}
