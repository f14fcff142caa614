//! What Tab does: adds what all candidates have in common, and lists them when that is nothing.
//!
//! The candidates come one by one from somebody who knows the grammar ([`Complete`]), and are never
//! held: finding what they have in common is one pass over them, listing them another.
//!
//! Invariant: what is added to the word leaves every candidate possible that was.

use core::fmt;

use crate::line::{Text, width_of};
use crate::words::{Partial, partial};

/// Knows what may stand where a word is being typed.
pub trait Complete {
    /// Calls `see` with every name that may stand after the whole words of `before`, where `word` is
    /// being typed. Names that do not begin like it are sorted out by the caller.
    fn candidates(&self, before: &str, word: &str, see: &mut dyn FnMut(&str));
}

/// What can be added at the cursor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing begins like this.
    Nothing,
    /// One name: the rest of it, and the word's end.
    One(Text),
    /// Several names: what all of them go on with, perhaps nothing.
    Several(Text),
}

/// Looks for what can be added to the text `before` the cursor.
#[must_use]
pub fn complete(names: &dyn Complete, before: &str) -> Found {
    let mut common: Option<Text> = None;
    let mut several = false;
    let Some(Partial { quote, .. }) = each(names, before, &mut |rest| match &mut common {
        None => common = Text::from(rest).ok(),
        Some(common) => {
            several |= common.as_str() != rest;
            common.truncate(shared(common, rest));
        }
    }) else {
        return Found::Nothing;
    };
    match common {
        None => Found::Nothing,
        Some(common) if several => Found::Several(common),
        Some(mut rest) => {
            let ended = quote.map_or(Ok(()), |quote| rest.try_push(quote));
            // Without room for the blank the name is typed all the same.
            let _ = ended.and_then(|()| rest.try_push(' '));
            Found::One(rest)
        }
    }
}

/// Bytes of a terminal's line that a list fills.
const LIST_WIDTH: usize = 78;
/// The most names that are listed.
const LIST_MAX: usize = 96;

/// Lists the names that the word at the end of `before` can become. Ends with a line feed.
///
/// # Errors
///
/// Only those of `out`.
pub fn list(names: &dyn Complete, before: &str, out: &mut dyn fmt::Write) -> fmt::Result {
    let word = partial(before).map_or("", |partial| partial.word);
    let (mut column, mut count, mut result) = (0, 0, Ok(()));
    each(names, before, &mut |rest| {
        count += 1;
        if count > LIST_MAX || result.is_err() {
            return;
        }
        let width = width_of(word) + width_of(rest);
        let gap = match column {
            0 => "",
            _ if column + 2 + width > LIST_WIDTH => "\n",
            _ => "  ",
        };
        column = if gap == "  " { column + 2 + width } else { width };
        result = write!(out, "{gap}{word}{rest}");
    });
    result?;
    match count.saturating_sub(LIST_MAX) {
        0 => writeln!(out),
        more => writeln!(out, "\nand {more} more"),
    }
}

/// Calls `see` with what each fitting candidate has after the word typed so far. Returns that word.
fn each<'w>(
    names: &dyn Complete,
    before: &'w str,
    see: &mut dyn FnMut(&str),
) -> Option<Partial<'w>> {
    let typed = partial(before)?;
    names.candidates(typed.before, typed.word, &mut |name| {
        if let Some(rest) = name.strip_prefix(typed.word) {
            see(rest);
        }
    });
    Some(typed)
}

/// How many bytes both begin with, up to a character's end.
fn shared(a: &str, b: &str) -> usize {
    let same = a.char_indices().zip(b.chars()).find(|((_, a), b)| a != b);
    same.map_or(a.len().min(b.len()), |((index, _), _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Fixed<'n>(&'n [&'n str]);

    impl Complete for Fixed<'_> {
        fn candidates(&self, before: &str, _: &str, see: &mut dyn FnMut(&str)) {
            if before.trim().is_empty() {
                self.0.iter().for_each(|name| see(name));
            }
        }
    }

    fn text(text: &str) -> Text {
        Text::from(text).unwrap()
    }

    #[test]
    fn one_several_and_nothing() {
        let names = Fixed(&["meminfo", "memblock", "peek", "poke", "reboot", "reboot", "né", "nè"]);
        for (before, found) in [
            ("mem", Found::Several(text(""))),
            ("m", Found::Several(text("em"))),
            ("memi", Found::One(text("nfo "))),
            ("meminfo", Found::One(text(" "))),
            ("  pe", Found::One(text("ek "))),
            ("'pe", Found::One(text("ek' "))),
            ("re", Found::One(text("boot "))),
            ("n", Found::Several(text(""))),
            ("x", Found::Nothing),
            ("peek ", Found::Nothing),
            ("'peek'", Found::Nothing),
        ] {
            assert_eq!(complete(&names, before), found, "{before:?}");
        }
    }

    #[test]
    fn a_name_that_fills_the_line_has_no_blank_after_it() {
        let long = "x".repeat(crate::line::MAX_BYTES);
        assert_eq!(complete(&Fixed(&[&long]), ""), Found::One(text(&long)));
        let longer = "x".repeat(crate::line::MAX_BYTES + 1);
        assert_eq!(complete(&Fixed(&[&longer]), ""), Found::Nothing);
    }

    #[test]
    fn a_list_has_lines_that_fit() {
        let mut out = String::new();
        list(&Fixed(&["meminfo", "memblock", "peek"]), "m", &mut out).unwrap();
        assert_eq!(out, "meminfo  memblock\n");
        let names: Vec<String> = (0..100).map(|n| format!("name{n:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut out = String::new();
        list(&Fixed(&names), "na", &mut out).unwrap();
        assert!(out.lines().all(|line| line.len() <= LIST_WIDTH), "{out}");
        assert!(out.starts_with("name00  name01"), "{out}");
        assert!(out.ends_with("name95\nand 4 more\n"), "{out}");
    }

    proptest! {
        #[test]
        fn what_is_added_is_the_longest_that_all_share(
            names in prop::collection::vec("[abé]{0,5}", 0..6),
            word in "[abé]{0,2}",
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let fitting: Vec<&str> =
                names.iter().copied().filter(|name| name.starts_with(&word)).collect();
            match complete(&Fixed(&names), &word) {
                Found::Nothing => prop_assert_eq!(fitting.len(), 0),
                Found::One(rest) => {
                    let whole = format!("{word}{rest}");
                    prop_assert!(!fitting.is_empty());
                    let equal = fitting.iter().all(|name| whole == name.to_string() + " ");
                    prop_assert!(equal);
                }
                Found::Several(rest) => {
                    let common = format!("{word}{rest}");
                    prop_assert!(fitting.iter().all(|name| name.starts_with(&common)));
                    let nexts: std::collections::BTreeSet<_> = fitting
                        .iter()
                        .map(|name| name[common.len()..].chars().next())
                        .collect();
                    prop_assert!(nexts.len() > 1 || nexts.contains(&None), "one more would do");
                }
            }
        }
    }
}
