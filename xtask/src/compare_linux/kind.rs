//! What a file is that is said to be a Linux kernel, or a `busybox`.
//!
//! A zImage tells what matters before it runs: its own length, and in a table behind its code the length of what it
//! unpacks, the zeroes behind that, and how far above the start of RAM all of it goes. So the files that the tool adds
//! can be put where nothing of the kernel's will be. Every number in a file is checked before it is used.

use std::fmt;

use elf::ElfBytes;
use elf::abi::{EM_386, EM_AARCH64, EM_ARM, EM_X86_64, PT_INTERP};
use elf::endian::AnyEndian;
use elf::file::Class;

/// At 0x24 of a zImage.
const ZIMAGE: u32 = 0x016f_2818;
/// At 0x30, as the kernel's own CPU writes it.
const LITTLE: u32 = 0x0403_0201;
/// At 0x34, when the offset of the table of tags is at 0x38.
const HAS_TAGS: u32 = 0x4545_4545;
/// The tag with the kernel's sizes.
const KERNEL_SIZES: u32 = 0x5a53_4c4b;

/// Where a kernel begins that does not say so.
const USUAL_TEXT_OFFSET: u32 = 0x8000;
/// What a kernel that does not say it is taken to unpack to: so many times its length, ...
const USUAL_RATIO: u32 = 4;
/// ... and so much that is zero.
const USUAL_BSS: u32 = 8 << 20;
/// No kernel for a 32-bit address space is longer than this.
const MAX_BYTES: u32 = 512 << 20;

/// A Linux kernel that unpacks itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZImage {
    /// Bytes of the file.
    pub len: u32,
    /// From the start of RAM to the kernel.
    pub text_offset: u32,
    /// Bytes of the kernel, unpacked, with the zeroes behind it.
    pub unpacked: u32,
}

/// Why a file is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// It is something else, with what to do, if anything.
    Is(&'static str),
    /// It is not as long as its header says: bytes there are, bytes it says.
    Cut(usize, u32),
    /// An ELF program, but for another machine, by its number.
    Machine(u16),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(what) => write!(f, "this is {what}"),
            Self::Cut(is, says) => {
                write!(f, "it is cut short: it has {is} bytes, and says that it has {says}")
            }
            Self::Machine(number) => {
                let name = match *number {
                    EM_X86_64 => "x86-64",
                    EM_386 => "32-bit x86",
                    EM_AARCH64 => "64-bit ARM",
                    _ => {
                        return write!(
                            f,
                            "it is a program for machine {number}, not for 32-bit ARM"
                        );
                    }
                };
                write!(f, "it is a program for {name}, not for 32-bit ARM")
            }
        }
    }
}

/// The word at `at`.
fn word(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

impl ZImage {
    /// Reads the header of a kernel.
    ///
    /// # Errors
    ///
    /// What the file is instead.
    pub fn read(file: &[u8]) -> Result<Self, Wrong> {
        match word(file, 0x24) {
            Some(ZIMAGE) => {}
            Some(found) if found.swap_bytes() == ZIMAGE => {
                return Err(Wrong::Is("a big-endian kernel; QEMU's CPU starts little-endian"));
            }
            _ => return Err(Wrong::Is(something_else(file))),
        }
        if word(file, 0x30).is_some_and(|order| order.swap_bytes() == LITTLE) {
            return Err(Wrong::Is("a big-endian kernel; QEMU's CPU starts little-endian"));
        }
        let (start, end) = (word(file, 0x28).unwrap_or(0), word(file, 0x2c).unwrap_or(0));
        let len = end.wrapping_sub(start);
        if len > MAX_BYTES || (len as usize) > file.len() {
            return Err(Wrong::Cut(file.len(), len));
        }
        let len = (file.len() as u32).max(len);
        Ok(Self::sizes(file, len).unwrap_or(Self {
            len,
            text_offset: USUAL_TEXT_OFFSET,
            unpacked: len.saturating_mul(USUAL_RATIO).saturating_add(USUAL_BSS),
        }))
    }

    /// The sizes of the table, if there is one.
    fn sizes(file: &[u8], len: u32) -> Option<Self> {
        (word(file, 0x34)? == HAS_TAGS).then_some(())?;
        let mut tag = word(file, 0x38)? as usize;
        while word(file, tag.checked_add(4)?)? != KERNEL_SIZES {
            // A tag's first word is its length in words; the list ends with 0.
            let words = word(file, tag)? as usize;
            (words != 0).then_some(())?;
            tag = tag.checked_add(words.checked_mul(4)?)?;
        }
        let field = |number: usize| word(file, tag + 4 * number);
        let image = word(file, field(2)? as usize)?;
        let unpacked = image.checked_add(field(3)?)?;
        let text_offset = if field(0)? > 4 { field(4)? } else { USUAL_TEXT_OFFSET };
        let plausible = unpacked <= MAX_BYTES && text_offset <= MAX_BYTES;
        plausible.then_some(Self { len, text_offset, unpacked })
    }
}

/// What a file is that is no zImage.
fn something_else(file: &[u8]) -> &'static str {
    let begins = |bytes: &[u8]| file.starts_with(bytes);
    if file.is_empty() {
        "an empty file"
    } else if begins(b"\x7fELF") {
        "an ELF file, such as `vmlinux`; wanted is arch/arm/boot/zImage of the same build"
    } else if file.get(0x38..0x3c) == Some(b"ARM\x64") {
        "an Image for 64-bit ARM; wanted is a kernel for 32-bit ARM (Debian's armhf)"
    } else if begins(&[0x27, 0x05, 0x19, 0x56]) {
        "a U-Boot image (uImage); wanted is the zImage in it: `dumpimage -p 0 -o zImage uImage`"
    } else if begins(&[0xd0, 0x0d, 0xfe, 0xed]) {
        "a device tree, or a FIT image; wanted is a zImage"
    } else if begins(&[0x1f, 0x8b]) {
        "packed with gzip; wanted is a zImage, which unpacks itself"
    } else if begins(b"\xfd7zXZ\0") || begins(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "packed; wanted is a zImage, which unpacks itself"
    } else if begins(b"!<arch>\ndebian-binary") {
        "a Debian package; `dpkg-deb -x FILE FOLDER` unpacks it, the kernel is in FOLDER/boot"
    } else if file.get(0x202..0x206) == Some(b"HdrS") {
        "a kernel for x86; wanted is one for 32-bit ARM (Debian's armhf)"
    } else if begins(b"070701") || begins(b"070702") {
        "a cpio archive, such as an initramfs; wanted is a zImage"
    } else {
        "no zImage: the number 0x016f2818 is not at 0x24"
    }
}

/// Checks that `file` is a program for 32-bit ARM that needs no other file.
///
/// # Errors
///
/// What it is instead.
pub fn check_busybox(file: &[u8]) -> Result<(), Wrong> {
    let parsed = ElfBytes::<AnyEndian>::minimal_parse(file)
        .map_err(|_| Wrong::Is("no ELF program; wanted is a busybox for 32-bit ARM"))?;
    if parsed.ehdr.e_machine != EM_ARM || parsed.ehdr.class != Class::ELF32 {
        return Err(Wrong::Machine(parsed.ehdr.e_machine));
    }
    let segments = parsed.segments().ok_or(Wrong::Is("an object file, not a program"))?;
    if segments.iter().any(|segment| segment.p_type == PT_INTERP) {
        return Err(Wrong::Is("linked with shared libraries; wanted is a static busybox"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that count, of Debian's `linux-image-6.1.0-50-armmp`, with the table moved closer.
    fn debian() -> Vec<u8> {
        let mut file = vec![0; 0x100];
        let mut put = |at: usize, word: u32| file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        for (at, word) in [(0x24, ZIMAGE), (0x28, 0), (0x2c, 0x100), (0x30, LITTLE)] {
            put(at, word);
        }
        for (at, word) in [(0x34, HAS_TAGS), (0x38, 0x40), (0xf0, 0x013a_10b4)] {
            put(at, word);
        }
        for (number, word) in
            [6, KERNEL_SIZES, 0xf0, 0x5e4d4, 0x20_8000, 0x1_0000, 0].iter().enumerate()
        {
            put(0x40 + 4 * number, *word);
        }
        file
    }

    #[test]
    fn a_zimage_says_how_large_it_becomes() {
        let expected = ZImage { len: 0x100, text_offset: 0x20_8000, unpacked: 0x013f_f588 };
        assert_eq!(ZImage::read(&debian()), Ok(expected));
    }

    #[test]
    fn an_old_zimage_is_taken_for_a_large_one() {
        let mut file = debian();
        file[0x34] = 0;
        let read = ZImage::read(&file).unwrap();
        assert_eq!((read.text_offset, read.unpacked), (0x8000, 0x400 + (8 << 20)));
    }

    #[test]
    fn a_table_that_lies_is_not_followed() {
        for (at, word) in
            [(0x38, 0xffff_fffe_u32), (0x48, 0xffff_ffff), (0x40, 0), (0x4c, 0xffff_ffff)]
        {
            let mut file = debian();
            file[at..at + 4].copy_from_slice(&word.to_le_bytes());
            if at == 0x40 {
                // A list that ends at once, with another tag.
                file[0x44] = 0;
            }
            assert_eq!(ZImage::read(&file).unwrap().text_offset, 0x8000, "{at:#x}");
        }
    }

    #[test]
    fn other_files_are_named() {
        let said = |file: &[u8]| ZImage::read(file).unwrap_err().to_string();
        assert_eq!(said(b""), "this is an empty file");
        assert!(said(b"\x7fELF\x01\x01").contains("vmlinux"));
        assert!(said(b"\x27\x05\x19\x56").contains("uImage"));
        assert!(said(b"\x1f\x8b\x08").contains("gzip"));
        assert!(said(b"!<arch>\ndebian-binary   ").contains("dpkg-deb -x"));
        assert!(said(b"hello").contains("0x016f2818"));
        let mut arm64 = vec![0; 0x40];
        arm64[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert!(said(&arm64).contains("64-bit ARM"));
        let whole = debian();
        assert_eq!(
            said(&whole[..0xe0]),
            "it is cut short: it has 224 bytes, and says that it has 256"
        );
        let mut other_end = debian();
        other_end[0x24..0x28].reverse();
        assert!(said(&other_end).contains("big-endian"));
    }

    /// An ELF header and one program header.
    fn program(machine: u16, class: u8, segment: u32) -> Vec<u8> {
        let mut file = vec![0; 84];
        file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1, 1]);
        file[16] = 2;
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        file[20] = 1;
        (file[28], file[40], file[42], file[44]) = (52, 52, 32, 1);
        file[52..56].copy_from_slice(&segment.to_le_bytes());
        file
    }

    #[test]
    fn a_busybox_is_static_and_for_arm() {
        assert_eq!(check_busybox(&program(EM_ARM, 1, 1)), Ok(()));
        assert!(
            check_busybox(&program(EM_ARM, 1, PT_INTERP))
                .unwrap_err()
                .to_string()
                .contains("static")
        );
        let host = check_busybox(&program(EM_386, 1, 1)).unwrap_err();
        assert_eq!(host.to_string(), "it is a program for 32-bit x86, not for 32-bit ARM");
        assert!(check_busybox(b"#!/bin/sh").unwrap_err().to_string().contains("no ELF"));
    }
}
