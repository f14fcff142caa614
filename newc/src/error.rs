//! What may be wrong with an archive, and where.

use core::fmt;

use crate::entry::Kind;

/// Why an archive, or a file of it, can not be read. Offsets are bytes from the archive's start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveError<E> {
    /// The source did not give the bytes at `offset`.
    Source {
        /// The first byte that was asked for.
        offset: u64,
        /// Why.
        error: E,
    },
    /// Something of another form begins at `offset`.
    Foreign {
        /// Its first byte.
        offset: u64,
        /// What it is.
        form: Foreign,
    },
    /// Neither an entry nor zeros.
    NotAnEntry {
        /// Its first byte.
        offset: u64,
        /// What is there.
        found: [u8; 6],
    },
    /// An entry begins at an offset that is no multiple of 4.
    Unaligned {
        /// The offset.
        offset: u64,
    },
    /// A number of a header is not eight hexadecimal digits.
    BadNumber {
        /// Of the eight bytes.
        offset: u64,
        /// What the number means.
        field: &'static str,
        /// What is there.
        found: [u8; 8],
    },
    /// The archive ends within an entry.
    CutShort {
        /// Of the entry.
        offset: u64,
        /// What is cut.
        part: Part,
        /// How many bytes that part has.
        needed: u64,
        /// How many of them there are.
        present: u64,
    },
    /// A name without a NUL at its end.
    Unterminated {
        /// Of the entry.
        offset: u64,
    },
    /// The bytes of a file do not have the sum that its header says.
    BadSum {
        /// Of the entry.
        offset: u64,
        /// The header's.
        stored: u32,
        /// That of the bytes.
        computed: u32,
    },
    /// The entry has no bytes to be read.
    NotAFile {
        /// Of the entry.
        offset: u64,
        /// What it is.
        kind: Kind,
    },
}

/// Parts of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The header, 110 bytes.
    Header,
    /// The name, with the NUL at its end.
    Name,
    /// The bytes of a file, or the target of a link.
    Data,
}

/// Known forms that are not this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Foreign {
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// LZMA alone.
    Lzma,
    /// XZ.
    Xz,
    /// LZO.
    Lzo,
    /// LZ4, the frames of Linux's images or the later ones.
    Lz4,
    /// Zstandard.
    Zstd,
    /// cpio's portable form, "070707".
    OldCharacter,
    /// cpio's first form, of either byte order.
    OldBinary,
    /// An ELF file.
    Elf,
    /// A flattened device tree.
    DeviceTree,
}

impl Foreign {
    /// How each begins. Linux's `lib/decompress.c` tells compressed images by the same bytes.
    const STARTS: [(&'static [u8], Self); 14] = [
        (b"\x1f\x8b", Self::Gzip),
        (b"\x1f\x9e", Self::Gzip),
        (b"BZh", Self::Bzip2),
        (b"\x5d\x00\x00", Self::Lzma),
        (b"\xfd7zXZ\x00", Self::Xz),
        (b"\x89LZO", Self::Lzo),
        (b"\x02\x21\x4c\x18", Self::Lz4),
        (b"\x04\x22\x4d\x18", Self::Lz4),
        (b"\x28\xb5\x2f\xfd", Self::Zstd),
        (b"070707", Self::OldCharacter),
        (b"\xc7\x71", Self::OldBinary),
        (b"\x71\xc7", Self::OldBinary),
        (b"\x7fELF", Self::Elf),
        (b"\xd0\x0d\xfe\xed", Self::DeviceTree),
    ];

    /// What begins with `bytes`.
    pub(crate) fn detect(bytes: &[u8]) -> Option<Self> {
        Self::STARTS.iter().find(|(start, _)| bytes.starts_with(start)).map(|&(_, form)| form)
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compression = match self {
            Self::Gzip => "a gzip",
            Self::Bzip2 => "a bzip2",
            Self::Lzma => "an lzma",
            Self::Xz => "an xz",
            Self::Lzo => "an lzo",
            Self::Lz4 => "an lz4",
            Self::Zstd => "a zstd",
            Self::OldCharacter => {
                return f.write_str("a cpio archive of the odc form (070707): newc is wanted");
            }
            Self::OldBinary => {
                return f.write_str("a cpio archive of the binary form: newc is wanted");
            }
            Self::Elf => return f.write_str("an ELF file: it must be in a cpio archive"),
            Self::DeviceTree => return f.write_str("a device tree, no cpio archive"),
        };
        write!(f, "{compression} archive: it must not be compressed")
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Name => "name",
            Self::Data => "data",
        })
    }
}

impl<E: fmt::Display> fmt::Display for ArchiveError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source { offset, error } => write!(f, "offset {offset:#x}: {error}"),
            Self::Foreign { offset, form } => write!(f, "offset {offset:#x}: {form}"),
            Self::NotAnEntry { offset, found } => {
                write!(f, "offset {offset:#x}: \"{}\" begins no entry", found.escape_ascii())
            }
            Self::Unaligned { offset } => {
                write!(f, "offset {offset:#x}: an entry must begin at a multiple of 4")
            }
            Self::BadNumber { offset, field, found } => write!(
                f,
                "offset {offset:#x}: {field} \"{}\" is not eight hexadecimal digits",
                found.escape_ascii()
            ),
            Self::CutShort { offset, part, needed, present } => write!(
                f,
                "entry at {offset:#x}: its {part} needs {needed} bytes, and the archive ends after {present}"
            ),
            Self::Unterminated { offset } => {
                write!(f, "entry at {offset:#x}: its name does not end with NUL")
            }
            Self::BadSum { offset, stored, computed } => write!(
                f,
                "entry at {offset:#x}: the sum of its data is {computed:#010x}, and should be {stored:#010x}"
            ),
            Self::NotAFile { offset, kind } => {
                write!(f, "entry at {offset:#x}: {kind}, which has no data")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ArchiveError<E> {}
