//! Whole boots under QEMU, each a test of its own name, run the way a user runs them: by
//! `cargo xtask run`, or the xtask binary that `VMSPLIT_XTASK` names.
//!
//! What a booted kernel reads back of its layout is held against the prediction, and the prediction
//! is held against the recorded Linux layouts by the oracle test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod banks;
mod broken;
mod builds;
mod dead_kernel;
mod disk;
mod disk_faults;
mod entry;
mod explain;
mod explain_host;
mod images;
mod initrd;
mod interrupts;
mod keyboard;
mod kfence;
mod module_memory;
mod modules;
mod monitor;
mod oddities;
mod page_debug;
mod pages;
mod read_back;
mod reports;
mod run;
mod selftest;
mod serial;
mod shortage;
mod slabs;
mod soak;
mod source;
mod trees;
mod unusable;
mod vmalloc;
mod zones;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// A boot, or some, and what they show.
type NamedBoot = (&'static str, fn());

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each boot keeps a core busy.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let mut trials: Vec<Trial> = read_back::CONFIGURATIONS
        .into_iter()
        .map(|boot| {
            Trial::test(format!("read back: {}", boot.name()), move || {
                boot.compare();
                Ok(())
            })
        })
        .collect();
    trials.extend(broken::TREES.iter().chain(unusable::TREES).map(|tree| {
        Trial::test(format!("broken tree: {}", tree.name), || {
            tree.boot();
            Ok(())
        })
    }));
    trials.extend(explain::BOOTS.into_iter().map(|boot| {
        Trial::test(format!("explain: {}", boot.name()), move || {
            boot.check();
            Ok(())
        })
    }));
    let boots: [&[NamedBoot]; 26] = [
        &monitor::BOOTS,
        &pages::BOOTS,
        &page_debug::BOOTS,
        &slabs::BOOTS,
        &kfence::BOOTS,
        &vmalloc::BOOTS,
        &module_memory::BOOTS,
        &modules::BOOTS,
        &disk::BOOTS,
        &disk_faults::BOOTS,
        &initrd::BOOTS,
        &zones::BOOTS,
        &shortage::BOOTS,
        &soak::BOOTS,
        &keyboard::BOOTS,
        &selftest::BOOTS,
        &interrupts::BOOTS,
        &reports::BOOTS,
        &explain::NAMED_BOOTS,
        &explain_host::BOOTS,
        &read_back::BOOTS,
        &banks::BOOTS,
        &trees::BOOTS,
        &entry::BOOTS,
        &oddities::BOOTS,
        &builds::BOOTS,
    ];
    for &(name, test) in boots.into_iter().flatten() {
        trials.push(Trial::test(name, move || -> Result<(), Failed> {
            test();
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
