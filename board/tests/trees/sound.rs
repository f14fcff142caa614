//! Sound trees to start from, written by `vm-fdt`: by another hand than the reader's.

use board::dt::MAX_DEPTH;
use vm_fdt::{FdtReserveEntry, FdtWriter, FdtWriterResult};

/// A tree with two cells in which everything occurs that the kernel looks at.
pub fn rich() -> FdtWriterResult<Vec<u8>> {
    let reserve =
        [FdtReserveEntry::new(0x4000_0000, 0x1000)?, FdtReserveEntry::new(0x5000_0000, 9)?];
    let mut fdt = FdtWriter::new_with_mem_reserv(&reserve)?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_u32("interrupt-parent", 1)?;
    fdt.property_string("model", "rich")?;

    node(&mut fdt, "chosen", |fdt| {
        fdt.property_string("bootargs", "vmalloc=256M earlyprintk")?;
        fdt.property_string("stdout-path", "serial0:115200n8")?;
        fdt.property_u32("linux,initrd-start", 0x4800_0000)?;
        fdt.property_u64("linux,initrd-end", 0x4810_0000)
    })?;
    node(&mut fdt, "aliases", |fdt| fdt.property_string("serial0", "/soc/bus/uart@1000"))?;
    node(&mut fdt, "memory@40000000", |fdt| {
        fdt.property_string("device_type", "memory")?;
        fdt.property_array_u64("reg", &[0x4000_0000, 0x1000_0000, 0x1_0000_0000, 0x8000_0000])
    })?;
    node(&mut fdt, "memory@60000000", |fdt| {
        fdt.property_string("device_type", "memory")?;
        fdt.property_array_u64("reg", &[0x6000_0000, 0x2000_0000])?;
        fdt.property_array_u64("linux,usable-memory", &[0x6000_0000, 0x1000_0000])
    })?;
    node(&mut fdt, "reserved-memory", |fdt| {
        fdt.property_u32("#address-cells", 2)?;
        fdt.property_u32("#size-cells", 2)?;
        fdt.property_null("ranges")?;
        node(fdt, "secure@4f000000", |fdt| {
            fdt.property_array_u64("reg", &[0x4f00_0000, 0x10_0000, 0x6000_0000, 0x1000])?;
            fdt.property_null("no-map")
        })?;
        node(fdt, "cma", |fdt| {
            fdt.property_u64("size", 0x100_0000)?;
            fdt.property_u64("alignment", 0x20_0000)?;
            fdt.property_array_u64("alloc-ranges", &[0x4000_0000, 0x1000_0000])?;
            fdt.property_null("reusable")
        })
    })?;
    node(&mut fdt, "cpus", |fdt| {
        fdt.property_u32("#address-cells", 1)?;
        fdt.property_u32("#size-cells", 0)?;
        for (name, number) in [("cpu@0", 0), ("cpu@1", 1), ("cpu@100", 0x100)] {
            node(fdt, name, |fdt| {
                fdt.property_string("device_type", "cpu")?;
                fdt.property_u32("reg", number)?;
                fdt.property_string("enable-method", "psci")
            })?;
        }
        Ok(())
    })?;
    node(&mut fdt, "psci", |fdt| {
        fdt.property_string("compatible", "arm,psci")?;
        fdt.property_string("method", "smc")?;
        fdt.property_u32("cpu_on", 0x8400_0003)
    })?;
    node(&mut fdt, "timer", |fdt| {
        fdt.property_string("compatible", "arm,armv7-timer")?;
        fdt.property_array_u32("interrupts", &[1, 13, 8, 1, 14, 8, 1, 11, 8, 1, 10, 8])
    })?;
    node(&mut fdt, "soc", |fdt| {
        fdt.property_string("compatible", "simple-bus")?;
        fdt.property_u32("#address-cells", 1)?;
        fdt.property_u32("#size-cells", 1)?;
        fdt.property_array_u32("ranges", &[0, 0, 0x2c00_0000, 0x100_0000])?;
        node(fdt, "intc@1000", |fdt| {
            fdt.property_string("compatible", "arm,cortex-a15-gic")?;
            fdt.property_u32("#interrupt-cells", 3)?;
            fdt.property_phandle(1)?;
            fdt.property_array_u32("reg", &[0x1000, 0x1000, 0x2000, 0x2000])
        })?;
        node(fdt, "bus", |fdt| {
            fdt.property_u32("#address-cells", 1)?;
            fdt.property_u32("#size-cells", 1)?;
            fdt.property_null("ranges")?;
            node(fdt, "uart@1000", |fdt| {
                fdt.property_string("compatible", "arm,pl011")?;
                fdt.property_array_u32("reg", &[0x8000, 0x1000])?;
                fdt.property_array_u32("interrupts", &[0, 5, 4])
            })
        })
    })?;
    fdt.end_node(root)?;
    fdt.finish()
}

/// A tree of memory banks alone, each in a node of its own, with `cells` cells.
pub fn banks(cells: u32, banks: &[(u64, u64)]) -> FdtWriterResult<Vec<u8>> {
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", cells)?;
    fdt.property_u32("#size-cells", cells)?;
    for (start, len) in banks {
        node(&mut fdt, &format!("memory@{start:x}"), |fdt| {
            fdt.property_string("device_type", "memory")?;
            match cells {
                1 => fdt.property_array_u32("reg", &[*start as u32, *len as u32]),
                _ => fdt.property_array_u64("reg", &[*start, *len]),
            }
        })?;
    }
    fdt.end_node(root)?;
    fdt.finish()
}

/// A console and an interrupt controller at the bottom of as many buses as there may be, each of
/// which moves its addresses, one cell and two in turn.
pub fn deep() -> FdtWriterResult<Vec<u8>> {
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    let buses = MAX_DEPTH - 2;
    let cells = |level: u32| 1 + level % 2;
    fdt.property_u32("#address-cells", cells(0))?;
    fdt.property_u32("#size-cells", cells(0))?;
    fdt.property_u32("interrupt-parent", 7)?;
    node(&mut fdt, "memory@0", |fdt| {
        fdt.property_string("device_type", "memory")?;
        fdt.property_array_u32("reg", &[0, 0x4000_0000])
    })?;
    node(&mut fdt, "chosen", |fdt| {
        fdt.property_string("stdout-path", &format!("{}/uart", "/b".repeat(buses as usize)))
    })?;
    let mut open = Vec::new();
    for level in 1..=buses {
        open.push(fdt.begin_node(&format!("b@{level}"))?);
        fdt.property_u32("#address-cells", cells(level))?;
        fdt.property_u32("#size-cells", cells(level))?;
        let number = |cells, value| [0, value].into_iter().skip(2 - cells as usize);
        let (own, above) = (cells(level), cells(level - 1));
        // From 0 to 64 KiB further up.
        let ranges = number(own, 0).chain(number(above, 0x1_0000)).chain(number(own, 0x100_0000));
        fdt.property_array_u32("ranges", &ranges.collect::<Vec<_>>())?;
    }
    node(&mut fdt, "gic", |fdt| {
        fdt.property_string("compatible", "arm,cortex-a15-gic")?;
        fdt.property_u32("#interrupt-cells", 3)?;
        fdt.property_phandle(7)?;
        fdt.property_array_u32("reg", &[0x1000, 0x1000, 0x2000, 0x1000])
    })?;
    node(&mut fdt, "uart", |fdt| {
        fdt.property_string("compatible", "arm,pl011")?;
        fdt.property_array_u32("reg", &[0x3000, 0x1000])?;
        fdt.property_array_u32("interrupts", &[0, 1, 4])
    })?;
    while let Some(bus) = open.pop() {
        fdt.end_node(bus)?;
    }
    fdt.end_node(root)?;
    fdt.finish()
}

/// Many of everything, side by side: memory nodes, entries in one of them, reservations of both
/// kinds, CPUs and devices.
pub fn wide() -> FdtWriterResult<Vec<u8>> {
    let reserve: FdtWriterResult<Vec<_>> =
        (0..24).map(|i| FdtReserveEntry::new(0x4000_0000 + i * 0x1_1000, 0x1000)).collect();
    let mut fdt = FdtWriter::new_with_mem_reserv(&reserve?)?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 1)?;
    for i in (0..24).rev() {
        node(&mut fdt, &format!("memory@{i:x}"), |fdt| {
            fdt.property_string("device_type", "memory")?;
            fdt.property_array_u32("reg", &[0x8000_0000 + i * 0x10_0000, 0x8_0000])
        })?;
    }
    let entries: Vec<u32> =
        (0..48).flat_map(|i| [0x4000_0000 + i * 0x40_0000, 0x3f_f000 + 0x1000 * (i % 2)]).collect();
    node(&mut fdt, "memory", |fdt| fdt.property_array_u32("reg", &entries))?;
    node(&mut fdt, "reserved-memory", |fdt| {
        fdt.property_u32("#address-cells", 1)?;
        fdt.property_u32("#size-cells", 1)?;
        fdt.property_null("ranges")?;
        for i in 0..24 {
            node(fdt, &format!("r@{i:x}"), |fdt| {
                fdt.property_array_u32("reg", &[0x4100_0000 + i * 0x2_0000, 0x1000 << (i % 5)])?;
                if i % 3 == 0 { fdt.property_null("no-map") } else { Ok(()) }
            })?;
        }
        Ok(())
    })?;
    node(&mut fdt, "cpus", |fdt| {
        fdt.property_u32("#address-cells", 1)?;
        for i in 0..24 {
            node(fdt, &format!("cpu@{i:x}"), |fdt| fdt.property_u32("reg", (i << 8) | (i % 4)))?;
        }
        Ok(())
    })?;
    for i in 0..24 {
        node(&mut fdt, &format!("device@{i:x}"), |fdt| {
            fdt.property_string(
                "compatible",
                if i == 23 { "arm,pl011" } else { "vmsplit,device" },
            )?;
            fdt.property_array_u32("reg", &[0x1000_0000 + i * 0x1000, 0x1000])
        })?;
    }
    fdt.end_node(root)?;
    fdt.finish()
}

fn node(
    fdt: &mut FdtWriter,
    name: &str,
    inside: impl FnOnce(&mut FdtWriter) -> FdtWriterResult<()>,
) -> FdtWriterResult<()> {
    let node = fdt.begin_node(name)?;
    inside(fdt)?;
    fdt.end_node(node)
}
