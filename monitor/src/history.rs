//! The lines typed before, in a buffer of fixed size: when it is full, the oldest make room.
//!
//! Not kept: empty lines, lines that begin with a blank, and a line equal to the one before it. So
//! a command can be kept out of the history, and walking it never stands still.
//!
//! Invariant: the buffer holds whole lines, oldest first, each ended by one line feed, which no
//! line contains.

/// Lines, `BYTES` bytes of them, one more for each line's end.
#[derive(Clone, Debug)]
pub struct History<const BYTES: usize> {
    bytes: [u8; BYTES],
    len: usize,
}

impl<const BYTES: usize> History<BYTES> {
    /// Without a line.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; BYTES], len: 0 }
    }

    /// The lines, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &str> {
        let text = self.bytes.get(..self.len).and_then(|bytes| core::str::from_utf8(bytes).ok());
        text.unwrap_or_default().lines().rev()
    }

    /// Keeps `line` as the newest, unless it is one that is not kept. A line longer than the
    /// buffer, or with a line feed in it, is none either.
    pub fn push(&mut self, line: &str) {
        let needed = line.len() + 1;
        let unwanted = line.is_empty() || line.starts_with(' ') || line.contains(['\n', '\r']);
        if unwanted || needed > BYTES || self.newest_first().next() == Some(line) {
            return;
        }
        while self.len + needed > BYTES {
            self.drop_oldest();
        }
        let entry = line.bytes().chain([b'\n']);
        for (place, byte) in self.bytes.iter_mut().skip(self.len).zip(entry) {
            *place = byte;
        }
        self.len += needed;
    }

    fn drop_oldest(&mut self) {
        let end = self.bytes.iter().take(self.len).position(|&byte| byte == b'\n');
        let kept_from = end.map_or(self.len, |end| end + 1);
        self.bytes.copy_within(kept_from..self.len, 0);
        self.len -= kept_from;
    }
}

impl<const BYTES: usize> Default for History<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn lines<const BYTES: usize>(history: &History<BYTES>) -> Vec<String> {
        history.newest_first().map(String::from).collect()
    }

    #[test]
    fn what_is_kept_and_what_is_not() {
        let mut history = History::<64>::new();
        for line in ["a", "a", "", " secret", "b", "a", "two\nlines", "cr\r"] {
            history.push(line);
        }
        assert_eq!(lines(&history), ["a", "b", "a"]);
    }

    #[test]
    fn a_line_longer_than_the_buffer_costs_nothing() {
        let mut history = History::<8>::new();
        history.push("abc");
        history.push("12345678");
        assert_eq!(lines(&history), ["abc"]);
        history.push("1234567");
        assert_eq!(lines(&history), ["1234567"]);
    }

    proptest! {
        /// A deque of strings that counts its bytes keeps the same lines.
        #[test]
        fn it_keeps_what_a_deque_keeps(
            pushed in prop::collection::vec("[ ab\u{e9}\u{6f22}]{0,9}", 0..60),
        ) {
            let mut history = History::<32>::new();
            let mut model = VecDeque::<String>::new();
            for line in pushed {
                history.push(&line);
                if !line.is_empty() && !line.starts_with(' ') && line.len() < 32
                    && model.front() != Some(&line)
                {
                    model.push_front(line);
                    while model.iter().map(|line| line.len() + 1).sum::<usize>() > 32 {
                        model.pop_back();
                    }
                }
                prop_assert_eq!(lines(&history), Vec::from(model.clone()));
            }
        }
    }
}
