//! `/proc/zoneinfo`: the figures of each zone, without the lines whose machinery does not exist.
//!
//! A zone without memory ends after its protection line, as in Linux. `protection` has a column
//! for each class of request, Linux's movable zone included.

use core::fmt::{Result, Write};

use crate::zone::PageAllocator;
use crate::zone::watermark::{lowmem_reserve, min_free_kbytes, watermarks};

/// Writes the form; all counts are in pages.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, allocator: &PageAllocator<'_>) -> Result {
    let managed = allocator.managed();
    let marks = watermarks(&managed, min_free_kbytes(&managed));
    let reserves = lowmem_reserve(&managed);
    for ((zone, mark), reserve) in allocator.zones().iter().zip(marks).zip(reserves) {
        writeln!(out, "Node 0, zone {:>8}", zone.kind())?;
        writeln!(out, "  pages free     {}", zone.free_pages())?;
        for (name, pages) in [
            ("min", mark.min),
            ("low", mark.low),
            ("high", mark.high),
            ("spanned", zone.span().len()),
            ("present", zone.present()),
            ("managed", zone.managed()),
        ] {
            writeln!(out, "        {name:<8} {pages}")?;
        }
        let [first, rest @ ..] = reserve;
        write!(out, "        protection: ({first}")?;
        for pages in rest {
            write!(out, ", {pages}")?;
        }
        writeln!(out, ")")?;
        if zone.present() > 0 {
            writeln!(out, "      {:<12} {}", "nr_free_pages", zone.free_pages())?;
            writeln!(out, "  start_pfn:           {}", zone.span().start().as_u32())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine;

    #[test]
    fn golden() {
        assert_eq!(
            test_machine::print(super::write),
            "\
Node 0, zone      DMA
  pages free     1532
        min      78
        low      97
        high     116
        spanned  2048
        present  2048
        managed  1533
        protection: (0, 0, 1, 1)
      nr_free_pages 1532
  start_pfn:           262144
Node 0, zone   Normal
  pages free     0
        min      0
        low      0
        high     0
        spanned  0
        present  0
        managed  0
        protection: (0, 0, 0, 0)
Node 0, zone  HighMem
  pages free     256
        min      32
        low      35
        high     38
        spanned  2304
        present  256
        managed  256
        protection: (0, 0, 0, 0)
      nr_free_pages 256
  start_pfn:           264192
"
        );
    }
}
