//! Archives by another writer (the crate `cpio`), and archives byte by byte as GNU cpio and Linux's `gen_init_cpio`
//! write them.

use std::io::Write as _;

use cpio::newc::{Builder, ModeFileType, trailer};
use newc::{Archive, ArchiveError, Foreign, Kind, OutOfBounds, Part};
use proptest::prelude::*;

type Fault = ArchiveError<OutOfBounds>;

/// An entry by hand: header, name, data, each padded.
struct Hand {
    magic: &'static str,
    inode: u32,
    mode: u32,
    nlink: u32,
    name: &'static str,
    data: &'static [u8],
    check: u32,
}

const FILE: Hand =
    Hand { magic: "070701", inode: 7, mode: 0o100644, nlink: 1, name: "a", data: b"", check: 0 };

impl Hand {
    fn push(&self, to: &mut Vec<u8>) {
        let Self { magic, inode, mode, nlink, name, data, check } = *self;
        let (size, name_size) = (data.len(), name.len() + 1);
        // GNU cpio writes capitals.
        to.extend(
            format!(
                "{magic}{inode:08X}{mode:08X}{:08X}{:08X}{nlink:08X}{:08X}{size:08X}{:08X}{:08X}{:08X}{:08X}\
                 {name_size:08X}{check:08X}{name}\0",
                1000, 100, 0x6520_0000, 8, 1, 0, 0
            )
            .bytes(),
        );
        pad(to, 4);
        to.extend(data);
        pad(to, 4);
    }
}

fn pad(to: &mut Vec<u8>, to_multiple_of: usize) {
    to.resize(to.len().next_multiple_of(to_multiple_of), 0);
}

fn by_hand(entries: &[Hand]) -> Vec<u8> {
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| entry.push(&mut bytes));
    Hand { inode: 0, mode: 0, name: "TRAILER!!!", ..FILE }.push(&mut bytes);
    // GNU cpio fills its last block.
    pad(&mut bytes, 512);
    bytes
}

/// What `find` and `open` give.
fn contents(bytes: &[u8], name: &str) -> Result<Option<Vec<u8>>, Fault> {
    let archive = Archive::new(bytes);
    let Some(entry) = archive.find(name)? else { return Ok(None) };
    let file = archive.open(&entry)?;
    let mut data = vec![0; file.size() as usize];
    assert_eq!(file.read(0, &mut data)?, data.len());
    Ok(Some(data))
}

/// Names, and the error at the end.
fn names(bytes: &[u8]) -> (Vec<String>, Option<Fault>) {
    let (mut names, mut error) = (Vec::new(), None);
    for item in Archive::new(bytes).entries() {
        assert_eq!(error, None, "an item behind an error");
        match item {
            Ok(entry) => names.push(entry.name.to_string()),
            Err(fault) => error = Some(fault),
        }
    }
    (names, error)
}

#[test]
fn what_gnu_cpio_writes_is_read() {
    let bytes = by_hand(&[
        Hand { inode: 1, mode: 0o040755, nlink: 2, name: ".", ..FILE },
        Hand { inode: 2, name: "hello.ko", data: b"12345", ..FILE },
        Hand { inode: 3, mode: 0o120777, name: "link", data: b"hello.ko", ..FILE },
        Hand { inode: 4, mode: 0o020600, name: "dev/console", ..FILE },
        Hand { inode: 5, name: "empty", ..FILE },
    ]);
    let archive = Archive::new(&bytes[..]);
    let entries: Vec<_> = archive.entries().map(Result::unwrap).collect();
    let seen: Vec<_> =
        entries.iter().map(|e| (e.name.as_bytes(), e.kind(), e.mode, e.size)).collect();
    assert_eq!(
        seen,
        [
            (&b"."[..], Kind::Directory, 0o040755, 0),
            (b"hello.ko", Kind::File, 0o100644, 5),
            (b"link", Kind::Symlink, 0o120777, 8),
            (b"dev/console", Kind::Other, 0o020600, 0),
            (b"empty", Kind::File, 0o100644, 0),
        ]
    );
    let hello = &entries[1];
    assert_eq!((hello.uid, hello.gid, hello.nlink, hello.mtime), (1000, 100, 1, 0x6520_0000));
    assert_eq!(hello.offset(), 112);
    for name in ["hello.ko", "/hello.ko", "./hello.ko"] {
        assert_eq!(contents(&bytes, name), Ok(Some(b"12345".to_vec())));
    }
    assert_eq!(contents(&bytes, "link"), Ok(Some(b"hello.ko".to_vec())));
    assert_eq!(contents(&bytes, "empty"), Ok(Some(vec![])));
    assert_eq!(contents(&bytes, "hello"), Ok(None));
    for (name, kind, offset) in
        [(".", Kind::Directory, 0), ("dev/console", Kind::Other, entries[3].offset())]
    {
        assert_eq!(contents(&bytes, name), Err(Fault::NotAFile { offset, kind }));
    }
}

#[test]
fn a_file_is_read_in_pieces() {
    let bytes = by_hand(&[Hand { data: b"0123456789", ..FILE }]);
    let archive = Archive::new(&bytes[..]);
    let file = archive.open(&archive.find("a").unwrap().unwrap()).unwrap();
    let mut four = [b'.'; 4];
    for (from, len, text) in [
        (0, 4, b"0123"),
        (5, 4, b"5678"),
        (8, 2, b"8978"),
        (10, 0, b"8978"),
        (u32::MAX, 0, b"8978"),
    ] {
        assert_eq!(file.read(from, &mut four), Ok(len));
        assert_eq!(&four, text);
    }
}

#[test]
fn archives_follow_each_other_and_later_files_replace_earlier_ones() {
    let one = by_hand(&[Hand { data: b"one", ..FILE }, Hand { name: "b", data: b"b", ..FILE }]);
    let two = by_hand(&[Hand { data: b"two!", name: "./a", ..FILE }]);
    for zeros in [0, 4, 400, 4096] {
        let bytes = [&one[..], &vec![0; zeros], &two, &vec![0; zeros / 4]].concat();
        assert_eq!(names(&bytes), (vec!["a".into(), "b".into(), "./a".into()], None));
        assert_eq!(contents(&bytes, "a"), Ok(Some(b"two!".to_vec())));
        assert_eq!(contents(&bytes, "b"), Ok(Some(b"b".to_vec())));
    }
}

#[test]
fn an_archive_may_be_empty_or_lack_a_trailer() {
    for empty in [&b""[..], &[0; 1], &[0; 4096], &by_hand(&[])] {
        assert_eq!(names(empty), (vec![], None));
    }
    let mut bytes = Vec::new();
    Hand { data: b"12345", ..FILE }.push(&mut bytes);
    // Not even the padding is needed.
    for len in [bytes.len(), bytes.len() - 3] {
        assert_eq!(names(&bytes[..len]), (vec!["a".into()], None));
        assert_eq!(contents(&bytes[..len], "a"), Ok(Some(b"12345".to_vec())));
    }
}

/// The data lies with the last name; with the first or each of them, as other writers have it; or there is none.
#[test]
fn every_name_of_a_file_has_its_data() {
    let name = |name, data| Hand { nlink: 3, inode: 9, name, data, ..FILE };
    let other = Hand { nlink: 2, inode: 8, name: "other", data: b"no", ..FILE };
    let single = Hand { nlink: 1, inode: 9, name: "single", data: b"no", ..FILE };
    for (data, [a, b, c]) in [
        (&b"data"[..], [&b""[..], b"", b"data"]),
        (b"data", [b"data", b"", b""]),
        (b"data", [b"data", b"data", b"data"]),
        (b"later", [b"data", b"later", b""]),
        (b"", [b"", b"", b""]),
    ] {
        let other = Hand { ..other };
        let single = Hand { ..single };
        let one = by_hand(&[name("a", a), other, name("b", b), single, name("c", c)]);
        // A file of another archive with the same inode is another file.
        let bytes = [by_hand(&[name("x", b"x")]), one, by_hand(&[name("y", b"y")])].concat();
        for name in ["a", "b", "c"] {
            assert_eq!(
                contents(&bytes, name),
                Ok(Some(data.to_vec())),
                "{name} of {a:?} {b:?} {c:?}"
            );
        }
        assert_eq!(contents(&bytes, "x"), Ok(Some(b"x".to_vec())));
        assert_eq!(contents(&bytes, "y"), Ok(Some(b"y".to_vec())));
    }
}

#[test]
fn sums_are_compared_when_a_file_is_opened() {
    let file = |check| Hand { magic: "070702", data: b"\x01\x02\xff", check, ..FILE };
    assert_eq!(contents(&by_hand(&[file(0x102)]), "a"), Ok(Some(b"\x01\x02\xff".to_vec())));
    let bad = by_hand(&[file(0x103)]);
    assert_eq!(names(&bad).1, None);
    let error = Fault::BadSum { offset: 0, stored: 0x103, computed: 0x102 };
    assert_eq!(contents(&bad, "a"), Err(error));
    assert_eq!(
        error.to_string(),
        "entry at 0x0: the sum of its data is 0x00000102, and should be 0x00000103"
    );
    // Without sums the field means nothing, nor does it for a link.
    assert!(contents(&by_hand(&[Hand { magic: "070701", ..file(7) }]), "a").is_ok());
    assert!(contents(&by_hand(&[Hand { mode: 0o120777, ..file(7) }]), "a").is_ok());
    // Of several names, only the one with the data has a sum.
    let names =
        [Hand { nlink: 2, data: b"", ..file(0) }, Hand { nlink: 2, name: "b", ..file(0x102) }];
    assert_eq!(contents(&by_hand(&names), "a"), Ok(Some(b"\x01\x02\xff".to_vec())));
}

#[test]
fn other_forms_are_refused_by_name() {
    for (start, text) in [
        (&b"\x1f\x8b\x08\0\0\0"[..], "a gzip archive: it must not be compressed"),
        (b"BZh91AY", "a bzip2 archive: it must not be compressed"),
        (b"\x5d\0\0\x80\0\xff", "an lzma archive: it must not be compressed"),
        (b"\xfd7zXZ\0", "an xz archive: it must not be compressed"),
        (b"\x89LZO\0\x0d\x0a", "an lzo archive: it must not be compressed"),
        (b"\x02\x21\x4c\x18..", "an lz4 archive: it must not be compressed"),
        (b"\x04\x22\x4d\x18..", "an lz4 archive: it must not be compressed"),
        (b"\x28\xb5\x2f\xfd..", "a zstd archive: it must not be compressed"),
        (b"070707000", "a cpio archive of the odc form (070707): newc is wanted"),
        (b"\xc7\x71....", "a cpio archive of the binary form: newc is wanted"),
        (b"\x7fELF\x01\x01", "an ELF file: it must be in a cpio archive"),
        (b"\xd0\x0d\xfe\xed", "a device tree, no cpio archive"),
        (b"#!/bin/sh\n", "\"#!/bin\" begins no entry"),
        (b"070701", "its header needs 110 bytes, and the archive ends after 6"),
        (b"0707", "\"0707\\x00\\x00\" begins no entry"),
    ] {
        let error = names(start).1.unwrap().to_string();
        assert!(error.ends_with(text) && error.contains("0x0:"), "{error}");
    }
    // Linux unpacks a compressed archive behind another, so it is named there, too.
    let bytes = [&by_hand(&[FILE])[..], b"\x1f\x8b\x08"].concat();
    let error = Fault::Foreign { offset: 512, form: Foreign::Gzip };
    assert_eq!(names(&bytes), (vec!["a".into()], Some(error)));
}

#[test]
fn faults_are_named_where_they_are() {
    let good = by_hand(&[FILE, Hand { name: "b", data: b"12345678", ..FILE }]);
    let fault = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        names(&bytes).1.map(|error| error.to_string())
    };
    assert_eq!(fault(&|_| {}), None);
    let says = |text: &str| Some(text.to_owned());
    // The second entry is at 112 (0x70), its name at 222, its data at 224.
    assert_eq!(
        fault(&|bytes| bytes[112 + 54..][..8].copy_from_slice(b"00000g08")),
        says("offset 0xa6: filesize \"00000g08\" is not eight hexadecimal digits")
    );
    assert_eq!(
        fault(&|bytes| bytes[112 + 54..][..8].copy_from_slice(b"ffffffff")),
        says("entry at 0x70: its data needs 4294967295 bytes, and the archive ends after 288")
    );
    assert_eq!(
        fault(&|bytes| bytes[112 + 94..][..8].copy_from_slice(b"FFFFFFFF")),
        says("entry at 0x70: its name needs 4294967295 bytes, and the archive ends after 290")
    );
    assert_eq!(
        fault(&|bytes| bytes.truncate(231)),
        says("entry at 0x70: its data needs 8 bytes, and the archive ends after 7")
    );
    assert_eq!(
        fault(&|bytes| bytes.truncate(223)),
        says("entry at 0x70: its name needs 2 bytes, and the archive ends after 1")
    );
    assert_eq!(
        fault(&|bytes| bytes.truncate(221)),
        says("entry at 0x70: its header needs 110 bytes, and the archive ends after 109")
    );
    assert_eq!(
        fault(&|bytes| bytes[223] = b'x'),
        says("entry at 0x70: its name does not end with NUL")
    );
    assert_eq!(
        fault(&|bytes| bytes.insert(112, 0)),
        says("offset 0x71: an entry must begin at a multiple of 4")
    );
    assert_eq!(
        fault(&|bytes| bytes[112..118].copy_from_slice(b"\x1b[2J\0\n")),
        says("offset 0x70: \"\\x1b[2J\\x00\\n\" begins no entry")
    );
    // A fault behind a file hides it: what replaces it may have been there.
    let cut = &good[..231];
    let (offset, part) = (112, Part::Data);
    assert_eq!(contents(cut, "a"), Err(Fault::CutShort { offset, part, needed: 8, present: 7 }));
}

#[test]
fn names_may_be_empty_long_or_end_early() {
    let mut bytes = Vec::new();
    Hand { name: "ab\0cd", data: b"1", ..FILE }.push(&mut bytes);
    let at = bytes.len();
    Hand { name: "", data: b"2", ..FILE }.push(&mut bytes);
    // No name at all, not even its NUL: the byte is padding then.
    bytes[at + 94..][..8].copy_from_slice(b"00000000");
    let long = "x".repeat(5000);
    Hand { name: long.leak(), data: b"3", ..FILE }.push(&mut bytes);
    Hand { name: "end", data: b"4", ..FILE }.push(&mut bytes);
    let (names, error) = names(&bytes);
    assert_eq!(error, None);
    let long = "x".repeat(255) + "... (5000 bytes)";
    assert_eq!(names, ["ab", "", &long, "end"]);
    assert_eq!(contents(&bytes, "ab"), Ok(Some(b"1".to_vec())));
    assert_eq!(contents(&bytes, &"x".repeat(255)), Ok(None));
    assert_eq!(contents(&bytes, "end"), Ok(Some(b"4".to_vec())));
}

/// Bytes that lie in pages, none of which is beside another; and of which one may be lost.
struct Pages {
    pages: Vec<Vec<u8>>,
    len: u64,
    lost: Option<u64>,
}

impl newc::Source for Pages {
    type Error = u64;

    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), u64> {
        for (at, byte) in (offset..).zip(into) {
            let page = at / 64;
            if self.lost == Some(page) {
                return Err(page);
            }
            *byte = self.pages[page as usize][(at % 64) as usize];
        }
        Ok(())
    }
}

#[test]
fn a_source_that_fails_is_named_with_the_offset() {
    let bytes = by_hand(&[Hand { data: b"some bytes", ..FILE }]);
    let pages = |lost| Pages {
        pages: bytes.chunks(64).map(<[u8]>::to_vec).collect(),
        len: bytes.len() as u64,
        lost,
    };
    let archive = Archive::new(pages(None));
    assert!(archive.find("a").unwrap().is_some());
    for (lost, offset) in [(0, 0), (1, 0), (2, 124)] {
        let archive = Archive::new(pages(Some(lost)));
        assert_eq!(archive.find("a"), Err(ArchiveError::Source { offset, error: lost }));
    }
}

/// What the other writer is told to write.
#[derive(Clone, Debug)]
struct Wanted {
    name: String,
    data: Vec<u8>,
    has_sum: bool,
}

fn wanted() -> impl Strategy<Value = Vec<Wanted>> {
    let data = prop::collection::vec(any::<u8>(), 0..600);
    let one = ("[a-e]{1,2}(/[a-e.é]{1,9}){0,2}", data, any::<bool>());
    prop::collection::vec(
        one.prop_map(|(name, data, has_sum)| Wanted { name, data, has_sum }),
        0..12,
    )
}

fn by_the_crate(wanted: &[Wanted]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (number, Wanted { name, data, has_sum }) in wanted.iter().enumerate() {
        let size = data.len() as u32;
        let sum = data.iter().map(|&byte| u32::from(byte)).sum();
        let builder = Builder::new(name)
            .ino(number as u32)
            .mode(0o644)
            .set_mode_file_type(ModeFileType::Regular);
        let mut writer = match has_sum {
            true => builder.write_crc(&mut bytes, size, sum),
            false => builder.write(&mut bytes, size),
        };
        writer.write_all(data)?;
        writer.finish()?;
    }
    trailer(bytes)
}

proptest! {
    #[test]
    fn what_another_writer_writes_is_read(
        parts in prop::collection::vec((wanted(), 0_usize..80), 1..4),
    ) {
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|(wanted, zeros)| [by_the_crate(wanted).unwrap(), vec![0; 4 * zeros]].concat())
            .collect();
        let all: Vec<&Wanted> = parts.iter().flat_map(|(wanted, _)| wanted).collect();
        let (names, error) = names(&bytes);
        prop_assert_eq!(error, None);
        prop_assert_eq!(names, all.iter().map(|one| one.name.clone()).collect::<Vec<_>>());
        for one in &all {
            let last = all.iter().rfind(|other| other.name == one.name).unwrap();
            prop_assert_eq!(contents(&bytes, &one.name), Ok(Some(last.data.clone())));
        }
        prop_assert_eq!(contents(&bytes, "zz"), Ok(None));
    }

    /// One byte of an archive is another: an error, or as many entries as before or fewer.
    #[test]
    fn a_changed_byte_does_no_harm(wanted in wanted(), at: prop::sample::Index, byte: u8) {
        let mut bytes = by_the_crate(&wanted).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let archive = Archive::new(&bytes[..]);
        let mut end = 0;
        for entry in archive.entries().map_while(Result::ok) {
            prop_assert!(entry.offset() >= end);
            end = entry.offset() + 110 + u64::from(entry.size);
            prop_assert!(end <= bytes.len() as u64);
            if let Ok(file) = archive.open(&entry) {
                let mut data = vec![0; file.size() as usize];
                prop_assert_eq!(file.read(0, &mut data), Ok(data.len()));
            }
        }
    }
}
