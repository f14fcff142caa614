//! Makes a book of `docs/`: `guide ROOT OUT [--open]`, which `cargo xtask guide` calls.
//!
//! mdBook renders the pages that `docs/SUMMARY.md` names. This program decides what mdBook does not: where a link leads
//! that leaves `docs/` ([`links`], [`sources`]), and that a book with a warning or with a link to nowhere is no book
//! ([`warnings`], [`check`]). Invariant: exit status 0 means that every page came out and every link in the HTML leads to a
//! file and an anchor that exist, without a network.
//!
//! It is a crate of its own since mdBook brings 60 others, which the other commands need not wait for.
//! Exit status: 0 done, 1 failed, 2 a folder that this program will not write to.

mod check;
mod links;
mod sources;
mod warnings;

use anyhow::{Context as _, Result, bail, ensure};
use mdbook_driver::MDBook;
use mdbook_driver::book::BookItem;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The pages, below the checkout's root.
const DOCS: &str = "docs";

/// The file that marks a folder as a book of this program's, which may be written over.
const MARK: &str = ".vmsplit-guide";

/// `OUT` is a folder with something in it that is not ours: mdBook would remove it.
#[derive(Debug)]
struct NotOurs(PathBuf);

impl std::fmt::Display for NotOurs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.0.display();
        write!(f, "{path} is not empty, and no book of this command: it is not written over")
    }
}

impl std::error::Error for NotOurs {}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "guide: {error:#}");
            ExitCode::from(if error.is::<NotOurs>() { 2 } else { 1 })
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let (root, out, open) = match arguments.as_slice() {
        [root, out] => (Path::new(root), Path::new(out), false),
        [root, out, flag] if flag == "--open" => (Path::new(root), Path::new(out), true),
        _ => bail!("usage: guide ROOT OUT [--open]"),
    };
    let logged = warnings::Warnings::listen()?;
    claim(out)?;
    let out = &out.canonicalize().with_context(|| format!("cannot find {}", out.display()))?;
    let built = build(root, out);
    // mdBook empties the folder first, so the mark is made anew; also if it failed, for the next run.
    fs::write(out.join(MARK), "").with_context(|| format!("cannot write in {}", out.display()))?;
    let pages = built?;
    let messages = logged.take();
    ensure!(messages.is_empty(), "mdBook warns:\n{}", messages.join("\n"));

    let found = check::check(out)?;
    ensure!(found.faults.is_empty(), "links to nowhere:\n{}", found.faults.join("\n"));
    let index = out.join("index.html");
    let links = found.links;
    say(&format!("guide: {pages} pages, {links} links checked: {}", index.display()))?;
    if open {
        opener::open(&index).with_context(|| format!("cannot open {}", index.display()))?;
    }
    Ok(())
}

/// Makes the folder, or sees that it may be emptied.
fn claim(out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let cannot = || format!("cannot read {}", out.display());
    let is_empty = fs::read_dir(out).with_context(cannot)?.next().is_none();
    if !is_empty && !out.join(MARK).is_file() {
        return Err(NotOurs(out.to_path_buf()).into());
    }
    Ok(())
}

/// Renders the book, and sees that each chapter came out; how many those are.
fn build(root: &Path, out: &Path) -> Result<usize> {
    let root = &root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
    let mut book = MDBook::load(root.join(DOCS))?;
    book.config.build.build_dir = out.to_path_buf();
    let mut outside = BTreeSet::new();
    let mut result = Ok(());
    let mut pages = Vec::new();
    book.book.for_each_mut(|item| {
        let BookItem::Chapter(chapter) = item else { return };
        let Some(path) = &chapter.path else { return };
        match links::rewritten(path, &chapter.content, &mut outside) {
            Ok(content) => chapter.content = content,
            Err(error) => result = Err(error.context(format!("{DOCS}/{}", path.display()))),
        }
        pages.push(links::rendered(path));
    });
    result?;
    book.build()?;
    sources::write(root, out, &outside)?;
    for page in &pages {
        ensure!(out.join(page).is_file(), "{} did not come out", page.display());
    }
    Ok(pages.len())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_not_emptied() {
        let folder = tempfile::tempdir().unwrap();
        claim(&folder.path().join("new/book")).unwrap();
        claim(&folder.path().join("new/book")).unwrap();
        fs::write(folder.path().join("new/book/thesis.txt"), "years of work").unwrap();
        let error = claim(&folder.path().join("new/book")).unwrap_err();
        assert!(error.is::<NotOurs>(), "{error}");
        fs::write(folder.path().join("new/book").join(MARK), "").unwrap();
        claim(&folder.path().join("new/book")).unwrap();
    }
}
