//! What the live tables ask of the machine under them: words, TLB operations, memory for tables.
//!
//! The kernel answers with instructions, inlined; a test with an emulated machine whose TLBs go stale. What the
//! two have in common is all the code above: which words are written, and what comes between.

use mm::addr::{PhysAddr, VirtAddr, VirtRange};
use mm::zone::Gfp;

use super::super::descriptor::SECTION_SIZE;
use crate::tlb::Operations;
use crate::tlb::sequence;

/// The machine under [`LiveTables`](super::LiveTables). Any context, but for [`take_table`](Self::take_table).
///
/// The tables are the only caller, and name words of tables only: of registered first-level tables, and of
/// second-level tables that a first-level entry leads to or that [`take_table`](Self::take_table) gave.
pub trait Machine: Operations {
    /// The table word at `entry`, a multiple of 4, in one single-copy atomic load.
    fn read(&self, entry: PhysAddr) -> u32;

    /// Puts `word` at `entry`, a multiple of 4, in one single-copy atomic store. Walkers see it after a
    /// [`dsb_ishst`](Operations::dsb_ishst) at the latest.
    fn write(&self, entry: PhysAddr, word: u32);

    /// Memory for a second-level table: 1 KiB, aligned to that, all zeroes. Sleeps as `gfp` says, of which flags
    /// that choose a zone are not meant for tables. Called without a lock held.
    fn take_table(&self, gfp: Gfp) -> Option<PhysAddr>;

    /// Takes the memory of a table back. No walker of any CPU reads it any more, and all its words are 0. Called
    /// without a lock held.
    fn give_table(&self, table: PhysAddr);

    /// The first-level table that this CPU's walks start at: TTBR0. Interrupts are masked.
    fn current_root(&self) -> PhysAddr;

    /// Calls `run` while no CPU but this one runs code that uses a mapping of the kernel's (T8 of `docs/model.md`).
    /// Interrupts are masked, and the lock of the tables is held. A machine that has only this CPU has nothing to do;
    /// another one stops the others where they use nothing that a section maps.
    fn alone(&self, run: impl FnOnce(&Alone));

    /// Replaces the valid first-level word at `entry` by `new`, break before make: a fault entry, a flush of at
    /// least the mebibyte at `virt`, the new word. When it returns, walkers see the new word.
    ///
    /// Between break and make nothing is touched that the word may map: neither the word through the linear map,
    /// nor the stack, nor data. The kernel's code runs in registers and writes through another mapping of the word's
    /// page. Interrupts are masked, and no other CPU uses the mebibyte: `alone` says so.
    fn replace_live(&self, alone: &Alone, entry: PhysAddr, virt: VirtAddr, new: u32);
}

/// No other CPU runs: what [`Machine::alone`] has to show for it.
#[derive(Debug)]
pub struct Alone(());

impl Alone {
    /// The word of a [`Machine`] whose other CPUs are stopped, or that has none.
    #[must_use]
    pub const fn promised() -> Self {
        Self(())
    }
}

/// [`Machine::replace_live`] for a machine whose own accesses do not go through the tables that it changes: an
/// emulated one.
pub fn replace_step_by_step(machine: &impl Machine, entry: PhysAddr, virt: VirtAddr, new: u32) {
    machine.write(entry, 0);
    let virt = virt.align_down(SECTION_SIZE);
    // The last mebibyte's end is no address; nothing is mapped in its last page.
    let end = VirtAddr::new(virt.as_u32().saturating_add(SECTION_SIZE));
    sequence::flush_kernel_range(machine, VirtRange::new(virt, end));
    machine.write(entry, new);
    machine.dsb_ishst();
    machine.isb();
}

impl<T: Operations + ?Sized> Operations for &T {
    #[inline(always)]
    fn dsb_ishst(&self) {
        (**self).dsb_ishst();
    }

    #[inline(always)]
    fn dsb_ish(&self) {
        (**self).dsb_ish();
    }

    #[inline(always)]
    fn isb(&self) {
        (**self).isb();
    }

    #[inline(always)]
    fn tlbi_mva(&self, virt: VirtAddr) {
        (**self).tlbi_mva(virt);
    }

    #[inline(always)]
    fn tlbi_all(&self) {
        (**self).tlbi_all();
    }
}

impl<T: Machine + ?Sized> Machine for &T {
    fn read(&self, entry: PhysAddr) -> u32 {
        (**self).read(entry)
    }

    fn write(&self, entry: PhysAddr, word: u32) {
        (**self).write(entry, word);
    }

    fn take_table(&self, gfp: Gfp) -> Option<PhysAddr> {
        (**self).take_table(gfp)
    }

    fn give_table(&self, table: PhysAddr) {
        (**self).give_table(table);
    }

    fn current_root(&self) -> PhysAddr {
        (**self).current_root()
    }

    fn alone(&self, run: impl FnOnce(&Alone)) {
        (**self).alone(run);
    }

    fn replace_live(&self, alone: &Alone, entry: PhysAddr, virt: VirtAddr, new: u32) {
        (**self).replace_live(alone, entry, virt, new);
    }
}
