//! A map of a region by the size of its holes: how many there are of each size, and what fits at each alignment.
//!
//! ```text
//! vmalloc 0xf0800000 - 0xff800000: 245760 kB, 201 areas, 228352 kB free in 13 holes
//!      holes        size         kB  part of what is free
//!         12        4 kB         48
//!          1      128 MB     228304  ##################################################
//!   waiting for a flush: 64 kB of addresses, 8 pages; spare: 128 kB
//!   the largest area: 228300 kB at 4 kB, 228296 kB at 8 kB …
//! ```
//!
//! A row counts the holes from its size up to the next row's, which is twice that.

use core::fmt::{Display, Formatter, Result, Write};

use crate::addr::{KIB, PAGE_SHIFT};
use crate::map::area::{Hole, RegionName};
use crate::map::vmalloc::RegionFigures;

/// Sizes of holes: 4 KiB, 8 KiB … 2 GiB.
const SIZES: usize = (u32::BITS - PAGE_SHIFT) as usize;
/// log2 of the alignments that are shown.
const ALIGNMENTS: [u32; 7] = [12, 13, 14, 16, 20, 22, 24];
/// Characters of a full bar.
const BAR: u64 = 50;

/// Writes the form. `largest` says how many bytes fit at a multiple of a power of two.
///
/// # Errors
///
/// When `out` does.
pub fn write(
    out: &mut dyn Write,
    name: RegionName,
    figures: &RegionFigures,
    holes: impl Iterator<Item = Hole>,
    largest: impl Fn(u32) -> u32,
) -> Result {
    let mut counts = [0_u32; SIZES];
    let mut bytes = [0_u64; SIZES];
    for Hole { range } in holes {
        let size = range.len().checked_ilog2().unwrap_or(PAGE_SHIFT).saturating_sub(PAGE_SHIFT);
        counts[size as usize] += 1;
        bytes[size as usize] += u64::from(range.len());
    }
    let (all, free) = (counts.iter().sum::<u32>(), bytes.iter().sum::<u64>());
    let RegionFigures { region, areas, waiting, waiting_frames, spare, .. } = *figures;
    writeln!(
        out,
        "{name} {region}: {} kB, {areas} areas, {} kB free in {all} holes",
        kib(region.len()),
        free / KIB
    )?;
    if all > 0 {
        writeln!(out, "  {:>8}{:>12}{:>11}  part of what is free", "holes", "size", "kB")?;
    }
    for (shift, (count, bytes)) in (PAGE_SHIFT..).zip(counts.into_iter().zip(bytes)) {
        if count > 0 {
            write!(out, "  {count:8}{:>12}{:11}", Power(shift), bytes / KIB)?;
            let marks = bytes * BAR / free.max(1);
            if marks > 0 {
                out.write_str("  ")?;
                (0..marks).try_for_each(|_| out.write_char('#'))?;
            }
            writeln!(out)?;
        }
    }
    writeln!(
        out,
        "  waiting for a flush: {} kB of addresses, {waiting_frames} pages; spare: {} kB",
        kib(waiting),
        kib(spare)
    )?;
    writeln!(out, "  the largest area, guard page set aside")?;
    for shift in ALIGNMENTS {
        writeln!(out, "    at a multiple of {:>6}{:11} kB", Power(shift), kib(largest(shift)))?;
    }
    Ok(())
}

fn kib(bytes: u32) -> u64 {
    u64::from(bytes) / KIB
}

/// A power of two of bytes.
struct Power(u32);

impl Display for Power {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (shift, unit) = match self.0 {
            shift @ ..20 => (shift.saturating_sub(10), "kB"),
            shift @ 20..30 => (shift - 20, "MB"),
            shift => (shift - 30, "GB"),
        };
        // Padded as a whole.
        let mut text = arrayvec::ArrayString::<8>::new();
        write!(text, "{} {unit}", 1_u32 << shift)?;
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;
    use crate::addr::{PAGE_SIZE, VirtAddr, VirtRange};

    fn range(start: u32, pages: u32) -> VirtRange {
        let start = VirtAddr::new(start);
        VirtRange::new(start, start.checked_add(pages * PAGE_SIZE).unwrap())
    }

    #[test]
    fn golden() {
        let holes = [
            range(0xf080_0000, 1),
            range(0xf081_0000, 1),
            range(0xf082_0000, 3),
            range(0xf083_0000, 2),
            range(0xf090_0000, 0x8000),
        ];
        let figures = RegionFigures {
            region: range(0xf080_0000, 60 * 1024),
            areas: 5,
            waiting: 0x1_0000,
            waiting_frames: 8,
            spare: 0x2000,
            ..RegionFigures::default()
        };
        let text = print(|out| {
            let holes = holes.into_iter().map(|range| Hole { range });
            write(out, RegionName::Vmalloc, &figures, holes, |shift| 0x0800_0000 - (1 << shift))
        });
        assert_eq!(
            text,
            "\
vmalloc 0xf0800000 - 0xff800000: 245760 kB, 5 areas, 131100 kB free in 5 holes
     holes        size         kB  part of what is free
         2        4 kB          8
         2        8 kB         20
         1      128 MB     131072  #################################################
  waiting for a flush: 64 kB of addresses, 8 pages; spare: 8 kB
  the largest area, guard page set aside
    at a multiple of   4 kB     131068 kB
    at a multiple of   8 kB     131064 kB
    at a multiple of  16 kB     131056 kB
    at a multiple of  64 kB     131008 kB
    at a multiple of   1 MB     130048 kB
    at a multiple of   4 MB     126976 kB
    at a multiple of  16 MB     114688 kB
"
        );
    }

    #[test]
    fn a_region_without_a_hole() {
        let figures = RegionFigures { region: range(0xf080_0000, 16), ..RegionFigures::default() };
        let text =
            print(|out| write(out, RegionName::Modules, &figures, core::iter::empty(), |_| 0));
        assert!(
            text.starts_with(
                "modules 0xf0800000 - 0xf0810000: 64 kB, 0 areas, 0 kB free in 0 holes\n  waiting"
            ),
            "{text}"
        );
    }
}
