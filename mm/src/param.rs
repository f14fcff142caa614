//! Boot parameters: how the kernel command line is cut into parameters, and how a size is read.
//!
//! The grammar is Linux's, so that a command line means the same here as there: parameters are
//! separated by blanks, double quotes keep blanks together, `-` and `_` are one letter in a name,
//! and everything after a lone `--` belongs to the first program. Sizes are C numbers with one
//! optional binary suffix.
//!
//! Invariant: reading never fails. What could not be read is handed back, so that whoever asked can
//! say so.

pub mod known;

/// One parameter of the command line: `name` or `name=value`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// What stands before the first `=`.
    pub name: &'a str,
    /// What stands after it, with enclosing quotes taken off; `None` without a `=`.
    pub value: Option<&'a str>,
}

impl Param<'_> {
    /// Is this the parameter `name`? Dashes and underscores are equal, as in Linux.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let plain = |byte: u8| if byte == b'-' { b'_' } else { byte };
        self.name.bytes().map(plain).eq(name.bytes().map(plain))
    }
}

/// The parameters of `command_line`, in order, up to a lone `--`.
pub fn params(command_line: &str) -> impl Iterator<Item = Param<'_>> + Clone {
    words(command_line).take_while(|word| *word != "--").map(|word| match word.split_once('=') {
        Some((name, value)) => Param { name: unquote(name), value: Some(unquote(value)) },
        None => Param { name: unquote(word), value: None },
    })
}

/// The words of `command_line` as they are, a lone `--` among them.
pub fn words(command_line: &str) -> impl Iterator<Item = &str> + Clone {
    Words { rest: command_line }
}

/// `command_line` up to a lone `--`, and from there on: what parameters are read from, and what is
/// for the first program.
#[must_use]
pub fn halves(command_line: &str) -> (&str, &str) {
    let mut words = Words { rest: command_line };
    match words.find(|word| *word == "--") {
        Some(dashes) => command_line.split_at(command_line.len() - words.rest.len() - dashes.len()),
        None => (command_line, ""),
    }
}

/// Takes off a quote at either end: `"a b"` is `a b`, and so is `"a b` at the end of the line.
fn unquote(text: &str) -> &str {
    let text = text.strip_prefix('"').unwrap_or(text);
    text.strip_suffix('"').unwrap_or(text)
}

/// Splits at blanks that do not stand between double quotes.
#[derive(Clone)]
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let start = self.rest.trim_start_matches(is_blank);
        if start.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = start
            .char_indices()
            .find(|&(_, c)| {
                quoted ^= c == '"';
                is_blank(c) && !quoted
            })
            .map_or(start.len(), |(index, _)| index);
        let (word, rest) = start.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\0'
}

/// What [`read_size`] made of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size<'a> {
    /// The number in bytes; 0 when the text does not begin with a digit. A number that does not
    /// fit 64 bits is `u64::MAX` (Linux lets it wrap).
    pub bytes: u64,
    /// Did the text begin with a digit?
    pub is_number: bool,
    /// What follows the number and its suffix.
    pub rest: &'a str,
}

/// Reads a size as Linux's `memparse` does: a C number (`0x` hexadecimal, leading `0` octal, else
/// decimal) and one suffix letter K, M, G, T, P or E in either case. No suffix means bytes.
#[must_use]
pub fn read_size(text: &str) -> Size<'_> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (&text[2..], 16),
        [b'0', ..] => (text, 8),
        _ => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    if number.is_empty() {
        return Size { bytes: 0, is_number: false, rest: text };
    }
    let value = number.chars().filter_map(|c| c.to_digit(radix)).fold(0_u64, |sum, digit| {
        sum.saturating_mul(u64::from(radix)).saturating_add(u64::from(digit))
    });
    let shift = match rest.as_bytes().first().map(u8::to_ascii_uppercase) {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        Some(b'P') => 50,
        Some(b'E') => 60,
        _ => return Size { bytes: value, is_number: true, rest },
    };
    Size { bytes: value.saturating_mul(1 << shift), is_number: true, rest: &rest[1..] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_quoted_blanks_together() {
        let line = "  console=ttyAMA0 title=\"a b\" \"quoted name=1 2\" quiet -- not=ours";
        let found: Vec<_> = params(line).map(|p| (p.name, p.value)).collect();
        assert_eq!(
            found,
            [
                ("console", Some("ttyAMA0")),
                ("title", Some("a b")),
                ("quoted name", Some("1 2")),
                ("quiet", None),
            ]
        );
        assert_eq!(params("a=\"never closed b").count(), 1);
        assert_eq!(params(" \t \n").count(), 0);
    }

    #[test]
    fn a_line_is_cut_before_its_lone_dashes() {
        for (line, ours, rest) in [
            ("", "", ""),
            ("quiet ", "quiet ", ""),
            ("quiet -- a -- b", "quiet ", "-- a -- b"),
            ("-- x", "", "-- x"),
            ("a --", "a ", "--"),
            ("a=\" -- \" --b", "a=\" -- \" --b", ""),
            ("a=\"b -- c", "a=\"b -- c", ""),
        ] {
            assert_eq!(halves(line), (ours, rest));
        }
    }

    #[test]
    fn dashes_and_underscores_are_one_letter() {
        assert!(params("dma-zone=1M").next().unwrap().is("dma_zone"));
        assert!(!params("dmazone=1M").next().unwrap().is("dma_zone"));
    }

    #[test]
    fn sizes_are_read_as_linux_reads_them() {
        let bytes = |text| read_size(text).bytes;
        assert_eq!(bytes("240M"), 240 << 20);
        assert_eq!(bytes("256m"), 256 << 20);
        assert_eq!(bytes("0x10000000"), 0x1000_0000);
        assert_eq!(bytes("010000000"), 0o10000000);
        assert_eq!(bytes("300K"), 300 << 10);
        assert_eq!(bytes("1T"), 1 << 40);
        assert_eq!(bytes("0x1p"), 1 << 50);
        assert_eq!(bytes("1e"), 1 << 60);
        assert_eq!(bytes("268435457"), 268_435_457);
        // Hexadecimal digits win over the suffix they look like.
        assert_eq!(bytes("0x1e"), 30);
    }

    #[test]
    fn what_is_no_number_is_zero_and_handed_back() {
        for text in ["", "abc", "-1", "+128M", "M"] {
            assert_eq!(read_size(text), Size { bytes: 0, is_number: false, rest: text });
        }
        assert_eq!(read_size("128MB").rest, "B");
        assert_eq!(read_size("0x").rest, "x");
        assert_eq!(read_size("09").rest, "9");
    }

    #[test]
    fn a_number_past_64_bits_saturates() {
        assert_eq!(read_size("99999999999999999999999").bytes, u64::MAX);
        assert_eq!(read_size("17E").bytes, u64::MAX);
    }
}
