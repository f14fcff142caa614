//! Is it text, what comes in pieces, and can a terminal be sent it as it is?
//!
//! Text is UTF-8 without control characters other than tab, line feed and carriage return: an escape sequence in a
//! file must not move the cursor. A character may be cut in two by the end of a piece; it is kept until its rest comes.
//!
//! Invariant: what is passed on is all of the text so far but for the last three bytes at most, in order.

use core::fmt;
use core::str;

use arrayvec::ArrayVec;

/// The longest character in UTF-8, in bytes.
const LONGEST: usize = 4;

/// Why it is no text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotText {
    /// Where the byte at fault is, from the start of the first piece on.
    pub offset: u64,
    /// The byte.
    pub byte: u8,
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {:#04x} at {}", self.byte, self.offset)
    }
}

impl core::error::Error for NotText {}

/// Looks at the pieces.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    /// The start of a character whose rest has not come.
    begun: ArrayVec<u8, LONGEST>,
    /// Bytes that came before it.
    passed: u64,
}

impl Pieces {
    /// No piece has come yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece, and calls `pass` with the text that is whole now.
    ///
    /// # Errors
    ///
    /// [`NotText`] at the first byte that belongs to none. Nothing more may be taken then.
    pub fn take(&mut self, piece: &[u8], pass: &mut dyn FnMut(&str)) -> Result<(), NotText> {
        let mut rest = piece;
        while !self.begun.is_empty() {
            let Some((&byte, after)) = rest.split_first() else { return Ok(()) };
            // Four bytes are a character, or none.
            let _ = self.begun.try_push(byte);
            rest = after;
            let begun = self.begun.clone();
            if self.pass(&begun, pass)? == begun.len() {
                self.begun.clear();
            }
        }
        let whole = self.pass(rest, pass)?;
        self.begun.extend(rest.iter().skip(whole).copied().take(LONGEST));
        Ok(())
    }

    /// No more pieces come.
    ///
    /// # Errors
    ///
    /// [`NotText`] when a character has been begun.
    pub fn end(&self) -> Result<(), NotText> {
        match self.begun.first() {
            Some(&byte) => Err(NotText { offset: self.passed, byte }),
            None => Ok(()),
        }
    }

    /// Passes the whole characters that `bytes` begins with, and returns how many bytes they have.
    fn pass(&mut self, bytes: &[u8], pass: &mut dyn FnMut(&str)) -> Result<usize, NotText> {
        let (whole, is_bad) = match str::from_utf8(bytes) {
            Ok(_) => (bytes.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some()),
        };
        let text = bytes.get(..whole).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or("");
        let clean = text.find(is_control).unwrap_or(text.len());
        if let Some(text) = text.get(..clean).filter(|text| !text.is_empty()) {
            pass(text);
        }
        let bad = if clean < whole || is_bad { bytes.get(clean) } else { None };
        if let Some(&byte) = bad {
            return Err(NotText { offset: self.passed + clean as u64, byte });
        }
        self.passed += whole as u64;
        Ok(whole)
    }
}

fn is_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is passed on of these pieces, and what is wrong with them.
    fn look(pieces: &[&[u8]]) -> (String, Result<(), NotText>) {
        let (mut text, mut state) = (String::new(), Pieces::new());
        let mut pass = |part: &str| text.push_str(part);
        let result = pieces.iter().try_for_each(|piece| state.take(piece, &mut pass));
        (text, result.and_then(|()| state.end()))
    }

    /// The same, of all bytes at once.
    fn expected(bytes: &[u8]) -> (String, Result<(), NotText>) {
        let valid = match str::from_utf8(bytes) {
            Ok(_) => bytes.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = str::from_utf8(&bytes[..valid]).unwrap();
        let end = text.find(is_control).unwrap_or(valid);
        let bad = bytes.get(end).map(|&byte| NotText { offset: end as u64, byte });
        (text[..end].to_string(), bad.map_or(Ok(()), Err))
    }

    #[test]
    fn characters_cut_in_two_are_put_together() {
        let text = "a\tÄ€🦀\r\n";
        for cut in 0..=text.len() {
            let (before, after) = text.as_bytes().split_at(cut);
            assert_eq!(look(&[before, after]), (text.to_string(), Ok(())), "{cut}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(look(&bytes), (text.to_string(), Ok(())));
    }

    #[test]
    fn the_first_byte_that_is_no_text_is_named() {
        for (bytes, offset, byte) in [
            (&b"ab\0"[..], 2, 0),
            (b"ab\x1b[2J", 2, 0x1b),
            (b"\x7f", 0, 0x7f),
            // A C1 control character.
            (b"a\xc2\x9b", 1, 0xc2),
            (b"a\xff", 1, 0xff),
            (b"a\xe2\x82", 1, 0xe2),
            (b"a\xe2\x82b", 1, 0xe2),
            (b"\xf0\x9f\xa6b", 0, 0xf0),
            (b"\xed\xa0\x80", 0, 0xed),
        ] {
            let wrong = Err(NotText { offset, byte });
            for size in 1..=bytes.len() {
                let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
                assert_eq!(look(&pieces).1, wrong, "{bytes:x?} in pieces of {size}");
            }
        }
        let error = NotText { offset: 17, byte: 0 };
        assert_eq!(error.to_string(), "byte 0x00 at 17");
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole(
            text in "[a\tÄ€🦀\u{1}]{0,12}",
            noise in prop::collection::vec(any::<u8>(), 0..3),
            tail in "[bÄ🦀]{0,6}",
            size in 1_usize..8,
        ) {
            let bytes = [text.as_bytes(), &noise, tail.as_bytes()].concat();
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(look(&pieces), expected(&bytes));
        }
    }
}
