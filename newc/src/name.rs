//! Names of entries: bytes, not always text, and not always short.
//!
//! A name is held as far as 255 bytes, which is as long as a file's own name may be on Linux; of a longer one the
//! length is known as well. So an entry has a size, and a listing shows every entry.

use core::fmt;

/// How many bytes of a name are held.
pub const MAX_SHOWN_BYTES: usize = 255;

/// The name of an entry. `Display` shows it with control characters and what is not UTF-8 escaped (`\x1b`), and with
/// its length if that is more than is held.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; MAX_SHOWN_BYTES],
    held: u8,
    len_bytes: u32,
}

impl Name {
    /// The name that begins with `bytes`, the NUL left out, and is so long.
    pub(crate) fn new(bytes: &[u8], len_bytes: u32) -> Self {
        let mut name = Self { bytes: [0; MAX_SHOWN_BYTES], held: 0, len_bytes };
        for (to, &from) in name.bytes.iter_mut().zip(bytes) {
            *to = from;
            name.held += 1;
        }
        name
    }

    /// The name as the archive has it, or its first 255 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.held)]
    }

    /// How many bytes the whole name has.
    #[must_use]
    pub const fn len_bytes(&self) -> u32 {
        self.len_bytes
    }

    /// Is the whole name held?
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.held as u32 == self.len_bytes
    }

    /// Does it lead to the same place as `path`? Slashes and `./` before both are left out, as everything is unpacked
    /// below `/`. A name of which not all is held leads nowhere.
    #[must_use]
    pub fn is(&self, path: &[u8]) -> bool {
        self.is_whole() && from_root(self.as_bytes()) == from_root(path)
    }
}

/// `path` without leading `/` and `./`.
fn from_root(mut path: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] | [b'.', b'/', rest @ ..] = path {
        path = rest;
    }
    path
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.len_bytes == other.len_bytes && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    write!(f, "\\x{:02x}", u32::from(c))?
                } else {
                    write!(f, "{c}")?
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        if self.is_whole() { Ok(()) } else { write!(f, "... ({} bytes)", self.len_bytes) }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8]) -> Name {
        Name::new(bytes, bytes.len() as u32)
    }

    #[test]
    fn what_is_before_the_root_does_not_matter() {
        for same in
            [&b"lib/a.ko"[..], b"/lib/a.ko", b"./lib/a.ko", b".//./lib/a.ko", b"///lib/a.ko"]
        {
            assert!(name(same).is(b"lib/a.ko") && name(b"lib/a.ko").is(same));
        }
        for other in [&b"a.ko"[..], b"lib/a.ko/", b"../lib/a.ko", b"lib//a.ko", b"", b"lib/a.k"] {
            assert!(!name(other).is(b"lib/a.ko") && !name(b"lib/a.ko").is(other));
        }
        assert!(name(b".hidden").is(b"./.hidden"));
    }

    #[test]
    fn a_long_name_says_how_long() {
        let long = [b'x'; 300];
        let (whole, cut) = (name(&long[..255]), name(&long));
        assert!(whole.is_whole() && whole.is(&long[..255]));
        assert!(!cut.is_whole() && !cut.is(&long) && !cut.is(&long[..255]));
        assert_eq!(cut.as_bytes(), &long[..255]);
        assert_eq!(cut.to_string(), format!("{}... (300 bytes)", "x".repeat(255)));
        assert!(cut != whole);
    }

    #[test]
    fn a_name_does_nothing_to_the_console() {
        assert_eq!(
            name(b"a\x1b[2Jb\n\xff\xc3\xa9\xc2\x9b").to_string(),
            "a\\x1b[2Jb\\x0a\\xff\u{e9}\\x9b"
        );
    }
}
