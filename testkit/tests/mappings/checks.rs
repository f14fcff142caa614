//! Scenarios under all adversaries, and without each of their maintenance calls.

use std::collections::{BTreeMap, BTreeSet};

use testkit::{Call, Entries, Machine, Op, every_dropped_call_is_noticed};

use crate::bridge::On;
use crate::kit::{Kit, Live, with_kit, with_live};
use crate::place::setup;

/// A call that may be left out: `op in file`, how often, and why that goes unnoticed.
pub type Redundant = (&'static str, usize, &'static str);

/// A CPU that links a table, and publishes pages of it before anybody else uses one.
pub const LINKED: [Redundant; 2] = [
    ("dsb InnerStores in tables.rs", 1, "who links the table publishes the pages too"),
    ("isb in tables.rs", 1, "who links the table publishes the pages too"),
];

/// What can be left out of a scenario unnoticed: the operation, the file that asks for it, and the line there.
fn unnoticed(cpus: usize, scenario: impl Fn(&Machine)) -> Vec<(String, u32)> {
    let name = |call: &Call| {
        let file = call.at.file().replace('\\', "/");
        let file = file.rsplit('/').next().unwrap_or_default();
        let op = match call.op {
            Op::Dsb(kind) => format!("dsb {kind:?}"),
            Op::Isb => "isb".to_owned(),
            Op::Tlbi(_, Entries::All) => "tlbi all".to_owned(),
            Op::Tlbi(..) => "tlbi".to_owned(),
            Op::Line(op) => format!("line {op:?}"),
        };
        (format!("{op} in {file}"), call.at.line())
    };
    every_dropped_call_is_noticed(&setup(cpus), scenario).iter().map(name).collect()
}

#[track_caller]
fn assert_only(unnoticed: &[(String, u32)], redundant: &[Redundant]) {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in unnoticed {
        *found.entry(name).or_default() += 1;
    }
    let mut allowed: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, times, reason) in redundant {
        assert!(!reason.is_empty());
        *allowed.entry(name).or_default() += times;
    }
    let lines: BTreeSet<_> = unnoticed.iter().collect();
    assert_eq!(found, allowed, "left out unnoticed, at the lines {lines:?}");
}

/// Fails unless each call of the scenario is missed when it is left out, but for the `redundant` ones, each of
/// which is not.
#[track_caller]
pub fn live_needs_all_but(
    cpus: usize,
    redundant: &[Redundant],
    scenario: impl Fn(On<'_>, &Live<'_>),
) {
    assert_only(&unnoticed(cpus, |machine| with_live(machine, &scenario)), redundant);
}

/// Fails unless each call of the scenario is missed when it is left out.
#[track_caller]
pub fn live_needs_all(cpus: usize, scenario: impl Fn(On<'_>, &Live<'_>)) {
    live_needs_all_but(cpus, &[], scenario);
}

/// As [`live_needs_all_but`], of a scenario that wants more than tables.
#[track_caller]
pub fn kit_needs_all_but(
    cpus: usize,
    redundant: &[Redundant],
    scenario: impl for<'s, 'w> Fn(Kit<'s, 'w>),
) {
    assert_only(&unnoticed(cpus, |machine| with_kit(machine, &scenario)), redundant);
}

/// As [`live_needs_all`], of a scenario that wants more than tables.
#[track_caller]
pub fn kit_needs_all(cpus: usize, scenario: impl for<'s, 'w> Fn(Kit<'s, 'w>)) {
    kit_needs_all_but(cpus, &[], scenario);
}
