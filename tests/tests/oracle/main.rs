//! The pure layout against the recorded Linux layouts, a test for each row, and against the
//! computed vectors of configurations that Debian's kernel does not have.
//!
//! Every row is asked twice: of `mm` itself, and of the explorer's WebAssembly module, which a page asks.
//!
//! Three lists say where the two may differ, and nothing else may:
//!
//! - [`REPAIRED`]: rows in which Linux boots, and is wrong.
//! - [`DIED`]: rows that Linux did not survive, with the result that ours must have.
//! - [`LPAE`]: rows of the LPAE kernel in which the rules of the two formats coincide.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod computed;
mod facts;
mod module;
mod recorded;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use tests::oracle::{Row, rows};

use facts::Way;

/// Rows in which Linux boots and is wrong: command line or RAM, end of lowmem, end of RAM in
/// frames, and a line that ours prints.
const REPAIRED: [(&str, u64, u32, &str); 3] = [
    // 4 GiB or more is too big; Linux cuts it to 32 bits, and then it is too small.
    ("1G vmalloc=1T", 0x4200_0000, 0x80000, "vmalloc area is too big, limiting to 976MiB"),
    ("1G vmalloc=0x1p", 0x4200_0000, 0x80000, "vmalloc area is too big, limiting to 976MiB"),
    // The last page below 4 GiB; Linux's 32-bit end address loses it.
    ("3G", 0x7000_0000, 0x10_0000, ""),
];

/// Rows that Linux did not survive: end of lowmem, end of RAM in frames, a line that ours prints.
const DIED: [(&str, u64, u32, &str); 12] = [
    // No lowmem left to work with, or none for the page array: ours needs less.
    ("48M", 0x4300_0000, 0x43000, ""),
    ("512M vmalloc=1000M", 0x4200_0000, 0x60000, "vmalloc area is too big, limiting to 976MiB"),
    ("1G vmalloc=1G", 0x4200_0000, 0x80000, "vmalloc area is too big, limiting to 976MiB"),
    ("1G vmalloc=2G", 0x4200_0000, 0x80000, "vmalloc area is too big, limiting to 976MiB"),
    ("2G vmalloc=960M", 0x4300_0000, 0xc0000, ""),
    ("2G vmalloc=1G", 0x4200_0000, 0xc0000, "vmalloc area is too big, limiting to 976MiB"),
    ("2G vmalloc=2G", 0x4200_0000, 0xc0000, "vmalloc area is too big, limiting to 976MiB"),
    ("3G vmalloc=1G", 0x4200_0000, 0x10_0000, "vmalloc area is too big, limiting to 976MiB"),
    // A null pointer in Linux; here a warning and the default.
    ("1G vmalloc", 0x7000_0000, 0x80000, "vmalloc: a size is missing"),
    // All memory thrown away in Linux; here the kernel's own stays, or the parameter goes.
    ("1G mem=256M@0x50000000", 0x6000_0000, 0x60000, "mem=: leaves out the running kernel"),
    ("1G mem=abc", 0x7000_0000, 0x80000, "mem=abc: names no whole page of memory"),
    ("1G mem=0", 0x7000_0000, 0x80000, "mem=0: names no whole page of memory"),
];

/// Rows of the LPAE kernel that must agree. The one that is missing has RAM above 4 GiB.
const LPAE: [&str; 6] = [
    "lpae 512M",
    "lpae 1G",
    "lpae 2G",
    // With 64-bit ends LPAE keeps the last page below 4 GiB, as ours does.
    "lpae 3G",
    "lpae 1G vmalloc=128M",
    "lpae 1G vmalloc=496M",
];

/// How a row is judged.
type Judge = fn(Way, &Row) -> Result<(), Failed>;

fn judge(row: &Row) -> Judge {
    let name = row.name();
    if row.is_lpae() {
        if LPAE.contains(&name.as_str()) { recorded::agrees } else { recorded::answers }
    } else if !row.boot_ok {
        recorded::survives
    } else if REPAIRED.iter().any(|repaired| repaired.0 == name) {
        recorded::repaired
    } else {
        recorded::agrees
    }
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for way in Way::ALL {
        for row in rows() {
            let (name, judge) = (row.name(), judge(&row));
            trials.push(Trial::test(format!("{}: recorded: {name}", way.name()), move || {
                judge(way, &row)
            }));
        }
        for (name, test) in computed::COMPUTED {
            trials.push(Trial::test(format!("{}: {name}", way.name()), move || test(way)));
        }
    }
    trials.push(Trial::test("lists: every entry names a row", every_entry_names_a_row));
    for (name, test) in module::TESTS {
        trials.push(Trial::test(name, test));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn every_entry_names_a_row() -> Result<(), Failed> {
    let names: Vec<String> = rows().iter().map(Row::name).collect();
    let entries = REPAIRED.iter().chain(&DIED).map(|entry| entry.0).chain(LPAE);
    for entry in entries {
        assert!(names.iter().any(|name| name == entry), "no row is named {entry}");
    }
    assert_eq!(names.len(), 132);
    Ok(())
}
