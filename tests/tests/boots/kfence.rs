//! Guarded pages: real mistakes under real page tables, and the machine as ever beside them.

use crate::run::run;

/// Each mistake of the suite is said, with who took the object and who gave it back; and the kernel goes on.
pub fn reports() {
    for build in [&["-m", "64M"][..], &["-m", "1G", "--release", "--vmsplit", "2g"]] {
        let options = [build, &["--append", "kfence.sample_interval=100"]].concat();
        let run = run(&options, "selftest kfence; kfence 0; kfence");
        run.expect_status(0);
        run.expect(&[
            "kfence: initialized - using 2097152 bytes for 255 objects at 0x",
            "\nBUG: KFENCE: out-of-bounds read in 0x",
            "\nOut-of-bounds read at 0x",
            "fff (1B left of kfence-#",
            ", size=73, cache=selftest\n\nallocated on cpu 0 age=",
            " in <vmsplit::selftest::kfence::Suite>::take\n",
            "\nBUG: KFENCE: out-of-bounds write in 0x",
            "000 (80B right of kfence-#",
            "\nBUG: KFENCE: out-of-bounds read in 0x",
            "\nfreed on cpu 0 age=",
            " in <vmsplit::selftest::kfence::Suite>::give\n",
            "\nBUG: KFENCE: use-after-free read in 0x",
            "\nUse-after-free read at 0x",
            "\nfreed on cpu 0 age=",
            "\nBUG: KFENCE: use-after-free write in 0x",
            "\nBUG: KFENCE: invalid free in 0x",
            "\nInvalid free of 0x",
            "\nBUG: KFENCE: invalid free in 0x",
            "\nfreed on cpu 0 age=",
            "\nBUG: KFENCE: memory corruption in 0x",
            " [ 0x00 .",
            "\nBUG: KFENCE: memory corruption in 0x",
            " [ 0x00 ] (in kfence-#",
            "\nselftest: kfence: ok, ",
            "\nsample interval: 0 ms, gate: off\n",
            "\ntotal bugs: 9\n",
        ]);
    }
}

/// All suites pass while objects are sampled at every tick, also from a pool that is full at times.
pub fn everywhere() {
    for options in [
        &["-m", "64M", "--append", "kfence.sample_interval=1 kfence.num_objects=3"][..],
        &[
            "-m",
            "2G",
            "--release",
            "--append",
            "kfence.sample_interval=4 slab_debug=FZPU page_poison=1",
        ],
        &["-m", "1G", "--vmsplit", "1g", "--append", "kfence.sample_interval=4 failslab=7,50,0,-1"],
    ] {
        let run = run(options, "selftest; kfence; layout; explain");
        run.expect_status(0);
        run.expect(&["selftest: all ", "vmsplit> kfence\npool: "]);
        let figures = run.output_of("kfence");
        let taken = figures.lines().find_map(|line| line.strip_prefix("total allocations: "));
        assert!(taken.unwrap().parse::<u32>().unwrap() > 100, "{figures}");
        assert!(figures.contains("currently allocated: "), "{figures}");
    }
}

/// Without the parameter there is no pool; what can not be read is said.
pub fn parameters() {
    let run = run(&["-m", "64M"], "kfence; selftest kfence");
    run.expect_status(1);
    run.expect(&["error: there is no pool: boot with kfence.sample_interval=\n"]);
    run.expect(&["selftest: kfence: skipped: no kfence.sample_interval= on the command line\n"]);
    assert!(!run.text.contains("kfence: initialized"), "{}", run.text);

    let bad = "kfence.sample_interval=often kfence.num_objects=512 kfence.sample_interval=100";
    let run = self::run(&["-m", "64M", "--append", bad], "kfence");
    run.expect_status(0);
    run.expect(&[
        "\"often\" in kfence.sample_interval=: milliseconds were expected\n",
        "\"512\" in kfence.num_objects=: 1 to 511 were expected, so it is 255\n",
        "kfence: initialized - using 2097152 bytes for 255 objects at ",
    ]);
    // The largest.
    let large = "kfence.sample_interval=100 kfence.num_objects=511";
    let run = self::run(&["-m", "64M", "--append", large], "kfence; selftest kfence");
    run.expect_status(0);
    run.expect(&["kfence: initialized - using 4194304 bytes for 511 objects at ", "ok, "]);
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 3] = [
    ("kfence: mistakes are found, and the kernel goes on", reports),
    ("kfence: every suite passes while objects are sampled", everywhere),
    ("kfence: parameters", parameters),
];
