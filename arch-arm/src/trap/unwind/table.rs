//! The tables: the index `.ARM.exidx`, and entries too long for it in `.ARM.extab`.
//!
//! An index entry is two words (*IHI 0038B, 5*). The first is the function's address, as a 31-bit
//! offset from the word itself. The second is one of
//!
//! | word | meaning |
//! |---|---|
//! | 1 | can not be unwound |
//! | bit 31 set | the unwind instructions themselves, three at most |
//! | bit 31 clear | the offset of an entry elsewhere |
//!
//! An entry elsewhere begins with a word that names one of three models (*6.3*) if its bit 31 is set,
//! and a routine of some language's own otherwise, which a kernel has no use for.

use mm::addr::{VirtAddr, VirtRange};

use super::{Code, ReadMemory, THUMB};

/// Bytes of an index entry.
const ENTRY_BYTES: u32 = 8;
/// The second word of a function that can not be unwound.
const CANNOT_UNWIND: u32 = 1;
const COMPACT: u32 = 1 << 31;

/// An index entry, found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// The function: from its first address to the next entry's.
    pub function: VirtRange,
    /// Where the second word lies.
    at: VirtAddr,
    word: u32,
}

/// An entry of a kind that is not understood, or that can not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BadEntry;

/// The entry of the function that holds `address`, in `code`: the last one that does not start above it. `None`
/// where the index can not be read, or starts above, or is empty.
pub(super) fn find(memory: &impl ReadMemory, code: &Code, address: VirtAddr) -> Option<Entry> {
    let index = code.index;
    let at = |number: u32| index.start().checked_add(number * ENTRY_BYTES);
    let function = |number: u32| {
        let at = at(number)?;
        let start = prel31(at, memory.word(at)?);
        // Where a function is Thumb's, an assembler may say so here.
        Some(VirtAddr::new(start.as_u32() & !THUMB))
    };
    let count = index.len() / ENTRY_BYTES;
    let (mut low, mut high) = (0, count);
    if count == 0 || function(0)? > address {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if function(middle)? <= address {
            low = middle;
        } else {
            high = middle;
        }
    }
    let start = function(low)?;
    // The last entry is the linker's end mark, so that the kernel's last function has a next one as well. A module
    // was not linked: its last function ends with the text.
    let end = if low + 1 < count { function(low + 1)? } else { code.text.end() };
    let at = at(low)?.checked_add(4)?;
    Some(Entry { function: VirtRange::new(start, end), at, word: memory.word(at)? })
}

/// The entry's unwind instructions; `None` when it says that there are none.
pub(super) fn instructions<'m, M: ReadMemory>(
    memory: &'m M,
    entry: &Entry,
) -> Result<Option<Instructions<'m, M>>, BadEntry> {
    if entry.word == CANNOT_UNWIND {
        return Ok(None);
    }
    let (at, word) = if entry.word & COMPACT != 0 {
        // Only the short model fits the index.
        if entry.word >> 24 != 0x80 {
            return Err(BadEntry);
        }
        (entry.at, entry.word)
    } else {
        let at = prel31(entry.at, entry.word);
        (at, memory.word(at).ok_or(BadEntry)?)
    };
    let (bytes, more_words) = match word >> 24 {
        0x80 => (3, 0),
        0x81 | 0x82 => (2, word >> 16 & 0xff),
        _ => return Err(BadEntry),
    };
    Ok(Some(Instructions { memory, at, word, bytes, more_words }))
}

/// A 31-bit offset from the place where it stands (*IHI 0038B, 4.1*).
fn prel31(at: VirtAddr, word: u32) -> VirtAddr {
    let offset = (word << 1).cast_signed() >> 1;
    VirtAddr::new(at.as_u32().wrapping_add_signed(offset))
}

/// The bytes of unwind instructions, most significant first in each word.
#[derive(Debug)]
pub(super) struct Instructions<'m, M> {
    memory: &'m M,
    /// Where `word` was read.
    at: VirtAddr,
    word: u32,
    /// Bytes of `word` that are still to come, the least significant ones.
    bytes: u32,
    more_words: u32,
}

impl<M: ReadMemory> Iterator for Instructions<'_, M> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.bytes == 0 && self.more_words > 0 {
            self.at = self.at.checked_add(4)?;
            self.word = self.memory.word(self.at)?;
            (self.bytes, self.more_words) = (4, self.more_words - 1);
        }
        self.bytes = self.bytes.checked_sub(1)?;
        Some((self.word >> (8 * self.bytes)) as u8)
    }
}
