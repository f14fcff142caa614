//! Every text that the kernel can stop with is explained in the guide.
//!
//! The texts are the literals in calls of `halt` and `stop_for`, up to their first value; the page
//! is `docs/bring-up.md`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// The Rust files below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// What stands between the parenthesis that `text` begins behind and the one that closes it.
/// Parentheses inside literals come in pairs.
fn arguments(text: &str) -> &str {
    let mut open = 1;
    let end = text.char_indices().find(|(_, c)| {
        open += i32::from(*c == '(') - i32::from(*c == ')');
        open == 0
    });
    &text[..end.unwrap().0]
}

/// The beginnings of the texts in `source`, as far as they are fixed.
fn stops(source: &str) -> Vec<String> {
    let calls = ["halt(format_args!(", "stop_for("].into_iter().flat_map(|call| {
        source.match_indices(call).map(|(at, _)| arguments(&source[at + call.len()..]))
    });
    calls
        .filter_map(|arguments| {
            // The text is the first literal of `format_args!` and the only one of `stop_for`.
            let (_, literal) = arguments.split_once('"')?;
            let fixed = literal.split(['{', '"']).next()?.trim_end();
            (!fixed.is_empty()).then(|| fixed.to_string())
        })
        .collect()
}

#[test]
fn every_stop_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/bring-up.md")).unwrap();
    // A code span may go over two lines.
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut all = Vec::new();
    for path in sources(&root.join("kernel/src")) {
        all.extend(stops(&fs::read_to_string(path).unwrap()));
    }
    let assembly = fs::read_to_string(root.join("arch-arm/src/entry/head.s")).unwrap();
    let halted = assembly.split("vmsplit: halted: ").skip(1);
    all.extend(halted.map(|text| text.split('\\').next().unwrap().to_string()));
    assert!(all.len() > 30, "only these stops were found: {all:#?}");
    let missing: Vec<_> = all.iter().filter(|text| !page.contains(text.as_str())).collect();
    assert!(missing.is_empty(), "docs/bring-up.md has no row for {missing:#?}");
}

#[test]
fn texts_are_found_in_calls_of_either_kind() {
    let source = r#"
        halt(format_args!("the kernel runs at {image}, outside"));
        stop_for(early.map(virt, (1, 2)), "can not map");
        halt(format_args!(
            "panic: {}",
            info.message()
        ));
        halt(format_args!("{what}, {phys}"));
        result.unwrap_or_else(|error| halt(format_args!("{what}: {error}")))
    "#;
    assert_eq!(stops(source), ["the kernel runs at", "panic:", "can not map"]);
}
