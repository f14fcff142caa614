//! Where an object that comes back is looked for first.
//!
//! Two tables, by some bits of a page's number: which `kmalloc` cache last took objects from there, and which
//! slab this CPU has there. `kfree` is told neither, and this is quicker than to look both up in the page's
//! descriptor and the slab's record.
//!
//! A cache is a guess: its current slab says whether an object is one of its own. So does a slab, but a
//! slab's record is written to, so this has to be true of it:
//!
//! Invariant: in a CPU's table are slabs that are this CPU's, none of them a current one; or [the slab of no
//! objects](super::slab::Constants::NOTHING). The table is for its CPU alone, interrupts masked. The one of
//! caches is everybody's.

use super::allocator::SlabAllocator;
use super::cache::KmemCache;
use super::slab::{Constants, Owner, Slab};
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::platform::Lowmem;
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

/// Entries of a table, a power of two: the pages of 2 MiB. So few that both tables are within reach of one
/// base register.
const HINTS: usize = 512;

/// A table of addresses; 0 at first.
pub(super) struct Hints([AtomicU32; HINTS]);

impl Hints {
    pub(super) fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU32::new(0)))
    }

    /// Makes each entry the same.
    pub(super) fn fill(&self, address: u32) {
        self.0.iter().for_each(|hint| hint.store(address, Relaxed));
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|hint| hint.load(Relaxed))
    }

    /// Of the page at an address.
    #[inline(always)]
    pub(super) const fn of(&self, virt: VirtAddr) -> &AtomicU32 {
        &self.0[(virt.as_u32() / PAGE_SIZE) as usize % HINTS]
    }
}

/// The pages of a slab.
fn pages(slab: &Slab<'_>) -> impl Iterator<Item = VirtAddr> {
    let Constants { start, order, .. } = slab.header.is;
    (0..order.pages()).map(move |page| VirtAddr::new(start.as_u32() + page * PAGE_SIZE))
}

impl<P: Lowmem, const CPUS: usize> SlabAllocator<'_, '_, P, CPUS> {
    /// A slab becomes its CPU's current one: its objects are looked for in the cache.
    pub(super) fn hint_cache(&self, cache: &KmemCache<CPUS>, slab: &Slab<'_>, cpu: usize) {
        for page in pages(slab) {
            if cache.is_kmalloc {
                self.cache_hints.of(page).store(self.address_of(cache), Relaxed);
            }
            self.slab_hints[cpu].of(page).store(self.nothing, Relaxed);
        }
    }

    /// A slab is its CPU's, and not the current one.
    pub(super) fn hint_slab(&self, slab: &Slab<'_>, record: u32, cpu: usize) {
        for page in pages(slab) {
            self.slab_hints[cpu].of(page).store(record, Relaxed);
        }
    }

    /// An object comes back that was not found by the hints for its page, so the cache is changed, if it is one
    /// of this CPU's current slab.
    pub(super) fn learn(
        &self,
        cache: &KmemCache<CPUS>,
        slab: &Slab<'_>,
        object: VirtAddr,
        cpu: usize,
    ) {
        if cache.is_kmalloc && slab.owner() == Owner::current(cpu) {
            self.cache_hints.of(object).store(self.address_of(cache), Relaxed);
        }
    }

    /// A slab is this CPU's no more.
    pub(super) fn forget(&self, slab: &Slab<'_>, record: u32, cpu: usize) {
        for page in pages(slab) {
            let hint = self.slab_hints[cpu].of(page);
            if hint.load(Relaxed) == record {
                hint.store(self.nothing, Relaxed);
            }
        }
    }
}
