//! What the rules give, by the two ways on which they are asked, as plain figures.
//!
//! The one way is `mm` itself. The other is the explorer's module in an interpreter, which is asked in JSON: its answer
//! must be, byte for byte, that of the same code on the host, and its layout the one that `mm` gave on the first way.

use std::collections::BTreeMap;

use experiment::address::{Address, Range};
use experiment::answer;
use experiment::configuration::Configuration;
use experiment::machine::{self, Held};
use mm::boot::layout::Layout;
use mm::report::layout::{Observed, write_json};
use serde_json::{Value, json};
use tests::explorer::Explorer;
use tests::oracle::Zone;
use tests::predict::Machine;

/// How the rules are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// `mm`, called.
    Rules,
    /// The explorer's module.
    Module,
}

impl Way {
    pub const ALL: [Self; 2] = [Self::Rules, Self::Module];

    /// What a test's name begins with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Module => "wasm",
        }
    }

    /// What is decided for `machine`.
    pub fn ask(self, machine: &Machine<'_>) -> Facts {
        match self {
            Self::Rules => {
                let (layout, lines) = machine.predict();
                Facts::of_layout(&layout, lines)
            }
            Self::Module => Facts::of_answer(ask_module(machine).layout),
        }
    }
}

/// Figures of a layout. Addresses are numbers, ranges end before their second.
#[derive(Debug)]
pub struct Facts {
    pub page_offset: u64,
    pub phys_offset: u64,
    pub high_memory: u64,
    pub lowmem_end: u64,
    pub vmalloc: (u64, u64),
    pub modules: (u64, u64),
    pub pkmap_base: Option<u64>,
    pub task_size: u64,
    /// Zones that span anything, by name.
    pub zones: BTreeMap<String, Zone>,
    /// The lines of warning.
    pub lines: Vec<String>,
}

impl Facts {
    /// The first frame of a zone and the one behind its last, if it spans anything.
    pub fn span(&self, zone: &str) -> Option<(u32, u32)> {
        self.zones.get(zone).map(|zone| (zone.start_pfn, zone.end_pfn))
    }

    /// The frame behind the last of all zones.
    pub fn ram_end(&self) -> u32 {
        self.zones.values().map(|zone| zone.end_pfn).max().unwrap_or_default()
    }

    fn of_layout(layout: &Layout, lines: Vec<String>) -> Self {
        let spanning = layout.zones.iter().filter(|span| !span.range.is_empty());
        let zone = |span: &mm::zone::ZoneSpan| Zone {
            start_pfn: span.range.start().as_u32(),
            end_pfn: span.range.end().as_u32(),
            spanned: span.range.len(),
            present: span.present,
        };
        let bounds = |range: mm::addr::VirtRange| {
            (range.start().as_u32().into(), range.end().as_u32().into())
        };
        Self {
            page_offset: layout.split.page_offset().as_u32().into(),
            phys_offset: layout.phys_offset.as_u64(),
            high_memory: layout.high_memory.as_u32().into(),
            lowmem_end: layout.lowmem_end.as_u64(),
            vmalloc: bounds(layout.vmalloc()),
            modules: bounds(layout.modules()),
            pkmap_base: layout.pkmap().map(|pkmap| pkmap.start().as_u32().into()),
            task_size: layout.user().end().as_u32().into(),
            zones: spanning.map(|span| (span.kind.name().to_string(), zone(span))).collect(),
            lines,
        }
    }

    fn of_answer(layout: answer::Layout) -> Self {
        let user = layout.regions.iter().find(|region| region.name == "user");
        let zone = |zone: answer::Zone| {
            assert_eq!(zone.managed, None, "a prediction has no allocator");
            let answer::Zone { start_pfn, end_pfn, spanned, present, .. } = zone;
            Zone { start_pfn, end_pfn, spanned, present }
        };
        Self {
            page_offset: layout.page_offset.0,
            phys_offset: layout.phys_offset.0,
            high_memory: layout.high_memory.0,
            lowmem_end: layout.lowmem_end_phys.0,
            vmalloc: (layout.vmalloc_start.0, layout.vmalloc_end.0),
            modules: (layout.modules_start.0, layout.modules_end.0),
            pkmap_base: layout.pkmap_base.map(|base| base.0),
            task_size: user.expect("there is a user region").end.0,
            zones: layout.zones.into_iter().map(|(name, span)| (name, zone(span))).collect(),
            lines: layout.warnings,
        }
    }
}

/// The module's answer, held against what the host says.
fn ask_module(machine: &Machine<'_>) -> answer::Answer {
    let (described, configuration) = described(machine);
    let question = json!({"predict": {"machine": described, "configuration": configuration}});
    let reply = Explorer::start().ask(&question);
    let native = experiment::predict::predict(&described, &configuration)
        .unwrap_or_else(|error| panic!("{machine:?}: {error}"));
    let text = serde_json::to_string(&native).unwrap();
    assert_eq!(reply, format!("{{\"answer\":{text}}}"), "wasm (left) and host (right)");

    let mut answer: Value = serde_json::from_str(&reply).unwrap();
    let answer = answer["answer"].take();
    assert_eq!(answer["layout"], rules_say(machine), "wasm (left) and mm (right)");
    serde_json::from_value(answer).unwrap()
}

/// The layout of `mm`, as the object that it is in an answer.
fn rules_say(machine: &Machine<'_>) -> Value {
    let (layout, lines) = machine.predict();
    let mut text = String::new();
    write_json(&mut text, &Observed::predicted(&layout), lines.iter()).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A test's machine as an experiment's.
pub fn described(machine: &Machine<'_>) -> (machine::Machine, Configuration) {
    let Machine { banks, no_map, split, command_line } = machine;
    let range = |range: &mm::addr::PhysRange| Range {
        start: Address(range.start().as_u64()),
        end: Address(range.end().as_u64()),
    };
    let held = |no_map| Held { range: range(no_map), name: Some("no-map".into()), no_map: true };
    let described = machine::Machine {
        banks: banks.iter().map(range).collect(),
        reservations: no_map.iter().map(held).collect(),
        ..machine::Machine::default()
    };
    (described, Configuration { split: *split, command_line: (*command_line).to_owned() })
}
