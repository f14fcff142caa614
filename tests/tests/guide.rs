//! The guide is whole: every command has a row, every page is listed, every link leads to a file.
//!
//! The commands are the rows of the kernel's own table, by their `name`.

#![expect(clippy::unwrap_used, reason = "tests")]

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

#[test]
fn every_page_is_listed() {
    for folder in [root().join("docs"), root().join("docs/decisions")] {
        let contents = fs::read_to_string(folder.join("README.md")).unwrap();
        for page in pages(&folder) {
            let name = page.file_name().unwrap().to_str().unwrap();
            let listed = name == "README.md" || links(&contents).contains(&name);
            assert!(listed, "{} does not list {name}", folder.join("README.md").display());
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    let folders = [root(), root().join("docs"), root().join("docs/decisions")];
    let pages: Vec<_> = folders.iter().flat_map(|folder| pages(folder)).collect();
    let mut count = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let file = link.split('#').next().unwrap();
            let leads = page.parent().unwrap().join(file).exists();
            assert!(leads, "{} links to {link}, which is not there", page.display());
            count += 1;
        }
    }
    assert!(count > 30, "only {count} links were found");
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
