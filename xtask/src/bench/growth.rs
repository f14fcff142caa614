//! How cost grows with memory: the same operations on machines of 64 MiB to 3 GiB.

use anyhow::{Context as _, Result};
use std::io::Write;

use super::guest::{self, Measured};
use super::table::{number, pair_of, peers, plain};
use crate::image::Image;
use crate::qemu::MemorySize;

/// The machines.
const SIZES: [&str; 4] = ["64M", "256M", "1G", "3G"];

/// What is measured there.
const OPERATIONS: [&str; 4] =
    ["page_o0_KERNEL", "page_o10_KERNEL", "page_o0_KERNEL_random1024", "page_o0_KERNEL_churn4096"];

/// Measures and writes a table: pairs, a row for each operation and who does it.
pub fn write(out: &mut impl Write, image: &Image) -> Result<()> {
    let mut columns = Vec::new();
    for size in SIZES {
        let memory: MemorySize = size.parse().map_err(anyhow::Error::msg).context(size)?;
        columns.push(guest::measure(image, memory, Some(&OPERATIONS))?);
    }
    let header = ["pair, by memory", ""].into_iter().chain(SIZES).map(String::from).collect();
    writeln!(out, "How cost grows with memory, in guest instructions of a pair:\n")?;
    write!(out, "{}", plain(header, rows(&columns)))?;
    Ok(())
}

/// A row for each operation and who does it, a column for each machine.
fn rows(columns: &[Vec<Measured>]) -> Vec<Vec<String>> {
    let mut whos = vec!["vmsplit"];
    let others = columns.iter().flat_map(|column| peers(column));
    for other in others {
        if !whos.contains(&other) {
            whos.push(other);
        }
    }
    let pair = |column: &[Measured], operation: &str, who: &str| {
        let found = column.iter().find(|found| found.name == operation)?;
        if who == "vmsplit" { Some(found.pair) } else { pair_of(found, who) }
    };
    let mut rows = Vec::new();
    for operation in OPERATIONS {
        for (index, who) in whos.iter().enumerate() {
            let name = if index == 0 { operation } else { "" };
            let figures: Vec<_> =
                columns.iter().map(|column| pair(column, operation, who)).collect();
            // Who can not do it anywhere has no row, but for ours, which bears the name.
            if index > 0 && figures.iter().all(Option::is_none) {
                continue;
            }
            let words = [name.to_owned(), (*who).to_owned()];
            rows.push(words.into_iter().chain(figures.into_iter().map(number)).collect());
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_and_sizes_exist() {
        assert!(OPERATIONS.iter().all(|name| workload::names().contains(name)));
        assert!(SIZES.iter().all(|size| size.parse::<MemorySize>().is_ok()));
    }

    #[test]
    fn a_peer_that_had_too_little_memory_somewhere_has_a_dash_there() {
        let found = |peers: &[(&str, f64)]| {
            let peers = peers.iter().map(|&(name, pair)| (name.into(), pair)).collect();
            vec![Measured { name: OPERATIONS[0].into(), get: 1.0, put: 2.0, pair: 3.0, peers }]
        };
        let rows = rows(&[found(&[]), found(&[("x", 9.5)])]);
        assert_eq!(rows[0], [OPERATIONS[0], "vmsplit", "3.00", "3.00"]);
        assert_eq!(rows[1], ["", "x", "-", "9.50"]);
        assert_eq!(rows.len(), 1 + OPERATIONS.len(), "and no row for what x can not do");
    }
}
