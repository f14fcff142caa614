//! The table of commands, and the way from a line to one of them with its arguments.
//!
//! A row names a command, declares its arguments, and points at the function that does the work on
//! the owner's context `C` and may fail with the owner's error `E`. Everything else follows from
//! the row: the list and the help text, the parse, what Tab offers, what is suggested for a name
//! that no command has. So a new command is one row and one function.
//!
//! Invariant, checked when the table is compiled: names differ, and a repeated argument is the
//! last.

use core::fmt;

use crate::argument::{Arg, Args, Giving, Kind, Known, Names, Times};
use crate::completion::Complete;
use crate::error::{ParseError, Usage};
use crate::nearest::nearest;
use crate::words::words;

/// A command: one row of the table.
pub struct Command<C: 'static, E: 'static> {
    /// What is typed.
    pub name: &'static str,
    /// What is typed after it.
    pub args: &'static [Arg],
    /// What it does, in some words.
    pub help: &'static str,
    /// What else is to be known; whole lines, or nothing.
    pub details: &'static str,
    /// Does it.
    pub run: fn(&mut C, &Args<'_>) -> Result<(), E>,
}

impl<C, E> Command<C, E> {
    /// The usage line.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        Usage { name: self.name, args: self.args }
    }

    /// Writes all that is known of the command: usage, help and details.
    ///
    /// # Errors
    ///
    /// Only those of `out`.
    pub fn write_help(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(out, "{}", self.usage())?;
        writeln!(out, "    {}", self.help)?;
        self.details.lines().try_for_each(|line| writeln!(out, "    {line}"))
    }
}

/// A line that has been understood: which command, and its arguments.
pub struct Invocation<'w, C: 'static, E: 'static> {
    /// The row.
    pub command: &'static Command<C, E>,
    /// What was given, as the row declares it.
    pub args: Args<'w>,
}

impl<C, E> Invocation<'_, C, E> {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// The command's own.
    pub fn run(&self, context: &mut C) -> Result<(), E> {
        (self.command.run)(context, &self.args)
    }
}

/// All commands.
pub struct Table<C: 'static, E: 'static> {
    commands: &'static [Command<C, E>],
}

impl<C, E> Table<C, E> {
    /// The table with these rows.
    ///
    /// # Panics
    ///
    /// When two commands have the same name, or an argument follows a repeated one. Made in a
    /// constant, such a table does not compile.
    #[must_use]
    pub const fn new(commands: &'static [Command<C, E>]) -> Self {
        let mut row = 0;
        while row < commands.len() {
            let mut other = 0;
            while other < row {
                let same = equal(commands[row].name, commands[other].name);
                assert!(!same, "two commands have the same name");
                other += 1;
            }
            let args = commands[row].args;
            let mut index = 0;
            while index + 1 < args.len() {
                let repeated = matches!(args[index].times, Times::Any);
                assert!(!repeated, "an argument follows a repeated one");
                index += 1;
            }
            row += 1;
        }
        Self { commands }
    }

    /// The rows.
    #[must_use]
    pub const fn commands(&self) -> &'static [Command<C, E>] {
        self.commands
    }

    /// The row of the command called `name`.
    fn find<'w>(&self, name: &'w str) -> Result<usize, ParseError<'w>> {
        let found = self.commands.iter().position(|command| command.name == name);
        let names = self.commands.iter().map(|command| command.name);
        found.ok_or_else(|| ParseError::Unknown { name, nearest: nearest(name, names) })
    }

    /// What `line` asks for; `None` when it is blank.
    ///
    /// # Errors
    ///
    /// See [`ParseError`].
    pub fn parse<'w>(
        &self,
        line: &'w str,
        names: &dyn Names,
    ) -> Result<Option<Invocation<'w, C, E>>, ParseError<'w>> {
        let mut words = words(line).map(|word| word.map_err(ParseError::Words));
        let Some(name) = words.next() else { return Ok(None) };
        let Some(command) = self.commands.get(self.find(name?)?) else { return Ok(None) };
        let known = Known { names, command: &|name| self.find(name) };
        let mut giving = Giving::new(command.args);
        for word in words {
            giving.give(word?, &known)?;
        }
        Ok(Some(Invocation { command, args: giving.end(command.usage())? }))
    }

    /// Writes one line for each command.
    ///
    /// # Errors
    ///
    /// Only those of `out`.
    pub fn write_list(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.commands.iter().try_for_each(|Command { name, args, help, .. }| {
            write!(out, "{name:<NAME_WIDTH$}")?;
            let mut written = Counted { out, bytes: 0 };
            args.iter()
                .try_for_each(|arg| fmt::Write::write_fmt(&mut written, format_args!(" {arg}")))?;
            let gap = USAGE_WIDTH.saturating_sub(written.bytes);
            writeln!(out, "{:gap$} {help}", "")
        })
    }

    /// What Tab offers: the names of commands, and the words that their arguments may be.
    #[must_use]
    pub const fn completer<'a>(&'a self, names: &'a dyn Names) -> Completer<'a, C, E> {
        Completer { table: self, names }
    }
}

/// Columns of the list that a name fills.
const NAME_WIDTH: usize = 12;
/// Columns of the list that arguments fill, a blank before each.
const USAGE_WIDTH: usize = 27;

/// Counts what passes.
struct Counted<'o> {
    out: &'o mut dyn fmt::Write,
    bytes: usize,
}

impl fmt::Write for Counted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes += text.len();
        self.out.write_str(text)
    }
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut same = a.len() == b.len();
    let mut index = 0;
    while same && index < a.len() {
        same = a[index] == b[index];
        index += 1;
    }
    same
}

/// The answers to Tab, from [`Table::completer`].
pub struct Completer<'a, C: 'static, E: 'static> {
    table: &'a Table<C, E>,
    names: &'a dyn Names,
}

impl<C, E> Completer<'_, C, E> {
    /// What may come after the words of `before` where `word` is being typed; nothing where they are no
    /// beginning of a command.
    fn offer<'w>(
        &self,
        before: &'w str,
        word: &str,
        see: &mut dyn FnMut(&str),
    ) -> Result<(), ParseError<'w>> {
        let all = |see: &mut dyn FnMut(&str)| {
            self.table.commands.iter().for_each(|command| see(command.name));
        };
        let mut words = words(before).map(|word| word.map_err(ParseError::Words));
        let Some(name) = words.next() else {
            all(see);
            return Ok(());
        };
        let row = self.table.find(name?)?;
        let known = Known { names: self.names, command: &|name| self.table.find(name) };
        let args = self.table.commands.get(row).map_or(&[][..], |command| command.args);
        let mut giving = Giving::new(args);
        for whole in words {
            giving.give(whole?, &known)?;
        }
        for arg in giving.possible() {
            match arg.kind {
                Kind::Command => all(see),
                _ => arg.candidates(self.names, word, see),
            }
        }
        Ok(())
    }
}

impl<C, E> Complete for Completer<'_, C, E> {
    fn candidates(&self, before: &str, word: &str, see: &mut dyn FnMut(&str)) {
        // Where the line is wrong already, Tab has nothing to offer.
        let _ = self.offer(before, word, see);
    }
}

#[cfg(test)]
mod tests;
