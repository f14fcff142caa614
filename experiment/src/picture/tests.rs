//! Both pictures of answers of all kinds: what is in them, to which scale, and that nothing is on anything else.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use mm::boot::split::Split;
use proptest::prelude::*;

use super::{address_space, ram};
use crate::address::{Address, Range};
use crate::answer::{Answer, Piece, Placed, Region, Zone};
use crate::configuration::{Configuration, Shorthands};
use crate::machine::{Held, Machine};
use crate::predict::predict;

fn range(start: u64, len: u64) -> Range {
    Range { start: Address(start), end: Address(start + len) }
}

fn answer(machine: &Machine, split: Split, line: &str) -> Answer {
    predict(machine, &Configuration::new(split, line, Shorthands::default())).unwrap()
}

/// A machine with banks of which some is lost for several reasons.
fn odd() -> Machine {
    let hold = |start, len, name: &str, no_map| Held {
        range: range(start, len),
        name: Some(name.to_string()),
        no_map,
    };
    Machine {
        banks: vec![
            range(0x4000_0000, 256 << 20),
            range(0x8000_0400, 512 << 20),
            range(0x1_0000_0000, 1 << 30),
        ],
        reservations: vec![
            hold(0x4800_0000, 16 << 20, "framebuffer", true),
            hold(0x8800_0000, 1 << 20, "a-name-that-is-longer-than-its-column", true),
        ],
        device_tree: Some(range(0x4fe0_0000, 0x10000)),
        initrd: Some(range(0x4f00_0000, 4 << 20)),
        ..Machine::default()
    }
}

/// Banks of 1 MiB with holes of the same size between; below 4 GiB there is room for 500.
fn many(banks: u64) -> Machine {
    let bank =
        |index| range(0x4000_0000 + index * (2 << 20), if index == 0 { 2 << 20 } else { 1 << 20 });
    let first = range(0x4000_0000, 64 << 20);
    let banks = core::iter::once(first).chain((32..32 + banks - 1).map(bank)).collect();
    Machine { banks, ..Machine::default() }
}

fn cases() -> Vec<(&'static str, Answer)> {
    vec![
        ("1g", answer(&Machine::virt(1 << 30), Split::ThreeG, "dma_zone=64M")),
        ("3g-nohighmem", answer(&Machine::virt(3 << 30), Split::TwoG, "nohighmem vmalloc=960M")),
        ("16m-in-1g-split", answer(&Machine::virt(16 << 20), Split::OneG, "")),
        ("odd", answer(&odd(), Split::ThreeG, "vmalloc=1G")),
        ("booted", serde_json::from_str(include_str!("golden/booted.json")).unwrap()),
        ("500-banks", answer(&many(500), Split::ThreeGOpt, "")),
    ]
}

#[test]
fn pictures_are_the_golden_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/picture/golden");
    for (name, answer) in cases() {
        for (kind, picture) in [("space", address_space(&answer)), ("ram", ram(&answer))] {
            let file = folder.join(format!("{name}-{kind}.svg"));
            // A line for each element, so that a difference can be read.
            let text = picture.into_string().replace("><", ">\n<") + "\n";
            if env::var_os("VMSPLIT_BLESS").is_some() {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&file, text).unwrap();
                continue;
            }
            let golden = fs::read_to_string(&file).unwrap();
            assert_eq!(text, golden, "{}; VMSPLIT_BLESS=1 writes it anew", file.display());
        }
    }
}

/// An element of a picture: its name, its attributes, the text in it.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

impl Element {
    fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// An attribute in tenths of a pixel.
    fn px(&self, key: &str) -> i32 {
        (self.get(key).parse::<f64>().unwrap() * 10.0).round() as i32
    }
}

/// The elements, in the order of the text. Attributes have no `>` in them, since they are escaped.
fn elements(picture: &str) -> Vec<Element> {
    let start = |piece: &str| {
        let (tag, text) = piece.split_once('>')?;
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = BTreeMap::new();
        while let Some((key, value)) = rest.split_once("=\"") {
            let (value, behind) = value.split_once('"')?;
            attributes.insert(key.trim().to_string(), value.to_string());
            rest = behind;
        }
        Some(Element { name: name.to_string(), attributes, text: text.to_string() })
    };
    picture.split('<').filter(|piece| !piece.starts_with('/')).filter_map(start).collect()
}

/// A label, in tenths of a pixel: from left to right, and the line that it stands on.
struct Label {
    text: String,
    left: i32,
    right: i32,
    line: i32,
}

/// No label touches another, in letters as wide as the fonts have them, and everything is in the view box.
fn check_places(picture: &str) {
    let elements = elements(picture);
    let view = elements[0].get("viewBox").split(' ').map(|n| n.parse::<f64>().unwrap());
    let [_, _, width, height] = view.map(|n| (n * 10.0) as i32).collect::<Vec<_>>()[..] else {
        panic!("{}", elements[0].get("viewBox"))
    };
    let mut labels: Vec<Label> = Vec::new();
    let mut line = 0;
    for element in &elements {
        if element.name == "rect" {
            let (x, y) = (element.px("x"), element.px("y"));
            assert!(x >= 0 && x + element.px("width") <= width, "{picture}");
            assert!(y >= 0 && y + element.px("height") <= height, "{picture}");
            assert!(element.px("height") >= 0, "{picture}");
        }
        if element.name == "text" {
            line = element.px("y");
        }
        if element.text.is_empty() || !["text", "tspan"].contains(&element.name.as_str()) {
            continue;
        }
        let text = ["&amp;", "&lt;", "&gt;", "&quot;"]
            .iter()
            .fold(element.text.clone(), |text, name| text.replace(name, "?"));
        let long = (text.chars().count() as f64 * 66.2).ceil() as i32;
        let x = element.px("x");
        let (left, right) =
            if element.get("text-anchor") == "end" { (x - long, x) } else { (x, x + long) };
        // Above the line 90, below it 30.
        assert!(
            left >= 0 && right <= width && line >= 90 && line + 30 <= height,
            "{text}: {picture}"
        );
        labels.push(Label { text, left, right, line });
    }
    labels.sort_by_key(|label| label.line);
    for (index, a) in labels.iter().enumerate() {
        for b in labels.iter().skip(index + 1).take_while(|b| b.line < a.line + 120) {
            assert!(
                a.right <= b.left || b.right <= a.left,
                "{} and {} of {picture}",
                a.text,
                b.text
            );
        }
    }
}

/// The texts of labels' columns.
fn labels(picture: &str, class: &str) -> Vec<String> {
    let elements = elements(picture);
    let of = elements.iter().filter(|one| one.name == "tspan" && one.get("class") == class);
    of.map(|one| one.text.clone()).collect()
}

#[test]
fn no_label_is_on_another() {
    for (_, answer) in cases() {
        check_places(&address_space(&answer).into_string());
        check_places(&ram(&answer).into_string());
    }
}

#[test]
fn every_region_has_a_label_and_the_column_is_to_scale() {
    for (name, answer) in cases() {
        let picture = address_space(&answer).into_string();
        let names = labels(&picture, "name");
        let starts = labels(&picture, "start");
        for region in &answer.layout.regions {
            let found = names.iter().zip(&starts).filter(|(name, start)| {
                **name == region.name && **start == region.start.to_string()
            });
            assert_eq!(found.count(), 1, "{name}: {}", region.name);
            assert!(picture.contains(&format!("{}: ", region.name)), "{name}");
        }
        let elements = elements(&picture);
        let column: Vec<_> = elements
            .iter()
            .enumerate()
            .filter(|(_, one)| {
                one.name == "rect" && one.px("x") == 2240 && one.get("class") != "hatch"
            })
            .collect();
        let sum: i32 = column.iter().map(|(_, one)| one.px("height")).sum();
        assert_eq!(sum, 5120, "{name}: 4 GiB");
        for region in &answer.layout.regions {
            // The title follows its rectangle.
            let title =
                |at: usize| elements[at + 1].text.starts_with(&format!("{}: ", region.name));
            let (_, drawn) = column.iter().find(|(at, _)| title(*at)).unwrap();
            let exact = (region.end.0 - region.start.0) as f64 * 5120.0 / f64::from(u32::MAX);
            assert!(
                (f64::from(drawn.px("height")) - exact).abs() <= 1.0,
                "{name}: {}",
                region.name
            );
        }
    }
}

#[test]
fn the_legend_has_all_ram_and_what_is_lost_is_hatched() {
    let picture = ram(&answer(&odd(), Split::ThreeG, "vmalloc=1G")).into_string();
    let names = labels(&picture, "name").join("\n");
    for part in
        ["lost: above 4 GiB", "framebuffer", "not to be mapped", "initrd", "hole", "zone DMA"]
    {
        assert!(names.contains(part), "{part} in {names}");
    }
    assert!(names.contains("a-name-that-is-longer-…"), "{names}");
    assert!(picture.contains("a-name-that-is-longer-than-its-column"), "the title has it all");
    assert!(picture.contains("url(#hatch-lost)") && picture.contains("url(#hatch-no-map)"));
}

#[test]
fn many_banks_are_drawn_together_and_none_is_forgotten() {
    let answer = answer(&many(500), Split::ThreeGOpt, "nohighmem");
    let parts = super::pieces::parts(&answer.account);
    assert!(parts.len() <= 22, "{}", parts.len());
    let bytes: u64 = parts.iter().map(super::pieces::Part::bytes).sum();
    assert_eq!(bytes, answer.account.ram);
    let lost: u64 = parts.iter().map(super::pieces::Part::lost).sum();
    assert_eq!(lost, answer.account.tree.lost.values().sum::<u64>());
}

#[test]
fn names_from_a_device_tree_can_not_be_markup() {
    let mut machine = odd();
    machine.reservations[0].name = Some("<script>&\"".to_string());
    let picture = ram(&answer(&machine, Split::ThreeG, "")).into_string();
    assert!(!picture.contains("<script") && picture.contains("&lt;script&gt;&amp;&quot;"));
}

/// An answer that no kernel gives: it came from a file.
fn any_answer() -> impl Strategy<Value = Answer> {
    let ends = || (any::<u64>(), any::<u64>(), 0..64_u32, 0..64_u32);
    let ends =
        || ends().prop_map(|(a, b, i, j)| Range { start: Address(a >> i), end: Address(b >> j) });
    let names =
        || prop::sample::select(vec!["user", "lowmem", "vmalloc", "fdt", "", "a long name ün"]);
    let regions = prop::collection::vec((names(), ends()), 0..30);
    let classes = prop::sample::select(vec!["usable", "reserved", "no_map", "lost", "?"]);
    let pieces = prop::collection::vec((classes, prop::option::of(names()), ends()), 0..60);
    let zones = prop::collection::vec((names(), any::<[u32; 4]>()), 0..40);
    let loaded = (prop::option::of(ends()), prop::sample::select(vec!["lowmem", "outside_ram"]));
    (regions, pieces, zones, loaded).prop_map(|(regions, pieces, zones, loaded)| {
        let mut answer = answer(&odd(), Split::ThreeG, "");
        answer.layout.zones = zones
            .into_iter()
            .enumerate()
            .map(|(index, (name, [start_pfn, end_pfn, spanned, present]))| {
                let zone = Zone { start_pfn, end_pfn, spanned, present, managed: None };
                (format!("{name}{index}"), zone)
            })
            .collect();
        let (range, place) = loaded;
        answer.account.loaded.initrd =
            range.map(|Range { start, end }| Placed { start, end, place: place.to_string() });
        answer.layout.regions = regions
            .into_iter()
            .map(|(name, Range { start, end })| Region { name: name.to_string(), start, end })
            .collect();
        answer.account.ranges = pieces
            .into_iter()
            .map(|(class, name, Range { start, end })| {
                let name = name.map(str::to_string);
                let (zone, owner, reason) = (name.clone(), name.clone(), name.clone());
                Piece {
                    start,
                    end,
                    in_tree: true,
                    class: class.to_string(),
                    zone,
                    owner,
                    reason,
                    name,
                }
            })
            .collect();
        answer
    })
}

/// A machine and settings as a user may have them.
fn any_machine() -> impl Strategy<Value = Answer> {
    let bank = (1..0x400_u64, 1..0x200_u64, 0..3_u64);
    let banks = prop::collection::vec(bank, 1..8);
    let settings = prop::collection::vec(
        prop::sample::select(vec![
            "nohighmem",
            "vmalloc=1M",
            "vmalloc=700M",
            "dma_zone=32M",
            "mem=300M",
        ]),
        0..3,
    );
    (banks, prop::sample::select(Split::ALL.to_vec()), settings).prop_filter_map(
        "has a layout",
        |(banks, split, settings)| {
            let mut end = 0x2000_0000_u64;
            let banks = banks.into_iter().map(|(gap, mib, odd)| {
                let start = end + (gap << 20) + odd * 0x400;
                end = start + (mib << 20);
                Range { start: Address(start), end: Address(end) }
            });
            let machine = Machine { banks: banks.collect(), ..Machine::default() };
            let line = settings.join(" ");
            predict(&machine, &Configuration::new(split, &line, Shorthands::default())).ok()
        },
    )
}

proptest! {
    #[test]
    fn every_answer_has_both_pictures(answer in prop_oneof![any_answer(), any_machine()]) {
        check_places(&address_space(&answer).into_string());
        check_places(&ram(&answer).into_string());
        prop_assert!(super::pieces::parts(&answer.account).len() <= 22);
    }

    #[test]
    fn no_byte_of_ram_is_left_out(answer in any_machine()) {
        let parts = super::pieces::parts(&answer.account);
        let bytes: u64 = parts.iter().map(super::pieces::Part::bytes).sum();
        let ranges = &answer.account.ranges;
        prop_assert_eq!(bytes, ranges.iter().map(|piece| piece.end.0 - piece.start.0).sum::<u64>());
    }
}
