//! Trees that look broken and are not, or are wrong about what boot can do without: each boots, and
//! says what it left out.

use std::fs;

use tests::predict::Machine;

use crate::broken::{MIB, sound};
use crate::read_back::{assert_same, predicted};
use crate::run::{Run, run};
use crate::source::{Source, header, scratch, set, word};

const END: u64 = 0x5000_0000;

/// Boots with the tree and QEMU's 256 MiB. The layout is the one that an ordinary tree gives with
/// the same command line.
fn boots(name: &str, blob: &[u8], options: &[&str], command_line: &str) -> Run {
    let file = scratch(&format!("{name}.dtb"));
    fs::write(&file, blob).unwrap();
    let fixed = ["-m", "256M", "--timeout", "60", "--dtb-raw", file.to_str().unwrap()];
    let run = run(&[&fixed[..], options].concat(), "layout --json; memblock");
    run.expect_status(0);
    assert_same(
        &run.layout(),
        &predicted(&Machine::with_banks(&[(0x4000_0000, END)], command_line)),
    );
    run
}

/// The words of `rng-seed`, a property that nobody reads, made tokens that do nothing.
fn full_of_nops() -> Vec<u8> {
    let mut blob = sound().bytes();
    let value = 0x1706_71d7_u32.to_be_bytes();
    let at = blob.windows(4).position(|bytes| bytes == value).unwrap() - 12;
    assert_eq!(word(&blob, at + 4), 32);
    (0..3 + 8).for_each(|index| set(&mut blob, at + 4 * index, 4));
    blob
}

/// The blocks in another order, with noise between them: strings, structure, reservations.
fn rearranged() -> Vec<u8> {
    let old = sound().reserve(0x4800_0000, 0x1000).bytes();
    let block = |at, len| old[word(&old, at) as usize..][..len as usize].to_vec();
    let strings = block(header::OFF_STRINGS, word(&old, header::SIZE_STRINGS));
    let structure = block(header::OFF_STRUCTURE, word(&old, header::SIZE_STRUCTURE));
    let reserve_map = block(header::OFF_RESERVE_MAP, 32);
    let mut blob = old[..40].to_vec();
    for (at, bytes) in [
        (header::OFF_STRINGS, strings),
        (header::OFF_STRUCTURE, structure),
        (header::OFF_RESERVE_MAP, reserve_map),
    ] {
        blob.extend([0xa5; 24]);
        blob.resize(blob.len().next_multiple_of(8), 0xa5);
        let start = blob.len() as u32;
        set(&mut blob, at, start);
        blob.extend(bytes);
    }
    let total = blob.len() as u32;
    set(&mut blob, header::TOTAL_SIZE, total);
    blob
}

pub fn odd_forms() {
    boots("nops", &full_of_nops(), &[], "");
    boots("nops-odd", &full_of_nops(), &["--dtb-at", "0x48200001"], "");
    // Version 16 has no size of the structure block; what stands there is noise.
    let mut version_16 = full_of_nops();
    set(&mut version_16, header::VERSION, 16);
    set(&mut version_16, header::SIZE_STRUCTURE, 0xdead_beef);
    boots("version-16", &version_16, &[], "");
    let run = boots("rearranged", &rearranged(), &[], "");
    run.expect(&["reserved[0x", "[0x48000000-0x48000fff]"]);
    let deep = "n { ".repeat(31) + &"};".repeat(31);
    boots("deep", &sound().below_root(&deep).bytes(), &[], "");
}

/// 64 KiB of command line, the last word of which counts.
pub fn long_command_line() {
    let command_line = "x ".repeat(32 << 10) + "vmalloc=300M";
    let tree = sound().chosen(&format!("bootargs = \"{command_line}\";"));
    let run = boots("long-bootargs", &tree.bytes(), &[], "vmalloc=300M");
    assert!(run.text.contains(&format!("Kernel command line: {command_line}\n")));
}

/// Banks that are no use to anybody, among one that is.
pub fn useless_banks() {
    let banks = [(0, 0), (0x5000_0001, 4094), (0x4000_0000, END - 0x4000_0000), (1 << 40, 1 << 40)];
    let file = Source::virt().banks(&banks).compile("useless-banks");
    let options = ["-m", "256M", "--dtb-raw", file.to_str().unwrap()];
    let run = run(&options, "layout --json");
    run.expect_status(0);
    run.expect(&[
        "OF: fdt: Ignoring memory block 0x50000001 - 0x50000fff (holds no whole page)",
        "OF: fdt: Ignoring memory block 0x10000000000 - 0x20000000000 (above 4 GiB",
    ]);
    assert_eq!(run.layout()["zones"]["DMA"]["present"], 65536);
}

/// Reservations of the memory that the kernel runs in: nothing can be done but to say so. Before the
/// image has been moved something can, and a tree that reserves its place stops the boot.
pub fn reserved_kernel() {
    let in_place = ["--load", "0x40200000"];
    let reserved = sound().reserve(0x4020_0000, 0x1000).bytes();
    let run = boots("reserved-in-place", &reserved, &in_place, "");
    run.expect(&["[0x40200000-0x40200fff] is reserved, and the kernel at [0x40200000-"]);
    let outside = sound().reserve(0, 0x1000).reserve(0x5000_0000, 1 << 40).bytes();
    boots("reserved-outside", &outside, &[], "");

    let file = sound().reserve(0x4000_0000, 256 * MIB).compile("all-reserved-in-place");
    let options = ["-m", "256M", "--timeout", "60", "--dtb-raw", file.to_str().unwrap()];
    let run = self::run(&[&options[..], &in_place].concat(), "layout");
    run.expect_status(1);
    run.expect(&["is reserved, and the kernel", "vmsplit: halted: can not build page tables: "]);
}

/// What the tree says of an initrd can not be, and the image has still to be moved.
pub fn impossible_initrds() {
    for (name, start, end, complaint) in [
        ("everywhere", 0, 0xffff_ffff_u64, "is not a memory region"),
        ("beyond-ram", 0x4010_0000, 0x6000_0000, "is not a memory region"),
        ("far", 1 << 40, 1 << 41, "is not a memory region"),
        ("on-the-image", 0x4001_2000, 0x4100_0000, "overlaps in-use memory region"),
        ("on-the-tree", 0x4810_0000, 0x4820_0000, "overlaps in-use memory region"),
    ] {
        let cells = |value: u64| format!("<{:#x} {:#x}>", value >> 32, value as u32);
        let (from, to) = (cells(start), cells(end));
        let words = format!("linux,initrd-start = {from}; linux,initrd-end = {to};");
        let run = boots(&format!("initrd-{name}"), &sound().chosen(&words).bytes(), &[], "");
        run.expect(&[&format!("INITRD: {start:#010x}+"), complaint, " - disabling initrd"]);
    }
}

/// A console where there is none, which a kernel could wait for for ever.
pub fn consoles_that_are_none() {
    for (name, at) in [
        ("memory", 0x4100_0000_u64),
        ("the image", 0x4001_2000),
        ("the tree", 0x4810_0000),
        ("flash", 0x1000),
        ("another device", 0x0800_0000),
        ("an empty bus", 0x3000_0000),
    ] {
        let reg = format!("reg = <0 {at:#x} 0 0x1000>");
        let tree = sound().replace("reg = <0x00 0x9000000 0x00 0x1000>", &reg);
        let file = format!("console-in-{}", name.replace(' ', "-"));
        let run = boots(&file, &tree.bytes(), &[], "");
        let line = format!("console: no PL011 answers at {at:#010x}, for pl011@9000000");
        run.expect(&[&line]);
    }
}

pub const BOOTS: [(&str, fn()); 6] = [
    ("odd forms of a tree: NOPs, version 16, blocks in any order", odd_forms),
    ("a command line of 64 KiB", long_command_line),
    ("banks that are no use", useless_banks),
    ("a tree that reserves the kernel's memory", reserved_kernel),
    ("initrds that can not be", impossible_initrds),
    ("consoles that are none", consoles_that_are_none),
];
