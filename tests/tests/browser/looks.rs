//! How the page looks: dark and light, on paper, on a narrow view; labels of pictures; nothing without scripts is lost.

use serde_json::{Value, json};

use crate::Shared;
use crate::driver::Session;

const DRAWN: &str = "document.getElementById('explore').dataset.drawn && document.querySelector('#differences figure')";

/// Opens every row.
const OPEN: &str = "for (const row of document.querySelectorAll('details')) row.open = true;";

/// Texts whose contrast with what is behind them is below 4.5, by the formula of WCAG 2: of each the ratio, and the text.
const FAINT: &str = "
    const parse = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
    const luminance = (color) => {
        const [r, g, b] = parse(color).map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            const parts = parse(color);
            if (parts.length === 3 || parts[3] === 1) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    let looked = 0;
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || element.closest('script, style, template, title, desc')) continue;
        if (!element.checkVisibility() || element.closest(':disabled')) continue;
        const style = getComputedStyle(element);
        const color = element.closest('svg') ? style.fill : style.color;
        const [a, b] = [luminance(color), luminance(behind(element))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        looked += 1;
        if (ratio < 4.5) faint.push([ratio, walker.currentNode.data, color]);
    }
    return { looked, faint };";

pub fn text_has_contrast_in_light_and_dark(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    session.until(DRAWN);
    session.run(OPEN);
    let mut backs = Vec::new();
    for scheme in ["light", "dark"] {
        session.emulate("screen", scheme);
        let found = session.run(FAINT);
        assert!(found["looked"].as_u64().unwrap() > 1000, "{found}");
        assert_eq!(found["faint"], json!([]), "{scheme}");
        backs.push(session.text("return getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(backs[0], backs[1], "the schemes differ");
    session.finish();
}

pub fn paper_has_the_table_and_the_open_rows(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    session.until(DRAWN);
    session.run("document.getElementById('row-9').closest('details').open = true");
    session.emulate("print", "dark");
    let visible = |selector: &str| {
        let body = "return [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility()).length";
        session.run_with(body, json!(selector)).as_u64().unwrap()
    };
    assert_eq!(visible("table.rows tbody tr"), 12);
    assert_eq!(visible("article .picture"), 2, "one row is open");
    assert_eq!(visible("form, nav, input, select, #explore"), 0, "nothing that can only be used");
    assert_eq!(
        session.text("return getComputedStyle(document.body).backgroundColor"),
        "rgb(255, 255, 255)"
    );
    // A4 that stands, less the margins of a printer: what is beyond is lost.
    session.resize(718, 1000, 1.0);
    let width = session.run("return document.querySelector('table.rows').offsetWidth");
    assert!(width.as_u64().unwrap() <= 718, "the table is {width} wide");
    session.emulate("", "light");
    let printed =
        session.protocol("Page.printToPDF", json!({ "landscape": true, "printBackground": true }));
    let pdf = decoded(printed["data"].as_str().unwrap());
    assert!(pdf.starts_with(b"%PDF-"));
    let has = |part: &[u8]| pdf.windows(part.len()).any(|window| window == part);
    // Glyphs with their characters: text that can be searched, and not a picture of it.
    assert!(has(b"/ToUnicode") && has(b"/Font"), "{} bytes", pdf.len());
    session.finish();
}

/// The bytes of base64.
fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

pub fn a_narrow_view_is_not_wider_than_it_is(shared: &Shared) {
    for url in [&shared.report, &shared.explorer] {
        let session = Session::open(&shared.driver, url);
        session.until("document.getElementById('explore').dataset.drawn");
        session.run(OPEN);
        for width in [320, 360, 768, 1440] {
            session.resize(width, 800, 1.0);
            let found = session.run("return document.scrollingElement.scrollWidth");
            assert!(found.as_u64().unwrap() <= u64::from(width), "{found} at {width}: {url}");
        }
        session.finish();
    }
}

pub fn labels_of_pictures_are_apart(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    session.until(DRAWN);
    session.run(OPEN);
    // Of each picture the boxes of its texts, as the browser's own font makes them.
    let touching = session.run(
        "const touching = [];
         for (const picture of document.querySelectorAll('article .picture')) {
             const view = picture.viewBox.baseVal;
             const boxes = [...picture.querySelectorAll('tspan, text.heading')].filter((text) => text.textContent)
                 .map((text) => {
                     const { x, y, width, height } = text.getBBox();
                     const count = text.getNumberOfChars();
                     const [first, last] = [text.getExtentOfChar(0), text.getExtentOfChar(count - 1)];
                     return { text: text.textContent, x: first.x, right: last.x + last.width, y: first.y, bottom: first.y + first.height };
                 });
             for (const [index, a] of boxes.entries()) {
                 if (a.x < 0 || a.y < 0 || a.right > view.width || a.bottom > view.height) touching.push([a, 'outside']);
                 for (const b of boxes.slice(index + 1)) {
                     if (a.x < b.right && b.x < a.right && a.y < b.bottom - 1 && b.y < a.bottom - 1) touching.push([a, b]);
                 }
             }
         }
         return touching",
    );
    assert_eq!(touching, json!([]));
    session.finish();
}

pub fn without_scripts_the_table_and_the_rows_can_be_read(shared: &Shared) {
    let session = Session::open(&shared.driver, "about:blank");
    session.protocol("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    session.protocol("Page.navigate", json!({ "url": shared.report }));
    // What a screen reader is told: without scripts nothing else can be asked.
    let mut names = Vec::new();
    for _ in 0..100 {
        let tree = session.protocol("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap();
        names = nodes
            .iter()
            .filter(|node| node["ignored"] != true)
            .filter_map(|node| node["name"]["value"].as_str().map(str::to_owned))
            .collect();
        if names.iter().any(|name| name.contains("Row 12: 16M")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let has = |part: &str| names.iter().any(|name| name.contains(part));
    for part in [
        "Each row is a boot, or the prediction of one",
        "2000 MiB",
        "Row 12: 16M, 3g, vmalloc=240M",
        "The explorer needs scripts, which are off.",
        "Comparing rows needs scripts, which are off.",
    ] {
        assert!(has(part), "{part} in {names:?}");
    }
    assert!(!has("Show all") && !has("Add a bank"), "no control that does nothing: {names:?}");
    session.protocol("Emulation.setScriptExecutionDisabled", json!({ "value": false }));
    let _: Value = session.run("return 1");
}
