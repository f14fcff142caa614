//! The explorer: what the page draws is what the library predicts, whatever is set, and however.

use experiment::answer::Answer;
use experiment::configuration::{Configuration, Shorthands};
use experiment::machine::Machine;
use experiment::picture;
use experiment::predict::predict;
use mm::boot::split::Split;
use serde_json::{Value, json};

use crate::Shared;
use crate::driver::Session;
use crate::sample::bytes;

/// Types settings into the explorer, as one who fills in the form; the last tells the page.
const TYPE: &str = "
    const [settings] = arguments;
    const root = document.getElementById('explore');
    const form = root.querySelector('form');
    while (root.querySelectorAll('.bank').length > settings.banks.length) {
        root.querySelector('.bank:last-child [name=remove]').click();
    }
    while (root.querySelectorAll('.bank').length < settings.banks.length) {
        root.querySelector('#add-bank').click();
    }
    settings.banks.forEach(([start, size], index) => {
        const bank = root.querySelectorAll('.bank')[index];
        bank.querySelector('[name=start]').value = start;
        bank.querySelector('[name=size]').value = size;
    });
    for (const name of ['split', 'vmalloc', 'dma_zone', 'append']) {
        form.elements[name].value = settings[name];
    }
    form.elements.highmem.checked = settings.highmem;
    delete root.dataset.drawn;
    form.elements.append.dispatchEvent(new Event('input', { bubbles: true }));";

/// What the explorer shows.
const SHOWN: &str = "
    const root = document.getElementById('explore');
    const figures = [...root.querySelectorAll('[data-figure]')]
        .map((row) => [row.dataset.figure, row.querySelector('dd').textContent]);
    return {
        error: root.querySelector('#explore-error').textContent,
        hidden: root.querySelector('#explore-found').hidden,
        figures: Object.fromEntries(figures),
        warnings: [...root.querySelectorAll('#explore-warnings li')].map((item) => item.textContent),
        pictures: [...root.querySelectorAll('.picture desc')].map((one) => one.textContent),
        commands: root.querySelector('#explore-commands').textContent,
        link: location.hash,
    }";

/// Waits for the picture of what was set.
const DRAWN: &str = "document.getElementById('explore').dataset.drawn";

#[derive(Clone)]
struct Settings {
    banks: Vec<(&'static str, &'static str)>,
    split: &'static str,
    vmalloc: &'static str,
    dma_zone: &'static str,
    append: &'static str,
    highmem: bool,
}

impl Settings {
    const fn new() -> Self {
        Self {
            banks: Vec::new(),
            split: "3g",
            vmalloc: "",
            dma_zone: "",
            append: "",
            highmem: true,
        }
    }

    fn predicted(&self) -> Result<Answer, String> {
        let range = |&(start, size): &(&str, &str)| {
            let start = experiment::address::Address(bytes(start));
            experiment::address::Range {
                start,
                end: experiment::address::Address(start.0 + bytes(size)),
            }
        };
        let machine =
            Machine { banks: self.banks.iter().map(range).collect(), ..Machine::default() };
        let given = |text: &'static str| (!text.is_empty()).then_some(text);
        let short = Shorthands {
            vmalloc: given(self.vmalloc),
            dma_zone: given(self.dma_zone),
            no_highmem: !self.highmem,
        };
        let split = Split::from_name(self.split).unwrap();
        let configuration = Configuration::new(split, self.append, short);
        predict(&machine, &configuration).map_err(|error| error.to_string())
    }

    fn set(&self, session: &Session) -> Value {
        let Self { banks, split, vmalloc, dma_zone, append, highmem } = self;
        session.run_with(
            TYPE,
            json!({ "banks": banks, "split": split, "vmalloc": vmalloc, "dma_zone": dma_zone,
                    "append": append, "highmem": highmem }),
        );
        session.until(DRAWN);
        session.run(SHOWN)
    }
}

/// Settings of all kinds.
fn settings() -> Vec<Settings> {
    let mut all = Vec::new();
    for (index, size) in ["64M", "768M", "1G", "2G", "3G", "0x3ff00400"].into_iter().enumerate() {
        for (split, vmalloc) in [
            ("3g", ""),
            ("3g", "16M"),
            ("3g-opt", "960M"),
            ("2g", "junk"),
            ("1g", "0x10000001"),
            ("3g", "1 2"),
        ] {
            let banks = vec![("0x40000000", size)];
            let (highmem, dma_zone) = (index % 2 == 0, if split == "2g" { "32M" } else { "" });
            all.push(Settings { banks, split, vmalloc, dma_zone, highmem, ..Settings::new() });
        }
    }
    for append in [
        "mem=300M",
        "quiet vmalloc=1G",
        "nohighmem",
        "mem=256M@0x40000000 mem=64M@0x60000000",
        "'\"<&",
        "quiet -- init",
    ] {
        let three = vec![("0x40000000", "256M"), ("0x60000400", "512M"), ("0x100000000", "1G")];
        for banks in
            [three, vec![("0x80000000", "2G"), ("0x40000000", "1G")], vec![("0x40100000", "511M")]]
        {
            all.push(Settings { banks, append, dma_zone: "64M", ..Settings::new() });
        }
    }
    all
}

pub fn the_page_draws_what_the_library_predicts(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.explorer);
    session.until(DRAWN);
    let settings = settings();
    assert!(settings.len() >= 50, "{}", settings.len());
    let (mut laid_out, mut refused) = (0, 0);
    for settings in &settings {
        let shown = settings.set(&session);
        match settings.predicted() {
            Ok(answer) => {
                laid_out += 1;
                assert_eq!(shown["error"], "");
                assert_eq!(shown["figures"]["high_memory"], answer.layout.high_memory.to_string());
                assert_eq!(shown["warnings"], json!(answer.layout.warnings));
                let now = &answer.account.what_if.as_ref().unwrap().now;
                let size = |bytes| picture::Size(bytes).to_string();
                assert_eq!(shown["figures"]["vmalloc"], size(now.vmalloc));
                assert_eq!(shown["figures"]["HighMem"], size(now.highmem));
                let native = [picture::address_space(&answer), picture::ram(&answer)];
                for (drawn, native) in shown["pictures"].as_array().unwrap().iter().zip(native) {
                    let native = native.into_string();
                    let words =
                        native.split_once("<desc>").unwrap().1.split_once("</desc>").unwrap().0;
                    assert_eq!(drawn, words);
                }
            }
            Err(error) => {
                refused += 1;
                assert_eq!(shown["error"], format!("No layout: {error}."));
                assert_eq!(shown["hidden"], true);
            }
        }
    }
    assert!(laid_out >= 50, "{laid_out} with a layout, {refused} without");
    session.finish();
}

pub fn what_is_wrong_is_said(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.explorer);
    session.until(DRAWN);
    let start = Settings { banks: vec![("0x40000000", "1G")], ..Settings::new() };
    for (banks, message) in [
        (
            vec![("0x40000000", "12Q")],
            "No layout: '12Q' in bank 1 is not a size, such as 512M or 1G.",
        ),
        (
            vec![("0x40000000", "1G"), ("", "1G")],
            "No layout: '' in bank 2 is not an address, such as 0x40000000.",
        ),
        (vec![("0x40000000", "0")], "No layout: the memory bank 0x40000000-0x40000000 is empty."),
        (
            vec![("0x40000000", "99999999T")],
            "No layout: '99999999T' in bank 1 is not a size, such as 512M or 1G.",
        ),
    ] {
        let shown = Settings { banks, ..start.clone() }.set(&session);
        assert_eq!(shown["error"], message);
        assert_eq!(shown["hidden"], true);
    }
    let overlap = vec![("0x40000000", "1G"), ("0x50000000", "1G")];
    let shown = Settings { banks: overlap, ..start.clone() }.set(&session);
    assert!(shown["error"].as_str().unwrap().contains("overlap"), "{shown}");
    let invalid = "return document.querySelectorAll('[aria-invalid=true]').length";
    assert_eq!(session.run(invalid), json!(0), "each bank by itself is one");
    Settings { banks: vec![("0x40000000", "x")], ..start.clone() }.set(&session);
    assert_eq!(session.run(invalid), json!(1));
    // And it goes away.
    assert_eq!(start.set(&session)["error"], "");
    session.finish();
}

pub fn a_link_restores_the_settings(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.report);
    session.until(DRAWN);
    let settings = Settings {
        banks: vec![("0x40000000", "512M"), ("0x80000000", "1G")],
        split: "2g",
        vmalloc: "240M",
        dma_zone: "64M",
        append: "quiet mem=1G '&",
        highmem: false,
    };
    let shown = settings.set(&session);
    let link = shown["link"].as_str().unwrap();
    assert!(link.starts_with("#explore?bank="), "{link}");
    session.goto("about:blank");
    session.goto(&format!("{}{link}", shared.report));
    session.until(DRAWN);
    assert_eq!(session.run(SHOWN), shown);
    let command = shown["commands"].as_str().unwrap();
    assert_eq!(
        command,
        "cargo xtask explain --bank 0x40000000+512M --bank 0x80000000+1G --vmsplit 2g \
         --append 'quiet mem=1G '\\''& vmalloc=240M dma_zone=64M nohighmem'"
    );
    // A link to another state in the same page.
    session.run("location.hash = '#explore?bank=0x40000000%2B2G&split=1g'");
    session.until("document.querySelector('#explore [name=size]').value === '2G'");
    session.until("document.querySelector('#explore [data-figure=PAGE_OFFSET] dd').textContent === '0x40000000'");
    // One that is no state is none.
    session.run("location.hash = '#explore?bank=&split=junk'");
    session.until(
        "document.getElementById('explore-error').textContent.includes('bank 1 is not an address')",
    );
}

pub fn sliders_and_texts_follow_each_other(shared: &Shared) {
    let session = Session::open(&shared.driver, &shared.explorer);
    session.until(DRAWN);
    let value = |name: &str| {
        session.text(&format!("return document.querySelector('#explore form [name={name}]').value"))
    };
    let slide = |name: &str, to: u32| {
        session.run_with(
            "const slider = document.querySelector(`#explore form [name=${arguments[0][0]}]`);
             slider.value = arguments[0][1];
             slider.dispatchEvent(new Event('input', { bubbles: true }))",
            json!([name, to]),
        );
    };
    slide("slider", 2048);
    assert_eq!(value("size"), "2G");
    slide("vmalloc-slider", 512);
    assert_eq!(value("vmalloc"), "512M");
    slide("dma_zone-slider", 33);
    assert_eq!(value("dma_zone"), "33M");
    session.until(
        "document.querySelector('[data-figure=high_memory] dd').textContent === '0xdf000000'",
    );
    Settings { banks: vec![("0x40000000", "1G")], vmalloc: "0x2000000", ..Settings::new() }
        .set(&session);
    session.run(
        "document.querySelector('#explore [name=vmalloc]').dispatchEvent(new Event('input', { bubbles: true }))",
    );
    assert_eq!(value("vmalloc-slider"), "32");
    let spoken = session.text(
        "return document.querySelector('[name=vmalloc-slider]').getAttribute('aria-valuetext')",
    );
    assert_eq!(spoken, "0x2000000");
    session.run("document.querySelector('#explore [type=reset]').click()");
    session.until(
        "document.querySelector('[data-figure=high_memory] dd').textContent === '0xf0000000'",
    );
    assert_eq!((value("size").as_str(), value("vmalloc").as_str()), ("1G", ""));
    session.until("document.getElementById('explore-status').textContent.startsWith('lowmem 768 MiB, HighMem 256 MiB')");
    session.finish();
}
