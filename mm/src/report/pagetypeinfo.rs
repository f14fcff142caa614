//! `/proc/pagetypeinfo`: free blocks of each order by mobility, and page blocks by mobility.
//!
//! ```text
//! Page block order: 10
//! Pages per block:  1024
//!
//! Free pages count per migrate type at order       0      1      2 …
//! Node    0, zone      DMA, type    Unmovable      1      0      0 …
//! …
//!
//! Number of blocks type    Unmovable      Movable  Reclaimable …
//! Node 0, zone      DMA            0            1            0 …
//! ```
//!
//! Linux's third part, pages of one mobility in blocks of another, needs every page's owner and is
//! left out.

use core::fmt::{Result, Write};

use crate::addr::Order;
use crate::frame::Mobility;
use crate::zone::{MemoryFigures, ZoneKind};

/// A page block, the unit that has a mobility: on this CPU as large as the largest free block.
const PAGE_BLOCK: Order = Order::MAX;

/// Linux stops counting a list here.
const MOST_COUNTED: u32 = 100_000;

/// How many page blocks of each zone have which mobility, by [`ZoneKind::index`], then by
/// [`Mobility::index`]: a number of blocks. Each counts for the zone of its first frame.
pub type PageBlocks = [[u32; Mobility::COUNT]; ZoneKind::COUNT];

/// Writes the form, with the zones that have memory. Each line of a table ends with a blank, as
/// Linux's does.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, figures: &MemoryFigures, page_blocks: &PageBlocks) -> Result {
    writeln!(out, "Page block order: {PAGE_BLOCK}")?;
    writeln!(out, "Pages per block:  {}", PAGE_BLOCK.pages())?;
    write!(out, "\n{:<43} ", "Free pages count per migrate type at order")?;
    for order in Order::all() {
        write!(out, "{:6} ", order.as_u8())?;
    }
    writeln!(out)?;
    for zone in figures.populated() {
        for mobility in Mobility::ALL {
            write!(out, "Node {:4}, zone {:>8}, type {mobility:>12} ", 0, zone.kind)?;
            for blocks in zone.blocks {
                let count = blocks[mobility.index()];
                let more = if count >= MOST_COUNTED { ">" } else { "" };
                write!(out, "{more}{:6} ", count.min(MOST_COUNTED))?;
            }
            writeln!(out)?;
        }
    }
    write!(out, "\n{:<23}", "Number of blocks type ")?;
    for mobility in Mobility::ALL {
        write!(out, "{mobility:>12} ")?;
    }
    writeln!(out)?;
    for (zone, blocks) in figures.zones.iter().zip(page_blocks) {
        if zone.is_populated() {
            write!(out, "Node 0, zone {:>8} ", zone.kind)?;
            for count in blocks {
                write!(out, "{count:12} ")?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::{figures, print};
    use super::*;

    const PAGE_BLOCKS: PageBlocks = [[0, 1, 0, 1, 0, 0], [0; 6], [0, 1, 0, 0, 0, 0]];

    #[test]
    fn golden() {
        let mut figures = figures();
        figures.zones[2].blocks[0] = [99_999, 100_000, u32::MAX, 0, 0, 0];
        let text = print(|out| write(out, &figures, &PAGE_BLOCKS));
        // The blanks at the ends of lines stay visible this way.
        let expected = "\
Page block order: 10|
Pages per block:  1024|
|
Free pages count per migrate type at order       0      1      2      3      4      5      6      7      8      9     10 |
Node    0, zone      DMA, type    Unmovable      1      0      0      0      0      0      0      0      0      0      0 |
Node    0, zone      DMA, type      Movable      2      0      1      0      0      0      2      0      0      0      1 |
Node    0, zone      DMA, type  Reclaimable      0      0      1      0      1      0      0      0      0      0      0 |
Node    0, zone      DMA, type   HighAtomic      0      0      0      0      0      0      0      0      1      0      0 |
Node    0, zone      DMA, type          CMA      0      0      0      0      0      0      0      0      0      0      0 |
Node    0, zone      DMA, type      Isolate      0      0      0      0      0      0      0      0      0      0      0 |
Node    0, zone  HighMem, type    Unmovable  99999      0      0      0      0      0      0      0      0      0      0 |
Node    0, zone  HighMem, type      Movable >100000      1      1      1      1      1      1      1      0      0      0 |
Node    0, zone  HighMem, type  Reclaimable >100000      0      0      0      0      0      0      0      0      0      0 |
Node    0, zone  HighMem, type   HighAtomic      0      0      0      0      0      0      0      0      0      0      0 |
Node    0, zone  HighMem, type          CMA      0      0      0      0      0      0      0      0      0      0      0 |
Node    0, zone  HighMem, type      Isolate      0      0      0      0      0      0      0      0      0      0      0 |
|
Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic          CMA      Isolate |
Node 0, zone      DMA            0            1            0            1            0            0 |
Node 0, zone  HighMem            0            1            0            0            0            0 |
";
        assert_eq!(text.replace('\n', "|\n"), expected);
    }
}
