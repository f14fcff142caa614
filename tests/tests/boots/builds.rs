//! Other builds: optimised, with the benchmark, and with one deliberate fault that a boot must notice.

use std::fs;

use tests::code::{Image, differences};
use tests::predict::Machine;

use crate::images::built;
use crate::read_back::{assert_same, predicted};
use crate::run::{run, run_alone};

pub fn shifted_mapping() {
    let run = run(&["--features", "test-shifted-mapping"], "layout --json");
    let (booted, expected) = (run.layout(), predicted(&Machine::virt(1024, "")));
    assert_eq!(booted["modules_start"], "0xbef00000");
    let compared = std::panic::catch_unwind(|| assert_same(&booted, &expected));
    assert!(compared.is_err(), "the comparison did not notice");
}

pub fn planted_wx() {
    let run = run_alone(&["--features", "test-planted-wx"], "selftest edges");
    run.expect_status(1);
    run.expect(&[
        "W+X mapping of 0x1000 bytes at 0xbf000000",
        "Checked W+X mappings: FAILED, 1 W+X pages found, first at 0xbf000000",
        "FAILED: first modules page at 0xbf000000: rw, predicted: faults",
    ]);
}

pub fn release_build() {
    let run = run(&["--release", "--image", "raw"], "layout --json; ptdump");
    run.expect_status(0);
    assert_same(&run.layout(), &predicted(&Machine::virt(1024, "")));
    assert!(run.text.contains("Checked W+X mappings: passed, no W+X pages found"));
}

/// What boot costs in an optimised build, exact and the same on every run.
pub fn cost_of_boot() {
    for (image, size, most) in [
        ("elf", "1G", 4_000_000),
        ("elf", "3G", 8_000_000),
        // Moved to its place first: it reads the tree twice, and writes the caches out.
        ("raw", "1G", 6_000_000),
        ("raw", "3G", 8_000_000),
    ] {
        let run = run(&["--release", "--icount", "--image", image, "-m", size], "");
        run.expect_status(0);
        run.expect(&["Memory: ", "Boot: ", " instructions from entry to here"]);
        let (_, after) = run.text.split_once("\nBoot: ").unwrap();
        let count: u32 = after.split(' ').next().unwrap().parse().unwrap();
        assert!(
            (100_000..most).contains(&count),
            "{image}, {size}: {count} instructions, {most} allowed"
        );
    }
}

/// What the benchmark calls: the functions that its figures are of.
const MEASURED: [&str; 6] = [
    "vmsplit::pages::alloc",
    "vmsplit::pages::free",
    "vmsplit::pages::alloc_bulk",
    "vmsplit::pages::free_bulk",
    "vmsplit::pages::get_free_page",
    "vmsplit::pages::free_page",
];
/// How the names begin of what they call and what is compared as well: the allocator, and what it has
/// done to the memory of pages.
const COMPARED: [&str; 4] = ["mm::", "<mm::", "vmsplit::kmap::", "vmsplit_"];

/// The benchmark is a build of its own, but it measures the very code that an ordinary one runs.
pub fn measured_code() {
    let build = |options: &[&str]| {
        let (elf, _) = built(options);
        Image::parse(&fs::read(elf).unwrap()).unwrap()
    };
    let ordinary = build(&["--release"]);
    let benchmark = build(&["--release", "--features", "bench"]);
    let is_compared = |name: &str| COMPARED.iter().any(|start| name.starts_with(start));
    let found = differences(&ordinary, &benchmark, &MEASURED, &is_compared);
    assert!(found.is_empty(), "{found:#?}");
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 5] = [
    ("bench measures the code that an ordinary build runs", measured_code),
    ("boot: at most 4 M instructions at 1 GiB, 8 M at 3 GiB", cost_of_boot),
    ("a build with a shifted mapping is caught", shifted_mapping),
    ("a build with a planted W+X page is caught", planted_wx),
    ("a release build boots the same", release_build),
];
