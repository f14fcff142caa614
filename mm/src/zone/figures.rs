//! The figures of the page allocator at one moment, as plain data.
//!
//! A report is a pure function of a [`MemoryFigures`]. The allocator fills one in under its locks,
//! which takes a copy of its counters and follows no list, and the text is made when the locks are
//! free again: a console is slow. A report of a crash copies the counters without any lock, so
//! nothing that reads them may rely on one to fit another, and every sum here is too wide to
//! overflow.
//!
//! Where no unit is named, a figure is a number of pages.

use super::span::ZoneKind;
use super::watermark::{Managed, REQUEST_CLASSES, Watermarks};
use crate::addr::{Order, Pfn, PfnRange};
use crate::frame::Mobility;

/// The most CPUs whose stacks of pages are shown.
pub const MAX_CPUS: usize = 8;

/// One CPU's stacks of free pages in front of one zone.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PerCpuFigures {
    /// Pages in the stacks. They do not count as free in the zone.
    pub count: u32,
    /// The most pages that the stacks may hold.
    pub high: u32,
    /// Pages that the stacks take from the zone, or give back to it, at once.
    pub batch: u32,
}

impl PerCpuFigures {
    /// A CPU that keeps nothing.
    pub const EMPTY: Self = Self { count: 0, high: 0, batch: 0 };
}

/// One zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneFigures {
    /// Which zone.
    pub kind: ZoneKind,
    /// Its frames from the first to the last, holes included.
    pub span: PfnRange,
    /// Pages that are memory.
    pub present: u32,
    /// Pages that were handed to the allocator.
    pub managed: u32,
    /// Pages that are free, those in the CPUs' stacks left out.
    pub free: u32,
    /// Free blocks by order, then by mobility: a number of blocks.
    pub blocks: [[u32; Mobility::COUNT]; Order::COUNT],
    /// Levels of free pages.
    pub watermarks: Watermarks,
    /// Pages kept from requests, by the highest zone that a request could use.
    pub reserve: [u32; REQUEST_CLASSES],
    /// Pages in page blocks that are kept for large requests which cannot wait.
    pub high_atomic: u32,
    /// How many entries of `per_cpu` are in use, from the first on: a number of CPUs.
    pub cpus: u32,
    /// The CPUs' stacks, by the CPU's number.
    pub per_cpu: [PerCpuFigures; MAX_CPUS],
}

impl ZoneFigures {
    /// A zone without memory.
    #[must_use]
    pub const fn empty(kind: ZoneKind) -> Self {
        Self {
            kind,
            span: PfnRange::new(Pfn::new(0), Pfn::new(0)),
            present: 0,
            managed: 0,
            free: 0,
            blocks: [[0; Mobility::COUNT]; Order::COUNT],
            watermarks: Watermarks { min: 0, low: 0, high: 0 },
            reserve: [0; REQUEST_CLASSES],
            high_atomic: 0,
            cpus: 0,
            per_cpu: [PerCpuFigures::EMPTY; MAX_CPUS],
        }
    }

    /// Whether the zone has memory, free or not. Most forms leave out a zone that has none.
    #[must_use]
    pub const fn is_populated(&self) -> bool {
        self.present > 0
    }

    /// Free blocks of exactly `order`, of all mobilities: a number of blocks.
    #[must_use]
    pub fn blocks_of(&self, order: Order) -> u64 {
        self.blocks[order.index()].iter().map(|&count| u64::from(count)).sum()
    }

    /// Pages in the free blocks of exactly `order`.
    #[must_use]
    pub fn pages_of(&self, order: Order) -> u64 {
        self.blocks_of(order) * u64::from(order.pages())
    }

    /// Pages in all free blocks: `free`, when the figures fit each other.
    #[must_use]
    pub fn pages_in_blocks(&self) -> u64 {
        Order::all().map(|order| self.pages_of(order)).sum()
    }

    /// Pages in the free blocks of this mobility.
    #[must_use]
    pub fn free_with(&self, mobility: Mobility) -> u64 {
        let pages = |order: Order| {
            u64::from(self.blocks[order.index()][mobility.index()]) * u64::from(order.pages())
        };
        Order::all().map(pages).sum()
    }

    /// The order of the largest free block; `None` when nothing is free.
    #[must_use]
    pub fn largest_free(&self) -> Option<Order> {
        Order::all().rev().find(|&order| self.blocks_of(order) > 0)
    }

    /// The entries of `per_cpu` that are in use.
    #[must_use]
    pub fn cpus(&self) -> &[PerCpuFigures] {
        let used = usize::try_from(self.cpus).unwrap_or(MAX_CPUS);
        &self.per_cpu[..used.min(MAX_CPUS)]
    }

    /// Pages in the stacks of all CPUs.
    #[must_use]
    pub fn in_stacks(&self) -> u64 {
        self.cpus().iter().map(|cpu| u64::from(cpu.count)).sum()
    }

    /// Pages in this CPU's stacks; 0 when there is no such CPU.
    #[must_use]
    pub fn in_stacks_of(&self, cpu: u32) -> u32 {
        let index = usize::try_from(cpu).unwrap_or(MAX_CPUS);
        self.cpus().get(index).map_or(0, |cpu| cpu.count)
    }
}

/// All zones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryFigures {
    /// The zones, lowest first, those without memory included.
    pub zones: [ZoneFigures; ZoneKind::COUNT],
    /// Free pages that are not to be had without hardship: see
    /// [`total_reserve`](super::watermark::total_reserve).
    pub total_reserve: u32,
}

impl MemoryFigures {
    /// The zone of this kind.
    #[must_use]
    pub const fn zone(&self, kind: ZoneKind) -> &ZoneFigures {
        &self.zones[kind.index()]
    }

    /// The zones that have memory, lowest first.
    pub fn populated(&self) -> impl Iterator<Item = &ZoneFigures> {
        self.zones.iter().filter(|zone| zone.is_populated())
    }

    /// Pages that each zone manages, for the [`watermark`](super::watermark) functions.
    #[must_use]
    pub fn managed_by_zone(&self) -> Managed {
        self.zones.each_ref().map(|zone| zone.managed)
    }

    /// Pages of all zones that are memory.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.zones.iter().map(|zone| u64::from(zone.present)).sum()
    }

    /// Pages that all zones manage.
    #[must_use]
    pub fn managed(&self) -> u64 {
        self.zones.iter().map(|zone| u64::from(zone.managed)).sum()
    }

    /// Pages of all zones that are free.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.zones.iter().map(|zone| u64::from(zone.free)).sum()
    }

    /// Pages in the stacks of all CPUs, in front of all zones.
    #[must_use]
    pub fn in_stacks(&self) -> u64 {
        self.zones.iter().map(ZoneFigures::in_stacks).sum()
    }

    /// Free pages that can be had without hardship: those above the reserve.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.free().saturating_sub(u64::from(self.total_reserve))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> ZoneFigures {
        let mut zone = ZoneFigures::empty(ZoneKind::Normal);
        zone.blocks[0] = [1, 2, 0, 0, 0, 0];
        zone.blocks[3] = [0, 1, 0, 0, 4, 0];
        zone.cpus = 2;
        zone.per_cpu[0].count = 5;
        zone.per_cpu[1].count = 7;
        zone.per_cpu[2].count = 100;
        zone
    }

    #[test]
    fn sums_of_blocks() {
        let (zone, three) = (zone(), Order::new(3).unwrap());
        assert_eq!((zone.blocks_of(Order::ZERO), zone.pages_of(Order::ZERO)), (3, 3));
        assert_eq!((zone.blocks_of(three), zone.pages_of(three)), (5, 40));
        assert_eq!(zone.pages_in_blocks(), 43);
        assert_eq!(Mobility::ALL.map(|of| zone.free_with(of)), [1, 10, 0, 0, 32, 0]);
        assert_eq!(zone.largest_free(), Some(three));
        assert_eq!(ZoneFigures::empty(ZoneKind::Dma).largest_free(), None);
    }

    #[test]
    fn only_cpus_in_use_count() {
        let mut zone = zone();
        assert_eq!((zone.cpus().len(), zone.in_stacks()), (2, 12));
        assert_eq!([0, 1, 2, 8, u32::MAX].map(|cpu| zone.in_stacks_of(cpu)), [5, 7, 0, 0, 0]);
        zone.cpus = u32::MAX;
        assert_eq!((zone.cpus().len(), zone.in_stacks()), (MAX_CPUS, 112));
    }

    #[test]
    fn what_is_available_is_never_less_than_nothing() {
        let mut figures =
            MemoryFigures { zones: ZoneKind::ALL.map(ZoneFigures::empty), total_reserve: 10 };
        figures.zones[1].free = 8;
        assert_eq!((figures.free(), figures.available()), (8, 0));
        figures.zones[2].free = 4;
        assert_eq!(figures.available(), 2);
    }

    #[test]
    fn sums_of_the_largest_figures_do_not_overflow() {
        let most = ZoneFigures {
            present: u32::MAX,
            managed: u32::MAX,
            free: u32::MAX,
            blocks: [[u32::MAX; Mobility::COUNT]; Order::COUNT],
            cpus: u32::MAX,
            per_cpu: [PerCpuFigures { count: u32::MAX, high: 0, batch: 0 }; MAX_CPUS],
            ..ZoneFigures::empty(ZoneKind::Dma)
        };
        let figures = MemoryFigures { zones: [most; ZoneKind::COUNT], total_reserve: 0 };
        assert_eq!(most.pages_in_blocks(), u64::from(u32::MAX) * 6 * 2047);
        assert_eq!(figures.in_stacks(), u64::from(u32::MAX) * 24);
        assert_eq!(figures.present() + figures.managed(), u64::from(u32::MAX) * 6);
    }
}
