//! The table of a module's functions, for back-traces: from an address to a name.
//!
//! The loader writes it into the core's read-only data, and a report reads it there, where memory
//! may be overwritten and nothing can be allocated.
//!
//! ```text
//! 0    number of entries n      every number is 32 bits, little-endian
//! 4    n entries                address, bytes, offset of the name in the table, its bytes;
//!                               sorted by address
//!      names                    UTF-8
//! ```
//!
//! Functions of the init area are in it, too; they are no longer there when initialisation is over.
//!
//! Invariant: the reader never panics and always ends, whatever the bytes are.

use core::str;

use mm::addr::VirtAddr;

use crate::bytes::{set_word, word};

/// Bytes before the entries.
const HEADER_BYTES: usize = 4;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 16;

/// A function, found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function<'t> {
    /// What it is called.
    pub name: &'t str,
    /// Its first address.
    pub start: VirtAddr,
    /// Its bytes.
    pub size: u32,
}

/// The function around `address`, in the `table` of [`Linked::functions`](crate::Linked::functions).
/// `None` between functions, and where the table makes no sense.
#[must_use]
pub fn find(table: &[u8], address: VirtAddr) -> Option<Function<'_>> {
    let entry = |number: usize, field: usize| {
        let at = number.checked_mul(ENTRY_BYTES)?.checked_add(HEADER_BYTES + 4 * field)?;
        word(table, at)
    };
    let (mut low, mut high) = (0, word(table, 0)? as usize);
    if entry(low, 0)? > address.as_u32() {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if entry(middle, 0)? <= address.as_u32() {
            low = middle;
        } else {
            high = middle;
        }
    }
    let [start, size, name_at, name_bytes] =
        [entry(low, 0)?, entry(low, 1)?, entry(low, 2)?, entry(low, 3)?];
    if address.as_u32() - start >= size {
        return None;
    }
    let name = table.get(name_at as usize..)?.get(..name_bytes as usize)?;
    Some(Function { name: str::from_utf8(name).ok()?, start: VirtAddr::new(start), size })
}

/// A function to be written: its first address, its bytes, its name.
pub(crate) type Row<'f> = (u32, u32, &'f str);

/// Bytes of the table of functions with these names.
pub(crate) fn bytes_for<'f>(mut names: impl Iterator<Item = &'f str>) -> Option<u32> {
    names.try_fold(HEADER_BYTES as u32, |bytes, name| {
        bytes.checked_add(ENTRY_BYTES as u32)?.checked_add(u32::try_from(name.len()).ok()?)
    })
}

/// Writes the table of `rows`, which are sorted by address. `None` when the room does not suffice.
pub(crate) fn write(table: &mut [u8], rows: &[Row<'_>]) -> Option<()> {
    set_word(table, 0, u32::try_from(rows.len()).ok()?)?;
    let mut name_at = HEADER_BYTES + rows.len() * ENTRY_BYTES;
    for (number, (start, size, name)) in rows.iter().enumerate() {
        let at = HEADER_BYTES + number * ENTRY_BYTES;
        let fields = [*start, *size, u32::try_from(name_at).ok()?, name.len() as u32];
        for (index, field) in fields.into_iter().enumerate() {
            set_word(table, at + 4 * index, field)?;
        }
        table.get_mut(name_at..name_at + name.len())?.copy_from_slice(name.as_bytes());
        name_at += name.len();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(rows: &[Row<'_>]) -> Vec<u8> {
        let bytes = bytes_for(rows.iter().map(|row| row.2)).unwrap();
        let mut table = vec![0; bytes as usize];
        write(&mut table, rows).unwrap();
        assert_eq!(write(&mut table.clone()[1..], rows), None);
        table
    }

    #[test]
    fn each_address_of_a_function_has_its_name_and_others_have_none() {
        let rows =
            [(0x1000, 0x20, "first"), (0x1020, 4, "é"), (0x1100, 0x10, ""), (0x1100, 8, "x")];
        let table = table(&rows);
        let name = |at| find(&table, VirtAddr::new(at)).map(|found| found.name);
        assert_eq!(name(0xfff), None);
        assert_eq!(name(0x1000), Some("first"));
        assert_eq!(name(0x101f), Some("first"));
        assert_eq!(name(0x1020), Some("é"));
        assert_eq!(name(0x1024), None);
        assert_eq!(name(0x1107), Some("x"));
        assert_eq!(name(0x1108), None);
        assert_eq!(name(u32::MAX), None);
        let found = find(&table, VirtAddr::new(0x1004)).unwrap();
        assert_eq!((found.start, found.size), (VirtAddr::new(0x1000), 0x20));
    }

    #[test]
    fn an_empty_table_knows_nothing() {
        assert_eq!(find(&table(&[]), VirtAddr::new(0)), None);
        assert_eq!(find(&[], VirtAddr::new(0)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..100), count in 0u32..6, at: u32
        ) {
            let _ = find(&bytes, VirtAddr::new(at));
            if bytes.len() >= 4 {
                set_word(&mut bytes, 0, count).unwrap();
            }
            let _ = find(&bytes, VirtAddr::new(at));
        }
    }
}
