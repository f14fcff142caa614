//! Where the kernel and the files for it go in RAM.
//!
//! Three things of Linux's own decide: where it unpacks itself to, where QEMU puts the device tree, and where low memory
//! ends, which with the largest `vmalloc=` is 32 MiB. QEMU would put an initial RAM disk at 128 MiB: a `vmalloc=896M`
//! leaves that outside low memory, and Linux 6.1 then stops. So the zImage goes right behind what it unpacks to, and the
//! archive below the kernel, in the 2 MiB that many kernels leave there, else, or when a `mem=` may say that those are no
//! memory, right behind the zImage. What is below the
//! kernel takes no room in which Linux looks for large pieces: the archive must not be what a boot dies of.

use mm::param::params;
use std::fmt;

use super::kind::ZImage;

/// Where RAM starts on the board.
pub const RAM: u64 = 0x4000_0000;

/// The first page may hold what a boot loader leaves there.
const BEFORE_ARCHIVE: u64 = 0x1000;
/// Page tables that the kernel makes right below itself, the larger form.
const BOOT_TABLES: u64 = 0x5000;
/// What unpacking needs behind the zImage: heap and stack.
const BEHIND_ZIMAGE: u64 = 0x2_0000;
/// QEMU's tree, and room.
const TREE: u64 = 2 << 20;
/// Where the zImage may begin.
const ALIGN: u64 = 0x1_0000;

/// Addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Places {
    /// The zImage, and its entry.
    pub zimage: u32,
    /// The archive.
    pub archive: u32,
}

/// There is too little RAM: where all that must be in it would end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLittle {
    /// Bytes of RAM that it takes.
    pub needs: u64,
}

impl fmt::Display for TooLittle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Linux does not fit: to unpack itself it takes {} KiB of RAM",
            self.needs.div_ceil(1024)
        )
    }
}

/// Finds room. `command_line` is the user's.
///
/// # Errors
///
/// [`TooLittle`].
pub fn place(
    kernel: &ZImage,
    archive_bytes: u64,
    ram_bytes: u64,
    command_line: &str,
) -> Result<Places, TooLittle> {
    let text = RAM + u64::from(kernel.text_offset);
    // QEMU's choice.
    let tree = RAM + (ram_bytes / 2).min(128 << 20);
    let behind_tree = (tree + TREE).next_multiple_of(ALIGN);
    let room = |from: u64, bytes: u64| {
        let meets_tree = from < tree + TREE && from + bytes > tree;
        if meets_tree { behind_tree.max(from) } else { from }
    };
    let zimage_bytes = u64::from(kernel.len) + BEHIND_ZIMAGE;
    let zimage = room((text + u64::from(kernel.unpacked)).next_multiple_of(ALIGN), zimage_bytes);
    let below = RAM + BEFORE_ARCHIVE;
    let is_memory = !params(command_line).any(|param| param.is("mem"));
    let archive = if is_memory && below + archive_bytes + BOOT_TABLES <= text {
        below
    } else {
        room((zimage + zimage_bytes).next_multiple_of(0x1000), archive_bytes)
    };
    let end = (zimage + zimage_bytes).max(archive + archive_bytes);
    if end > RAM + ram_bytes {
        return Err(TooLittle { needs: end - RAM });
    }
    // Below the end of RAM, but RAM itself may reach beyond 4 GiB.
    match (u32::try_from(zimage), u32::try_from(archive)) {
        (Ok(zimage), Ok(archive)) => Ok(Places { zimage, archive }),
        _ => Err(TooLittle { needs: end - RAM }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: ZImage = ZImage { len: 0x53_2200, text_offset: 0x20_8000, unpacked: 0x013f_f588 };
    const MIB: u64 = 1 << 20;

    #[test]
    fn a_small_archive_goes_below_the_kernel() {
        let places = Places { zimage: 0x4161_0000, archive: 0x4000_1000 };
        for ram in [64, 512, 1024, 3072] {
            assert_eq!(place(&DEBIAN, 1_286_120, ram * MIB, ""), Ok(places), "{ram}");
        }
    }

    #[test]
    fn a_kernel_at_the_start_of_ram_has_it_behind() {
        let kernel = ZImage { text_offset: 0x8000, ..DEBIAN };
        let places = place(&kernel, 1_286_120, 1024 * MIB, "").unwrap();
        assert_eq!(places, Places { zimage: 0x4141_0000, archive: 0x4196_3000 });
    }

    #[test]
    fn what_mem_may_leave_out_is_not_used() {
        let line = "quiet mem=300M@0x40100000";
        let places = place(&DEBIAN, 1_286_120, 1024 * MIB, line).unwrap();
        assert_eq!(places, Places { zimage: 0x4161_0000, archive: 0x41b6_3000 });
    }

    #[test]
    fn nothing_lies_on_the_device_tree() {
        // QEMU's tree is at 24 MiB, where the zImage would end.
        let places = place(&DEBIAN, 1_286_120, 48 * MIB, "").unwrap();
        assert_eq!(places.zimage, 0x41a0_0000);
    }

    #[test]
    fn too_little_ram_is_said() {
        let error = place(&DEBIAN, 1_286_120, 16 * MIB, "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Linux does not fit: to unpack itself it takes 28041 KiB of RAM"
        );
    }
}
