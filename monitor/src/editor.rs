//! The line editor: keys change the line, and the terminal is made to show it.
//!
//! | key | does |
//! |---|---|
//! | a character | stands in the line at the cursor |
//! | Left, Ctrl-B; Right, Ctrl-F | one character to the side |
//! | Home, Ctrl-A; End, Ctrl-E | to the start, to the end |
//! | Backspace, DEL; Delete, Ctrl-D | removes the character before, at the cursor |
//! | Ctrl-U, Ctrl-K | removes all before, all from the cursor on |
//! | Ctrl-W | removes the word before |
//! | Ctrl-T | swaps the two characters around the cursor, at the end the last two |
//! | Up, Ctrl-P; Down, Ctrl-N | the line typed before, after |
//! | Ctrl-R | the newest line before that contains what was typed; again: one older |
//! | Tab | adds what can only be meant; twice: lists what can be meant |
//! | Ctrl-L | clears the screen |
//! | Ctrl-C | abandons the line |
//! | CR, LF, CR LF | ends it |
//!
//! What goes to the terminal is, beside the characters themselves, backspaces and spaces: nothing
//! is asked of the terminal but that a backspace moves left by one cell. So plain typing works on
//! anything, a character at the end of the line is echoed as itself and nothing else, and the
//! prompt is not printed anew (only Ctrl-L and a list do that), which scripts that wait for it rely
//! on. The price: a change in the middle sends the rest of the line again, and a line that is wider
//! than the terminal can be typed, but not edited across the edge.
//!
//! Invariant: the terminal shows the prompt and the line, and its cursor stands where the line's
//! does, after every byte.

use core::fmt;

use crate::completion::{self, Complete, Found};
use crate::history::History;
use crate::keys::{Decoder, Key};
use crate::line::{Line, MAX_BYTES, Text, is_allowed, width_of};

/// What a byte led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The line goes on.
    Typing,
    /// It has been ended: [`Editor::entered`] has it until the next byte comes.
    Entered,
    /// Ctrl-C: there is no line.
    Abandoned,
    /// It has been ended, and is not what was typed: some of it found no room.
    TooLong,
}

/// A line that was longer than [`MAX_BYTES`] when it was typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line has at most {MAX_BYTES} bytes")
    }
}

impl core::error::Error for TooLong {}

/// A walk through the history.
#[derive(Clone, Debug)]
struct Walk {
    /// The line as it was typed, before the walk.
    typed: Text,
    /// Which line is shown, the newest being 0.
    shown: usize,
}

/// What the last key was, as far as the next one asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Last {
    /// Tab, and it could add nothing.
    Tab,
    /// Something else.
    Other,
}

/// A line editor that remembers `HISTORY` bytes of lines.
#[derive(Clone, Debug)]
pub struct Editor<const HISTORY: usize> {
    prompt: &'static str,
    keys: Decoder,
    line: Line,
    /// The line that was ended last.
    entered: Text,
    history: History<HISTORY>,
    walk: Option<Walk>,
    last: Last,
    /// A character found no room, and nothing has been removed since: what the line holds is not
    /// what somebody, or a script, believes to have typed.
    overflow: bool,
}

const BELL: &str = "\x07";
const BACK: &str = "\x08";
const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";

impl<const HISTORY: usize> Editor<HISTORY> {
    /// An editor with an empty line. `prompt` is printable.
    #[must_use]
    pub fn new(prompt: &'static str) -> Self {
        Self {
            prompt,
            keys: Decoder::new(),
            line: Line::default(),
            entered: Text::new(),
            history: History::new(),
            walk: None,
            last: Last::Other,
            overflow: false,
        }
    }

    /// Prints the prompt, for the line that begins now.
    ///
    /// # Errors
    ///
    /// Only those of `out`, here and below.
    pub fn start(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(self.prompt)
    }

    /// The line being typed.
    #[must_use]
    pub const fn line(&self) -> &Line {
        &self.line
    }

    /// The line that ended with the last [`Step::Entered`].
    #[must_use]
    pub fn entered(&self) -> &str {
        &self.entered
    }

    /// Takes one byte from the keyboard. `names` answers Tab; `out` is the terminal.
    ///
    /// After any other answer than [`Step::Typing`] the caller does what is to be done, and calls
    /// [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// Only those of `out`.
    pub fn feed(
        &mut self,
        byte: u8,
        names: &dyn Complete,
        out: &mut dyn fmt::Write,
    ) -> Result<Step, fmt::Error> {
        let mut step = Step::Typing;
        // Of two keys the first is malformed bytes, which end no line.
        for key in self.keys.feed(byte) {
            step = self.press(key, names, out)?;
        }
        Ok(step)
    }

    fn press(
        &mut self,
        key: Key,
        names: &dyn Complete,
        out: &mut dyn fmt::Write,
    ) -> Result<Step, fmt::Error> {
        let last = core::mem::replace(&mut self.last, Last::Other);
        if !matches!(key, Key::Up | Key::Down | Key::Ctrl(b'P' | b'N' | b'R' | b'L')) {
            self.walk = None;
        }
        let (cursor, end) = (self.line.cursor(), self.line.text().len());
        match key {
            Key::Enter => return self.end(out),
            Key::Ctrl(b'C') => {
                out.write_str("^C\n")?;
                self.line = Line::default();
                self.overflow = false;
                return Ok(Step::Abandoned);
            }
            Key::Char(character) => self.insert(character, out)?,
            Key::Left | Key::Ctrl(b'B') => self.move_to(self.line.left_of(cursor), out)?,
            Key::Right | Key::Ctrl(b'F') => self.move_to(self.line.right_of(cursor), out)?,
            Key::Home | Key::Ctrl(b'A') => self.move_to(0, out)?,
            Key::End | Key::Ctrl(b'E') => self.move_to(end, out)?,
            Key::Backspace => self.remove(self.line.left_of(cursor), cursor, out)?,
            Key::Delete | Key::Ctrl(b'D') => {
                self.remove(cursor, self.line.right_of(cursor), out)?;
            }
            Key::Ctrl(b'U') => {
                self.overflow = false;
                self.remove(0, cursor, out)?;
            }
            Key::Ctrl(b'K') => self.remove(cursor, end, out)?,
            Key::Ctrl(b'W') => self.remove(self.line.word_left_of(cursor), cursor, out)?,
            Key::Ctrl(b'T') => self.transpose(out)?,
            Key::Up | Key::Ctrl(b'P') => self.older("", out)?,
            Key::Down | Key::Ctrl(b'N') => self.newer(out)?,
            Key::Ctrl(b'R') => self.search(out)?,
            Key::Ctrl(b'L') => {
                out.write_str(CLEAR_SCREEN)?;
                self.redraw(out)?;
            }
            Key::Tab => self.complete(last, names, out)?,
            Key::Ctrl(_) | Key::Malformed => out.write_str(BELL)?,
        }
        Ok(Step::Typing)
    }

    /// Ends the line, wherever the cursor is.
    fn end(&mut self, out: &mut dyn fmt::Write) -> Result<Step, fmt::Error> {
        out.write_str(self.line.after())?;
        out.write_str("\n")?;
        self.entered.clear();
        let line = core::mem::take(&mut self.line);
        if core::mem::take(&mut self.overflow) {
            return Ok(Step::TooLong);
        }
        // As long as a line may be, and no longer.
        let _ = self.entered.try_push_str(line.text());
        self.history.push(line.text());
        Ok(Step::Entered)
    }

    fn insert(&mut self, character: char, out: &mut dyn fmt::Write) -> fmt::Result {
        let mut bytes = [0; 4];
        let text: &str = character.encode_utf8(&mut bytes);
        if is_allowed(character)
            && self.change(self.line.cursor(), self.line.cursor(), text, out)?
        {
            return Ok(());
        }
        self.overflow |= self.line.text().len() + text.len() > MAX_BYTES;
        out.write_str(BELL)
    }

    fn remove(&mut self, start: usize, end: usize, out: &mut dyn fmt::Write) -> fmt::Result {
        if start == end || !self.change(start, end, "", out)? {
            return out.write_str(BELL);
        }
        // Whoever removes something has seen what is there.
        self.overflow = false;
        Ok(())
    }

    /// Swaps the characters before and at the cursor, and moves over the second.
    fn transpose(&mut self, out: &mut dyn fmt::Write) -> fmt::Result {
        let line = &self.line;
        // At the end the cursor counts as standing before the last character.
        let (middle, end) = match line.right_of(line.cursor()) {
            end if end == line.cursor() => (line.left_of(end), end),
            end => (line.cursor(), end),
        };
        let start = line.left_of(middle);
        if start == middle {
            return out.write_str(BELL);
        }
        let mut swapped = Text::new();
        for part in [line.text().get(middle..end), line.text().get(start..middle)] {
            // Part of a line, so it fits.
            let _ = swapped.try_push_str(part.unwrap_or_default());
        }
        self.change(start, end, &swapped, out).map(|_| ())
    }

    /// Shows the nearest line before the one shown that contains `wanted`.
    fn older(&mut self, wanted: &str, out: &mut dyn fmt::Write) -> fmt::Result {
        let next = self.walk.as_ref().map_or(0, |walk| walk.shown + 1);
        let found = {
            let mut lines = self.history.newest_first().enumerate().skip(next);
            lines.find_map(|(at, line)| {
                Some((at, Text::from(line).ok()?)).filter(|_| line.contains(wanted))
            })
        };
        let Some((shown, line)) = found else {
            return out.write_str(BELL);
        };
        let typed = match self.walk.take() {
            Some(walk) => walk.typed,
            None => Text::from(self.line.text()).unwrap_or_default(),
        };
        self.walk = Some(Walk { typed, shown });
        self.show(&line, out)
    }

    /// Shows the line after the one shown; after the newest, the one that was typed.
    fn newer(&mut self, out: &mut dyn fmt::Write) -> fmt::Result {
        let Some(Walk { typed, shown }) = self.walk.take() else {
            return out.write_str(BELL);
        };
        let Some(next) = shown.checked_sub(1) else {
            return self.show(&typed, out);
        };
        let line = self.history.newest_first().nth(next).unwrap_or_default();
        let line = Text::from(line).unwrap_or_default();
        self.walk = Some(Walk { typed, shown: next });
        self.show(&line, out)
    }

    /// Ctrl-R: as Up, among the lines that contain what was typed before the walk.
    fn search(&mut self, out: &mut dyn fmt::Write) -> fmt::Result {
        let typed = self.walk.as_ref().map_or(self.line.text(), |walk| &walk.typed);
        let wanted = Text::from(typed).unwrap_or_default();
        self.older(&wanted, out)
    }

    fn complete(
        &mut self,
        last: Last,
        names: &dyn Complete,
        out: &mut dyn fmt::Write,
    ) -> fmt::Result {
        let cursor = self.line.cursor();
        let (text, is_one) = match completion::complete(names, self.line.before()) {
            Found::Nothing => return out.write_str(BELL),
            Found::Several(text) => (text, false),
            Found::One(text) => (text, true),
        };
        let bare = text.trim_end_matches(' ');
        // A blank that is there already ends the word as well.
        let ended = is_one && self.line.after().starts_with(' ');
        let text = if ended { bare } else { text.as_str() };
        if !text.is_empty() {
            // The blank is left out where there is no room for it.
            let fits = self.change(cursor, cursor, text, out)?
                || bare.len() < text.len() && self.change(cursor, cursor, bare, out)?;
            return if fits { Ok(()) } else { out.write_str(BELL) };
        }
        if is_one {
            return out.write_str(BELL);
        }
        if last == Last::Tab {
            out.write_str(self.line.after())?;
            out.write_str("\n")?;
            completion::list(names, self.line.before(), out)?;
            return self.redraw(out);
        }
        self.last = Last::Tab;
        out.write_str(BELL)
    }

    /// Puts another line in the place of this one, the cursor at its end.
    fn show(&mut self, line: &str, out: &mut dyn fmt::Write) -> fmt::Result {
        self.overflow = false;
        self.change(0, self.line.text().len(), line, out).map(|_| ())
    }

    /// Puts `with` in the place of the bytes from `start` to `end` and the cursor behind it, in the
    /// line and on the terminal. `false` when it does not fit; then nothing has happened.
    fn change(
        &mut self,
        start: usize,
        end: usize,
        with: &str,
        out: &mut dyn fmt::Write,
    ) -> Result<bool, fmt::Error> {
        let mut new = self.line.clone();
        if new.replace(start, end, with).is_err() {
            return Ok(false);
        }
        self.move_to(start, out)?;
        let old_width = width_of(self.line.after());
        self.line = new;
        let (rest, with_width) = (self.line.after(), width_of(with));
        let (rest_width, erased) =
            (width_of(rest), old_width.saturating_sub(with_width + width_of(rest)));
        out.write_str(with)?;
        out.write_str(rest)?;
        repeat(" ", erased, out)?;
        repeat(BACK, rest_width + erased, out)?;
        Ok(true)
    }

    /// Moves the cursor, in the line and on the terminal.
    fn move_to(&mut self, at: usize, out: &mut dyn fmt::Write) -> fmt::Result {
        let text = self.line.text();
        let cursor = self.line.cursor();
        match text.get(at..cursor) {
            Some(passed) => repeat(BACK, width_of(passed), out)?,
            None => out.write_str(text.get(cursor..at).unwrap_or_default())?,
        }
        self.line.move_to(at);
        Ok(())
    }

    /// Prints prompt and line from the start of a line of the terminal.
    fn redraw(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.start(out)?;
        out.write_str(self.line.text())?;
        repeat(BACK, width_of(self.line.after()), out)
    }
}

fn repeat(text: &str, count: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    (0..count).try_for_each(|_| out.write_str(text))
}

#[cfg(test)]
mod tests;
