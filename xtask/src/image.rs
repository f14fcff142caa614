//! The kernel's two files: the ELF that the linker wrote, and the raw image flattened from it.
//!
//! The raw image is memory as it should be at the kernel's place: program segments by physical
//! address from the lowest, zeroes between them and up to the end of the last one's *memory*
//! size, so that `.bss` is part of the image and nothing has to clear it.
//!
//! Invariant: a published file is whole. It is written aside and renamed over the old one, so a
//! QEMU that starts at the same moment reads one or the other.

use anyhow::{Context as _, Result};
use elf::abi::{EM_ARM, PT_LOAD};
use elf::endian::AnyEndian;
use elf::file::Class;
use elf::segment::ProgramHeader;
use elf::{ElfBytes, ParseError};
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// No kernel is near this long: a longer one comes from a segment at a stray address.
const MAX_RAW_BYTES: u64 = 64 << 20;

/// The published files of one build.
#[derive(Debug)]
pub struct Image {
    /// With symbols; its segments say where they go.
    pub elf: PathBuf,
    /// The flattened image, with the 32-bit ARM boot protocol.
    pub raw: PathBuf,
}

/// Why an ELF file is no kernel.
#[derive(Debug)]
pub enum FlattenError {
    /// Not an ELF file, or cut short.
    Parse(ParseError),
    /// Another machine's: its `e_machine`.
    NotArm32(u16),
    /// Nothing to load.
    NoSegments,
    /// A segment has more bytes in the file than in memory; its physical address.
    FileLongerThanMemory(u64),
    /// Two segments overlap; the physical address of the later one.
    Overlap(u64),
    /// From the first byte to the last it is too far: `(start, end)`.
    TooLong(u64, u64),
}

impl fmt::Display for FlattenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(error) => write!(f, "not a readable ELF file: {error}"),
            Self::NotArm32(machine) => {
                write!(f, "not a 32-bit ARM ELF file (machine {machine})")
            }
            Self::NoSegments => f.write_str("the ELF file has no segment to load"),
            Self::FileLongerThanMemory(at) => {
                write!(f, "the segment at {at:#010x} is longer in the file than in memory")
            }
            Self::Overlap(at) => write!(f, "the segment at {at:#010x} overlaps the one before"),
            Self::TooLong(start, end) => write!(
                f,
                "the segments reach from {start:#010x} to {end:#010x}: one is at a stray address"
            ),
        }
    }
}

impl std::error::Error for FlattenError {}

impl From<ParseError> for FlattenError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

/// The raw image of an ELF file.
pub fn flatten(file: &[u8]) -> Result<Vec<u8>, FlattenError> {
    let elf = ElfBytes::<AnyEndian>::minimal_parse(file)?;
    if elf.ehdr.e_machine != EM_ARM || elf.ehdr.class != Class::ELF32 {
        return Err(FlattenError::NotArm32(elf.ehdr.e_machine));
    }
    let mut segments: Vec<ProgramHeader> = elf
        .segments()
        .into_iter()
        .flatten()
        .filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz > 0)
        .collect();
    segments.sort_by_key(|segment| segment.p_paddr);

    let start = segments.first().ok_or(FlattenError::NoSegments)?.p_paddr;
    let mut end = start;
    let mut raw: Vec<u8> = Vec::new();
    for segment in &segments {
        let at = segment.p_paddr;
        if at < end {
            return Err(FlattenError::Overlap(at));
        }
        if segment.p_filesz > segment.p_memsz {
            return Err(FlattenError::FileLongerThanMemory(at));
        }
        // Both are 32-bit numbers in the file: the sum does not wrap.
        end = at + segment.p_memsz;
        let length = usize::try_from(end - start)
            .ok()
            .filter(|_| end - start <= MAX_RAW_BYTES)
            .ok_or(FlattenError::TooLong(start, end))?;
        // `.bss` of the segment before is padded up to here already; what follows is the gap.
        let offset = usize::try_from(at - start).unwrap_or(length);
        raw.resize(offset, 0);
        raw.extend_from_slice(elf.segment_data(segment)?);
        raw.resize(length, 0);
    }
    Ok(raw)
}

/// Puts `bytes` at `path`, whole, and only when it does not hold them already.
pub fn publish(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("an image lies in a folder")?;
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PT_NOTE: u32 = 4;

    /// A little-endian 32-bit ELF file of `(type, physical address, bytes, memory size)`.
    fn elf_file(machine: u16, segments: &[(u32, u32, &[u8], u32)]) -> Vec<u8> {
        let headers_end = 52 + 32 * segments.len();
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
        let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
        half(&mut file, 2);
        half(&mut file, machine);
        for value in [1, 0, 52, 0, 0x0500_0200] {
            word(&mut file, value);
        }
        for value in [52, 32, u16::try_from(segments.len()).unwrap(), 40, 0, 0] {
            half(&mut file, value);
        }
        let mut offset = u32::try_from(headers_end).unwrap();
        for (kind, paddr, bytes, memory) in segments {
            let length = u32::try_from(bytes.len()).unwrap();
            for value in [*kind, offset, 0xc000_0000 | paddr, *paddr, length, *memory, 5, 4] {
                word(&mut file, value);
            }
            offset += length;
        }
        for (_, _, bytes, _) in segments {
            file.extend_from_slice(bytes);
        }
        file
    }

    fn arm(segments: &[(u32, u32, &[u8], u32)]) -> Result<Vec<u8>, FlattenError> {
        flatten(&elf_file(EM_ARM, segments))
    }

    #[test]
    fn places_segments_by_physical_address_and_keeps_bss() {
        let raw = arm(&[
            (PT_LOAD, 0x4020_0010, b"data", 9),
            (PT_NOTE, 0x1000, b"note", 4),
            (PT_LOAD, 0x4020_0000, b"text", 6),
            (PT_LOAD, 0x5000_0000, b"", 0),
        ])
        .unwrap();
        assert_eq!(raw, b"text\0\0\0\0\0\0\0\0\0\0\0\0data\0\0\0\0\0");
    }

    #[test]
    fn refuses_what_is_no_kernel() {
        let error = |result: Result<Vec<u8>, FlattenError>| result.unwrap_err().to_string();
        assert!(error(flatten(b"")).starts_with("not a readable ELF file"));
        assert!(error(flatten(b"#!/bin/sh\n")).starts_with("not a readable ELF file"));
        assert_eq!(error(flatten(&elf_file(62, &[]))), "not a 32-bit ARM ELF file (machine 62)");
        assert_eq!(error(arm(&[])), "the ELF file has no segment to load");
        assert_eq!(
            error(arm(&[(PT_LOAD, 0x4020_0000, b"text", 3)])),
            "the segment at 0x40200000 is longer in the file than in memory"
        );
        assert_eq!(
            error(arm(&[(PT_LOAD, 0x4020_0000, b"a", 8), (PT_LOAD, 0x4020_0007, b"b", 1)])),
            "the segment at 0x40200007 overlaps the one before"
        );
        assert_eq!(
            error(arm(&[(PT_LOAD, 0x100, b"a", 1), (PT_LOAD, 0xffff_ffff, b"b", 0xffff_ffff)])),
            "the segments reach from 0x00000100 to 0x1fffffffe: one is at a stray address"
        );
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_not_a_panic() {
        let whole = elf_file(EM_ARM, &[(PT_LOAD, 0x4020_0000, b"text", 6)]);
        assert_eq!(flatten(&whole).unwrap(), b"text\0\0");
        for length in 0..whole.len() {
            assert!(flatten(&whole[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn publishes_only_what_has_changed() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let inode = || path.metadata().unwrap().ino();
        publish(&path, b"one").unwrap();
        let first = inode();
        publish(&path, b"one").unwrap();
        assert_eq!(inode(), first, "the same bytes: untouched");
        let open = fs::File::open(&path).unwrap();
        publish(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(std::io::read_to_string(open).unwrap(), "one", "a reader keeps its version");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing left behind");
    }
}
