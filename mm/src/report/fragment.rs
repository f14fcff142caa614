//! How far free memory is in pieces: a picture for people, and Linux's figure for scripts.
//!
//! ```text
//! DMA: 1435 pages free, the largest block is 4096kB
//!    block   blocks  share
//!      4kB        3   0.2% #
//! …
//!   4096kB        1  71.3% ####################################
//! Unusable for each order from 0 on:
//! Node 0, zone      DMA 0.000 0.002 0.002 …
//! ```
//!
//! The last lines are those of Linux's `/sys/kernel/debug/extfrag/unusable_index`: for each order
//! the share of the zone's free memory that lies in smaller blocks, and so is of no use to a
//! request of that order. 0 is memory in one piece; 1 means that such a request cannot be served, as
//! when nothing is free at all.

use core::fmt::{Result, Write};

use super::kib;
use crate::addr::Order;
use crate::zone::{MemoryFigures, ZoneFigures};

/// The bar that stands for all of a zone's free memory.
const BAR: &str = "##################################################";

/// Writes the picture and the index of each zone that has memory. What a CPU's stacks hold is left
/// out, as it is not free in the zone.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, figures: &MemoryFigures) -> Result {
    for zone in figures.populated() {
        write_picture(out, zone)?;
    }
    writeln!(out, "Unusable for each order from 0 on:")?;
    for zone in figures.populated() {
        write_index(out, zone)?;
    }
    Ok(())
}

/// The zone's free memory by the size of its blocks: a bar for each size that there is.
fn write_picture(out: &mut dyn Write, zone: &ZoneFigures) -> Result {
    let free = zone.pages_in_blocks();
    let Some(largest) = zone.largest_free() else {
        return writeln!(out, "{}: nothing is free", zone.kind);
    };
    let largest = kib(largest.pages());
    writeln!(out, "{}: {free} pages free, the largest block is {largest}kB", zone.kind)?;
    writeln!(out, "   block   blocks  share")?;
    for order in Order::all() {
        let pages = zone.pages_of(order);
        let share = thousandths(pages, free);
        let (block, blocks) = (kib(order.pages()), zone.blocks_of(order));
        write!(out, "{block:6}kB {blocks:8} {:3}.{}%", share / 10, share % 10)?;
        let bar = bar(pages, free);
        writeln!(out, "{}{bar}", if bar.is_empty() { "" } else { " " })?;
    }
    Ok(())
}

/// The index of each order. The line ends with a blank, as Linux's does.
fn write_index(out: &mut dyn Write, zone: &ZoneFigures) -> Result {
    let free = zone.pages_in_blocks();
    write!(out, "Node 0, zone {:>8} ", zone.kind)?;
    let mut smaller = 0;
    for order in Order::all() {
        let index = if free == 0 { 1000 } else { thousandths(smaller, free) };
        write!(out, "{}.{:03} ", index / 1000, index % 1000)?;
        smaller += zone.pages_of(order);
    }
    writeln!(out)
}

/// `part` of `whole` in thousandths, rounded down; of nothing it is 0.
fn thousandths(part: u64, whole: u64) -> u64 {
    (part * 1000).checked_div(whole).unwrap_or(0)
}

/// `part` of `whole` as a bar, rounded up: what is there is seen.
fn bar(part: u64, whole: u64) -> &'static str {
    let columns = if whole == 0 { 0 } else { (part * BAR.len() as u64).div_ceil(whole) };
    usize::try_from(columns).ok().and_then(|columns| BAR.get(..columns)).unwrap_or(BAR)
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::{figures, print};
    use super::*;
    use crate::zone::ZoneKind;

    #[test]
    fn golden() {
        let text = print(|out| write(out, &figures()));
        // The blanks at the ends of lines stay visible this way.
        let expected = "\
DMA: 1435 pages free, the largest block is 4096kB|
   block   blocks  share|
     4kB        3   0.2% #|
     8kB        0   0.0%|
    16kB        2   0.5% #|
    32kB        0   0.0%|
    64kB        1   1.1% #|
   128kB        0   0.0%|
   256kB        2   8.9% #####|
   512kB        0   0.0%|
  1024kB        1  17.8% #########|
  2048kB        0   0.0%|
  4096kB        1  71.3% ####################################|
HighMem: 254 pages free, the largest block is 512kB|
   block   blocks  share|
     4kB        0   0.0%|
     8kB        1   0.7% #|
    16kB        1   1.5% #|
    32kB        1   3.1% ##|
    64kB        1   6.2% ####|
   128kB        1  12.5% #######|
   256kB        1  25.1% #############|
   512kB        1  50.3% ##########################|
  1024kB        0   0.0%|
  2048kB        0   0.0%|
  4096kB        0   0.0%|
Unusable for each order from 0 on:|
Node 0, zone      DMA 0.000 0.002 0.002 0.007 0.007 0.018 0.018 0.108 0.108 0.286 0.286 |
Node 0, zone  HighMem 0.000 0.000 0.007 0.023 0.055 0.118 0.244 0.496 1.000 1.000 1.000 |
";
        assert_eq!(text.replace('\n', "|\n"), expected);
    }

    #[test]
    fn one_block_is_one_piece_and_nothing_is_of_no_use() {
        let mut figures = figures();
        figures.zones[0].blocks = [[0; 6]; Order::COUNT];
        figures.zones[2] = ZoneFigures { present: 1, ..ZoneFigures::empty(ZoneKind::HighMem) };
        figures.zones[0].blocks[10] = [0, 3, 0, 0, 0, 0];
        let text = print(|out| write(out, &figures));
        let bar = "#".repeat(50);
        assert!(text.contains(&format!("  4096kB        3 100.0% {bar}\n")), "{text}");
        assert!(text.contains("HighMem: nothing is free\n"), "{text}");
        let index = |kind, index: &str| format!("Node 0, zone {kind:>8} {}\n", index.repeat(11));
        assert!(text.ends_with(&(index("DMA", "0.000 ") + &index("HighMem", "1.000 "))), "{text}");
    }
}
