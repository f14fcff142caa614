//! The words of a line, and the numbers among them.
//!
//! Blanks separate words. A word that begins with a quote, `"` or `'`, goes on to the next quote of
//! that kind, blanks included; the quotes are not part of it. There are no escapes: what holds one
//! kind of quote is put in the other. A quote further inside a word is a character like any other,
//! so `panic don't` needs no thought.
//!
//! Numbers are decimal, or hexadecimal after `0x`; `_` between digits is for the eye. A size may
//! end in K, M or G, for 2^10, 2^20, 2^30.

use core::fmt;

/// A line that can not be divided into words. The texts begin at the offending quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordError<'w> {
    /// A quote that nothing closes.
    NotClosed {
        /// The line from the quote on.
        from: &'w str,
    },
    /// A closing quote with more of a word behind it.
    NoBlank {
        /// The word in its quotes.
        quoted: &'w str,
    },
}

impl fmt::Display for WordError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotClosed { from } => write!(f, "the quote before {from} is not closed"),
            Self::NoBlank { quoted } => write!(f, "a blank is missing after {quoted}"),
        }
    }
}

impl core::error::Error for WordError<'_> {}

/// The iterator of [`words`].
#[derive(Clone, Debug)]
pub struct Words<'w> {
    rest: &'w str,
}

/// Divides `line` into words. An error is the last item.
#[must_use]
pub fn words(line: &str) -> Words<'_> {
    Words { rest: line }
}

impl<'w> Iterator for Words<'w> {
    type Item = Result<&'w str, WordError<'w>>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.trim_ascii_start();
        self.rest = "";
        let first = text.chars().next()?;
        if !is_quote(first) {
            let end = text.find(is_blank).unwrap_or(text.len());
            let (word, rest) = text.split_at(end);
            self.rest = rest;
            return Some(Ok(word));
        }
        // A quote is one byte long.
        let inside = text.get(1..).unwrap_or_default();
        let Some((word, rest)) = inside.split_once(first) else {
            return Some(Err(WordError::NotClosed { from: inside }));
        };
        if rest.chars().next().is_some_and(|next| !is_blank(next)) {
            let quoted = text.get(..word.len() + 2).unwrap_or_default();
            return Some(Err(WordError::NoBlank { quoted }));
        }
        self.rest = rest;
        Some(Ok(word))
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'')
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace()
}

/// The word that is being typed at the end of a text: perhaps empty, perhaps in a quote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial<'w> {
    /// What stands before it: whole words.
    pub before: &'w str,
    /// The word so far, without its quote.
    pub word: &'w str,
    /// The quote that it began with.
    pub quote: Option<char>,
}

/// The word being typed at the end of `text`; `None` where no word can go on, right after a closing
/// quote.
#[must_use]
pub fn partial(text: &str) -> Option<Partial<'_>> {
    let mut words = words(text);
    loop {
        let from = words.rest.trim_ascii_start();
        let before = text.get(..text.len() - from.len()).unwrap_or_default();
        match words.next() {
            None => return Some(Partial { before, word: "", quote: None }),
            Some(Err(WordError::NotClosed { from: word })) => {
                return Some(Partial { before, word, quote: from.chars().next() });
            }
            Some(Err(WordError::NoBlank { .. })) => return None,
            Some(Ok(word)) if words.rest.is_empty() => {
                // Nothing follows, not even a blank.
                return (word.len() == from.len()).then_some(Partial { before, word, quote: None });
            }
            Some(Ok(_)) => {}
        }
    }
}

/// A word that is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumberError {
    /// Not digits.
    NotANumber,
    /// More than 32 bits.
    TooLarge,
}

/// The number that `word` is: decimal, or hexadecimal after `0x`.
///
/// # Errors
///
/// See [`NumberError`].
pub fn number(word: &str) -> Result<u32, NumberError> {
    let (digits, radix) = match word.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (word, 10),
    };
    // `_` stands between digits: neither first nor last.
    if digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') {
        return Err(NumberError::NotANumber);
    }
    let mut digits = digits.chars().filter(|&c| c != '_').map(|c| c.to_digit(radix));
    // All of the word is looked at before its value is complained about.
    let value = digits.try_fold(Some(0_u32), |value, digit| {
        let digit = digit.ok_or(NumberError::NotANumber)?;
        Ok(value.and_then(|value| value.checked_mul(radix)?.checked_add(digit)))
    })?;
    value.ok_or(NumberError::TooLarge)
}

/// The size that `word` is: a [`number`] that may end in K, M or G, of either case.
///
/// # Errors
///
/// See [`NumberError`].
pub fn size(word: &str) -> Result<u32, NumberError> {
    let (digits, shift) = match word.as_bytes() {
        [.., b'k' | b'K'] => (word.len() - 1, 10),
        [.., b'm' | b'M'] => (word.len() - 1, 20),
        [.., b'g' | b'G'] => (word.len() - 1, 30),
        _ => (word.len(), 0),
    };
    let value = number(word.get(..digits).unwrap_or_default())?;
    value.checked_mul(1 << shift).ok_or(NumberError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Result<Vec<&str>, WordError<'_>> {
        words(line).collect()
    }

    #[test]
    fn blanks_separate_and_quotes_hold_together() {
        assert_eq!(split(""), Ok(vec![]));
        assert_eq!(split("  a  b\tc "), Ok(vec!["a", "b", "c"]));
        assert_eq!(split(r#"a "b c" 'd"e' """#), Ok(vec!["a", "b c", "d\"e", ""]));
        assert_eq!(split("panic don't x\"y"), Ok(vec!["panic", "don't", "x\"y"]));
    }

    #[test]
    fn bad_quotes_are_named() {
        assert_eq!(split("a \"b c"), Err(WordError::NotClosed { from: "b c" }));
        assert_eq!(split("'"), Err(WordError::NotClosed { from: "" }));
        assert_eq!(split("'a b'c d"), Err(WordError::NoBlank { quoted: "'a b'" }));
        let mut items = words("a 'b'c d");
        assert_eq!(items.by_ref().count(), 2, "an error is the last item");
        assert_eq!(
            WordError::NoBlank { quoted: "'a b'" }.to_string(),
            "a blank is missing after 'a b'"
        );
    }

    #[test]
    fn the_word_being_typed() {
        let at = |text| partial(text).map(|p| (p.before, p.word, p.quote));
        assert_eq!(at(""), Some(("", "", None)));
        assert_eq!(at("  "), Some(("  ", "", None)));
        assert_eq!(at(" la"), Some((" ", "la", None)));
        assert_eq!(at("a b "), Some(("a b ", "", None)));
        assert_eq!(at("a 'b"), Some(("a ", "b", Some('\''))));
        assert_eq!(at("a \""), Some(("a ", "", Some('"'))));
        assert_eq!(at("a 'b c' d"), Some(("a 'b c' ", "d", None)));
        assert_eq!(at("a 'b'"), None);
        assert_eq!(at("a 'b'c"), None);
        assert_eq!(at("a 'b' "), Some(("a 'b' ", "", None)));
    }

    #[test]
    fn numbers_of_both_kinds() {
        for (word, value) in [
            ("0", 0),
            ("007", 7),
            ("4294967295", u32::MAX),
            ("1_000_000", 1_000_000),
            ("0xc020_0000", 0xc020_0000),
            ("0xDeadBeef", 0xdead_beef),
            ("0x00000000ffffffff", u32::MAX),
        ] {
            assert_eq!(number(word), Ok(value), "{word}");
            assert_eq!(size(word), Ok(value), "{word}");
        }
        for word in ["", "x", "0x", "0xg", "-1", "+1", "1 ", "_1", "1_", "0x_1", "0X1", "1K", "²"]
        {
            assert_eq!(number(word), Err(NumberError::NotANumber), "{word}");
        }
        for word in ["4294967296", "0x100000000", "99999999999999999999999"] {
            assert_eq!(number(word), Err(NumberError::TooLarge), "{word}");
        }
        assert_eq!(number("99999999999x"), Err(NumberError::NotANumber));
    }

    #[test]
    fn sizes_have_units() {
        for (word, value) in
            [("1K", 1 << 10), ("0x10k", 1 << 14), ("3M", 3 << 20), ("2g", 1 << 31), ("0G", 0)]
        {
            assert_eq!(size(word), Ok(value), "{word}");
        }
        assert_eq!(size("4G"), Err(NumberError::TooLarge));
        for word in ["K", "1KK", "1Ki", "1T", "é"] {
            assert_eq!(size(word), Err(NumberError::NotANumber), "{word}");
        }
    }

    /// `word` so that it is one word of a line.
    fn quoted(word: &str) -> String {
        let plain = !word.is_empty() && !word.contains(is_blank) && !word.starts_with(is_quote);
        let quote = if word.contains('"') { '\'' } else { '"' };
        if plain { word.to_string() } else { format!("{quote}{word}{quote}") }
    }

    proptest! {
        #[test]
        fn words_come_back_from_a_line_of_them(
            given in prop::collection::vec("[ -~é漢]{0,8}", 0..6),
            blanks in prop::collection::vec(1..4_usize, 7),
        ) {
            let given: Vec<String> = given
                .into_iter()
                .filter(|word| !(word.contains('"') && word.contains('\'')))
                .collect();
            let mut line = " ".repeat(blanks[6]);
            for (word, &blanks) in given.iter().zip(&blanks) {
                line += &quoted(word);
                line += &" ".repeat(blanks);
            }
            prop_assert_eq!(split(&line), Ok(given.iter().map(String::as_str).collect()));
        }

        #[test]
        fn numbers_come_back_from_every_form(value: u32) {
            prop_assert_eq!(number(&format!("{value}")), Ok(value));
            prop_assert_eq!(number(&format!("{value:#x}")), Ok(value));
            prop_assert_eq!(number(&format!("{value:#010X}").replace('X', "x")), Ok(value));
            prop_assert_eq!(size(&format!("{}K", value >> 10)), Ok(value >> 10 << 10));
        }

        #[test]
        fn no_line_is_too_strange(line in ".{0,40}") {
            let count = words(&line).count();
            prop_assert!(count <= line.len());
            if let Some(partial) = partial(&line) {
                prop_assert!(line.starts_with(partial.before) && line.ends_with(partial.word));
                let quote = usize::from(partial.quote.is_some());
                prop_assert_eq!(partial.before.len() + quote + partial.word.len(), line.len());
            }
        }
    }
}
