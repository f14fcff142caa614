//! Device trees other than QEMU's own: more banks, reservations, an initrd, no console.

use std::fs;
use std::path::PathBuf;

use mm::addr::{PhysAddr, PhysRange};
use tests::predict::Machine;

use crate::read_back::{assert_same, predicted};
use crate::run::run;
use crate::source::{Source, scratch};

/// QEMU's own tree with `nodes` added below its root.
pub fn tree(name: &str, nodes: &str) -> PathBuf {
    Source::virt().below_root(nodes).compile(name)
}

/// A second bank that QEMU does not have. It is HighMem, which boot does not touch.
const FAR_BANK: &str =
    "ram@60000000 { device_type = \"memory\"; reg = <0 0x60000000 0 0x10000000>; };";

pub fn banks_in_highmem() {
    let dtb = tree("highmem-bank", FAR_BANK);
    let append = "vmalloc=700M";
    for image in ["elf", "raw"] {
        let options =
            ["-m", "256M", "--image", image, "--append", append, "--dtb", dtb.to_str().unwrap()];
        let run = run(&options, "layout --json");
        run.expect_status(0);
        let banks = [(0x4000_0000, 0x5000_0000), (0x6000_0000, 0x7000_0000)];
        assert_same(&run.layout(), &predicted(&Machine::with_banks(&banks, append)));
    }
}

pub fn banks_in_lowmem() {
    // All of the second bank is reserved: it is mapped, and not handed out.
    let reserved = "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
        bank@60000000 { reg = <0 0x60000000 0 0x10000000>; }; };";
    let source = Source::virt().banks(&[(0x4000_0000, 0xff0_0000), (0x6000_0000, 0x1000_0000)]);
    let dtb = source.below_root(reserved).compile("lowmem-bank");
    let options = ["-m", "1G", "--dtb-raw", dtb.to_str().unwrap()];
    let run = run(&options, "layout --json; ptdump");
    run.expect_status(0);
    let banks = [(0x4000_0000, 0x4ff0_0000), (0x6000_0000, 0x7000_0000)];
    let (mut booted, expected) = (run.layout(), predicted(&Machine::with_banks(&banks, "")));
    let managed = booted["zones"]["DMA"]["managed"].take();
    assert!(managed.as_u64().unwrap() < 65280, "the reserved bank is not handed out");
    booted["zones"]["DMA"].as_object_mut().unwrap().remove("managed");
    assert_eq!(booted, expected);
    run.expect(&["0xe0000000-0xf0000000         256M PGD KERNEL"]);
}

pub fn overlapping_banks() {
    let dtb = tree("overlap", FAR_BANK);
    let run = run(&["-m", "1G", "--dtb", dtb.to_str().unwrap()], "layout");
    run.expect_status(1);
    run.expect(&["vmsplit: halted: bad device tree: ", "overlap"]);
}

pub fn reservations() {
    for (name, no_map) in [
        ("rsv", None),
        ("memrsv", None),
        ("nomap", Some((0x5010_0000, 0x70_0000))),
        ("nomaptop", Some((0x6f00_0000, 0x100_0000))),
    ] {
        let path = format!("{}/oracle/dts/{name}.dts", env!("CARGO_MANIFEST_DIR"));
        let dtb = Source::file(&path).compile(name);
        let run = run(&["--dtb", dtb.to_str().unwrap()], "layout --json; memblock; ptdump");
        run.expect_status(0);
        let mut machine = Machine::virt(1024, "");
        let range = |(start, len)| PhysRange::from_len(PhysAddr::new(start), len).unwrap();
        machine.no_map.extend(no_map.map(range));
        let (mut booted, expected) = (run.layout(), predicted(&machine));
        for zone in booted["zones"].as_object_mut().unwrap().values_mut() {
            zone.as_object_mut().unwrap().remove("managed");
        }
        assert_eq!(booted, expected, "{name}");
        let flags = if no_map.is_some() { "flags: 0x4" } else { "[0x50000000-0x50ffffff]" };
        assert!(run.output_of("memblock").contains(flags), "{name}: {}", run.text);
    }
}

pub fn initrd() {
    let file = scratch("initrd");
    fs::write(&file, vec![7_u8; 300_000]).unwrap();
    let kept = run(&["--initrd", file.to_str().unwrap(), "--image", "raw"], "memblock");
    kept.expect_status(0);
    kept.expect(&["reserved[0x", "0x000493e0 bytes"]);
    assert!(!kept.text.contains("disabling initrd"));
    let lost = run(
        &["--initrd", file.to_str().unwrap(), "--image", "raw", "--append", "mem=64M"],
        "memblock",
    );
    lost.expect_status(0);
    lost.expect(&["INITRD: 0x", "is not a memory region - disabling initrd"]);
    // Memory that is dropped later, for want of HighMem.
    let append = "vmalloc=960M nohighmem";
    let dropped = run(
        &["--initrd", file.to_str().unwrap(), "--image", "raw", "--append", append],
        "memblock",
    );
    dropped.expect_status(0);
    dropped.expect(&["INITRD: 0x", "lies above lowmem - disabling initrd"]);
    assert!(!dropped.output_of("memblock").contains("0x000493e0 bytes"), "{}", dropped.text);
}

/// The initrd lies above the image as QEMU loads it, and in the place where the kernel belongs.
pub fn initrd_in_the_way() {
    let chosen = "linux,initrd-start = <0x40300000>; linux,initrd-end = <0x40400001>;";
    let dtb = Source::virt().chosen(chosen).compile("initrd-in-the-way");
    let run = run(&["--image", "raw", "--dtb", dtb.to_str().unwrap()], "memblock");
    run.expect_status(0);
    run.expect(&[
        "moving [0x40300000-0x40400000] to 0x7feff000",
        "moving [0x40010000-",
        "vmsplit>",
    ]);
    run.expect(&["[0x7feff000-0x7ffff", "flags: 0x0"]);
}

pub fn odd_trees() {
    let dtb = Source::virt().replace("arm,pl011", "acme,uart").compile("no-pl011");
    let without = run(&["--dtb", dtb.to_str().unwrap()], "layout");
    without.expect_status(0);
    without.expect(&["console: the device tree has no PL011, using the fallback", "Memory: "]);

    let reserved = "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
        odd@48000800 { reg = <0 0x48000800 0 0x1000>; no-map; };
        small { size = <0 0x1800>; no-map; }; };";
    let dtb = tree("odd-no-map", reserved);
    let odd = run(&["--dtb", dtb.to_str().unwrap()], "memblock; ptdump");
    odd.expect_status(0);
    odd.expect(&["[0x48000000-0x48001fff], 0x00002000 bytes flags: 0x4", "bytes flags: 0x4"]);
    odd.expect(&["-0xc8000000 ", "0xc8002000-0x"]);
}

/// Far more banks than memblock's first arrays hold. QEMU does not have them; they are HighMem.
pub fn many_banks() {
    let banks = |count: u64| (0..count).map(|index| 0x8000_0000 + index * 0x20_0000);
    let nodes: String = banks(700)
        .map(|start| {
            format!(
                "ram@{start:x} {{ device_type = \"memory\"; reg = <0 {start:#x} 0 0x100000>; }};\n"
            )
        })
        .collect();
    let dtb = tree("many-banks", &nodes);
    let run = run(&["--dtb", dtb.to_str().unwrap()], "layout --json");
    run.expect_status(0);
    let mut ranges = vec![(0x4000_0000, 0x8000_0000)];
    ranges.extend(banks(700).map(|start| (start, start + 0x10_0000)));
    assert_same(&run.layout(), &predicted(&Machine::with_banks(&ranges, "")));
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 8] = [
    ("banks with a hole, by --dtb, in HighMem", banks_in_highmem),
    ("banks with a hole, in lowmem", banks_in_lowmem),
    ("overlapping banks stop the boot", overlapping_banks),
    ("reservations of every kind, by --dtb", reservations),
    ("an initrd is kept, one in the air is not", initrd),
    ("an initrd in the kernel's place is moved", initrd_in_the_way),
    ("a tree without a PL011, and no-map memory off a page boundary", odd_trees),
    ("seven hundred banks", many_banks),
];
