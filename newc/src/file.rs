//! The data of one file.
//!
//! Invariant: whoever has a [`File`] of an archive with sums has one whose data had its sum when it was opened.

use core::fmt;

use crate::archive::Archive;
use crate::entry::Entry;
use crate::error::ArchiveError;
use crate::source::Source;

/// Bytes read at once where a sum is compared, on the stack.
const CHUNK_BYTES: usize = 512;

/// A file of an archive, or the target of a link.
pub struct File<'a, S> {
    archive: &'a Archive<S>,
    data: u64,
    size: u32,
}

impl<'a, S: Source> File<'a, S> {
    /// The data of `entry`.
    pub(crate) fn new(
        archive: &'a Archive<S>,
        entry: &Entry,
    ) -> Result<Self, ArchiveError<S::Error>> {
        let file = Self { archive, data: entry.data, size: entry.size };
        if let Some(stored) = entry.sum {
            let computed = file.sum()?;
            if computed != stored {
                return Err(ArchiveError::BadSum { offset: entry.offset, stored, computed });
            }
        }
        Ok(file)
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// Copies what there is from the file's byte `from` on, as much as `into` takes, and returns how much that was: 0
    /// at the end, and beyond it.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Source`].
    pub fn read(&self, from: u32, into: &mut [u8]) -> Result<usize, ArchiveError<S::Error>> {
        let left = usize::try_from(self.size.saturating_sub(from)).unwrap_or(usize::MAX);
        let len = left.min(into.len());
        if len == 0 {
            return Ok(0);
        }
        self.archive.read(self.data + u64::from(from), &mut into[..len])?;
        Ok(len)
    }

    /// The sum of the bytes, as cpio's "crc" form has it: plainly added, modulo 2^32.
    fn sum(&self) -> Result<u32, ArchiveError<S::Error>> {
        let (mut chunk, mut from, mut sum) = ([0; CHUNK_BYTES], 0, 0_u32);
        loop {
            let len = self.read(from, &mut chunk)?;
            if len == 0 {
                return Ok(sum);
            }
            for &byte in &chunk[..len] {
                sum = sum.wrapping_add(byte.into());
            }
            // No more than the size of a file, which is a `u32`.
            from += len as u32;
        }
    }
}

impl<S> fmt::Debug for File<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("data", &self.data).field("size", &self.size).finish()
    }
}
