//! Reading: binary search over the entries, names spelled out as they print.

use core::{fmt, slice};

use mm::addr::VirtAddr;

use crate::{ENTRY_BYTES, FIRST_TOKEN, HEADER_BYTES, MAGIC, TOKENS};

/// A symbol table in memory.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    base: u32,
    entries: &'a [u8],
    tokens: &'a [u8],
    token_texts: &'a [u8],
    names: &'a [u8],
}

/// Why bytes are no table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableError {
    /// They do not begin as a table does: the image was published without one.
    NoMagic,
    /// The header promises more bytes than there are.
    CutShort {
        /// Bytes that the header promises.
        promised: u64,
        /// Bytes there are.
        len: usize,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMagic => f.write_str("the image holds no symbol table"),
            Self::CutShort { promised, len } => {
                write!(f, "the symbol table says that it has {promised} bytes, and has {len}")
            }
        }
    }
}

impl core::error::Error for TableError {}

/// A function found.
#[derive(Clone, Copy, Debug)]
pub struct Symbol<'a> {
    /// Its first address.
    pub start: VirtAddr,
    /// Bytes from there to the next symbol.
    pub size: u32,
    /// What it is called.
    pub name: Name<'a>,
}

/// A function's name; `Display` spells it out.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    table: Table<'a>,
    bytes: &'a [u8],
}

impl<'a> Table<'a> {
    /// The table that `bytes` begins with; what follows it is ignored.
    ///
    /// # Errors
    ///
    /// [`TableError`]. Only the header is looked at: entries and names that make no sense are found,
    /// or not, by [`lookup`](Self::lookup).
    pub fn new(bytes: &'a [u8]) -> Result<Self, TableError> {
        if bytes.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(TableError::NoMagic);
        }
        let field = |index: usize| word(bytes, MAGIC.len() + 4 * index).unwrap_or(0);
        let [base, count, token_bytes, name_bytes] = [0, 1, 2, 3].map(field);
        let entry_bytes = (u64::from(count) + 1) * ENTRY_BYTES as u64;
        let index_bytes = 2 * (TOKENS as u64 + 1);
        let lens = [entry_bytes, index_bytes, token_bytes.into(), name_bytes.into()];
        let promised = HEADER_BYTES as u64 + lens.iter().sum::<u64>();
        let short = TableError::CutShort { promised, len: bytes.len() };
        let mut rest = bytes.get(HEADER_BYTES..).ok_or(short)?;
        let mut parts = [&[][..]; 4];
        for (part, len) in parts.iter_mut().zip(lens) {
            let len = usize::try_from(len).map_err(|_| short)?;
            (*part, rest) = rest.split_at_checked(len).ok_or(short)?;
        }
        let [entries, tokens, token_texts, names] = parts;
        Ok(Self { base, entries, tokens, token_texts, names })
    }

    /// How many entries there are, holes included.
    #[must_use]
    pub const fn len(&self) -> usize {
        // `new` saw to it that there is one more, the end.
        self.entries.len() / ENTRY_BYTES - 1
    }

    /// Is there no entry?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The function that holds `address`; `None` in a hole, and outside all of them.
    #[must_use]
    pub fn lookup(&self, address: VirtAddr) -> Option<Symbol<'a>> {
        let offset = address.as_u32().checked_sub(self.base)?;
        // `low` is at or below the address, or 0; `high` is above it. The end is above it, too, or
        // nothing is found.
        let (mut low, mut high) = (0, self.len());
        let (end, _) = self.entry(high)?;
        let (first, _) = self.entry(low)?;
        if offset < first || offset >= end {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.entry(middle) {
                Some((start, _)) if start <= offset => low = middle,
                _ => high = middle,
            }
        }
        let (start, name) = self.entry(low)?;
        let (next, name_end) = self.entry(low + 1)?;
        let bytes = self.names.get(name as usize..name_end as usize)?;
        if bytes.is_empty() {
            return None;
        }
        Some(Symbol {
            start: VirtAddr::new(self.base.wrapping_add(start)),
            size: next.checked_sub(start)?,
            name: Name { table: *self, bytes },
        })
    }

    /// Offset from the base, and offset into the names.
    fn entry(&self, index: usize) -> Option<(u32, u32)> {
        let at = index * ENTRY_BYTES;
        Some((word(self.entries, at)?, word(self.entries, at + 4)?))
    }

    /// The text of a token; empty when the table makes no sense there.
    fn token(&self, token: u8) -> &'a [u8] {
        let at = 2 * usize::from(token - FIRST_TOKEN);
        let bounds = half(self.tokens, at).zip(half(self.tokens, at + 2));
        bounds
            .and_then(|(start, end)| self.token_texts.get(usize::from(start)..usize::from(end)))
            .unwrap_or_default()
    }
}

/// What may stand in front of a path: of a type in a method's name, or of what it refers to.
const BEFORE_PATHS: [&str; 8] = ["<", "&", "*", "(", "[", "mut ", "const ", "dyn "];

impl<'a> Name<'a> {
    /// Does the function belong to `path`, a crate or a module? So do the methods of a type there,
    /// whatever trait they are of.
    #[must_use]
    pub fn is_in(&self, path: &str) -> bool {
        let mut text = self.text();
        while let Some(rest) = BEFORE_PATHS.iter().find_map(|before| strip(&text, before)) {
            text = rest;
        }
        strip(&text, path).is_some_and(|rest| strip(&rest, "::").is_some())
    }

    /// The bytes of the name, spelled out.
    fn text(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        let Self { table, bytes } = *self;
        let spelled = move |byte: &'a u8| match *byte {
            token @ FIRST_TOKEN.. => table.token(token),
            _ => slice::from_ref(byte),
        };
        bytes.iter().flat_map(spelled).copied()
    }
}

/// What follows `prefix` in `text`; `None` if it does not begin so.
fn strip<I: Iterator<Item = u8> + Clone>(text: &I, prefix: &str) -> Option<I> {
    let mut text = text.clone();
    prefix.bytes().all(|byte| text.next() == Some(byte)).then_some(text)
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().try_for_each(|byte| spell(f, byte))
    }
}

/// Prints an ASCII character, and nothing that could move a terminal's cursor, whatever the memory
/// holds.
fn spell(f: &mut fmt::Formatter<'_>, byte: u8) -> fmt::Result {
    use fmt::Write as _;
    f.write_char(if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' })
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
