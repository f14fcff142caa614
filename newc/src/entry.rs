//! One entry: what its header says, and where its data lies.

use core::fmt;

use crate::header::{Form, Header};
use crate::name::Name;

/// An entry of an archive: a file, or one of the names of a file; a folder; or something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// What it is, and who may do what with it: `st_mode`.
    pub mode: u32,
    /// Whose it is.
    pub uid: u32,
    /// Whose group's.
    pub gid: u32,
    /// How many names the file has.
    pub nlink: u32,
    /// When it was changed, in seconds since 1970.
    pub mtime: u32,
    /// Bytes of data that lie with this entry. Of a file with several names, all but one have 0:
    /// [`Archive::open`](crate::Archive::open) finds those of the file.
    pub size: u32,
    /// Offset of the header.
    pub(crate) offset: u64,
    /// Offset of the data. It, and as many bytes as `size` says, is within the source.
    pub(crate) data: u64,
    /// Offset of the first entry of this entry's archive: names of one file are in one archive.
    pub(crate) archive: u64,
    pub(crate) inode: u32,
    pub(crate) device: (u32, u32),
    /// What the sum of the data is said to be.
    pub(crate) sum: Option<u32>,
}

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link; its data is where it leads to.
    Symlink,
    /// A device, a pipe, a socket, or nothing known.
    Other,
}

/// The bits of a mode that say the kind (POSIX, `sys/stat.h`; the values are those of every Unix, and cpio's own).
const KIND_BITS: u32 = 0o170_000;

impl Entry {
    pub(crate) fn new(header: &Header, form: Form, name: Name, places: Places) -> Self {
        let &Header { inode, mode, uid, gid, nlink, mtime, size, device, check, .. } = header;
        let Places { offset, data, archive } = places;
        let sum = (form == Form::Crc).then_some(check);
        Self { name, mode, uid, gid, nlink, mtime, size, offset, data, archive, inode, device, sum }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.mode & KIND_BITS {
            0o100_000 => Kind::File,
            0o040_000 => Kind::Directory,
            0o120_000 => Kind::Symlink,
            _ => Kind::Other,
        }
    }

    /// Offset of the entry's header from the start of the source, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Are both names of one file? An entry is not told from itself.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        let file = |entry: &Self| (entry.archive, entry.inode, entry.device);
        let linked = |entry: &Self| entry.kind() == Kind::File && entry.nlink > 1;
        linked(self) && linked(other) && file(self) == file(other)
    }
}

/// Where an entry lies.
pub(crate) struct Places {
    pub(crate) offset: u64,
    pub(crate) data: u64,
    pub(crate) archive: u64,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Other => "a special file",
        })
    }
}
