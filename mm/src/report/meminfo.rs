//! `/proc/meminfo`: memory in kibibytes, without the lines whose machinery does not exist.
//!
//! `MemAvailable` is what is free above the reserve. Linux adds what reclaim could free; nothing
//! here is reclaimed.

use core::fmt::{Result, Write};

use super::kib;
use crate::addr::KIB;
use crate::map::vmalloc::{VmallocFigures, VmallocUse};
use crate::object::SlabTotals;
use crate::zone::{MemoryFigures, ZoneKind};

/// Writes the form. `slabs` are the pages of caches, `vmalloc` those of the vmalloc region.
///
/// # Errors
///
/// When `out` does.
pub fn write(
    out: &mut dyn Write,
    figures: &MemoryFigures,
    slabs: SlabTotals,
    vmalloc: VmallocFigures,
) -> Result {
    let SlabTotals { reclaimable, unreclaimable } = slabs;
    let high = figures.zone(ZoneKind::HighMem);
    let (total, free) = (figures.managed(), figures.free());
    for (name, kib) in [
        ("MemTotal:", kib(total)),
        ("MemFree:", kib(free)),
        ("MemAvailable:", kib(figures.available())),
        ("HighTotal:", kib(high.managed)),
        ("HighFree:", kib(high.free)),
        ("LowTotal:", kib(total.saturating_sub(u64::from(high.managed)))),
        ("LowFree:", kib(free.saturating_sub(u64::from(high.free)))),
        ("KReclaimable:", kib(reclaimable)),
        ("Slab:", kib(u64::from(reclaimable) + u64::from(unreclaimable))),
        ("SReclaimable:", kib(reclaimable)),
        ("SUnreclaim:", kib(unreclaimable)),
        ("VmallocTotal:", u64::from(vmalloc.total) / KIB),
    ] {
        writeln!(out, "{name:<16}{kib:8} kB")?;
    }
    if let Some(VmallocUse { used, chunk }) = vmalloc.use_of_it {
        for (name, bytes) in [("VmallocUsed:", used), ("VmallocChunk:", chunk)] {
            writeln!(out, "{name:<16}{:8} kB", u64::from(bytes) / KIB)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::{figures, print};
    use super::*;
    use crate::addr::{VirtAddr, VirtRange};

    #[test]
    fn golden() {
        let vmalloc = VirtRange::new(VirtAddr::new(0xf080_0000), VirtAddr::new(0xff80_0000));
        let vmalloc = VmallocFigures::region(vmalloc);
        let slabs = SlabTotals { reclaimable: 3, unreclaimable: 100 };
        assert_eq!(
            print(|out| write(out, &figures(), slabs, vmalloc)),
            "\
MemTotal:           7156 kB
MemFree:            6756 kB
MemAvailable:       6136 kB
HighTotal:          1024 kB
HighFree:           1016 kB
LowTotal:           6132 kB
LowFree:            5740 kB
KReclaimable:         12 kB
Slab:                412 kB
SReclaimable:         12 kB
SUnreclaim:          400 kB
VmallocTotal:     245760 kB
"
        );
        let use_of_it = Some(VmallocUse { used: 96 << 10, chunk: 200 << 20 });
        let text =
            print(|out| write(out, &figures(), slabs, VmallocFigures { use_of_it, ..vmalloc }));
        assert!(text.ends_with(
            "\
VmallocTotal:     245760 kB
VmallocUsed:          96 kB
VmallocChunk:     204800 kB
"
        ));
    }

    #[test]
    fn sixteen_tebibytes_fit_the_form() {
        let mut most = figures();
        most.zones[1].managed = u32::MAX - 1533 - 256;
        let text = print(|out| write(out, &most, SlabTotals::default(), VmallocFigures::default()));
        assert!(text.starts_with("MemTotal:       17179869180 kB\n"));
    }
}
