//! Why a line is no command. Every message names the word that is to blame.

use core::fmt;

use crate::argument::Arg;
use crate::words::WordError;

/// A command's name and its arguments, as its usage line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    pub(crate) name: &'static str,
    pub(crate) args: &'static [Arg],
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

/// Why a line is no command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError<'w> {
    /// It can not be divided into words.
    Words(WordError<'w>),
    /// No command has this name.
    Unknown {
        /// The name as typed.
        name: &'w str,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// An argument is missing.
    Missing {
        /// Its name.
        what: &'static str,
        /// What was expected.
        usage: Usage,
    },
    /// A word more than there are arguments.
    TooMuch {
        /// The word.
        word: &'w str,
    },
    /// Not a number.
    NotANumber {
        /// The word.
        word: &'w str,
        /// The argument's name.
        what: &'static str,
    },
    /// A number out of bounds.
    OutOfBounds {
        /// The word.
        word: &'w str,
        /// The argument's name.
        what: &'static str,
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// Neither a 32-bit number nor a name.
    NotAnAddress {
        /// The word.
        word: &'w str,
        /// The argument's name.
        what: &'static str,
    },
    /// None of the words that were expected.
    NotAChoice {
        /// The word.
        word: &'w str,
        /// The argument's name.
        what: &'static str,
        /// What was expected.
        words: &'static [&'static str],
    },
}

impl fmt::Display for ParseError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Words(error) => error.fmt(f),
            Self::Unknown { name, nearest: None } => {
                write!(f, "no command is called {name}; try help")
            }
            Self::Unknown { name, nearest: Some(nearest) } => {
                write!(f, "no command is called {name}; did you mean {nearest}?")
            }
            Self::Missing { what, usage } => write!(f, "{what} is missing: {usage}"),
            Self::TooMuch { word } => {
                write!(f, "nothing more was expected than stands before {word}")
            }
            Self::NotANumber { word, what } => {
                write!(f, "{word} is no {what}: a number was expected, decimal or 0x hexadecimal")
            }
            Self::OutOfBounds { word, what, min, max } => {
                write!(f, "{word} is no {}: {min} to {max} were expected", Lower(what))
            }
            Self::NotAnAddress { word, what } => {
                write!(f, "{word} is no {what}: an address was expected, or a name, or NAME+OFFSET")
            }
            Self::NotAChoice { word, what, words } => {
                write!(f, "{word} is no {}: ", Lower(what))?;
                listed(f, words, ", ", " or ")?;
                f.write_str(" was expected")
            }
        }
    }
}

impl core::error::Error for ParseError<'_> {}

/// An argument's name as a word of a sentence.
struct Lower<'n>(&'n str);

impl fmt::Display for Lower<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.chars().try_for_each(|c| f.write_char(c.to_ascii_lowercase()))
    }
}

/// Writes `words` with `between` between them, and `before_last` before the last.
pub(crate) fn listed(
    f: &mut fmt::Formatter<'_>,
    words: &[&str],
    between: &str,
    before_last: &str,
) -> fmt::Result {
    words.iter().enumerate().try_for_each(|(index, word)| {
        match index {
            0 => {}
            _ if index + 1 == words.len() => f.write_str(before_last)?,
            _ => f.write_str(between)?,
        }
        f.write_str(word)
    })
}
