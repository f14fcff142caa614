//! Device trees other than QEMU's own: more banks, reservations, an initrd, no console.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mm::addr::{PhysAddr, PhysRange};
use tests::predict::Machine;

use crate::read_back::{assert_same, predicted};
use crate::run::run;

/// A device tree made of QEMU's own for 1 GiB, with `nodes` added below its root. QEMU replaces
/// the nodes called `memory`, and no others.
pub fn tree(name: &str, nodes: &str) -> PathBuf {
    let base = include_str!("../../oracle/dts/memrsv.dts");
    let base = base.replace("/memreserve/ 0x50000000 0x1000000;", "");
    let (rest, _) = base.trim_end().rsplit_once("};").unwrap();
    let source = format!("{rest}\n{nodes}\n}};\n");
    compile(name, &source)
}

pub fn compile(name: &str, source: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (dts, dtb) = (folder.join(format!("{name}.dts")), folder.join(format!("{name}.dtb")));
    fs::write(&dts, source).unwrap();
    let output = Command::new("dtc")
        .args(["-q", "-I", "dts", "-O", "dtb", "-o"])
        .args([&dtb, &dts])
        .output()
        .expect("dtc, of the package device-tree-compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dtb
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
    // All of the second bank is reserved, so that nothing in it is touched; it is mapped.
    let reserved = "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges;
        bank@60000000 { reg = <0 0x60000000 0 0x10000000>; }; };";
    let dtb = tree("lowmem-bank", &format!("{FAR_BANK}\n{reserved}"));
    let options = ["-m", "255M", "--dtb", dtb.to_str().unwrap()];
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
        let dtb = compile(name, &fs::read_to_string(path).unwrap());
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
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join("initrd");
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
}

pub fn initrd_in_the_way() {
    let name = "initrd-in-the-way";
    let base = include_str!("../../oracle/dts/memrsv.dts");
    let chosen =
        "chosen {\n\t\tlinux,initrd-start = <0x40200000>;\n\t\tlinux,initrd-end = <0x40300001>;";
    let source = base.replacen("chosen {", chosen, 1);
    assert_ne!(source, base);
    let dtb = compile(name, &source);
    let run = run(&["--image", "raw", "--dtb", dtb.to_str().unwrap()], "memblock");
    run.expect_status(0);
    run.expect(&[
        "moving [0x40200000-0x40300000] to 0x7feff000",
        "moving [0x40010000-",
        "vmsplit>",
    ]);
    run.expect(&["[0x7feff000-0x7ffff", "flags: 0x0"]);
}

pub fn odd_trees() {
    let base = include_str!("../../oracle/dts/memrsv.dts");
    let silent = base.replace("arm,pl011", "acme,uart");
    assert_ne!(silent, base);
    let dtb = compile("no-pl011", &silent);
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
