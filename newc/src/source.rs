//! Where the bytes of an archive come from.
//!
//! An initrd above the linear map has no address until its pages are mapped, one after the other: so the reader asks
//! for pieces by their offset, each into a buffer of its own.

use core::fmt;

/// Bytes that can be read, of a length that does not change.
pub trait Source {
    /// Why a read failed.
    type Error;

    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Are there none?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the bytes from `offset` on into `into`, all of it. The reader of archives asks for nothing beyond
    /// [`len`](Self::len).
    ///
    /// # Errors
    ///
    /// The source's own. What `into` holds then is of no use.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error>;
}

/// Somebody asked a slice for bytes that it has not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfBounds {
    /// The first byte that was asked for.
    pub offset: u64,
    /// How many were.
    pub len: usize,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are no {} bytes at offset {:#x}", self.len, self.offset)
    }
}

impl core::error::Error for OutOfBounds {}

impl Source for [u8] {
    type Error = OutOfBounds;

    fn len(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..)?.get(..into.len()))
            .ok_or(OutOfBounds { offset, len: into.len() })?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

impl<S: Source + ?Sized> Source for &S {
    type Error = S::Error;

    fn len(&self) -> u64 {
        S::len(self)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), S::Error> {
        S::read(self, offset, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_gives_what_it_has() {
        let bytes: &[u8] = b"abcdef";
        let mut two = [0; 2];
        assert_eq!(Source::len(&bytes), 6);
        assert_eq!(bytes.read(4, &mut two), Ok(()));
        assert_eq!(&two, b"ef");
        assert_eq!(bytes.read(6, &mut []), Ok(()));
        for offset in [5, 6, 7, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(bytes.read(offset, &mut two), Err(OutOfBounds { offset, len: 2 }));
        }
    }
}
