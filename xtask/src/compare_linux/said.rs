//! What Linux says of itself, read from the console.
//!
//! Everything here is text that another kernel printed, perhaps of another age, perhaps with a message in the middle of
//! a line. So a line that is not understood is passed over, and what was not said is `None`: nothing is invented.

use std::collections::BTreeMap;

use serde::Serialize;

use super::boot::without_time;
use super::initramfs::{FAILED, MARK};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// A zone, in page frames.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its first frame.
    pub start_pfn: u64,
    /// Frames from the first to the last.
    pub spanned: u64,
    /// Those that are memory.
    pub present: u64,
    /// Those that the allocator got.
    pub managed: u64,
    /// Those that are free.
    pub free: u64,
}

/// What was said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Said {
    /// `uname -r`.
    pub release: String,
    /// `uname -v`.
    pub version: String,
    /// Zones that span anything, from `/proc/zoneinfo`.
    pub zones: Vec<Zone>,
    /// `/proc/meminfo`, in kB.
    pub meminfo: BTreeMap<String, u64>,
    /// The areas of `/proc/vmallocinfo`.
    #[serde(skip)]
    pub vmalloc: Vec<(u64, u64)>,
    /// *Kernel code* of `/proc/iomem`: first byte, and the one behind the last.
    pub code: Option<(u64, u64)>,
    /// *Kernel data* of `/proc/iomem`.
    pub data: Option<(u64, u64)>,
    /// Where the kernel's code is mapped: `_stext` of `/proc/kallsyms`.
    pub stext: Option<u64>,
    /// Where the stack of a process ends, unless placed at random: the end of user space.
    pub stack_end: Option<u64>,
    /// Where the lowest module is.
    pub module: Option<u64>,
    /// Something in the script failed.
    pub failed: bool,
}

/// The parts of `console`, by name, with their lines.
fn parts(console: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current = None;
    for line in console.lines().map(str::trim_end) {
        if let Some(name) = line.strip_prefix(MARK) {
            current = Some(name);
            parts.entry(name).or_default();
        } else if let Some(name) = current {
            parts.entry(name).or_default().push(line);
        }
    }
    parts
}

/// A range such as `40208000-411fffff`.
fn range(text: &str) -> Option<(u64, u64)> {
    let (start, end) = text.split_once('-')?;
    let hex = |digits: &str| {
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        u64::from_str_radix(digits, 16).ok()
    };
    Some((hex(start)?, hex(end)?))
}

impl Said {
    /// Reads all that was printed.
    pub fn read(console: &str) -> Self {
        let parts = parts(console);
        let lines = |name: &str| parts.get(name).map(Vec::as_slice).unwrap_or_default();
        let first = |name: &str| lines(name).first().copied().unwrap_or_default().to_owned();
        let resource = |name: &str| {
            let (range_text, _) = lines("iomem")
                .iter()
                .filter_map(|line| line.trim().split_once(" : "))
                .find(|(_, what)| *what == name)?;
            let (start, last) = range(range_text)?;
            // Zeroes are shown to those who must not know.
            (last != 0).then_some((start, last + 1))
        };
        Self {
            release: first("release"),
            version: first("version"),
            zones: zones(lines("zoneinfo")),
            meminfo: meminfo(lines("meminfo")),
            vmalloc: vmalloc(lines("vmallocinfo")),
            code: resource("Kernel code"),
            data: resource("Kernel data"),
            stext: lines("kallsyms").iter().find_map(|line| stext(line)),
            stack_end: lines("self/maps").iter().find_map(|line| stack_end(line)),
            module: lines("modules").iter().filter_map(|line| module(line)).min(),
            failed: parts.contains_key(FAILED),
        }
    }

    /// A figure of `/proc/meminfo`, in kB.
    pub fn kib(&self, name: &str) -> Option<u64> {
        self.meminfo.get(name).copied()
    }

    /// The vmalloc region: it ends where its highest area does, since per-CPU memory is taken from the top, and is as
    /// long as `VmallocTotal`. `None` unless an area begins where that says, as the first one does. Areas below it are
    /// of low memory that is mapped by pages.
    pub fn vmalloc_region(&self) -> Option<(u64, u64)> {
        const START_ALIGN: u64 = 8 << 20;
        let end = self.vmalloc.iter().map(|(_, end)| *end).max()?;
        let start = end.checked_sub(self.kib("VmallocTotal")?.checked_mul(1024)?)?;
        let is_taken = self.vmalloc.iter().any(|area| area.0 == start);
        (start.is_multiple_of(START_ALIGN) && is_taken).then_some((start, end))
    }

    /// Where low memory ends, physical, by the page: HighMem begins there, or the last zone ends there.
    pub fn lowmem_end(&self) -> Option<u64> {
        let high = self.zones.iter().find(|zone| !is_low(&zone.name)).map(|zone| zone.start_pfn);
        let low = || {
            let low = self.zones.iter().filter(|zone| is_low(&zone.name));
            low.map(|zone| zone.start_pfn + zone.spanned).max()
        };
        high.or_else(low).map(|pfn| pfn * PAGE)
    }
}

/// Is that a zone of low memory?
pub fn is_low(name: &str) -> bool {
    matches!(name, "DMA" | "DMA32" | "Normal")
}

/// The zones of the log's *Zone ranges*: name, first byte, and the one behind the last. All that a kernel says of them
/// that dies early.
pub fn zone_ranges(console: &str) -> Vec<(String, u64, u64)> {
    let lines = console.lines().map(|line| without_time(line.trim_end()));
    let ranges = lines.skip_while(|line| *line != "Zone ranges:").skip(1);
    let zone = |line: &str| {
        let (name, rest) = line.trim().split_once(' ')?;
        let (start, last) = range(rest.trim().strip_prefix("[mem ")?.strip_suffix(']')?)?;
        Some((name.to_owned(), start, last.checked_add(1)?))
    };
    ranges.take_while(|line| line.starts_with("  ")).filter_map(zone).collect()
}

fn zones(lines: &[&str]) -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    for line in lines {
        if let Some((_, name)) = line.split_once(", zone ") {
            zones.push(Zone { name: name.trim().to_owned(), ..Zone::default() });
            continue;
        }
        let Some(zone) = zones.last_mut() else { continue };
        let words: Vec<_> = line.split_whitespace().collect();
        let (field, text) = match words[..] {
            ["pages", "free", text] => (&mut zone.free, text),
            ["spanned", text] => (&mut zone.spanned, text),
            ["present", text] => (&mut zone.present, text),
            ["managed", text] => (&mut zone.managed, text),
            ["start_pfn:", text] => (&mut zone.start_pfn, text),
            _ => continue,
        };
        *field = text.parse().unwrap_or(*field);
    }
    zones.retain(|zone| zone.spanned > 0);
    zones
}

fn meminfo(lines: &[&str]) -> BTreeMap<String, u64> {
    let figure = |line: &&str| {
        let (name, rest) = line.split_once(':')?;
        let kib = rest.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((name.to_owned(), kib))
    };
    lines.iter().filter_map(figure).collect()
}

fn vmalloc(lines: &[&str]) -> Vec<(u64, u64)> {
    // Given back, and not yet removed.
    let areas = lines.iter().filter(|line| !line.contains("unpurged"));
    let areas = areas.filter_map(|line| range(line.split_whitespace().next()?));
    // An address that is scrambled is not one of the kernel's, or not of a page.
    areas.filter(|(start, end)| start < end && start % PAGE == 0 && end % PAGE == 0).collect()
}

fn stext(line: &str) -> Option<u64> {
    let (address, _) = line.strip_suffix(" _stext")?.split_once(' ')?;
    u64::from_str_radix(address, 16).ok().filter(|address| *address != 0)
}

fn module(line: &str) -> Option<u64> {
    let (_, address) = line.split_once(" Live 0x")?;
    let digits = address.split_whitespace().next()?;
    u64::from_str_radix(digits, 16).ok().filter(|address| *address != 0)
}

fn stack_end(line: &str) -> Option<u64> {
    let (_, end) = range(line.strip_suffix("[stack]")?.split_whitespace().next()?)?;
    // Placed at random in spite of what it was told: then it says nothing.
    end.is_multiple_of(1 << 20).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian's 6.1 with 1 GiB: as printed, with lines left out that nothing reads.
    const RECORDED: &str = include_str!("recorded/debian-6.1-1g.txt");

    #[test]
    fn a_debian_kernel_is_understood() {
        let said = Said::read(RECORDED);
        assert_eq!(said.release, "6.1.0-50-armmp");
        let zone = |name: &str, start_pfn, spanned, present, managed, free| Zone {
            name: name.into(),
            start_pfn,
            spanned,
            present,
            managed,
            free,
        };
        assert_eq!(
            said.zones,
            [
                zone("DMA", 262_144, 196_608, 196_608, 189_461, 185_777),
                zone("HighMem", 458_752, 65_536, 65_536, 65_536, 64_936)
            ]
        );
        assert_eq!(said.kib("MemTotal"), Some(1_019_988));
        assert_eq!(said.vmalloc_region(), Some((0xf080_0000, 0xff80_0000)));
        assert_eq!(said.lowmem_end(), Some(0x7000_0000));
        assert_eq!(said.code, Some((0x4020_8000, 0x4120_0000)));
        assert_eq!(said.data, Some((0x4140_0000, 0x4160_7588)));
        assert_eq!(said.stext, Some(0xc030_0000));
        assert_eq!(said.stack_end, Some(0xbf00_0000));
        assert_eq!(said.module, Some(0xbf00_0000));
        assert!(!said.failed);
    }

    #[test]
    fn zones_are_in_the_log_too() {
        let log = "\
[    0.000000] cma: Reserved 16 MiB at 0x7f000000\r
[    0.000000] Zone ranges:\r
[    0.000000]   DMA      [mem 0x0000000040000000-0x0000000041ffffff]\r
[    0.000000]   Normal   empty\r
[    0.000000]   HighMem  [mem 0x0000000042000000-0x000000007fffffff]\r
[    0.000000] Movable zone start for each node\r
";
        let expected = [("DMA", 0x4000_0000, 0x4200_0000), ("HighMem", 0x4200_0000, 0x8000_0000)];
        assert_eq!(zone_ranges(log), expected.map(|(name, a, b)| (name.to_owned(), a, b)));
        assert!(zone_ranges("Zone ranges:\n  DMA [mem 0x0-0xffffffffffffffff]\n").is_empty());
    }

    #[test]
    fn what_is_not_said_is_unknown() {
        let said = Said::read("");
        assert_eq!(said, Said::default());
        assert_eq!((said.vmalloc_region(), said.lowmem_end()), (None, None));
    }

    #[test]
    fn rubbish_between_the_lines_does_no_harm() {
        let mut text = String::new();
        for line in RECORDED.lines() {
            text.push_str(line);
            text.push_str("\r\n");
            if !line.starts_with(MARK) && !line.contains("release") {
                text.push_str("[    9.1] usb 1-1: new device: x-y : z, 12 kB\n\u{fffd}\n");
            }
        }
        // The first line of a part is what it says.
        let (said, clean) = (Said::read(&text), Said::read(RECORDED));
        assert_eq!((said.zones, said.stext), (clean.zones, clean.stext));
        assert_eq!((said.vmalloc, said.code), (clean.vmalloc, clean.code));
    }

    #[test]
    fn scrambled_or_hidden_addresses_are_unknown() {
        let hidden = RECORDED.replace("40208000-411fffff", "00000000-00000000");
        let hidden = hidden.replace("c0300000 T _stext", "00000000 T _stext");
        let hidden = hidden.replace("0xf0800000-", "0x7f1c22d3-").replace("Live 0xbf", "Live 0x00");
        let said = Said::read(&hidden.replace("0x00000000", "0x0"));
        assert_eq!((said.code, said.stext, said.vmalloc_region()), (None, None, None));
        assert_eq!(said.module, None);
    }

    #[test]
    fn a_zone_of_all_memory_ends_lowmem() {
        let text = "=== vmsplit-compare: zoneinfo\nNode 0, zone   Normal\n  pages free 5\n        \
                    spanned 16\n        present 16\n        managed 9\n  start_pfn:           262144\n";
        assert_eq!(Said::read(text).lowmem_end(), Some(0x4001_0000));
    }
}
