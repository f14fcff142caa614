//! By keyboard alone, and with a screen reader: every control can be reached, seen to have the focus, and has a name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Shared;
use crate::driver::Session;
use crate::table::shown;

/// WebDriver's names of keys.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const SPACE: &str = " ";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";

const DRAWN: &str = "document.getElementById('explore').dataset.drawn";

/// What has the focus: its number among all elements, its words, and whether that can be seen.
const FOCUS: &str = "
    const at = document.activeElement;
    const style = getComputedStyle(at);
    return {
        number: [...document.querySelectorAll('*')].indexOf(at),
        is: at.tagName.toLowerCase(),
        words: at.getAttribute('aria-label') ?? at.name ?? at.textContent,
        text: at.textContent,
        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    }";

/// What can be used: as many numbers of elements as Tab must stop at. Of radio buttons Tab stops at one.
const CONTROLS: &str = "
    const all = [...document.querySelectorAll('*')];
    return all.filter((one) => one.matches('a[href], button, input, select, summary, [tabindex=\"0\"]'))
        .filter((one) => one.checkVisibility() && !one.disabled && !one.matches('[type=radio]:not(:checked)'))
        .map((one) => all.indexOf(one))";

pub fn tab_reaches_every_control_and_shows_it(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    session.until(DRAWN);
    let wanted: BTreeSet<u64> = serde_json::from_value(session.run(CONTROLS)).unwrap();
    assert!(wanted.len() > 50, "{}", wanted.len());
    let mut reached = BTreeSet::new();
    let mut first = None;
    for _ in 0..wanted.len() + 5 {
        session.keys(TAB);
        let focus = session.run(FOCUS);
        if focus["is"] == "body" {
            break;
        }
        first.get_or_insert_with(|| focus["text"].clone());
        assert_eq!(focus["outlined"], true, "the focus can be seen: {focus}");
        reached.insert(focus["number"].as_u64().unwrap());
    }
    assert_eq!(first, Some(json!("Skip to the content")));
    let missed: Vec<_> = wanted.difference(&reached).collect();
    assert!(missed.is_empty(), "not reached: {missed:?} of {wanted:?}");
    session.finish();
}

/// Presses Tab until the focus is on what has these words.
#[track_caller]
fn tab_to(session: &Session, is: &str, words: &str) {
    for _ in 0..150 {
        session.keys(TAB);
        let focus = session.run(FOCUS);
        let starts =
            |key: &str| focus[key].as_str().is_some_and(|text| text.trim().starts_with(words));
        if focus["is"] == is && (starts("words") || starts("text")) {
            return;
        }
    }
    panic!("Tab does not lead to {is} {words}");
}

pub fn all_is_done_by_keyboard_alone(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    session.until(DRAWN);
    // The skip link leads past the heading.
    session.keys(TAB);
    session.keys(ENTER);
    session.until("location.hash === '#content'");
    // The filter.
    tab_to(&session, "input", "text");
    session.keys("ram=1G");
    session.until("document.getElementById('shown').textContent === '6 of 12 rows'");
    tab_to(&session, "button", "Show all");
    session.keys(SPACE);
    session.until("document.getElementById('shown').textContent === '12 of 12 rows'");
    // Sorting: the focus stays, so that a second key turns it round.
    tab_to(&session, "button", "Lost");
    session.keys(ENTER);
    let up = shown(&session);
    session.keys(SPACE);
    let down = shown(&session);
    assert_eq!((up[0], down[0]), (12, 7), "nothing is known of row 12, row 7 lost most");
    assert_eq!(session.run(FOCUS)["text"], "Lost");
    // A row's link, its section, and out of it again.
    tab_to(&session, "a", "Row 7");
    session.keys(ENTER);
    session.until("document.activeElement.id === 'row-7'");
    // The difference view.
    session.run("document.getElementById('difference').focus()");
    tab_to(&session, "select", "left");
    session.keys("3:");
    session.until("document.getElementById('compared').textContent.startsWith('Rows 3 and 2 ')");
    // The explorer: a slider by an arrow, a split by an arrow, a bank by a button.
    tab_to(&session, "input", "slider");
    let size = "document.querySelector('#explore [name=size]').value";
    session.keys(RIGHT);
    session.until(&format!("{size} === '1040M'"));
    session.keys(LEFT);
    session.until(&format!("{size} === '1G'"));
    tab_to(&session, "button", "Add a bank");
    session.keys(ENTER);
    session.until("document.querySelectorAll('.bank').length === 2");
    assert_eq!(session.run(FOCUS)["words"], "start", "the focus is in the new bank");
    tab_to(&session, "button", "Remove bank 2");
    session.keys(SPACE);
    session.until("document.querySelectorAll('.bank').length === 1");
    tab_to(&session, "input", "split");
    session.keys(RIGHT);
    session.until(
        "document.querySelector('[data-figure=PAGE_OFFSET] dd').textContent === '0xb0000000'",
    );
    session.finish();
}

pub fn a_screen_reader_is_told_everything(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    session.until(DRAWN);
    session.run("for (const row of document.querySelectorAll('details')) row.open = true");
    let tree = session.protocol("Accessibility.getFullAXTree", json!({}));
    let nodes: Vec<&Value> =
        tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true).collect();
    let of = |role: &str| -> Vec<&&Value> {
        nodes.iter().filter(|node| node["role"]["value"] == role).collect()
    };
    let controls =
        ["button", "textbox", "searchbox", "slider", "combobox", "checkbox", "radio", "link"];
    for role in controls.into_iter().chain(["image", "region", "table", "navigation"]) {
        let found = of(role);
        assert!(!found.is_empty() || role == "table", "there is no {role}");
        for node in found {
            let name = node["name"]["value"].as_str().unwrap_or_default();
            assert!(!name.trim().is_empty() || role == "table", "a {role} without a name: {node}");
        }
    }
    for image in of("image") {
        let words = image["description"]["value"].as_str().unwrap_or_default();
        assert!(
            words.starts_with("From the highest address down") || words.contains(" of RAM in "),
            "{image}"
        );
    }
    assert_eq!(of("main").len(), 1);
    assert!(of("status").len() >= 3 && of("alert").len() == 1, "changes are said");
    let levels = session.run(
        "return [...document.querySelectorAll('h1, h2, h3, h4')].filter((one) => one.checkVisibility())
            .map((one) => Number(one.tagName[1]))",
    );
    let levels: Vec<u32> = serde_json::from_value(levels).unwrap();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert_eq!(levels[0], 1);
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "no level is left out: {levels:?}"
    );
    let doubles = session.run(
        "const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
         return ids.filter((id, index) => ids.indexOf(id) !== index)",
    );
    assert_eq!(doubles, json!([]), "an id names one thing");
    assert_eq!(session.text("return document.documentElement.lang"), "en");
    session.finish();
}
