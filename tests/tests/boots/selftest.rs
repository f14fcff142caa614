//! The kernel's self-tests, on each processor and under the highest and the lowest split.

use crate::run::run;

/// Suites that must have run.
const SUITES: [&str; 22] = [
    "page-tables",
    "ioremap",
    "vmalloc",
    "stacks",
    "zones",
    "soak",
    "objects",
    "object-soak",
    "meminit",
    "module-memory",
    "examples",
    "exports",
    "heap",
    "shortage",
    "faults",
    "window",
    "exceptions",
    "call-site",
    "probe",
    "variadic",
    "kuser",
    "user-faults",
];

pub fn on(cpu: &str) {
    // Under the second split all memory is lowmem.
    let kinds = [
        (&["--vmsplit", "3g"][..], "selftest: kmap: ok, ", "passed, 4 skipped\n"),
        (
            &["--vmsplit", "1g", "-m", "2G"],
            "selftest: kmap: skipped: no HighMem\n",
            "passed, 5 skipped\n",
        ),
    ];
    for (options, kmap, skipped) in kinds {
        let options = [&["--cpu", cpu], options].concat();
        let run =
            run(&options, "ptdump; drain; buddyinfo; selftest; drain; buddyinfo; ptdump; layout");
        run.expect_status(0);
        for suite in SUITES {
            run.expect(&[&format!("selftest: {suite}: ok, ")]);
        }
        run.expect(&["vmsplit> selftest\n", "selftest: all ", " suites passed"]);
        run.expect(&["selftest: poison: skipped: page_poison is off\n"]);
        run.expect(&["selftest: owner: skipped: page_owner is off\n"]);
        run.expect(&["selftest: pmu: skipped: no instruction counter\n", skipped]);
        run.expect(&[kmap]);
        assert!(!run.text.contains("FAILED"), "{}", run.text);
        // The kernel is as it was before.
        let (_, after) = run.text.split_once(" suites passed").unwrap();
        for command in ["buddyinfo", "ptdump"] {
            let echo = format!("vmsplit> {command}\n{}vmsplit> ", run.output_of(command));
            assert!(after.contains(&echo), "{command} is not what it was in:\n{}", run.text);
        }
    }
}

pub fn optimised() {
    let run = run(&["--release"], "selftest");
    run.expect_status(0);
    run.expect(&["selftest: all ", " suites passed"]);
}

pub fn by_name() {
    let one = run::<&str>(&[], "selftest kuser");
    one.expect_status(0);
    one.expect(&["selftest: kuser: ok, "]);
    assert!(!one.output_of("selftest kuser").contains("probe"), "{}", one.text);
    let none = run::<&str>(&[], "selftest nonsense");
    none.expect_status(1);
    none.expect(&["error: nonsense is no suite: layout, edges, "]);
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 4] = [
    ("selftest: every suite passes on a Cortex-A15", || on("cortex-a15")),
    ("selftest: every suite passes on a Cortex-A7", || on("cortex-a7")),
    ("selftest: every suite passes in a release build", optimised),
    ("selftest: one suite by its name", by_name),
];
