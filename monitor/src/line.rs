//! The text being typed and the cursor in it, counted in what the eye takes for characters.
//!
//! A *cluster* is a character that takes room, together with the marks that follow it and take
//! none: accents, joiners. The cursor stands between clusters, and one key moves over, or removes,
//! a whole one. How much room a character takes is `unicode-width`'s answer: none, one cell or two.
//! A cluster is as wide as its first character; terminals that draw a sequence of emoji in fewer
//! cells than its parts would take show the rest of the line shifted until it is drawn anew.
//!
//! Invariants: the text has at most [`MAX_BYTES`] bytes and no control character; it does not begin
//! with a character that takes no room; the cursor is at the start of a cluster or at the end.

use arrayvec::ArrayString;
use unicode_width::UnicodeWidthChar;

/// The longest line, in bytes.
pub const MAX_BYTES: usize = 255;

/// A text as long as a line may be.
pub type Text = ArrayString<MAX_BYTES>;

/// How many cells a terminal gives to `character`: 0, 1 or 2.
#[must_use]
pub fn width(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// How many cells a terminal gives to `text`.
#[must_use]
pub fn width_of(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// May `character` stand in a line at all?
#[must_use]
pub fn is_allowed(character: char) -> bool {
    !character.is_control()
}

/// A text with a cursor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    text: Text,
    /// A byte offset.
    cursor: usize,
}

/// The change would make the line longer than [`MAX_BYTES`], or begin it with a character that
/// takes no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DoesNotFit;

impl Line {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cursor as a byte offset into the text.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// What stands before the cursor.
    #[must_use]
    pub fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    /// What stands at the cursor and after it.
    #[must_use]
    pub fn after(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    /// Where the cluster before `at` begins; 0 at the start.
    #[must_use]
    pub fn left_of(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.char_indices().rev().find(|(_, c)| width(*c) > 0).map_or(0, |(index, _)| index)
    }

    /// Where the cluster at `at` ends; the text's length at its end.
    #[must_use]
    pub fn right_of(&self, at: usize) -> usize {
        let after = self.text.get(at..).unwrap_or_default();
        let next = after.char_indices().skip(1).find(|(_, c)| width(*c) > 0);
        next.map_or(self.text.len(), |(index, _)| at + index)
    }

    /// Where the word that ends at or before `at` begins: clusters that are blanks, then ones that
    /// are none.
    #[must_use]
    pub fn word_left_of(&self, at: usize) -> usize {
        let word_end = self.left_over(at, true);
        self.left_over(word_end, false)
    }

    /// Left from `at` over all clusters that are blanks, or over all that are none.
    fn left_over(&self, mut at: usize, blanks: bool) -> usize {
        while at > 0 {
            let left = self.left_of(at);
            if self.text.get(left..at).is_some_and(|cluster| cluster.starts_with(' ')) != blanks {
                break;
            }
            at = left;
        }
        at
    }

    /// Moves the cursor to `at`, which must be the start of a cluster or the end.
    pub fn move_to(&mut self, at: usize) {
        debug_assert!(self.text.is_char_boundary(at));
        self.cursor = at;
    }

    /// Puts `with` in the place of the bytes from `start` to `end`, both starts of clusters or the
    /// end, and the cursor behind it.
    ///
    /// # Errors
    ///
    /// [`DoesNotFit`]; then nothing has changed.
    pub fn replace(&mut self, start: usize, end: usize, with: &str) -> Result<(), DoesNotFit> {
        let head = self.text.get(..start).ok_or(DoesNotFit)?;
        let tail = self.text.get(end..).ok_or(DoesNotFit)?;
        let mut new = Text::new();
        for part in [head, with, tail] {
            new.try_push_str(part).map_err(|_| DoesNotFit)?;
        }
        if new.chars().next().is_some_and(|first| width(first) == 0) {
            return Err(DoesNotFit);
        }
        *self = Self { text: new, cursor: start + with.len() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line::default();
        line.replace(0, 0, text).unwrap();
        line
    }

    #[test]
    fn clusters_are_stepped_over_whole() {
        let line = line("ae\u{301}漢\u{200d}x");
        let mut stops = vec![0];
        while stops.last() < Some(&line.text().len()) {
            stops.push(line.right_of(*stops.last().unwrap()));
        }
        assert_eq!(stops, [0, 1, 4, 10, 11]);
        for pair in stops.windows(2) {
            assert_eq!(line.left_of(pair[1]), pair[0]);
        }
        assert_eq!((line.left_of(0), line.right_of(11)), (0, 11));
    }

    #[test]
    fn widths_are_none_one_and_two() {
        assert_eq!(
            "ae\u{301}漢\u{200d}x".chars().map(width).collect::<Vec<_>>(),
            [1, 1, 0, 2, 0, 1]
        );
        assert_eq!(width_of("ae\u{301}漢\u{200d}x"), 5);
    }

    #[test]
    fn a_word_is_what_stands_between_blanks() {
        let line = line("poke  0x10  ");
        assert_eq!([12, 10, 8, 6, 5, 3, 0].map(|at| line.word_left_of(at)), [6, 6, 6, 0, 0, 0, 0]);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut full = line(&"x".repeat(MAX_BYTES));
        let before = full.clone();
        assert_eq!(full.replace(3, 3, "y"), Err(DoesNotFit));
        assert_eq!(full.replace(3, 4, "é"), Err(DoesNotFit));
        assert_eq!(full, before);
        assert_eq!(full.replace(3, 5, "é"), Ok(()));
        assert_eq!(full.cursor(), 5);
        let mut mark = line("e\u{301}");
        assert_eq!(mark.replace(0, 1, ""), Err(DoesNotFit), "a mark needs something to stand on");
        assert_eq!(line("").replace(0, 0, "\u{301}"), Err(DoesNotFit));
    }
}
