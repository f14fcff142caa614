//! The index that unwinding begins with (`.ARM.exidx`), made whole.
//!
//! A linker puts the parts of the index together in the order of the code, and ends it with a mark.
//! Here sections lie as they come, so the entries are sorted by address once they are relocated. An
//! entry says where the function begins that it is about; it ends where the next one begins. So each
//! section of code begins with an entry "can not be unwound", unless it has one of its own there, and
//! so does what follows the last section: code without an entry must not be taken for that before it.
//!
//! Invariant: the finished index is sorted, has each address once, and every entry is about the area
//! that it lies in (*IHI 0038*, 5).

use alloc::vec::Vec;
use core::ops::Range;

use mm::addr::VirtAddr;

use crate::bytes::{set_word, word};
use crate::error::{LoadError, RecordFault};
use crate::plan::push;

/// Bytes of an entry: the function, and how it is unwound.
pub(crate) const ENTRY_BYTES: u32 = 8;
/// The second word of what can not be unwound.
const CANNOT_UNWIND: u32 = 1;
/// The second word is the instructions themselves, not the address of more.
const INLINE: u32 = 1 << 31;

/// How a function is unwound. The order is that in which one of several is chosen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Second {
    /// A word that means the same everywhere.
    Word(u32),
    /// Instructions in `.ARM.extab`.
    Table(u32),
    /// None was given.
    Missing,
}

/// The area that an index is for.
pub(crate) struct Surroundings {
    /// The addresses of sections of code.
    pub code: Range<u32>,
    /// The addresses of all that is loaded.
    pub area: Range<u32>,
}

/// Sorts the index that `index` begins with, `loaded` bytes of entries at address `at`, and adds what
/// is missing for sections of code that begin at `starts`. Returns the bytes of the finished index.
pub(crate) fn finish<'f>(
    index: &mut [u8],
    at: u32,
    loaded: u32,
    around: &Surroundings,
    starts: impl Iterator<Item = u32>,
) -> Result<u32, LoadError<'f>> {
    let mut entries = Vec::new();
    for number in 0..loaded / ENTRY_BYTES {
        let outside = |target| LoadError::Record {
            table: ".ARM.exidx",
            index: number,
            fault: RecordFault::Outside { at: VirtAddr::new(target), size: 1 },
        };
        let offset = number * ENTRY_BYTES;
        let [first, second] = [offset, offset + 4].map(|at| word(index, at as usize).unwrap_or(0));
        // A function in Thumb state has bit 0 set, which is no part of where it lies.
        let function = prel31(at.wrapping_add(offset), first) & !1;
        if first & INLINE != 0 || !around.code.contains(&function) {
            return Err(outside(function));
        }
        let second = if second == CANNOT_UNWIND || second & INLINE != 0 {
            Second::Word(second)
        } else {
            Second::Table(prel31(at.wrapping_add(offset + 4), second))
        };
        if let Second::Table(table) = second
            && !around.area.contains(&table)
        {
            return Err(outside(table));
        }
        push(&mut entries, (function, second))?;
    }
    for start in starts {
        push(&mut entries, (start, Second::Missing))?;
    }
    push(&mut entries, (around.code.end, Second::Missing))?;
    entries.sort_unstable();
    entries.dedup_by_key(|(function, _)| *function);

    let mut offset = 0;
    for (function, second) in entries {
        let here = at.wrapping_add(offset);
        let second = match second {
            Second::Word(word) => word,
            Second::Table(table) => to_prel31(here.wrapping_add(4), table),
            Second::Missing => CANNOT_UNWIND,
        };
        // The plan made room for all of them.
        set_word(index, offset as usize, to_prel31(here, function)).ok_or(LoadError::Memory)?;
        set_word(index, offset as usize + 4, second).ok_or(LoadError::Memory)?;
        offset += ENTRY_BYTES;
    }
    Ok(offset)
}

/// Where a 31-bit offset from `at` points to.
const fn prel31(at: u32, word: u32) -> u32 {
    at.wrapping_add_signed((word << 1).cast_signed() >> 1)
}

/// The 31-bit offset of `target` from `at`. An area is no larger than such an offset reaches.
const fn to_prel31(at: u32, target: u32) -> u32 {
    target.wrapping_sub(at) & !INLINE
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u32 = 0x2000;
    const AROUND: Surroundings = Surroundings { code: 0x1000..0x1100, area: 0x1000..0x4000 };

    fn finished(entries: &[(u32, u32)], starts: &[u32]) -> Result<Vec<(u32, u32)>, String> {
        let mut index = Vec::new();
        for (number, (function, second)) in entries.iter().enumerate() {
            let at = AT + 8 * number as u32;
            let second = if *second == 1 || second & INLINE != 0 {
                *second
            } else {
                to_prel31(at + 4, *second)
            };
            index.extend(to_prel31(at, *function).to_le_bytes());
            index.extend(second.to_le_bytes());
        }
        let loaded = index.len() as u32;
        index.resize(index.len() + 8 * (starts.len() + 1), 0);
        let bytes = finish(&mut index, AT, loaded, &AROUND, starts.iter().copied())
            .map_err(|error| error.to_string())?;
        assert!(index[bytes as usize..].iter().all(|byte| *byte == 0) || bytes >= loaded);
        Ok((0..bytes)
            .step_by(8)
            .map(|offset| {
                let [first, second] =
                    [0, 4].map(|more| word(&index, (offset + more) as usize).unwrap());
                let second = if second == 1 || second & INLINE != 0 {
                    second
                } else {
                    prel31(AT + offset + 4, second)
                };
                (prel31(AT + offset, first), second)
            })
            .collect())
    }

    #[test]
    fn entries_are_sorted_and_point_where_they_did() {
        let entries = [(0x1080, 0x3000), (0x1041, 1), (0x1000, 0x8001_0203)];
        assert_eq!(
            finished(&entries, &[0x1000, 0x1040]).unwrap(),
            [(0x1000, 0x8001_0203), (0x1040, 1), (0x1080, 0x3000), (0x1100, 1)]
        );
    }

    #[test]
    fn code_without_an_entry_can_not_be_unwound() {
        let starts = [0x1000, 0x1020, 0x1040];
        assert_eq!(
            finished(&[(0x1044, 0x8000_b0b0), (0x1004, 0x3000)], &starts).unwrap(),
            [
                (0x1000, 1),
                (0x1004, 0x3000),
                (0x1020, 1),
                (0x1040, 1),
                (0x1044, 0x8000_b0b0),
                (0x1100, 1)
            ]
        );
    }

    #[test]
    fn what_points_outside_is_refused() {
        let text = |at: &str| format!("1 bytes at {at} are not in the module's own memory");
        for (entries, wanted) in [
            ([(0x1000, 1), (0x1100, 1)], text("0x00001100")),
            ([(0x1000, 1), (0xffc, 1)], text("0x00000ffc")),
            ([(0x1000, 1), (0x1004, 0x4000)], text("0x00004000")),
            ([(0x1000, 1), (0x1004, 0xffc)], text("0x00000ffc")),
        ] {
            let error = finished(&entries, &[]).unwrap_err();
            assert_eq!(error, format!("section .ARM.exidx, record 1: {wanted}"));
        }
    }
}
