//! The pages at the edges of every region, and how each must answer to being touched.
//!
//! A mapping that is a page too long, too short or in the wrong place shows at an edge: the first
//! page, the last page, and the page outside either. This says which pages those are under a layout,
//! and whether the kernel can read or write them once it has booted and nothing more has been mapped.
//! The kernel touches them and compares; the tests hold what it saw against the prediction.
//!
//! Invariant: an edge is a whole page of the address space; a region that begins at 0 has no page
//! below it.

use core::fmt;

use arrayvec::ArrayVec;

use super::layout::{FDT, Layout, MAX_REGIONS, RegionKind, STUBS, VECTORS};
use crate::addr::{PAGE_SIZE, PhysRange, VirtAddr, VirtRange};

/// Which edge of its region a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The page before the first.
    Below,
    /// The first page.
    First,
    /// The last page.
    Last,
    /// The page after the last.
    Above,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Below => "below",
            Self::First => "first",
            Self::Last => "last",
            Self::Above => "above",
        })
    }
}

/// A page at the edge of a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The region.
    pub region: RegionKind,
    /// Which edge.
    pub place: Place,
    /// The page's first address.
    pub page: VirtAddr,
}

/// How many edges a layout can have.
pub const MAX_EDGES: usize = 4 * MAX_REGIONS;

/// What privileged code can do to a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Nothing is mapped.
    None,
    /// Reads work, writes fault.
    ReadOnly,
    /// Reads and writes work.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "faults",
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        })
    }
}

/// What boot has put into the regions, as far as a layout does not say.
pub struct Contents<'a> {
    /// Pages of device registers, in the fixmap and in the vmalloc region, and of coherent memory in the DMA region.
    pub uncached: &'a dyn Fn(VirtAddr) -> bool,
    /// What the memory of the modules that boot has loaded allows; `None` where none is.
    pub modules: &'a dyn Fn(VirtAddr) -> Option<Access>,
    /// What is mapped of the device tree's window, from its start.
    pub dtb: VirtRange,
    /// The image's read-only part: text and constants.
    pub read_only: VirtRange,
    /// Is this page of RAM mapped by the linear map?
    pub ram: &'a dyn Fn(PhysRange) -> bool,
}

/// The edges of every region of `layout`, in the order of its table.
#[must_use]
pub fn edges(layout: &Layout) -> ArrayVec<Edge, MAX_EDGES> {
    let mut all = ArrayVec::new();
    for row in layout.regions() {
        // An odd `vmalloc=` ends lowmem inside a page, which then is not mapped.
        let end = row.range.end().align_down(PAGE_SIZE);
        let places = [
            (Place::Below, row.range.start().as_u32().checked_sub(PAGE_SIZE)),
            (Place::First, Some(row.range.start().as_u32())),
            (Place::Last, end.as_u32().checked_sub(PAGE_SIZE)),
            (Place::Above, Some(end.as_u32())),
        ];
        all.extend(places.into_iter().filter_map(|(place, page)| {
            Some(Edge { region: row.kind, place, page: VirtAddr::new(page?) })
        }));
    }
    all
}

/// How `page`, the first address of any page, must answer under `layout` with `contents`.
#[must_use]
pub fn expected(layout: &Layout, contents: &Contents<'_>, page: VirtAddr) -> Access {
    let lowmem = layout.lowmem();
    if VECTORS.contains(page) || STUBS.contains(page) {
        return Access::ReadOnly;
    }
    if (contents.uncached)(page) {
        return Access::ReadWrite;
    }
    if let Some(access) = (contents.modules)(page) {
        return access;
    }
    if FDT.contains(page) {
        return if contents.dtb.contains(page) { Access::ReadOnly } else { Access::None };
    }
    if !lowmem.contains(page) {
        return Access::None;
    }
    let offset = u64::from(page.as_u32() - lowmem.start().as_u32());
    let phys = layout.phys_offset.saturating_add(offset);
    let end = phys.saturating_add(u64::from(PAGE_SIZE));
    match (contents.ram)(PhysRange::new(phys, end)) {
        false => Access::None,
        true if contents.read_only.contains(page) => Access::ReadOnly,
        true => Access::ReadWrite,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PhysAddr;
    use crate::boot::memblock::{INIT_REGIONS, Memblock, Region};
    use crate::boot::predict::{IMAGE_BYTES, Question, predict};
    use crate::boot::split::Split;

    fn layout(bytes: u64, command_line: &str) -> Layout {
        let (mut memory, mut reserved) = ([Region::EMPTY; INIT_REGIONS], [Region::EMPTY; 8]);
        let mut memblock = Memblock::new(&mut memory, &mut reserved);
        let bank = PhysRange::from_len(PhysAddr::new(0x4000_0000), bytes).unwrap();
        let question = Question {
            banks: &[bank],
            no_map: &[],
            split: Split::default(),
            phys_offset: None,
            command_line,
            image_bytes: IMAGE_BYTES,
        };
        predict(&mut memblock, &question, &mut |_| ()).unwrap()
    }

    /// The whole table for a GiB, worked out by hand.
    #[test]
    fn a_gibibyte() {
        let layout = layout(1 << 30, "");
        let contents = Contents {
            uncached: &|page| [0xfffd_f000, 0xf080_0000].contains(&page.as_u32()),
            modules: &|_| None,
            dtb: VirtRange::new(FDT.start(), VirtAddr::new(0xff90_0000)),
            read_only: VirtRange::new(VirtAddr::new(0xc020_0000), VirtAddr::new(0xc024_0000)),
            ram: &|_| true,
        };
        let seen: Vec<_> = edges(&layout)
            .iter()
            .map(|edge| {
                let access = expected(&layout, &contents, edge.page);
                format!("{} {} {} {access}", edge.region.name(), edge.place, edge.page)
            })
            .collect();
        let rows = "vector below 0xfffef000 faults; vector first 0xffff0000 ro; \
            vector last 0xffff0000 ro; vector above 0xffff1000 ro; \
            stubs below 0xffff0000 ro; stubs first 0xffff1000 ro; stubs last 0xffff1000 ro; \
            stubs above 0xffff2000 faults; \
            fixmap below 0xffeff000 faults; fixmap first 0xfff00000 faults; \
            fixmap last 0xfffdf000 rw; fixmap above 0xfffe0000 faults; \
            DMA below 0xffbff000 faults; DMA first 0xffc00000 faults; \
            DMA last 0xffeff000 faults; DMA above 0xfff00000 faults; \
            fdt below 0xff7ff000 faults; fdt first 0xff800000 ro; fdt last 0xffbff000 faults; \
            fdt above 0xffc00000 faults; \
            vmalloc below 0xf07ff000 faults; vmalloc first 0xf0800000 rw; \
            vmalloc last 0xff7ff000 faults; vmalloc above 0xff800000 ro; \
            lowmem below 0xbffff000 faults; lowmem first 0xc0000000 rw; \
            lowmem last 0xeffff000 rw; lowmem above 0xf0000000 faults; \
            pkmap below 0xbfdff000 faults; pkmap first 0xbfe00000 faults; \
            pkmap last 0xbffff000 faults; pkmap above 0xc0000000 rw; \
            modules below 0xbefff000 faults; modules first 0xbf000000 faults; \
            modules last 0xbfdff000 faults; modules above 0xbfe00000 faults; \
            user first 0x00000000 faults; user last 0xbefff000 faults; \
            user above 0xbf000000 faults";
        let rows: Vec<_> = rows.split("; ").collect();
        assert_eq!(seen, rows);
    }

    #[test]
    fn lowmem_that_ends_inside_a_page_has_its_edge_before_that_page() {
        let layout = layout(1 << 30, "vmalloc=268435457");
        let lowmem: Vec<_> = edges(&layout)
            .into_iter()
            .filter(|edge| edge.region == RegionKind::Lowmem)
            .map(|edge| (edge.place, edge.page))
            .collect();
        assert!(!layout.high_memory.as_u32().is_multiple_of(PAGE_SIZE));
        let end = layout.high_memory.align_down(PAGE_SIZE);
        assert_eq!(lowmem[2], (Place::Last, VirtAddr::new(end.as_u32() - PAGE_SIZE)));
        assert_eq!(lowmem[3], (Place::Above, end));
        // The page that lowmem ends in lies in the region, yet is not memory that is mapped.
        let contents = Contents {
            uncached: &|_| false,
            modules: &|_| None,
            dtb: VirtRange::default(),
            read_only: VirtRange::default(),
            ram: &|page| page.end() <= layout.lowmem_end.pfn_down().start(),
        };
        assert_eq!(expected(&layout, &contents, end), Access::None);
        assert_eq!(expected(&layout, &contents, lowmem[2].1), Access::ReadWrite);
    }
}
