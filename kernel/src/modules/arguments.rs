//! The parameters that a module gets: those of the kernel command line, then those that were typed.
//!
//! As in Linux, `NAME.PARAMETER=VALUE` on the kernel command line is for the module NAME, whenever it is inserted, and
//! what is typed with `insmod` comes later and so counts.

use arrayvec::ArrayString;
use mm::param::params;

use super::error::ModuleError;
use super::name::ModuleName;
use crate::monitor::typed;

/// Bytes of parameters that one module may get.
const ROOM: usize = 1024;

/// `name=value` pairs with blanks between, a value in quotes where it has blanks.
pub struct Arguments {
    text: ArrayString<ROOM>,
}

impl Arguments {
    /// What `command_line` has for the module, and then `words`, as they were typed.
    ///
    /// # Errors
    ///
    /// [`ModuleError::Parameters`] when they are too long.
    pub fn gather<'w>(
        name: &ModuleName,
        command_line: &str,
        words: impl Iterator<Item = &'w str>,
    ) -> Result<Self, ModuleError<'static>> {
        let mut all = Self { text: ArrayString::new() };
        let mut last = command_line;
        for param in params(command_line) {
            let Some((module, parameter)) = param.name.split_once('.') else { continue };
            if ModuleName::of_file(module).as_ref() == Ok(name) {
                all.push(parameter, param.value)?;
            }
        }
        for word in words {
            // The loader stops at a lone `--`, as on a command line.
            if word == "--" {
                return Err(ModuleError::Word(typed(word)));
            }
            match word.split_once('=') {
                Some((parameter, value)) => all.push(parameter, Some(value))?,
                None => all.push(word, None)?,
            }
            last = word;
        }
        // One too few would have the next parameter taken for a part of the value.
        if !all.text.matches('"').count().is_multiple_of(2) {
            return Err(ModuleError::Word(typed(last)));
        }
        Ok(all)
    }

    /// As the loader reads them.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn push(&mut self, name: &str, value: Option<&str>) -> Result<(), ModuleError<'static>> {
        let quote = if value.is_some_and(|value| value.contains(|c: char| c.is_ascii_whitespace()))
        {
            "\""
        } else {
            ""
        };
        let pieces = match value {
            Some(value) => [name, "=", quote, value, quote, " "],
            None => [name, "", "", "", "", " "],
        };
        pieces
            .into_iter()
            .try_for_each(|piece| self.text.try_push_str(piece))
            .map_err(|_| ModuleError::Parameters { room: ROOM })
    }
}
