//! Configurations that Debian's kernel does not have, computed from the rules and not recorded.

use libtest_mimic::Failed;
use mm::addr::MIB;
use mm::boot::split::Split;
use tests::predict::{Machine, RAM};

use crate::facts::{Facts, Way};

/// A test, asked on either way.
type Computed = fn(Way) -> Result<(), Failed>;

/// The tests of this file.
pub const COMPUTED: [(&str, Computed); 5] = [
    ("computed: the four splits", four_splits),
    ("computed: irregular banks", irregular_banks),
    ("computed: DMA zones", dma_zones),
    ("memory above 4 GiB is dropped and named", above_4g),
    ("RAM below PHYS_OFFSET is dropped and named", below_phys_offset),
];

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

fn four_splits(way: Way) -> Result<(), Failed> {
    for (split, mib, vmalloc, lowmem_kib, high_memory, vmalloc_start) in SPLITS {
        let command_line =
            if vmalloc.is_empty() { String::new() } else { format!("vmalloc={vmalloc}") };
        let mut machine = Machine::virt(mib, &command_line);
        machine.split = Split::from_name(split).unwrap();
        let facts = way.ask(&machine);
        let what = format!("{split} {mib}M {command_line}");
        assert_eq!(facts.lowmem_end - RAM, lowmem_kib << 10, "{what}");
        assert_eq!(facts.high_memory, u64::from(high_memory), "{what}");
        assert_eq!(facts.vmalloc.0, u64::from(vmalloc_start), "{what}");
    }
    Ok(())
}

/// Section 16.1, irregular banks, with HighMem and without. Linux loses the head of the first
/// bank, and without HighMem all of a second bank behind an odd first one; here neither is lost.
fn irregular_banks(way: Way) -> Result<(), Failed> {
    let ask = |banks: &[(u64, u64)], line| way.ask(&Machine::with_banks(banks, line));
    let vmalloc_bytes = |facts: &Facts| facts.vmalloc.1 - facts.vmalloc.0;

    let facts = ask(&[(0x4010_0000, 0x6000_0000)], "");
    assert_eq!(facts.lowmem_end, 0x6000_0000);
    assert_eq!((facts.phys_offset, facts.lines.len()), (RAM, 0));
    assert_eq!(facts.zones["DMA"].present, 0x1ff00);

    let facts = ask(&[(RAM, 0x5ff0_0000)], "");
    assert_eq!(facts.high_memory, 0xdff0_0000);
    assert_eq!(vmalloc_bytes(&facts), 504 << 20);

    let facts = ask(&[(RAM, 0x5000_0000), (0x5010_0000, 0x6000_0000)], "");
    assert_eq!(facts.lowmem_end, 0x6000_0000);

    let far = [(RAM, 0x5000_0000), (0x8000_0000, 0xa000_0000)];
    let facts = ask(&far, "");
    assert_eq!((facts.lowmem_end, vmalloc_bytes(&facts)), (0x5000_0000, 752 << 20));
    assert_eq!(facts.zones["HighMem"].present, 0x20000);
    let facts = ask(&far, "nohighmem");
    assert_eq!(facts.lowmem_end, 0x5000_0000);
    assert_eq!(
        facts.lines,
        ["Ignoring RAM at 0x80000000-0xa0000000; consider using a HIGHMEM enabled kernel."]
    );

    let odd = [(RAM, 0x5000_1000), (0x6000_0000, 0xa000_0000)];
    let facts = ask(&odd, "nohighmem");
    assert_eq!(facts.lowmem_end, 0x7000_0000, "Linux would end at 0x50000000");
    assert_eq!(facts.modules.1, 0xc000_0000);
    assert!(facts.lines[0].starts_with("Ignoring RAM at 0x70000000-0xa0000000"));

    let facts = ask(&[(RAM, 0x8000_0000)], "vmalloc=241M nohighmem");
    assert_eq!(facts.lowmem_end, 0x6ff0_0000, "Linux would end at 0x6fe00000");
    assert!(facts.lines[0].starts_with("Ignoring RAM at 0x6ff00000-0x80000000"));
    Ok(())
}

/// Section 3.3, the distributions, and the page that Linux's DMA zone is short of.
fn dma_zones(way: Way) -> Result<(), Failed> {
    let facts = |line: &str| way.ask(&Machine::virt(1024, line));
    let low = |line: &str| {
        let facts = facts(line);
        (facts.span("DMA"), facts.span("Normal"))
    };
    assert_eq!(low("dma_zone=64M"), (Some((0x40000, 0x44000)), Some((0x44000, 0x70000))));
    for line in ["", "dma_zone=2G", "dma_zone=0"] {
        assert_eq!(low(line), (Some((0x40000, 0x70000)), None), "{line}");
    }
    assert_eq!(facts("dma_zone=64M nohighmem").span("HighMem"), None);
    let lines = facts("dma_zone=x dma_zone").lines;
    assert_eq!(lines.len(), 2, "{lines:?}");
    Ok(())
}

fn above_4g(way: Way) -> Result<(), Failed> {
    let facts = way.ask(&Machine::virt(4096, ""));
    assert!(facts.lines[0].contains("OF: fdt: Ignoring memory range 0x100000000 - 0x140000000"));
    assert_eq!(facts.zones["HighMem"].end_pfn, 0x10_0000);
    let banks = [(RAM, 0x8000_0000), (1 << 32, (1 << 32) + MIB)];
    let facts = way.ask(&Machine::with_banks(&banks, ""));
    assert!(facts.lines[0].contains("OF: fdt: Ignoring memory block 0x100000000 - 0x100100000"));
    Ok(())
}

fn below_phys_offset(way: Way) -> Result<(), Failed> {
    let banks = [(0x6000_0000, 0x8000_0000), (RAM, 0x5000_0000)];
    let facts = way.ask(&Machine::with_banks(&banks, ""));
    assert_eq!(facts.phys_offset, 0x6000_0000);
    assert!(facts.lines[0].contains("OF: fdt: Ignoring memory block 0x40000000 - 0x50000000"));
    assert!(facts.lines[0].contains("below PHYS_OFFSET"));
    Ok(())
}
