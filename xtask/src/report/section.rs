//! All of one row: its pictures, its figures, its regions, what was lost, and what came of it.
//!
//! A row is a `<details>`, which a browser opens when a link leads into it; so the link's target is inside.

use experiment::answer::{Answer, Piece};
use experiment::compare::Difference;
use experiment::figures::Figures;
use experiment::picture::{self, Size};
use experiment::results::{Row, Verdict};
use maud::{Markup, html};
use serde_json::Value;

use super::title::title;
use super::{shown, verdict};

/// Pieces that are lost and listed by themselves; the sums are of all.
const LISTED: usize = 40;

/// The section of `row`, which is the `number`th.
pub fn section(number: usize, row: &Row) -> Markup {
    let (class, words) = verdict(row);
    html! {
        details.row {
            summary {
                h3 { "Row " (number) ": " (title(&row.given)) " " span class={ "verdict " (class) } { (words) } }
            }
            article id={ "row-" (number) } tabindex="-1" aria-label={ "Row " (number) } {
                (outcome(row))
                p {
                    "Command line: "
                    @if row.configuration.command_line.is_empty() { "empty" }
                    @else { code { (row.configuration.command_line) } }
                }
                @if let Some(answer) = shown(row) { (found(answer)) }
            }
        }
    }
}

/// What came of the row, where that is more than a word.
fn outcome(row: &Row) -> Markup {
    html! {
        @match &row.verdict {
            Verdict::Predicted => p { "Predicted by the kernel's own rules; not booted." }
            Verdict::Agrees => p { "A booted kernel read back what was predicted." }
            Verdict::Differs { differences } => {
                h4 { "Differences of the boot from the prediction" }
                (table_of(differences, "Predicted", "Booted"))
            }
            Verdict::Failed { reason } => {
                h4 { "Why there is nothing to compare" }
                pre.reason { (reason) }
            }
        }
        @if let Err(reason) = &row.predicted { p { "No prediction: " (reason) "." } }
    }
}

fn table_of(differences: &[Difference], left: &str, right: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Differences" {
            table {
                thead { tr { th scope="col" { "Field" } th scope="col" { (left) } th scope="col" { (right) } } }
                tbody {
                    @for Difference { path, left, right } in differences {
                        tr { th scope="row" { code { (path) } } td { (value(left)) } td { (value(right)) } }
                    }
                }
            }
        }
    }
}

/// A string as itself, anything else as JSON.
fn value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn found(answer: &Answer) -> Markup {
    let Answer { layout, account } = answer;
    let figures = Figures::of(answer);
    html! {
        div.pictures tabindex="0" role="group" aria-label="Pictures" {
            (picture::address_space(answer))
            (picture::ram(answer))
        }
        h4 { "Figures" }
        dl.figures {
            div { dt { "lowmem" } dd { (Size(figures.lowmem)) } }
            div { dt { "HighMem" } dd { (Size(figures.highmem)) } }
            div { dt { "lost" } dd { (Size(figures.lost)) } }
            div { dt { "vmalloc" } dd { (Size(figures.vmalloc)) } }
            div { dt { "user space" } dd { (Size(figures.user)) } }
            div { dt { "PAGE_OFFSET" } dd { (layout.page_offset) } }
            div { dt { "PHYS_OFFSET" } dd { (layout.phys_offset) } }
            div { dt { "high_memory" } dd { (layout.high_memory) } }
        }
        @if !layout.warnings.is_empty() {
            h4 { "Warnings" }
            ul.warnings { @for warning in &layout.warnings { li { (warning) } } }
        }
        (lost(&account.ranges, figures.lost))
        h4 { "Regions" }
        div.scroll tabindex="0" role="region" aria-label="Regions" {
            table {
                thead { tr { @for name in ["Region", "Start", "End", "Size"] { th scope="col" { (name) } } } }
                tbody {
                    @for region in &layout.regions {
                        tr {
                            th scope="row" { (region.name) }
                            td { (region.start) }
                            td { (region.end) }
                            td.number { (Size(region.end.0.saturating_sub(region.start.0))) }
                        }
                    }
                }
            }
        }
    }
}

fn lost(ranges: &[Piece], bytes: u64) -> Markup {
    let pieces: Vec<_> = ranges.iter().filter(|piece| piece.class == "lost").collect();
    html! {
        @if !pieces.is_empty() {
            h4 { "RAM that is lost: " (Size(bytes)) }
            ul {
                @for piece in pieces.iter().take(LISTED) {
                    li {
                        (piece.start) "–" (piece.end) ", "
                        (Size(piece.end.0.saturating_sub(piece.start.0))) ", "
                        (picture::reason(piece.reason.as_deref().unwrap_or_default()))
                    }
                }
                @if pieces.len() > LISTED { li { "and " (pieces.len() - LISTED) " more" } }
            }
        }
    }
}
