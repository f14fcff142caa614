//! Whole boots under QEMU, each a test of its own name, run the way a user runs them: by
//! `cargo xtask run`, or the xtask binary that `VMSPLIT_XTASK` names.
//!
//! What a booted kernel reads back of its layout is held against the prediction, and the prediction
//! is held against the recorded Linux layouts by the oracle test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod builds;
mod entry;
mod explain;
mod monitor;
mod read_back;
mod run;
mod trees;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

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
    trials.extend(explain::BOOTS.into_iter().map(|boot| {
        Trial::test(format!("explain: {}", boot.name()), move || {
            boot.check();
            Ok(())
        })
    }));
    let named: [(&str, fn()); 28] = [
        ("run: no terminal, no --exec", monitor::run_without_anything),
        ("run: a failed command is exit status 1", monitor::failed_command),
        ("run: wrong arguments are exit status 2", monitor::wrong_arguments),
        ("layout: the host prints what the kernel prints", read_back::host_and_kernel_print_alike),
        ("boot log: the lines that Linux has", monitor::boot_log),
        ("boot log: memblock=debug", monitor::memblock_debug),
        ("monitor: every report has its form", monitor::reports),
        ("monitor: help, and words that are no command", monitor::monitor_errors),
        ("monitor: alloc and free balance", monitor::alloc_and_free),
        ("monitor: reboot", monitor::reboot),
        ("page tables: rights of each section", monitor::rights),
        ("banks with a hole, by --dtb, in HighMem", trees::banks_in_highmem),
        ("banks with a hole, by --dtb, in lowmem", trees::banks_in_lowmem),
        ("overlapping banks stop the boot", trees::overlapping_banks),
        ("reservations of every kind, by --dtb", trees::reservations),
        ("an initrd is kept, one in the air is not", trees::initrd),
        ("a build with a shifted mapping is caught", builds::shifted_mapping),
        ("a build with a planted W+X page is caught", builds::planted_wx),
        ("a raw image at odd pages, near and on its linked place", entry::odd_pages),
        ("an image off a page boundary, and one without a tree, stop", entry::unusable_places),
        ("an initrd in the kernel's place is moved", trees::initrd_in_the_way),
        ("a tree without a PL011, and no-map memory off a page boundary", trees::odd_trees),
        ("explain: reservations, an initrd, banks out of reach", explain::odd_tree),
        ("explain: seven hundred banks", explain::many_banks),
        ("explain: single addresses", explain::addresses),
        ("seven hundred banks", trees::many_banks),
        ("HYP entry, PSCI by smc", entry::hyp_entry),
        ("a release build boots the same", builds::release_build),
    ];
    for (name, test) in named {
        trials.push(Trial::test(name, move || -> Result<(), Failed> {
            test();
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
