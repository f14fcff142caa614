//! The difference view, a row's link, and a row's section.

use experiment::compare::differences;
use serde_json::json;

use crate::Shared;
use crate::driver::Session;
use crate::sample::{DIFFERS, FAILED, REASON, results, value};

pub fn two_rows_differ_as_the_library_says(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    let rows = results().rows;
    let answer = |number: usize| {
        let row = &rows[number - 1];
        value(row.booted.as_ref().or(row.predicted.as_ref().ok()).unwrap())
    };
    let choose = |left: usize, right: usize| {
        session.run_with(
            "const form = document.getElementById('compare');
             form.elements.left.value = arguments[0][0];
             form.elements.right.value = arguments[0][1];
             document.getElementById('compared').textContent = '';
             form.dispatchEvent(new Event('input', { bubbles: true }))",
            json!([left - 1, right - 1]),
        );
        session.until("document.getElementById('compared').textContent");
        session.text("return document.getElementById('compared').textContent")
    };
    for (left, right) in [(1, 2), (2, 8), (7, DIFFERS), (DIFFERS, 8), (3, 3)] {
        let expected: Vec<_> =
            differences(&answer(left), &answer(right)).into_iter().map(|one| one.path).collect();
        let said = choose(left, right);
        assert!(
            said.starts_with(&format!("Rows {left} and {right} differ in {} ", expected.len()))
        );
        let paths = session.run(
            "return [...document.querySelectorAll('#differences tbody th')].map((th) => th.textContent)",
        );
        let mut paths: Vec<String> = serde_json::from_value(paths).unwrap();
        let mut expected = expected;
        paths.sort();
        expected.sort();
        assert_eq!(paths, expected);
        let pictures = session.run(
            "return [...document.querySelectorAll('#differences .picture desc')].map((one) => one.textContent)",
        );
        assert_eq!(pictures.as_array().unwrap().len(), 4, "of each row two");
    }
    let said = choose(1, FAILED);
    assert_eq!(said, "No comparison: row 12 has no layout; its section says why.");
    assert_eq!(
        session.run("return document.getElementById('differences').childElementCount"),
        json!(0)
    );
    session.finish();
}

pub fn a_rows_link_opens_its_section(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    session.run_with(
        "document.querySelector(`table.rows a[href='#row-${arguments[0]}']`).click()",
        json!(DIFFERS),
    );
    session.until("document.querySelector('#row-9').closest('details').open");
    session.until("document.activeElement.id === 'row-9'");
    let section = session.text("return document.activeElement.innerText");
    for part in ["layout.vmalloc_start", "0xf0900000", "Regions", "high_memory"] {
        assert!(section.contains(part), "{part} in {section}");
    }
    let failed = format!(
        "return document.getElementById('row-{FAILED}').querySelector('.reason').textContent"
    );
    assert_eq!(session.text(&failed), REASON);
    session.finish();
}
