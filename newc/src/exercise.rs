//! Everything that can be done with an archive, for arbitrary bytes: what a fuzzer calls.
//!
//! Beside not panicking, the run checks what must hold whatever the bytes are; a violation panics.

use core::cell::Cell;

use crate::{Archive, ArchiveError, Entry, Kind, MAX_SHOWN_BYTES, Source};

/// Bytes that can not all be read, and that know how often they were.
struct Meter<'a> {
    bytes: &'a [u8],
    /// Reads that touch this byte fail.
    bad: Option<u64>,
    reads: Cell<usize>,
}

/// A read of the bad byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bad;

impl Source for Meter<'_> {
    type Error = Bad;

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Bad> {
        self.reads.set(self.reads.get() + 1);
        assert!(!into.is_empty() || offset < self.len(), "a read of nothing, at the end");
        assert_eq!(self.bytes.read(offset, into), Ok(()), "beyond the end");
        let range = offset..offset + into.len() as u64;
        if self.bad.is_some_and(|bad| range.contains(&bad)) { Err(Bad) } else { Ok(()) }
    }
}

/// Reads all of the archive in `bytes`. Returns how many entries it has, and how many files of them can be read.
///
/// # Panics
///
/// When something that must always hold does not.
pub fn exercise(bytes: &[u8]) -> (usize, usize) {
    let (entries, files) = walk(bytes, None);
    // Once more with a byte that can not be read.
    let sum: u64 = bytes.iter().map(|&byte| u64::from(byte)).sum();
    if !bytes.is_empty() {
        let (fewer, _) = walk(bytes, Some(sum % bytes.len() as u64));
        assert!(fewer <= entries);
    }
    (entries, files)
}

fn walk(bytes: &[u8], bad: Option<u64>) -> (usize, usize) {
    let meter = Meter { bytes, bad, reads: Cell::new(0) };
    let archive = Archive::new(meter);
    let most = bytes.len() / 110;
    let (mut count, mut files, mut end) = (0, 0, 0);
    for item in archive.entries() {
        match item {
            Ok(entry) => {
                assert!(entry.offset() >= end && entry.offset().is_multiple_of(4));
                end = entry.offset() + 110 + u64::from(entry.size);
                assert!(end <= bytes.len() as u64);
                count += 1;
            }
            Err(error) => see(&error, bytes.len()),
        }
    }
    assert!(count <= most);
    // Per entry: a zero, the magic, the header, the last byte of the name, the name; and zeros.
    let reads = archive.source().reads.get();
    assert!(reads <= 5 * (most + 1) + most + bytes.len() / 256 + 1, "{reads} reads");

    // What takes a walk of its own, not for all of very many.
    for entry in archive.entries().map_while(Result::ok).take(64) {
        files += usize::from(open(&archive, &entry, bytes));
        if let Ok(path) = core::str::from_utf8(entry.name.as_bytes())
            && let Ok(found) = archive.find(path)
        {
            let found = found.map(|found| found.offset() >= entry.offset());
            assert_eq!(found, entry.name.is_whole().then_some(true), "{path:?}");
        }
        assert!(!entry.name.to_string().chars().any(char::is_control));
        assert!(entry.name.as_bytes().len() <= MAX_SHOWN_BYTES);
    }
    (count, files)
}

/// Reads a file in pieces of no handy size.
fn open(archive: &Archive<Meter<'_>>, entry: &Entry, bytes: &[u8]) -> bool {
    let file = match archive.open(entry) {
        Ok(file) => file,
        Err(error) => {
            see(&error, bytes.len());
            return false;
        }
    };
    assert!(matches!(entry.kind(), Kind::File | Kind::Symlink));
    assert!(file.size() >= entry.size || entry.nlink > 1);
    let (mut piece, mut from) = ([0; 37], 0);
    loop {
        match file.read(from, &mut piece) {
            Ok(0) => break,
            Ok(len) => from += len as u32,
            Err(_) => return false,
        }
    }
    assert_eq!(from, file.size());
    assert_eq!(file.read(u32::MAX, &mut piece), Ok(0));
    true
}

/// An error says where, in words that are fit for a console.
fn see(error: &ArchiveError<Bad>, len: usize) {
    let (ArchiveError::Source { offset, .. }
    | ArchiveError::Foreign { offset, .. }
    | ArchiveError::NotAnEntry { offset, .. }
    | ArchiveError::Unaligned { offset }
    | ArchiveError::BadNumber { offset, .. }
    | ArchiveError::CutShort { offset, .. }
    | ArchiveError::Unterminated { offset }
    | ArchiveError::BadSum { offset, .. }
    | ArchiveError::NotAFile { offset, .. }) = *error;
    assert!(offset < len as u64);
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

impl core::fmt::Display for Bad {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("can not be read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whatever the fuzzer found worth keeping, once more.
    #[test]
    fn every_archive_of_the_corpus_is_sound() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/newc");
        let (mut archives, mut entries, mut files) = (0, 0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Printed only if what follows fails.
            println!("{}", path.display());
            let (more_entries, more_files) = exercise(&std::fs::read(path).unwrap());
            (archives, entries, files) = (archives + 1, entries + more_entries, files + more_files);
        }
        println!("{archives} archives, {entries} entries, {files} files");
        assert!(archives >= 8 && entries >= 8 && files >= 4);
    }

    /// Pieces that archives are made of.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let number = prop_oneof![
            4 => (0_u32..12).prop_map(|n| format!("{n:08x}")),
            1 => any::<u32>().prop_map(|n| format!("{n:08X}")),
            1 => prop::sample::select(vec!["000081a4", "000041ed", "0000a1ff"]).prop_map(String::from),
        ];
        let header =
            (prop::sample::select(vec!["070701", "070702"]), prop::collection::vec(number, 13))
                .prop_map(|(magic, numbers)| (magic.to_owned() + &numbers.concat()).into_bytes());
        let snippets = prop::sample::select(vec![
            &b"\0"[..],
            b"\0\0",
            b"\0\0\0\0",
            b"a\0",
            b"./a\0",
            b"TRAILER!!!\0",
            b"\x1f\x8b",
            b"data",
        ]);
        prop_oneof![3 => header, 3 => snippets.prop_map(<[u8]>::to_vec), 1 => any::<Vec<u8>>()]
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            exercise(&bytes);
        }

        #[test]
        fn no_pieces_do_harm(pieces in prop::collection::vec(pieces(), 0..20)) {
            exercise(&pieces.concat());
        }
    }
}
