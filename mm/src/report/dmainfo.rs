//! `dmainfo`: who uses DMA memory, and how much of it is left.
//!
//! ```text
//! region    0xffc00000 - 0xfff00000     3072 KiB     324 used    2048 in one piece
//! section   [0x6ff00000-0x6fffffff]     1024 KiB     320 used     512 in one piece   Normal
//! atomic    [0x6ff00000-0x6ff3ffff]      256 KiB       8 used     248 in one piece   most 16
//! ```
//!
//! Linux has no such file: it tells the size of the pool at boot, and lists mappings under `debugfs`.

use core::fmt::{Display, Result, Write};

use crate::addr::KIB;
use crate::dma::figures::{DeviceFigures, DmaFigures, Usage};
use crate::dma::{Coherency, LiveMapping};

/// A number of bytes in KiB.
const fn kib(bytes: u32) -> u32 {
    bytes / KIB as u32
}

fn row(out: &mut dyn Write, name: &str, place: &dyn Display, usage: &Usage) -> Result {
    let Usage { bytes, in_use, largest_free } = usage;
    write!(
        out,
        "{name:<9} {place}  {:7} KiB {:7} used {:7} in one piece",
        kib(*bytes),
        kib(*in_use),
        kib(*largest_free)
    )
}

/// Writes all but the devices and the mappings.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, figures: &DmaFigures) -> Result {
    row(out, "region", &figures.region, &figures.usage)?;
    out.write_char('\n')?;
    for section in &figures.sections {
        row(out, "section", &section.memory, &section.usage)?;
        match section.zone {
            Some(zone) => writeln!(out, "   {zone}")?,
            None => out.write_char('\n')?,
        }
    }
    match &figures.pool {
        Some(pool) => {
            row(out, "atomic", &pool.memory, &pool.usage)?;
            writeln!(out, "   most {}", kib(pool.high_water))?;
        }
        None => out.write_str("atomic    none: coherent_pool= makes one\n")?,
    }
    match &figures.bounce {
        Some(bounce) => {
            row(out, "bounce", &bounce.memory, &bounce.usage)?;
            out.write_char('\n')?;
        }
        None => out.write_str("bounce    none\n")?,
    }
    match figures.watched {
        Some(mappings) => writeln!(out, "watched   {mappings} mappings"),
        None => out.write_str("watched   no: dma_debug=on\n"),
    }
}

/// Writes the heading of the devices' table, and a row for each.
///
/// # Errors
///
/// When `out` does.
pub fn write_devices(out: &mut dyn Write, devices: impl Iterator<Item = DeviceFigures>) -> Result {
    writeln!(
        out,
        "{:<24} {:<24} {:<24} {:>10} {:>12} {:>8} {:>8}",
        "device", "streaming", "coherent", "offset", "coherent KiB", "bounced", "refused"
    )?;
    for device in devices {
        let DeviceFigures { name, coherency, offset, streaming, coherent, .. } = device;
        write!(out, "{name:<24} {streaming} {coherent} {offset:#010x}")?;
        write!(
            out,
            " {:>12} {:>8} {:>8}",
            kib(device.coherent_bytes),
            device.bounced,
            device.refused
        )?;
        match coherency {
            Coherency::Hardware => out.write_str(" hardware-coherent\n")?,
            Coherency::Software => out.write_char('\n')?,
        }
    }
    Ok(())
}

/// Writes the row of a live mapping. `site` writes a return address as a name.
///
/// # Errors
///
/// When `out` does.
pub fn write_mapping(
    out: &mut dyn Write,
    device: &str,
    mapping: &LiveMapping,
    site: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    let LiveMapping { kind, dma, memory, direction, .. } = mapping;
    write!(out, "{device:<24} {kind:<8} {direction:<13} {dma} {memory} {:8} ", mapping.bytes())?;
    site(out, mapping.site)?;
    out.write_char('\n')
}

#[cfg(test)]
mod tests {
    use arrayvec::ArrayVec;

    use super::super::test_machine::print;
    use super::*;
    use crate::addr::{PhysAddr, PhysRange};
    use crate::boot::layout::DMA;
    use crate::dma::figures::{BounceFigures, PoolFigures, SectionFigures};
    use crate::dma::{Direction, DmaAddr, live::Kind};
    use crate::zone::ZoneKind;

    fn range(start: u64, kib: u64) -> PhysRange {
        PhysRange::from_len(PhysAddr::new(start), kib * KIB).unwrap()
    }

    fn usage(kibs: [u32; 3]) -> Usage {
        let [bytes, in_use, largest_free] = kibs.map(|kib| kib * KIB as u32);
        Usage { bytes, in_use, largest_free }
    }

    #[test]
    fn golden() {
        let memory = range(0x6ff0_0000, 1024);
        let section =
            SectionFigures { memory, zone: Some(ZoneKind::Normal), usage: usage([1024, 320, 512]) };
        let mut figures = DmaFigures {
            region: DMA,
            usage: usage([3072, 324, 2048]),
            sections: [section].into_iter().collect(),
            pool: Some(PoolFigures {
                memory: range(0x6ff0_0000, 256),
                usage: usage([256, 8, 248]),
                high_water: 16 * KIB as u32,
            }),
            bounce: Some(BounceFigures {
                memory: range(0x4000_0000, 256),
                usage: usage([256, 0, 256]),
            }),
            watched: Some(2),
        };
        assert_eq!(
            print(|out| write(out, &figures)),
            "\
region    0xffc00000 - 0xfff00000     3072 KiB     324 used    2048 in one piece
section   [0x6ff00000-0x6fffffff]     1024 KiB     320 used     512 in one piece   Normal
atomic    [0x6ff00000-0x6ff3ffff]      256 KiB       8 used     248 in one piece   most 16
bounce    [0x40000000-0x4003ffff]      256 KiB       0 used     256 in one piece
watched   2 mappings
"
        );
        (figures.pool, figures.bounce, figures.watched) = (None, None, None);
        figures.sections = ArrayVec::new();
        assert_eq!(
            print(|out| write(out, &figures)),
            "\
region    0xffc00000 - 0xfff00000     3072 KiB     324 used    2048 in one piece
atomic    none: coherent_pool= makes one
bounce    none
watched   no: dma_debug=on
"
        );
    }

    #[test]
    fn golden_devices() {
        let figures = DeviceFigures {
            name: "a003e00.virtio_mmio".try_into().unwrap(),
            coherency: Coherency::Hardware,
            offset: 0,
            streaming: range(0x4000_0000, 1 << 20),
            coherent: range(0x4000_0000, 1 << 19),
            coherent_bytes: 16384,
            bounced: 3,
            refused: 1,
        };
        assert_eq!(
            print(|out| write_devices(out, [figures].into_iter())),
            "\
device                   streaming                coherent                     offset coherent KiB  bounced  refused
a003e00.virtio_mmio      [0x40000000-0x7fffffff] [0x40000000-0x5fffffff] 0x00000000           16        3        1 hardware-coherent
"
        );
        let mapping = LiveMapping {
            device: 1,
            kind: Kind::Single,
            dma: DmaAddr::new(0x4123_4000),
            memory: range(0x4123_4000, 4),
            direction: Direction::FromDevice,
            site: 0xc020_1234,
        };
        let site = |out: &mut dyn Write, site: u32| write!(out, "{site:#x}");
        assert_eq!(
            print(|out| write_mapping(out, &figures.name, &mapping, &site)),
            "a003e00.virtio_mmio      single   from-device   0x41234000 [0x41234000-0x41234fff]     4096 0xc0201234\n"
        );
    }
}
