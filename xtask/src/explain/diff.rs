//! What differs between two configurations: in words, or as the fields of the two objects.
//!
//! A row is written for what is not the same on both sides, with both values, so that nothing has to be looked up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use experiment::address::Range;
use experiment::answer::Totals;
use experiment::compare::{Difference, differences};
use mm::addr::PAGE_SIZE;
use mm::boot::explain::class::{Lost, Owner};
use mm::zone::ZoneKind;
use serde::Serialize;

use super::Explained;
use super::report::{mib, paragraph};

/// Two objects, and the fields in which they differ.
#[derive(Serialize)]
struct Both<'a> {
    left: &'a Explained,
    right: &'a Explained,
    differences: Vec<Difference>,
}

/// The JSON object, on one line.
pub fn json(left: &Explained, right: &Explained) -> Result<String> {
    let differences = differences(&serde_json::to_value(left)?, &serde_json::to_value(right)?);
    Ok(serde_json::to_string(&Both { left, right, differences })? + "\n")
}

/// The rows of one side: what, and its value.
struct Side(Vec<(String, String)>);

impl Side {
    fn of(explained: &Explained) -> Self {
        let mut side = Self(Vec::new());
        side.settings(explained);
        side.layout(explained);
        side.account(explained);
        side
    }

    fn add(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.0.push((what.into(), value.into()));
    }

    fn settings(&mut self, explained: &Explained) {
        let Explained { machine, configuration, .. } = explained;
        self.add("machine", machine.model.clone().unwrap_or_default());
        self.add("split", configuration.split.name());
        let line = &configuration.command_line;
        self.add("command line", if line.is_empty() { "(empty)" } else { line });
        for (index, bank) in machine.banks.iter().enumerate() {
            self.add(format!("bank {index}"), range(bank));
        }
        let places = [
            ("device tree", machine.device_tree),
            ("initrd", machine.initrd),
            ("kernel", machine.kernel),
        ];
        for (what, place) in places.into_iter().filter_map(|(what, at)| Some((what, at?))) {
            self.add(format!("{what} loaded"), range(&place));
        }
    }

    fn layout(&mut self, explained: &Explained) {
        let layout = &explained.answer.layout;
        for region in &layout.regions {
            let at = Range { start: region.start, end: region.end };
            self.add(format!("region {}", region.name), range(&at));
        }
        self.add("lowmem ends at", layout.lowmem_end_phys.to_string());
        for (name, zone) in &layout.zones {
            let bytes = u64::from(zone.present) * u64::from(PAGE_SIZE);
            self.add(format!("zone {name}"), mib(bytes).to_string());
        }
        for (align, bytes) in &explained.largest_ioremap {
            let what = format!("ioremap, {} MiB aligned", align >> 20);
            self.add(what, mib(u64::from(*bytes)).to_string());
        }
    }

    fn account(&mut self, explained: &Explained) {
        let account = &explained.answer.account;
        for (whose, totals) in [("", &account.tree), ("beyond the tree: ", &account.beyond_tree)] {
            self.totals(whose, totals);
        }
        if let Some(safe) = &account.safe {
            self.add("safe for a boot loader", range(safe));
        }
    }

    fn totals(&mut self, whose: &str, totals: &Totals) {
        let mut bytes = |what: String, bytes: Option<&u64>| {
            if let Some(bytes) = bytes.filter(|bytes| **bytes > 0) {
                self.add(format!("{whose}{what}"), mib(*bytes).to_string());
            }
        };
        for kind in ZoneKind::ALL {
            bytes(format!("usable, zone {kind}"), totals.usable.get(kind.name()));
        }
        for owner in Owner::ALL {
            bytes(owner.name().to_owned(), totals.reserved.get(owner.key()));
        }
        bytes("no-map".to_owned(), Some(&totals.no_map));
        for reason in Lost::ALL {
            bytes(reason.name().to_owned(), totals.lost.get(reason.key()));
        }
    }
}

fn range(range: &Range) -> String {
    format!("{}-{} {}", range.start, range.end, mib(range.len()))
}

/// What differs, in words.
pub fn text(left: &Explained, right: &Explained) -> String {
    let rows = rows(&Side::of(left), &Side::of(right));
    let mut out = String::new();
    // A `String` takes all that is written to it.
    let _ = write_rows(&mut out, &rows);
    let _ = write_warnings(&mut out, left, right);
    if out.is_empty() {
        out.push_str("no difference\n");
    }
    out
}

/// What is not the same on both sides: in the order of the left, then what only the right has.
fn rows(left: &Side, right: &Side) -> Vec<[String; 3]> {
    let of = |side: &Side| -> BTreeMap<String, String> { side.0.iter().cloned().collect() };
    let (of_left, of_right) = (of(left), of(right));
    let only_right = right.0.iter().filter(|(what, _)| !of_left.contains_key(what));
    let value = |side: &BTreeMap<String, String>, what: &str| {
        side.get(what).cloned().unwrap_or_else(|| "none".to_owned())
    };
    let all = left.0.iter().chain(only_right).map(|(what, _)| what);
    all.map(|what| [what.clone(), value(&of_left, what), value(&of_right, what)])
        .filter(|[_, left, right]| left != right)
        .collect()
}

fn write_rows(out: &mut String, rows: &[[String; 3]]) -> std::fmt::Result {
    const WHAT: usize = 25;
    const VALUE: usize = 34;
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "{:<WHAT$} {:<VALUE$} right", "", "left")?;
    for [what, left, right] in rows {
        if left.chars().count() <= VALUE && right.chars().count() <= VALUE {
            writeln!(out, "{what:<WHAT$} {left:<VALUE$} {right}")?;
        } else {
            paragraph(out, "", &format!("{what:<WHAT$} {left}"))?;
            paragraph(out, "", &format!("{:<WHAT$} {right}", "  on the right"))?;
        }
    }
    Ok(())
}

fn write_warnings(out: &mut String, left: &Explained, right: &Explained) -> std::fmt::Result {
    for (title, these, others) in
        [("Only the left warns:", left, right), ("Only the right warns:", right, left)]
    {
        let mut of_these =
            these.warnings.iter().filter(|one| !others.warnings.contains(one)).peekable();
        if of_these.peek().is_some() {
            writeln!(out, "{}{title}", if out.is_empty() { "" } else { "\n" })?;
        }
        for one in of_these {
            paragraph(out, "  ", &one.text)?;
            paragraph(out, "    ", &one.remedy)?;
        }
    }
    Ok(())
}
