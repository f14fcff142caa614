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
use mdbook_driver::config::Config;
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

/// `OUT` is a folder with something in it that is not ours: a book would take its place.
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
        // The reader has left (`| head -1`): there is nobody to tell.
        Err(error) if is_broken_pipe(&error) => ExitCode::FAILURE,
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
    let out = std::path::absolute(out).context("OUT")?;
    claim(&out)?;
    // Beside the old book, which is replaced only by one that is whole.
    let parent = out.parent().with_context(|| format!("{} is no folder's", out.display()))?;
    let cannot = || format!("cannot write in {}", parent.display());
    fs::create_dir_all(parent).with_context(cannot)?;
    let beside = tempfile::tempdir_in(parent).with_context(cannot)?;
    let new = beside.path().join("book");
    let pages = build(root, &new)?;
    let messages = logged.take();
    ensure!(messages.is_empty(), "mdBook warns:\n{}", messages.join("\n"));
    let found = check::check(&new)?;
    ensure!(found.faults.is_empty(), "links to nowhere:\n{}", found.faults.join("\n"));

    fs::write(new.join(MARK), "").with_context(cannot)?;
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    fs::rename(&new, &out).with_context(cannot)?;
    let index = out.join("index.html");
    let links = found.links;
    say(&format!("guide: {pages} pages, {links} links checked: {}", index.display()))?;
    if open {
        opener::open(&index).with_context(|| format!("cannot open {}", index.display()))?;
    }
    Ok(())
}

/// Sees that the folder may be replaced: it is not there, or empty, or a book of ours.
fn claim(out: &Path) -> Result<()> {
    let cannot = || format!("cannot read {}", out.display());
    if out.try_exists().with_context(cannot)? {
        let is_empty = fs::read_dir(out).with_context(cannot)?.next().is_none();
        if !is_empty && !out.join(MARK).is_file() {
            return Err(NotOurs(out.to_path_buf()).into());
        }
    }
    Ok(())
}

/// Renders the book, and sees that each chapter came out; how many those are.
fn build(root: &Path, out: &Path) -> Result<usize> {
    let root = &root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
    let docs = root.join(DOCS);
    let mut config = Config::from_disk(docs.join("book.toml"))?;
    config.build.build_dir = out.to_path_buf();
    // A page that is named and not there is a fault, not an empty page to be written.
    config.build.create_missing = false;
    let mut book = MDBook::load_with_config(docs, config)?;
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

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
        fs::create_dir_all(folder.path().join("new/book")).unwrap();
        claim(&folder.path().join("new/book")).unwrap();
        fs::write(folder.path().join("new/book/thesis.txt"), "years of work").unwrap();
        let error = claim(&folder.path().join("new/book")).unwrap_err();
        assert!(error.is::<NotOurs>(), "{error}");
        fs::write(folder.path().join("new/book").join(MARK), "").unwrap();
        claim(&folder.path().join("new/book")).unwrap();
    }

    /// A checkout with a guide of two pages, of which the second says this.
    fn checkout(second: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(root.path().join(path), text).unwrap();
        fs::create_dir_all(root.path().join("docs")).unwrap();
        write("docs/book.toml", "[book]\nsrc = \".\"\n[output.html]\ninput-404 = \"\"\n");
        write("docs/SUMMARY.md", "[First](README.md)\n\n- [Second](second.md)\n");
        write("docs/README.md", "# First\n\n[second](second.md#there), [code](../code.rs)\n");
        write("docs/second.md", second);
        write("code.rs", "fn main() {}\n");
        root
    }

    /// How many pages came out, what mdBook warns of, and the links to nowhere.
    fn book(root: &Path) -> (usize, Vec<String>, Vec<String>) {
        let logged = warnings::Warnings::default();
        let out = root.join("out/book");
        let pages =
            tracing::subscriber::with_default(logged.clone(), || build(root, &out)).unwrap();
        (pages, logged.take(), check::check(&out).unwrap().faults)
    }

    #[test]
    fn a_guide_that_holds_together_is_a_book() {
        let root = checkout("# Second\n\n## There\n\n[first](README.md)\n");
        assert_eq!(book(root.path()), (2, vec![], vec![]));
        let code = fs::read_to_string(root.path().join("out/book/source/code.rs.html")).unwrap();
        assert!(code.contains("fn main() {}"), "{code}");
    }

    #[test]
    fn a_heading_that_has_gone_is_missed() {
        let root = checkout("# Second\n\n## Elsewhere\n");
        let (_, warnings, faults) = book(root.path());
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(
            faults.contains(&"index.html: second.html#there: no such anchor".to_string()),
            "{faults:?}"
        );
    }

    #[test]
    fn a_warning_of_mdbook_is_heard() {
        let root = checkout("# Second\n\n## There\n\n<b>not closed\n");
        let (_, warnings, _) = book(root.path());
        assert!(warnings.iter().any(|text| text.contains("unclosed")), "{warnings:?}");
    }

    #[test]
    fn a_chapter_without_its_page_is_no_book() {
        let root = checkout("");
        fs::remove_file(root.path().join("docs/second.md")).unwrap();
        let error = build(root.path(), &root.path().join("out/book")).unwrap_err();
        assert!(format!("{error:#}").contains("second.md"), "{error:#}");
    }
}
