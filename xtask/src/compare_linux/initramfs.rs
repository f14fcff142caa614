//! The files that Linux finds when it has booted: `busybox`, and a script that prints what Linux says of itself.
//!
//! Each part of what it prints begins with a line of [`MARK`], so that a part that a kernel does not have is only
//! absent. The script never ends: it says that it is done, and the host takes it from there.

use anyhow::{Context as _, Result};
use cpio::newc;
use std::io::Write as _;

/// Begins the line before each part; its name is behind it.
pub const MARK: &str = "=== vmsplit-compare: ";
/// The name of the last part, which is empty.
pub const END: &str = "end";
/// The name of the part that says what went wrong in the script.
pub const FAILED: &str = "failed";

/// Linux's own messages stay away from the console while the script prints. With `kptr_restrict` at 1 root sees
/// addresses as they are: at 0 they are scrambled. The stack's end in `self/maps` is where user space ends, and the
/// first module goes where the module region begins.
const INIT: &str = r#"#!/bin/busybox sh
b=/bin/busybox
say() { echo "=== vmsplit-compare: $1"; }
$b mount -t proc proc /proc || say failed
$b dmesg -n 1
echo 1 > /proc/sys/kernel/kptr_restrict
say release
$b uname -r
say version
$b uname -v
for part in iomem zoneinfo meminfo vmallocinfo self/maps; do
    say $part
    $b cat /proc/$part
done
say kallsyms
$b grep -m 1 ' _stext$' /proc/kallsyms
say modules
[ ! -e /module.ko ] || $b insmod /module.ko
$b cat /proc/modules
say end
while :; do $b sleep 1000; done
"#;

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// One entry.
struct Entry<'a> {
    name: &'a str,
    mode: u32,
    device: (u32, u32),
    bytes: &'a [u8],
}

/// The archive. The same files give the same bytes.
///
/// # Errors
///
/// A file of 4 GiB, which the form has no number for.
pub fn pack(busybox: &[u8], module: Option<&[u8]>) -> Result<Vec<u8>> {
    let entry = |name, mode, bytes| Entry { name, mode, device: (0, 0), bytes };
    // A kernel without devtmpfs still has a console by this node.
    let console = Entry { device: (5, 1), ..entry("dev/console", CHARACTER_DEVICE, &[]) };
    let mut entries = vec![
        entry("bin", FOLDER, &[]),
        entry("dev", FOLDER, &[]),
        entry("proc", FOLDER, &[]),
        console,
        entry("bin/busybox", PROGRAM, busybox),
        entry("init", PROGRAM, INIT.as_bytes()),
    ];
    entries.extend(module.map(|module| entry("module.ko", FILE, module)));
    let mut archive = Vec::new();
    for (number, entry) in (1..).zip(&entries) {
        let length = u32::try_from(entry.bytes.len()).context(entry.name.to_owned())?;
        let (major, minor) = entry.device;
        let mut file = newc::Builder::new(entry.name)
            .ino(number)
            .mode(entry.mode)
            .nlink(1)
            .rdev_major(major)
            .rdev_minor(minor)
            .write(archive, length);
        file.write_all(entry.bytes)?;
        archive = file.finish()?;
    }
    Ok(newc::trailer(archive)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_has_a_console_and_two_programs() {
        let archive = pack(b"\x7fELF", Some(b"\x7fELF")).unwrap();
        let mut rest = archive.as_slice();
        let mut names = Vec::new();
        loop {
            let file = newc::Reader::new(rest).unwrap();
            if file.entry().is_trailer() {
                break;
            }
            names.push((file.entry().name().to_owned(), file.entry().mode()));
            rest = file.finish().unwrap();
        }
        let files: Vec<_> = names.iter().map(|(name, mode)| (name.as_str(), *mode)).collect();
        assert_eq!(files[3], ("dev/console", CHARACTER_DEVICE));
        assert_eq!(files[4..], [("bin/busybox", PROGRAM), ("init", PROGRAM), ("module.ko", FILE)]);
    }

    #[test]
    fn the_script_says_what_the_reader_waits_for() {
        assert!(INIT.contains(&format!("say() {{ echo \"{MARK}$1\"; }}")));
        assert!(
            INIT.contains(&format!("say {END}\n")) && INIT.contains(&format!("say {FAILED}\n"))
        );
    }
}
