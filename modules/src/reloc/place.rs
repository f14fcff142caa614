//! The bytes that a relocation changes, as a number.
//!
//! Code and data are little-endian. Thumb code is halfwords: of an instruction of two, the first,
//! which is on top in the manual's words, lies first in memory.

use super::Misfit;

/// What a place is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// A word: data, or ARM code.
    Word,
    /// One halfword of Thumb code.
    Halfword,
    /// Two halfwords of Thumb code, the first on top.
    Halfwords,
}

impl Unit {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Word | Self::Halfwords => 4,
            Self::Halfword => 2,
        }
    }

    /// What `place` holds, or [`Misfit::PlaceSize`].
    pub(super) fn read(self, place: &[u8]) -> Result<u32, Misfit> {
        match (self, place) {
            (Self::Word, &[a, b, c, d]) => Ok(u32::from_le_bytes([a, b, c, d])),
            (Self::Halfwords, &[a, b, c, d]) => Ok(u32::from_le_bytes([c, d, a, b])),
            (Self::Halfword, &[a, b]) => Ok(u32::from_le_bytes([a, b, 0, 0])),
            _ => Err(self.wrong(place)),
        }
    }

    /// Makes `place` hold `word`, or [`Misfit::PlaceSize`].
    pub(super) fn write(self, place: &mut [u8], word: u32) -> Result<(), Misfit> {
        let [a, b, c, d] = word.to_le_bytes();
        match (self, &mut *place) {
            (Self::Word, [p, q, r, s]) => (*p, *q, *r, *s) = (a, b, c, d),
            (Self::Halfwords, [p, q, r, s]) => (*p, *q, *r, *s) = (c, d, a, b),
            (Self::Halfword, [p, q]) => (*p, *q) = (a, b),
            _ => return Err(self.wrong(place)),
        }
        Ok(())
    }

    const fn wrong(self, place: &[u8]) -> Misfit {
        Misfit::PlaceSize { bytes: place.len(), expected: self.bytes() }
    }
}
