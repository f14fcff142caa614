//! *Mem-Info*, what Linux prints when an allocation fails or somebody asks for it (SysRq-m): zones
//! with their watermarks, free blocks by order, and totals; without the figures whose machinery
//! does not exist.
//!
//! ```text
//! Mem-Info:
//!  free:260735 free_pcp:63 free_cma:0
//! DMA free:780796kB boost:0kB min:3532kB low:4412kB high:5292kB reserved_highatomic:0KB …
//! lowmem_reserve[]: 0 0 256 256
//! DMA: 1*4kB (U) 1*8kB (M) 0*16kB … = 780796kB
//! 262144 pages RAM
//! ```
//!
//! The letters behind a number of blocks are the mobilities that have such a block
//! ([`Mobility::letter`]). `boost` and `cma reserved` are always 0: neither exists here.
//!
//! A report of a crash prints it too, and the crash may have come in the midst of an allocation. So
//! nothing here relies on any figure to fit another.

use core::fmt::{Result, Write};

use super::kib;
use crate::addr::Order;
use crate::frame::Mobility;
use crate::zone::{MemoryFigures, ZoneFigures, ZoneKind};

/// Writes the form. `cpu` is the number of the CPU that asks: `local_pcp` is what its stacks hold.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, figures: &MemoryFigures, cpu: u32) -> Result {
    let free_cma: u64 = figures.zones.iter().map(|zone| zone.free_with(Mobility::Cma)).sum();
    writeln!(out, "Mem-Info:")?;
    writeln!(out, " free:{} free_pcp:{} free_cma:{free_cma}", figures.free(), figures.in_stacks())?;
    for zone in figures.populated() {
        write_zone(out, zone, cpu)?;
    }
    for zone in figures.populated() {
        write_blocks(out, zone)?;
    }
    let present = figures.present();
    let reserved = present.saturating_sub(figures.managed());
    writeln!(out, "{present} pages RAM")?;
    writeln!(out, "{} pages HighMem/MovableOnly", figures.zone(ZoneKind::HighMem).present)?;
    writeln!(out, "{reserved} pages reserved")?;
    writeln!(out, "0 pages cma reserved")
}

/// A zone's figures in one line, in Linux's order, and its reserves in another.
fn write_zone(out: &mut dyn Write, zone: &ZoneFigures, cpu: u32) -> Result {
    let marks = &zone.watermarks;
    write!(out, "{}", zone.kind)?;
    for (name, pages) in [
        ("free", zone.free),
        ("boost", 0),
        ("min", marks.min),
        ("low", marks.low),
        ("high", marks.high),
    ] {
        write!(out, " {name}:{}kB", kib(pages))?;
    }
    // With a large K, as Linux has it.
    write!(out, " reserved_highatomic:{}KB", kib(zone.high_atomic))?;
    for (name, pages) in [
        ("present", u64::from(zone.present)),
        ("managed", u64::from(zone.managed)),
        ("free_pcp", zone.in_stacks()),
        ("local_pcp", u64::from(zone.in_stacks_of(cpu))),
        ("free_cma", zone.free_with(Mobility::Cma)),
    ] {
        write!(out, " {name}:{}kB", kib(pages))?;
    }
    write!(out, "\nlowmem_reserve[]:")?;
    for pages in zone.reserve {
        write!(out, " {pages}")?;
    }
    writeln!(out)
}

/// A zone's free blocks by order, with the mobilities that have one.
fn write_blocks(out: &mut dyn Write, zone: &ZoneFigures) -> Result {
    write!(out, "{}: ", zone.kind)?;
    for order in Order::all() {
        write!(out, "{}*{}kB ", zone.blocks_of(order), kib(order.pages()))?;
        if zone.blocks_of(order) > 0 {
            write!(out, "(")?;
            for mobility in Mobility::ALL {
                if zone.blocks[order.index()][mobility.index()] > 0 {
                    write!(out, "{}", mobility.letter())?;
                }
            }
            write!(out, ") ")?;
        }
    }
    writeln!(out, "= {}kB", kib(zone.pages_in_blocks()))
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::{figures, print};
    use super::*;
    use crate::addr::{Pfn, PfnRange};
    use crate::zone::figures::{MAX_CPUS, PerCpuFigures};
    use crate::zone::watermark::Watermarks;

    #[test]
    fn golden() {
        let lines = [
            "Mem-Info:",
            " free:1689 free_pcp:10 free_cma:0",
            "DMA free:5740kB boost:0kB min:312kB low:388kB high:464kB reserved_highatomic:4096KB \
             present:8192kB managed:6132kB free_pcp:32kB local_pcp:20kB free_cma:0kB",
            "lowmem_reserve[]: 0 0 1 1",
            "HighMem free:1016kB boost:0kB min:128kB low:140kB high:152kB reserved_highatomic:0KB \
             present:1024kB managed:1024kB free_pcp:8kB local_pcp:0kB free_cma:0kB",
            "lowmem_reserve[]: 0 0 0 0",
            "DMA: 3*4kB (UM) 0*8kB 2*16kB (ME) 0*32kB 1*64kB (E) 0*128kB 2*256kB (M) 0*512kB \
             1*1024kB (H) 0*2048kB 1*4096kB (M) = 5740kB",
            "HighMem: 0*4kB 1*8kB (M) 1*16kB (M) 1*32kB (M) 1*64kB (M) 1*128kB (M) 1*256kB (M) \
             1*512kB (M) 0*1024kB 0*2048kB 0*4096kB = 1016kB",
            "2304 pages RAM",
            "256 pages HighMem/MovableOnly",
            "515 pages reserved",
            "0 pages cma reserved",
        ];
        let text = print(|out| write(out, &figures(), 0));
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn all_mobilities_have_their_letters_in_order() {
        let mut figures = figures();
        figures.zones[0].blocks[1] = [1; Mobility::COUNT];
        let text = print(|out| write(out, &figures, 1));
        assert!(text.contains(" 6*8kB (UMEHCI) "), "{text}");
        assert!(text.contains(" free_pcp:10 free_cma:2\n"), "{text}");
        assert!(text.contains(" local_pcp:12kB free_cma:8kB\n"), "{text}");
    }

    /// The figures of an allocator that something has written all over.
    #[test]
    fn figures_that_make_no_sense_are_printed_all_the_same() {
        for value in [0, 1, 0x8000_0000, u32::MAX] {
            let zones = ZoneKind::ALL.map(|kind| ZoneFigures {
                kind,
                span: PfnRange::new(Pfn::new(value), Pfn::new(!value)),
                present: value ^ 1,
                managed: value,
                free: value,
                blocks: [[value; Mobility::COUNT]; Order::COUNT],
                watermarks: Watermarks { min: value, low: !value, high: value },
                reserve: [value; 4],
                high_atomic: value,
                cpus: value,
                per_cpu: [PerCpuFigures { count: value, high: value, batch: value }; MAX_CPUS],
            });
            let figures = MemoryFigures { zones, total_reserve: value };
            let text = print(|out| write(out, &figures, value));
            assert!(text.starts_with(&format!("Mem-Info:\n free:{} ", 3 * u64::from(value))));
            assert!(text.ends_with(" pages reserved\n0 pages cma reserved\n"));
        }
    }
}
