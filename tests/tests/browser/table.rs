//! The table: sorted by each of its columns both ways, as the results say it must be; filtered.

use std::cmp::Ordering;

use experiment::results::{Row, Verdict};
use serde_json::{Value, json};

use crate::Shared;
use crate::driver::Session;
use crate::sample::{bytes, results};

/// What a cell is sorted by.
#[derive(Clone, PartialEq, Debug)]
enum Key {
    Nothing,
    Number(u64),
    Text(String),
}

/// The key of each column of a row, from the results alone.
fn keys(number: usize, row: &Row) -> Vec<Key> {
    let text = |text: &str| Key::Text(text.to_owned());
    let size =
        |text: &Option<String>| text.as_ref().map_or(Key::Nothing, |text| Key::Number(bytes(text)));
    let given = &row.given;
    let verdict = match row.verdict {
        Verdict::Predicted => "○ predicted",
        Verdict::Agrees => "✓ agrees",
        Verdict::Differs { .. } => "≠ differs",
        Verdict::Failed { .. } => "✗ failed",
    };
    let mut keys = vec![
        Key::Number(number as u64),
        Key::Number(bytes(&given.mem)),
        text(&given.cpu),
        text(&given.vmsplit),
        size(&given.vmalloc),
        size(&given.dma_zone),
        text(if given.highmem { "on" } else { "off" }),
        text(verdict),
    ];
    match row.booted.as_ref().or(row.predicted.as_ref().ok()) {
        Some(answer) => {
            let what = &answer.account.what_if.as_ref().unwrap().now;
            let layout = &answer.layout;
            keys.extend(
                [
                    what.lowmem,
                    what.highmem,
                    what.lost,
                    layout.vmalloc_end.0 - layout.vmalloc_start.0,
                    layout.warnings.len() as u64,
                ]
                .map(Key::Number),
            );
        }
        None => keys.extend([const { Key::Nothing }; 5]),
    }
    keys
}

fn order(a: &Key, b: &Key) -> Option<Ordering> {
    Some(match (a, b) {
        (Key::Nothing, Key::Nothing) => Ordering::Equal,
        (Key::Nothing, _) => Ordering::Less,
        (_, Key::Nothing) => Ordering::Greater,
        (Key::Number(a), Key::Number(b)) => a.cmp(b),
        // How languages order texts is the browser's; that equal ones are together is not.
        _ if a == b => Ordering::Equal,
        _ => return None,
    })
}

/// The numbers of the rows that are shown, from the top.
pub fn shown(session: &Session) -> Vec<usize> {
    let rows = session.run(
        "return [...document.querySelectorAll('table.rows tbody tr')].filter((row) => !row.hidden)
            .map((row) => Number(row.cells[0].dataset.value))",
    );
    serde_json::from_value(rows).unwrap()
}

pub fn each_column_sorts_both_ways(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    let rows = results().rows;
    let keys: Vec<_> = rows.iter().enumerate().map(|(index, row)| keys(index + 1, row)).collect();
    let columns = keys[0].len();
    let key = |number: usize, column: usize| &keys[number - 1][column];
    assert_eq!(
        session.run("return document.querySelectorAll('.sorts button').length"),
        json!(columns)
    );
    for column in 0..columns {
        for direction in ["ascending", "descending"] {
            session.run_with(
                "document.querySelectorAll('.sorts button')[arguments[0]].click()",
                json!(column),
            );
            let sorts = session.run(
                "return [...document.querySelectorAll('.sorts th')].map((th) => th.getAttribute('aria-sort'))",
            );
            let expected: Vec<_> =
                (0..columns).map(|other| (other == column).then_some(direction)).collect();
            assert_eq!(sorts, json!(expected));
            let shown = shown(&session);
            assert_eq!(shown.len(), rows.len());
            let found: Vec<_> = shown.iter().map(|number| key(*number, column)).collect();
            let wrong = if direction == "ascending" { Ordering::Greater } else { Ordering::Less };
            for pair in found.windows(2) {
                assert_ne!(order(pair[0], pair[1]), Some(wrong), "column {column}: {found:?}");
            }
            // Equal ones are together.
            let mut runs = found.clone();
            runs.dedup();
            let mut distinct: Vec<&Key> = Vec::new();
            for key in found {
                if !distinct.contains(&key) {
                    distinct.push(key);
                }
            }
            assert_eq!(runs.len(), distinct.len(), "column {column}");
        }
    }
    session.finish();
}

pub fn the_filter_shows_what_it_says(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    let all = results().rows.len();
    let filter = |values: Value| {
        session.run_with(
            "const form = document.getElementById('filter');
             for (const [name, value] of Object.entries(arguments[0])) form.elements[name].value = value;
             form.dispatchEvent(new Event('input', { bubbles: true }))",
            values,
        );
        let shown = shown(&session);
        let said = session.text("return document.getElementById('shown').textContent");
        assert_eq!(said, format!("{} of {all} rows", shown.len()));
        shown
    };
    assert_eq!(filter(json!({ "verdict": "failed" })), [12]);
    assert_eq!(filter(json!({ "verdict": "", "split": "2g" })), [8, 9]);
    assert_eq!(filter(json!({ "split": "", "text": "vmalloc=16M" })), [3, 10]);
    assert_eq!(filter(json!({ "text": "vmalloc=16M ram=1G" })), [3]);
    assert_eq!(filter(json!({ "text": "Cortex-A7" })), [5, 10]);
    assert!(filter(json!({ "text": "nothing like this" })).is_empty());
    session.run("document.querySelector('#filter [type=reset]').click()");
    session.until("document.getElementById('shown').textContent.startsWith('12 ')");
    assert_eq!(shown(&session).len(), all);
    session.finish();
}
