//! The arguments of a command: what a row of the table declares, and what somebody gave.
//!
//! Words are given to declared arguments from left to right. A word that an optional argument can
//! not read goes to the next; so `[COUNT] [b|h|w]` takes `peek ADDR b` without a count. A number that
//! is only out of bounds does not: it is refused.
//!
//! Invariant: what a command's function finds in its [`Args`] has been read as its row declares it:
//! a number lies in its bounds, a choice is one of the list.

use core::fmt;

use arrayvec::ArrayVec;

use crate::error::{ParseError, Usage, listed};
use crate::line::Text;
use crate::words::{NumberError, number, size};

/// The most words after a command's name.
pub const MAX_WORDS: usize = 16;

/// Names that stand for addresses, known only to the one whose machine it is.
pub trait Names {
    /// Calls `see` with every name.
    fn each(&self, see: &mut dyn FnMut(&str));

    /// What `name` stands for.
    fn address(&self, name: &str) -> Option<u32>;

    /// Calls `see` with the name of every file that can be named; without files, never.
    fn files(&self, see: &mut dyn FnMut(&str)) {
        let _ = see;
    }
}

/// No names.
#[derive(Clone, Copy, Debug)]
pub struct NoNames;

impl Names for NoNames {
    fn each(&self, _: &mut dyn FnMut(&str)) {}

    fn address(&self, _: &str) -> Option<u32> {
        None
    }
}

/// What may stand in an argument's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A number in these bounds, both included.
    Number {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// A size in these bounds: a number that may end in K, M or G.
    Size {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// A virtual address: a number, or one of [`Names`], and perhaps `+` and a number.
    Address,
    /// One of these words, in letters of any case.
    Choice(&'static [&'static str]),
    /// The same, where the list is too long for a usage line: that shows the argument's name.
    OneOf(&'static [&'static str]),
    /// Some of these words, joined by `|`, or whatever else the command reads: any word is one, and
    /// these are offered.
    Joined(&'static [&'static str]),
    /// The argument's own name, as it is.
    Flag,
    /// The name of a command.
    Command,
    /// The name of a file: any word is one, and those of [`Names::files`] are offered.
    File,
    /// Any word.
    Text,
}

/// How often an argument may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Times {
    /// Once.
    One,
    /// Once or not at all.
    AtMostOne,
    /// As often as one likes; only the last argument of a command.
    Any,
}

/// One argument that a command declares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arg {
    /// What it is called, in capitals; of a flag, the flag.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// How often it may be given.
    pub times: Times,
}

impl Arg {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, times: Times::One }
    }

    /// A number from `min` to `max`.
    #[must_use]
    pub const fn number(name: &'static str, min: u32, max: u32) -> Self {
        Self::new(name, Kind::Number { min, max })
    }

    /// A size from `min` to `max`.
    #[must_use]
    pub const fn size(name: &'static str, min: u32, max: u32) -> Self {
        Self::new(name, Kind::Size { min, max })
    }

    /// An address.
    #[must_use]
    pub const fn address(name: &'static str) -> Self {
        Self::new(name, Kind::Address)
    }

    /// One of `words`.
    #[must_use]
    pub const fn choice(name: &'static str, words: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Choice(words))
    }

    /// One of `words`, which are many.
    #[must_use]
    pub const fn one_of(name: &'static str, words: &'static [&'static str]) -> Self {
        Self::new(name, Kind::OneOf(words))
    }

    /// Some of `words`, joined by `|`, or whatever else the command reads.
    #[must_use]
    pub const fn joined(name: &'static str, words: &'static [&'static str]) -> Self {
        Self::new(name, Kind::Joined(words))
    }

    /// The word `name`, or nothing.
    #[must_use]
    pub const fn flag(name: &'static str) -> Self {
        Self::new(name, Kind::Flag).optional()
    }

    /// The name of a command.
    #[must_use]
    pub const fn command(name: &'static str) -> Self {
        Self::new(name, Kind::Command)
    }

    /// The name of a file; what is given is a [text](Args::text).
    #[must_use]
    pub const fn file(name: &'static str) -> Self {
        Self::new(name, Kind::File)
    }

    /// Any word.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    /// The same, and it may be left out.
    #[must_use]
    pub const fn optional(self) -> Self {
        Self { times: Times::AtMostOne, ..self }
    }

    /// The same, any number of times.
    #[must_use]
    pub const fn repeated(self) -> Self {
        Self { times: Times::Any, ..self }
    }

    /// Reads `word` as this argument.
    fn read<'w>(
        &'static self,
        word: &'w str,
        known: &Known<'_>,
    ) -> Result<Value<'w>, ParseError<'w>> {
        let what = self.name;
        let bounded = |read: Result<u32, NumberError>, min, max| match read {
            Ok(value) if (min..=max).contains(&value) => Ok(Value::Number(value)),
            Ok(_) | Err(NumberError::TooLarge) => {
                Err(ParseError::OutOfBounds { word, what, min, max })
            }
            Err(NumberError::NotANumber) => Err(ParseError::NotANumber { word, what }),
        };
        match self.kind {
            Kind::Number { min, max } => bounded(number(word), min, max),
            Kind::Size { min, max } => bounded(size(word), min, max),
            Kind::Address => match address(word, known.names) {
                Some(value) => Ok(Value::Number(value)),
                None => Err(ParseError::NotAnAddress { word, what }),
            },
            Kind::Choice(words) | Kind::OneOf(words) => {
                let index = words.iter().position(|choice| choice.eq_ignore_ascii_case(word));
                index.map(Value::Choice).ok_or(ParseError::NotAChoice { word, what, words })
            }
            Kind::Flag if word == what => Ok(Value::Flag),
            Kind::Flag => Err(ParseError::TooMuch { word }),
            Kind::Command => (known.command)(word).map(Value::Command),
            Kind::Joined(_) | Kind::File | Kind::Text => Ok(Value::Text(word)),
        }
    }

    /// Calls `see` with every word that the argument may be, as far as they can be counted up, where
    /// `word` has been typed of it.
    pub(crate) fn candidates(&self, names: &dyn Names, word: &str, see: &mut dyn FnMut(&str)) {
        match self.kind {
            Kind::Joined(words) => {
                let joined = word.rfind('|').and_then(|bar| word.get(..=bar)).unwrap_or_default();
                let Ok(mut whole) = Text::from(joined) else { return };
                for next in words {
                    whole.truncate(joined.len());
                    // What does not fit a line can not be typed.
                    if whole.try_push_str(next).is_ok() {
                        see(&whole);
                    }
                }
            }
            Kind::Choice(words) | Kind::OneOf(words) => words.iter().for_each(|word| see(word)),
            Kind::Flag => see(self.name),
            Kind::Address => names.each(see),
            Kind::File => names.files(see),
            Kind::Number { .. } | Kind::Size { .. } | Kind::Command | Kind::Text => {}
        }
    }
}

/// As in a usage line: `NAME`, `a|b`, in brackets what may be left out.
impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.times != Times::One {
            f.write_str("[")?;
        }
        match self.kind {
            Kind::Choice(words) => listed(f, words, "|", "|")?,
            _ => f.write_str(self.name)?,
        }
        f.write_str(match self.times {
            Times::One => "",
            Times::AtMostOne => "]",
            Times::Any => " ...]",
        })
    }
}

/// The address that `word` names: a number or a name, and perhaps `+` and a number.
fn address(word: &str, names: &dyn Names) -> Option<u32> {
    let of = |word: &str| number(word).ok().or_else(|| names.address(word));
    // A name may have a plus sign of its own.
    of(word).or_else(|| {
        let (base, offset) = word.rsplit_once('+')?;
        of(base)?.checked_add(number(offset).ok()?)
    })
}

/// A word as its argument reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value<'w> {
    Number(u32),
    /// An index into the list.
    Choice(usize),
    Flag,
    /// An index into the table.
    Command(usize),
    Text(&'w str),
}

/// What somebody gave, by the names in the command's row.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Args<'w> {
    given: ArrayVec<(&'static str, Value<'w>), MAX_WORDS>,
}

/// An argument was not given: it is optional, or the command's row does not declare it so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotGiven {
    /// What was asked for.
    pub what: &'static str,
}

impl fmt::Display for NotGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was not given", self.what)
    }
}

impl core::error::Error for NotGiven {}

impl<'w> Args<'w> {
    fn find<T>(
        &self,
        what: &'static str,
        as_wanted: impl Fn(Value<'w>) -> Option<T>,
    ) -> Result<T, NotGiven> {
        let found = self.given.iter().find(|(name, _)| *name == what);
        found.and_then(|(_, value)| as_wanted(*value)).ok_or(NotGiven { what })
    }

    /// The number, size or address `what`.
    ///
    /// # Errors
    ///
    /// [`NotGiven`]; here and below, never for an argument that the row declares as this kind and
    /// does not let be left out.
    pub fn number(&self, what: &'static str) -> Result<u32, NotGiven> {
        self.find(what, |value| match value {
            Value::Number(number) => Some(number),
            _ => None,
        })
    }

    /// Which word of its list the choice `what` is.
    ///
    /// # Errors
    ///
    /// [`NotGiven`].
    pub fn choice(&self, what: &'static str) -> Result<usize, NotGiven> {
        self.find(what, |value| match value {
            Value::Choice(index) => Some(index),
            _ => None,
        })
    }

    /// Which row of the table the command `what` is.
    ///
    /// # Errors
    ///
    /// [`NotGiven`].
    pub fn command(&self, what: &'static str) -> Result<usize, NotGiven> {
        self.find(what, |value| match value {
            Value::Command(index) => Some(index),
            _ => None,
        })
    }

    /// The word `what`.
    ///
    /// # Errors
    ///
    /// [`NotGiven`].
    pub fn text(&self, what: &'static str) -> Result<&'w str, NotGiven> {
        self.texts(what).next().ok_or(NotGiven { what })
    }

    /// All words of the repeated argument `what`.
    pub fn texts(&self, what: &'static str) -> impl Iterator<Item = &'w str> {
        self.given.iter().filter_map(move |(name, value)| match value {
            Value::Text(text) if *name == what => Some(*text),
            _ => None,
        })
    }

    /// Was the flag `what` given?
    #[must_use]
    pub fn has(&self, what: &'static str) -> bool {
        self.given.contains(&(what, Value::Flag))
    }
}

/// What reading a word may ask.
pub(crate) struct Known<'k> {
    pub(crate) names: &'k dyn Names,
    /// The row of a command's name.
    pub(crate) command: &'k dyn for<'w> Fn(&'w str) -> Result<usize, ParseError<'w>>,
}

/// Gives words to the arguments of one command, one after the other.
pub(crate) struct Giving<'w> {
    args: &'static [Arg],
    given: Args<'w>,
}

impl<'w> Giving<'w> {
    pub(crate) fn new(args: &'static [Arg]) -> Self {
        Self { args, given: Args::default() }
    }

    /// What the next word may be: everything up to the first that must be given.
    pub(crate) fn possible(&self) -> impl Iterator<Item = &'static Arg> + use<> {
        let required = self.args.iter().position(|arg| arg.times == Times::One);
        self.args.iter().take(required.map_or(self.args.len(), |index| index + 1))
    }

    /// Gives `word` to the first argument that can read it. A number that is out of that one's bounds is
    /// for no other: `soak 0` has no count, and not the seed 0.
    pub(crate) fn give(&mut self, word: &'w str, known: &Known<'_>) -> Result<(), ParseError<'w>> {
        let mut complaint = None;
        for (index, arg) in self.possible().enumerate() {
            match arg.read(word, known) {
                Ok(value) => {
                    let full = self.given.given.try_push((arg.name, value)).is_err();
                    let done = index + usize::from(arg.times != Times::Any);
                    self.args = self.args.get(done..).unwrap_or_default();
                    return if full { Err(ParseError::TooMuch { word }) } else { Ok(()) };
                }
                // That a word is not a certain flag says less than why it is no number.
                Err(ParseError::TooMuch { .. }) => {}
                Err(error @ ParseError::OutOfBounds { .. }) => return Err(error),
                Err(error) => complaint = complaint.or(Some(error)),
            }
        }
        Err(complaint.unwrap_or(ParseError::TooMuch { word }))
    }

    /// What was given, if nothing is missing.
    pub(crate) fn end(self, usage: Usage) -> Result<Args<'w>, ParseError<'w>> {
        match self.args.iter().find(|arg| arg.times == Times::One) {
            Some(arg) => Err(ParseError::Missing { what: arg.name, usage }),
            None => Ok(self.given),
        }
    }
}
