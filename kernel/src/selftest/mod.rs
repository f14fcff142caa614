//! Tests that only the booted kernel can make: of what the processor does, not of arithmetic.
//!
//! A suite is a function that makes checks; one row in [`SUITES`] adds it. A check that fails is
//! printed and counted, and the suite goes on. Suites leave the kernel as they found it: frames,
//! mappings, registers.
//!
//! ```text
//! selftest: kuser: ok, 311 checks
//! selftest: pmu: skipped: no instruction counter
//! selftest: all 4 suites passed, 1 skipped
//! ```
//!
//! A suite whose subject this machine does not have says so, and is skipped: no check is made up.

mod call_site;
mod dma;
mod edges;
mod examples;
mod exceptions;
mod exports;
mod faults;
mod heap;
mod hoard;
mod ioremap;
mod irqs;
mod kfence;
mod kmap;
mod kuser;
mod layout;
mod ledger;
mod lock;
mod meminit;
mod object_soak;
mod objects;
mod owner;
mod pace;
mod page_tables;
mod pages;
mod pmu;
mod poison;
mod probe;
mod shortage;
mod soak;
mod stacks;
mod tables;
mod ticks;
mod user_faults;
mod user_mode;
mod variadic;
mod vmalloc;
mod window;
mod zones;

use core::fmt;

use crate::console::println;
use crate::monitor::Kernel;

pub use exceptions::on_supervisor_call;

/// Some checks that belong together.
pub struct Suite {
    /// The word that the monitor knows it by.
    pub name: &'static str,
    /// What it shows.
    pub what: &'static str,
    /// Makes the checks.
    pub run: fn(&mut Kernel, &mut Checks),
}

/// Every suite, in the order in which they run.
pub const SUITES: &[Suite] = &[
    Suite { name: "layout", what: "regions and zones are the decided ones", run: layout::run },
    Suite { name: "edges", what: "each region ends where it should", run: edges::run },
    Suite { name: "tables", what: "the MMU translates as the tables say", run: tables::run },
    Suite {
        name: "page-tables",
        what: "tables change while they are in use",
        run: page_tables::run,
    },
    Suite { name: "ioremap", what: "device memory has one type at a time", run: ioremap::run },
    Suite { name: "zones", what: "requests get pages of their zone", run: zones::run },
    SOAK,
    Suite { name: "shortage", what: "without memory requests fail, no more", run: shortage::run },
    Suite { name: "faults", what: "any request may fail, and nothing is lost", run: faults::run },
    Suite { name: "poison", what: "a write into a free page is noticed", run: poison::run },
    Suite { name: "owner", what: "who took a block is known", run: owner::run },
    Suite { name: "pages", what: "pages by address, and many at once", run: pages::run },
    Suite { name: "objects", what: "what is given back wrongly is found", run: objects::run },
    OBJECT_SOAK,
    Suite { name: "kfence", what: "what is done beside an object is found", run: kfence::run },
    Suite { name: "meminit", what: "who asks for zeroes gets them", run: meminit::run },
    Suite { name: "examples", what: "what the first modules in books do", run: examples::run },
    Suite { name: "exports", what: "what modules call does what C says", run: exports::run },
    Suite { name: "heap", what: "collections get memory, and give it back", run: heap::run },
    Suite { name: "window", what: "every frame can be looked at, lowmem or not", run: window::run },
    Suite { name: "kmap", what: "frames are mapped for a while, and then not", run: kmap::run },
    Suite { name: "vmalloc", what: "areas are mapped, found and flushed", run: vmalloc::run },
    Suite { name: "dma", what: "what devices look at is not cached", run: dma::run },
    Suite { name: "stacks", what: "code runs on stacks with guard pages", run: stacks::run },
    Suite {
        name: "exceptions",
        what: "every register comes back, from any stack and nested",
        run: exceptions::run,
    },
    Suite {
        name: "call-site",
        what: "who asked for memory is found on the stack",
        run: call_site::run,
    },
    Suite { name: "probe", what: "accesses that may fault, and translations", run: probe::run },
    Suite { name: "variadic", what: "arguments of C lie in a row", run: variadic::run },
    Suite { name: "kuser", what: "the helpers that user mode calls", run: kuser::run },
    Suite { name: "user-faults", what: "what user mode may not do", run: user_faults::run },
    Suite { name: "irqs", what: "interrupts reach their handler, or are disabled", run: irqs::run },
    Suite { name: "lock", what: "the interrupt-saving lock keeps the tick out", run: lock::run },
    TICKS,
    Suite { name: "pmu", what: "executed instructions are counted exactly", run: pmu::run },
];

const SOAK: Suite =
    Suite { name: "soak", what: "no page has two owners, and all come back", run: soak::run };
const OBJECT_SOAK: Suite = Suite {
    name: "object-soak",
    what: "no object has two owners, and every slab comes back",
    run: object_soak::run,
};
const TICKS: Suite = Suite { name: "ticks", what: "no tick is lost under load", run: ticks::run };

/// What the functions of all suites have in front of their names.
const MODULE: &str = module_path!();

/// Failed checks that a suite prints; the rest is counted.
const SHOWN: u32 = 16;

/// The checks of one suite.
pub struct Checks {
    suite: &'static str,
    made: u32,
    failed: u32,
    skipped: Option<&'static str>,
}

impl Checks {
    /// No check can be made on this machine, for this reason.
    pub fn skip(&mut self, reason: &'static str) {
        self.skipped = Some(reason);
    }

    /// One check: `condition` holds. `what` says what that means, and is printed if it does not.
    pub fn that(&mut self, condition: bool, what: fmt::Arguments<'_>) {
        self.made += 1;
        if condition {
            return;
        }
        self.failed += 1;
        if self.failed <= SHOWN {
            println!("selftest: {}: FAILED: {what}", self.suite);
        }
    }

    /// One check: `seen` is `expected`. Both are printed if it is not.
    pub fn equal<T: PartialEq + fmt::Debug>(
        &mut self,
        seen: T,
        expected: T,
        what: fmt::Arguments<'_>,
    ) {
        let same = seen == expected;
        self.that(same, format_args!("{what}: {seen:#x?}, expected {expected:#x?}"));
    }
}

/// Checks failed.
pub struct Failed {
    /// How many suites they were in.
    failed: usize,
    /// How many suites ran.
    ran: usize,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "selftest: {} of {} suites failed", self.failed, self.ran)
    }
}

/// The suites' names, in the order of [`SUITES`].
pub const fn names() -> [&'static str; SUITES.len()] {
    let mut names = [""; SUITES.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = SUITES[index].name;
        index += 1;
    }
    names
}

/// Runs the suite of this place in [`SUITES`], or all of them, and prints how each went.
///
/// # Errors
///
/// When a check failed.
pub fn run(kernel: &mut Kernel, suite: Option<usize>) -> Result<(), Failed> {
    let chosen = |&(index, _): &(usize, &Suite)| suite.is_none_or(|suite| suite == index);
    let (mut ran, mut failed, mut skipped) = (0, 0, 0);
    for (_, suite) in SUITES.iter().enumerate().filter(chosen) {
        ran += 1;
        match outcome(suite, |checks| (suite.run)(kernel, checks)) {
            Outcome::Passed => {}
            Outcome::Skipped => skipped += 1,
            Outcome::Failed => failed += 1,
        }
    }
    if failed > 0 {
        return Err(Failed { failed, ran });
    }
    match (suite, ran - skipped) {
        (Some(_), _) => {}
        (None, passed) if skipped == 0 => println!("selftest: all {passed} suites passed"),
        (None, passed) => println!("selftest: all {passed} suites passed, {skipped} skipped"),
    }
    Ok(())
}

/// Runs the suite `ticks` for so many seconds, where the suite itself takes one.
///
/// # Errors
///
/// When a check failed.
pub fn run_ticks(kernel: &mut Kernel, seconds: u32) -> Result<(), Failed> {
    match outcome(&TICKS, |checks| ticks::run_for(kernel, seconds, checks)) {
        Outcome::Passed | Outcome::Skipped => Ok(()),
        Outcome::Failed => Err(Failed { failed: 1, ran: 1 }),
    }
}

/// Runs the suite `soak` for so many operations, of the sequence of this seed.
///
/// # Errors
///
/// When a check failed.
pub fn run_soak(kernel: &mut Kernel, operations: u32, seed: u32) -> Result<(), Failed> {
    match outcome(&SOAK, |checks| soak::run_for(kernel, operations, seed, checks)) {
        Outcome::Passed | Outcome::Skipped => Ok(()),
        Outcome::Failed => Err(Failed { failed: 1, ran: 1 }),
    }
}

/// Runs the suite `object-soak` for so many operations, of the sequence of this seed.
///
/// # Errors
///
/// When a check failed.
pub fn run_object_soak(kernel: &mut Kernel, operations: u32, seed: u32) -> Result<(), Failed> {
    match outcome(&OBJECT_SOAK, |checks| object_soak::run_for(kernel, operations, seed, checks)) {
        Outcome::Passed | Outcome::Skipped => Ok(()),
        Outcome::Failed => Err(Failed { failed: 1, ran: 1 }),
    }
}

/// The watcher of the tick, of which there is one, for the suites that want to be interrupted.
fn on_tick() {
    call_site::on_tick();
    lock::on_tick();
    object_soak::on_tick();
    soak::on_tick();
    window::on_tick();
}

/// How a suite went.
enum Outcome {
    Passed,
    Skipped,
    Failed,
}

/// Makes the checks of `run` as those of `suite`, and prints how that went.
fn outcome(suite: &Suite, run: impl FnOnce(&mut Checks)) -> Outcome {
    let name = suite.name;
    let mut checks = Checks { suite: name, made: 0, failed: 0, skipped: None };
    run(&mut checks);
    match checks {
        Checks { made: 0, skipped: Some(reason), .. } => {
            println!("selftest: {name}: skipped: {reason}");
            Outcome::Skipped
        }
        Checks { made: made @ 1.., failed: 0, skipped: None, .. } => {
            println!("selftest: {name}: ok, {made} checks");
            Outcome::Passed
        }
        // A suite that checks nothing, and does not say why, is broken too.
        Checks { made, failed, .. } => {
            println!("selftest: {name}: FAILED, {failed} of {made} checks ({})", suite.what);
            Outcome::Failed
        }
    }
}
