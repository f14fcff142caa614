//! The pictures of the guide, made anew with `VMSPLIT_BLESS=1`; people look at them, no test does.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::Shared;
use crate::driver::Session;

const DRAWN: &str = "document.getElementById('explore').dataset.drawn && document.querySelector('#explore .picture')";

/// Makes them.
pub fn renew(shared: &Shared) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    fs::create_dir_all(&folder).unwrap();
    let keep = |name: &str, session: &Session| {
        fs::write(folder.join(format!("{name}.png")), session.screenshot()).unwrap();
    };
    let session = Session::open(&shared.driver, &shared.report);
    session.until(DRAWN);
    hide_scrollbars(&session);
    session.resize(1440, 1000, 1.0);
    session.emulate("screen", "light");
    keep("report-light", &session);
    session.run("document.getElementById('row-7').closest('details').open = true; document.getElementById('row-7').closest('details').scrollIntoView()");
    session.emulate("screen", "dark");
    keep("report-dark", &session);
    session.emulate("screen", "light");
    session.run_with(
        "const form = document.getElementById('compare');
         [form.elements.left.value, form.elements.right.value] = arguments[0];
         form.dispatchEvent(new Event('input', { bubbles: true }));
         document.getElementById('difference').scrollIntoView()",
        json!(["1", "4"]),
    );
    session.until("document.getElementById('compared').textContent.startsWith('Rows 2 and 5')");
    session.resize(1440, 1560, 1.0);
    keep("difference", &session);
    drop(session);
    let link =
        "#explore?bank=0x40000000%2B512M&bank=0x80000000%2B1G&split=3g&vmalloc=1M&dma_zone=64M";
    let session = Session::open(&shared.driver, &format!("{}{link}", shared.explorer));
    hide_scrollbars(&session);
    session.resize(1440, 1060, 1.0);
    session.until(DRAWN);
    session.run("scrollTo(0, 0)");
    keep("explorer", &session);
}

fn hide_scrollbars(session: &Session) {
    session.protocol("Emulation.setScrollbarsHidden", json!({ "hidden": true }));
}
