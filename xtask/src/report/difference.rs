//! The form of the difference view, which a script fills: two rows, what differs, both pictures side by side.

use experiment::results::Row;
use maud::{Markup, html};

use super::title::title;

/// The form; it is shown by the script that serves it.
pub fn form(rows: &[Row]) -> Markup {
    let choose = |name: &str, words: &str, chosen: usize| {
        html! {
            label {
                (words) " "
                select name=(name) {
                    @for (index, row) in rows.iter().enumerate() {
                        option value=(index) selected[index == chosen] {
                            (index + 1) ": " (title(&row.given))
                        }
                    }
                }
            }
        }
    };
    html! {
        section aria-labelledby="difference" {
            h2 id="difference" tabindex="-1" { "Difference of two rows" }
            p.needs-scripts { "Comparing rows needs scripts, which are off." }
            form id="compare" hidden {
                (choose("left", "Left", 0))
                (choose("right", "Right", 1.min(rows.len().saturating_sub(1))))
                p role="status" id="compared" {}
            }
            div id="differences" {}
        }
    }
}
