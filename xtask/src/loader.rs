//! Ways in that `-kernel` does not have: the raw image at any address, a device tree that QEMU
//! neither reads nor edits, any value in r2.
//!
//! QEMU's loader devices put image and tree into RAM. QEMU itself boots two or four instructions
//! ([`hop`]), as a U-Boot image in the boot flash at 0, where nothing else lies. So QEMU does for
//! the image what it does for every kernel: `--append`, `--initrd` and `--dtb` work, the CPU is
//! in the mode that a boot loader leaves it in, and r0 to r2 follow the boot protocol. The hop only
//! jumps on, and may change r2 on the way.
//!
//! Invariant: the bytes of the image and of the tree are in RAM as they are in their files, where
//! [`place`] found room for them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use mm::addr::PhysAddr;
use mm::param::read_size;

use crate::image::{self, Image};
use crate::placement::{Places, Sizes, Wishes, place};

/// How the kernel is entered, where QEMU's own way is not enough.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct EntryArgs {
    /// Place the raw image at this address of RAM and enter it there
    #[arg(long, value_name = "ADDR", value_parser = entry_address)]
    load: Option<u32>,
    /// Hand over these bytes as the device tree as they are, broken ones too; implies the raw image
    #[arg(long, value_name = "FILE", value_parser = regular_file,
          conflicts_with_all = ["dtb", "append", "initrd"])]
    dtb_raw: Option<PathBuf>,
    /// Place the bytes of --dtb-raw at this address of RAM [default: a free MiB]
    #[arg(long, value_name = "ADDR", value_parser = address, requires = "dtb_raw")]
    dtb_at: Option<u32>,
    /// Hand over this value in r2 instead of the device tree's address; implies the raw image
    #[arg(long, value_name = "VALUE", value_parser = address)]
    r2: Option<u32>,
}

/// A 32-bit number, with an optional size suffix.
fn address(text: &str) -> Result<u32, String> {
    let size = read_size(text);
    if !size.is_number || !size.rest.is_empty() {
        return Err(format!("'{text}' is no address: expected such as 0x40200000 or 1G"));
    }
    u32::try_from(size.bytes).map_err(|_| format!("{text} is beyond 4 GiB"))
}

fn entry_address(text: &str) -> Result<u32, String> {
    let address = address(text)?;
    if !address.is_multiple_of(4) {
        return Err(format!("{text} is no multiple of 4: no ARM instruction can be there"));
    }
    Ok(address)
}

fn regular_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.metadata() {
        Ok(found) if found.is_file() => Ok(path),
        Ok(found) if found.is_dir() => Err("this is a folder, not a file".to_owned()),
        Ok(_) => Err("this is no regular file".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What is in RAM besides, because of the other options.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// Bytes of RAM.
    pub ram_bytes: u64,
    /// The file that QEMU makes its tree of.
    pub dtb: Option<&'a Path>,
    /// The initial RAM disk.
    pub initrd: Option<&'a Path>,
}

impl EntryArgs {
    /// Is QEMU's own way in asked for?
    pub const fn is_qemus_own(&self) -> bool {
        self.load.is_none() && self.dtb_raw.is_none() && self.r2.is_none()
    }

    /// Finds what is wrong with the places before there is an image: everything but its end.
    ///
    /// # Errors
    ///
    /// [`Misplaced`](crate::placement::Misplaced).
    pub fn check(&self, machine: Machine<'_>) -> Result<()> {
        if self.is_qemus_own() { Ok(()) } else { self.places(machine, 1).map(drop) }
    }

    /// QEMU's arguments for entering `image`.
    ///
    /// # Errors
    ///
    /// [`Misplaced`](crate::placement::Misplaced), or that the file of instructions can not be
    /// written beside the image.
    pub fn arguments(&self, machine: Machine<'_>, image: &Image) -> Result<Vec<OsString>> {
        let places = self.places(machine, length(&image.raw)?)?;
        let entry = places.image.start();
        let r2 = self.r2.or(places.tree.and_then(|tree| tree.start().as_u32()));
        let mut name = entry.to_string();
        if let Some(r2) = r2 {
            name += &format!("-{r2:#010x}");
        }
        // The name says all that is in it, so it is never somebody else's and never wrong, and it
        // is left lying for the next time, as the images are.
        let folder = image.raw.with_file_name("enter");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let hop_file = folder.join(name + ".uimg");
        image::publish(&hop_file, &uimage(&hop(entry, r2)))?;

        let mut arguments = vec!["-kernel".into(), hop_file.into_os_string()];
        let tree = self.dtb_raw.as_deref().zip(places.tree);
        for (file, range) in [(image.raw.as_path(), places.image)].into_iter().chain(tree) {
            if !range.is_empty() {
                arguments.extend(["-device".into(), device(file, range.start())]);
            }
        }
        Ok(arguments)
    }

    fn places(&self, machine: Machine<'_>, image_bytes: u64) -> Result<Places> {
        let sizes = Sizes {
            ram: machine.ram_bytes,
            image: image_bytes,
            tree: self.dtb_raw.as_deref().map(length).transpose()?,
            qemu_tree: machine.dtb.map(length).transpose()?,
            initrd: machine.initrd.map(length).transpose()?,
        };
        Ok(place(sizes, Wishes { image: self.load, tree: self.dtb_at })?)
    }
}

fn length(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).with_context(|| file.display().to_string())?.len())
}

/// The jump to `entry`, with r2 changed or not: ARM code, with its constants behind it.
pub fn hop(entry: PhysAddr, r2: Option<u32>) -> Vec<u8> {
    /// `ldr r2, [pc]`: the word after the next.
    const LDR_R2: u32 = 0xe59f_2000;
    /// `ldr pc, [pc]`: likewise.
    const LDR_PC: u32 = 0xe59f_f000;
    /// `ldr pc, [pc, #-4]`: the next word.
    const LDR_PC_NEXT: u32 = 0xe51f_f004;

    let entry = entry.as_u32().unwrap_or_default();
    let words = match r2 {
        Some(r2) => vec![LDR_R2, LDR_PC, r2, entry],
        None => vec![LDR_PC_NEXT, entry],
    };
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// `code` as a U-Boot image of an uncompressed Linux kernel that is loaded and entered at 0. That
/// makes QEMU do for it what it does for Linux, at an address of our choice. The checksums are
/// left out: QEMU does not look at them.
pub fn uimage(code: &[u8]) -> Vec<u8> {
    const MAGIC: u32 = 0x2705_1956;
    const LINUX_ARM_KERNEL_PLAIN: [u8; 4] = [5, 2, 2, 0];

    let (no_crc, time, load, entry) = (0, 0, 0, 0);
    let words = [MAGIC, no_crc, time, code.len() as u32, load, entry, no_crc];
    let mut file: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    file.extend(LINUX_ARM_KERNEL_PLAIN);
    file.extend(b"vmsplit: jump to the image");
    file.resize(64, 0);
    file.extend(code);
    file
}

/// QEMU's loader device for a file, whatever is in it.
pub fn device(file: &Path, at: PhysAddr) -> OsString {
    let mut text = OsString::from("loader,file=");
    // QEMU divides its options at commas; two of them are one in a value.
    for (index, part) in file.as_os_str().as_bytes().split(|byte| *byte == b',').enumerate() {
        if index > 0 {
            text.push(",,");
        }
        text.push(OsStr::from_bytes(part));
    }
    text.push(format!(",addr={at},force-raw=on"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against what an assembler made of the three instructions.
    #[test]
    fn the_hop_is_the_code_that_it_should_be() {
        let (ldr_r2, ldr_pc) = ([0x00, 0x20, 0x9f, 0xe5], [0x00, 0xf0, 0x9f, 0xe5]);
        let ldr_pc_next = [0x04, 0xf0, 0x1f, 0xe5];
        let entry = PhysAddr::new(0x4700_3000);
        let entry_bytes = [0x00, 0x30, 0x00, 0x47];
        assert_eq!(hop(entry, None), [ldr_pc_next, entry_bytes].concat());
        assert_eq!(
            hop(entry, Some(0xffff_fff1)),
            [ldr_r2, ldr_pc, [0xf1, 0xff, 0xff, 0xff], entry_bytes].concat()
        );
    }

    #[test]
    fn a_uimage_has_a_header_of_64_bytes() {
        let file = uimage(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(file[..4], [0x27, 0x05, 0x19, 0x56]);
        assert_eq!(file[12..24], [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(file[28..32], [5, 2, 2, 0]);
        assert_eq!(file[64..], [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn commas_in_a_file_name_are_doubled() {
        let argument = device(Path::new("a,b,,c.dtb"), PhysAddr::new(0x4800_0000));
        assert_eq!(argument, "loader,file=a,,b,,,,c.dtb,addr=0x48000000,force-raw=on");
    }

    #[test]
    fn addresses_are_32_bits_and_entries_words() {
        assert_eq!(address("0xfffffff1"), Ok(0xffff_fff1));
        assert_eq!(address("1G"), Ok(0x4000_0000));
        assert_eq!(entry_address("0x40200004"), Ok(0x4020_0004));
        for bad in ["", "x", "0x", "0x40200000h", "4 G"] {
            assert!(address(bad).unwrap_err().contains("is no address"), "{bad:?}");
        }
        for far in ["4G", "0x100000000", "99999999999999999999"] {
            assert!(address(far).unwrap_err().contains("beyond 4 GiB"), "{far}");
        }
        assert!(entry_address("0x40200002").unwrap_err().contains("multiple of 4"));
    }
}
