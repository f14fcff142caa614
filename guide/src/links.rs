//! Where the links of a page lead once it is a page of the book.
//!
//! In the repository a link leads to a file, as GitHub shows it. In the book `README.md` is `index.html`, and a file outside
//! `docs/` (a source, a folder of examples) has a page of its own under `source/`. Invariant: a link that mdBook gets
//! leads to another page of the book, to a page that [`crate::sources`] writes, or to another host.

use anyhow::{Result, bail};
use mdbook_markdown::pulldown_cmark::{Event, LinkType, Tag};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use crate::DOCS;

/// The folder of the book with the pages of files outside `docs/`.
const SOURCE: &str = "source";

/// The file of the book that shows `path`, a file or folder outside `docs/`. mdBook takes `.md` anywhere in a link for the end
/// of a page's name, so there is none.
pub fn source_page(path: &Path) -> PathBuf {
    PathBuf::from(format!("{SOURCE}/{}.html", path.display().to_string().replace(".md", "-md")))
}

/// The page's text with its links as the book needs them. `page` is its path below `docs/`; what outside of that it links to
/// goes to `outside`, by its path below the root.
pub fn rewritten(page: &Path, text: &str, outside: &mut BTreeSet<PathBuf>) -> Result<String> {
    let mut result = String::with_capacity(text.len());
    let mut done = 0;
    for (target, range) in targets(text) {
        if is_elsewhere(&target) {
            continue;
        }
        let (file, fragment) = match target.find('#') {
            Some(at) => target.split_at(at),
            None => (target.as_str(), ""),
        };
        let leads = below_root(page, file)?;
        let new = match leads.strip_prefix(DOCS) {
            Ok(inside) if is_readme(inside) => {
                format!("{}index.md", &file[..file.len() - README.len()])
            }
            Ok(_) => continue,
            Err(_) => {
                let to_root = "../".repeat(page.components().count() - 1);
                let path = format!("{to_root}{}", source_page(&leads).display());
                outside.insert(leads);
                path
            }
        };
        result.push_str(&text[done..range.start]);
        result.push_str(&new);
        result.push_str(fragment);
        done = range.end;
    }
    result.push_str(&text[done..]);
    Ok(result)
}

/// The file of the book that the page becomes.
pub fn rendered(page: &Path) -> PathBuf {
    let page = if is_readme(page) { page.with_file_name("index.md") } else { page.to_path_buf() };
    page.with_extension("html")
}

const README: &str = "README.md";

fn is_readme(page: &Path) -> bool {
    page.file_name().is_some_and(|name| name == README)
}

/// Another host, or this very page.
fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:") || target.starts_with('#')
}

/// The targets of the inline links and pictures of a page, and where in its text they stand.
fn targets(text: &str) -> Vec<(String, Range<usize>)> {
    let mut targets = Vec::new();
    for (event, range) in new_cmark_parser(text, &MarkdownOptions::default()).into_offset_iter() {
        let Event::Start(
            Tag::Link { link_type: LinkType::Inline, dest_url, .. }
            | Tag::Image { link_type: LinkType::Inline, dest_url, .. },
        ) = event
        else {
            continue;
        };
        // The text of a link may hold brackets, and another link's picture: its own target is the last.
        let mark = format!("]({dest_url}");
        if let Some(at) = text[range.clone()].rfind(&mark) {
            let start = range.start + at + "](".len();
            targets.push((dest_url.to_string(), start..start + dest_url.len()));
        }
    }
    // A picture inside of a link comes after it, and stands before its target.
    targets.sort_by_key(|(_, range)| range.start);
    targets
}

/// Where `file`, as `page` names it, lies below the root.
fn below_root(page: &Path, file: &str) -> Result<PathBuf> {
    let mut path = Path::new(DOCS).join(page);
    path.pop();
    for component in Path::new(file).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => bail!("the link to {file} leaves the checkout"),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(page: &str, text: &str) -> (String, Vec<String>) {
        let mut outside = BTreeSet::new();
        let text = rewritten(Path::new(page), text, &mut outside).unwrap();
        (text, outside.iter().map(|path| path.display().to_string()).collect())
    }

    #[test]
    fn links_between_pages_stay_and_readmes_are_indexes() {
        let (text, outside) = rewrite(
            "zones.md",
            "[a](slab.md#caches) [`d`](decisions/README.md#x) ![p](a.svg) [h](https://h/README.md) [t](#top)",
        );
        assert_eq!(
            text,
            "[a](slab.md#caches) [`d`](decisions/index.md#x) ![p](a.svg) [h](https://h/README.md) [t](#top)"
        );
        assert!(outside.is_empty());
        assert_eq!(rewrite("decisions/0001.md", "[guide](../README.md)").0, "[guide](../index.md)");
    }

    #[test]
    fn what_lies_outside_has_a_page_under_source() {
        let (text, outside) = rewrite(
            "decisions/0001.md",
            "see [x](../../mm/src/lib.rs#L3) and [y](../../README.md)",
        );
        assert_eq!(
            text,
            "see [x](../source/mm/src/lib.rs.html#L3) and [y](../source/README-md.html)"
        );
        assert_eq!(outside, ["README.md", "mm/src/lib.rs"]);
    }

    #[test]
    fn code_that_looks_like_a_link_is_code() {
        let text = "`[x](../a)`\n\n```text\n[x](../a)\n```\n";
        assert_eq!(rewrite("p.md", text), (text.to_string(), vec![]));
    }

    #[test]
    fn a_picture_in_a_link_is_one_of_two() {
        let (text, outside) = rewrite("p.md", "[![p](../a.svg)](../b.rs)");
        assert_eq!(text, "[![p](source/a.svg.html)](source/b.rs.html)");
        assert_eq!(outside, ["a.svg", "b.rs"]);
    }

    #[test]
    fn a_link_out_of_the_checkout_is_refused() {
        let error = rewritten(Path::new("p.md"), "[x](../../../etc)", &mut BTreeSet::new());
        assert!(error.unwrap_err().to_string().contains("leaves the checkout"));
    }

    #[test]
    fn a_readme_becomes_an_index() {
        assert_eq!(rendered(Path::new("decisions/README.md")), Path::new("decisions/index.html"));
        assert_eq!(rendered(Path::new("zones.md")), Path::new("zones.html"));
    }
}
