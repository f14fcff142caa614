//! The rows as a table.
//!
//! Cells carry what they are sorted by (`data-value`) where that is not their text. Sorting and filtering are scripts',
//! so their controls are made, or shown, by scripts: without them there is nothing that does not work.

use experiment::figures::Figures;
use experiment::picture::Size;
use experiment::results::Row;
use maud::{Markup, html};

use super::{shown, verdict};

/// The headings. Those of numbers are on the right.
const COLUMNS: [(&str, bool); 13] = [
    ("Row", true),
    ("RAM", true),
    ("CPU", false),
    ("Split", false),
    ("vmalloc=", true),
    ("dma_zone=", true),
    ("HighMem", false),
    ("Verdict", false),
    ("lowmem", true),
    ("HighMem", true),
    ("Lost", true),
    ("vmalloc region", true),
    ("Warnings", true),
];

/// The table with its filter.
pub fn table(rows: &[Row]) -> Markup {
    html! {
        section aria-labelledby="table" {
            h2 id="table" tabindex="-1" { "Table" }
            (filter(rows))
            div.scroll tabindex="0" role="region" aria-labelledby="table-caption" {
                table.rows {
                    caption id="table-caption" { "Each row is a boot, or the prediction of one" }
                    thead {
                        tr {
                            th colspan="7" scope="colgroup" { "Given" }
                            th colspan="6" scope="colgroup" { "Found" }
                        }
                        tr.sorts {
                            @for (name, is_number) in COLUMNS {
                                th scope="col" class=[is_number.then_some("number")] { (name) }
                            }
                        }
                    }
                    tbody {
                        @for (index, row) in rows.iter().enumerate() { (line(index + 1, row)) }
                    }
                }
            }
        }
    }
}

/// Hidden until a script can serve it.
fn filter(rows: &[Row]) -> Markup {
    let choices = |values: &mut Vec<(String, String)>| {
        values.sort();
        values.dedup();
        html! {
            option value="" { "all" }
            @for (value, words) in values { option value=(value) { (words) } }
        }
    };
    let mut verdicts: Vec<_> = rows
        .iter()
        .map(|row| {
            let (key, words) = verdict(row);
            (key.to_owned(), words.to_owned())
        })
        .collect();
    let mut splits: Vec<_> =
        rows.iter().map(|row| (row.given.vmsplit.clone(), row.given.vmsplit.clone())).collect();
    html! {
        form.filter id="filter" hidden {
            label { "Filter " input type="search" name="text" placeholder="ram=1G vmalloc=16M" autocomplete="off"; }
            label { "Verdict " select name="verdict" { (choices(&mut verdicts)) } }
            label { "Split " select name="split" { (choices(&mut splits)) } }
            button type="reset" { "Show all" }
            p role="status" id="shown" { (rows.len()) " of " (rows.len()) " rows" }
        }
    }
}

/// A value that was given, or a dash that is read as what it means.
fn given(value: Option<&str>) -> Markup {
    html! {
        @match value {
            Some(value) => { (value) }
            None => { span aria-hidden="true" { "–" } span.unseen { "default" } }
        }
    }
}

fn size(bytes: u64) -> Markup {
    html! {
        td.number data-value=(bytes) { @if bytes == 0 { "0" } @else { (Size(bytes)) } }
    }
}

fn line(number: usize, row: &Row) -> Markup {
    let (class, words) = verdict(row);
    let values = &row.given;
    html! {
        tr data-verdict=(class) data-split=(values.vmsplit) {
            th.number scope="row" data-value=(number) {
                a href={ "#row-" (number) } { span.unseen { "Row " } (number) }
            }
            td.number { (values.mem) }
            td { (values.cpu) }
            td { (values.vmsplit) }
            td.number { (given(values.vmalloc.as_deref())) }
            td.number { (given(values.dma_zone.as_deref())) }
            td { @if values.highmem { "on" } @else { "off" } }
            td { span class={ "verdict " (class) } { (words) } }
            @match shown(row) {
                Some(answer) => {
                    @let figures = Figures::of(answer);
                    (size(figures.lowmem))
                    (size(figures.highmem))
                    (size(figures.lost))
                    td.number data-value=(figures.vmalloc) {
                        span.range { (answer.layout.vmalloc_start) "–" (answer.layout.vmalloc_end) }
                        span.size { (Size(figures.vmalloc)) }
                    }
                    td.number { (answer.layout.warnings.len()) }
                }
                None => { @for _ in 0..5 { td.number { (given_none()) } } }
            }
        }
    }
}

/// The cell of a row that has no layout.
fn given_none() -> Markup {
    html! { span aria-hidden="true" { "–" } span.unseen { "none" } }
}
