//! Tests that only the booted kernel can make: of what the processor does, not of arithmetic.
//!
//! A suite is a function that makes checks; one row in [`SUITES`] adds it. A check that fails is
//! printed and counted, and the suite goes on. Suites leave the kernel as they found it: frames,
//! mappings, registers.
//!
//! ```text
//! selftest: kuser: ok, 311 checks
//! selftest: all 4 suites passed
//! ```

mod buddy;
mod exceptions;
mod kuser;
mod layout;
mod probe;
mod tables;
mod user_faults;
mod user_mode;

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
    Suite { name: "tables", what: "the MMU translates as the tables say", run: tables::run },
    Suite { name: "buddy", what: "no page has two owners, and all come back", run: buddy::run },
    Suite {
        name: "exceptions",
        what: "every register comes back, from any stack and nested",
        run: exceptions::run,
    },
    Suite { name: "probe", what: "accesses that may fault, and translations", run: probe::run },
    Suite { name: "kuser", what: "the helpers that user mode calls", run: kuser::run },
    Suite { name: "user-faults", what: "what user mode may not do", run: user_faults::run },
];

/// Failed checks that a suite prints; the rest is counted.
const SHOWN: u32 = 16;

/// The checks of one suite.
pub struct Checks {
    suite: &'static str,
    made: u32,
    failed: u32,
}

impl Checks {
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

/// Why a self-test is an error.
pub enum Error<'w> {
    /// No suite has this name.
    NoSuite {
        /// The name.
        name: &'w str,
    },
    /// Checks failed.
    Failed {
        /// How many suites they were in.
        failed: usize,
        /// How many suites ran.
        ran: usize,
    },
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuite { name } => {
                write!(f, "selftest: no suite is called {name}; there are")?;
                SUITES.iter().try_for_each(|suite| write!(f, " {}", suite.name))
            }
            Self::Failed { failed, ran } => write!(f, "selftest: {failed} of {ran} suites failed"),
        }
    }
}

/// Runs the suite called `name`, or all of them, and prints how each went.
///
/// # Errors
///
/// See [`Error`].
pub fn run<'w>(kernel: &mut Kernel, name: Option<&'w str>) -> Result<(), Error<'w>> {
    let chosen = |suite: &&Suite| name.is_none_or(|name| suite.name == name);
    let (mut ran, mut failed) = (0, 0);
    for suite in SUITES.iter().filter(chosen) {
        let mut checks = Checks { suite: suite.name, made: 0, failed: 0 };
        (suite.run)(kernel, &mut checks);
        ran += 1;
        let Checks { made, failed: bad, .. } = checks;
        // A suite that checks nothing is broken too.
        if bad == 0 && made > 0 {
            println!("selftest: {}: ok, {made} checks", suite.name);
        } else {
            failed += 1;
            println!("selftest: {}: FAILED, {bad} of {made} checks ({})", suite.name, suite.what);
        }
    }
    match (name, ran, failed) {
        (Some(name), 0, _) => return Err(Error::NoSuite { name }),
        (_, ran, 1..) => return Err(Error::Failed { failed, ran }),
        (None, ran, 0) => println!("selftest: all {ran} suites passed"),
        (Some(_), ..) => {}
    }
    Ok(())
}
