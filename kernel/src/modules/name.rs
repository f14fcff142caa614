//! What a module is called: the name of its file without folder and ending, and with `_` for `-`.
//!
//! Linux does the same, so `insmod my-driver.ko` loads `my_driver`, and either name takes it out again.

use core::fmt;
use core::str;

/// The most bytes of a name: `MODULE_NAME_LEN` of the headers, without the end.
pub const MAX_NAME_BYTES: usize = 55;

/// Endings that are no part of the name.
const ENDINGS: [&str; 2] = [".ko", ".o"];

/// A module's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ModuleName {
    bytes: [u8; MAX_NAME_BYTES],
    len: u8,
}

/// A file whose name makes none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoName {
    /// Nothing is left of it.
    Empty,
    /// It has too many bytes.
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// A character that no name has.
    Character(char),
}

impl fmt::Display for NoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a module's name is missing"),
            Self::TooLong { bytes } => {
                write!(f, "a module's name has {bytes} bytes, and may have {MAX_NAME_BYTES}")
            }
            Self::Character(character) => {
                write!(f, "a module's name can not have the character {character:?}")
            }
        }
    }
}

impl ModuleName {
    /// The name that the file `path` gives to its module.
    ///
    /// # Errors
    ///
    /// [`NoName`] when it is none: letters, digits, `_` and `-` make one.
    pub fn of_file(path: &str) -> Result<Self, NoName> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file);
        if stem.is_empty() {
            return Err(NoName::Empty);
        }
        if stem.len() > MAX_NAME_BYTES {
            return Err(NoName::TooLong { bytes: stem.len() });
        }
        let mut name = Self { bytes: [0; MAX_NAME_BYTES], len: stem.len() as u8 };
        for (place, character) in name.bytes.iter_mut().zip(stem.chars()) {
            *place = match character {
                '-' => b'_',
                'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => character as u8,
                other => return Err(NoName::Character(other)),
            };
        }
        Ok(name)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
