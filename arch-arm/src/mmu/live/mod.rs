//! The kernel's page tables while it runs: everything that is mapped, changed and unmapped after boot.
//!
//! [`LiveTables`] is the one writer of the kernel's part of all address spaces. It implements what `mm` asks of page
//! tables, [`Mmu`], over what it asks of a [`Machine`]; and offers what only an architecture has: rights of single
//! pages ([`set_memory_ro`](LiveTables::set_memory_ro) and its like), sections [split](LiveTables::split) to pages
//! and [joined](LiveTables::join) again, mebibytes [taken out](LiveTables::take_out) of the linear map.
//!
//! | module | idea |
//! |---|---|
//! | `machine` | words, TLB operations and memory: what there must be underneath |
//! | `words` | the words for each [`Prot`], as constants |
//! | `holders` | who holds a mebibyte's table |
//! | `tables` | second-level tables come and go |
//! | `roots` | all address spaces have the same first-level entries for the kernel |
//! | `pages` | small pages: the paths that are counted |
//! | `blocks` | supersections, sections, and small pages for the rest |
//! | `change` | rights of what is mapped |
//! | `split` | a section becomes 256 pages, and they a section again |
//! | `linear` | sections leave the linear map, and come back |
//! | `slots` | single pages whose tables stay, written by arithmetic |
//!
//! Protocol:
//!
//! - Page entries belong to whoever holds their addresses, and are written without a lock. Entries of the linear map,
//!   whose mebibytes have several users, are written under the lock.
//! - First-level entries, the holders of tables and the list of roots are changed under one lock with interrupts
//!   masked. Nothing foreign is called under it: memory for tables is taken before, and given back after.
//!
//! Invariants, beside T2 and T3 of `docs/model.md`:
//!
//! - **Break before make.** A valid word becomes a fault, all TLBs forget it, and only then it is something else. One
//!   exception: a change of nothing but rights is one store, and a flush follows before the call returns. TLBs
//!   then hold the old rights or the new ones, of the same memory.
//! - All roots have the same words for the kernel, whenever the lock is free.
//! - A table that is given back is not reached from any root, nor from what a walker remembers of one.
//!
//! *ARM DDI 0406C, B3.10.1, General TLB maintenance requirements*.

mod blocks;
mod change;
mod guard;
mod holders;
mod linear;
mod machine;
mod pages;
mod roots;
mod slots;
mod split;
mod tables;
mod words;

#[cfg(test)]
mod emulated;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod slots_tests;
#[cfg(test)]
mod tests;

use mm::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::map::linear::LinearMap;
use mm::map::{Fresh, Mapped, Mmu, NoTable, Prot, Stale};
use mm::zone::Gfp;

pub use change::ChangeError;
pub use linear::TakeOutError;
pub use machine::{Alone, Machine, replace_step_by_step};
pub use roots::{MAX_ROOTS, RootError};
pub use slots::{SlotStore, SlotWords};
pub use split::SplitError;

use super::attributes::Domain;
use super::descriptor::{L1_ENTRIES, L2_ENTRIES, RootBase, SECTION_SHIFT, SECTION_SIZE};
use super::walk::{TableRead, Walker};
use crate::sync::IrqLock;
use crate::tlb::{Operations, sequence};
use holders::Holders;
use roots::Roots;

/// From so many pages on all of the TLB is flushed instead. Each page is an operation that goes out to every CPU;
/// refilling is a walk for each page that is still in use. Neither CPU holds more than 512 entries, of which most
/// are other code's; Linux draws the line at 33 on x86, and nowhere on ARM.
const FLUSH_ALL_PAGES: u32 = 64;

/// The one writer of the kernel's live page tables.
///
/// `M` is copied into every loop, so that what it knows stays in registers: it is small, or a reference.
pub struct LiveTables<M> {
    machine: M,
    /// The kernel's first-level table: its words are every root's.
    root: u32,
    /// The first address that all address spaces share.
    kernel_start: VirtAddr,
    linear: LinearMap,
    shared: IrqLock<Shared>,
}

/// What is changed under the lock.
struct Shared {
    roots: Roots,
    holders: [Holders; L1_ENTRIES as usize],
}

impl Shared {
    fn holders(&mut self, virt: VirtAddr) -> &mut Holders {
        // 12 bits: always inside.
        &mut self.holders[(virt.as_u32() >> SECTION_SHIFT) as usize]
    }
}

impl<M: Machine + Copy> LiveTables<M> {
    /// Goes on with the tables under `root`, the kernel's first-level table, which boot has built. What lies from
    /// `kernel_start` on, a whole mebibyte, is the same in all address spaces. The second-level tables that
    /// there are stay for good: boot cut them from whole frames. The linear map is the one in `linear`.
    ///
    /// From now on nobody else changes what lies from `kernel_start` on.
    #[must_use]
    pub fn adopt(machine: M, root: RootBase, kernel_start: VirtAddr, linear: LinearMap) -> Self {
        let mut holders = [Holders::NONE; L1_ENTRIES as usize];
        let root = low(root.address());
        for (index, holders) in holders.iter_mut().enumerate() {
            let entry = root + index as u32 * 4;
            let is_kernel = index as u32 >= kernel_start.as_u32() >> SECTION_SHIFT;
            if is_kernel && machine.read(at(entry)) & words::TYPE == words::TABLE {
                *holders = Holders::FOR_GOOD;
            }
        }
        let shared = IrqLock::new(Shared { roots: Roots::new(root), holders });
        Self { machine, root, kernel_start, linear, shared }
    }

    /// Has all CPUs forget `range`, however it was mapped.
    fn forget(&self, range: VirtRange) {
        forget(&self.machine, range);
    }

    /// The kernel's first-level word for `virt`.
    #[inline(always)]
    fn first_level(&self, virt: VirtAddr) -> u32 {
        self.machine.read(at(self.root + (virt.as_u32() >> SECTION_SHIFT) * 4))
    }
}

impl<M: Machine> TableRead for LiveTables<M> {
    fn read(&self, entry: PhysAddr) -> u32 {
        self.machine.read(entry)
    }
}

impl<M: Machine + Copy> Mmu for LiveTables<M> {
    fn hold_tables(&self, range: VirtRange, gfp: Gfp) -> Result<(), NoTable> {
        self.hold(range, gfp)
    }

    fn drop_tables(&self, range: VirtRange) {
        self.let_go(range);
    }

    #[inline]
    fn map_pages(&self, virt: VirtAddr, frames: &[Pfn], prot: Prot) -> Fresh {
        self.write_pages(virt, frames, words::page_bits(prot));
        Fresh::owed()
    }

    #[inline]
    fn map_run(&self, virt: VirtAddr, frames: PfnRange, prot: Prot) -> Fresh {
        self.write_run(virt, frames, words::page_bits(prot));
        Fresh::owed()
    }

    #[inline]
    fn publish(&self, fresh: Fresh) {
        self.machine.dsb_ishst();
        self.machine.isb();
        fresh.paid();
    }

    #[inline(always)]
    fn clear(&self, range: VirtRange) -> Stale {
        self.clear_pages(range);
        Stale::owed(range)
    }

    #[inline]
    fn retire(&self, range: VirtRange) -> Stale {
        self.retire_pages(range);
        Stale::owed(range)
    }

    #[inline]
    fn take_dead(&self, range: VirtRange, frames: &mut [Pfn]) -> (usize, VirtAddr) {
        self.take_dead_pages(range, frames)
    }

    #[inline(always)]
    fn take_dead_one(&self, virt: VirtAddr) -> Option<Pfn> {
        self.take_one_dead_page(virt)
    }

    #[inline]
    fn flush(&self, stale: Stale) {
        self.forget(stale.range());
        stale.paid();
    }

    fn flush_all(&self) {
        sequence::flush_all(&self.machine);
    }

    fn map_blocks(
        &self,
        virt: VirtAddr,
        phys: PhysRange,
        prot: Prot,
        gfp: Gfp,
    ) -> Result<Fresh, NoTable> {
        self.write_blocks(virt, phys, prot, gfp)?;
        Ok(Fresh::owed())
    }

    #[inline(always)]
    fn map_block(&self, virt: VirtAddr, phys: PhysRange, prot: Prot) -> Option<Fresh> {
        self.write_one_block(virt, phys, prot).then(Fresh::owed)
    }

    #[inline(always)]
    fn unmap_block(&self, range: VirtRange) -> Option<Stale> {
        self.clear_one_block(range).then(|| Stale::owed(range))
    }

    fn unmap_blocks(&self, range: VirtRange) -> Stale {
        self.clear_blocks(range);
        Stale::owed(range)
    }

    fn lookup(&self, virt: VirtAddr) -> Option<Mapped> {
        let first = self.first_level(virt);
        // The low ten bits of a table's word are 1: the kernel's domain, and nothing that its pages would have to
        // regard.
        if first & 0x3ff == words::TABLE {
            let index = (virt.as_u32() >> PAGE_SHIFT) % L2_ENTRIES;
            let word = self.machine.read(at(words::table_of(first) + index * 4));
            if word & words::SMALL_PAGE != 0 {
                let phys = at(word & !(PAGE_SIZE - 1) | virt.as_u32() & (PAGE_SIZE - 1));
                return Some(Mapped { phys, prot: words::prot_of_page(word) });
            }
        }
        self.lookup_any(virt)
    }
}

impl<M: Machine + Copy> LiveTables<M> {
    /// What is mapped at `virt`, by whatever kind of entry.
    #[cold]
    fn lookup_any(&self, virt: VirtAddr) -> Option<Mapped> {
        let root = RootBase::new(at(self.root))?;
        let translation = Walker::new(root, self).translate(virt);
        let (phys, mapping) = (translation.phys()?, translation.mapping?);
        // In another domain, or without PXN's leave, it is nothing that `Prot` can say.
        let is_plain = mapping.attributes.domain == Domain::KERNEL && !mapping.pxn;
        let prot = words::prot_of(mapping.attributes.leaf).filter(|_| is_plain);
        Some(Mapped { phys, prot })
    }
}

/// Has all CPUs forget `range`, however it was mapped.
#[inline(always)]
fn forget(on: &impl Operations, range: VirtRange) {
    if range.len() >> PAGE_SHIFT > FLUSH_ALL_PAGES {
        sequence::flush_all(on);
    } else {
        sequence::flush_kernel_range(on, range);
    }
}

/// The parts of `range`, one for each mebibyte that it has a byte of.
#[inline(always)]
fn mebibytes(range: VirtRange) -> impl Iterator<Item = VirtRange> + Clone {
    let mut next = range.start();
    core::iter::from_fn(move || {
        if next >= range.end() {
            return None;
        }
        let border = next.align_down(SECTION_SIZE).as_u32().saturating_add(SECTION_SIZE);
        let piece = VirtRange::new(next, VirtAddr::new(border).min(range.end()));
        next = piece.end();
        Some(piece)
    })
}

/// Is the part of a mebibyte all of it?
fn is_whole(piece: VirtRange) -> bool {
    piece.len() == SECTION_SIZE
}

/// An address below 4 GiB, where all tables lie.
#[inline(always)]
fn at(address: u32) -> PhysAddr {
    PhysAddr::new(address as u64)
}

/// The address of a table as a word holds it. The types of tables' addresses end at 4 GiB.
#[inline(always)]
fn low(address: PhysAddr) -> u32 {
    address.as_u64() as u32
}
