//! What `printk` makes of its text: a level, a line of bounded length, and a form that is fit for a console.
//!
//! The text begins with levels, each `\001` and a character (Linux's `KERN_INFO` is `"\0016"`): `0` to `7`, or `c` for text
//! that goes on where the last line ended. They are read from the formatted text, so one may come by `%s`. The first
//! digit counts.

use core::fmt;

use crate::sink::{Rest, Sink};

/// The most bytes that a call of `printk` makes, its levels included: Linux's lines have no more.
pub const LINE_BYTES: usize = 1024;

/// What begins a level.
const LEVEL: u8 = 1;

/// How much a message matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// `KERN_EMERG`, 0: the system can not be used.
    Emergency,
    /// `KERN_ALERT`, 1: something must be done at once.
    Alert,
    /// `KERN_CRIT`, 2.
    Critical,
    /// `KERN_ERR`, 3.
    Error,
    /// `KERN_WARNING`, 4.
    Warning,
    /// `KERN_NOTICE`, 5.
    Notice,
    /// `KERN_INFO`, 6.
    Info,
    /// `KERN_DEBUG`, 7.
    Debug,
}

impl Level {
    /// All, by their digits.
    const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// The level that a digit stands for.
    const fn of(digit: u8) -> Option<Self> {
        match digit {
            b'0'..=b'7' => Some(Self::ALL[(digit - b'0') as usize]),
            _ => None,
        }
    }
}

/// Where a message begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On a line of its own.
    NewLine,
    /// Where the last one ended, unless that ended its line (`KERN_CONT`).
    Continued,
}

/// What `printk` was told to print. `Display` writes the text with `\n` and `\t` as they are; other control characters and what
/// is not UTF-8 as `\x1b`. So no message moves the cursor, or changes what the terminal does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'t> {
    /// How much it matters, if it says so.
    pub level: Option<Level>,
    /// Where it begins.
    pub place: Place,
    /// The text behind the levels, without the newline at its end.
    pub text: &'t [u8],
    /// Did it end with a newline? If not, a message that is [`Place::Continued`] may follow on the same line.
    pub ends_line: bool,
}

impl<'t> Message<'t> {
    /// Reads levels and the newline of a formatted text.
    #[must_use]
    pub fn parse(mut text: &'t [u8]) -> Self {
        let (mut level, mut place) = (None, Place::NewLine);
        while let [LEVEL, mark @ (b'0'..=b'7' | b'c'), rest @ ..] = text {
            text = rest;
            match Level::of(*mark) {
                Some(of) => level = level.or(Some(of)),
                None => place = Place::Continued,
            }
        }
        let without = text.strip_suffix(b"\n");
        Self { level, place, text: without.unwrap_or(text), ends_line: without.is_some() }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.text.utf8_chunks() {
            let mut rest = chunk.valid();
            while let Some(at) = rest.find(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
                let (plain, from) = rest.split_at(at);
                f.write_str(plain)?;
                let mut chars = from.chars();
                if let Some(control) = chars.next() {
                    write!(f, "\\x{:02x}", u32::from(control))?;
                }
                rest = chars.as_str();
            }
            f.write_str(rest)?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// A sink for `printk`: what does not fit is not formatted.
pub struct Line {
    bytes: [u8; LINE_BYTES],
    len: usize,
}

impl Line {
    /// An empty line.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; LINE_BYTES], len: 0 }
    }

    /// What the text means.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        Message::parse(self.bytes.get(..self.len).unwrap_or_default())
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl Sink for Line {
    fn put(&mut self, byte: u8) -> bool {
        let Some(place) = self.bytes.get_mut(self.len) else { return false };
        *place = byte;
        self.len += 1;
        true
    }

    fn rest(&self) -> Rest {
        Rest::Dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_from_the_start() {
        use Level::*;
        use Place::*;
        for (text, level, place, rest, ends_line) in [
            (&b"\x016hello\n"[..], Some(Info), NewLine, &b"hello"[..], true),
            (b"\x010x", Some(Emergency), NewLine, b"x", false),
            (b"\x017\n", Some(Debug), NewLine, b"", true),
            (b"\x01c, more", None, Continued, b", more", false),
            (b"\x01c\x013both", Some(Error), Continued, b"both", false),
            (b"\x014\x016first", Some(Warning), NewLine, b"first", false),
            (b"plain\n\n", None, NewLine, b"plain\n", true),
            (b"\x018", None, NewLine, b"\x018", false),
            (b"\x01d", None, NewLine, b"\x01d", false),
            (b"\x01", None, NewLine, b"\x01", false),
            (b"6\x01", None, NewLine, b"6\x01", false),
            (b"", None, NewLine, b"", false),
        ] {
            let expected = Message { level, place, text: rest, ends_line };
            assert_eq!(Message::parse(text), expected, "{text:?}");
        }
        for (digit, level) in (b'0'..).zip(Level::ALL) {
            assert_eq!(Level::of(digit), Some(level));
        }
    }

    #[test]
    fn a_message_does_nothing_to_the_console() {
        let show = |text| Message::parse(text).to_string();
        assert_eq!(show("a\tb\nc é 漢".as_bytes()), "a\tb\nc é 漢");
        assert_eq!(show(b"\x1b[2J\r\x00\x7f"), "\\x1b[2J\\x0d\\x00\\x7f");
        assert_eq!(show(b"\xff\xc3(\xc2\x9b\xe6\xbc"), "\\xff\\xc3(\\x9b\\xe6\\xbc");
        assert_eq!(show(b"\x016\x018"), "\\x018");
    }

    #[test]
    fn a_line_takes_no_more_than_it_holds() {
        let mut line = Line::new();
        assert!(line.message().text.is_empty());
        for _ in 0..LINE_BYTES {
            assert!(line.put(b'x'));
        }
        assert!(!line.put(b'y') && !line.put(b'z'));
        assert_eq!(line.message().text, [b'x'; LINE_BYTES]);
    }
}
