//! The guide is whole: every command has a row, every page is in both contents and in one place of the book, every topic has
//! a chapter, every link leads to a file and a heading, every command that a page names is one, and the tables of what
//! `vmalloc=` does are what is predicted.
//!
//! The commands are the rows of the kernel's own table, by their `name`. That what the console shows is what is printed, is
//! the test `docs`; that the book of it holds together, `cargo xtask guide`.

#![expect(clippy::unwrap_used, reason = "tests")]

use experiment::address::{Address, Range};
use experiment::configuration::{Configuration, Shorthands};
use experiment::machine::{Machine, VIRT_RAM};
use experiment::predict::predict;
use mm::boot::split::Split;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files of `folder`.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

/// The names in a table of commands.
fn names(table: &str) -> Vec<&str> {
    let rows = table.split("Command {").skip(1);
    rows.filter_map(|row| row.split_once("name: \"")?.1.split('"').next()).collect()
}

/// The commands that the first column of the tables in `page` shows, without their arguments.
fn shown(page: &str) -> Vec<&str> {
    let columns = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    // A row may show several, each in backquotes of its own.
    let spans = columns.flat_map(|column| column.split('`').step_by(2));
    spans.filter_map(|span| span.split_whitespace().next()).collect()
}

/// The targets of the links in `page`, without those to other hosts.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn every_command_has_a_row() {
    let table = fs::read_to_string(root().join("kernel/src/monitor/table.rs")).unwrap();
    let page = fs::read_to_string(root().join("docs/monitor.md")).unwrap();
    let (names, shown) = (names(&table), shown(&page));
    assert!(names.len() > 20, "only these commands were found: {names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !shown.contains(name)).collect();
    assert!(missing.is_empty(), "docs/monitor.md has no row for {missing:?}");
}

/// The index page of the book, which names the others in their order.
const SUMMARY: &str = "SUMMARY.md";

#[test]
fn every_page_is_listed() {
    for folder in [root().join("docs"), root().join("docs/decisions")] {
        let contents = fs::read_to_string(folder.join("README.md")).unwrap();
        for page in pages(&folder) {
            let name = page.file_name().unwrap().to_str().unwrap();
            let is_contents = ["README.md", SUMMARY].contains(&name);
            let listed = is_contents || links(&contents).contains(&name);
            assert!(listed, "{} does not list {name}", folder.join("README.md").display());
        }
    }
}

#[test]
fn every_page_is_in_one_place_of_the_book() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join(SUMMARY)).unwrap();
    let places = links(&summary);
    let mut found = BTreeSet::new();
    for place in &places {
        assert!(docs.join(place).is_file(), "{SUMMARY} names {place}, which is not there");
        assert!(found.insert(*place), "{SUMMARY} names {place} twice");
    }
    for folder in ["", "decisions"] {
        for page in pages(&docs.join(folder)) {
            let page = page.strip_prefix(&docs).unwrap().to_str().unwrap();
            assert!(page == SUMMARY || found.contains(page), "{SUMMARY} does not name {page}");
        }
    }
}

/// What the guide has to have a chapter about, and where that is.
const TOPICS: [(&str, &str); 10] = [
    ("address space", "layout.md"),
    ("vmalloc=", "vmalloc-parameter.md"),
    ("zones and DMA", "zones.md"),
    ("highmem and pkmap", "highmem.md"),
    ("buddy", "buddy.md"),
    ("slab", "slab.md"),
    ("vmalloc and ioremap", "vmalloc.md"),
    ("DMA memory", "dma.md"),
    ("modules", "modules.md"),
    ("bring-up of a new board", "bring-up.md"),
];

#[test]
fn every_topic_has_a_chapter_to_read_and_to_try() {
    for (topic, page) in TOPICS {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        let runs = text.matches("```console\n$ cargo xtask ").count();
        assert!(runs >= 2, "{page}, on {topic}, has {runs} commands with their output");
        let opening = text.split("\n## ").next().unwrap();
        assert!(opening.contains('?'), "{page}, on {topic}, does not begin with a question");
        assert!(text.contains("```text\n"), "{page}, on {topic}, draws nothing");
        let differs =
            text.lines().any(|line| line.starts_with("## ") && line.contains("Linux differs"));
        assert!(differs, "{page}, on {topic}, does not say where Linux differs");
        assert!(text.contains("\n## Try this\n"), "{page}, on {topic}, has nothing to try");
        let in_the_code = links(&text).iter().any(|link| link.starts_with("../"));
        assert!(in_the_code, "{page}, on {topic}, does not lead to the code");
    }
}

/// The lines of `page` that are not in a block of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        is_code ^= fence;
        !is_code && !fence
    })
}

/// The anchors of the headings in `page`, as GitHub and mdBook make them: small letters, digits, `_` and `-`, blanks as `-`,
/// and a number behind what is there already.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(page) {
        let text = line.trim_start_matches('#');
        if text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        // Of a link its text is shown.
        let mut shown = String::new();
        for (index, part) in text.trim().split("](").enumerate() {
            let part = if index == 0 { part } else { part.split_once(')').unwrap_or((part, "")).1 };
            shown.push_str(part);
        }
        let anchor: String = shown
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || "_- ".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|a| !anchors.contains(a));
        anchors.extend(free);
    }
    anchors
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let folders = [root(), root().join("docs"), root().join("docs/decisions")];
    let pages: Vec<_> = folders.iter().flat_map(|folder| pages(folder)).collect();
    let (mut count, mut headings) = (0, 0);
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let to = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(to.exists(), "{} links to {link}, which is not there", page.display());
            count += 1;
            if !fragment.is_empty() && to.extension().is_some_and(|end| end == "md") {
                let there = anchors(&fs::read_to_string(&to).unwrap());
                let leads = there.contains(fragment);
                assert!(leads, "{} links to {link}, but {there:?}", page.display());
                headings += 1;
            }
        }
    }
    assert!(count > 200, "only {count} links were found");
    assert!(headings > 20, "only {headings} links to headings were found");
}

/// The monitor's commands that the calls of `cargo xtask` in `page` name, by `--exec`.
fn executed(page: &str) -> Vec<&str> {
    let calls = page.split("--exec ").skip(1).filter_map(|rest| match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(|c: char| c.is_whitespace() || "`\\".contains(c)).next(),
    });
    let commands = calls.flat_map(|call| call.split(';'));
    commands.filter_map(|command| command.split_whitespace().next()).collect()
}

#[test]
fn every_command_that_a_page_names_is_one() {
    let table = fs::read_to_string(root().join("kernel/src/monitor/table.rs")).unwrap();
    let names = names(&table);
    let mut count = 0;
    for page in
        [root(), root().join("docs"), root().join("docs/decisions")].iter().flat_map(|f| pages(f))
    {
        let text = fs::read_to_string(&page).unwrap();
        for command in executed(&text) {
            // The changelog and the decisions may show a place-holder.
            let is_one =
                names.contains(&command) || command.chars().all(|c| c.is_uppercase() || c == '…');
            assert!(is_one, "{} has a command {command} executed", page.display());
            count += 1;
        }
    }
    assert!(count > 100, "only {count} commands were found");
}

/// The rows of the tables in `page` that say what a board's RAM becomes, each by the names of its columns.
fn memory_rows(page: &str) -> Vec<BTreeMap<String, String>> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_matches('|');
        inner.split('|').map(|cell| cell.trim().trim_matches('`').to_string()).collect()
    };
    let mut rows = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("| RAM | split | `vmalloc=` |") {
            continue;
        }
        let head = cells(line);
        let body = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
        rows.extend(body.map(|row| head.iter().cloned().zip(cells(row)).collect()));
    }
    rows
}

/// What the columns `lowmem`, `HighMem`, `area` and `user` say of one row's machine, in MiB.
fn predicted(ram: &str, split: &str, vmalloc: Option<&str>) -> BTreeMap<&'static str, u64> {
    const MIB: u64 = 1 << 20;
    let (number, unit) = ram.split_at(ram.len() - 1);
    let bytes = number.parse::<u64>().unwrap() * if unit == "G" { 1024 * MIB } else { MIB };
    let bank = Range { start: VIRT_RAM, end: Address(VIRT_RAM.0 + bytes) };
    let machine = Machine { banks: vec![bank], ..Machine::default() };
    let short = Shorthands { vmalloc, ..Shorthands::default() };
    let configuration = Configuration::new(Split::from_name(split).unwrap(), "", short);
    let layout = predict(&machine, &configuration).unwrap().layout;
    let highmem = layout.zones.get("HighMem").map_or(0, |zone| u64::from(zone.present) * 4096);
    let user = layout.regions.iter().find(|region| region.name == "user").unwrap();
    BTreeMap::from([
        ("lowmem", (layout.lowmem_end_phys.0 - layout.phys_offset.0) / MIB),
        ("HighMem", highmem / MIB),
        ("area", (layout.vmalloc_end.0 - layout.vmalloc_start.0) / MIB),
        ("user", (user.end.0 - user.start.0) / MIB),
    ])
}

#[test]
fn what_tables_say_of_vmalloc_is_what_is_predicted() {
    let mut count = 0;
    for page in pages(&root().join("docs")) {
        for row in memory_rows(&fs::read_to_string(&page).unwrap()) {
            let vmalloc = Some(row["vmalloc="].as_str()).filter(|value| *value != "none");
            let figures = predicted(&row["RAM"], &row["split"], vmalloc);
            for (column, figure) in figures {
                if let Some(said) = row.get(column) {
                    assert_eq!(
                        *said,
                        figure.to_string(),
                        "{column} of {row:?}, {}",
                        page.display()
                    );
                    count += 1;
                }
            }
        }
    }
    assert!(count > 70, "only {count} figures were found");
}

#[test]
fn the_table_of_splits_is_what_is_predicted() {
    let page = fs::read_to_string(root().join("docs/layout.md")).unwrap();
    let rows = page.lines().filter(|line| line.contains("| 0x") && line.contains(" MiB | "));
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, split, page_offset, lowmem, largest] = cells[..] else { panic!("{row}") };
        let found = Split::from_name(split).unwrap().page_offset().as_u32();
        assert_eq!(page_offset, format!("{found:#010x}"), "{row}");
        assert_eq!(lowmem, format!("{} MiB", predicted("3G", split, None)["lowmem"]), "{row}");
        assert_eq!(largest, format!("{}M", predicted("3G", split, Some("4095M"))["area"]), "{row}");
        count += 1;
    }
    assert_eq!(count, 4, "splits");
}

#[test]
fn names_rows_and_links_are_found() {
    let table = "pub struct Of; &[\nCommand {\n name: \"peek\",\n args: &[Arg::address(\"ADDR\")],\n },\n\
                 Command { name: \"version\", args: &[] },";
    assert_eq!(names(table), ["peek", "version"]);
    let page = "| `peek ADDR [b\\|h]` | memory |\n| `poweroff`, `reboot` | `no` |\n`word` | x |";
    assert_eq!(shown(page), ["peek", "poweroff", "reboot"]);
    assert_eq!(links("[a](b.md#c), [d](https://e/f) and [g](../h)"), ["b.md#c", "../h"]);
}

#[test]
fn anchors_are_those_of_github_and_mdbook() {
    let page = "# `vmalloc=`\n## kmap: a moment, with *a page*\n### `vmallocinfo` and `x_y`\n## Twice\n## Twice\n\
                #no heading\n```text\n# nor this\n```\n## A [link](to.md#there), and more\n## Z-1 − Ü";
    let found = anchors(page);
    let expected = [
        "a-link-and-more",
        "kmap-a-moment-with-a-page",
        "twice",
        "twice-1",
        "vmalloc",
        "vmallocinfo-and-x_y",
        "z-1--ü",
    ];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn executed_commands_and_rows_are_found() {
    let page =
        "`cargo xtask run --exec \"a 1; b\"` and\n$ cargo xtask run --exec c | grep x\n`--exec d`";
    assert_eq!(executed(page), ["a", "b", "c", "d"]);
    let rows = memory_rows(
        "| RAM | split | `vmalloc=` | area |\n|---|---|---|---|\n| 1G | `3g` | none | 240 |\n\n| x |",
    );
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0]["split"].as_str(), rows[0]["area"].as_str()), ("3g", "240"));
}
