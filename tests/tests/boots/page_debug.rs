//! The parameters that have the page allocator look for the mistakes of others: `page_poison=`,
//! `page_owner=` and `fail_page_alloc=`.

use crate::run::run;

const POISONED: &str = "page_poison: free pages hold 0xaa\n";
const OWNED: &str = "page_owner: who takes pages is remembered\n";

/// Debug and release.
const BUILDS: [&[&str]; 2] = [&[], &["--release"]];

pub fn poison() {
    for build in BUILDS {
        let run = run(&[build, &["--append", "page_poison=1"]].concat(), "selftest; version");
        run.expect_status(0);
        run.expect(&[POISONED, "selftest: poison: ok, ", " suites passed, 3 skipped\n"]);
        // One in each zone, and no other.
        let found = "pagealloc: memory corruption: byte 0x5a at 0x";
        assert_eq!(run.text.matches(found).count(), 2, "{}", run.text);
        let kept = "123 in the free block of order 0 at pfn 0x";
        assert_eq!(run.text.matches(kept).count(), 2, "{}", run.text);
        assert!(!run.text.contains("Last freed by"), "nobody remembers: {}", run.text);
        run.expect(&["vmsplit> version\nvmsplit 0."]);
    }
}

pub fn owner() {
    for build in BUILDS {
        let run = run(&[build, &["--append", "page_owner=1"]].concat(), "selftest");
        run.expect_status(0);
        run.expect(&[OWNED, "selftest: owner: ok, ", " suites passed, 3 skipped\n"]);
    }
}

/// Who wrote into the page is not known, but who had it last.
pub fn poison_and_owner() {
    let parameters = "page_poison=1 page_owner=1";
    let run = run(&["-m", "256M", "--append", parameters], "selftest poison");
    run.expect_status(0);
    run.expect(&[POISONED, OWNED]);
    run.expect(&[
        "pagealloc: memory corruption: byte 0x5a at 0x",
        ", which is kept out of circulation\nLast freed by: 0xc0",
        " in vmsplit::selftest::poison::",
        "BUG: Bad page state: pfn 0x",
        "selftest: poison: ok, ",
    ]);
}

pub fn failures() {
    let allocs: Vec<_> = (0..10).map(|n| format!("alloc {n} GFP_KERNEL|__GFP_NOWARN")).collect();
    for (value, failing) in [("3", &[2][..]), ("5,100,0,-1", &[4, 9]), ("2,100,0,3", &[1, 3, 5])] {
        let parameter = format!("fail_page_alloc={value}");
        let run = run(&["--append", &parameter], &allocs.join("; "));
        run.expect_status(1);
        run.expect(&["fail_page_alloc: ", "\n"]);
        for (n, alloc) in allocs.iter().enumerate() {
            let failed = run.output_of(alloc).starts_with("error: no free block of order ");
            assert_eq!(failed, failing.contains(&n), "{parameter}: {alloc}\n{}", run.text);
        }
    }
    let late = "page_owner=1 page_poison=1 fail_page_alloc=7,50,100,-1";
    let run = run(&["-m", "256M", "--append", late], "selftest faults; selftest poison; fail");
    run.expect_status(0);
    run.expect(&[POISONED, OWNED, "fail_page_alloc: 7,50,100,-1\n"]);
    run.expect(&["selftest: faults: skipped: requests fail on purpose\n"]);
    run.expect(&["selftest: poison: ok, "]);
}

/// What can not be read is named, and off.
pub fn bad_values() {
    for (parameter, warning) in [
        ("fail_page_alloc=x", "\"x\" in fail_page_alloc=: N, or INTERVAL,PROBABILITY,SPACE,TIMES"),
        ("fail_page_alloc=1,200,0,1", "\"200\" in fail_page_alloc=: "),
        ("page_poison=maybe", "page_poison=maybe: 1 or 0 was expected; it is off\n"),
        ("page_owner=2", "page_owner=2: 1 or 0 was expected; it is off\n"),
    ] {
        let run = run(&["--append", parameter], "alloc 0; selftest poison; page_owner");
        run.expect_status(1);
        run.expect(&[warning, "vmsplit> alloc 0\npfn 0x"]);
        run.expect(&["selftest: poison: skipped: page_poison is off\n"]);
        run.expect(&["error: who takes pages is only known with page_owner=1\n"]);
        let first = run.text.lines().filter(|line| line.starts_with("fail_page_alloc: ")).count();
        assert_eq!(first, 0, "{}", run.text);
    }
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 5] = [
    ("page_poison=1: a write into a free page is found", poison),
    ("page_owner=1: every suite passes, and owners are known", owner),
    ("page_poison=1 page_owner=1: who had the page last", poison_and_owner),
    ("fail_page_alloc=: those requests fail and no other", failures),
    ("page_poison=, page_owner=, fail_page_alloc=: bad values", bad_values),
];
