//! Memory as rows: the address, sixteen bytes as hexadecimal units, and the same bytes as text.
//!
//! ```text
//! 0xc0200000: ea000006 e1a00000 e1a00000 e1a00000  |................|
//! ```
//!
//! Units are little-endian, as the machine's are, so the text column shows the bytes in the order
//! of their addresses whatever the unit. Each unit is read once, in ascending order, by an access
//! of its own: what is looked at may be a device.

use core::fmt;

/// Bytes in a row.
const ROW_BYTES: usize = 16;

/// How memory is read: in bytes, halfwords or words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// One byte.
    Byte,
    /// Two bytes.
    Half,
    /// Four bytes.
    Word,
}

impl Unit {
    /// The letters by which units are chosen, in the order of [`Unit::ALL`].
    pub const LETTERS: [&'static str; 3] = ["b", "h", "w"];
    /// All units.
    pub const ALL: [Self; 3] = [Self::Byte, Self::Half, Self::Word];

    /// Bytes in the unit.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }

    /// Units in a row.
    #[must_use]
    pub const fn in_a_row(self) -> u32 {
        ROW_BYTES as u32 / self.bytes()
    }

    /// The greatest value of the unit.
    #[must_use]
    pub const fn max(self) -> u32 {
        u32::MAX >> (32 - 8 * self.bytes())
    }
}

/// Writes the `count` units from `address` on, as `read` reads them.
///
/// Stops where `read` fails, after the row up to there, and where the address space ends. Returns
/// what `read` failed with.
///
/// # Errors
///
/// Only those of `out`.
pub fn write<F>(
    out: &mut dyn fmt::Write,
    address: u32,
    count: u32,
    unit: Unit,
    mut read: impl FnMut(u32) -> Result<u32, F>,
) -> Result<Option<F>, fmt::Error> {
    let mut row = Row { unit, values: [0; ROW_BYTES], len: 0 };
    let mut row_start = address;
    for index in 0..count {
        let offset = index.checked_mul(unit.bytes());
        let Some(at) = offset.and_then(|offset| address.checked_add(offset)) else { break };
        if row.len == unit.in_a_row() as usize {
            row.write(out, row_start)?;
            (row.len, row_start) = (0, at);
        }
        match read(at) {
            Ok(value) => row.push(value),
            Err(failure) => {
                row.write(out, row_start)?;
                return Ok(Some(failure));
            }
        }
    }
    row.write(out, row_start)?;
    Ok(None)
}

/// The units of one row.
struct Row {
    unit: Unit,
    values: [u32; ROW_BYTES],
    len: usize,
}

impl Row {
    fn push(&mut self, value: u32) {
        if let Some(place) = self.values.get_mut(self.len) {
            *place = value;
            self.len += 1;
        }
    }

    /// Writes the row; nothing if it is empty.
    fn write(&self, out: &mut dyn fmt::Write, address: u32) -> fmt::Result {
        if self.len == 0 {
            return Ok(());
        }
        let bytes = self.unit.bytes() as usize;
        let digits = 2 * bytes;
        write!(out, "{address:#010x}:")?;
        for index in 0..self.unit.in_a_row() as usize {
            match self.values.get(index).filter(|_| index < self.len) {
                Some(value) => write!(out, " {value:0digits$x}")?,
                None => write!(out, " {:digits$}", "")?,
            }
        }
        out.write_str("  |")?;
        for value in self.values.iter().take(self.len) {
            for byte in value.to_le_bytes().into_iter().take(bytes) {
                let shown = matches!(byte, b' '..=b'~');
                out.write_char(if shown { char::from(byte) } else { '.' })?;
            }
        }
        out.write_str("|\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory in which each byte is the low byte of its address; it ends before `end`.
    fn dump(address: u32, count: u32, unit: Unit, end: u64) -> (String, Option<u32>) {
        let mut out = String::new();
        let failure = write(&mut out, address, count, unit, |at| {
            if u64::from(at) >= end {
                return Err(at);
            }
            let bytes = [0, 1, 2, 3].map(|offset| at.wrapping_add(offset) as u8);
            Ok(u32::from_le_bytes(bytes) & unit.max())
        });
        (out, failure.unwrap())
    }

    #[test]
    fn rows_of_each_unit() {
        assert_eq!(
            dump(0x1040, 6, Unit::Word, 1 << 32).0,
            "0x00001040: 43424140 47464544 4b4a4948 4f4e4d4c  |@ABCDEFGHIJKLMNO|\n\
             0x00001050: 53525150 57565554                    |PQRSTUVW|\n"
        );
        assert_eq!(
            dump(0x107c, 3, Unit::Half, 1 << 32).0,
            "0x0000107c: 7d7c 7f7e 8180                           ||}~...|\n"
        );
        assert_eq!(
            dump(0x101f, 16, Unit::Byte, 1 << 32).0,
            "0x0000101f: 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e  |. !\"#$%&'()*+,-.|\n"
        );
    }

    #[test]
    fn a_failure_ends_the_row_that_it_strikes() {
        assert_eq!(
            dump(0x1040, 8, Unit::Word, 0x1048),
            (
                "0x00001040: 43424140 47464544                    |@ABCDEFG|\n".to_string(),
                Some(0x1048)
            )
        );
        let (text, failure) = dump(0x1040, 8, Unit::Word, 0x1050);
        assert_eq!((text.lines().count(), failure), (1, Some(0x1050)));
        assert_eq!(dump(0x1040, 8, Unit::Word, 0), (String::new(), Some(0x1040)));
    }

    #[test]
    fn nothing_lies_beyond_the_last_address() {
        let (text, failure) = dump(0xffff_fff8, 100, Unit::Word, 1 << 32);
        assert_eq!(failure, None);
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains(" fbfaf9f8 fffefdfc "), "{text}");
        assert_eq!(dump(0, 0, Unit::Byte, 1 << 32), (String::new(), None));
        let mut reads = 0;
        write(&mut String::new(), 0xffff_ff00, u32::MAX, Unit::Word, |_| {
            reads += 1;
            Ok::<u32, ()>(0)
        })
        .unwrap();
        assert_eq!(reads, 64);
    }

    #[test]
    fn units_and_their_letters_go_together() {
        assert_eq!(Unit::ALL.map(Unit::bytes), [1, 2, 4]);
        assert_eq!(Unit::ALL.map(Unit::max), [0xff, 0xffff, u32::MAX]);
        assert_eq!(Unit::LETTERS.len(), Unit::ALL.len());
    }
}
