//! The layout of the kernel half of the address space: pure arithmetic from memory, split and
//! command line to regions, lowmem limit and zones.
//!
//! ```text
//! 0xffff2000 ┌──────────────────┐
//!            │ stubs            │ exception stubs, one page
//! 0xffff1000 ├──────────────────┤
//!            │ vector           │ exception vectors, one page
//! 0xffff0000 ├──────────────────┤
//!            │                  │
//! 0xfffe0000 ├──────────────────┤
//!            │ fixmap           │
//! 0xfff00000 ├──────────────────┤
//!            │ DMA              │
//! 0xffc00000 ├──────────────────┤
//!            │ fdt              │ the boot loader's device tree
//! 0xff800000 ├──────────────────┤ VMALLOC_END
//!            │ vmalloc, ioremap │
//!            ├──────────────────┤ (high_memory + 8 MiB) rounded down to 8 MiB
//!            │ gap              │ more than 0, at most 8 MiB, never mapped
//!            ├──────────────────┤ high_memory
//!            │ lowmem           │ the linear map
//!            ├──────────────────┤ PAGE_OFFSET
//!            │ pkmap            │ with HighMem
//!            ├──────────────────┤ PAGE_OFFSET − 2 MiB
//!            │ modules          │
//!            ├──────────────────┤ PAGE_OFFSET − 16 MiB = TASK_SIZE
//!            │ user             │
//!          0 └──────────────────┘
//! ```
//!
//! The same function serves the kernel, the host tool that predicts a layout without booting, and
//! the tests that hold it against Linux. It agrees with Linux 6.1 but for the fixmap, which stays at
//! its classic place because the classic DMA region lives where Linux 5.11 put it.
//!
//! Invariant: regions are in order, do not overlap, and are whole pages but for the end of lowmem.

use arrayvec::ArrayVec;

use super::lowmem::{lowmem_end, vmalloc_limit};
use super::memblock::Memblock;
use super::split::Split;
use super::vmalloc_size;
use super::warning::{Sink, Warning};
use crate::addr::{KIB, MIB, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use crate::param::params;
use crate::zone::{ZoneKind, ZoneSpan};

/// The end of the vmalloc area, the same under every split.
pub const VMALLOC_END: VirtAddr = VirtAddr::new(0xff80_0000);
/// The most that is left unmapped above lowmem, and what the start of the vmalloc area is a
/// multiple of: 8 MiB.
pub const VMALLOC_OFFSET: u32 = 8 * MIB as u32;

/// The window on the boot loader's device tree.
pub const FDT: VirtRange = fixed(0xff80_0000, 4 * MIB);
/// The region of uncached mappings for coherent DMA memory.
pub const DMA: VirtRange = fixed(0xffc0_0000, 3 * MIB);
/// The fixmap: slots numbered downwards from its top page.
pub const FIXMAP: VirtRange = fixed(0xfff0_0000, 896 * KIB);
/// The exception vectors, with SCTLR.V set.
pub const VECTORS: VirtRange = fixed(0xffff_0000, 4 * KIB);
/// The exception stubs, in branch reach of the vectors.
pub const STUBS: VirtRange = fixed(0xffff_1000, 4 * KIB);

const fn fixed(start: u32, len: u64) -> VirtRange {
    VirtRange::new(VirtAddr::new(start), VirtAddr::new(start + len as u32))
}

/// A region of the address space. The order is that of Linux's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegionKind {
    /// The exception vectors.
    Vector,
    /// The exception stubs.
    Stubs,
    /// Mappings with an address known at build time.
    Fixmap,
    /// Coherent DMA memory.
    Dma,
    /// The boot loader's device tree.
    Fdt,
    /// vmalloc, vmap and ioremap.
    Vmalloc,
    /// The linear map.
    Lowmem,
    /// Mappings of HighMem pages that may be kept while sleeping.
    Pkmap,
    /// Loadable modules, in branch reach of the kernel's text.
    Modules,
    /// User space.
    User,
}

impl RegionKind {
    /// The name in the *Virtual kernel memory layout* table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vector => "vector",
            Self::Stubs => "stubs",
            Self::Fixmap => "fixmap",
            Self::Dma => "DMA",
            Self::Fdt => "fdt",
            Self::Vmalloc => "vmalloc",
            Self::Lowmem => "lowmem",
            Self::Pkmap => "pkmap",
            Self::Modules => "modules",
            Self::User => "user",
        }
    }
}

/// One row of the region table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// Which region.
    pub kind: RegionKind,
    /// Its addresses.
    pub range: VirtRange,
}

/// How many rows the region table can have.
pub const MAX_REGIONS: usize = 10;

/// What decides a layout beside the memory itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings<'a> {
    /// The split that the kernel was built for.
    pub split: Split,
    /// Where the linear map begins, physically; a multiple of 2 MiB.
    pub phys_offset: PhysAddr,
    /// The kernel command line: `vmalloc=`, `dma_zone=` and `nohighmem` in it count.
    pub command_line: &'a str,
    /// The board's own DMA limit in bytes from `phys_offset`. `None`: devices reach all of lowmem.
    pub board_dma_zone: Option<u64>,
}

/// What [`Settings`] ask for, read and clamped: plain numbers, so that other numbers can be tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The split that the kernel was built for.
    pub split: Split,
    /// Where the linear map begins, physically; a multiple of 2 MiB.
    pub phys_offset: PhysAddr,
    /// Addresses kept for vmalloc, in bytes: from [`vmalloc_size::MIN_BYTES`] to
    /// [`vmalloc_size::max_bytes`].
    pub vmalloc_bytes: u32,
    /// Is RAM above lowmem to be used?
    pub highmem: bool,
    /// The DMA limit in bytes from `phys_offset`; `None`: devices reach all of lowmem.
    pub dma_bytes: Option<u64>,
}

impl Request {
    /// Reads the command line in `settings`.
    pub fn read<'a>(settings: Settings<'a>, warn: Sink<'_, 'a>) -> Self {
        let Settings { split, phys_offset, command_line, board_dma_zone } = settings;
        Self {
            split,
            phys_offset,
            vmalloc_bytes: vmalloc_size::from_command_line(command_line, split, warn),
            highmem: !params(command_line).any(|param| param.is("nohighmem")),
            dma_bytes: dma_zone(command_line, warn).or(board_dma_zone),
        }
    }
}

/// The layout that was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The split.
    pub split: Split,
    /// Where the linear map begins, physically.
    pub phys_offset: PhysAddr,
    /// The end of the RAM in the linear map. Not rounded: an odd `vmalloc=` makes it odd.
    pub lowmem_end: PhysAddr,
    /// The virtual address of `lowmem_end`.
    pub high_memory: VirtAddr,
    /// Is RAM above lowmem used?
    pub highmem: bool,
    /// Zone by zone, lowest first; a zone that spans nothing is empty.
    pub zones: [ZoneSpan; 3],
}

impl Layout {
    /// Decides the layout of `memblock`'s memory under `settings`.
    ///
    /// All memory and all NOMAP reservations must be known. Without HighMem, memory above the
    /// lowmem limit is not removed here: [`Layout::lost`] names it, and no zone spans it.
    ///
    /// Returns `None` when no usable memory starts below the lowmem limit. The running kernel's
    /// own memory always does, so this happens only to a prediction for strange banks.
    pub fn decide<'a>(
        memblock: &Memblock<'_>,
        settings: Settings<'a>,
        warn: Sink<'_, 'a>,
    ) -> Option<Self> {
        let layout = Self::of(memblock, &Request::read(settings, warn))?;
        if let Some(range) = layout.lost(memblock) {
            warn(Warning::NoHighMem { range });
        }
        Some(layout)
    }

    /// [`decide`](Self::decide) for settings that have been read already.
    #[must_use]
    pub fn of(memblock: &Memblock<'_>, request: &Request) -> Option<Self> {
        let Request { split, phys_offset, vmalloc_bytes, highmem, dma_bytes } = *request;
        let limit = vmalloc_limit(split, phys_offset, vmalloc_bytes);
        let lowmem_end = lowmem_end(memblock.mapped_memory(), limit)?;
        let lowmem_bytes = (lowmem_end.as_u64() - phys_offset.as_u64()) as u32;
        let high_memory = VirtAddr::new(split.page_offset().as_u32() + lowmem_bytes);
        let zones = ZoneKind::ALL.map(ZoneSpan::empty);
        let mut layout = Self { split, phys_offset, lowmem_end, high_memory, highmem, zones };
        layout.zones = layout.zone_spans(memblock, dma_bytes);
        Some(layout)
    }

    /// Without HighMem: the RAM above lowmem, from its first byte to its last, holes included.
    /// Linux rounds where that starts down to what its early allocator may use, so that one odd
    /// bank end can cost it all later RAM.
    #[must_use]
    pub fn lost(&self, memblock: &Memblock<'_>) -> Option<PhysRange> {
        if self.highmem {
            return None;
        }
        let above = PhysRange::new(self.lowmem_end, PhysAddr::new(u64::MAX));
        memblock
            .mapped_memory()
            .filter_map(|block| block.intersection(&above))
            .reduce(|all, block| PhysRange::new(all.start(), block.end()))
    }

    /// The linear map, from `PAGE_OFFSET` to `high_memory`.
    #[must_use]
    pub const fn lowmem(&self) -> VirtRange {
        VirtRange::new(self.split.page_offset(), self.high_memory)
    }

    /// The vmalloc area.
    #[must_use]
    pub const fn vmalloc(&self) -> VirtRange {
        let start = VirtAddr::new(self.high_memory.as_u32() + VMALLOC_OFFSET);
        VirtRange::new(start.align_down(VMALLOC_OFFSET), VMALLOC_END)
    }

    /// The pkmap; `None` without HighMem.
    #[must_use]
    pub const fn pkmap(&self) -> Option<VirtRange> {
        if self.highmem {
            Some(VirtRange::new(self.split.pkmap_base(), self.split.page_offset()))
        } else {
            None
        }
    }

    /// The modules region, which without HighMem reaches up to `PAGE_OFFSET`.
    #[must_use]
    pub const fn modules(&self) -> VirtRange {
        let end = if self.highmem { self.split.pkmap_base() } else { self.split.page_offset() };
        VirtRange::new(self.split.task_size(), end)
    }

    /// User space.
    #[must_use]
    pub const fn user(&self) -> VirtRange {
        VirtRange::new(VirtAddr::new(0), self.split.task_size())
    }

    /// The region table, in the order in which it is printed.
    #[must_use]
    pub fn regions(&self) -> ArrayVec<Region, MAX_REGIONS> {
        let row = |kind, range| Region { kind, range };
        let mut table = ArrayVec::from_iter([
            row(RegionKind::Vector, VECTORS),
            row(RegionKind::Stubs, STUBS),
            row(RegionKind::Fixmap, FIXMAP),
            row(RegionKind::Dma, DMA),
            row(RegionKind::Fdt, FDT),
            row(RegionKind::Vmalloc, self.vmalloc()),
            row(RegionKind::Lowmem, self.lowmem()),
        ]);
        table.extend(self.pkmap().map(|range| row(RegionKind::Pkmap, range)));
        table.push(row(RegionKind::Modules, self.modules()));
        table.push(row(RegionKind::User, self.user()));
        table
    }

    /// Divides the frames among the zones: DMA up to the device limit, Normal up to the end of
    /// lowmem, HighMem up to the end of RAM.
    ///
    /// Without a device limit all of lowmem is DMA, as on a Linux board that gives none. Linux
    /// takes the number of the limit's last frame for an exclusive end, so that its DMA zone is a
    /// page short; this one is not.
    fn zone_spans(&self, memblock: &Memblock<'_>, dma_bytes: Option<u64>) -> [ZoneSpan; 3] {
        let first = memblock.start_of_dram().unwrap_or(self.phys_offset).pfn_up();
        let lowmem_end = self.lowmem_end.pfn_down();
        let dma_end = match dma_bytes {
            Some(bytes) => self.phys_offset.saturating_add(bytes).pfn_down(),
            None => lowmem_end,
        };
        let dma_end = dma_end.clamp(first, lowmem_end.max(first));
        let ram_end = match memblock.end_of_dram() {
            Some(end) if self.highmem => end.pfn_down(),
            _ => lowmem_end,
        };
        let bounds = [first, dma_end, lowmem_end, ram_end];
        ZoneKind::ALL.map(|kind| {
            let index = kind.index();
            let range = PfnRange::new(bounds[index], bounds[index + 1]);
            let blocks = memblock.memory().regions().iter();
            let frames_here = |block: PhysRange| block.whole_frames().intersection(&range).len();
            let present = blocks.map(|region| frames_here(region.range)).sum();
            ZoneSpan { kind, range, present }
        })
    }
}

/// The DMA limit that the command line asks for, in bytes; the last `dma_zone=` that gives one.
/// Zero means none, as in a Linux board description.
fn dma_zone<'a>(command_line: &'a str, warn: Sink<'_, 'a>) -> Option<u64> {
    params(command_line)
        .filter(|param| param.is("dma_zone"))
        .filter_map(|param| vmalloc_size::size_of_param(&param, warn))
        .filter(|bytes| *bytes != 0)
        .last()
}

const _: () = {
    // The fixed regions stand in order, and nothing reaches the last byte of the address space.
    assert!(VMALLOC_END.as_u32() == FDT.start().as_u32());
    assert!(FDT.end().as_u32() == DMA.start().as_u32());
    assert!(DMA.end().as_u32() == FIXMAP.start().as_u32());
    assert!(FIXMAP.end().as_u32() == 0xfffe_0000);
    assert!(FIXMAP.end().as_u32() <= VECTORS.start().as_u32());
    assert!(VECTORS.end().as_u32() == STUBS.start().as_u32());
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::PAGE_SIZE;
    use crate::boot::memblock::{INIT_REGIONS, Region as Block};
    use crate::boot::predict::{IMAGE_BYTES, Question, predict};
    use proptest::prelude::*;

    /// The drawing at the head of this file says where the fixed regions start.
    #[test]
    fn the_drawing_is_true() {
        let drawing: Vec<&str> =
            include_str!("layout.rs").lines().take_while(|line| line.starts_with("//!")).collect();
        for (region, name) in
            [(STUBS, "stubs"), (VECTORS, "vector"), (FIXMAP, "fixmap"), (DMA, "DMA"), (FDT, "fdt")]
        {
            let row = drawing.iter().position(|line| line.contains(&format!("│ {name}")));
            let border = row.map(|row| drawing[row + 1]).unwrap_or_default();
            let start = region.start().to_string();
            assert!(border.contains(&start), "{name} starts at {start}, drawn: {border}");
        }
    }

    fn bank() -> impl Strategy<Value = (u64, u64)> {
        // In units of 256 KiB and single pages, so that all alignments that matter come up.
        (0_u64..0x3000, 1_u64..0x3000, 0_u64..4).prop_map(|(start, len, odd)| {
            (0x4000_0000 + start * 0x4_0000, len * 0x4_0000 + odd * u64::from(PAGE_SIZE))
        })
    }

    fn size() -> impl Strategy<Value = String> {
        prop_oneof![
            (0_u64..4000).prop_map(|mib| format!("{mib}M")),
            any::<u32>().prop_map(|bytes| bytes.to_string()),
            Just("junk".to_string()),
        ]
    }

    proptest! {
        /// Whatever the machine and the command line: regions in order, apart, and made of pages;
        /// zones in order, with no more pages than they span; the lowmem limit kept.
        #[test]
        fn regions_never_overlap(
            split in 0..Split::ALL.len(),
            banks in prop::collection::vec(bank(), 1..6),
            vmalloc in prop::option::of(size()),
            dma in prop::option::of(size()),
            nohighmem: bool,
        ) {
            let split = Split::ALL[split];
            let mut ranges: Vec<PhysRange> = Vec::new();
            for (start, len) in banks {
                let range = PhysRange::from_len(PhysAddr::new(start), len).unwrap();
                if ranges.iter().all(|other| !other.overlaps(&range)) {
                    ranges.push(range);
                }
            }
            let mut command_line = String::new();
            for (name, value) in [("vmalloc", vmalloc), ("dma_zone", dma)] {
                if let Some(value) = value {
                    command_line += &format!("{name}={value} ");
                }
            }
            if nohighmem {
                command_line += "nohighmem";
            }
            let (mut memory, mut reserved) = ([Block::EMPTY; INIT_REGIONS], [Block::EMPTY; 8]);
            let mut memblock = Memblock::new(&mut memory, &mut reserved);
            let question = Question {
                banks: &ranges,
                no_map: &[],
                split,
                phys_offset: None,
                command_line: &command_line,
                image_bytes: IMAGE_BYTES,
            };
            let Ok(layout) = predict(&mut memblock, &question, &mut |_| ()) else {
                panic!("the first bank is always usable");
            };
            let mut table = layout.regions();
            table.sort_by_key(|row| row.range.start());
            for pair in table.windows(2) {
                prop_assert!(pair[0].range.end() <= pair[1].range.start(), "{pair:?}");
            }
            for row in &table {
                prop_assert!(!row.range.is_empty(), "{row:?}");
                prop_assert!(row.range.start().is_aligned(PAGE_SIZE));
                let odd_end = row.kind == RegionKind::Lowmem;
                prop_assert!(odd_end || row.range.end().is_aligned(PAGE_SIZE));
            }
            let gap = layout.vmalloc().start().as_u32() - layout.high_memory.as_u32();
            prop_assert!((1..=VMALLOC_OFFSET).contains(&gap), "gap {gap:#x}");
            prop_assert!(layout.vmalloc().len() >= vmalloc_size::MIN_BYTES);
            prop_assert_eq!(layout.highmem, !nohighmem);
            for pair in layout.zones.windows(2) {
                prop_assert!(pair[0].range.end() <= pair[1].range.start(), "{pair:?}");
            }
            for zone in layout.zones {
                prop_assert!(zone.present <= zone.range.len(), "{zone:?}");
            }
            // With HighMem nothing that was described is left out of the zones, but the page that
            // an odd lowmem limit may fall into is in one of them.
            let present: u32 = layout.zones.iter().map(|zone| zone.present).sum();
            let blocks = memblock.memory().regions().iter();
            let all: u32 = blocks.map(|block| block.range.whole_frames().len()).sum();
            prop_assert!(present <= all);
            prop_assert!(nohighmem || present == all);
        }
    }
}
