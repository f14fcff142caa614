//! Ways in: HYP mode, the raw image wherever a loader may put it, and whatever r2 may hold.

use std::fs;
use std::path::Path;

use tests::predict::Machine;

use crate::images::images;
use crate::read_back::{assert_same, predicted};
use crate::run::{Run, finished, run, xtask};
use crate::source::{Source, header, scratch, set};

const MIB: u64 = 1 << 20;

pub fn hyp_entry() {
    // With virtualization=on the tree says smc, and hvc would end in the kernel's own HYP vectors.
    // QEMU enters the ELF and the raw image in HYP mode in two ways, and one that is loaded by its
    // loader device in a third.
    for image in [["--image", "elf"], ["--image", "raw"], ["--load", "0x47003000"]] {
        let run = run(&[&["-m", "512M", "--hyp"], &image[..]].concat(), "layout;version");
        run.expect_status(0);
        run.expect(&["vmsplit> version", "vmsplit> poweroff", "vmsplit: power off"]);
    }
}

/// Bytes of the default raw image.
fn image_bytes() -> u64 {
    images("3g").1.metadata().unwrap().len()
}

/// The image of `split` at `address` of a machine of `mib` MiB: it moves unless it is in place, and
/// finds the layout that it finds anywhere.
fn boot_at(split: &str, mib: u64, address: u64) {
    let (size, at) = (format!("{mib}M"), format!("{address:#x}"));
    let run = run(&["-m", &size, "--vmsplit", split, "--load", &at], "layout --json");
    run.expect_status(0);
    let moved = run.text.contains(&format!("moving [{address:#010x}-"));
    assert_eq!(moved, address != 0x4020_0000, "{split} at {at}:\n{}", run.text);
    let mut machine = Machine::virt(mib, "");
    machine.split = mm::boot::split::Split::from_name(split).unwrap();
    assert_same(&run.layout(), &predicted(&machine));
}

pub fn odd_pages() {
    for (split, address) in [
        ("3g", 0x4020_1000),
        ("3g", 0x401f_f000),
        ("3g", 0x4700_3000),
        // Under this split the image runs where it is linked, or on its own linked addresses.
        ("1g", 0x4020_0000),
        ("1g", 0x4020_2000),
        ("1g", 0x401d_0000),
        ("1g", 0x401b_4000),
    ] {
        boot_at(split, 512, address);
    }
}

/// The move copies upwards and downwards over what it copies.
pub fn overlapping_its_place() {
    let half = image_bytes() / 2 / 4096 * 4096;
    for address in [0x4020_0000 - half, 0x4020_0000 + half, 0x4020_0000] {
        boot_at("3g", 256, address);
    }
}

/// With 3 GiB, RAM ends with the 32-bit address space, and so does the image.
pub fn end_of_ram() {
    for mib in [64, 3072] {
        boot_at("3g", mib, 0x4000_0000 + mib * MIB - image_bytes());
    }
}

pub fn unusable_places() {
    let options = |at: &'static str| ["-m", "512M", "--load", at];
    let odd = run(&options("0x40201004"), "layout");
    odd.expect_status(1);
    odd.expect(&["vmsplit: halted: the image was loaded at an address that is not a multiple of"]);
    let outside = run(&options("0x60000000"), "layout");
    outside.expect_status(2);
    outside.expect(&["the image at [0x60000000-", "would not lie in RAM, [0x40000000-0x5fffffff]"]);
}

/// The raw image with r2 = 0 and QEMU's tree at the start of RAM, which no option of xtask gives:
/// QEMU puts the tree there for the ELF file, and then enters the raw image instead.
pub fn tree_at_the_start_of_ram() {
    let (_, raw) = images("3g");
    let boot = |at: &str| {
        let load = format!("loader,file={},addr={at},force-raw=on", raw.display());
        let enter = format!("loader,addr={at},cpu-num=0");
        let words = ["run", "-m", "512M", "--exec", "layout --json", "--"];
        let words = [&words[..], &["-device", &load, "-device", &enter]].concat();
        finished(&xtask(&words.into_iter().map(str::to_string).collect::<Vec<_>>()))
    };
    let near = boot("0x47003000");
    near.expect_status(0);
    assert_same(&near.layout(), &predicted(&Machine::virt(512, "")));
    let far = boot("0x50000000");
    far.expect_status(1);
    let line = "vmsplit: halted: no device tree: r2 is 0 and at the start of RAM, 0x50000000: ";
    far.expect(&[line]);
}

/// A tree of `mib` MiB of memory at `at`, the image at `load`.
fn boot_with_tree(dtb: &Path, mib: u64, load: u64, at: u64) -> Run {
    let (size, load, at) = (format!("{mib}M"), format!("{load:#x}"), format!("{at:#x}"));
    let tree = ["--dtb-raw", dtb.to_str().unwrap(), "--dtb-at", &at];
    let run = run(&[&["-m", &size, "--load", &load], &tree[..]].concat(), "layout --json");
    run.expect_status(0);
    assert_same(&run.layout(), &predicted(&Machine::virt(mib, "")));
    run
}

pub fn tree_anywhere() {
    let dtb = Source::virt().banks(&[(0x4000_0000, 256 * MIB)]).compile("anywhere");
    let (tree, image) = (dtb.metadata().unwrap().len(), image_bytes());
    for (what, load, at) in [
        ("directly behind the image", 0x4100_0000, 0x4100_0000 + image),
        ("directly behind an image in its place", 0x4020_0000, 0x4020_0000 + image),
        ("directly before the image", 0x4100_0000, 0x4100_0000 - tree),
        ("on a multiple of 4, not of 8", 0x4100_0000, 0x4800_0000 + MIB + 4),
        ("on an odd byte", 0x4100_0000, 0x4800_0000 + MIB + 1),
        ("at the last bytes of RAM", 0x4100_0000, 0x5000_0000 - tree),
    ] {
        let run = boot_with_tree(&dtb, 256, load, at);
        assert!(!run.text.contains("] to 0x4fff"), "the tree {what} was moved:\n{}", run.text);
    }
    for (what, load, at) in [
        ("in the kernel's place", 0x4100_0000, 0x4020_0000),
        ("in the kernel's place, on an odd byte", 0x4100_0000, 0x4020_0003),
        ("in the kernel's place with half the image", 0x4020_8000, 0x4020_4001),
    ] {
        let run = boot_with_tree(&dtb, 256, load, at);
        let moving = format!("moving [{at:#010x}-{:#010x}] to 0x4fff", at + tree - 1);
        assert!(run.text.contains(&moving), "no {moving:?}, {what}:\n{}", run.text);
    }
    let dtb = Source::virt().banks(&[(0x4000_0000, 3072 * MIB)]).compile("anywhere-3g");
    boot_with_tree(&dtb, 3072, 0x4100_0000, 0x1_0000_0000 - dtb.metadata().unwrap().len());
}

/// The board's flash is at 0, and the second half of it free.
pub fn tree_in_rom() {
    let dtb = Source::virt().banks(&[(0x4000_0000, 256 * MIB)]).compile("in-rom");
    let load = format!("loader,file={},addr=0x04000000,force-raw=on", dtb.display());
    let words = ["run", "-m", "256M", "--r2", "0x04000000", "--exec", "layout --json; memblock"];
    let words = [&words[..], &["--", "-device", &load]].concat();
    let run = finished(&xtask(&words.into_iter().map(str::to_string).collect::<Vec<_>>()));
    run.expect_status(0);
    run.expect(&["reserved[0x0]\t[0x04000000-"]);
    assert_same(&run.layout(), &predicted(&Machine::virt(256, "")));
}

/// The longest tree there can be, where it has to give way to the kernel and memory does not end on
/// a MiB boundary: it must not be moved to where its window of 4 MiB does not hold it.
pub fn longest_tree() {
    let end = 0x4ff8_0000;
    let mut blob = Source::virt().banks(&[(0x4000_0000, end - 0x4000_0000)]).bytes();
    blob.resize(4 * MIB as usize, 0);
    set(&mut blob, header::TOTAL_SIZE, 4 * MIB as u32);
    let dtb = scratch("longest.dtb");
    fs::write(&dtb, blob).unwrap();
    let options = ["-m", "256M", "--load", "0x41000000", "--dtb-raw", dtb.to_str().unwrap()];
    let run = run(&[&options[..], &["--dtb-at", "0x40200000"]].concat(), "layout --json");
    run.expect_status(0);
    run.expect(&["moving [0x40200000-0x405fffff] to 0x4fb00000"]);
    assert_same(&run.layout(), &predicted(&Machine::with_banks(&[(0x4000_0000, end)], "")));
}

/// A sound tree, and r2 leads elsewhere. The board has RAM from 0x40000000 on, nothing from
/// 0x50000000 to the end, an empty PCI bus from 0x30000000 on, devices and flash below.
pub fn r2_leads_elsewhere() {
    for (r2, reason) in [
        ("0", "no device tree: r2 is 0 and at the start of RAM, 0x40000000: bad magic"),
        ("0x00001000", "no device tree where r2 says, 0x00001000: bad magic 0x00000000"),
        ("0x09000000", "no device tree where r2 says, 0x09000000: bad magic"),
        ("0x30000000", "no device tree where r2 says, 0x30000000: bad magic 0xffffffff"),
        ("0x40010000", "no device tree where r2 says, 0x40010000: bad magic"),
        ("0x48000001", "no device tree where r2 says, 0x48000001: bad magic 0x0dfeed00"),
        ("0x48000002", "no device tree where r2 says, 0x48000002: bad magic 0xfeed0010"),
        ("0x4fffffff", "data abort at 0xff90000…: external abort"),
        ("0x50000000", "data abort at 0xff80000…: external abort"),
        ("0x60000003", "data abort at 0xff80000…: external abort"),
        ("0xfffffff0", "can not map the device tree: 0x28 bytes of memory at 0xfffffff0 run past"),
        ("0xffffffff", "can not map the device tree: 0x28 bytes of memory at 0xffffffff run past"),
    ] {
        let run = run(&["-m", "256M", "--timeout", "40", "--r2", r2], "layout");
        run.expect_status(1);
        // Which byte of the first word is read first is the compiler's affair.
        let (begin, end) = reason.split_once('…').unwrap_or((reason, ""));
        run.expect(&[&format!("vmsplit: halted: {begin}"), end]);
    }
}

pub const BOOTS: [(&str, fn()); 10] = [
    ("a raw image at odd pages, near and on its linked place", odd_pages),
    ("an image off a page boundary, and one without a tree, stop", unusable_places),
    ("HYP entry, PSCI by smc", hyp_entry),
    ("an image that overlaps its place", overlapping_its_place),
    ("an image at the end of RAM, and of the address space", end_of_ram),
    ("a raw image with r2 = 0, its tree at the start of RAM", tree_at_the_start_of_ram),
    ("the tree behind, before, at the end, in the way, on an odd byte", tree_anywhere),
    ("the tree in ROM", tree_in_rom),
    ("the longest tree gives way to the kernel", longest_tree),
    ("r2 leads elsewhere: nothing, a device, unmapped bus, odd bytes", r2_leads_elsewhere),
];
