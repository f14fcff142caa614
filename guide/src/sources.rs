//! Pages for what the guide links to outside of `docs/`: a source file with numbered lines, a folder as a list.
//!
//! They are not chapters: whoever follows "in the code" sees the file, and goes back. Invariant: each path given has a page,
//! and so has each file that a folder's page lists.

use anyhow::{Context as _, Result};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::links::source_page;

const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 sans-serif;margin:1.5rem;max-width:60rem}\
    pre{font:.85rem/1.45 monospace;tab-size:4;overflow-x:auto;counter-reset:line}\
    pre span{display:inline-block;min-width:3.5em;padding-right:1em;text-align:right;opacity:.55;user-select:none}";

/// Writes a page for each of the paths, which are relative to `root`.
pub fn write(root: &Path, out: &Path, paths: &BTreeSet<PathBuf>) -> Result<()> {
    for path in paths {
        let whole = root.join(path);
        if whole.is_dir() {
            let mut files = Vec::new();
            collect(&whole, Path::new(""), &mut files)?;
            for file in &files {
                write_file(root, out, &path.join(file))?;
            }
            write_page(out, path, &listing(path, &files))?;
        } else {
            write_file(root, out, path)?;
        }
    }
    Ok(())
}

/// The files below a folder that are sources: no hidden ones, nothing that was built.
fn collect(folder: &Path, prefix: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name();
        let kind = entry.file_type().with_context(cannot)?;
        if name.to_string_lossy().starts_with('.') || name == "target" {
            continue;
        }
        let path = prefix.join(&name);
        if kind.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn write_file(root: &Path, out: &Path, path: &Path) -> Result<()> {
    let whole = root.join(path);
    let bytes = fs::read(&whole).with_context(|| format!("cannot read {}", whole.display()))?;
    write_page(out, path, &lines(&String::from_utf8_lossy(&bytes)))
}

/// A file's text. Each line has the anchor that GitHub gives it.
fn lines(text: &str) -> Markup {
    html! {
        pre {
            @for (index, line) in text.lines().enumerate() {
                @let number = index + 1;
                span id=(format!("L{number}")) { (number) }
                (line) "\n"
            }
        }
    }
}

/// The files of the folder at `path`.
fn listing(path: &Path, files: &[PathBuf]) -> Markup {
    let folder = "../".repeat(path.components().count());
    html! {
        ul {
            @for file in files {
                @let page = source_page(&path.join(file));
                li { a href=(format!("{folder}{}", page.display())) { (file.display()) } }
            }
        }
    }
}

fn write_page(out: &Path, path: &Path, content: &Markup) -> Result<()> {
    let to_root = "../".repeat(path.components().count());
    let title = path.display();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                p { a href=(format!("{to_root}index.html")) { "The guide" } }
                h1 { (title) }
                (content)
            }
        }
    };
    let file = out.join(source_page(path));
    let cannot = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    fs::write(&file, page.into_string()).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_a_folder_have_pages() {
        let root = tempfile::tempdir().unwrap();
        let out = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b/target")).unwrap();
        fs::write(root.path().join("a/b/x.rs"), "fn f() -> Vec<u8> {\n}\n").unwrap();
        fs::write(root.path().join("a/b/target/built"), "").unwrap();
        fs::write(root.path().join("a/b/.hidden"), "").unwrap();
        write(root.path(), out.path(), &BTreeSet::from([PathBuf::from("a/b")])).unwrap();

        let list = fs::read_to_string(out.path().join("source/a/b.html")).unwrap();
        assert!(list.contains("<a href=\"../../source/a/b/x.rs.html\">x.rs</a>"), "{list}");
        assert!(list.contains("href=\"../../index.html\""), "{list}");
        assert!(!list.contains("built") && !list.contains("hidden"), "{list}");
        let page = fs::read_to_string(out.path().join("source/a/b/x.rs.html")).unwrap();
        assert!(page.contains("<span id=\"L1\">1</span>fn f() -&gt; Vec&lt;u8&gt; {"), "{page}");
    }

    #[test]
    fn a_path_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = write(root.path(), root.path(), &BTreeSet::from([PathBuf::from("gone.rs")]));
        assert!(error.unwrap_err().to_string().contains("gone.rs"));
    }
}
