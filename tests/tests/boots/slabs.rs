//! Objects: the suites on small and large machines, and under each boot parameter of caches.

use crate::run::run;

/// All suites that use objects.
const SUITES: &str =
    "selftest objects; selftest object-soak; selftest meminit; selftest examples; selftest heap";
const PASSED: [&str; 5] = [
    "selftest: objects: ok, ",
    "selftest: object-soak: ok, ",
    "selftest: meminit: ok, ",
    "selftest: examples: ok, ",
    "selftest: heap: ok, ",
];

pub fn everywhere() {
    for options in
        [&["-m", "32M"][..], &["-m", "3G", "--release"], &["-m", "64M", "--vmsplit", "1g"]]
    {
        let run = run(options, SUITES);
        run.expect_status(0);
        run.expect(&PASSED);
    }
}

pub fn debugging() {
    for parameter in [
        "slab_debug",
        "slub_debug=FZ",
        "slab_debug=U,selftest,heap-*",
        "slab_nomerge slab_freelist_random",
        "slab_debug=FZPU slab_freelist_random=7 page_poison=1",
    ] {
        let run = run(&["-m", "128M", "--release", "--append", parameter], SUITES);
        run.expect_status(0);
        run.expect(&PASSED);
        // Nobody writes where nobody should.
        assert!(!run.text.contains("overwritten"), "{parameter}: {}", run.text);
    }
}

/// Whoever has requests fail, or takes all memory, ends no suite with a panic.
pub fn without_memory() {
    let failing = run(&["-m", "64M", "--append", "fail_page_alloc=1,100,0,-1"], SUITES);
    failing.expect_status(1);
    failing.expect(&[
        "selftest: objects: skipped: requests fail on purpose\n",
        "selftest: object-soak: FAILED: no caches and pools in 256 tries\n",
        "selftest: heap: skipped: requests fail on purpose\n",
    ]);
    let taken =
        run(&["-m", "32M"], "alloc 10; alloc 10; alloc 10; alloc 10; alloc 10; selftest heap");
    taken.expect(&["selftest: heap: "]);
    for run in [failing, taken] {
        assert!(!run.text.contains("panic"), "{}", run.text);
        run.expect(&["vmsplit: power off"]);
    }
}

/// What can not be read is said, and is off.
pub fn unreadable() {
    let commands = "kmalloc 30; slabinfo leaks";
    let run = run(&["-m", "64M", "--append", "slab_debug=UX"], commands);
    run.expect_status(1);
    run.expect(&[
        "'X' in \"UX\" of slab_debug=: the letters are F Z P U T A O and -\n",
        "error: no cache remembers who took its objects: boot with slab_debug=U\n",
    ]);
}

/// A line for each object that comes and goes.
pub fn trace() {
    let commands = "kmalloc 30; kmalloc 100";
    let run = run(&["-m", "64M", "--append", "slab_debug=T,kmalloc-64"], commands);
    run.expect_status(0);
    run.expect(&["TRACE kmalloc-64 alloc 0xc0"]);
    assert!(!run.text.contains("TRACE kmalloc-128"), "{}", run.text);
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 5] = [
    ("objects: on small and large machines", everywhere),
    ("objects: while caches are debugged", debugging),
    ("objects: where there is no memory", without_memory),
    ("objects: a parameter that can not be read", unreadable),
    ("objects: a line for each that comes and goes", trace),
];
