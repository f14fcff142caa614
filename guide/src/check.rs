//! Whether the links of the finished book lead somewhere.
//!
//! The HTML is what a reader has, so the HTML is what is looked at, by a browser's own rules for it (html5ever). Invariant:
//! a target that is a file of the book exists, its `#fragment` is an anchor in it, and no page loads anything (a script,
//! a style, a font, a picture) from another host.

use anyhow::{Context as _, Result};
use html5ever::buffer_queue::BufferQueue;
use html5ever::tokenizer::{
    Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What a check found.
#[derive(Debug, Default)]
pub struct Found {
    /// How many links were followed.
    pub links: usize,
    /// Each link that leads nowhere, with the page that has it.
    pub faults: Vec<String>,
}

/// Follows every link of every page below `out`.
pub fn check(out: &Path) -> Result<Found> {
    let mut pages = BTreeMap::new();
    read_pages(out, Path::new(""), &mut pages)?;
    let mut found = Found::default();
    for (path, page) in &pages {
        for link in &page.links {
            found.links += 1;
            if let Some(fault) = fault(out, &pages, path, link) {
                found.faults.push(format!("{}: {}: {fault}", path.display(), link.target));
            }
        }
    }
    Ok(found)
}

/// What is wrong with a link, if anything.
fn fault(
    out: &Path,
    pages: &BTreeMap<PathBuf, Page>,
    path: &Path,
    link: &Link,
) -> Option<&'static str> {
    let target = link.target.as_str();
    if target.contains("://") || target.starts_with("//") {
        return link.loads.then_some("loaded from another host");
    }
    // Data in the page itself, an address of mail, a script's own.
    if ["data:", "mailto:", "javascript:"].iter().any(|scheme| target.starts_with(scheme)) {
        return None;
    }
    let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
    let leads = if file.is_empty() { path.to_path_buf() } else { resolved(path, file)? };
    let Some(page) = pages.get(&leads) else {
        let is_there = out.join(&leads).is_file();
        return (!is_there).then_some("no such file");
    };
    let is_anchor = fragment.is_empty() || page.anchors.contains(fragment);
    (!is_anchor).then_some("no such anchor")
}

/// Where `file`, as the page at `path` names it, lies; above the book there is nothing.
fn resolved(path: &Path, file: &str) -> Option<PathBuf> {
    let mut leads = path.parent()?.to_path_buf();
    for component in Path::new(file).components() {
        match component {
            Component::Normal(name) => leads.push(name),
            Component::CurDir => {}
            // What is above the book's root is a file that is not there.
            _ => {
                if !leads.pop() {
                    leads.push("..");
                }
            }
        }
    }
    Some(leads)
}

/// A page's anchors and links.
#[derive(Default)]
struct Page {
    anchors: BTreeSet<String>,
    links: Vec<Link>,
}

struct Link {
    target: String,
    /// Whether the browser fetches it to show this page.
    loads: bool,
}

fn read_pages(out: &Path, below: &Path, pages: &mut BTreeMap<PathBuf, Page>) -> Result<()> {
    let folder = out.join(below);
    let cannot = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(&folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let path = below.join(entry.file_name());
        if entry.file_type().with_context(cannot)?.is_dir() {
            read_pages(out, &path, pages)?;
        } else if path.extension().is_some_and(|end| end == "html") {
            let text = fs::read_to_string(entry.path()).with_context(cannot)?;
            pages.insert(path, page(&text));
        }
    }
    Ok(())
}

fn page(text: &str) -> Page {
    let input = BufferQueue::default();
    input.push_back(text.into());
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

#[derive(Default)]
struct Sink(RefCell<Page>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        if let Token::TagToken(tag) = token
            && tag.kind == TagKind::StartTag
        {
            self.0.borrow_mut().note(&tag);
            // Inside of these, `<a` is text.
            return match &*tag.name {
                "script" => TokenSinkResult::RawData(html5ever::tokenizer::states::ScriptData),
                "style" => TokenSinkResult::RawData(html5ever::tokenizer::states::Rawtext),
                _ => TokenSinkResult::Continue,
            };
        }
        TokenSinkResult::Continue
    }
}

impl Page {
    fn note(&mut self, tag: &Tag) {
        for attribute in &tag.attrs {
            let value = attribute.value.to_string();
            match (&*tag.name, &*attribute.name.local) {
                (_, "id") | ("a", "name") => {
                    self.anchors.insert(value);
                }
                ("a", "href") => self.links.push(Link { target: value, loads: false }),
                ("link", "href") | (_, "src") => {
                    self.links.push(Link { target: value, loads: true });
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(pages: &[(&str, &str)]) -> Vec<String> {
        let out = tempfile::tempdir().unwrap();
        for (path, text) in pages {
            let path = out.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        check(out.path()).unwrap().faults
    }

    #[test]
    fn links_within_the_book_are_followed() {
        let index = "<h1 id=top>x</h1><a href=d/a.html>a</a><a href='d/a.html#s'>s</a><a href=#top>t</a>\
                     <a href=https://example.org/>h</a><img src=p.svg><script>'<a href=no>'</script>";
        let other = "<h2 id='s'>s</h2><a href='../index.html'>i</a>";
        assert_eq!(
            faults(&[("index.html", index), ("d/a.html", other), ("p.svg", "")]),
            [""; 0],
            "all of them lead somewhere"
        );
    }

    #[test]
    fn each_link_to_nowhere_is_named() {
        let index = "<a href=gone.html>g</a><a href=d/a.html#gone>s</a><a href=#gone>t</a>\
                     <script src=https://example.org/x.js></script><a href=../up.html>u</a>";
        assert_eq!(
            faults(&[("index.html", index), ("d/a.html", "<p>")]),
            [
                "index.html: gone.html: no such file",
                "index.html: d/a.html#gone: no such anchor",
                "index.html: #gone: no such anchor",
                "index.html: https://example.org/x.js: loaded from another host",
                "index.html: ../up.html: no such file",
            ]
        );
    }
}
