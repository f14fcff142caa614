//! Trees whose bytes are broken: each boot ends with a line that says where, at once.

use std::fs;

use crate::run::run;
use crate::source::{self, Source, header, set, word};

/// A tree, and the reason that the kernel gives for stopping.
pub struct Broken {
    /// What is wrong with it.
    pub name: &'static str,
    bytes: fn() -> Vec<u8>,
    reason: &'static str,
}

pub const MIB: u64 = 1 << 20;

impl Broken {
    /// Boots with the tree.
    pub fn boot(&self) {
        let file = source::scratch(&format!("{}.dtb", self.name.replace([' ', '/'], "-")));
        fs::write(&file, (self.bytes)()).unwrap();
        let options = ["-m", "256M", "--timeout", "40", "--dtb-raw", file.to_str().unwrap()];
        let run = run(&options, "layout");
        run.expect_status(1);
        // An ellipsis stands for an address that depends on the image's size.
        let reason = format!("vmsplit: halted: {}", self.reason);
        run.expect(&reason.split('…').collect::<Vec<_>>());
    }
}

/// A sound tree of 256 MiB.
pub fn sound() -> Source {
    Source::virt().banks(&[(0x4000_0000, 256 * MIB)])
}

/// The bytes of the sound tree, changed.
fn patched(patch: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut blob = sound().bytes();
    patch(&mut blob);
    blob
}

/// A header word of the sound tree made `value`.
fn header_word(at: usize, value: u32) -> Vec<u8> {
    patched(|blob| set(blob, at, value))
}

/// Where the structure's first property starts: behind the root's token and its empty name.
fn first_property(blob: &[u8]) -> usize {
    let at = word(blob, header::OFF_STRUCTURE) as usize + 8;
    assert_eq!(word(blob, at), 3);
    at
}

/// Where the structure's end token stands.
fn end_token(blob: &[u8]) -> usize {
    let end = word(blob, header::OFF_STRUCTURE) + word(blob, header::SIZE_STRUCTURE);
    let at = end as usize - 4;
    assert_eq!(word(blob, at), 9);
    at
}

pub const fn broken(name: &'static str, reason: &'static str, bytes: fn() -> Vec<u8>) -> Broken {
    Broken { name, reason, bytes }
}

pub const TREES: &[Broken] = &[
    // No header.
    broken("no bytes", "no device tree where r2 says, 0x48100000: bad magic 0x00000000", || {
        Vec::new()
    }),
    broken("zeroes", "no device tree where r2 says, 0x48100000: bad magic 0x00000000", || {
        vec![0; 4096]
    }),
    broken("ones", "no device tree where r2 says, 0x48100000: bad magic 0xffffffff", || {
        vec![0xff; 4096]
    }),
    broken("an ELF file", "no device tree where r2 says, 0x48100000: bad magic 0x7f454c46", || {
        let mut program = fs::read(std::env::current_exe().unwrap()).unwrap();
        program.truncate(MIB as usize);
        program
    }),
    broken("half a header", "bad device tree: 0 bytes are too few for a header", || {
        patched(|blob| blob.truncate(6))
    }),
    // The header's words.
    broken("no total size", "bad device tree: 0 bytes are too few for a header", || {
        header_word(header::TOTAL_SIZE, 0)
    }),
    broken(
        "a total size inside the header",
        "bad device tree: 39 bytes are too few for a header",
        || header_word(header::TOTAL_SIZE, 39),
    ),
    broken(
        "a total size of 4 GiB",
        "the device tree at 0x48100000 has 4294967295 bytes, its window 4194304",
        || header_word(header::TOTAL_SIZE, u32::MAX),
    ),
    broken(
        "a total size cut short",
        "bad device tree: strings block at offset 0x… with 0x… bytes runs past the end at 0xfa0",
        || header_word(header::TOTAL_SIZE, 4000),
    ),
    broken(
        "a version too old",
        "bad device tree: version 3 (compatible down to 16) cannot be read, only 16 and 17 can",
        || header_word(header::VERSION, 3),
    ),
    broken(
        "a version too new",
        "bad device tree: version 17 (compatible down to 18) cannot be read",
        || header_word(header::LAST_COMPATIBLE, 18),
    ),
    broken(
        "a structure outside",
        "bad device tree: structure block at offset 0x100000 with 0x… bytes runs past the end",
        || header_word(header::OFF_STRUCTURE, 0x10_0000),
    ),
    broken(
        "a structure on an odd byte",
        "bad device tree: structure block at offset 0x3d is not aligned to 4 bytes",
        || header_word(header::OFF_STRUCTURE, 0x3d),
    ),
    broken(
        "a structure that wraps",
        "bad device tree: structure block at offset 0x38 with 0xfffffffc bytes runs past the end",
        || header_word(header::SIZE_STRUCTURE, 0xffff_fffc),
    ),
    broken(
        "strings outside",
        "bad device tree: strings block at offset 0xfffffff0 with 0x… bytes runs past the end",
        || header_word(header::OFF_STRINGS, 0xffff_fff0),
    ),
    broken(
        "strings that wrap",
        "bad device tree: strings block at offset 0x… with 0xffffff00 bytes runs past the end",
        || header_word(header::SIZE_STRINGS, 0xffff_ff00),
    ),
    broken(
        "strings on the structure",
        "bad device tree: property at offset 0x40: bad name at 0x0 in the strings block",
        || header_word(header::OFF_STRINGS, 0x40),
    ),
    broken(
        "reservations outside",
        "bad device tree: memory reservation block at offset 0xfffffff8 with 0x0 bytes runs past",
        || header_word(header::OFF_RESERVE_MAP, 0xffff_fff8),
    ),
    broken(
        "reservations without end",
        "bad device tree: memory reservation block is not terminated before offset 0x",
        || {
            patched(|blob| {
                let (start, end) = (word(blob, header::OFF_RESERVE_MAP) as usize, blob.len());
                blob[start..end].fill(0x55);
            })
        },
    ),
    broken(
        "a tree longer than its window",
        "the device tree at 0x48100000 has 4194308 bytes, its window 4194304",
        || {
            patched(|blob| {
                blob.resize(4 * MIB as usize + 4, 0);
                set(blob, header::TOTAL_SIZE, 4 * MIB as u32 + 4);
            })
        },
    ),
    // The structure.
    broken(
        "no end token",
        "bad device tree: structure block ends inside the token at offset 0x…",
        || {
            patched(|blob| {
                let at = end_token(blob);
                set(blob, at, 4);
            })
        },
    ),
    broken(
        "an end of a node too many",
        "bad device tree: end of a node at offset 0x…, where none is open",
        || {
            patched(|blob| {
                let at = end_token(blob);
                set(blob, at, 2);
            })
        },
    ),
    broken(
        "an end of a node too few",
        "bad device tree: end of the structure at offset 0x…, where 1 nodes are open",
        || {
            patched(|blob| {
                let at = end_token(blob);
                set(blob, at - 4, 9);
            })
        },
    ),
    broken(
        "a token that is none",
        "bad device tree: unknown token 0xd00dfeed at offset 0x40",
        || {
            patched(|blob| {
                let at = first_property(blob);
                set(blob, at, 0xd00d_feed);
            })
        },
    ),
    broken(
        "a property of nearly 4 GiB",
        "bad device tree: structure block ends inside the token at offset 0x40",
        || {
            patched(|blob| {
                let at = first_property(blob);
                set(blob, at + 4, 0xffff_fff5);
            })
        },
    ),
    broken(
        "a property's name outside",
        "bad device tree: property at offset 0x40: no name of at most 255 bytes at 0xffffffff",
        || {
            patched(|blob| {
                let at = first_property(blob);
                set(blob, at + 8, 0xffff_ffff);
            })
        },
    ),
    broken(
        "strings without end",
        "bad device tree: property at offset 0x…: no name of at most 255 bytes at 0x",
        || {
            patched(|blob| {
                let end = word(blob, header::OFF_STRINGS) + word(blob, header::SIZE_STRINGS);
                blob[end as usize - 1] = b'x';
            })
        },
    ),
    broken(
        "a node's name without end",
        "bad device tree: node name of the token at offset 0x38 has no end",
        || {
            patched(|blob| {
                let (start, end) =
                    (word(blob, header::OFF_STRUCTURE) as usize + 4, end_token(blob) + 4);
                blob[start..end].fill(b'n');
            })
        },
    ),
    broken(
        "a thousand levels",
        "bad device tree: node at offset 0x… is nested deeper than 32 levels",
        || {
            let nodes = "n { ".repeat(1000) + &"};".repeat(1000);
            sound().below_root(&nodes).bytes()
        },
    ),
];
