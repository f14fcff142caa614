//! The boot log's account of the zones: their bounds, the memory in them, and the holes.
//!
//! Ends are inclusive and addresses have sixteen digits, as in today's Linux.

use core::fmt::{Result, Write};

use crate::addr::PfnRange;
use crate::boot::memblock::Memblock;
use crate::zone::{ZoneKind, ZoneSpan};

/// Writes the lines from `Zone ranges:` on.
///
/// *Unavailable* are the frames of a zone that will never be handed out because nothing is there
/// or because they must not be mapped. They have page descriptors nevertheless.
///
/// # Errors
///
/// When `out` does.
pub fn write(
    out: &mut dyn Write,
    spans: &[ZoneSpan; ZoneKind::COUNT],
    memblock: &Memblock<'_>,
) -> Result {
    writeln!(out, "Zone ranges:")?;
    for span in spans {
        write!(out, "  {:<8} ", span.kind)?;
        if span.range.is_empty() {
            writeln!(out, "empty")?;
        } else {
            write_range(out, span.range)?;
        }
    }
    writeln!(out, "Movable zone start for each node")?;
    writeln!(out, "Early memory node ranges")?;
    let memory = memblock.memory().regions().iter().map(|region| region.range.whole_frames());
    for range in memory.filter(|range| !range.is_empty()) {
        write!(out, "  node   0: ")?;
        write_range(out, range)?;
    }
    if let (Some(start), Some(end)) = (memblock.start_of_dram(), memblock.end_of_dram()) {
        write!(out, "Initmem setup node 0 ")?;
        write_range(out, PfnRange::new(start.pfn_up(), end.pfn_down()))?;
    }
    for span in spans {
        let mapped = memblock.mapped_memory().map(|range| range.whole_frames());
        let usable: u32 = mapped.map(|range| range.intersection(&span.range).len()).sum();
        let missing = span.range.len().saturating_sub(usable);
        if missing > 0 {
            let kind = span.kind;
            writeln!(out, "On node 0, zone {kind}: {missing} pages in unavailable ranges")?;
        }
    }
    Ok(())
}

/// Writes `[mem 0x…-0x…]`, which must not be empty, and ends the line.
fn write_range(out: &mut dyn Write, range: PfnRange) -> Result {
    let (start, end) = (range.start().start().as_u64(), range.end().start().as_u64());
    writeln!(out, "[mem {start:#018x}-{:#018x}]", end - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{PhysAddr, PhysRange};
    use crate::boot::memblock::{Flags, Region};

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
    }

    /// The text for these banks (start, end, NOMAP?) with zones up to these addresses.
    fn print(banks: &[(u64, u64, Flags)], ends: [u64; 3]) -> String {
        let (mut memory, mut reserved) = ([Region::EMPTY; 8], [Region::EMPTY; 8]);
        let mut memblock = Memblock::new(&mut memory, &mut reserved);
        for &(start, end, flags) in banks {
            memblock.add(range(start, end), flags).unwrap();
        }
        let mut below = PhysAddr::new(banks[0].0).pfn_up();
        let spans = ZoneKind::ALL.map(|kind| {
            let start = below;
            below = PhysAddr::new(ends[kind.index()]).pfn_down();
            let memory = memblock.memory().regions().iter().map(|region| region.range);
            ZoneSpan::of_memory(kind, start, below, memory)
        });
        let mut text = String::new();
        write(&mut text, &spans, &memblock).unwrap();
        text
    }

    #[test]
    fn one_bank() {
        assert_eq!(
            print(
                &[(0x4000_0000, 0x8000_0000, Flags::empty())],
                [0x7000_0000, 0x7000_0000, 0x8000_0000]
            ),
            "\
Zone ranges:
  DMA      [mem 0x0000000040000000-0x000000006fffffff]
  Normal   empty
  HighMem  [mem 0x0000000070000000-0x000000007fffffff]
Movable zone start for each node
Early memory node ranges
  node   0: [mem 0x0000000040000000-0x000000007fffffff]
Initmem setup node 0 [mem 0x0000000040000000-0x000000007fffffff]
"
        );
    }

    #[test]
    fn holes_and_nomap_memory_are_unavailable() {
        assert_eq!(
            print(
                &[
                    (0x4000_0000, 0x4010_0000, Flags::NOMAP),
                    (0x4010_0000, 0x5000_0000, Flags::empty()),
                    (0x7000_0000, 0x8000_0000, Flags::empty()),
                ],
                [0x4400_0000, 0x5000_0000, 0x8000_0000]
            ),
            "\
Zone ranges:
  DMA      [mem 0x0000000040000000-0x0000000043ffffff]
  Normal   [mem 0x0000000044000000-0x000000004fffffff]
  HighMem  [mem 0x0000000050000000-0x000000007fffffff]
Movable zone start for each node
Early memory node ranges
  node   0: [mem 0x0000000040000000-0x00000000400fffff]
  node   0: [mem 0x0000000040100000-0x000000004fffffff]
  node   0: [mem 0x0000000070000000-0x000000007fffffff]
Initmem setup node 0 [mem 0x0000000040000000-0x000000007fffffff]
On node 0, zone DMA: 256 pages in unavailable ranges
On node 0, zone HighMem: 131072 pages in unavailable ranges
"
        );
    }
}
