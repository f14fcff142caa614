//! The four distributions of memory over zones, as boots show them, and where requests land in each.

use crate::run::run;

/// What to boot with, the zones that there are, and the end of DMA.
type Distribution = (&'static [&'static str], &'static [&'static str], u32);

const DISTRIBUTIONS: [Distribution; 4] = [
    (&["--append", "dma_zone=16M"], &["DMA", "Normal", "HighMem"], 0x4100_0000),
    (&[], &["DMA", "HighMem"], 0x7000_0000),
    (&["-m", "512M", "--append", "dma_zone=64M"], &["DMA", "Normal"], 0x4400_0000),
    (&["-m", "512M"], &["DMA"], 0x6000_0000),
];

/// Requests, and the zones that they may use, best first.
const REQUESTS: [(&str, &[&str]); 8] = [
    ("GFP_DMA", &["DMA"]),
    ("GFP_ATOMIC|GFP_DMA", &["DMA"]),
    ("GFP_KERNEL", &["Normal", "DMA"]),
    ("GFP_ATOMIC", &["Normal", "DMA"]),
    ("GFP_NOWAIT", &["Normal", "DMA"]),
    ("GFP_USER|__GFP_ZERO", &["Normal", "DMA"]),
    ("GFP_HIGHUSER", &["HighMem", "Normal", "DMA"]),
    ("GFP_HIGHUSER_MOVABLE", &["HighMem", "Normal", "DMA"]),
];

pub fn distributions() {
    for (options, zones, dma_end) in DISTRIBUTIONS {
        let by_flags = REQUESTS.map(|(flags, _)| format!("alloc 2 {flags}"));
        let by_zone: Vec<_> = zones.iter().map(|zone| format!("alloc 0 {zone}")).collect();
        let allocs = [&by_flags[..], &by_zone].concat().join("; ");
        let run = run(options, &format!("zoneinfo; buddyinfo; selftest zones; {allocs}"));
        run.expect_status(0);
        run.expect(&["selftest: zones: ok, "]);
        let name = |line: &str| line.split_whitespace().nth(3).unwrap().to_string();
        let listed: Vec<_> = run.output_of("buddyinfo").lines().map(name).collect();
        assert_eq!(listed, zones, "{options:?}");
        for zone in zones {
            assert!(run.output_of("zoneinfo").contains(&format!("Node 0, zone {zone:>8}\n")));
            let taken = run.taken(&format!("alloc 0 {zone}"));
            assert_eq!(taken.zone, *zone, "{options:?}");
        }
        for ((flags, usable), alloc) in REQUESTS.iter().zip(&by_flags) {
            let taken = run.taken(alloc);
            let best = usable.iter().find(|zone| zones.contains(zone)).unwrap();
            assert_eq!(taken.zone, **best, "{flags}, {options:?}");
            assert_eq!(taken.phys < dma_end, *best == "DMA", "{taken:?}, {options:?}");
            assert_eq!(taken.virt.is_some(), *best != "HighMem", "{taken:?}, {options:?}");
        }
    }
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 1] =
    [("zones: four distributions, and where requests land", distributions)];
