//! Memory runs out: for requests, which fail and say so, and at each step of boot, which stops and says
//! where. Nothing panics.

use crate::run::{Run, run, run_alone};
use crate::source::Source;

const REPORT: &str = "page allocation failure: ";

/// All is taken, in zones of every distribution. One request's failure is reported.
pub fn of_requests() {
    for (options, zones) in [
        (&["--append", "dma_zone=16M"][..], &["DMA", "Normal", "HighMem"][..]),
        (&["-m", "2G", "--append", "vmalloc=960M"], &["DMA", "HighMem"]),
        (&["-m", "512M", "--append", "dma_zone=64M"], &["DMA", "Normal"]),
        (&["-m", "64M"], &["DMA"]),
        (&["-m", "8M"], &["DMA"]),
        (&["--release"], &["DMA", "HighMem"]),
    ] {
        let run = run(options, "drain; buddyinfo; selftest shortage; drain; 'buddyinfo'");
        run.expect_status(0);
        assert_eq!(run.output_of("buddyinfo"), run.output_of("'buddyinfo'"), "{}", run.text);
        let printed = run.output_of("selftest shortage");
        assert_eq!(printed.matches(REPORT).count(), 1, "{printed}");
        run.expect(&[
            "vmsplit> selftest shortage\n\
             page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), nodemask=(null)\n\
             Call site: 0xc0",
            " in vmsplit::selftest::shortage::",
            "\nMem-Info:\n free:0 free_pcp:0 free_cma:0\n",
            " pages RAM\n",
            "selftest: shortage: ok, ",
        ]);
        for zone in zones {
            assert!(printed.contains(&format!("\n{zone} free:0kB boost:0kB min:")), "{printed}");
            assert!(printed.contains(&format!("\n{zone}: 0*4kB 0*8kB 0*16kB ")), "{printed}");
        }
    }
}

/// A slab of which nobody has an object goes when memory is short, and that is no loss.
pub fn with_a_free_slab() {
    let options = ["-m", "64M"];
    let taken = run(&options, "kmalloc 30");
    let address = &taken.output_of("kmalloc 30")[..10];
    for suite in ["shortage", "soak"] {
        let run = run(&options, &format!("kmalloc 30; kfree {address}; selftest {suite}"));
        run.expect_status(0);
        run.expect(&[&format!("selftest: {suite}: ok, ")]);
    }
}

/// Many failures in a row are not all reported, and the kernel goes on.
pub fn many_reports() {
    let allocs: Vec<_> = (1..=40).map(|n| format!("alloc {}10", "0".repeat(n))).collect();
    let run = run(&["-m", "32M"], &format!("{}; version", allocs.join("; ")));
    run.expect_status(1);
    let failed =
        allocs.iter().filter(|alloc| run.output_of(alloc).contains("error: no free block of"));
    let (failed, reported) = (failed.count(), run.text.matches(REPORT).count());
    assert!(failed >= 30, "{failed} requests failed of {}", allocs.len());
    // Ten in five seconds.
    assert!((10..=20).contains(&reported), "{reported} of {failed} failures reported");
    run.expect(&["reports: more page allocation failures are left out for some seconds\n"]);
    run.expect(&["vmsplit> version\nvmsplit 0."]);
}

const KIB: u64 = 1 << 10;
const BANK: u64 = 0x4000_0000;
/// Where the kernel belongs in its bank.
const PLACE: u64 = 0x20_0000;

/// Where a boot loader puts the image here: above the place where it belongs, and not in it.
const LOADED: u64 = 0x60_0000;
/// Bytes of a bank that has room for both.
const ENOUGH: u64 = 0xa0_0000;

/// A boot on a machine that has the kernel's own memory, which ends at `end` of a bank of `bank` bytes, and so much below
/// it.
fn with_free(name: &str, free: u64, end: u64, bank: u64, parameters: &str) -> Run {
    let tree = Source::virt().banks(&[(BANK, bank)]).reserve(BANK, PLACE - free);
    let tree = tree.reserve(BANK + end, bank - end);
    let dtb = tree.chosen(&format!("bootargs = \"{parameters}\";")).compile(name);
    let load = format!("{:#x}", BANK + LOADED);
    let options = [
        &["--release", "-m", "256M", "--timeout", "60", "--load", &load][..],
        &["--dtb-raw", dtb.to_str().unwrap()],
    ]
    .concat();
    run_alone(&options, "alloc 0 GFP_KERNEL|__GFP_NOWARN; selftest layout; meminfo; explain")
}

/// With a page more each time, from none at all to a prompt: a stop that names what there was no memory
/// for, or a kernel that is well.
pub fn of_boot() {
    // Who has reserved nearly all says where the kernel ends.
    let short = with_free("short-bank", 0, PLACE + 4 * KIB, ENOUGH, "");
    short.expect(&["the kernel belongs at [0x40200000-0x"]);
    let (_, after) = short.text.split_once("the kernel belongs at [0x40200000-0x").unwrap();
    let last = u64::from_str_radix(&after[..8], 16).unwrap();
    let end = last + 1 - BANK;
    let mut seen = Vec::new();
    for parameters in ["", "page_owner=1"] {
        let mut prompts = 0;
        let mut free = 0;
        while prompts < 3 {
            assert!(free < 512 * KIB, "no prompt with {free} bytes free: {seen:#?}");
            let run = with_free("little-memory", free, end, ENOUGH, parameters);
            assert!(!run.text.contains("8<--- cut here ---"), "{free}: {}", run.text);
            assert!(!run.text.contains("Kernel panic"), "{free}: {}", run.text);
            if let Some((_, bytes)) = run.text.split_once("page_owner: off, no memory for its ") {
                seen.push(format!("page_owner: off: {}", bytes.lines().next().unwrap()));
            }
            match run.text.split_once("vmsplit: halted: ") {
                Some((_, reason)) => {
                    assert_eq!(
                        prompts, 0,
                        "{free} bytes are too few, less were not:\n{}",
                        run.text
                    );
                    seen.push(reason.lines().next().unwrap().to_string());
                }
                None => {
                    prompts += 1;
                    run.expect(&["selftest: layout: ok, ", "MemTotal: ", "vmsplit: power off"]);
                }
            }
            free += 4 * KIB;
        }
    }
    for reason in [
        "can not move the kernel: no 4096 free bytes in [0x40000000-",
        "can not build page tables: no free 0x4000 bytes aligned to 0x4000 ",
        "can not build page tables: no free 0x1000 bytes aligned to 0x1000 ",
        "no memory for the page array of ",
        "no memory for the page block array of ",
        "page_owner: off: ",
    ] {
        assert!(seen.iter().any(|seen| seen.starts_with(reason)), "never: {reason}\n{seen:#?}");
    }
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 4] = [
    ("shortage: all memory taken, and given back", of_requests),
    ("shortage: a slab without objects is no loss", with_a_free_slab),
    ("shortage: reports are limited", many_reports),
    ("shortage: too little memory at each step of boot", of_boot),
];
