//! The page allocator at work for long, from the monitor's side and the tick's, on machines of every kind;
//! and a build that must not survive it.

use crate::run::{Run, finished, run, xtask};

/// Boots, soaks, and checks that all is as before.
#[track_caller]
fn soak(options: &[&str], operations: u32) -> Run {
    let options = [options, &["--timeout", "1800"]].concat();
    let command = format!("soak {operations}");
    let run = run(&options, &format!("drain; buddyinfo; {command}; drain; 'buddyinfo'; version"));
    run.expect_status(0);
    let printed = run.output_of(&command);
    assert!(printed.contains(&format!("soak: {operations} operations, seed 1: ")), "{printed}");
    assert!(printed.contains("selftest: soak: ok, "), "{printed}");
    assert_eq!(run.output_of("buddyinfo"), run.output_of("'buddyinfo'"), "{}", run.text);
    run
}

pub fn long_on_a_large_machine() {
    soak(&["--release"], 10_000_000);
}

pub fn long_on_a_small_machine() {
    soak(&["--release", "-m", "64M"], 10_000_000);
}

pub fn everywhere() {
    for options in [
        &["--append", "dma_zone=16M"][..],
        &["-m", "2G", "--append", "vmalloc=960M"],
        &["-m", "512M", "--append", "dma_zone=64M"],
        &["--cpu", "cortex-a7"],
    ] {
        soak(&[options, &["--release"]].concat(), 1_000_000);
    }
    for split in ["3g-opt", "2g", "1g"] {
        soak(&["--vmsplit", split, "-m", "2G"], 200_000);
    }
}

/// The machine debugs all that it can while it works.
pub fn debugging() {
    for parameters in
        ["page_owner=1 page_poison=1", "page_owner=1 page_poison=1 fail_page_alloc=7,50,100,-1"]
    {
        soak(&["--release", "-m", "256M", "--append", parameters], 100_000);
    }
}

/// Interrupts are not kept out, and the tick's handler finds a lock held, or a page has two owners, or a
/// frame is already mapped where another is wanted. Whatever comes first ends the kernel or fails the
/// suite, in every run.
pub fn unmasked_lock() {
    let ends = [
        "vmsplit: halted: panic at kernel/src/platform.rs",
        "vmsplit: halted: panic at kernel/src/window.rs",
        "vmsplit: halted: panic at arch-arm/src/sync.rs",
        "vmsplit: halted: panic at mm/src/",
        "error: selftest: 1 of 1 suites failed",
    ];
    let mut allocators = 0;
    for build in [&[][..], &["--release"]] {
        for seed in 1..=5 {
            let script = format!("soak 1000000 {seed}");
            let words = ["run", "--features", "test-unmasked-lock", "--timeout", "60", "--exec"];
            // With the host's time, and with one that follows the instructions.
            let qemu: &[&str] = if seed % 2 == 0 { &["--", "-icount", "shift=3"] } else { &[] };
            let words = [&words, &[script.as_str()][..], build, qemu].concat();
            let run = finished(&xtask(&words.into_iter().map(str::to_string).collect::<Vec<_>>()));
            run.expect_status(1);
            assert!(ends.iter().any(|end| run.text.contains(end)), "{}", run.text);
            allocators += u32::from(run.text.contains("interrupted under its lock"));
        }
    }
    assert!(allocators > 0, "the page allocator's lock was never found held");
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 5] = [
    ("soak: ten million operations at 1 GiB", long_on_a_large_machine),
    ("soak: ten million operations at 64 MiB", long_on_a_small_machine),
    ("soak: other zones, splits and processors", everywhere),
    ("soak: while pages are poisoned and requests fail", debugging),
    ("soak: a build whose lock does not mask is caught", unmasked_lock),
];
