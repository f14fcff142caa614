//! Words and strings in bytes that nobody vouches for.
//!
//! Invariant: no function here looks further than [`MAX_NAME_BYTES`] for a string's end, so that a file whose names all
//! lie in one long string costs no more than others.

use core::fmt;

use elf::string_table::StringTable;

/// The longest name of a section, a symbol or a parameter, in bytes. Linux ends at 512; mangled names of Rust may be longer.
pub(crate) const MAX_NAME_BYTES: usize = 1024;

/// The little-endian word at offset `at`; `None` past the end.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Writes a little-endian word at offset `at`; `None`, and nothing is written, past the end.
pub(crate) fn set_word(bytes: &mut [u8], at: usize, value: u32) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = value.to_le_bytes();
    Some(())
}

/// The text from offset `at` to the next NUL; `None` if there is none within [`MAX_NAME_BYTES`], or it is not UTF-8.
pub(crate) fn name_at(strings: &[u8], at: u32) -> Option<&str> {
    let rest = strings.get(at as usize..)?;
    let rest = rest.get(..MAX_NAME_BYTES + 1).unwrap_or(rest);
    StringTable::new(rest).get(0).ok()
}

/// A text of a file as it is shown: no control characters, and not all of a long one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown<'f>(pub &'f str);

/// Characters that are shown of a text.
const SHOWN_CHARS: usize = 96;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(SHOWN_CHARS) {
            f.write_char(if c.is_control() { '?' } else { c })?;
        }
        if chars.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_within_its_limit_or_is_none() {
        let longest = ["x".repeat(MAX_NAME_BYTES).as_bytes(), b"\0"].concat();
        assert_eq!(name_at(&longest, 0).map(str::len), Some(MAX_NAME_BYTES));
        let longer = [b"x", &longest[..]].concat();
        assert_eq!(name_at(&longer, 0), None);
        assert_eq!(name_at(b"a\0b", 0), Some("a"));
        assert_eq!(name_at(b"a\0b", 1), Some(""));
        assert_eq!(name_at(b"a\0b", 2), None);
        assert_eq!(name_at(b"a\0b", 3), None);
        assert_eq!(name_at(b"a\0b", u32::MAX), None);
        assert_eq!(name_at(b"\xff\0", 0), None);
    }

    #[test]
    fn texts_are_shown_without_what_could_move_a_cursor() {
        assert_eq!(Shown("a\x1b[2J\nb").to_string(), "a?[2J?b");
        assert_eq!(Shown(&"é".repeat(97)).to_string(), "é".repeat(96) + "...");
    }

    #[test]
    fn words_are_little_endian_and_within_the_bytes() {
        let mut bytes = [1, 2, 3, 4, 5];
        assert_eq!(word(&bytes, 1), Some(0x0504_0302));
        assert_eq!(word(&bytes, 2), None);
        assert_eq!(word(&bytes, usize::MAX), None);
        assert_eq!(set_word(&mut bytes, 1, 0x0908_0706), Some(()));
        assert_eq!(set_word(&mut bytes, 2, 0), None);
        assert_eq!(bytes, [1, 6, 7, 8, 9]);
    }
}
