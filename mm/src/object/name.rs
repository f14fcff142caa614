//! Names of caches.

use core::fmt;

use arrayvec::ArrayString;

use super::error::CreateError;

/// The name of a cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name(ArrayString<{ Name::MAX }>);

impl Name {
    /// The most bytes.
    pub const MAX: usize = 32;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`CreateError::Name`] of an empty one, and of one that is too long.
    pub fn new(name: &str) -> Result<Self, CreateError> {
        match ArrayString::from(name) {
            Ok(text) if !text.is_empty() => Ok(Self(text)),
            _ => Err(CreateError::Name { len: name.len() }),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
