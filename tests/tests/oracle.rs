//! The pure layout against the recorded Linux layouts, a test for each row, and against the
//! computed vectors of configurations that Debian's kernel does not have.
//!
//! Three lists say where the two may differ, and nothing else may:
//!
//! - [`REPAIRED`]: rows in which Linux boots, and is wrong.
//! - [`DIED`]: rows that Linux did not survive, with the result that ours must have.
//! - [`LPAE`]: rows of the LPAE kernel in which the rules of the two formats coincide.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use mm::addr::{MIB, PhysAddr, PhysRange};
use mm::boot::layout::Layout;
use mm::boot::split::Split;
use tests::oracle::{Row, Zone, rows};
use tests::predict::{Machine, RAM};

/// Rows in which Linux boots and is wrong: command line or RAM, end of lowmem, end of RAM in
/// frames, and a line that ours prints.
const REPAIRED: [(&str, u64, u32, &str); 3] = [
    // 4 GiB or more is too big; Linux cuts it to 32 bits, and then it is too small.
    ("1G vmalloc=1T", 0x4200_0000, 0x80000, "vmalloc area is too big, limiting to 976MiB"),
    ("1G vmalloc=0x1p", 0x4200_0000, 0x80000, "vmalloc area is too big, limiting to 976MiB"),
    // The last page below 4 GiB; Linux's 32-bit end address loses it.
    ("3G", 0x7000_0000, 0x10_0000, ""),
];

/// Rows that Linux did not survive: end of lowmem, end of RAM in frames, a line that ours prints.
const DIED: [(&str, u64, u32, &str); 12] = [
    // No lowmem left to work with, or none for the page array: ours needs less.
    ("48M", 0x4300_0000, 0x43000, ""),
    ("512M vmalloc=1000M", 0x4200_0000, 0x60000, "vmalloc area is too big, limiting to 976MiB"),
    ("1G vmalloc=1G", 0x4200_0000, 0x80000, "vmalloc area is too big, limiting to 976MiB"),
    ("1G vmalloc=2G", 0x4200_0000, 0x80000, "vmalloc area is too big, limiting to 976MiB"),
    ("2G vmalloc=960M", 0x4300_0000, 0xc0000, ""),
    ("2G vmalloc=1G", 0x4200_0000, 0xc0000, "vmalloc area is too big, limiting to 976MiB"),
    ("2G vmalloc=2G", 0x4200_0000, 0xc0000, "vmalloc area is too big, limiting to 976MiB"),
    ("3G vmalloc=1G", 0x4200_0000, 0x10_0000, "vmalloc area is too big, limiting to 976MiB"),
    // A null pointer in Linux; here a warning and the default.
    ("1G vmalloc", 0x7000_0000, 0x80000, "vmalloc: a size is missing"),
    // All memory thrown away in Linux; here the kernel's own stays, or the parameter goes.
    ("1G mem=256M@0x50000000", 0x6000_0000, 0x60000, "mem=: leaves out the running kernel"),
    ("1G mem=abc", 0x7000_0000, 0x80000, "mem=abc: names no whole page of memory"),
    ("1G mem=0", 0x7000_0000, 0x80000, "mem=0: names no whole page of memory"),
];

/// Rows of the LPAE kernel that must agree. The one that is missing has RAM above 4 GiB.
const LPAE: [&str; 6] = [
    "lpae 512M",
    "lpae 1G",
    "lpae 2G",
    // With 64-bit ends LPAE keeps the last page below 4 GiB, as ours does.
    "lpae 3G",
    "lpae 1G vmalloc=128M",
    "lpae 1G vmalloc=496M",
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for row in rows() {
        let name = row.name();
        let trial = |run: fn(&Row) -> Result<(), Failed>| {
            let row = row.clone();
            Trial::test(format!("recorded: {name}"), move || run(&row))
        };
        if row.is_lpae() {
            if LPAE.contains(&name.as_str()) {
                trials.push(trial(agrees));
            }
        } else if !row.boot_ok {
            trials.push(trial(survives));
        } else if REPAIRED.iter().any(|repaired| repaired.0 == name) {
            trials.push(trial(repaired));
        } else {
            trials.push(trial(agrees));
        }
    }
    trials.push(Trial::test("lists: every entry names a row", every_entry_names_a_row));
    trials.push(Trial::test("computed: the four splits", four_splits));
    trials.push(Trial::test("computed: irregular banks", irregular_banks));
    trials.push(Trial::test("computed: DMA zones", dma_zones));
    trials.push(Trial::test("memory above 4 GiB is dropped and named", above_4g));
    trials.push(Trial::test("RAM below PHYS_OFFSET is dropped and named", below_phys_offset));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn machine(row: &Row) -> Machine<'_> {
    let mut machine = Machine::virt(row.mem_mb, &row.append);
    // The reservations of oracle/dts. Those without no-map move no boundary.
    let no_map = match row.note.as_str() {
        "dtb-nomap" => Some((0x5010_0000, 0x70_0000)),
        "dtb-nomaptop" => Some((0x6f00_0000, 0x100_0000)),
        _ => None,
    };
    machine.no_map.extend(no_map.map(|(start, len)| range(start, len)));
    machine
}

fn range(start: u64, len: u64) -> PhysRange {
    PhysRange::from_len(PhysAddr::new(start), len).unwrap()
}

fn hex(text: Option<&String>) -> u64 {
    u64::from_str_radix(text.expect("a row that booted has figures"), 16).unwrap()
}

fn zones(layout: &Layout) -> BTreeMap<String, Zone> {
    let spanning = layout.zones.iter().filter(|span| !span.range.is_empty());
    spanning
        .map(|span| {
            let zone = Zone {
                start_pfn: span.range.start().as_u32(),
                end_pfn: span.range.end().as_u32(),
                spanned: span.range.len(),
                present: span.present,
            };
            (span.kind.name().to_string(), zone)
        })
        .collect()
}

/// A recorded row's zones, with ZONE_MOVABLE put back into HighMem, which it was carved from:
/// `movablecore=` and `kernelcore=` mean nothing here.
fn zones_without_movable(row: &Row) -> BTreeMap<String, Zone> {
    let mut zones = row.zones.clone();
    if let Some(movable) = zones.remove("Movable") {
        let joined = match zones.get("HighMem") {
            Some(high) => Zone {
                start_pfn: high.start_pfn,
                end_pfn: movable.end_pfn,
                spanned: high.spanned + movable.spanned,
                present: high.present + movable.present,
            },
            None => movable,
        };
        zones.insert("HighMem".to_string(), joined);
    }
    zones
}

fn agrees(row: &Row) -> Result<(), Failed> {
    let (layout, lines) = machine(row).predict();
    let pkmap = layout.pkmap().expect("a kernel with HighMem");
    for (what, ours, linux) in [
        ("PAGE_OFFSET", layout.split.page_offset(), &row.page_offset),
        ("high_memory", layout.high_memory, &row.high_memory),
        ("VMALLOC_START", layout.vmalloc().start(), &row.vmalloc_start),
        ("VMALLOC_END", layout.vmalloc().end(), &row.vmalloc_end),
        ("MODULES_VADDR", layout.modules().start(), &row.modules_start),
        ("MODULES_END", layout.modules().end(), &row.modules_end),
        ("PKMAP_BASE", pkmap.start(), &row.pkmap_base),
        ("TASK_SIZE", layout.user().end(), &row.task_size),
    ] {
        assert_eq!(u64::from(ours.as_u32()), hex(linux.as_ref()), "{what}");
    }
    assert_eq!(layout.phys_offset.as_u64(), hex(row.phys_offset.as_ref()), "PHYS_OFFSET");
    assert_eq!(layout.lowmem_end.as_u64(), hex(row.lowmem_end_phys.as_ref()), "end of lowmem");
    assert_eq!(zones(&layout), zones_without_movable(row), "zones");
    for warning in &row.warnings {
        assert!(lines.iter().any(|line| line.contains(warning)), "{warning} not in {lines:?}");
    }
    Ok(())
}

fn stated(row: &Row, list: &[(&str, u64, u32, &str)]) {
    let name = row.name();
    let Some((_, lowmem_end, ram_end, line)) = list.iter().find(|entry| entry.0 == name) else {
        panic!("no result is stated for {name}");
    };
    let (layout, lines) = machine(row).predict();
    assert_eq!(layout.lowmem_end, PhysAddr::new(*lowmem_end), "end of lowmem");
    let end = layout.zones.iter().map(|span| span.range.end()).max().unwrap();
    assert_eq!(end.as_u32(), *ram_end, "end of RAM");
    assert!(line.is_empty() || lines.iter().any(|l| l.contains(line)), "{line} not in {lines:?}");
}

fn repaired(row: &Row) -> Result<(), Failed> {
    stated(row, &REPAIRED);
    Ok(())
}

fn survives(row: &Row) -> Result<(), Failed> {
    stated(row, &DIED);
    Ok(())
}

fn every_entry_names_a_row() -> Result<(), Failed> {
    let names: Vec<String> = rows().iter().map(Row::name).collect();
    let entries = REPAIRED.iter().chain(&DIED).map(|entry| entry.0).chain(LPAE);
    for entry in entries {
        assert!(names.iter().any(|name| name == entry), "no row is named {entry}");
    }
    assert_eq!(names.len(), 132);
    Ok(())
}

/// Section 16.1 of the rules: split, RAM and `vmalloc=` in MiB (0: none), then lowmem in KiB,
/// high_memory and VMALLOC_START. Computed from the rules, not recorded.
const SPLITS: [(&str, u64, &str, u64, u32, u32); 23] = [
    ("3g", 128, "", 128 << 10, 0xc800_0000, 0xc880_0000),
    ("3g", 256, "", 256 << 10, 0xd000_0000, 0xd080_0000),
    ("3g", 512, "", 512 << 10, 0xe000_0000, 0xe080_0000),
    ("3g", 768, "", 768 << 10, 0xf000_0000, 0xf080_0000),
    ("3g", 3072, "", 768 << 10, 0xf000_0000, 0xf080_0000),
    ("3g", 2048, "16M", 992 << 10, 0xfe00_0000, 0xfe80_0000),
    ("3g", 2048, "241M", 767 << 10, 0xeff0_0000, 0xf000_0000),
    ("3g", 2048, "250M", 758 << 10, 0xef60_0000, 0xef80_0000),
    ("3g", 2048, "512M", 496 << 10, 0xdf00_0000, 0xdf80_0000),
    ("3g", 2048, "976M", 32 << 10, 0xc200_0000, 0xc280_0000),
    ("3g", 1024, "0x10001000", 770_044, 0xeeff_f000, 0xef00_0000),
    ("3g-opt", 1024, "", 1024 << 10, 0xf000_0000, 0xf080_0000),
    ("3g-opt", 2048, "1000M", 264 << 10, 0xc080_0000, 0xc100_0000),
    ("3g-opt", 2048, "2000M", 32 << 10, 0xb200_0000, 0xb280_0000),
    ("2g", 1024, "", 1024 << 10, 0xc000_0000, 0xc080_0000),
    ("2g", 2048, "", 1792 << 10, 0xf000_0000, 0xf080_0000),
    ("2g", 2048, "1000M", 1032 << 10, 0xc080_0000, 0xc100_0000),
    ("1g", 1024, "", 1024 << 10, 0x8000_0000, 0x8080_0000),
    ("1g", 2048, "", 2048 << 10, 0xc000_0000, 0xc080_0000),
    ("1g", 2048, "16M", 2048 << 10, 0xc000_0000, 0xc080_0000),
    ("1g", 2048, "1000M", 2048 << 10, 0xc000_0000, 0xc080_0000),
    ("1g", 3072, "", 2816 << 10, 0xf000_0000, 0xf080_0000),
    ("1g", 2048, "3024M", 32 << 10, 0x4200_0000, 0x4280_0000),
];

fn four_splits() -> Result<(), Failed> {
    for (split, mib, vmalloc, lowmem_kib, high_memory, vmalloc_start) in SPLITS {
        let command_line =
            if vmalloc.is_empty() { String::new() } else { format!("vmalloc={vmalloc}") };
        let mut machine = Machine::virt(mib, &command_line);
        machine.split = Split::from_name(split).unwrap();
        let (layout, _) = machine.predict();
        let what = format!("{split} {mib}M {command_line}");
        assert_eq!(layout.lowmem_end.as_u64() - RAM, lowmem_kib << 10, "{what}");
        assert_eq!(layout.high_memory.as_u32(), high_memory, "{what}");
        assert_eq!(layout.vmalloc().start().as_u32(), vmalloc_start, "{what}");
    }
    Ok(())
}

/// Section 16.1, irregular banks, with HighMem and without. Linux loses the head of the first
/// bank, and without HighMem all of a second bank behind an odd first one; here neither is lost.
fn irregular_banks() -> Result<(), Failed> {
    let predict = |banks: &[(u64, u64)], line| Machine::with_banks(banks, line).predict();

    let (layout, lines) = predict(&[(0x4010_0000, 0x6000_0000)], "");
    assert_eq!(layout.lowmem_end.as_u64(), 0x6000_0000);
    assert_eq!((layout.phys_offset.as_u64(), lines.len()), (RAM, 0));
    assert_eq!(layout.zones[0].present, 0x1ff00);

    let (layout, _) = predict(&[(RAM, 0x5ff0_0000)], "");
    assert_eq!(layout.high_memory.as_u32(), 0xdff0_0000);
    assert_eq!(layout.vmalloc().len(), 504 << 20);

    let (layout, _) = predict(&[(RAM, 0x5000_0000), (0x5010_0000, 0x6000_0000)], "");
    assert_eq!(layout.lowmem_end.as_u64(), 0x6000_0000);

    let far = [(RAM, 0x5000_0000), (0x8000_0000, 0xa000_0000)];
    let (layout, _) = predict(&far, "");
    assert_eq!((layout.lowmem_end.as_u64(), layout.vmalloc().len()), (0x5000_0000, 752 << 20));
    assert_eq!(layout.zones[2].present, 0x20000);
    let (layout, lines) = predict(&far, "nohighmem");
    assert_eq!(layout.lowmem_end.as_u64(), 0x5000_0000);
    assert_eq!(
        lines,
        ["Ignoring RAM at 0x80000000-0xa0000000; consider using a HIGHMEM enabled kernel."]
    );

    let odd = [(RAM, 0x5000_1000), (0x6000_0000, 0xa000_0000)];
    let (layout, lines) = predict(&odd, "nohighmem");
    assert_eq!(layout.lowmem_end.as_u64(), 0x7000_0000, "Linux would end at 0x50000000");
    assert_eq!(layout.modules().end().as_u32(), 0xc000_0000);
    assert!(lines[0].starts_with("Ignoring RAM at 0x70000000-0xa0000000"));

    let (layout, lines) = predict(&[(RAM, 0x8000_0000)], "vmalloc=241M nohighmem");
    assert_eq!(layout.lowmem_end.as_u64(), 0x6ff0_0000, "Linux would end at 0x6fe00000");
    assert!(lines[0].starts_with("Ignoring RAM at 0x6ff00000-0x80000000"));
    Ok(())
}

/// Section 3.3, the distributions, and the page that Linux's DMA zone is short of.
fn dma_zones() -> Result<(), Failed> {
    let spans = |line: &str| {
        let (layout, _) = Machine::virt(1024, line).predict();
        layout.zones.map(|span| (span.range.start().as_u32(), span.range.end().as_u32()))
    };
    assert_eq!(spans("dma_zone=64M")[..2], [(0x40000, 0x44000), (0x44000, 0x70000)]);
    assert_eq!(spans("")[..2], [(0x40000, 0x70000), (0x70000, 0x70000)]);
    assert_eq!(spans("dma_zone=64M nohighmem")[2], (0x70000, 0x70000));
    assert_eq!(spans("dma_zone=2G")[0], (0x40000, 0x70000));
    assert_eq!(spans("dma_zone=0")[0], (0x40000, 0x70000));
    let (_, lines) = Machine::virt(1024, "dma_zone=x dma_zone").predict();
    assert_eq!(lines.len(), 2, "{lines:?}");
    Ok(())
}

fn above_4g() -> Result<(), Failed> {
    let (layout, lines) = Machine::virt(4096, "").predict();
    assert!(lines[0].contains("OF: fdt: Ignoring memory range 0x100000000 - 0x140000000"));
    assert_eq!(layout.zones[2].range.end().as_u32(), 0x10_0000);
    let banks = [(RAM, 0x8000_0000), (1 << 32, (1 << 32) + MIB)];
    let (_, lines) = Machine::with_banks(&banks, "").predict();
    assert!(lines[0].contains("OF: fdt: Ignoring memory block 0x100000000 - 0x100100000"));
    Ok(())
}

fn below_phys_offset() -> Result<(), Failed> {
    let banks = [(0x6000_0000, 0x8000_0000), (RAM, 0x5000_0000)];
    let (layout, lines) = Machine::with_banks(&banks, "").predict();
    assert_eq!(layout.phys_offset.as_u64(), 0x6000_0000);
    assert!(lines[0].contains("OF: fdt: Ignoring memory block 0x40000000 - 0x50000000"));
    assert!(lines[0].contains("below PHYS_OFFSET"));
    Ok(())
}
