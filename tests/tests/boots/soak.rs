//! The page allocator at work for long, and the slab allocator, from the monitor's side and the tick's, on
//! machines of every kind; and builds that must not survive it.

use crate::run::{Run, finished, run, xtask};

/// Boots, soaks, and checks that all is as before.
#[track_caller]
fn soak(options: &[&str], operations: u32) -> Run {
    soak_with("soak", options, operations)
}

/// The same with the command for pages, or that for objects.
#[track_caller]
fn soak_with(name: &str, options: &[&str], operations: u32) -> Run {
    let options = [options, &["--timeout", "1800"]].concat();
    let command = format!("{name} {operations}");
    let run = run(&options, &format!("drain; buddyinfo; {command}; drain; 'buddyinfo'; version"));
    run.expect_status(0);
    let printed = run.output_of(&command);
    assert!(printed.contains(&format!("{name}: {operations} operations, seed 1: ")), "{printed}");
    assert!(printed.contains(&format!("selftest: {name}: ok, ")), "{printed}");
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
        for (seed, name) in (1..=6).zip(["soak", "object-soak"].into_iter().cycle()) {
            let script = format!("{name} 1000000 {seed}");
            let words = ["run", "--features", "test-unmasked-lock", "--timeout", "60", "--exec"];
            // With the host's time, and with one that follows the instructions.
            let qemu: &[&str] = if seed % 3 == 0 { &["--", "-icount", "shift=3"] } else { &[] };
            let words = [&words, &[script.as_str()][..], build, qemu].concat();
            let run = finished(&xtask(&words.into_iter().map(str::to_string).collect::<Vec<_>>()));
            run.expect_status(1);
            assert!(ends.iter().any(|end| run.text.contains(end)), "{}", run.text);
            allocators += u32::from(run.text.contains("interrupted under its lock"));
        }
    }
    assert!(allocators > 0, "the page allocator's lock was never found held");
}

pub fn objects() {
    for options in [
        &["-m", "256M"][..],
        &["-m", "32M"],
        &["-m", "2G", "--append", "dma_zone=64M"],
        &["-m", "64M", "--append", "slab_nomerge slab_freelist_random"],
    ] {
        soak_with("object-soak", &[options, &["--release"]].concat(), 300_000);
    }
}

/// The same while caches are debugged, pages are poisoned, and requests fail.
pub fn objects_and_debugging() {
    for parameters in [
        "slab_debug",
        "slab_debug=FZPU slab_freelist_random=7 page_owner=1 page_poison=1",
        "fail_page_alloc=7,50,100,-1",
        "slab_debug=FZ fail_page_alloc=3,20,100,-1",
    ] {
        let options = ["--release", "-m", "128M", "--append", parameters];
        let run = soak_with("object-soak", &options, 100_000);
        // Nobody writes where nobody should.
        assert!(!run.text.contains("overwritten"), "{parameters}: {}", run.text);
    }
}

/// Somebody writes to objects that it has given back, and next to nobody notices: the soak does, in every
/// run.
pub fn late_write() {
    for seed in 1..=5 {
        let script = format!("object-soak 1000000 {seed}");
        let words = ["run", "--features", "test-late-write", "--timeout", "60", "--exec", &script];
        let run = finished(&xtask(&words.map(str::to_string)));
        run.expect_status(1);
        let is_found = ["selftest: object-soak: FAILED", "vmsplit: halted: panic at "];
        assert!(is_found.iter().any(|end| run.text.contains(end)), "{}", run.text);
    }
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 8] = [
    ("soak: ten million operations at 1 GiB", long_on_a_large_machine),
    ("soak: ten million operations at 64 MiB", long_on_a_small_machine),
    ("soak: other zones, splits and processors", everywhere),
    ("soak: while pages are poisoned and requests fail", debugging),
    ("soak: a build whose lock does not mask is caught", unmasked_lock),
    ("soak: objects on small and large machines", objects),
    ("soak: objects, while caches are debugged and requests fail", objects_and_debugging),
    ("soak: a build that writes to objects it gave back is caught", late_write),
];
