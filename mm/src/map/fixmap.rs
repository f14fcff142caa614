//! The fixmap: virtual addresses that are known at build time, for mappings made before there is
//! an allocator, or again and again.
//!
//! Slots are pages, numbered downwards from the region's top page:
//!
//! ```text
//! 0xfffdf000  slot 0          early console
//! 0xfffde000  slots 1 ... 128 16 kmap-local slots for each of 8 CPUs
//! 0xfff5e000  slot 129        a table's page, while a word of it is replaced that is in use
//! ```
//!
//! Early ioremap overlays these slots, but for the first, with six windows of 32 pages. It ends before
//! the first of them is mapped, so the two never meet.
//!
//! A kmap-local slot is written by its own CPU only. What was mapped there is unmapped, and forgotten
//! by every TLB, before the next frame is: break before make. All slots lie in one mebibyte, so one
//! second-level table has all their words; boot makes it, and it stays.

use crate::addr::{PAGE_SHIFT, PAGE_SIZE, VirtAddr, VirtRange};
use crate::boot::layout::FIXMAP;

/// CPUs that the fixmap has kmap-local slots for.
pub const MAX_CPUS: u32 = 8;
/// Nested kmap-local mappings that one CPU can hold.
pub const KMAP_LOCAL_DEPTH: u32 = 16;
/// Early ioremap windows.
pub const EARLY_IOREMAP_WINDOWS: u32 = 6;
/// Pages of an early ioremap window: 128 KiB.
pub const EARLY_IOREMAP_PAGES: u32 = 32;

const FIRST_KMAP_LOCAL: u32 = 1;
const SLOTS: u32 = FIXMAP.len() >> PAGE_SHIFT;

/// One page of the fixmap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(u32);

impl Slot {
    /// The early console's registers.
    pub const EARLY_CONSOLE: Self = Self(0);

    /// Another mapping of the page that a word of a table lies in: for the one who replaces the word while
    /// what it maps is in use. Under the lock of the page tables.
    pub const TABLE_ALIAS: Self = Self(FIRST_KMAP_LOCAL + MAX_CPUS * KMAP_LOCAL_DEPTH);

    /// The slot of nesting depth `depth` on CPU `cpu`; `None` past either limit.
    #[must_use]
    pub const fn kmap_local(cpu: u32, depth: u32) -> Option<Self> {
        if cpu < MAX_CPUS && depth < KMAP_LOCAL_DEPTH {
            Some(Self(FIRST_KMAP_LOCAL + cpu * KMAP_LOCAL_DEPTH + depth))
        } else {
            None
        }
    }

    /// The slot's page.
    #[must_use]
    pub const fn address(self) -> VirtAddr {
        VirtAddr::new(FIXMAP.end().as_u32() - ((self.0 + 1) << PAGE_SHIFT))
    }
}

/// The addresses of early ioremap window `index`; `None` past the last.
#[must_use]
pub const fn early_ioremap_window(index: u32) -> Option<VirtRange> {
    if index >= EARLY_IOREMAP_WINDOWS {
        return None;
    }
    let top = Slot(FIRST_KMAP_LOCAL).address().as_u32() + PAGE_SIZE;
    let bytes = EARLY_IOREMAP_PAGES << PAGE_SHIFT;
    let start = VirtAddr::new(top - (index + 1) * bytes);
    Some(VirtRange::new(start, VirtAddr::new(top - index * bytes)))
}

const _: () = {
    assert!(Slot::TABLE_ALIAS.0 < SLOTS);
    assert!(FIRST_KMAP_LOCAL + EARLY_IOREMAP_WINDOWS * EARLY_IOREMAP_PAGES <= SLOTS);
    assert!(Slot::EARLY_CONSOLE.address().as_u32() == 0xfffd_f000);
    assert!(FIXMAP.start().as_u32() >> 20 == (FIXMAP.end().as_u32() - 1) >> 20);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_go_down_from_the_top() {
        assert_eq!(Slot::kmap_local(0, 0).unwrap().address(), VirtAddr::new(0xfffd_e000));
        assert_eq!(Slot::kmap_local(7, 15).unwrap().address(), VirtAddr::new(0xfff5_f000));
        assert_eq!(Slot::TABLE_ALIAS.address(), VirtAddr::new(0xfff5_e000));
        assert_eq!(Slot::kmap_local(8, 0), None);
        assert_eq!(Slot::kmap_local(0, 16), None);
    }

    #[test]
    fn early_ioremap_starts_below_the_console_and_stays_inside() {
        let windows: Vec<_> = (0..).map_while(early_ioremap_window).collect();
        assert_eq!(windows.len(), 6);
        assert_eq!(windows[0].end(), Slot::EARLY_CONSOLE.address());
        for pair in windows.windows(2) {
            assert_eq!(pair[1].end(), pair[0].start());
        }
        assert!(windows[5].start() >= FIXMAP.start());
    }
}
