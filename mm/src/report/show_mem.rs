//! *Mem-Info*, what Linux prints when an allocation fails or somebody asks for it (SysRq-m): zones with
//! their watermarks, free blocks by order, and totals; without the figures whose machinery does not
//! exist.
//!
//! ```text
//! Mem-Info:
//!  free:260735
//! DMA free:780796kB min:3532kB low:4412kB high:5292kB present:786432kB managed:780796kB
//! lowmem_reserve[]: 0 0 256 256
//! DMA: 1*4kB 1*8kB 0*16kB … = 780796kB
//! 262144 pages RAM
//! ```
//!
//! A report of a crash prints it too, and the crash may have come in the midst of an allocation. So the
//! figures are taken at once, as they stand, and nothing here relies on any of them to fit another.

use core::fmt::{Result, Write};

use super::kib;
use crate::addr::Order;
use crate::zone::watermark::{lowmem_reserve, min_free_kbytes, watermarks};
use crate::zone::{PageAllocator, ZoneKind};

/// The figures of one zone, in pages or blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneFigures {
    /// Which zone.
    pub kind: ZoneKind,
    /// Free pages.
    pub free: u32,
    /// Pages that are memory.
    pub present: u32,
    /// Pages that were handed to the allocator.
    pub managed: u32,
    /// Free blocks, by order.
    pub blocks: [u32; Order::COUNT],
}

/// The figures of all zones, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryState {
    /// The zones, also those without memory.
    pub zones: [ZoneFigures; ZoneKind::COUNT],
}

impl MemoryState {
    /// The figures as they are now. Reads counters only, and follows no list.
    #[must_use]
    pub fn new(allocator: &PageAllocator<'_>) -> Self {
        let zones = allocator.zones().each_ref().map(|zone| {
            let mut blocks = [0; Order::COUNT];
            for order in Order::all() {
                blocks[order.index()] = zone.free_blocks(order);
            }
            ZoneFigures {
                kind: zone.kind(),
                free: zone.free_pages(),
                present: zone.present(),
                managed: zone.managed(),
                blocks,
            }
        });
        Self { zones }
    }
}

/// Writes the form.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, state: &MemoryState) -> Result {
    let MemoryState { zones } = state;
    let sum = |figure: fn(&ZoneFigures) -> u32| {
        zones.iter().map(|zone| u64::from(figure(zone))).sum::<u64>()
    };
    let managed = zones.map(|zone| zone.managed);
    let marks = watermarks(&managed, min_free_kbytes(&managed));
    let reserves = lowmem_reserve(&managed);
    let populated = || zones.iter().filter(|zone| zone.present > 0);

    writeln!(out, "Mem-Info:")?;
    writeln!(out, " free:{}", sum(|zone| zone.free))?;
    for zone in populated() {
        let mark = marks[zone.kind.index()];
        write!(out, "{}", zone.kind)?;
        for (name, pages) in [
            ("free", zone.free),
            ("min", mark.min),
            ("low", mark.low),
            ("high", mark.high),
            ("present", zone.present),
            ("managed", zone.managed),
        ] {
            write!(out, " {name}:{}kB", kib(pages))?;
        }
        write!(out, "\nlowmem_reserve[]:")?;
        for pages in reserves[zone.kind.index()] {
            write!(out, " {pages}")?;
        }
        writeln!(out)?;
    }
    for zone in populated() {
        write!(out, "{}:", zone.kind)?;
        let mut total = 0;
        for order in Order::all() {
            let count = zone.blocks[order.index()];
            total += u64::from(count) * kib(order.pages());
            write!(out, " {count}*{}kB", kib(order.pages()))?;
        }
        writeln!(out, " = {total}kB")?;
    }
    let present = sum(|zone| zone.present);
    let high = zones[ZoneKind::HighMem.index()].present;
    writeln!(out, "{present} pages RAM")?;
    writeln!(out, "{high} pages HighMem/MovableOnly")?;
    writeln!(out, "{} pages reserved", present.saturating_sub(sum(|zone| zone.managed)))
}

#[cfg(test)]
mod tests {
    use super::super::test_machine;
    use super::*;

    fn text(state: &MemoryState) -> String {
        let mut text = String::new();
        write(&mut text, state).unwrap();
        text
    }

    #[test]
    fn golden() {
        assert_eq!(
            text(&test_machine::with(MemoryState::new)),
            "\
Mem-Info:
 free:1788
DMA free:6128kB min:312kB low:388kB high:464kB present:8192kB managed:6132kB
lowmem_reserve[]: 0 0 1 1
HighMem free:1024kB min:128kB low:140kB high:152kB present:1024kB managed:1024kB
lowmem_reserve[]: 0 0 0 0
DMA: 0*4kB 0*8kB 1*16kB 1*32kB 1*64kB 1*128kB 1*256kB 1*512kB 1*1024kB 0*2048kB 1*4096kB = 6128kB
HighMem: 0*4kB 0*8kB 0*16kB 0*32kB 0*64kB 0*128kB 0*256kB 0*512kB 1*1024kB 0*2048kB 0*4096kB = 1024kB
2304 pages RAM
256 pages HighMem/MovableOnly
515 pages reserved
"
        );
    }

    /// The figures of an allocator that something has written all over.
    #[test]
    fn figures_that_make_no_sense_are_printed_all_the_same() {
        for value in [0, 1, 0x8000_0000, u32::MAX] {
            let zones = ZoneKind::ALL.map(|kind| ZoneFigures {
                kind,
                free: value,
                present: value ^ 1,
                managed: value,
                blocks: [value; Order::COUNT],
            });
            let text = text(&MemoryState { zones });
            assert!(text.starts_with(&format!("Mem-Info:\n free:{}\n", 3 * u64::from(value))));
            assert!(text.ends_with(" pages reserved\n"));
        }
    }
}
