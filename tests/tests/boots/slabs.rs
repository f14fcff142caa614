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
    failing.expect_status(0);
    failing.expect(&[
        "selftest: objects: skipped: requests fail on purpose\n",
        "selftest: object-soak: skipped: too many requests fail on purpose for caches and pools\n",
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

/// What can not be read is said, and left out.
pub fn unreadable() {
    let commands = "kmalloc 30; slabinfo leaks";
    let run = run(&["-m", "64M", "--append", "slab_debug=UX"], commands);
    run.expect_status(0);
    run.expect(&[
        "'X' in \"UX\" of slab_debug= is unknown and skipped: the letters are F Z P U T A O and -\n",
        "kmalloc-64             1  0xc",
    ]);
    let run = self::run(&["-m", "64M", "--append", "failslab=1,200,0,1"], "failslab; kmalloc 30");
    run.expect_status(0);
    run.expect(&["\"200\" in failslab=: N, or INTERVAL,PROBABILITY,SPACE,TIMES was expected"]);
    run.expect(&["vmsplit> failslab\nfailslab is off\n"]);
}

/// The objects of a slab come in an order of their own for each seed, however it is written; without one that
/// can be read they come as ever, and that is said.
pub fn seeds() {
    let random = |parameter| {
        let takes = "kmalloc 30; kmalloc 31; kmalloc 32; kmalloc 33";
        let run = run(&["-m", "64M", "--append", parameter], takes);
        run.expect_status(0);
        let addresses = takes.split("; ").map(|take| run.output_of(take)[..10].to_string());
        (addresses.collect::<Vec<_>>(), run.text.contains("a number was expected, so it is off\n"))
    };
    assert_eq!(random("slab_freelist_random=zz"), (random("").0, true));
    let (seventh, is_refused) = random("slab_freelist_random=77");
    assert!(!is_refused && seventh != random("").0, "{seventh:?}");
    assert_eq!(random("slab_freelist_random=0x4d"), (seventh, false));
}

/// Who gave back wrongly is the one who called, and not what stands between.
pub fn call_sites() {
    for build in [&["-m", "64M"][..], &["-m", "64M", "--release"]] {
        let run = run(build, "kfree 0xc0000000; selftest objects");
        run.expect(&[
            "BUG: free of 0xc0000000, ",
            "Call site: 0xc0",
            " in vmsplit::monitor::objects::kfree\n",
            "BUG: selftest: Object already free: ",
            "Call site: 0xc0",
            " in vmsplit::selftest::objects::",
        ]);
        assert!(!run.text.contains(" in vmsplit::slabs::"), "{}", run.text);
    }
}

/// A line for each object that comes and goes.
pub fn trace() {
    let commands = "kmalloc 30; kmalloc 100";
    let run = run(&["-m", "64M", "--append", "slab_debug=T,kmalloc-64"], commands);
    run.expect_status(0);
    run.expect(&["TRACE kmalloc-64 alloc 0xc0"]);
    assert!(!run.text.contains("TRACE kmalloc-128"), "{}", run.text);
}

/// Those requests for objects fail, and no other.
pub fn failures() {
    const REFUSED: &str = "error: no free block of order 0 for zone Normal\n";
    let takes: Vec<_> = (0..8).map(|n| format!("kmalloc 3{n}")).collect();
    for (value, failing) in
        [("3", &[2][..]), ("4,100,0,-1", &[3, 7]), ("2,100,0,2", &[1, 3]), ("1,100,256,1", &[4])]
    {
        let parameter = format!("failslab={value}");
        let run = run(&["-m", "64M", "--append", &parameter], &takes.join("; "));
        run.expect_status(1);
        run.expect(&["failslab: "]);
        for (n, take) in takes.iter().enumerate() {
            let failed = run.output_of(take) == REFUSED;
            assert_eq!(failed, failing.contains(&n), "{parameter}: {take}\n{}", run.text);
        }
        // A page was not wanting.
        assert!(!run.text.contains("page allocation failure"), "{}", run.text);
    }

    let run = run(
        &["-m", "64M", "--append", "slab_debug=A,kmalloc-64"],
        "failslab; failslab 1,100,0,-1; kmalloc 30; kmalloc 31 GFP_KERNEL|__GFP_NOFAIL; kmalloc 100; \
         kmalloc 9000; 'failslab'; failslab off; kmalloc 32; \"failslab\"; failslab 1,100",
    );
    run.expect_status(1);
    assert_eq!(run.output_of("failslab"), "failslab is off\n");
    assert_eq!(run.output_of("kmalloc 30"), REFUSED);
    for spared in
        ["kmalloc 31 GFP_KERNEL|__GFP_NOFAIL", "kmalloc 100", "kmalloc 9000", "kmalloc 32"]
    {
        assert!(run.output_of(spared).starts_with("0xc"), "{spared}: {}", run.text);
    }
    assert_eq!(run.output_of("'failslab'"), "failslab=1,100,0,-1, 1 failed so far\n");
    assert_eq!(run.output_of("\"failslab\""), "failslab is off\n");
    let complaint = run.output_of("failslab 1,100");
    assert!(complaint.starts_with("error: \"1,100\" in failslab=: N, or "), "{complaint}");
}

/// The kernel gets on while requests for objects fail.
pub fn suites_with_failures() {
    for parameter in [
        "failslab=7,50,0,-1",
        "failslab=7,50,1000,-1",
        "failslab=1,100,0,-1",
        "failslab=10 slab_debug=A,kmalloc-*",
        "slab_debug=FZPU failslab=3,100,0,-1",
    ] {
        let run = run(&["-m", "128M", "--release", "--append", parameter], "selftest; failslab");
        run.expect_status(0);
        run.expect(&[
            PASSED[0],
            PASSED[2],
            "selftest: examples: skipped: requests fail on purpose\n",
            "selftest: heap: skipped: requests fail on purpose\n",
        ]);
        run.expect(&["selftest: all ", " suites passed, "]);
        assert!(!run.output_of("failslab").contains(" 0 failed"), "{parameter}: {}", run.text);
    }
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 9] = [
    ("objects: on small and large machines", everywhere),
    ("objects: while caches are debugged", debugging),
    ("objects: where there is no memory", without_memory),
    ("objects: a parameter that can not be read", unreadable),
    ("objects: seeds of slab_freelist_random=", seeds),
    ("objects: who gives back wrongly is named", call_sites),
    ("objects: a line for each that comes and goes", trace),
    ("objects: failslab=: those requests fail and no other", failures),
    ("objects: every suite passes while requests fail", suites_with_failures),
];
