//! `kmap_local`: frames that one CPU maps for itself, one inside another.
//!
//! Each CPU has 16 slots of the fixmap ([`fixmap`]). The first 15 are a stack, whose depth is
//! one word of the CPU's own. The last is [`highpage`](super::highpage)'s, for when the stack is full.
//!
//! ```text
//! map:    depth → depth + 1    entry: fault → frame    dsb, isb
//! unmap:  entry: frame → fault    flush    depth + 1 → depth
//! ```
//!
//! No lock, and interrupts stay as they are. A handler that comes in between, at whatever instruction, uses the
//! levels from the depth that it finds, and has given all of them back when it returns: entries are faults, TLBs know
//! nothing of them, and the depth is what it was. If the depth had been raised already, it leaves that level alone; if it
//! had not, the level is as free as before. That is why the depth is raised *before* the entry is written, and lowered
//! *after* the flush.
//!
//! Invariants:
//!
//! - The entry of a level at or above the depth is a fault, and no TLB holds it. So a new mapping is made over a fault
//!   and flushes nothing (break before make, *ARM DDI 0406C, B3.10.1*).
//! - A mapping ends on the CPU that made it: there is nobody who moves code to another CPU, and
//!   [`LocalPage`] is not `Send`.
//! - Levels end in the reverse order of their making. Who breaks that is told so and refused: a level that
//!   were given up below one in use would be mapped anew by the next.
//!
//! The flush is for all CPUs, though none but this one uses the address: a walker may look ahead anywhere, and a frame
//! must not stay in a TLB when it has become somebody else's, perhaps as uncached memory.

use core::fmt;
use core::marker::PhantomData;

use super::error::{NotUnmapped, TooDeep, WrongUnmap};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, Pfn, VirtAddr};
use crate::map::fixmap::{self, KMAP_LOCAL_DEPTH, Slot};
use crate::map::linear::LinearMap;
use crate::map::lowmem::LowmemFrames;
use crate::map::slots::SlotTable;
use crate::platform::{Platform, Report};
use crate::sync::{AtomicU32, Ordering::Relaxed};

/// Levels of one CPU: as many as Linux has. The slot above them is kept for whole pages.
pub const MAX_DEPTH: u32 = KMAP_LOCAL_DEPTH - 1;
const _: () = assert!(KMAP_LOCAL_DEPTH.is_power_of_two());

/// The page of the outermost level of the first CPU; the others follow downwards.
const TOP: VirtAddr = match Slot::kmap_local(0, 0) {
    Some(slot) => slot.address(),
    None => panic!("the fixmap has no slot for the first CPU"),
};

/// The page of a level.
#[inline(always)]
const fn page_of(cpu: u32, level: u32) -> VirtAddr {
    VirtAddr::new(TOP.as_u32() - ((cpu * KMAP_LOCAL_DEPTH + level) << PAGE_SHIFT))
}

/// The number of the slot that the page holds, from that of the outermost level of the first CPU.
#[inline(always)]
const fn number_of(virt: VirtAddr) -> u32 {
    (TOP.as_u32() + (PAGE_SIZE - 1)).wrapping_sub(virt.as_u32()) >> PAGE_SHIFT
}

/// What one CPU has mapped for itself. Written by it alone.
struct Levels {
    depth: AtomicU32,
    /// The most that there were at once.
    deepest: AtomicU32,
    /// Not 0 while the slot above them is in use.
    above: AtomicU32,
}

/// The slots of `CPUS` CPUs, a power of two.
pub struct KmapLocal<P, T, const CPUS: usize = 1> {
    levels: [Levels; CPUS],
    lowmem: LowmemFrames,
    pub(super) table: T,
    pub(super) platform: P,
}

/// A frame that is mapped for this CPU. Ends in the reverse order of its making, on the same CPU.
#[must_use = "the frame is unmapped when it is dropped"]
pub struct LocalPage<'k, P: Platform, T: SlotTable, const CPUS: usize = 1> {
    from: &'k KmapLocal<P, T, CPUS>,
    virt: VirtAddr,
    /// Not another CPU's.
    _here: PhantomData<*const ()>,
}

impl<P: Platform, T: SlotTable, const CPUS: usize> KmapLocal<P, T, CPUS> {
    /// Nothing is mapped yet. `table` has the fixmap's entries, which are faults at the slots of these CPUs; early
    /// ioremap, which had them before, has ended.
    pub fn new(linear: &LinearMap, platform: P, table: T) -> Self {
        const { assert!(CPUS.is_power_of_two() && CPUS <= fixmap::MAX_CPUS as usize) };
        let none = |_| Levels {
            depth: AtomicU32::new(0),
            deepest: AtomicU32::new(0),
            above: AtomicU32::new(0),
        };
        Self {
            levels: core::array::from_fn(none),
            lowmem: LowmemFrames::of(linear),
            table,
            platform,
        }
    }

    /// Maps the frame until the guard is dropped. Any context. Linux's `kmap_local_pfn`.
    ///
    /// # Errors
    ///
    /// [`TooDeep`] when this CPU has 15 levels.
    #[inline]
    pub fn kmap_local(&self, pfn: Pfn) -> Result<LocalPage<'_, P, T, CPUS>, TooDeep> {
        let virt = self.kmap_local_raw(pfn)?;
        Ok(LocalPage { from: self, virt, _here: PhantomData })
    }

    /// As [`kmap_local`](Self::kmap_local), for who keeps the address himself, until
    /// [`kunmap_local_raw`](Self::kunmap_local_raw) on the same CPU.
    ///
    /// # Errors
    ///
    /// As of `kmap_local`.
    #[inline]
    pub fn kmap_local_raw(&self, pfn: Pfn) -> Result<VirtAddr, TooDeep> {
        if let Some(virt) = self.lowmem.address(pfn) {
            return Ok(virt);
        }
        let cpu = self.cpu();
        let levels = &self.levels[cpu];
        let level = levels.depth.load(Relaxed);
        if level >= MAX_DEPTH {
            return Err(TooDeep { pfn });
        }
        levels.depth.store(level + 1, Relaxed);
        if level >= levels.deepest.load(Relaxed) {
            levels.deepest.store(level + 1, Relaxed);
        }
        let virt = page_of(cpu as u32, level);
        self.table.publish(self.table.map(virt, pfn));
        Ok(virt)
    }

    /// Gives up the innermost level, which `virt` lies in; nothing for an address of lowmem. Any context.
    ///
    /// # Errors
    ///
    /// [`NotUnmapped`] when the address is not the innermost level's. It has been reported.
    #[inline]
    pub fn kunmap_local_raw(&self, virt: VirtAddr) -> Result<(), NotUnmapped> {
        let number = number_of(virt);
        let (cpu, level) = (number / KMAP_LOCAL_DEPTH, number % KMAP_LOCAL_DEPTH);
        let Some(levels) = self.levels.get(cpu as usize) else {
            let is_lowmem = self.lowmem.frame(virt).is_some();
            return if is_lowmem { Ok(()) } else { self.wrong(virt) };
        };
        if levels.depth.load(Relaxed) != level + 1 {
            return self.wrong(virt);
        }
        self.table.flush(self.table.clear(page_of(cpu, level)));
        levels.depth.store(level, Relaxed);
        Ok(())
    }

    /// How many levels a CPU has now, and the most that it ever had; `None` of a CPU that there is not.
    #[must_use]
    pub fn depth(&self, cpu: usize) -> Option<Depth> {
        let levels = self.levels.get(cpu)?;
        Some(Depth { now: levels.depth.load(Relaxed), most: levels.deepest.load(Relaxed) })
    }

    /// The depths of all CPUs.
    pub fn depths(&self) -> impl Iterator<Item = Depth> {
        (0..CPUS).filter_map(|cpu| self.depth(cpu))
    }

    /// Where lowmem is.
    #[must_use]
    pub const fn lowmem(&self) -> &LowmemFrames {
        &self.lowmem
    }

    /// The CPU that runs this, and will when it ends.
    #[inline(always)]
    fn cpu(&self) -> usize {
        if CPUS == 1 {
            return 0;
        }
        let masked = self.platform.mask();
        // A power of two, so that what follows is no bounds check.
        self.platform.cpu(&masked) & (CPUS - 1)
    }

    /// Runs `f` on the frame in the slot above this CPU's levels, interrupts masked. There is one, and `f` is the
    /// only one who could want it a second time: that is a panic.
    #[cold]
    pub(super) fn above_all<R>(&self, pfn: Pfn, f: impl FnOnce(VirtAddr) -> R) -> R {
        let masked = self.platform.mask();
        let cpu = self.platform.cpu(&masked) & (CPUS - 1);
        let above = &self.levels[cpu].above;
        assert!(above.load(Relaxed) == 0, "pfn {pfn} is wanted in the last slot, which is in use");
        above.store(1, Relaxed);
        let virt = page_of(cpu as u32, MAX_DEPTH);
        self.table.publish(self.table.map(virt, pfn));
        let result = f(virt);
        self.table.flush(self.table.clear(virt));
        above.store(0, Relaxed);
        drop(masked);
        result
    }

    #[cold]
    #[inline(never)]
    fn wrong(&self, virt: VirtAddr) -> Result<(), NotUnmapped> {
        let number = number_of(virt);
        let (cpu, level) = (number / KMAP_LOCAL_DEPTH, number % KMAP_LOCAL_DEPTH);
        let error = match self.depth(cpu as usize) {
            None => WrongUnmap::NoSlot { virt },
            Some(Depth { now, .. }) if level >= now => WrongUnmap::NotMapped { virt },
            Some(Depth { now, .. }) => WrongUnmap::NotInnermost { virt, depth: now },
        };
        self.platform.report(&Report::WrongUnmap { error });
        Err(NotUnmapped { virt })
    }
}

/// How many levels a CPU has mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Depth {
    /// Now.
    pub now: u32,
    /// At most so far.
    pub most: u32,
}

impl<P: Platform, T: SlotTable, const CPUS: usize> LocalPage<'_, P, T, CPUS> {
    /// Where the frame is mapped: 4096 bytes.
    #[must_use]
    pub const fn address(&self) -> VirtAddr {
        self.virt
    }
}

impl<P: Platform, T: SlotTable, const CPUS: usize> Drop for LocalPage<'_, P, T, CPUS> {
    #[inline]
    fn drop(&mut self) {
        let unmapped = self.from.kunmap_local_raw(self.virt);
        debug_assert!(unmapped.is_ok(), "{} is not the innermost level", self.virt);
    }
}

impl<P: Platform, T: SlotTable, const CPUS: usize> fmt::Debug for LocalPage<'_, P, T, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalPage({})", self.virt)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
