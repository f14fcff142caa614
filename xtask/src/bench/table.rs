//! The figures as a table for people, and as JSON for programs.

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;

use super::budgets::budget;
use super::guest::Measured;
use super::linux::Linux;

/// What stands below the table.
const NOTES: &str = "\
Guest instructions, interrupts off, mean of all calls, the same on every run; get and put of ours, pairs
of the others. `+lock`: the crate behind the lock that a kernel with interrupts needs, which is the fair
comparison; without it the algorithm alone, which neither an interrupt nor a second CPU may enter.
";
/// And what of pages.
const OF_PAGES: &str = "\
`floor` of pages: a list of pages, interrupts masked, no zones and no checks: the least that can be done.
LLFree does not build for 32 bits. Its authors publish times, not counts: 90 ns for a pair of single
pages in the shape repeat, 88 in bulk, one core of a Xeon Gold 5320 at 2.2 GHz (docs/bench.md).
";
/// And what of bytes.
const OF_BYTES: &str = "\
`floor` of bytes: objects of one size, interrupts masked, and every free checked as ours is: the least
that keeps those promises. The crates are asked for an alignment of 8, and are told the size at a free.
";

/// A table without lines, numbers to the right.
pub fn plain(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// The names of all peers, in the order in which they come.
pub fn peers(measured: &[Measured]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in measured.iter().flat_map(|found| &found.peers) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// A figure, or a dash.
pub fn number(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.2}"))
}

/// Is it an operation on bytes? They have other peers than pages, so a table of their own.
fn is_of_bytes(found: &Measured) -> bool {
    let operation = workload::OPERATIONS.iter().find(|operation| operation.name == found.name);
    operation.is_some_and(|operation| operation.what.is_bytes())
}

/// Writes a table of the operations on pages and one of those on bytes, and what they mean.
pub fn write(out: &mut impl Write, measured: &[Measured]) -> Result<()> {
    let linux = Linux::recorded()?;
    let (bytes, pages): (Vec<_>, Vec<_>) = measured.iter().cloned().partition(is_of_bytes);
    let tables = [(pages, OF_PAGES), (bytes, OF_BYTES)];
    let tables = || tables.iter().filter(|(measured, _)| !measured.is_empty());
    for (measured, _) in tables() {
        write!(out, "{}", table(measured, &linux))?;
        writeln!(out)?;
    }
    write!(out, "{NOTES}")?;
    tables().try_for_each(|(_, notes)| write!(out, "{notes}"))?;
    writeln!(out, "Linux: {}, on the same board with 2 GiB.", linux.kernel)?;
    Ok(())
}

/// A row for each operation.
fn table(measured: &[Measured], linux: &Linux) -> String {
    let peers = peers(measured);
    let fixed = ["operation", "get", "put", "pair", "Linux", "ratio", "budget"];
    // The long names take two lines.
    let others = peers.iter().map(|peer| peer.replace('+', "\n+").replace("_alloc", "\n_alloc"));
    let header = fixed.into_iter().map(String::from).chain(others).collect();
    let rows = measured.iter().map(|found| {
        let theirs = linux.pair(&found.name);
        let ratio = theirs.map_or("-".into(), |pair| format!("{:.1}", pair / found.pair));
        let mut row = vec![found.name.clone()];
        row.extend([found.get, found.put, found.pair].map(|value| number(Some(value))));
        let budget = budget(&found.name).map_or("-".into(), |budget| budget.to_string());
        row.extend([number(theirs), ratio, budget]);
        row.extend(peers.iter().map(|peer| number(pair_of(found, peer))));
        row
    });
    plain(header, rows.collect())
}

/// A peer's pair.
pub fn pair_of(measured: &Measured, peer: &str) -> Option<f64> {
    measured.peers.iter().find(|(name, _)| name == peer).map(|&(_, pair)| pair)
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    get: f64,
    put: f64,
    pair: f64,
    linux_pair: Option<f64>,
    budget: Option<u32>,
    peers: BTreeMap<&'a str, f64>,
}

/// Writes one array, an object for each operation.
pub fn write_json(out: &mut impl Write, measured: &[Measured]) -> Result<()> {
    let linux = Linux::recorded()?;
    let rows: Vec<_> = measured
        .iter()
        .map(|found| Row {
            name: &found.name,
            get: found.get,
            put: found.put,
            pair: found.pair,
            linux_pair: linux.pair(&found.name),
            budget: budget(&found.name),
            peers: found.peers.iter().map(|(name, pair)| (name.as_str(), *pair)).collect(),
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> [Measured; 2] {
        let figure = |name: &str, peers: &[(&str, f64)]| Measured {
            name: name.into(),
            get: 28.0,
            put: 29.25,
            pair: 57.25,
            peers: peers.iter().map(|&(name, pair)| (name.into(), pair)).collect(),
        };
        [figure("page_o0_KERNEL", &[("x", 99.0)]), figure("page_o5_KERNEL_random256", &[])]
    }

    #[test]
    fn the_table_has_a_row_for_each_operation() {
        let mut out = Vec::new();
        write(&mut out, &figures()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<_>> =
            text.lines().take(3).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows,
            [
                vec!["operation", "get", "put", "pair", "Linux", "ratio", "budget", "x"],
                vec!["page_o0_KERNEL", "28.00", "29.25", "57.25", "642.00", "11.2", "60", "99.00"],
                vec!["page_o5_KERNEL_random256", "28.00", "29.25", "57.25", "-", "-", "-", "-"],
            ],
            "{text}"
        );
    }

    #[test]
    fn pages_and_bytes_have_a_table_each_with_their_own_peers() {
        let figure = |name: &str, peer: &str| Measured {
            name: name.into(),
            get: 1.0,
            put: 1.0,
            pair: 2.0,
            peers: vec![(peer.into(), 3.0), ("floor".into(), 1.0)],
        };
        let text = |measured: &[Measured]| {
            let mut out = Vec::new();
            write(&mut out, measured).unwrap();
            String::from_utf8(out).unwrap()
        };
        let both = [figure("kmalloc_64", "talc"), figure("page_o0_KERNEL", "bits")];
        let all = text(&both);
        let heads: Vec<_> = all.lines().filter(|line| line.starts_with("operation")).collect();
        assert!(heads[0].contains("bits") && !heads[0].contains("talc"), "{all}");
        assert!(heads[1].contains("talc") && !heads[1].contains("bits"), "{all}");
        assert!(all.contains("`floor` of pages") && all.contains("`floor` of bytes"), "{all}");
        let bytes = text(&both[..1]);
        assert!(bytes.starts_with("operation") && !bytes.contains("LLFree"), "{bytes}");
    }

    #[test]
    fn json_has_exactly_these_keys() {
        let mut out = Vec::new();
        write_json(&mut out, &figures()).unwrap();
        let rows: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_slice(&out).unwrap();
        for row in &rows {
            let keys: Vec<_> = row.keys().collect();
            assert_eq!(keys, ["name", "get", "put", "pair", "linux_pair", "budget", "peers"]);
        }
        assert_eq!(rows[0]["peers"]["x"], 99.0);
        assert_eq!(rows[0]["budget"], 60);
        assert!(rows[1]["linux_pair"].is_null());
    }
}
