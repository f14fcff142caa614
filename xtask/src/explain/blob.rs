//! The bytes of a device tree, from a file that may be anything.
//!
//! Whoever names the wrong file is told what it is: a tree's source, a kernel, a tree with its words the wrong way round.
//! Of a file no more is read than a kernel would map.

use anyhow::{Context as _, Result, bail};
use mm::boot::layout::FDT;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The magic number of an ARM `zImage`, at byte 36.
const ZIMAGE: (usize, u32) = (36, 0x016f_2818);
/// Bytes of a tree that the kernel's window has room for.
const MOST: u64 = FDT.len() as u64;

/// The bytes of `path`, which begin like a device tree.
///
/// # Errors
///
/// The file can not be read, or is something else, which is named.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let of = || path.display().to_string();
    if path.is_dir() {
        bail!("{}: this is a folder, not a device tree", of());
    }
    let file = File::open(path).with_context(of)?;
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).with_context(of)?;
    if let Some(what) = other_than_a_tree(&bytes) {
        bail!("{}: {what}", of());
    }
    let said = word(&bytes, 4).map_or(0, |size| u64::from(u32::from_be(size)));
    if said > MOST {
        bail!("{}: a device tree of {said} bytes: the kernel maps at most {MOST}", of());
    }
    Ok(bytes)
}

/// The little-endian word at byte `at`.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

/// What the bytes are, if they are no device tree.
fn other_than_a_tree(bytes: &[u8]) -> Option<String> {
    let magic = u32::from_be(word(bytes, 0).unwrap_or_default());
    let (zimage_at, zimage) = ZIMAGE;
    if magic == board::dt::MAGIC {
        return None;
    }
    Some(if bytes.is_empty() {
        "the file is empty".to_owned()
    } else if bytes.starts_with(b"/dts-v1/") || is_source(bytes) {
        "this is the source of a device tree: compile it with `dtc -I dts -O dtb`".to_owned()
    } else if word(bytes, zimage_at) == Some(zimage) {
        "this is an ARM kernel image (zImage), not a device tree".to_owned()
    } else if bytes.starts_with(b"\x7fELF") {
        "this is an ELF file, not a device tree".to_owned()
    } else if magic == board::dt::MAGIC.swap_bytes() {
        format!("the words are the wrong way round: {magic:#010x} is the magic number backwards")
    } else if bytes.len() < 4 {
        format!("{} bytes are too few for a device tree", bytes.len())
    } else {
        format!("no device tree: bad magic {magic:#010x}, expected {:#010x}", board::dt::MAGIC)
    })
}

/// Is it text with the brackets of a tree in it?
fn is_source(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    !text.contains('\0') && text.contains("/ {")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn error(bytes: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        read(file.path()).map(|bytes| bytes.len()).unwrap_err().to_string()
    }

    #[test]
    fn the_wrong_file_is_named_for_what_it_is() {
        let mut zimage = vec![0; 64];
        zimage[36..40].copy_from_slice(&0x016f_2818_u32.to_le_bytes());
        for (bytes, says) in [
            (&b""[..], "the file is empty"),
            (b"/dts-v1/;\n/ { };", "compile it with `dtc"),
            (b"// a board\n/ {\n};\n", "compile it with `dtc"),
            (&zimage, "zImage"),
            (b"\x7fELF\x01\x01", "ELF file"),
            (b"\xed\xfe\x0d\xd0\x00\x00", "0xedfe0dd0 is the magic number backwards"),
            (b"\xd0\x0d", "2 bytes are too few"),
            (&[0; 100], "bad magic 0x00000000, expected 0xd00dfeed"),
            (b"\xd0\x0d\xfe\xed\x06\x00\x00\x00", "of 100663296 bytes: the kernel maps at most"),
        ] {
            let error = error(bytes);
            assert!(error.contains(says), "{error}");
        }
    }
}
