//! `explain` on a booted kernel: its sums are the RAM in the tree, its ranges are the sums, its
//! zones are what the page allocator got, and what it lost, and what would change that, is what the
//! host says of the same machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mm::addr::{MIB, PAGE_SIZE, PhysAddr, PhysRange};
use mm::boot::explain::{Inventory, Reservation, Situation, class::Owner};
use mm::boot::memblock::{Memblock, Region};
use mm::boot::predict::{IMAGE_BYTES, Question, predict};
use mm::boot::relocate::{IMAGE_OFFSET, Loaded};
use mm::boot::split::Split;
use mm::report::explain::{Live, write_json};
use serde_json::Value;
use tests::predict::RAM;

use crate::run::{Run, run};
use crate::trees;

/// A boot on the `virt` board.
#[derive(Clone, Copy)]
pub struct Boot {
    mib: u64,
    split: &'static str,
    append: &'static str,
}

const fn boot(mib: u64, split: &'static str, append: &'static str) -> Boot {
    Boot { mib, split, append }
}

pub const BOOTS: [Boot; 15] = [
    boot(64, "3g", ""),
    boot(768, "3g", ""),
    boot(1024, "3g", ""),
    boot(1024, "3g", "nohighmem"),
    boot(1024, "3g", "nohighmem vmalloc=268435457"),
    boot(1024, "3g", "vmalloc=268435457 dma_zone=33M"),
    boot(1000, "3g", "page_owner=1"),
    boot(1024, "3g", "dma_zone=64M mem=256M@0x40000000 mem=256M@0x70000000"),
    boot(1024, "3g", "mem=300M@0x40100000 nohighmem"),
    // RAM that is not there; it is HighMem, which boot does not touch.
    boot(1024, "3g", "mem=2G"),
    boot(2048, "3g", "vmalloc=960M"),
    boot(3072, "3g", "nohighmem vmalloc=junk"),
    boot(1024, "3g-opt", ""),
    boot(2048, "2g", "vmalloc=1000M"),
    boot(3072, "1g", ""),
];

impl Boot {
    pub fn name(&self) -> String {
        let Self { mib, split, append } = self;
        format!("{mib}M {split} {append}").trim_end().to_string()
    }

    pub fn check(&self) {
        let size = format!("{}M", self.mib);
        let options = ["-m", &size, "--vmsplit", self.split, "--append", self.append];
        let run = run(&options, "explain --json; explain");
        let end = RAM + self.mib * MIB;
        let known = Known { banks: vec![range(RAM, end)], held: Vec::new() };
        let split = Split::from_name(self.split).unwrap();
        check(&run, &known, split, self.append);
    }
}

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
}

/// What the host knows of a machine: its banks, and what must not be mapped.
struct Known {
    banks: Vec<PhysRange>,
    held: Vec<Reservation<'static>>,
}

impl Inventory for Known {
    fn banks(&self) -> impl Iterator<Item = PhysRange> {
        self.banks.iter().copied()
    }

    fn reservations(&self) -> impl Iterator<Item = Reservation<'_>> {
        self.held.iter().copied()
    }
}

/// What the host says of the machine, from a prediction.
fn on_the_host(known: &Known, split: Split, command_line: &str) -> Value {
    let regions = || vec![Region::EMPTY; 2 * known.banks.len() + 128];
    let (mut memory, mut reserved, mut scratch) = (regions(), regions(), regions());
    let mut memblock = Memblock::new(&mut memory, &mut reserved);
    let no_map: Vec<_> = known.held.iter().map(|one| one.range).collect();
    let start = PhysAddr::new(RAM);
    let question = Question {
        banks: &known.banks,
        no_map: &no_map,
        split,
        phys_offset: Some(start),
        command_line,
        image_bytes: 2 * IMAGE_BYTES,
    };
    let layout = predict(&mut memblock, &question, &mut |_| ()).unwrap();
    let image = range(RAM + IMAGE_OFFSET, RAM + 2 * IMAGE_OFFSET);
    let situation = Situation {
        inventory: known,
        memblock: &memblock,
        layout: &layout,
        command_line,
        board_dma_zone: None,
        loaded: Loaded { image, dtb: PhysRange::default(), initrd: None },
        dropped: layout.lost(&memblock),
    };
    let mut text = String::new();
    write_json(&mut text, &situation, Live::default(), &mut scratch).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn object(run: &Run) -> Value {
    let line = run.text.lines().find(|line| line.starts_with("{\"ram\""));
    let line = line.unwrap_or_else(|| panic!("no JSON account in:\n{}", run.text));
    serde_json::from_str(line).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn sum(group: &Value) -> u64 {
    group.as_object().unwrap().values().map(number).sum()
}

/// The sums of one `tree` or `beyond_tree` object, by class.
fn classes(totals: &Value) -> BTreeMap<&'static str, u64> {
    BTreeMap::from([
        ("usable", sum(&totals["usable"])),
        ("reserved", sum(&totals["reserved"])),
        ("no_map", number(&totals["no_map"])),
        ("lost", sum(&totals["lost"])),
    ])
}

fn check(run: &Run, known: &Known, split: Split, command_line: &str) {
    run.expect_status(0);
    let said = object(run);
    let ram: u64 = known.banks.iter().map(|bank| bank.len()).sum();
    assert_eq!(number(&said["ram"]), ram);
    assert_eq!(classes(&said["tree"]).values().sum::<u64>(), ram, "the sums are not the RAM");
    check_ranges(&said, known);
    for (zone, pages) in said["zones"].as_object().unwrap() {
        let usable = ["tree", "beyond_tree"].map(|whose| number(&said[whose]["usable"][zone]));
        let managed = number(&pages["managed"]) * u64::from(PAGE_SIZE);
        assert_eq!(usable.iter().sum::<u64>(), managed, "zone {zone}");
    }
    // Everything that a running kernel takes has a name.
    assert_eq!(number(&said["tree"]["reserved"]["boot_allocations"]), 0);
    for owner in ["kernel_text", "kernel_bss", "page_tables", "vectors", "page_array"] {
        assert_ne!(number(&said["tree"]["reserved"][owner]), 0, "{owner}");
    }
    let host = on_the_host(known, split, command_line);
    assert_ne!(said["what_if"], Value::Null);
    for key in ["what_if", "split", "phys_offset", "lowmem_end", "limit", "because"] {
        assert_eq!(said[key], host[key], "{key}: booted (left) and predicted (right)");
    }
    for key in ["lost", "no_map"] {
        assert_eq!(said["tree"][key], host["tree"][key], "{key}");
        assert_eq!(said["beyond_tree"][key], host["beyond_tree"][key], "{key}");
    }
    let text = run.output_of("explain");
    let all = text.lines().find(|line| line.contains("all RAM in the tree")).unwrap();
    assert!(all.contains(&ram.to_string()), "{all}");
    assert!(text.lines().all(|line| line.chars().count() < 100), "{text}");
    assert!(!text.contains("but usable are"), "{text}");
    assert!(!text.contains("could not be tried"), "{text}");
}

/// The ranges lie in the banks, do not overlap, and add up to the sums.
fn check_ranges(said: &Value, known: &Known) {
    let address = |value: &Value| {
        let digits = value.as_str().unwrap().strip_prefix("0x").unwrap().to_string();
        u64::from_str_radix(&digits, 16).unwrap()
    };
    for (whose, in_tree) in [("tree", true), ("beyond_tree", false)] {
        let mut sums = BTreeMap::from(["usable", "reserved", "no_map", "lost"].map(|key| (key, 0)));
        let mut ranges = Vec::new();
        for one in said["ranges"].as_array().unwrap() {
            if one["in_tree"] != in_tree {
                continue;
            }
            let part = range(address(&one["start"]), address(&one["end"]));
            let in_banks = known.banks.iter().filter_map(|bank| bank.intersection(&part));
            let in_banks: u64 = in_banks.map(|part| part.len()).sum();
            assert_eq!(in_banks, if in_tree { part.len() } else { 0 }, "{part}");
            *sums.get_mut(one["class"].as_str().unwrap()).unwrap() += part.len();
            ranges.push(part);
        }
        assert_eq!(sums, classes(&said[whose]), "{whose}");
        ranges.sort_by_key(|range| range.start());
        assert!(ranges.windows(2).all(|pair| pair[0].end() <= pair[1].start()));
    }
}

/// Banks below PHYS_OFFSET and above 4 GiB, one that ends inside a page, reservations of each kind
/// and an initrd. The banks are not there, and the one that is used is HighMem.
pub fn odd_tree() {
    let dtb = trees::tree(
        "explain-odd",
        "ram@20000000 { device_type = \"memory\"; reg = <0 0x20000000 0 0x10000000>; };
         ram@90000000 { device_type = \"memory\"; reg = <0 0x90000000 0 0x1000801>; };
         ram@100000000 { device_type = \"memory\"; reg = <1 0 0 0x40000000>; };
         reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
             camera@50000000 { reg = <0 0x50000000 0 0x100100>; };
             secure@58000000 { reg = <0 0x58000000 0 0x100000>; no-map; };
             pool { size = <0 0x300000>; alignment = <0 0x100000>; }; };",
    );
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let initrd = folder.join("explain-initrd");
    fs::write(&initrd, vec![7_u8; 300_001]).unwrap();
    let (dtb, initrd) = (dtb.to_str().unwrap(), initrd.to_str().unwrap());
    let options = ["--image", "raw", "--dtb", dtb, "--initrd", initrd];
    let run = run(&options, "explain --json; explain");
    let no_map = range(0x5800_0000, 0x5810_0000);
    let held = Reservation {
        range: no_map,
        owner: Owner::ReservedMemory,
        name: Some("secure@58000000"),
        no_map: true,
    };
    let banks = vec![
        range(RAM, 0x8000_0000),
        range(0x2000_0000, 0x3000_0000),
        range(0x9000_0000, 0x9100_0801),
        range(0x1_0000_0000, 0x1_4000_0000),
    ];
    check(&run, &Known { banks, held: vec![held] }, Split::ThreeG, "");
    let said = object(&run);
    let tree = &said["tree"];
    assert_eq!(number(&tree["lost"]["below_phys_offset"]), 256 * MIB);
    assert_eq!(number(&tree["lost"]["above_4g"]), 1024 * MIB);
    assert_eq!(number(&tree["lost"]["partial_page"]), 0x801);
    assert_eq!(number(&tree["reserved"]["initrd"]), 300_001);
    assert_eq!(number(&tree["reserved"]["reserved_memory"]), 0x10_0100 + 0x30_0000);
    assert_eq!(number(&tree["no_map"]), 0x10_0000);
    assert_eq!(said["loaded"]["initrd"]["place"], "lowmem");
    let text = run.output_of("explain");
    for name in ["camera@50000000", "secure@58000000", "pool", "lost: above 4 GiB"] {
        assert!(text.contains(name), "no {name} in:\n{text}");
    }
}

/// More banks than there is room for on the stack: the trials take pages of the allocator's, and
/// give them back.
pub fn many_banks() {
    let starts = || (0..700_u64).map(|index| 0x8000_0000 + index * 0x20_0000);
    let nodes: String = starts()
        .map(|start| {
            format!(
                "ram@{start:x} {{ device_type = \"memory\"; reg = <0 {start:#x} 0 0x100000>; }};\n"
            )
        })
        .collect();
    let dtb = trees::tree("explain-many", &nodes);
    let options = ["--dtb", dtb.to_str().unwrap()];
    let run = run(&options, "drain; buddyinfo; explain --json; explain; drain; buddyinfo");
    let mut banks = vec![range(RAM, 0x8000_0000)];
    banks.extend(starts().map(|start| range(start, start + 0x10_0000)));
    run.expect_status(0);
    check(&run, &Known { banks, held: Vec::new() }, Split::ThreeG, "");
    let free = run.output_of("buddyinfo");
    assert_eq!(run.text.matches(free).count(), 2, "pages went astray:\n{free}");
}

pub fn addresses() {
    let run = run(
        &["-m", "2G"],
        "explain 0x40200000; explain 3G-1; explain 0xbfffffff; explain 0x100000000; \
         explain --virt 0xc0200000; explain --virt 0; explain --json 0x40200000; \
         explain 18446744073709551615G; explain --virt 4G",
    );
    run.expect_status(1);
    let says = |command: &str, what: &str| {
        let text = run.output_of(command);
        assert!(text.contains(what), "{command}: no {what:?} in {text}");
    };
    says("explain 0x40200000", "is reserved: kernel code");
    says("explain 3G-1", "error: 3G-1 is no ADDR");
    says("explain 0xbfffffff", "is usable, in zone HighMem");
    says("explain 0xbfffffff", "no vmalloc= makes it lowmem");
    says("explain 0x100000000", "0x100000000: no RAM");
    says("explain --virt 0xc0200000", "0xc0200000 is mapped to 0x40200000");
    says("explain --virt 0", "0x00000000 is not mapped");
    says("explain --json 0x40200000", "error: 0x40200000 is too much");
    says("explain 18446744073709551615G", "error: 18446744073709551615G is no ADDR");
    says("explain --virt 4G", "error: 4G is no ADDR: a number below 0x100000000 was expected");
}

/// The boots of this file that are not just another size.
pub const NAMED_BOOTS: [(&str, fn()); 3] = [
    ("explain: reservations, an initrd, banks out of reach", odd_tree),
    ("explain: seven hundred banks", many_banks),
    ("explain: single addresses", addresses),
];
