//! From bytes to keys: characters put together from their UTF-8 bytes, and what the keys without a
//! character send, as ANSI escape sequences (*ECMA-48*, 5.4) in the forms that terminals use.
//!
//! Invariant: whatever comes, the decoder is back at its start after a carriage return, a line feed
//! or a Ctrl-C, and hands that key out. So a lone Esc, or noise on the line, costs at most the
//! characters up to the end of the line. A sequence that means nothing here is swallowed whole.

/// What somebody pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A character that can be shown, or that changes how its neighbour is shown.
    Char(char),
    /// The end of a line: CR, LF, or CR LF, which is one.
    Enter,
    /// Tab.
    Tab,
    /// Backspace, as BS or as DEL: terminals send either.
    Backspace,
    /// Delete: what stands at the cursor.
    Delete,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// To the line's start.
    Home,
    /// To the line's end.
    End,
    /// Ctrl and this letter, a capital, for all that have no key of their own above.
    Ctrl(u8),
    /// Bytes that are no UTF-8, or a control character of the upper half.
    Malformed,
}

const ESC: u8 = 0x1b;
const BELL: u8 = 0x07;
const CTRL_C: u8 = 0x03;
const DEL: u8 = 0x7f;

/// Where in an escape sequence the decoder is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// In none.
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and intermediate bytes: a final byte ends it.
    EscapeIntermediate,
    /// After `ESC O`: one byte names the key.
    SingleShift,
    /// After `ESC [`. `number` is the parameter, 0 when there is none. `plain`: no second one, and
    /// nothing else between.
    Control { number: u8, plain: bool },
    /// After `ESC [ [`, with which Linux's console begins its function keys: one byte follows.
    LinuxFunction,
    /// In a string for the terminal's other end (OSC, DCS and their like), up to ST or BEL.
    Text,
    /// In such a string, after ESC.
    TextEscape,
}

/// The decoder.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    /// The bytes of a character that is not complete.
    partial: [u8; 4],
    partial_len: usize,
    /// The last byte was a carriage return, so a line feed belongs to it.
    after_return: bool,
}

impl Decoder {
    /// A decoder at its start.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Ground, partial: [0; 4], partial_len: 0, after_return: false }
    }

    /// Takes one byte. A byte completes at most two keys: malformed ones before it, and its own.
    pub fn feed(&mut self, byte: u8) -> impl Iterator<Item = Key> + use<> {
        let second_half =
            core::mem::replace(&mut self.after_return, byte == b'\r') && byte == b'\n';
        let keys = if second_half { [None, None] } else { self.decode(byte) };
        keys.into_iter().flatten()
    }

    fn decode(&mut self, byte: u8) -> [Option<Key>; 2] {
        if self.state != State::Ground {
            // These end a sequence and count themselves. So does a byte above ASCII, unless the
            // sequence is one that carries text.
            let in_text = matches!(self.state, State::Text | State::TextEscape);
            if !matches!(byte, b'\r' | b'\n' | CTRL_C) && (byte.is_ascii() || in_text) {
                return [self.in_sequence(byte), None];
            }
            self.state = State::Ground;
        }
        if self.partial_len == 0 {
            return [self.first_byte(byte), None];
        }
        match self.continued(byte) {
            Some(key) => [Some(key), None],
            None if self.partial_len > 0 => [None, None],
            // `byte` does not go on with what was there, and may begin something else.
            None => [Some(Key::Malformed), self.first_byte(byte)],
        }
    }

    /// A byte with nothing before it.
    fn first_byte(&mut self, byte: u8) -> Option<Key> {
        Some(match byte {
            b'\r' | b'\n' => Key::Enter,
            b'\t' => Key::Tab,
            8 | DEL => Key::Backspace,
            ESC => {
                self.state = State::Escape;
                return None;
            }
            0..=0x1f => Key::Ctrl(byte + b'@'),
            0x20..=0x7e => Key::Char(char::from(byte)),
            _ => return self.continued(byte),
        })
    }

    /// One more byte of a character. `None` when it needs more bytes, and when `byte` does not fit:
    /// then nothing is kept.
    fn continued(&mut self, byte: u8) -> Option<Key> {
        let place = self.partial.get_mut(self.partial_len)?;
        *place = byte;
        self.partial_len += 1;
        let bytes = self.partial.get(..self.partial_len)?;
        let complete = match core::str::from_utf8(bytes) {
            Ok(text) => text.chars().next().map(key_of),
            Err(error) if error.error_len().is_none() => return None,
            // A first byte that begins nothing has nobody to blame but itself.
            Err(_) => (self.partial_len == 1).then_some(Key::Malformed),
        };
        self.partial_len = 0;
        complete
    }

    /// A byte of an escape sequence.
    fn in_sequence(&mut self, byte: u8) -> Option<Key> {
        let (state, key) = match (self.state, byte) {
            (State::Text, BELL) | (State::TextEscape, b'\\') => (State::Ground, None),
            (State::Text | State::TextEscape, ESC) => (State::TextEscape, None),
            (State::Text | State::TextEscape, _) => (State::Text, None),
            (_, ESC) => (State::Escape, None),
            (State::Escape, b'[') => (State::Control { number: 0, plain: true }, None),
            (State::Escape, b'O') => (State::SingleShift, None),
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => (State::Text, None),
            (State::Escape | State::EscapeIntermediate, 0x20..=0x2f) => {
                (State::EscapeIntermediate, None)
            }
            (State::SingleShift, _) => (State::Ground, single_shift(byte)),
            (State::Control { number, plain }, b'0'..=b'9') => {
                let number = number.saturating_mul(10).saturating_add(byte - b'0');
                (State::Control { number, plain }, None)
            }
            (State::Control { number, .. }, 0x20..=0x3f) => {
                (State::Control { number, plain: false }, None)
            }
            (State::Control { number: 0, plain: true }, b'[') => (State::LinuxFunction, None),
            (State::Control { number, plain: true }, _) => {
                (State::Ground, control_sequence(number, byte))
            }
            // What is left ends a sequence that means nothing here.
            _ => (State::Ground, None),
        };
        self.state = state;
        key
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

fn key_of(character: char) -> Key {
    if character.is_control() { Key::Malformed } else { Key::Char(character) }
}

/// `ESC O x`: the cursor keys in application mode.
fn single_shift(byte: u8) -> Option<Key> {
    control_sequence(0, byte).filter(|_| byte != b'~')
}

/// `ESC [ number x`, the number 0 when there was none.
fn control_sequence(number: u8, last: u8) -> Option<Key> {
    Some(match (number, last) {
        (0 | 1, b'A') => Key::Up,
        (0 | 1, b'B') => Key::Down,
        (0 | 1, b'C') => Key::Right,
        (0 | 1, b'D') => Key::Left,
        (0 | 1, b'H') | (1 | 7, b'~') => Key::Home,
        (0 | 1, b'F') | (4 | 8, b'~') => Key::End,
        (3, b'~') => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::new();
        bytes.iter().flat_map(|&byte| decoder.feed(byte)).collect()
    }

    fn typed(text: &str) -> Vec<Key> {
        text.chars().map(Key::Char).collect()
    }

    #[test]
    fn every_single_byte_is_one_key_or_the_start_of_one() {
        for byte in 0..=u8::MAX {
            let expected = match byte {
                3 => vec![Key::Ctrl(b'C')],
                8 | 0x7f => vec![Key::Backspace],
                9 => vec![Key::Tab],
                10 | 13 => vec![Key::Enter],
                0x1b => vec![],
                0..=0x1f => vec![Key::Ctrl(byte + 64)],
                0x20..=0x7e => typed(&char::from(byte).to_string()),
                // Lead bytes of two, three and four.
                0xc2..=0xf4 => vec![],
                _ => vec![Key::Malformed],
            };
            assert_eq!(keys(&[byte]), expected, "{byte:#x}");
        }
    }

    #[test]
    fn cr_lf_and_cr_lf_together_are_one_enter_each() {
        use Key::{Char, Enter};
        assert_eq!(
            keys(b"a\rb\nc\r\nd"),
            [Char('a'), Enter, Char('b'), Enter, Char('c'), Enter, Char('d')]
        );
        assert_eq!(keys(b"\r\r\n\n\r"), [Enter, Enter, Enter, Enter]);
    }

    #[test]
    fn characters_of_every_length_arrive_whole() {
        let text = "aé€𐍈z\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}";
        assert_eq!(keys(text.as_bytes()), typed(text));
    }

    #[test]
    fn malformed_bytes_are_told_and_what_follows_is_kept() {
        use Key::{Char, Malformed};
        // A lead without its end, an end without a lead, overlong, a surrogate, above U+10FFFF.
        assert_eq!(keys(b"\xc3a"), [Malformed, Char('a')]);
        assert_eq!(keys(b"\xa9a"), [Malformed, Char('a')]);
        assert_eq!(keys(b"\xe2\x82\xc3\xa9"), [Malformed, Char('é')]);
        assert_eq!(keys(b"\xc0\x80a"), [Malformed, Malformed, Char('a')]);
        assert_eq!(keys(b"\xed\xa0\x80a"), [Malformed, Malformed, Malformed, Char('a')]);
        assert_eq!(keys(b"\xf4\x90a").last(), Some(&Char('a')));
        assert_eq!(keys(b"\xe2\x82\r"), [Malformed, Key::Enter]);
        assert_eq!(keys("\u{85}a".as_bytes()), [Malformed, Char('a')], "C1 control");
    }

    #[test]
    fn the_sequences_of_each_key() {
        for (sequences, key) in [
            (&["\x1b[A", "\x1bOA", "\x1b[1A"][..], Key::Up),
            (&["\x1b[B", "\x1bOB"], Key::Down),
            (&["\x1b[C", "\x1bOC"], Key::Right),
            (&["\x1b[D", "\x1bOD"], Key::Left),
            (&["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"], Key::Home),
            (&["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"], Key::End),
            (&["\x1b[3~"], Key::Delete),
        ] {
            for sequence in sequences {
                let bytes = format!("x{sequence}y");
                let expected = [Key::Char('x'), key, Key::Char('y')];
                assert_eq!(keys(bytes.as_bytes()), expected, "{sequence:?}");
            }
        }
    }

    #[test]
    fn other_sequences_are_swallowed_whole() {
        for sequence in [
            "\x1b[1;5D",
            "\x1b[5~",
            "\x1b[200~",
            "\x1b[?25h",
            "\x1b[>0;276;0c",
            "\x1b[99999999999999999999A",
            "\x1b[ q",
            "\x1b[[A",
            "\x1bOP",
            "\x1bO~",
            "\x1b(B",
            "\x1b b",
            "\x1bb",
            "\x1b\x7f",
            "\x1b]11;rgb:0000/0000/0000\x07",
            "\x1b]0;títle\x1b\\",
            "\x1bP1$r0m\x1b\x1b\\",
        ] {
            let bytes = format!("x{sequence}y");
            assert_eq!(keys(bytes.as_bytes()), typed("xy"), "{sequence:?}");
        }
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Up], "ESC begins anew");
    }

    #[test]
    fn a_lone_escape_costs_no_line() {
        for unfinished in ["\x1b", "\x1b[", "\x1b[12;", "\x1bO", "\x1b]0;x", "\x1bP\x1b", "\x1b[["]
        {
            let keys = keys(format!("{unfinished}\rok").as_bytes());
            assert_eq!(keys, [Key::Enter, Key::Char('o'), Key::Char('k')], "{unfinished:?}");
        }
        assert_eq!(keys("\x1b[12é".as_bytes()), [Key::Char('é')]);
    }

    proptest! {
        /// Without escapes, what comes out is what the standard library makes of the same bytes.
        #[test]
        fn text_agrees_with_the_standard_library(
            bytes in prop::collection::vec(
                prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8, Just(0xe2), Just(0x82), Just(0xac)],
                0..40,
            ),
        ) {
            let mut ended = bytes.clone();
            ended.push(b'\r');
            let (mut text, mut refused) = (String::new(), 0);
            for key in keys(&ended) {
                match key {
                    Key::Char(character) => text.push(character),
                    Key::Malformed => refused += 1,
                    Key::Enter => {}
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            let (mut expected, mut expected_refused) = (String::new(), 0);
            for chunk in bytes.utf8_chunks() {
                let controls = chunk.valid().chars().filter(|c| c.is_control()).count();
                expected.extend(chunk.valid().chars().filter(|c| !c.is_control()));
                expected_refused += controls + usize::from(!chunk.invalid().is_empty());
            }
            prop_assert_eq!(text, expected);
            prop_assert_eq!(refused, expected_refused);
        }

        #[test]
        fn any_bytes_then_an_enter_and_the_decoder_is_at_its_start(bytes: Vec<u8>) {
            let mut decoder = Decoder::new();
            bytes.iter().for_each(|&byte| decoder.feed(byte).for_each(drop));
            let last: Vec<Key> = decoder.feed(b'x').chain(decoder.feed(b'\r')).collect();
            prop_assert_eq!(last.last(), Some(&Key::Enter));
            let after: Vec<Key> = "aé\x1b[A".bytes().flat_map(|byte| decoder.feed(byte)).collect();
            prop_assert_eq!(after, [Key::Char('a'), Key::Char('é'), Key::Up]);
        }
    }
}
