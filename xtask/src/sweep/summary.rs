//! The table at the end: what came of the rows, and why some do not agree.
//!
//! A small sweep is shown whole. Of a large one only those rows are shown that somebody must look at.

use comfy_table::{CellAlignment, Table, presets};
use experiment::results::{Results, Row, Verdict};
use std::fmt::Write as _;

use super::files::mib;
use experiment::figures::Figures;

/// So many rows are shown whole.
const SMALL: usize = 24;

/// So many differences of a row are shown.
const DIFFERENCES: usize = 3;

const HEADER: [&str; 11] = [
    "mem",
    "cpu",
    "vmsplit",
    "vmalloc=",
    "dma_zone=",
    "highmem",
    "lowmem",
    "HighMem",
    "lost",
    "vmalloc",
    "verdict",
];
/// The columns of figures.
const FIGURES: std::ops::Range<usize> = 6..10;

/// The text. Figures are MiB.
pub fn of(results: &Results) -> String {
    let rows = &results.rows;
    let is_well = |row: &Row| matches!(row.verdict, Verdict::Agrees | Verdict::Predicted);
    let shown = |row: &&Row| rows.len() <= SMALL || !is_well(row);
    let mut text = String::new();
    if rows.iter().any(|row| shown(&row)) {
        text += &table(rows.iter().filter(shown));
        text.push('\n');
    }
    for row in rows.iter().filter(|row| !is_well(row)) {
        explain(&mut text, row);
    }
    text += &count(rows);
    text
}

fn table<'r>(rows: impl Iterator<Item = &'r Row>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER).add_rows(rows.map(cells));
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if FIGURES.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn cells(row: &Row) -> Vec<String> {
    let given = &row.given;
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
    let highmem = if given.highmem { "on" } else { "off" };
    let mut cells = vec![
        given.mem.clone(),
        given.cpu.clone(),
        given.vmsplit.clone(),
        or_none(&given.vmalloc),
        or_none(&given.dma_zone),
        highmem.into(),
    ];
    let answer = row.booted.as_ref().or(row.predicted.as_ref().ok());
    let figures = answer.map(Figures::of);
    let lowmem = figures.as_ref().map(|figures| figures.lowmem);
    let highmem = figures.as_ref().map(|figures| figures.highmem);
    let lost = figures.as_ref().map(|figures| figures.lost);
    let vmalloc = figures.as_ref().map(|figures| figures.vmalloc);
    for bytes in [lowmem, highmem, lost, vmalloc] {
        cells.push(bytes.map_or_else(|| "-".into(), mib));
    }
    cells.push(row.verdict.name().into());
    cells
}

/// Why a row does not agree.
fn explain(text: &mut String, row: &Row) {
    // A `String` takes all that is written to it.
    let _ = writeln!(text, "{}: {}", row.given, row.verdict.name());
    match &row.verdict {
        Verdict::Differs { differences } => {
            for difference in differences.iter().take(DIFFERENCES) {
                let _ = writeln!(text, "  {difference}");
            }
            let more = differences.len().saturating_sub(DIFFERENCES);
            if more > 0 {
                let _ = writeln!(text, "  and {more} more, in results.json");
            }
        }
        Verdict::Failed { reason } => {
            let _ = writeln!(text, "  {reason}");
        }
        Verdict::Agrees | Verdict::Predicted => {}
    }
}

fn count(rows: &[Row]) -> String {
    let of = |name| rows.iter().filter(|row| row.verdict.name() == name).count();
    let (agree, differ, failed) = (of("agrees"), of("differs"), of("failed"));
    let predicted = of("predicted");
    let mut parts = vec![format!("{failed} failed")];
    if predicted > 0 {
        parts.push(format!("{predicted} predicted alone"));
    }
    // A sweep that booted nothing has nothing to say of agreement.
    if agree + differ > 0 || predicted == 0 {
        parts.insert(0, format!("{agree} agree, {differ} differ"));
    }
    let s = if rows.len() == 1 { "" } else { "s" };
    format!("{} row{s}: {}\n", rows.len(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::plan::Combination;
    use super::*;
    use experiment::compare::Difference;

    fn results(rows: Vec<Row>) -> Results {
        Results { version: 1, kernel: "x".into(), rows }
    }

    fn differs(count: usize) -> Verdict {
        let difference = |index: usize| Difference {
            path: format!("layout.regions.{index}.start"),
            left: "0xbf000000".into(),
            right: index.into(),
        };
        Verdict::Differs { differences: (0..count).map(difference).collect() }
    }

    #[test]
    fn a_small_sweep_is_shown_whole() {
        let failed = Verdict::Failed { reason: "time-out, waiting for the first prompt".into() };
        let rows = vec![
            Combination::row_of("65537K", Verdict::Agrees),
            Combination::row_of("1G", differs(4)),
            Combination::row_of("2G", failed),
        ];
        assert_eq!(
            of(&results(rows)),
            "\
mem     cpu         vmsplit  vmalloc=  dma_zone=  highmem      lowmem  HighMem  lost  vmalloc  verdict
65537K  cortex-a15  3g       none      none       on       64.0078125        0     0      944  agrees
1G      cortex-a15  3g       none      none       on              768      256     0      240  differs
2G      cortex-a15  3g       none      none       on              768     1280     0      240  failed

1G cortex-a15 3g: differs
  layout.regions.0.start: expected 0xbf000000, booted 0
  layout.regions.1.start: expected 0xbf000000, booted 1
  layout.regions.2.start: expected 0xbf000000, booted 2
  and 1 more, in results.json
2G cortex-a15 3g: failed
  time-out, waiting for the first prompt
3 rows: 1 agree, 1 differ, 1 failed
"
        );
    }

    #[test]
    fn of_a_large_sweep_the_rows_that_agree_are_counted() {
        let mut rows = vec![Combination::row_of("1G", Verdict::Agrees); SMALL];
        assert!(of(&results(rows.clone())).starts_with("mem "));
        rows.push(Combination::row_of("1G", Verdict::Predicted));
        let text = of(&results(rows.clone()));
        assert_eq!(text, "25 rows: 24 agree, 0 differ, 0 failed, 1 predicted alone\n");
        rows.push(Combination::row_of("64M", differs(1)));
        let text = of(&results(rows));
        assert_eq!(text.lines().filter(|line| line.starts_with("64M ")).count(), 2, "{text}");
        assert!(!text.contains("\n1G "), "{text}");
        let text = of(&results(vec![Combination::row_of("1G", Verdict::Predicted)]));
        assert!(text.ends_with("\n1 row: 0 failed, 1 predicted alone\n"), "{text}");
    }
}
