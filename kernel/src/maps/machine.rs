//! What live page tables ask of the machine, answered by this kernel.
//!
//! Table words are read and written through the linear map: an addition, and a load or a store. Tables are objects of
//! a cache of their own, 1 KiB each and aligned to that.
//!
//! A word that maps what is in use, this CPU's stack or the table itself, is replaced through a second mapping of its
//! page, a slot of the fixmap: [`Slot::TABLE_ALIAS`]. The code in between is `tlb::replace_word`, in the image,
//! which is mapped by pages of tables that are never replaced.

use core::ptr;

use arch_arm::barrier;
use arch_arm::cp15::TTBR0;
use arch_arm::mmu::attributes::Attributes;
use arch_arm::mmu::live::{Alone, Machine};
use arch_arm::operations_of_this_cpu;
use arch_arm::tlb;
use mm::addr::{PAGE_SIZE, PhysAddr, VirtAddr, VirtRange};
use mm::map::fixmap::Slot;
use mm::object::CacheRef;
use mm::zone::{Gfp, PageAllocator};
use tock_registers::interfaces::Readable;

use crate::boot::{KernelTables, LinearMap};
use crate::pages::Pages;
use crate::slabs::Slabs;

/// Flags that say where pages are to lie. The cache knows where tables lie: in lowmem.
const PLACES: Gfp = Gfp::__GFP_DMA
    .union(Gfp::__GFP_DMA32)
    .union(Gfp::__GFP_HIGHMEM)
    .union(Gfp::__GFP_MOVABLE)
    .union(Gfp::__GFP_RECLAIMABLE);

/// The second mapping of a table's page.
const ALIAS: VirtRange = {
    let start = Slot::TABLE_ALIAS.address();
    VirtRange::new(start, VirtAddr::new(start.as_u32() + PAGE_SIZE))
};

/// The CPUs that a page allocator is for.
const fn cpus_of<P, const CPUS: usize>(_: fn(&PageAllocator<'static, P, CPUS>)) -> usize {
    CPUS
}

/// No other CPU runs: this kernel starts none. Who has it start one stops it in `alone`.
const _: () = assert!(cpus_of(|_: &Pages| ()) == 1, "there are CPUs to stop");

/// Words through the linear map, tables from a cache.
#[derive(Clone, Copy)]
pub struct TableMachine {
    /// From a physical address of lowmem to its address in the linear map.
    to_virt: u32,
    linear: LinearMap,
    slabs: &'static Slabs,
    cache: CacheRef<'static, 1>,
    /// The second-level word for [`ALIAS`].
    alias_word: PhysAddr,
}

impl TableMachine {
    /// The machine under the live `tables`; `None` if the fixmap has no table.
    pub fn new(
        tables: &KernelTables,
        slabs: &'static Slabs,
        cache: CacheRef<'static, 1>,
    ) -> Option<Self> {
        let linear = tables.linear();
        let start = linear.lowmem().start();
        let to_virt = linear.phys_to_virt(start)?.as_u32().wrapping_sub(start.as_u64() as u32);
        let alias_word = tables.walker().translate(ALIAS.start()).second?.entry;
        Some(Self { to_virt, linear, slabs, cache, alias_word })
    }

    /// Where the linear map has a word of a table.
    #[inline(always)]
    fn word(&self, entry: PhysAddr) -> *mut u32 {
        debug_assert!(self.linear.phys_to_virt(entry).is_some(), "a table word at {entry}");
        (entry.as_u64() as u32).wrapping_add(self.to_virt) as *mut u32
    }
}

operations_of_this_cpu!(TableMachine);

impl Machine for TableMachine {
    #[inline(always)]
    fn read(&self, entry: PhysAddr) -> u32 {
        // SAFETY: `LiveTables` names words of live tables, and of tables that it was given, only. All lie in lowmem,
        // in memory that is theirs.
        unsafe { ptr::read_volatile(self.word(entry)) }
    }

    #[inline(always)]
    fn write(&self, entry: PhysAddr, word: u32) {
        // SAFETY: as in `read`. Whoever else writes the word does so in one store too; which of them may is what
        // `LiveTables` sees to.
        unsafe { ptr::write_volatile(self.word(entry), word) };
    }

    fn take_table(&self, gfp: Gfp) -> Option<PhysAddr> {
        let table = self.slabs.take_object(self.cache, gfp.difference(PLACES) | Gfp::__GFP_ZERO);
        // Objects lie in lowmem.
        self.linear.virt_to_phys(table.ok()?)
    }

    fn give_table(&self, table: PhysAddr) {
        if let Some(object) = self.linear.phys_to_virt(table) {
            // SAFETY: `take_table` took it, and no walker reads it any more: `LiveTables` says so.
            // Were it refused, the allocator would have reported it.
            let _ = unsafe { self.slabs.free_object(self.cache, object) };
        }
    }

    fn current_root(&self) -> PhysAddr {
        PhysAddr::new(u64::from(TTBR0.get() & TTBR0::BASE.mask << TTBR0::BASE.shift))
    }

    fn alone(&self, run: impl FnOnce(&Alone)) {
        run(&Alone::promised());
    }

    fn replace_live(&self, _: &Alone, entry: PhysAddr, _: VirtAddr, new: u32) {
        let entry = entry.as_u64() as u32;
        let (frame, offset) = (entry & !(PAGE_SIZE - 1), entry & (PAGE_SIZE - 1));
        debug_assert!(self.read(self.alias_word) == 0, "two words are replaced at once");
        self.write(self.alias_word, frame | Attributes::KERNEL_DATA.small_page_bits());
        barrier::dsb_ishst();
        barrier::isb();
        // SAFETY: 1. the alias is a page of the fixmap, whose tables boot made and nobody replaces, and so is the
        // code's; 2. `LiveTables` replaces a section by its pages, or the other way round; 3. it holds
        // its lock, interrupts are masked, and this CPU is alone (T8).
        unsafe { tlb::replace_word((ALIAS.start().as_u32() + offset) as *mut u32, new) };
        self.write(self.alias_word, 0);
        tlb::flush_kernel_range(ALIAS);
    }
}
