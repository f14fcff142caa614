//! Memory for modules in booted kernels: its self-test under each split, on small machines and processors, and what is
//! said when both of its regions are full.

use crate::run::run;

const SUITE: &str = "selftest module-memory";

pub fn self_tests() {
    for options in [
        &["--vmsplit", "3g"][..],
        &["--vmsplit", "3g-opt"],
        &["--vmsplit", "2g"],
        &["--vmsplit", "1g", "-m", "2G", "--cpu", "cortex-a7"],
        &["-m", "16M", "--cpu", "cortex-a7"],
        &["--append", "nohighmem vmalloc=16M", "--release"],
        &["-m", "3G", "--append", "page_owner=on page_poison=on slub_debug=FZPU"],
    ] {
        let run = run(options, &format!("ptdump; {SUITE}; {SUITE}; ptdump; vmallocinfo"));
        run.expect_status(0);
        let passed = run.text.matches("selftest: module-memory: ok, ").count();
        assert_eq!(passed, 2, "{options:?}:\n{}", run.text);
        // The page tables are as they were.
        let (_, after) = run.text.split_once("selftest: module-memory: ok, ").unwrap();
        let echo = format!("vmsplit> ptdump\n{}vmsplit> ", run.output_of("ptdump"));
        assert!(after.contains(&echo), "{options:?}:\n{}", run.text);
    }
}

/// With requests that fail on purpose it has nothing to show; `faults` has.
pub fn failing() {
    for options in ["failslab=7,50,0,-1", "fail_page_alloc=7,50,0,-1"] {
        let run = run(&["--append", options], SUITE);
        run.expect(&["selftest: module-memory: skipped: requests fail on purpose\n"]);
    }
}

pub fn full_regions() {
    let run = run::<&str>(&[], SUITE);
    run.expect_status(0);
    run.expect(&[
        "module allocation failure: 2516",
        " bytes, mode:0xdc0(GFP_KERNEL|__GFP_ZERO): modules: no gap for 2516",
        " in 0xbf000000 - 0xbfe00000; vmalloc: no gap for 2516",
        " in 0xf0800000 - 0xff800000\nmodules: no room for 2516",
        " in 0xbf000000 - 0xbfe00000\n  free: 14",
        "\nvmalloc: no room for 2516",
        " in 0xf0800000 - 0xff800000\n  free: 245736 kB, the largest area 245732 kB",
        "\n  vmalloc=480M would make room\nCall site: 0x",
        " in vmsplit::selftest::module_memory::",
        "selftest: module-memory: ok, ",
    ]);
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 3] = [
    ("module-memory: the self-test, under all splits and on small machines", self_tests),
    ("module-memory: requests that fail on purpose", failing),
    ("module-memory: who finds both regions full is told of both", full_regions),
];
