//! The header of an entry: a magic number and thirteen numbers of eight hexadecimal digits.
//!
//! ```text
//! 0 "070701" or "070702"
//! 6 inode │ mode │ uid │ gid │ nlink │ mtime │ filesize │ devmajor │ devminor │ rdevmajor │ rdevminor │ namesize │ check
//! ```
//!
//! Each says on its own whether it is good; what they say about each other is for the archive to judge.

use crate::error::ArchiveError;

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 110;
/// Bytes of the magic number.
pub(crate) const MAGIC_BYTES: usize = 6;
/// Bytes of a number.
const NUMBER_BYTES: usize = 8;

const FIELDS: [&str; 13] = [
    "inode",
    "mode",
    "uid",
    "gid",
    "nlink",
    "mtime",
    "filesize",
    "devmajor",
    "devminor",
    "rdevmajor",
    "rdevminor",
    "namesize",
    "check",
];

const _: () = assert!(HEADER_BYTES == MAGIC_BYTES + FIELDS.len() * NUMBER_BYTES);

/// Which of the two forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// "070701": `check` is 0.
    Newc,
    /// "070702": `check` is the sum of a file's bytes.
    Crc,
}

impl Form {
    /// What begins with `bytes`.
    pub(crate) fn detect(bytes: &[u8]) -> Option<Self> {
        match bytes.get(..MAGIC_BYTES)? {
            b"070701" => Some(Self::Newc),
            b"070702" => Some(Self::Crc),
            _ => None,
        }
    }
}

/// The numbers of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) inode: u32,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) nlink: u32,
    pub(crate) mtime: u32,
    pub(crate) size: u32,
    pub(crate) device: (u32, u32),
    /// Bytes of the name, NUL included.
    pub(crate) name_bytes: u32,
    pub(crate) check: u32,
}

impl Header {
    /// Reads the numbers of `bytes`, which lie at `offset`.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::BadNumber`].
    pub(crate) fn parse<E>(
        bytes: &[u8; HEADER_BYTES],
        offset: u64,
    ) -> Result<Self, ArchiveError<E>> {
        let mut values = [0; FIELDS.len()];
        let (numbers, _) = bytes[MAGIC_BYTES..].as_chunks::<NUMBER_BYTES>();
        for (index, (value, &found)) in values.iter_mut().zip(numbers).enumerate() {
            *value = number(&found).ok_or(ArchiveError::BadNumber {
                offset: offset + (MAGIC_BYTES + index * NUMBER_BYTES) as u64,
                field: FIELDS[index],
                found,
            })?;
        }
        let [inode, mode, uid, gid, nlink, mtime, size, major, minor, _, _, name_bytes, check] =
            values;
        let device = (major, minor);
        Ok(Self { inode, mode, uid, gid, nlink, mtime, size, device, name_bytes, check })
    }
}

/// The value of eight digits; either case, as GNU cpio writes large ones and others small ones.
fn number(digits: &[u8; NUMBER_BYTES]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |value: u32, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_at_its_place() {
        let mut bytes =
            *b"070701000000010000000200000003000000040000000500000006000000070000000800000009\
              0000000a0000000B0000000cfFFFfff0";
        let header = Header::parse::<()>(&bytes, 0).unwrap();
        let expected = Header {
            inode: 1,
            mode: 2,
            uid: 3,
            gid: 4,
            nlink: 5,
            mtime: 6,
            size: 7,
            device: (8, 9),
            name_bytes: 12,
            check: 0xffff_fff0,
        };
        assert_eq!(header, expected);
        for bad in *b" +-xgG\0/:" {
            bytes[6 + 8 * 6 + 3] = bad;
            let found = [b'0', b'0', b'0', bad, b'0', b'0', b'0', b'7'];
            let error = ArchiveError::<()>::BadNumber { offset: 154, field: "filesize", found };
            assert_eq!(Header::parse(&bytes, 100), Err(error));
        }
    }

    #[test]
    fn two_forms() {
        assert_eq!(Form::detect(b"070701"), Some(Form::Newc));
        assert_eq!(Form::detect(b"070702 and more"), Some(Form::Crc));
        for other in [&b"07070"[..], b"070707", b"070700", b""] {
            assert_eq!(Form::detect(other), None);
        }
    }
}
