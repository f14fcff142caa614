//! Does a boot agree with its prediction?
//!
//! ```text
//! prediction ──▶ its decided part ─┐
//!                                  ├─ equal, field by field
//! boot ──┬─────▶ its decided part ─┘
//!        └─────▶ its figures, held against each other
//! ```
//!
//! Decided is what follows from the machine, the size of the image and the settings: all of the layout, and of the account
//! of RAM all but the parts of the image, of which a prediction knows the whole. What only a kernel has (the pages that its
//! allocator got) has no counterpart in a prediction; there the boot is asked whether its own figures, which it reads back
//! from different places, fit each other. What is expected stands on the left of a difference.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use mm::addr::PAGE_SIZE;
use mm::boot::explain::class::Owner;
use serde::Serialize;
use serde_json::Value;

use crate::address::Address;
use crate::answer::{Account, Answer, Layout, Totals, WhatIf};
use crate::compare::{Difference, differences};
use crate::results::Verdict;

/// What came of a row: `predicted`, and what a boot said, or why it said nothing.
#[must_use]
pub fn verdict(predicted: &Result<Answer, String>, booted: Result<&Answer, &str>) -> Verdict {
    match (predicted, booted) {
        (Ok(predicted), Ok(booted)) => {
            let differences = disagreements(predicted, booted);
            if differences.is_empty() { Verdict::Agrees } else { Verdict::Differs { differences } }
        }
        (Err(why), Ok(_)) => Verdict::Differs {
            differences: Vec::from([difference("layout", format!("none: {why}"), "a layout")]),
        },
        (Ok(_), Err(reason)) => Verdict::Failed { reason: reason.to_string() },
        (Err(why), Err(reason)) => {
            Verdict::Failed { reason: format!("{reason} (and no prediction: {why})") }
        }
    }
}

/// Where a boot differs from its prediction, and where its own figures differ from each other.
#[must_use]
pub fn disagreements(predicted: &Answer, booted: &Answer) -> Vec<Difference> {
    let mut found = match (decided(predicted), decided(booted)) {
        (Ok(predicted), Ok(booted)) => differences(&predicted, &booted),
        (Err(error), _) | (_, Err(error)) => {
            Vec::from([difference("layout", "an answer that is JSON", error.to_string())])
        }
    };
    found.extend(inconsistencies(booted));
    found
}

fn difference(path: &str, left: impl Into<Value>, right: impl Into<Value>) -> Difference {
    Difference { path: path.to_string(), left: left.into(), right: right.into() }
}

/// The parts of the image, which is one piece in a prediction. All others that hold RAM are decided.
const IMAGE: [Owner; 6] = [
    Owner::KernelText,
    Owner::KernelRodata,
    Owner::KernelInit,
    Owner::KernelData,
    Owner::KernelBss,
    Owner::KernelPadding,
];

fn decided_owners() -> impl Iterator<Item = Owner> {
    Owner::ALL.into_iter().filter(|owner| !IMAGE.contains(owner))
}

/// The part of an answer that is decided.
#[derive(Serialize)]
struct Decided<'a> {
    layout: Layout,
    account: DecidedAccount<'a>,
}

#[derive(Serialize)]
struct DecidedAccount<'a> {
    ram: u64,
    banks: u32,
    tree: DecidedTotals<'a>,
    beyond_tree: DecidedTotals<'a>,
    split: &'a str,
    phys_offset: Address,
    lowmem_end: Address,
    limit: Address,
    because: &'a str,
    vmalloc: DecidedVmalloc,
    what_if: Option<&'a WhatIf>,
}

#[derive(Serialize)]
struct DecidedTotals<'a> {
    reserved: BTreeMap<&'static str, Option<u64>>,
    no_map: u64,
    lost: &'a BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct DecidedVmalloc {
    kept: u64,
    start: Address,
    end: Address,
}

impl<'a> From<&'a Totals> for DecidedTotals<'a> {
    fn from(totals: &'a Totals) -> Self {
        let keys = decided_owners().map(Owner::key);
        let reserved = keys.map(|key| (key, totals.reserved.get(key).copied())).collect();
        Self { reserved, no_map: totals.no_map, lost: &totals.lost }
    }
}

fn decided(answer: &Answer) -> Result<Value, serde_json::Error> {
    let mut layout = answer.layout.clone();
    for zone in layout.zones.values_mut() {
        zone.managed = None;
    }
    let Account { ram, banks, phys_offset, lowmem_end, limit, .. } = answer.account;
    let account = &answer.account;
    let (kept, start, end) = (account.vmalloc.kept, account.vmalloc.start, account.vmalloc.end);
    serde_json::to_value(Decided {
        layout,
        account: DecidedAccount {
            ram,
            banks,
            tree: (&account.tree).into(),
            beyond_tree: (&account.beyond_tree).into(),
            split: &account.split,
            phys_offset,
            lowmem_end,
            limit,
            because: &account.because,
            vmalloc: DecidedVmalloc { kept, start, end },
            what_if: account.what_if.as_ref(),
        },
    })
}

/// Figures of a boot that do not fit each other. Left is what another figure says.
fn inconsistencies(booted: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut equal = |path: &str, expected: Option<u64>, is: Option<u64>| {
        if expected != is {
            found.push(difference(path, expected, is));
        }
    };
    let account = &booted.account;
    equal("account.tree", Some(account.ram), sum(&account.tree));

    let none = BTreeMap::new();
    let zones = account.zones.as_ref().unwrap_or(&none);
    for (name, zone) in &booted.layout.zones {
        let pages = zones.get(name).map(|zone| zone.managed);
        let path = format!("layout.zones.{name}.managed");
        equal(&path, pages.map(u64::from), zone.managed.map(u64::from));
        // At least those that the allocator got are there.
        let least = zone.present.max(zone.managed.unwrap_or(0));
        let path = format!("layout.zones.{name}.present");
        equal(&path, Some(least.into()), Some(zone.present.into()));
    }
    for (name, zone) in zones {
        let in_tree = account.tree.usable.get(name);
        let beyond = account.beyond_tree.usable.get(name);
        let usable = in_tree.zip(beyond).and_then(|(tree, beyond)| tree.checked_add(*beyond));
        let bytes = u64::from(zone.managed).checked_mul(PAGE_SIZE.into());
        equal(&format!("account.tree.usable.{name}"), bytes, usable);
    }
    found
}

/// All bytes of all classes; `None` beyond 64 bits.
fn sum(totals: &Totals) -> Option<u64> {
    let classes = [&totals.usable, &totals.reserved, &totals.lost];
    let mut bytes = classes.into_iter().flat_map(BTreeMap::values);
    bytes.try_fold(totals.no_map, |sum, bytes| sum.checked_add(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::ZonePages;
    use crate::configuration::{Configuration, Shorthands};
    use crate::machine::Machine;
    use crate::predict::predict;
    use mm::boot::split::Split;

    fn predicted() -> Answer {
        let settings = Configuration::new(Split::ThreeG, "", Shorthands::default());
        predict(&Machine::virt(1 << 30), &settings).unwrap()
    }

    /// A kernel whose image has 16 pages of DMA more.
    fn booted() -> Answer {
        let mut answer = predicted();
        let page = u64::from(PAGE_SIZE);
        *answer.account.tree.usable.get_mut("DMA").unwrap() -= 16 * page;
        *answer.account.tree.reserved.get_mut("kernel_text").unwrap() += 16 * page;
        let mut zones = BTreeMap::new();
        for (name, bytes) in &answer.account.tree.usable {
            let managed = u32::try_from(bytes / page).unwrap();
            zones.insert(name.clone(), ZonePages { managed, free: 0 });
            if let Some(zone) = answer.layout.zones.get_mut(name) {
                zone.managed = Some(managed);
            }
        }
        answer.account.zones = Some(zones);
        answer.account.vmalloc.taken = Some(4096);
        answer
    }

    fn paths(change: impl FnOnce(&mut Answer)) -> Vec<String> {
        let mut booted = booted();
        change(&mut booted);
        disagreements(&predicted(), &booted).into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn the_size_of_the_image_is_no_difference() {
        assert_eq!(verdict(&Ok(predicted()), Ok(&booted())), Verdict::Agrees);
    }

    #[test]
    fn each_decided_field_counts() {
        let moved = Address(0x1234_5000);
        assert_eq!(paths(|it| it.layout.modules_start = moved), ["layout.modules_start"]);
        assert_eq!(paths(|it| it.layout.regions[2].end = moved), ["layout.regions.fixmap.end"]);
        assert_eq!(paths(|it| it.layout.warnings.push("x".into())), ["layout.warnings.0"]);
        assert_eq!(paths(|it| it.account.banks = 2), ["account.banks"]);
        assert_eq!(paths(|it| it.account.split = "2g".into()), ["account.split"]);
        assert_eq!(paths(|it| it.account.phys_offset = moved), ["account.phys_offset"]);
        assert_eq!(paths(|it| it.account.lowmem_end = moved), ["account.lowmem_end"]);
        assert_eq!(paths(|it| it.account.limit = moved), ["account.limit"]);
        assert_eq!(paths(|it| it.account.because = "gap".into()), ["account.because"]);
        assert_eq!(paths(|it| it.account.vmalloc.kept = 1), ["account.vmalloc.kept"]);
        assert_eq!(paths(|it| it.account.vmalloc.start = moved), ["account.vmalloc.start"]);
        assert_eq!(paths(|it| it.account.vmalloc.end = moved), ["account.vmalloc.end"]);
        let what_if = paths(|it| it.account.what_if.as_mut().unwrap().now.lost = 1);
        assert_eq!(what_if, ["account.what_if.now.lost"]);
        let beyond = paths(|it| it.account.beyond_tree.no_map = 1);
        assert_eq!(beyond, ["account.beyond_tree.no_map"]);
    }

    #[test]
    fn each_decided_owner_counts() {
        for owner in decided_owners() {
            let key = owner.key();
            let more = |it: &mut Answer| *it.account.tree.reserved.get_mut(key).unwrap() += 4096;
            let reserved = format!("account.tree.reserved.{key}");
            assert_eq!(paths(more), [reserved.as_str(), "account.tree"]);
        }
    }

    #[test]
    fn sums_that_do_not_fit_are_named() {
        assert_eq!(paths(|it| it.account.ram = 1), ["account.ram", "account.tree"]);
        let lost = paths(|it| *it.account.tree.lost.get_mut("above_4g").unwrap() = 1);
        assert_eq!(lost, ["account.tree.lost.above_4g", "account.tree"]);
        let too_much = paths(|it| it.account.tree.no_map = u64::MAX);
        assert_eq!(too_much, ["account.tree.no_map", "account.tree"]);
        let of_boot = paths(|it| *it.account.tree.reserved.get_mut("initrd").unwrap() = 1);
        assert_eq!(of_boot, ["account.tree.reserved.initrd", "account.tree"]);
    }

    #[test]
    fn pages_of_the_allocator_fit_the_zones_and_the_ram() {
        let managed = |change: fn(&mut u32)| {
            paths(|it| {
                let zone = it.layout.zones.get_mut("DMA").unwrap();
                change(zone.managed.as_mut().unwrap());
            })
        };
        let path = "layout.zones.DMA.managed";
        assert_eq!(managed(|pages| *pages -= 1), [path]);
        let present = "layout.zones.DMA.present";
        assert_eq!(managed(|pages| *pages += 10_000), [path, present], "more than are there");
        let missing = paths(|it| it.layout.zones.get_mut("DMA").unwrap().managed = None);
        assert_eq!(missing, [path]);
        assert_eq!(paths(|it| it.account.zones = None).len(), 2, "one for each zone");
        let account = paths(|it| {
            it.account.zones.as_mut().unwrap().get_mut("HighMem").unwrap().managed -= 1;
        });
        assert_eq!(account, ["layout.zones.HighMem.managed", "account.tree.usable.HighMem"]);
    }

    #[test]
    fn a_side_that_is_missing_is_said() {
        let failed = |reason: &str| Verdict::Failed { reason: reason.to_string() };
        let none = || Err("there is no memory bank".to_string());
        assert_eq!(verdict(&Ok(predicted()), Err("time-out")), failed("time-out"));
        assert_eq!(
            verdict(&none(), Err("halted")),
            failed("halted (and no prediction: there is no memory bank)")
        );
        let Verdict::Differs { differences } = verdict(&none(), Ok(&booted())) else {
            panic!("a boot without a prediction agrees with nothing");
        };
        assert_eq!(differences[0].left, "none: there is no memory bank");
    }
}
