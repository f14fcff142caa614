//! The walk over an archive's entries, and what is found by it.
//!
//! The walk holds one number, the offset of what comes next. Every step reads a header there, checks that the entry
//! ends within the source, and goes to its end: so a walk has at most as many steps as the source has room for headers.
//! After an error it ends, since where the next entry would be is not known.

use crate::entry::{Entry, Kind, Places};
use crate::error::{ArchiveError, Foreign, Part};
use crate::file::File;
use crate::header::{Form, HEADER_BYTES, Header, MAGIC_BYTES};
use crate::name::{MAX_SHOWN_BYTES, Name};
use crate::source::Source;

/// The name of the entry behind the last.
const TRAILER: &[u8] = b"TRAILER!!!";
/// What entries, and the data of each, are aligned to.
const ALIGN: u64 = 4;
/// Bytes read at once where zeros are skipped, on the stack.
const CHUNK_BYTES: usize = 256;

/// One or more archives, one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Archive<S> {
    source: S,
}

impl<S: Source> Archive<S> {
    /// The archive in `source`. Nothing is read yet.
    pub const fn new(source: S) -> Self {
        Self { source }
    }

    /// Where its bytes come from.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// The entries, in the order of the archive, trailers left out. An error is the last item.
    pub const fn entries(&self) -> Entries<'_, S> {
        Entries { archive: self, next: 0, start: None, is_done: false }
    }

    /// The entry of that name; the last, if several have it. Slashes and `./` before the name, here or there, are left
    /// out. `None` if there is none. Links are not followed.
    ///
    /// # Errors
    ///
    /// Any [`ArchiveError`] of the walk. The archive is read to its end, so a fault behind the entry counts: an entry
    /// that replaces the one found might have been there.
    pub fn find(&self, path: &str) -> Result<Option<Entry>, ArchiveError<S::Error>> {
        let mut found = None;
        for entry in self.entries() {
            let entry = entry?;
            if entry.name.is(path.as_bytes()) {
                found = Some(entry);
            }
        }
        Ok(found)
    }

    /// Opens a file, or a symbolic link to read where it leads to. Of a file with several names, the data is that of
    /// the last of them which has some, whichever name `entry` is. If the archive has sums, the data is read once, and
    /// compared.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::NotAFile`], [`ArchiveError::BadSum`], [`ArchiveError::Source`]; for a file with several names
    /// any other of the walk.
    pub fn open(&self, entry: &Entry) -> Result<File<'_, S>, ArchiveError<S::Error>> {
        let entry = match entry.kind() {
            Kind::File => self.with_data(entry)?,
            Kind::Symlink => Entry { sum: None, ..*entry },
            kind => return Err(ArchiveError::NotAFile { offset: entry.offset, kind }),
        };
        File::new(self, &entry)
    }

    /// The name of the same file that the data lies with.
    fn with_data(&self, entry: &Entry) -> Result<Entry, ArchiveError<S::Error>> {
        let mut found = *entry;
        if entry.nlink > 1 {
            let start = Some(entry.archive);
            let walk = Entries { archive: self, next: entry.archive, start, is_done: false };
            for other in walk {
                let other = other?;
                if other.archive != entry.archive {
                    break;
                }
                if other.size != 0 && other.is_same_file(entry) {
                    found = other;
                }
            }
        }
        Ok(found)
    }

    /// Reads a piece.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), ArchiveError<S::Error>> {
        self.source.read(offset, into).map_err(|error| ArchiveError::Source { offset, error })
    }

    /// The first byte from `offset` on that is not zero.
    fn skip_zeros(&self, mut offset: u64) -> Result<Option<u64>, ArchiveError<S::Error>> {
        let mut chunk = [0; CHUNK_BYTES];
        // Mostly there are none.
        let mut wanted = 1;
        loop {
            let left = self.source.len().saturating_sub(offset);
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(wanted);
            let Some(chunk) = chunk.get_mut(..len).filter(|chunk| !chunk.is_empty()) else {
                return Ok(None);
            };
            self.read(offset, chunk)?;
            if let Some(index) = chunk.iter().position(|&byte| byte != 0) {
                return Ok(Some(offset + index as u64));
            }
            offset += len as u64;
            wanted = CHUNK_BYTES;
        }
    }
}

/// A walk over entries.
#[derive(Debug)]
pub struct Entries<'a, S> {
    archive: &'a Archive<S>,
    /// Where the last entry ends.
    next: u64,
    /// Offset of the first entry of the archive that the walk is in.
    start: Option<u64>,
    is_done: bool,
}

impl<S: Source> Entries<'_, S> {
    /// The next entry that is no trailer.
    fn step(&mut self) -> Result<Option<Entry>, ArchiveError<S::Error>> {
        while let Some(offset) = self.archive.skip_zeros(self.next)? {
            let start = *self.start.get_or_insert(offset);
            let entry = self.entry(offset, start)?;
            if entry.name.as_bytes() != TRAILER {
                return Ok(Some(entry));
            }
            self.start = None;
        }
        Ok(None)
    }

    /// The entry at `offset`. The walk goes to its end.
    fn entry(&mut self, offset: u64, archive: u64) -> Result<Entry, ArchiveError<S::Error>> {
        let len = self.archive.source.len();
        // How much of `wanted` bytes from `at` on there is, if not all.
        let cut = |part, at: u64, needed: u64| match len.saturating_sub(at) {
            present if present < needed => {
                Err(ArchiveError::CutShort { offset, part, needed, present })
            }
            _ => Ok(()),
        };

        let mut magic = [0; MAGIC_BYTES];
        let present = usize::try_from(len - offset).map_or(MAGIC_BYTES, |n| n.min(MAGIC_BYTES));
        self.archive.read(offset, &mut magic[..present])?;
        let Some(form) = Form::detect(&magic) else {
            return Err(match Foreign::detect(&magic) {
                Some(form) => ArchiveError::Foreign { offset, form },
                None => ArchiveError::NotAnEntry { offset, found: magic },
            });
        };
        if !offset.is_multiple_of(ALIGN) {
            return Err(ArchiveError::Unaligned { offset });
        }

        cut(Part::Header, offset, HEADER_BYTES as u64)?;
        let mut header = [0; HEADER_BYTES];
        self.archive.read(offset, &mut header)?;
        let header = Header::parse(&header, offset)?;

        // No sum overflows: each is at most a few bytes beyond what was found to be within the source.
        let name_at = offset + HEADER_BYTES as u64;
        cut(Part::Name, name_at, header.name_bytes.into())?;
        let name = self.name(name_at, header.name_bytes, offset)?;

        let data = align_up(name_at + u64::from(header.name_bytes)).min(len);
        cut(Part::Data, data, header.size.into())?;
        self.next = align_up(data + u64::from(header.size)).min(len);

        Ok(Entry::new(&header, form, name, Places { offset, data, archive }))
    }

    /// The name at `at`, of so many bytes, NUL included. Like Linux's, it ends at its first NUL; one of 0 bytes is
    /// empty.
    fn name(&self, at: u64, bytes: u32, entry: u64) -> Result<Name, ArchiveError<S::Error>> {
        let Some(len_bytes) = bytes.checked_sub(1) else { return Ok(Name::new(&[], 0)) };
        let mut last = [0];
        self.archive.read(at + u64::from(len_bytes), &mut last)?;
        if last != [0] {
            return Err(ArchiveError::Unterminated { offset: entry });
        }
        let mut held = [0; MAX_SHOWN_BYTES];
        let held =
            &mut held[..usize::try_from(len_bytes).unwrap_or(usize::MAX).min(MAX_SHOWN_BYTES)];
        self.archive.read(at, held)?;
        Ok(match held.iter().position(|&byte| byte == 0) {
            Some(end) => Name::new(&held[..end], end as u32),
            None => Name::new(held, len_bytes),
        })
    }
}

impl<S: Source> Iterator for Entries<'_, S> {
    type Item = Result<Entry, ArchiveError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let item = self.step().transpose();
        self.is_done = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<S: Source> core::iter::FusedIterator for Entries<'_, S> {}

/// The next multiple of 4, or the greatest number.
fn align_up(offset: u64) -> u64 {
    offset.checked_next_multiple_of(ALIGN).unwrap_or(u64::MAX)
}
