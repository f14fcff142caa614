//! `/proc/zoneinfo`: the figures of each zone, with every line that Linux prints for one, so that a
//! script made for Linux reads it.
//!
//! These lines are 0 by the kernel's construction, not because somebody counted:
//!
//! | line | why |
//! |---|---|
//! | `boost` | watermarks are not boosted: a block of another mobility is taken without a penalty |
//! | `cma` | no area for contiguous memory is set aside |
//! | `nr_zone_*`, `nr_mlock` | no page is on a list for reclaim, none is written back or locked |
//! | `nr_bounce` | devices reach their memory directly |
//! | `vm stats threshold` | the counters are exact: no CPU keeps changes to itself |
//! | `node_unreclaimable` | nothing reclaims, so nothing has failed to |
//!
//! Left out are the `per-node stats` of the first zone, whose counters do not exist, and the zone
//! Movable, which is none here. `protection` has a column for it nevertheless.
//!
//! A zone without memory ends after its protection line, as in Linux.

use core::fmt::{Result, Write};

use crate::frame::Mobility;
use crate::zone::{MemoryFigures, ZoneFigures};

/// Counters that are always 0, between `nr_free_pages` and `nr_free_cma`.
const ALWAYS_ZERO: [&str; 8] = [
    "nr_zone_inactive_anon",
    "nr_zone_active_anon",
    "nr_zone_inactive_file",
    "nr_zone_active_file",
    "nr_zone_unevictable",
    "nr_zone_write_pending",
    "nr_mlock",
    "nr_bounce",
];

/// Writes the form; all counts are in pages.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, figures: &MemoryFigures) -> Result {
    for zone in &figures.zones {
        write_levels(out, zone)?;
        if zone.is_populated() {
            write_counters(out, zone)?;
            write_pagesets(out, zone)?;
            writeln!(out, "  node_unreclaimable:  0")?;
            writeln!(out, "  start_pfn:           {}", zone.span.start().as_u32())?;
        }
    }
    Ok(())
}

/// What every zone has, memory or not.
fn write_levels(out: &mut dyn Write, zone: &ZoneFigures) -> Result {
    writeln!(out, "Node 0, zone {:>8}", zone.kind)?;
    writeln!(out, "  pages free     {}", zone.free)?;
    for (name, pages) in [
        ("boost", 0),
        ("min", zone.watermarks.min),
        ("low", zone.watermarks.low),
        ("high", zone.watermarks.high),
        ("spanned", zone.span.len()),
        ("present", zone.present),
        ("managed", zone.managed),
        ("cma", 0),
    ] {
        writeln!(out, "        {name:<8} {pages}")?;
    }
    let [first, rest @ ..] = zone.reserve;
    write!(out, "        protection: ({first}")?;
    for pages in rest {
        write!(out, ", {pages}")?;
    }
    writeln!(out, ")")
}

fn write_counters(out: &mut dyn Write, zone: &ZoneFigures) -> Result {
    let mut line = |name: &str, pages: u64| writeln!(out, "      {name:<12} {pages}");
    line("nr_free_pages", u64::from(zone.free))?;
    for name in ALWAYS_ZERO {
        line(name, 0)?;
    }
    line("nr_free_cma", zone.free_with(Mobility::Cma))
}

/// The CPUs' stacks, which Linux calls sets of pages.
fn write_pagesets(out: &mut dyn Write, zone: &ZoneFigures) -> Result {
    writeln!(out, "  pagesets")?;
    for (number, cpu) in zone.cpus().iter().enumerate() {
        writeln!(out, "    cpu: {number}")?;
        writeln!(out, "              count: {}", cpu.count)?;
        writeln!(out, "              high:  {}", cpu.high)?;
        writeln!(out, "              batch: {}", cpu.batch)?;
        writeln!(out, "  vm stats threshold: 0")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::{figures, print};

    #[test]
    fn golden() {
        assert_eq!(
            print(|out| super::write(out, &figures())),
            "\
Node 0, zone      DMA
  pages free     1435
        boost    0
        min      78
        low      97
        high     116
        spanned  2048
        present  2048
        managed  1533
        cma      0
        protection: (0, 0, 1, 1)
      nr_free_pages 1435
      nr_zone_inactive_anon 0
      nr_zone_active_anon 0
      nr_zone_inactive_file 0
      nr_zone_active_file 0
      nr_zone_unevictable 0
      nr_zone_write_pending 0
      nr_mlock     0
      nr_bounce    0
      nr_free_cma  0
  pagesets
    cpu: 0
              count: 5
              high:  48
              batch: 1
  vm stats threshold: 0
    cpu: 1
              count: 3
              high:  48
              batch: 1
  vm stats threshold: 0
  node_unreclaimable:  0
  start_pfn:           262144
Node 0, zone   Normal
  pages free     0
        boost    0
        min      0
        low      0
        high     0
        spanned  0
        present  0
        managed  0
        cma      0
        protection: (0, 0, 0, 0)
Node 0, zone  HighMem
  pages free     254
        boost    0
        min      32
        low      35
        high     38
        spanned  2304
        present  256
        managed  256
        cma      0
        protection: (0, 0, 0, 0)
      nr_free_pages 254
      nr_zone_inactive_anon 0
      nr_zone_active_anon 0
      nr_zone_inactive_file 0
      nr_zone_active_file 0
      nr_zone_unevictable 0
      nr_zone_write_pending 0
      nr_mlock     0
      nr_bounce    0
      nr_free_cma  0
  pagesets
    cpu: 0
              count: 0
              high:  17
              batch: 1
  vm stats threshold: 0
    cpu: 1
              count: 2
              high:  17
              batch: 1
  vm stats threshold: 0
  node_unreclaimable:  0
  start_pfn:           264192
"
        );
    }
}
