//! Machines and settings that nobody has: a prediction is an answer that adds up, or a message; never a panic, an
//! overflow, or a search without end.
//!
//! The numbers are those at which sums go wrong: both ends of 32 and of 64 bits, odd ones, ranges that end before they
//! start, banks that share memory, reservations anywhere, words of a command line as they are never written.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use experiment::address::{Address, Range};
use experiment::answer::{Answer, Totals};
use experiment::configuration::Configuration;
use experiment::machine::{Held, Machine};
use experiment::predict::{Error, MAX_COMMAND_LINE, MAX_RANGES, predict};
use mm::addr::{PHYS_LIMIT_32, PhysAddr, PhysRange};
use mm::boot::memblock::{Memblock, Region};
use mm::boot::predict::Question;
use mm::boot::split::Split;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const GIB: u64 = 1 << 30;

/// Both ends of everything, and what is next to them.
const CORNERS: [u64; 11] = [
    0,
    0x1000,
    0x20_0000,
    0x4000_0000,
    0x7000_0000,
    0xbfff_f000,
    1 << 32,
    (1 << 32) + 0x20_0000,
    1 << 44,
    1 << 63,
    u64::MAX - 0xfff,
];

fn address() -> impl Strategy<Value = u64> {
    let near = select(&CORNERS[..]).prop_flat_map(|corner| {
        let low = corner.saturating_sub(0x1001);
        prop_oneof![Just(corner), low..=corner.saturating_add(0x1001)]
    });
    prop_oneof![4 => near, 1 => any::<u64>(), 4 => 0..1_u64 << 32, 1 => Just(u64::MAX)]
}

fn range() -> impl Strategy<Value = Range> {
    let ends = (address(), address());
    let length =
        prop_oneof![0..0x3000_u64, 0..GIB, (0..512_u64).prop_map(|mib| mib << 20), any::<u64>()];
    prop_oneof![
        1 => ends.prop_map(|(start, end)| Range { start: Address(start), end: Address(end) }),
        12 => (address(), length).prop_map(|(start, length)| Range {
            start: Address(start),
            end: Address(start.saturating_add(length)),
        }),
    ]
}

/// Banks that share no memory: neighbours of a sorted list of ends, in any order.
fn disjoint() -> impl Strategy<Value = Vec<Range>> {
    vec(address(), 2..24)
        .prop_map(|mut ends| {
            ends.sort_unstable();
            ends.dedup();
            let pairs = ends.chunks_exact(2);
            pairs.map(|pair| Range { start: Address(pair[0]), end: Address(pair[1]) }).collect()
        })
        .prop_shuffle()
}

/// Parameters that count, and what only looks like one.
const NAMES: [&str; 9] =
    ["mem", "vmalloc", "dma_zone", "nohighmem", "highmem", "memblock", "\"mem", "--", ""];

fn word() -> impl Strategy<Value = String> {
    let sizes = prop_oneof![
        select(vec![
            "",
            "0",
            "x",
            "-1",
            "1G",
            "976M",
            "0x",
            "16M\"",
            "1E",
            "18446744073709551615",
            "ü\u{1}"
        ])
        .prop_map(String::from),
        address().prop_map(|value| value.to_string()),
        address().prop_map(|value| format!("{value:#x}")),
        (0..4096_u64).prop_map(|mib| format!("{mib}M")),
    ];
    (select(&NAMES[..]), weighted(0.8, (sizes, weighted(0.4, address())))).prop_map(
        |(name, value)| {
            let mut word = name.to_owned();
            if let Some((size, at)) = value {
                let _ = write!(word, "={size}");
                if let Some(at) = at {
                    let _ = write!(word, "@{at:#x}");
                }
            }
            word
        },
    )
}

fn configuration() -> impl Strategy<Value = Configuration> {
    let line =
        prop_oneof![6 => vec(word(), 0..6).prop_map(|words| words.join(" ")), 1 => any::<String>()];
    (select(&Split::ALL[..]), line)
        .prop_map(|(split, command_line)| Configuration { split, command_line })
}

fn held() -> impl Strategy<Value = Held> {
    let name = weighted(0.7, prop_oneof![Just("ramoops@0".to_owned()), any::<String>()]);
    (range(), name, any::<bool>()).prop_map(|(range, name, no_map)| Held { range, name, no_map })
}

/// From one eighth of a bank to another, also backwards: where a kernel may be loaded.
fn inside(bank: Range, (from, to): (u64, u64)) -> Range {
    let step = bank.len() / 8;
    let at = |eighths| Address(bank.start.0 + step * eighths);
    Range { start: at(from), end: at(to) }
}

fn machine() -> impl Strategy<Value = Machine> {
    let banks = prop_oneof![3 => disjoint(), 1 => vec(range(), 0..6)];
    let loaded = || weighted(0.3, range());
    let kernel = weighted(0.5, (any::<Index>(), (0..9_u64, 0..9_u64), weighted(0.1, range())));
    (banks, vec(held(), 0..6), kernel, loaded(), loaded()).prop_map(
        |(banks, reservations, kernel, device_tree, initrd)| {
            let kernel = kernel.filter(|_| !banks.is_empty()).map(|(bank, eighths, anywhere)| {
                anywhere.unwrap_or_else(|| inside(*bank.get(&banks), eighths))
            });
            Machine { model: None, banks, reservations, kernel, device_tree, initrd }
        },
    )
}

fn sum(totals: &Totals) -> u128 {
    let Totals { usable, reserved, no_map, lost } = totals;
    let all = usable.values().chain(reserved.values()).chain(lost.values()).chain([no_map]);
    all.map(|&bytes| u128::from(bytes)).sum()
}

/// What is true of every answer.
fn check(machine: &Machine, answer: &Answer) {
    let ram: u128 = machine.banks.iter().map(|bank| u128::from(bank.len())).sum();
    assert_eq!(u128::from(answer.account.ram), ram, "the RAM is the banks'");
    assert_eq!(sum(&answer.account.tree), ram, "each byte is in one class");
    let pieces = answer.account.ranges.iter().filter(|piece| piece.in_tree);
    let pieces = pieces.map(|piece| u128::from(piece.end.0 - piece.start.0));
    assert_eq!(pieces.sum::<u128>(), ram, "and in one range");
    for region in &answer.layout.regions {
        assert!(region.start < region.end, "{region:?}");
        assert!(region.end.0 <= 1 << 32, "{region:?}");
    }
    let mut regions: Vec<_> =
        answer.layout.regions.iter().map(|one| (one.start, one.end)).collect();
    regions.sort_unstable();
    assert!(regions.windows(2).all(|pair| pair[0].1 <= pair[1].0), "regions overlap: {regions:?}");
    for (name, zone) in &answer.layout.zones {
        assert!(zone.start_pfn < zone.end_pfn && zone.present <= zone.spanned, "{name}: {zone:?}");
    }
    let text = serde_json::to_string(answer).unwrap();
    assert_eq!(
        &serde_json::from_str::<Answer>(&text).unwrap(),
        answer,
        "it is read as it is written"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn a_prediction_adds_up_or_says_why_there_is_none(
        machine in machine(),
        configuration in configuration(),
    ) {
        match predict(&machine, &configuration) {
            Ok(answer) => check(&machine, &answer),
            Err(Error::Unread(error)) => panic!("{error}"),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

/// A machine as the rules take it, with a `PHYS_OFFSET` that need not be in a bank and an image of any size.
fn question() -> impl Strategy<Value = (Machine, Configuration, Option<u64>, u64)> {
    let phys_offset =
        weighted(0.7, prop_oneof![9 => address().prop_map(|at| at & !0x1f_ffff), 1 => address()]);
    let image_bytes = prop_oneof![Just(0), Just(2 << 20), any::<u64>()];
    (machine(), configuration(), phys_offset, image_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_decide_or_refuse_whatever_they_are_asked_and_however_little_room_they_have(
        (machine, configuration, phys_offset, image_bytes) in question(),
        room in 0..40_usize,
    ) {
        let ranges = |ranges: Vec<Range>| ranges.into_iter().map(PhysRange::from).collect::<Vec<_>>();
        let no_map = ranges(machine.reservations.iter().map(|held| held.range).collect());
        let question = Question {
            banks: &ranges(machine.banks),
            no_map: &no_map,
            split: configuration.split,
            phys_offset: phys_offset.map(PhysAddr::new),
            command_line: &configuration.command_line,
            image_bytes,
        };
        let (mut memory, mut reserved) = (vec![Region::EMPTY; room], vec![Region::EMPTY; room]);
        let mut memblock = Memblock::new(&mut memory, &mut reserved);
        match mm::boot::predict::predict(&mut memblock, &question, &mut |_| ()) {
            Ok(layout) => {
                memblock.validate().unwrap();
                prop_assert!(layout.phys_offset < layout.lowmem_end);
                let top = memblock.mapped_memory().last().unwrap_or_default().end();
                prop_assert!(layout.lowmem_end <= top && top <= PHYS_LIMIT_32);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

fn plain(command_line: &str) -> Configuration {
    Configuration { split: Split::ThreeG, command_line: command_line.to_owned() }
}

/// `count` banks of 128 KiB, each with as much of nothing behind it.
fn many_banks(count: usize) -> Machine {
    let bank = |index: usize| {
        let start = 0x4000_0000 + ((index as u64) << 18);
        Range { start: Address(start), end: Address(start + (1 << 17)) }
    };
    Machine { banks: (0..count).map(bank).collect(), ..Machine::default() }
}

#[test]
fn as_many_ranges_as_there_may_be_are_answered() {
    let mut machine = many_banks(MAX_RANGES / 2);
    machine.reservations = machine
        .banks
        .iter()
        .map(|bank| Held {
            range: Range {
                start: Address(bank.start.0 + 0x1000),
                end: Address(bank.start.0 + 0x2001),
            },
            name: Some("one".into()),
            no_map: true,
        })
        .collect();
    let line = "mem=64K@0x40000000 ".repeat(MAX_COMMAND_LINE / 32);
    for command_line in ["", &line] {
        check(&machine, &predict(&machine, &plain(command_line)).unwrap());
    }
}

#[test]
fn a_range_that_can_not_be_is_refused_by_name() {
    type Change = fn(&mut Machine);
    fn range(start: u64, end: u64) -> Range {
        Range { start: Address(start), end: Address(end) }
    }
    let cases: [(&str, Change); 5] = [
        ("the memory bank 0x00000002-0x00000001 is empty", |machine| {
            machine.banks.push(range(2, 1));
        }),
        ("the kernel 0x40200000-0x40200000 is empty", |machine| {
            machine.kernel = Some(range(0x4020_0000, 0x4020_0000));
        }),
        ("the device tree 0x48000000-0x47ffffff ends before it starts", |machine| {
            machine.device_tree = Some(range(0x4800_0000, 0x47ff_ffff));
        }),
        ("the initrd 0x48000000-0x00000000 ends before it starts", |machine| {
            machine.initrd = Some(range(0x4800_0000, 0));
        }),
        ("the reservation 0x00000002-0x00000001 ends before it starts", |machine| {
            machine.reservations.push(Held { range: range(2, 1), name: None, no_map: false });
        }),
    ];
    for (message, change) in cases {
        let mut machine = Machine::virt(GIB);
        change(&mut machine);
        assert_eq!(predict(&machine, &plain("")).unwrap_err().to_string(), message);
    }
}

#[test]
fn more_ranges_or_a_longer_command_line_are_refused_by_name() {
    let message =
        |machine: &Machine, line: &str| predict(machine, &plain(line)).unwrap_err().to_string();
    assert_eq!(
        message(&many_banks(MAX_RANGES + 1), ""),
        format!("{} memory banks and reservations; the most are {MAX_RANGES}", MAX_RANGES + 1)
    );
    assert_eq!(
        message(&Machine::virt(GIB), &"x".repeat(MAX_COMMAND_LINE + 1)),
        format!(
            "a command line of {} bytes; the longest has {MAX_COMMAND_LINE}",
            MAX_COMMAND_LINE + 1
        )
    );
}
