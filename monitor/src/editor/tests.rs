//! The editor beside a model of it, on a model of a terminal.
//!
//! The model holds characters in a vector and knows no bytes, no widths and no terminal. The
//! terminal knows only what the editor sends. After each byte, what the terminal shows must be the
//! prompt and the model's line, with the cursor where the model has it.

use std::collections::VecDeque;

use proptest::prelude::*;
use unicode_width::UnicodeWidthChar;

use super::*;

const PROMPT: &str = "vmsplit> ";
const HISTORY: usize = 96;
const NAMES: [&str; 5] = ["alloc", "alter", "free", "né", "漢字"];

struct Names;

impl Complete for Names {
    fn candidates(&self, _: &str, _: &str, see: &mut dyn FnMut(&str)) {
        NAMES.iter().for_each(|name| see(name));
    }
}

/// A terminal as wide as need be. A cell is a character with its marks; the right half of a wide
/// one is empty.
#[derive(Default)]
struct Terminal {
    line: Vec<String>,
    column: usize,
    lines_before: Vec<String>,
    bells: usize,
}

impl Terminal {
    fn take(&mut self, text: &str) {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("\x1b[H\x1b[2J") {
                *self = Self { bells: self.bells, ..Self::default() };
                rest = after;
                continue;
            }
            self.character(character);
            rest = &rest[character.len_utf8()..];
        }
    }

    fn character(&mut self, character: char) {
        match character {
            '\n' => {
                let line = self.shown();
                self.lines_before.push(line);
                (self.line, self.column) = (Vec::new(), 0);
            }
            '\x07' => self.bells += 1,
            '\x08' => self.column = self.column.checked_sub(1).expect("left of the screen"),
            control if control.is_control() => panic!("{control:?}"),
            mark if mark.width() == Some(0) => {
                let left = self.line[..self.column].iter_mut().rev().find(|cell| !cell.is_empty());
                left.expect("a mark stands on something").push(mark);
            }
            letter => {
                for part in 0..letter.width().unwrap() {
                    self.clear(self.column + part);
                }
                self.line[self.column] = letter.to_string();
                self.column += letter.width().unwrap();
            }
        }
    }

    /// Empties a cell to be written, and blanks what is left of a wide character that it was part
    /// of.
    fn clear(&mut self, at: usize) {
        if self.line.len() <= at {
            self.line.resize(at + 1, " ".into());
        }
        if self.line[at].is_empty() && at > 0 && self.width_at(at - 1) == 2 {
            self.line[at - 1] = " ".into();
        }
        if self.width_at(at) == 2 {
            self.line[at + 1] = " ".into();
        }
        self.line[at] = String::new();
    }

    fn width_at(&self, at: usize) -> usize {
        self.line[at].chars().next().and_then(UnicodeWidthChar::width).unwrap_or(0)
    }

    fn shown(&self) -> String {
        self.line.concat().trim_end().to_string()
    }
}

impl fmt::Write for Terminal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.take(text);
        Ok(())
    }
}

/// The line as its characters, each with the marks behind it.
#[derive(Clone, Default)]
struct Model {
    characters: Vec<String>,
    cursor: usize,
    overflow: bool,
    /// Newest first.
    history: VecDeque<String>,
    walk: Option<(Vec<String>, usize)>,
    tabbed: bool,
}

fn characters(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for character in text.chars() {
        match all.last_mut() {
            Some(last) if character.width() == Some(0) => last.push(character),
            _ => all.push(character.to_string()),
        }
    }
    all
}

impl Model {
    fn text(&self) -> String {
        self.characters.concat()
    }

    fn column(&self) -> usize {
        self.characters[..self.cursor].concat().chars().filter_map(UnicodeWidthChar::width).sum()
    }

    fn set(&mut self, characters: Vec<String>) {
        (self.cursor, self.characters) = (characters.len(), characters);
        self.overflow = false;
    }

    fn remove(&mut self, range: std::ops::Range<usize>) {
        if !range.is_empty() {
            self.cursor = range.start;
            self.characters.drain(range);
            self.overflow = false;
        }
    }

    fn insert(&mut self, text: &str) -> bool {
        let fits = self.text().len() + text.len() <= MAX_BYTES;
        if fits {
            let new = characters(text);
            let at = self.cursor;
            self.cursor += new.len();
            self.characters.splice(at..at, new);
        }
        fits
    }

    fn press(&mut self, press: &Press) -> Option<String> {
        let tabbed = std::mem::take(&mut self.tabbed);
        if !matches!(
            press,
            Press::Older | Press::Newer | Press::Search | Press::Clear | Press::Swallowed(_)
        ) {
            self.walk = None;
        }
        // A swallowed sequence is no key.
        self.tabbed = tabbed && matches!(press, Press::Swallowed(_));
        let (cursor, len) = (self.cursor, self.characters.len());
        match press {
            Press::Char(mark) if mark.width() == Some(0) => {
                let fits = self.text().len() + mark.len_utf8() <= MAX_BYTES;
                self.overflow |= !fits;
                if fits && cursor > 0 {
                    self.characters[cursor - 1].push(*mark);
                }
            }
            Press::Char(character) => {
                let fits = self.insert(&character.to_string());
                self.overflow |= !fits;
            }
            Press::Left => self.cursor = cursor.saturating_sub(1),
            Press::Right => self.cursor = len.min(cursor + 1),
            Press::Home => self.cursor = 0,
            Press::End => self.cursor = len,
            Press::Backspace => self.remove(cursor.saturating_sub(1)..cursor),
            Press::Delete => self.remove(cursor..len.min(cursor + 1)),
            Press::KillBefore => {
                self.overflow = false;
                self.remove(0..cursor);
            }
            Press::KillAfter => self.remove(cursor..len),
            Press::KillWord => {
                let mut start = cursor;
                while start > 0 && self.characters[start - 1].starts_with(' ') {
                    start -= 1;
                }
                while start > 0 && !self.characters[start - 1].starts_with(' ') {
                    start -= 1;
                }
                self.remove(start..cursor);
            }
            Press::Transpose => {
                let second = if cursor == len { len.saturating_sub(1) } else { cursor };
                if second > 0 {
                    self.characters.swap(second - 1, second);
                    self.cursor = second + 1;
                }
            }
            Press::Older => self.older(""),
            Press::Search => {
                let typed = self.walk.as_ref().map_or(self.text(), |walk| walk.0.concat());
                self.older(&typed);
            }
            Press::Newer => match self.walk.take() {
                Some((typed, 0)) => self.set(typed),
                Some((typed, shown)) => {
                    self.set(characters(&self.history[shown - 1].clone()));
                    self.walk = Some((typed, shown - 1));
                }
                None => {}
            },
            Press::Tab => self.tab(tabbed),
            Press::Clear | Press::Swallowed(_) | Press::Malformed(_) => {}
            Press::Abandon => self.set(Vec::new()),
            Press::Enter(_) => {
                let text = self.text();
                let entered = (!self.overflow).then(|| text.clone());
                self.set(Vec::new());
                self.remember(entered.clone().unwrap_or_default());
                return entered;
            }
        }
        None
    }

    fn older(&mut self, wanted: &str) {
        let next = self.walk.as_ref().map_or(0, |walk| walk.1 + 1);
        let found = (next..self.history.len()).find(|&n| self.history[n].contains(wanted));
        if let Some(shown) = found {
            let typed = self.walk.take().map_or_else(|| self.characters.clone(), |walk| walk.0);
            self.walk = Some((typed, shown));
            self.set(characters(&self.history[shown].clone()));
        }
    }

    fn tab(&mut self, tabbed: bool) {
        let before = self.characters[..self.cursor].concat();
        let word = before.rsplit(' ').next().unwrap();
        let rests: Vec<&str> = NAMES.iter().filter_map(|name| name.strip_prefix(word)).collect();
        let at_blank = self.characters.get(self.cursor).is_some_and(|next| next.starts_with(' '));
        match rests[..] {
            [] => {}
            [rest] if at_blank => drop(self.insert(rest)),
            // A blank that finds no room is left out.
            [rest] => {
                let fits = before.len() + self.text().len() - before.len() + rest.len() < MAX_BYTES;
                self.insert(&if fits { format!("{rest} ") } else { rest.to_string() });
            }
            // All that two of the names have in common.
            _ if word == "a" => drop(self.insert("l")),
            _ => self.tabbed = !tabbed,
        }
    }

    fn remember(&mut self, line: String) {
        let kept = !line.is_empty() && !line.starts_with(' ') && line.len() < HISTORY;
        if kept && self.history.front() != Some(&line) {
            self.history.push_front(line);
            while self.history.iter().map(|line| line.len() + 1).sum::<usize>() > HISTORY {
                self.history.pop_back();
            }
        }
    }
}

/// A key, as the model knows it; where several byte sequences mean it, which one.
#[derive(Clone, Debug)]
enum Press {
    Char(char),
    Left,
    Right,
    Home,
    End,
    Backspace,
    Delete,
    KillBefore,
    KillAfter,
    KillWord,
    Transpose,
    Older,
    Newer,
    Search,
    Tab,
    Clear,
    Abandon,
    Enter(&'static [u8]),
    Swallowed(&'static str),
    Malformed(u8),
}

impl Press {
    fn bytes(&self) -> Vec<u8> {
        let text: &str = match self {
            Self::Char(character) => return character.to_string().into(),
            Self::Enter(bytes) => return bytes.to_vec(),
            Self::Malformed(byte) => return vec![*byte],
            Self::Swallowed(text) => text,
            Self::Left => "\x1b[D",
            Self::Right => "\x06",
            Self::Home => "\x1bOH",
            Self::End => "\x05",
            Self::Backspace => "\x7f",
            Self::Delete => "\x1b[3~",
            Self::KillBefore => "\x15",
            Self::KillAfter => "\x0b",
            Self::KillWord => "\x17",
            Self::Transpose => "\x14",
            Self::Older => "\x1b[A",
            Self::Newer => "\x0e",
            Self::Search => "\x12",
            Self::Tab => "\t",
            Self::Clear => "\x0c",
            Self::Abandon => "\x03",
        };
        text.into()
    }
}

fn presses() -> impl Strategy<Value = Press> {
    let characters = prop_oneof![
        8 => prop::sample::select(vec!['a', 'l', 'f', 'x', ' ', 'é', '漢']),
        2 => prop::sample::select(vec!['\u{301}', '\u{200d}', '\u{1f600}']),
        1 => any::<char>().prop_filter("no control", |c| !c.is_control() && !"\"'".contains(*c)),
    ];
    let edits = prop::sample::select(vec![
        Press::Left,
        Press::Left,
        Press::Right,
        Press::Home,
        Press::End,
        Press::Backspace,
        Press::Backspace,
        Press::Delete,
        Press::KillBefore,
        Press::KillAfter,
        Press::KillWord,
        Press::Transpose,
        Press::Tab,
        Press::Clear,
        Press::Abandon,
        Press::Enter(b"\r"),
        Press::Enter(b"\n"),
        Press::Enter(b"\r\n"),
        Press::Swallowed("\x1b[1;5C"),
        Press::Swallowed("\x1bx"),
        Press::Malformed(0xff),
    ]);
    let walks = prop::sample::select(vec![
        Press::Older,
        Press::Older,
        Press::Newer,
        Press::Search,
        Press::Enter(b"\r"),
        Press::Tab,
    ]);
    prop_oneof![8 => characters.prop_map(Press::Char), 4 => edits, 2 => walks]
}

/// Runs `presses` through editor and model; every disagreement panics.
fn compare(presses: &[Press]) {
    let mut editor = Editor::<HISTORY>::new(PROMPT);
    let (mut model, mut terminal) = (Model::default(), Terminal::default());
    editor.start(&mut terminal).unwrap();
    let mut after_return = false;
    for press in presses {
        // The second half of CR LF.
        let half = after_return && matches!(press, Press::Enter(b"\n"));
        let press = if half { &Press::Swallowed("\n") } else { press };
        after_return = press.bytes().ends_with(b"\r");
        let before = terminal.bells;
        let mut steps = Vec::new();
        for byte in press.bytes() {
            let step = editor.feed(byte, &Names, &mut terminal).unwrap();
            if step != Step::Typing {
                editor.start(&mut terminal).unwrap();
            }
            steps.push((step, editor.entered().to_string()));
        }
        let entered = model.press(press);
        let step = steps.iter().find(|(step, _)| *step != Step::Typing);
        match (press, entered) {
            (Press::Enter(_), Some(text)) => assert_eq!(step, Some(&(Step::Entered, text))),
            (Press::Enter(_), None) => assert_eq!(step.unwrap().0, Step::TooLong),
            (Press::Abandon, _) => assert_eq!(step.unwrap().0, Step::Abandoned),
            _ => assert_eq!(step, None, "{press:?}"),
        }
        assert_eq!(editor.line().text(), model.text(), "{press:?}");
        let shown = format!("{PROMPT}{}", model.text());
        assert_eq!(terminal.shown(), shown.trim_end(), "{press:?}");
        assert_eq!(terminal.column, PROMPT.len() + model.column(), "{press:?}");
        assert!(terminal.bells <= before + 1, "{press:?} rings at most once");
    }
}

proptest! {
    #[test]
    fn the_terminal_shows_the_models_line(presses in prop::collection::vec(presses(), 0..120)) {
        compare(&presses);
    }

    /// The same where lines are nearly full.
    #[test]
    fn full_lines_too(
        character in prop::sample::select(vec!['x', 'é', '漢']),
        presses in prop::collection::vec(presses(), 0..60),
    ) {
        let fill = MAX_BYTES / character.len_utf8() - 3;
        let mut all = vec![Press::Char(character); fill];
        all.extend(presses.into_iter().filter(|press| !matches!(press, Press::Abandon)));
        compare(&all);
    }

    #[test]
    fn no_bytes_do_harm(bytes: Vec<u8>) {
        let mut editor = Editor::<HISTORY>::new(PROMPT);
        let mut terminal = Terminal::default();
        editor.start(&mut terminal).unwrap();
        for byte in bytes {
            if editor.feed(byte, &Names, &mut terminal).unwrap() != Step::Typing {
                editor.start(&mut terminal).unwrap();
            }
            let shown = format!("{PROMPT}{}", editor.line().text());
            prop_assert_eq!(terminal.shown(), shown.trim_end());
            prop_assert!(editor.line().text().is_char_boundary(editor.line().cursor()));
        }
    }
}

/// What is sent for `bytes` typed one after the other.
fn sent(bytes: &[u8]) -> String {
    let mut editor = Editor::<HISTORY>::new(PROMPT);
    let mut out = String::new();
    for &byte in bytes {
        editor.feed(byte, &Names, &mut out).unwrap();
    }
    out
}

#[test]
fn a_line_typed_at_its_end_is_echoed_and_nothing_else() {
    let line = "alloc 0 HighMem é漢e\u{301}";
    assert_eq!(sent(format!("{line}\r").as_bytes()), format!("{line}\n"));
    assert_eq!(sent(b"ab\x7fc\r"), "ab\x08 \x08c\n");
}

#[test]
fn a_change_in_the_middle_sends_the_rest_and_no_prompt() {
    assert_eq!(sent(b"abc\x1b[D\x1b[Dx"), "abc\x08\x08xbc\x08\x08");
    assert_eq!(sent(b"abc\x01\x04"), "abc\x08\x08\x08bc \x08\x08\x08");
}

#[test]
fn tab_adds_then_lists() {
    assert_eq!(sent(b"f\t"), "free ");
    assert_eq!(sent(b"a\t"), "al");
    assert_eq!(sent(b"a\t\t"), "al\x07");
    assert_eq!(sent(b"a\t\t\t"), "al\x07\nalloc  alter\nvmsplit> al");
    assert_eq!(sent(b"zz\t\t"), "zz\x07\x07");
}

#[test]
fn a_line_with_too_much_is_refused_until_it_is_looked_at() {
    let mut bytes = vec![b'x'; MAX_BYTES + 1];
    let mut editor = Editor::<HISTORY>::new(PROMPT);
    let mut feed = |bytes: &[u8]| {
        let mut step = Step::Typing;
        for &byte in bytes {
            step = editor.feed(byte, &Names, &mut String::new()).unwrap();
        }
        (step, editor.entered().len())
    };
    bytes.push(b'\r');
    assert_eq!(feed(&bytes), (Step::TooLong, 0));
    assert_eq!(feed(b"ok\r"), (Step::Entered, 2), "the next line is another");
    bytes.insert(MAX_BYTES + 1, 0x7f);
    assert_eq!(feed(&bytes), (Step::Entered, MAX_BYTES - 1));
    assert_eq!(TooLong.to_string(), "a line has at most 255 bytes");
}
