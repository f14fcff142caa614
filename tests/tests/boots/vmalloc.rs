//! The vmalloc region of booted kernels: its self-test at the smallest and the largest size, what is said when it is
//! full, and its reports.

use crate::run::run;

/// Sizes, splits and processors; memory for each list of areas to be as long as it can.
pub fn self_tests() {
    for options in [
        &["--append", "vmalloc=16M"][..],
        &["--append", "vmalloc=16M", "-m", "64M", "--cpu", "cortex-a7"],
        &["--append", "vmalloc=976M", "-m", "3G", "--cpu", "cortex-a7", "--release"],
        &["--append", "nohighmem", "--release"],
    ] {
        let commands =
            "vmallocmap; selftest vmalloc; selftest stacks; selftest ioremap; vmallocmap";
        let run = run(options, commands);
        run.expect_status(0);
        run.expect(&[
            "selftest: vmalloc: ok, ",
            "selftest: stacks: ok, ",
            "selftest: ioremap: ok, ",
        ]);
        // Twice the same.
        let (before, after) = run.text.split_once("vmsplit> selftest vmalloc").unwrap();
        let map = |text: &str| {
            let (_, map) = text.split_once("vmsplit> vmallocmap\n").unwrap();
            map.split_once("vmsplit> ").map_or(map, |(map, _)| map).trim_end().to_string()
        };
        assert_eq!(map(before), map(after), "{options:?}");
    }
}

/// What somebody is told who finds the region full: which it is, what is free, who has it, and what helps.
pub fn full_region() {
    let run = run(&["--append", "vmalloc=16M"], "selftest vmalloc; meminfo");
    run.expect_status(0);
    run.expect(&[
        "vmalloc allocation failure: 4096 bytes, mode:0xcc0(GFP_KERNEL): ",
        "vmalloc: no room for 4096 bytes at a multiple of 2^12 in 0x",
        "\n  free: 0 kB, the largest area 0 kB, at that alignment 0 kB\n",
        "  waiting for a flush: 0 kB\n",
        "  held by 0x",
        " in vmsplit::selftest::vmalloc::",
        " kB in ",
        "  held by boot, or somebody who is not known: 12 kB in 3 areas\n",
        "  vmalloc=17M would make room\n",
        "Call site: 0x",
        " in vmsplit::selftest::vmalloc::",
        "selftest: vmalloc: ok, ",
        "VmallocTotal:      16384 kB\n",
        "VmallocUsed:           0 kB\n",
        "VmallocChunk:      1",
    ]);
}

pub fn reports() {
    let run = run::<&str>(&[], "vmallocinfo; vmallocmap; ptdump; iomem; meminfo");
    run.expect_status(0);
    let info = run.output_of("vmallocinfo");
    assert!(info.lines().count() >= 3, "{info}");
    for line in ["phys=0x09000000 ioremap", "phys=0x08000000 ioremap", "phys=0x08010000 ioremap"] {
        assert!(info.contains(line), "no {line} in {info}");
    }
    let map = run.output_of("vmallocmap");
    assert!(map.starts_with("vmalloc 0xf0800000 - 0xff800000: 245760 kB, "), "{map}");
    assert!(map.contains("    at a multiple of  16 MB     237564 kB\n"), "{map}");
    run.expect(&[
        "---[ Modules ]---\n",
        "---[ Pkmap Area ]---\n",
        "---[ Kernel Mapping ]---\n",
        "---[ vmalloc() Area ]---\n",
        "---[ FDT Area ]---\n",
        "---[ DMA Area ]---\n",
        "---[ Fixmap Area ]---\n",
        "---[ Vectors ]---\n",
        "---[ Vectors End ]---\n",
        "09000000-09000fff : pl011@9000000\n",
        "VmallocTotal:     245760 kB\n",
    ]);
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 3] = [
    ("vmalloc: the self-tests, in the smallest and the largest region", self_tests),
    ("vmalloc: a full region says what would help", full_region),
    ("vmalloc: its reports", reports),
];
