//! The report of a sweep, and the layout explorer: one HTML page that needs nothing else.
//!
//! Everything is in the file: styles, scripts, the results, the WebAssembly module; its content security policy forbids
//! the browser to fetch anything. Without scripts the table and every row's section can be read; scripts sort and
//! filter, compare two rows, and run the explorer.
//!
//! | file | idea |
//! |---|---|
//! | `command` | `cargo xtask report`: the page of a `results.json` |
//! | `title` | how a row is called |
//! | `table` | the rows as a table |
//! | `section` | all of one row |
//! | `difference` `explorer` | the forms of the two parts that scripts fill |
//! | `embed` | texts and bytes inside `<script>` elements |
//! | `*.css` `*.js` | styles, scripts: one idea each |
//!
//! Invariant: [`page`] takes any [`Results`]; what comes from them is escaped.

mod command;
mod difference;
mod embed;
mod explorer;
mod section;
mod table;
#[cfg(test)]
mod tests;
mod title;

use experiment::answer::Answer;
use experiment::picture;
use experiment::results::{Results, Row, Verdict};
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use command::{Args, run};

/// Nothing may be fetched; what is in the page may run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
                      script-src 'unsafe-inline' 'wasm-unsafe-eval'; \
                      base-uri 'none'; form-action 'none'";

const STYLES: [&str; 4] = [
    include_str!("page.css"),
    include_str!("picture.css"),
    include_str!("explorer.css"),
    include_str!("print.css"),
];

/// In the order of use. They are one module, whose names the page does not see.
const SCRIPTS: [&str; 6] = [
    include_str!("wasm.js"),
    include_str!("size.js"),
    include_str!("table.js"),
    include_str!("difference.js"),
    include_str!("link.js"),
    include_str!("explorer.js"),
];

/// The page: the report of `results`, with the explorer, whose WebAssembly module is `wasm`. Without rows it is the
/// explorer alone.
pub fn page(results: &Results, wasm: &[u8]) -> String {
    let rows = &results.rows;
    let only_explorer = rows.is_empty();
    let title = if only_explorer { "Layout explorer" } else { "Sweep of memory layouts" };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · vmsplit" }
                @for style in STYLES { style { (PreEscaped(style)) } }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                (picture::patterns())
                header {
                    h1 { (title) }
                    p.kernel { (results.kernel) }
                    @if !only_explorer { (counts(rows)) (contents(rows)) }
                }
                main id="content" {
                    @if !only_explorer {
                        (table::table(rows))
                        @if rows.len() > 1 { (difference::form(rows)) }
                    }
                    (explorer::form(only_explorer))
                    @if !only_explorer { (sections(rows)) }
                }
                (embed::json("answers", &rows.iter().map(shown).collect::<Vec<_>>()))
                (embed::binary("module", wasm))
                script type="module" {
                    @for script in SCRIPTS { (PreEscaped(script)) }
                }
            }
        }
    };
    page.into_string()
}

/// The answer that a row stands for: what a kernel read back, otherwise the prediction.
fn shown(row: &Row) -> Option<&Answer> {
    row.booted.as_ref().or(row.predicted.as_ref().ok())
}

/// A verdict's key, in style classes and in the filter, and its words, with a mark for who does not see the colour.
fn verdict(row: &Row) -> (&'static str, &'static str) {
    match row.verdict {
        Verdict::Predicted => ("predicted", "○ predicted"),
        Verdict::Agrees => ("agrees", "✓ agrees"),
        Verdict::Differs { .. } => ("differs", "≠ differs"),
        Verdict::Failed { .. } => ("failed", "✗ failed"),
    }
}

/// How many rows came to what.
fn counts(rows: &[Row]) -> Markup {
    let mut counts: Vec<((&str, &str), usize)> = Vec::new();
    for row in rows {
        let verdict = verdict(row);
        match counts.iter_mut().find(|(known, _)| *known == verdict) {
            Some((_, count)) => *count += 1,
            None => counts.push((verdict, 1)),
        }
    }
    html! {
        ul.counts {
            li { (rows.len()) @if rows.len() == 1 { " row" } @else { " rows" } }
            @for ((class, words), count) in counts {
                li { span class={ "verdict " (class) } { (words) } " " (count) }
            }
        }
    }
}

fn contents(rows: &[Row]) -> Markup {
    html! {
        nav aria-label="Parts of this page" {
            a href="#table" { "Table" }
            @if rows.len() > 1 { a href="#difference" { "Difference of two rows" } }
            a href="#explorer" { "Explorer" }
            a href="#rows" { "Row by row" }
        }
    }
}

fn sections(rows: &[Row]) -> Markup {
    html! {
        section aria-labelledby="rows" {
            h2 id="rows" tabindex="-1" { "Row by row" }
            p.for-paper { "On paper come those that are open." }
            @for (index, row) in rows.iter().enumerate() { (section::section(index + 1, row)) }
        }
    }
}
