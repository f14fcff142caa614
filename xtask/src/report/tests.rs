//! The page as text: it is one page, fetches nothing, and takes nothing from its results for markup.

use experiment::configuration::{Configuration, Shorthands};
use experiment::machine::{Held, Machine};
use experiment::predict::predict;
use experiment::results::{Given, Results, Row, VERSION, Verdict};
use mm::boot::split::Split;

use super::page;

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&<!--";

/// A sweep whose every text is hostile.
fn hostile() -> Results {
    let text = HOSTILE.to_owned();
    let mut machine = Machine::virt(1 << 30);
    machine.model = Some(text.clone());
    machine.reservations.push(Held {
        range: experiment::address::Range {
            start: experiment::address::Address(0x4800_0000),
            end: experiment::address::Address(0x4880_0000),
        },
        name: Some(text.clone()),
        no_map: true,
    });
    let configuration = Configuration::new(Split::ThreeG, &text, Shorthands::default());
    let mut predicted = predict(&machine, &configuration).unwrap();
    predicted.layout.warnings.push(text.clone());
    predicted.layout.regions[0].name = text.clone();
    let given = Given {
        mem: text.clone(),
        cpu: text.clone(),
        vmsplit: text.clone(),
        vmalloc: Some(text.clone()),
        dma_zone: Some(text.clone()),
        highmem: true,
    };
    let row = |predicted, verdict| Row {
        given: given.clone(),
        machine: machine.clone(),
        configuration: configuration.clone(),
        predicted,
        booted: None,
        verdict,
    };
    let failed = row(Err(text.clone()), Verdict::Failed { reason: text.clone() });
    let rows = vec![row(Ok(predicted), Verdict::Predicted), failed];
    Results { version: VERSION, kernel: text, rows }
}

#[test]
fn nothing_of_the_results_is_markup() {
    let text = page(&hostile(), b"\0asm");
    assert!(!text.contains("<img"), "a tag that is not the page's");
    let own = page(&Results { version: VERSION, kernel: String::new(), rows: Vec::new() }, b"");
    // Results bring no script, whatever is in them.
    assert_eq!(text.matches("<script").count(), own.matches("<script").count());
    assert_eq!(text.matches("</script").count(), own.matches("</script").count());
    assert!(text.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&quot;"));
}

#[test]
fn the_page_leads_nowhere_else() {
    let text = page(&hostile(), b"\0asm");
    assert!(text.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    assert!(text.contains("default-src 'none'"));
    for tag in
        ["<link", "<iframe", "<object", "<base", "@import", " src=\"", "fetch(", "XMLHttpRequest"]
    {
        assert!(!text.contains(tag), "{tag}");
    }
    let links = text.split("href=\"").skip(1);
    assert!(links.clone().count() > 5);
    for link in links {
        assert!(link.starts_with('#'), "{}", link.split('"').next().unwrap());
    }
    // The only address is the name of SVG.
    let addresses = text
        .split("http")
        .skip(1)
        .filter(|rest| rest.starts_with("://") || rest.starts_with("s://"));
    for address in addresses {
        assert!(address.starts_with("://www.w3.org/2000/svg"));
    }
}

#[test]
fn every_link_within_the_page_has_its_end() {
    let text = page(&hostile(), b"\0asm");
    for link in text.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert_eq!(text.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
    }
}

#[test]
fn without_rows_the_page_is_the_explorer() {
    let results = Results { version: VERSION, kernel: "rules".to_owned(), rows: Vec::new() };
    let text = page(&results, b"\0asm");
    assert!(text.contains("<h1>Layout explorer</h1>"));
    assert!(text.contains("id=\"explore\"") && text.contains("AGFzbQ=="));
    assert!(!text.contains("<table") && !text.contains("id=\"compare\""));
}
