//! What boot takes for itself, counted before it does: page tables, the pages of the vectors, the page array.
//!
//! The page array follows from the frames that the zones span, and the kernel makes it by the same function. Page tables
//! follow from what can not be mapped by sections; the kernel builds them without counting first, and a boot test holds
//! this count against the tables that it has. Boot takes more for itself only where a tree names more ranges than the
//! image has room for.

use super::layout::{DMA, FIXMAP, Layout};
use super::memblock::{Limit, Memblock, MemblockError};
use crate::addr::{MIB, PAGE_SIZE, PfnRange, PhysAddr, PhysRange};
use crate::boot::explain::class::Owner;
use crate::frame::{Page, PageBlocks};
use crate::param::params;
use crate::zone::ZoneSpan;

/// Bytes of the first-level table, and what it is aligned to (ARM DDI 0406C, B3.5.1).
const ROOT_BYTES: u64 = 16 << 10;
/// Bytes of a second-level table, which maps a MiB.
const TABLE_BYTES: u64 = 1 << 10;

/// The frames that have a descriptor: from the first of all zones to the last.
#[must_use]
pub fn described_frames(zones: &[ZoneSpan]) -> PfnRange {
    let spans = zones.iter().filter(|span| !span.range.is_empty());
    let first = spans.clone().map(|span| span.range.start()).min().unwrap_or_default();
    let last = spans.map(|span| span.range.end()).max().unwrap_or_default();
    PfnRange::new(first, last.max(first))
}

/// Does the command line have the page allocator remember who took each page? The last word counts, as in boot.
#[must_use]
pub fn tracks_owners(command_line: &str) -> bool {
    let last = params(command_line).filter(|param| param.is("page_owner")).last();
    last.is_some_and(|param| switch(param.value.unwrap_or("")) == Some(true))
}

/// A switch as Linux's `kstrtobool` reads it; `None` for what is none.
#[must_use]
pub fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "y" | "Y" | "t" | "T" | "on" => Some(true),
        "0" | "n" | "N" | "f" | "F" | "off" => Some(false),
        _ => None,
    }
}

/// How many second-level tables the kernel's own page tables begin with.
///
/// `image` lies in the linear map in pages, since its sections have different rights.
#[must_use]
pub fn second_level_tables(layout: &Layout, memblock: &Memblock<'_>, image: PhysRange) -> u32 {
    // The vectors, their stubs and the fixmap share the last MiB; DMA, modules and pkmap have tables from the start.
    let last = (u64::from(u32::MAX) + 1 - u64::from(FIXMAP.start().as_u32())).div_ceil(MIB);
    let below = u64::from(layout.split.page_offset().as_u32() - layout.modules().start().as_u32());
    let prepared = last + u64::from(DMA.len()) / MIB + below.div_ceil(MIB);
    let lowmem = PhysRange::new(layout.phys_offset, layout.lowmem_end);
    let blocks = memblock.mapped_memory().filter_map(|block| block.intersection(&lowmem));
    // A MiB of which the image has pages, and one that a block has only a part of. Blocks ascend.
    let (mut tables, mut done) = (0, 0);
    for block in blocks {
        let pages = image.intersection(&block);
        let ends = [
            Some(PhysRange::new(block.start(), block.start().align_up(MIB).min(block.end()))),
            pages,
            Some(PhysRange::new(block.end().align_down(MIB).max(block.start()), block.end())),
        ];
        for part in ends.into_iter().flatten().filter(|part| !part.is_empty()) {
            let first = (part.start().as_u64() / MIB).max(done);
            let end = part.end().as_u64().div_ceil(MIB);
            tables += end.saturating_sub(first);
            done = done.max(end);
        }
    }
    u32::try_from(prepared + tables).unwrap_or(u32::MAX)
}

/// Takes from `memblock` what boot takes for itself under `layout`, in its order, and calls `taken` with each range.
///
/// # Errors
///
/// Those of [`Memblock::alloc`]: there is no room, and the kernel would stop.
pub fn take(
    memblock: &mut Memblock<'_>,
    layout: &Layout,
    image: PhysRange,
    command_line: &str,
    taken: &mut dyn FnMut(PhysRange, Owner),
) -> Result<(), MemblockError> {
    let page = u64::from(PAGE_SIZE);
    let tables = u64::from(second_level_tables(layout, memblock, image));
    let frames = tables.div_ceil(page / TABLE_BYTES);
    // The vector page, a frame of tables to map it, the page of the stubs; then the other tables.
    let first = [
        (ROOT_BYTES, Owner::PageTables),
        (page, Owner::Vectors),
        (page, Owner::PageTables),
        (page, Owner::Vectors),
    ];
    let rest = (1..frames).map(|_| (page, Owner::PageTables));
    for (bytes, owner) in first.into_iter().chain(rest) {
        taken(memblock.alloc(bytes, bytes)?, owner);
    }
    let frames = described_frames(&layout.zones);
    let count = u64::from(frames.len());
    let mut array = |bytes: u64| -> Result<(), MemblockError> {
        let bytes = bytes.next_multiple_of(size_of::<u32>() as u64);
        let top = Limit::At(layout.lowmem_end.align_down(page));
        let range = memblock.alloc_preferring(bytes, page, PhysAddr::default(), top)?;
        taken(range, Owner::PageArray);
        Ok(())
    };
    array(count * size_of::<Page>() as u64)?;
    array(PageBlocks::bytes_for(frames) as u64)?;
    if tracks_owners(command_line) {
        // The kernel does without it where it has no room.
        let _ = array(count * size_of::<u32>() as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::layout::Settings;
    use crate::boot::memblock::{Flags, Region};
    use crate::boot::split::Split;

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
    }

    fn tables(blocks: &[(u64, u64)], image: PhysRange, command_line: &str) -> u32 {
        let (mut memory, mut reserved) = ([Region::EMPTY; 8], [Region::EMPTY; 8]);
        let mut memblock = Memblock::new(&mut memory, &mut reserved);
        for &(start, end) in blocks {
            memblock.add(range(start, end), Flags::empty()).unwrap();
        }
        let settings = Settings {
            split: Split::ThreeG,
            phys_offset: PhysAddr::new(0x4000_0000),
            command_line,
            board_dma_zone: None,
        };
        let layout = Layout::decide(&memblock, settings, &mut |_| ()).unwrap();
        second_level_tables(&layout, &memblock, image)
    }

    #[test]
    fn a_table_for_each_mib_that_no_section_maps() {
        // The last MiB, DMA, modules and pkmap.
        const PREPARED: u32 = 1 + 3 + 16;
        let image = range(0x4020_0000, 0x4048_0000);
        assert_eq!(tables(&[(0x4000_0000, 0x8000_0000)], image, ""), PREPARED + 3);
        // An odd start, an odd end in the same MiB as the start of another block, and an odd limit.
        let blocks = [(0x4000_1000, 0x4400_1000), (0x4400_2000, 0x4500_0000)];
        assert_eq!(tables(&blocks, image, ""), PREPARED + 3 + 1 + 1);
        assert_eq!(tables(&[(0x4000_0000, 0x8000_0000)], image, "vmalloc=268435457"), PREPARED + 4);
        // A block within a MiB, and a part of the image beside a hole.
        let blocks = [(0x4000_0000, 0x4000_1000), (0x4020_0000, 0x4030_0000)];
        assert_eq!(tables(&blocks, image, ""), PREPARED + 1 + 1);
    }

    #[test]
    fn switches_are_read_as_linux_reads_them() {
        for (line, tracked) in [
            ("", false),
            ("page_owner=1", true),
            ("page-owner=on quiet", true),
            ("page_owner", false),
            ("page_owner=1 page_owner=0", false),
            ("page_owner=1 page_owner=x", false),
        ] {
            assert_eq!(tracks_owners(line), tracked, "{line}");
        }
    }
}
